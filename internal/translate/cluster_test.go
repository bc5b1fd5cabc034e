// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// wanted begins the lines of a bad manifest that say how it is refused: path,
// message, value and hint, as Problem writes them, without the line.
const wanted = "# want "

// schemaToo is the line of manifests that the API server refuses by the schema of
// config/crd, before it asks a webhook.
const schemaToo = "# The schema refuses it too.\n"

// TestPlanBadCluster refuses every manifest of testdata/badcluster, each of which
// has one thing wrong that clusters are for, with the path, message and hint that
// its first lines say. The same files are given to the webhook and to a real API
// server (test/kube).
func TestPlanBadCluster(t *testing.T) {
	files, err := filepath.Glob("testdata/badcluster/*.yaml")
	if err != nil || len(files) < 60 {
		t.Fatalf("%d bad manifests, want at least 60: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := refused(t, data)
			var comment, want, manifest string
			for line := range strings.Lines(string(data)) {
				switch {
				case strings.HasPrefix(line, wanted):
					want += line
				case strings.HasPrefix(line, "#"):
					comment += line
				default:
					manifest += line
				}
			}
			if *update {
				if err := os.WriteFile(file, []byte(comment+got+manifest), 0o644); err != nil {
					t.Fatal(err)
				}
				want = got
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s differs (-want +got):\n%s", file, diff)
			}
			if strings.Contains(comment, schemaToo) {
				return // No program gets to see it as an object.
			}
			e, _ := decode(data)
			object, err := json.Marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(got, refused(t, object)); diff != "" {
				t.Errorf("as an object it is refused otherwise (-file +object):\n%s", diff)
			}
		})
	}
}

// refused are the problems of a manifest, as the comments of a bad one say them.
func refused(t *testing.T, data []byte) string {
	t.Helper()
	_, err := Plan(data)
	problems, ok := errors.AsType[Problems](err)
	if !ok {
		t.Fatalf("it is accepted: %v", err)
	}
	checkProblems(t, err)
	var lines []string
	for _, p := range problems {
		if p.Line = 0; p.Hint == "" && p.Value == "" {
			t.Errorf("neither value nor hint: %s", p)
		}
		lines = append(lines, wanted+p.String()+"\n")
	}
	slices.Sort(lines) // An object has its fields in another order.
	return strings.Join(lines, "")
}

// TestObjectReadsAsItsManifest reads what kubectl gives of an object, in YAML and
// in JSON: it is the same plan as the manifest that was applied.
func TestObjectReadsAsItsManifest(t *testing.T) {
	applied, err := os.ReadFile("testdata/applied.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want, err := Plan(applied)
	if err != nil {
		t.Fatal(err)
	}
	object, err := os.ReadFile("testdata/object.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := yaml.Unmarshal(object, &v); err != nil {
		t.Fatal(err)
	}
	asJSON, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"YAML": object, "JSON": asJSON} {
		t.Run(name, func(t *testing.T) {
			got, err := Plan(data)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("the object is another plan (-applied +object):\n%s", diff)
			}
		})
	}
}

// TestMetadataIsReadStrictly keeps what is no field of any object an error.
func TestMetadataIsReadStrictly(t *testing.T) {
	minimal := string(goldenInputs(t)["virtualservice"])
	for old, changed := range map[string]string{
		"namespace: search}": "namespace: search, label: {a: b}}",
		"spec:\n":            "stats: {}\nspec:\n",
		"  owner:":           "  status: {}\n  owner:",
	} {
		if strings.Count(minimal, old) != 1 {
			t.Fatalf("%q is there %d times", old, strings.Count(minimal, old))
		}
		if _, err := Plan([]byte(strings.Replace(minimal, old, changed, 1))); err == nil || !strings.Contains(err.Error(), "unknown field") {
			t.Errorf("with %q: %v", changed, err)
		}
	}
}

// TestControlIsNoPartOfThePlan leaves a wish out, and makes every wish there is.
func TestControlIsNoPartOfThePlan(t *testing.T) {
	data := string(goldenInputs(t)["virtualservice"])
	p, err := Plan([]byte(data))
	if err != nil {
		t.Fatal(err)
	}
	before, _, ok := strings.Cut(data, "  control: ")
	if !ok {
		t.Fatal("there is no wish in the input")
	}
	for _, wish := range []string{
		"", "  control:\n", "  control: {verb: kill}\n", "  control: {verb: lift, reason: checked}\n", "  control: {verb: pause}\n", "  control: {verb: resume}\n",
		"  control: {verb: promote}\n", "  control: {verb: abort}\n", "  control: {verb: retry}\n", "  control: {verb: approve}\n",
		"  control: {verb: freeze}\n", "  control: {verb: learn, id: again}\n",
	} {
		if q, err := Plan([]byte(before + wish)); err != nil || q.Hash() != p.Hash() {
			t.Errorf("with %q: %v", wish, err)
		}
	}
}

// TestMirrorByRouterCountsCopies keeps what the plan asks for in the one place
// that copies and pairs are counted by.
func TestMirrorByRouterCountsCopies(t *testing.T) {
	p, err := Plan(goldenInputs(t)["virtualservice"])
	if err != nil {
		t.Fatal(err)
	}
	m := p.Stages[0].Mirror
	if m.Until.Pairs != 2000 || m.ByEvents || p.PairsHold() != p.Lag+2*experiment.DefaultCopyTimeout+experiment.PairSlack {
		t.Errorf("mirror %+v, pairs are held for %s", m, p.PairsHold())
	}
	for _, s := range p.Sources() {
		if s == experiment.SourcePairs {
			t.Error("the plan waits for pairs that nobody collects")
		}
	}
}

// TestObjectsSurviveTheirTypes writes each accepted input as the controller does
// what it holds of an object, with every default that a Go program would add: it
// is the same plan.
func TestObjectsSurviveTheirTypes(t *testing.T) {
	for name, data := range goldenInputs(t) {
		p, err := Plan(data)
		if err != nil {
			continue
		}
		t.Run(name, func(t *testing.T) {
			e, d := decode(data)
			written, err := json.Marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			var more [][]byte
			for _, document := range strings.Split(string(data), "\n---\n") {
				if len(d.metrics) > 0 && strings.Contains(document, "kind: Metric\n") {
					more = append(more, []byte(document))
				}
			}
			q, err := Plan(written, more...)
			if err != nil {
				t.Fatalf("%v in:\n%s", err, written)
			}
			if diff := cmp.Diff(p, q); diff != "" {
				t.Errorf("it is another plan (-file +object):\n%s", diff)
			}
		})
	}
}
