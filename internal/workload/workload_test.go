// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// of2 is a Deployment of two replicas with an image.
func of2(image string) deployment {
	return deployment{&unstructured.Unstructured{Object: map[string]any{
		"metadata": map[string]any{"name": "green", "namespace": "n", "generation": int64(3)},
		"spec": map[string]any{
			"replicas": int64(2), "unknownOfTomorrow": "kept",
			"template": map[string]any{
				"metadata": map[string]any{"labels": map[string]any{"colour": "green"}},
				"spec":     map[string]any{"containers": []any{map[string]any{"name": "model", "image": image}}},
			},
		},
	}}}
}

func mustTemplate(t *testing.T, d deployment) template {
	t.Helper()
	out, err := d.template()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func mustOverwrite(t *testing.T, d deployment, key Key, with string) {
	t.Helper()
	if err := overwrite(d, key, mustTemplate(t, of2(with)), mustTemplate(t, d), 2); err != nil {
		t.Fatal(err)
	}
}

func image(d deployment) string {
	containers, _, _ := unstructured.NestedSlice(d.Object, "spec", "template", "spec", "containers")
	return containers[0].(map[string]any)["image"].(string)
}

// TestWhatACopyReplacesIsKept: the first replaced template of an experiment is
// what a restore puts back, whatever earlier experiments left.
func TestWhatACopyReplacesIsKept(t *testing.T) {
	for name, c := range map[string]struct {
		copies []Key
		images []string
		want   string
	}{
		"one copy":                               {[]Key{{"u", 5}}, []string{"b"}, "a"},
		"the same again, of the same experiment": {[]Key{{"u", 5}, {"u", 9}}, []string{"b", "b"}, "a"},
		"a copy over another's":                  {[]Key{{"v", 2}, {"u", 5}}, []string{"b", "c"}, "b"},
		"the same as another's":                  {[]Key{{"v", 2}, {"u", 5}}, []string{"b", "b"}, "b"},
	} {
		t.Run(name, func(t *testing.T) {
			d := of2("a")
			for i, key := range c.copies {
				mustOverwrite(t, d, key, c.images[i])
			}
			if left, changed, err := restore(d, "u"); left != "" || !changed || err != nil {
				t.Fatalf("%q, %v, %v", left, changed, err)
			}
			if got := image(d); got != c.want {
				t.Errorf("%s is back, want %s", got, c.want)
			}
			if a := d.GetAnnotations(); len(a) > 0 {
				t.Errorf("annotations are left: %v", a)
			}
		})
	}
}

func TestARestoreOfNothingChangesNothing(t *testing.T) {
	d := of2("a")
	mustOverwrite(t, d, Key{"v", 2}, "b")
	before := d.DeepCopy()
	if _, changed, err := restore(d, "u"); changed || err != nil {
		t.Errorf("%v, %v", changed, err)
	}
	if diff := cmp.Diff(before, d.Unstructured); diff != "" {
		t.Errorf("(-before +after):\n%s", diff)
	}
}

func TestATemplateThatCannotBeKeptIsRefused(t *testing.T) {
	d := of2(strings.Repeat("a", maxKept))
	err := overwrite(d, Key{"u", 1}, mustTemplate(t, of2("b")), mustTemplate(t, d), 2)
	if experiment.CodeOf(err) != experiment.CodeInvalid || !strings.Contains(experiment.HintOf(err), "pointer") {
		t.Errorf("%v; %s", err, experiment.HintOf(err))
	}
}

func TestADeploymentWithoutPodsIsRefused(t *testing.T) {
	d := deployment{&unstructured.Unstructured{Object: map[string]any{"metadata": map[string]any{"name": "x"}}}}
	if _, err := d.template(); experiment.CodeOf(err) != experiment.CodeInvalid {
		t.Error(err)
	}
	if got := d.rolledOut(); got == "" {
		t.Error("it counts as rolled out")
	}
}
