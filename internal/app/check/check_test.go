// SPDX-License-Identifier: Apache-2.0

package check

import (
	"os"
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/headgate-dev/headgate/api/kube"
	routes "github.com/headgate-dev/headgate/internal/router/kube"
)

// TestOwnDefinitionsLackNothing: the definitions in the repository are of this
// version.
func TestOwnDefinitionsLackNothing(t *testing.T) {
	for file, of := range map[string]reflect.Type{
		"experiments": reflect.TypeFor[kube.Experiment](), "metrics": reflect.TypeFor[kube.Metric](), "experimentrecords": reflect.TypeFor[kube.ExperimentRecord](),
	} {
		s := definition(t, file)
		if lacks := lacking(of, s, ""); len(lacks) > 0 {
			t.Errorf("%s: %v", file, lacks)
		}
	}
}

func TestLackingNamesFieldsAtAnyDepth(t *testing.T) {
	s := definition(t, "experiments")
	before := lacking(reflect.TypeFor[kube.Experiment](), s, "")
	unstructured.RemoveNestedField(s, "properties", "spec", "properties", "drift")
	unstructured.RemoveNestedField(s, "properties", "spec", "properties", "versions", "items", "properties", "workload")
	unstructured.RemoveNestedField(s, "properties", "status", "properties", "control")
	got := slices.DeleteFunc(lacking(reflect.TypeFor[kube.Experiment](), s, ""), func(path string) bool { return slices.Contains(before, path) })
	if d := cmp.Diff([]string{".spec.versions[].workload", ".spec.drift", ".status.control"}, got); d != "" {
		t.Error(d)
	}
}

func definition(t *testing.T, name string) map[string]any {
	t.Helper()
	text, err := os.ReadFile("../../../config/crd/headgate.dev_" + name + ".yaml")
	if err != nil {
		t.Fatal(err)
	}
	u := &unstructured.Unstructured{}
	if err := yaml.Unmarshal(text, &u.Object); err != nil {
		t.Fatal(err)
	}
	s, ok := schemaOf(u)
	if !ok {
		t.Fatalf("%s has no schema", name)
	}
	return s
}

func TestDifferingNamesWhatShapesLatency(t *testing.T) {
	make := func(change func(d *appsv1.Deployment)) *appsv1.Deployment {
		d := &appsv1.Deployment{}
		d.Spec.Template.Spec.Containers = []corev1.Container{{Name: "model", Image: "one"}}
		change(d)
		return d
	}
	plain := make(func(*appsv1.Deployment) {})
	for name, tc := range map[string]struct {
		change func(d *appsv1.Deployment)
		want   []string
	}{
		"the image is the model": {func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Image = "two" }, nil},
		"one replica is the default": {func(d *appsv1.Deployment) {
			one := int32(1)
			d.Spec.Replicas = &one
		}, nil},
		"resources": {func(d *appsv1.Deployment) {
			d.Spec.Template.Spec.Containers[0].Resources.Limits = corev1.ResourceList{"cpu": resource.MustParse("2"), "memory": resource.MustParse("1Gi")}
		}, []string{"resources of container model (none and limits cpu 2, memory 1Gi)"}},
		"a container more": {func(d *appsv1.Deployment) {
			d.Spec.Template.Spec.Containers = append(d.Spec.Template.Spec.Containers, corev1.Container{Name: "cache"})
		}, []string{"containers (1 and 2)"}},
		"nodes": {func(d *appsv1.Deployment) {
			d.Spec.Template.Spec.NodeSelector = map[string]string{"gpu": "a"}
			d.Spec.Template.Spec.Tolerations = []corev1.Toleration{{Key: "gpu"}}
		}, []string{"node selectors", "tolerations"}},
	} {
		t.Run(name, func(t *testing.T) {
			if d := cmp.Diff(tc.want, Differing(plain, make(tc.change))); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestHealKnowsWhoWritesAgain(t *testing.T) {
	target := routes.Target{Kind: schema.GroupVersionKind{Group: "networking.istio.io", Version: "v1", Kind: "VirtualService"}, Key: types.NamespacedName{Namespace: "search", Name: "ranker"}}
	for name, tc := range map[string]struct {
		labels, notes map[string]string
		owners        []metav1.OwnerReference
		want          []Status
	}{
		"nobody":                  {nil, map[string]string{"note": "x"}, nil, []Status{OK}},
		"Argo CD by label":        {map[string]string{argoInstance: "shop"}, nil, nil, []Status{Warning}},
		"Flux and its Helm":       {map[string]string{fluxName: "apps", fluxHelm: "shop"}, nil, nil, []Status{Warning, Warning}},
		"Flux that was told":      {map[string]string{fluxName: "apps"}, map[string]string{fluxApply: "Ignore"}, nil, []Status{OK}},
		"Flux that is turned off": {map[string]string{fluxName: "apps"}, map[string]string{fluxOff: "disabled"}, nil, []Status{OK}},
		"an Argo Rollout":         {map[string]string{argoRollouts: "in-progress"}, nil, nil, []Status{Failed}},
		"Flagger":                 {nil, nil, []metav1.OwnerReference{{APIVersion: "flagger.app/v1beta1", Kind: "Canary", Name: "c"}}, []Status{Failed}},
		"an owner that is a home": {nil, nil, []metav1.OwnerReference{{APIVersion: "example.com/v1", Kind: "Canary", Name: "c"}}, []Status{OK}},
	} {
		t.Run(name, func(t *testing.T) {
			u := unstructured.Unstructured{Object: map[string]any{}}
			u.SetLabels(tc.labels)
			u.SetAnnotations(tc.notes)
			u.SetOwnerReferences(tc.owners)
			k := &checker{}
			k.heal(target, u.Object, []string{"/spec/http"})
			var got []Status
			for _, r := range k.report.Results {
				got = append(got, r.Status)
			}
			if d := cmp.Diff(tc.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestBeforeIndexIsTheClaimedList(t *testing.T) {
	for pointer, want := range map[string]string{"/spec/http": "/spec/http", "/spec/traffic/1/percent": "/spec/traffic", "/data/v3.share": "/data/v3.share"} {
		if got := beforeIndex(pointer); got != want {
			t.Errorf("%s: %s, want %s", pointer, got, want)
		}
	}
}
