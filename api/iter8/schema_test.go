// SPDX-License-Identifier: Apache-2.0

package iter8

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"
)

// readSchema reads the CRD of a kind as plain values, without what people read alone.
func readSchema(t *testing.T, text []byte) map[string]any {
	t.Helper()
	var crd map[string]any
	if err := yaml.Unmarshal(text, &crd); err != nil {
		t.Fatal(err)
	}
	return undescribed(crd).(map[string]any)
}

func undescribed(v any) any {
	switch x := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, each := range x {
			if _, text := each.(string); k == "description" && text {
				continue
			}
			out[k] = undescribed(each)
		}
		return out
	case []any:
		for i := range x {
			x[i] = undescribed(x[i])
		}
	}
	return v
}

func own(t *testing.T, plural string) map[string]any {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "config", "crd", "iter8", "iter8.tools_"+plural+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return readSchema(t, text)
}

// beyond is what the schemas here have and Iter8's do not: they accept more, and
// nothing less.
var beyond = map[string]bool{
	"experiments/metadata/labels": true, "metrics/metadata/labels": true,
	// An older dialect's name of if.
	"experiments/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/strategy/properties/actions/additionalProperties/items/properties/condition": true,
	// What Iter8's own prose called A/B/N.
	"experiments/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/strategy/properties/testingPattern/enum/4": true,
	// A reference is written as a whole.
	"experiments/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/versionInfo/properties/baseline/properties/weightObjRef/x-kubernetes-map-type":         true,
	"experiments/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/versionInfo/properties/candidates/items/properties/weightObjRef/x-kubernetes-map-type": true,
}

// TestSchemasAreThoseOfIter8 holds the schemas against Iter8's own.
func TestSchemasAreThoseOfIter8(t *testing.T) {
	crds := os.Getenv("HEADGATE_CRDS")
	if crds == "" {
		t.Skip("set HEADGATE_CRDS to the serving stacks' CRDs")
	}
	text, err := os.ReadFile(filepath.Join(crds, "iter8-v2alpha2-upstream.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, doc := range strings.Split(string(text), "\n---\n") {
		if strings.TrimSpace(doc) == "" || strings.TrimSpace(doc) == "---" {
			continue
		}
		upstream := readSchema(t, []byte(doc))
		delete(upstream, "status")
		metadata := upstream["metadata"].(map[string]any)
		delete(metadata, "annotations")
		delete(metadata, "creationTimestamp")
		plural := upstream["spec"].(map[string]any)["names"].(map[string]any)["plural"].(string)
		here := own(t, plural)
		delete(here["metadata"].(map[string]any), "annotations")
		differ(t, plural, upstream, here)
		seen++
	}
	if seen != 2 {
		t.Errorf("%d schemas were compared", seen)
	}
}

func differ(t *testing.T, path string, upstream, here any) {
	t.Helper()
	switch u := upstream.(type) {
	case map[string]any:
		h, ok := here.(map[string]any)
		if !ok {
			t.Errorf("%s: %v, Iter8 has %v", path, here, upstream)
			return
		}
		for _, k := range slices.Sorted(maps.Keys(u)) {
			differ(t, path+"/"+k, u[k], h[k])
		}
		for k := range h {
			if _, ok := u[k]; !ok && !beyond[path+"/"+k] {
				t.Errorf("%s/%s: Iter8 has none", path, k)
			}
		}
	case []any:
		h, ok := here.([]any)
		if !ok || len(h) < len(u) {
			t.Errorf("%s: %v, Iter8 has %v", path, here, upstream)
			return
		}
		for i := range h {
			switch at := fmt.Sprintf("%s/%d", path, i); {
			case beyond[at]:
			case i >= len(u):
				t.Errorf("%s: Iter8 has none", at)
			default:
				differ(t, at, u[i], h[i])
			}
		}
	default:
		if !reflect.DeepEqual(upstream, here) {
			t.Errorf("%s: %v, Iter8 has %v", path, here, upstream)
		}
	}
}

// TestColumnsAndWordsAreKept holds what kubectl shows, and what the schema lets
// in, without Iter8's own file.
func TestColumnsAndWordsAreKept(t *testing.T) {
	version := own(t, "experiments")["spec"].(map[string]any)["versions"].([]any)[0].(map[string]any)
	var columns []string
	for _, c := range version["additionalPrinterColumns"].([]any) {
		column := c.(map[string]any)
		columns = append(columns, fmt.Sprintf("%s %s %s", column["name"], column["type"], column["jsonPath"]))
	}
	want := []string{
		"type string .spec.strategy.testingPattern", "target string .spec.target", "stage string .status.stage",
		"completed iterations string .status.completedIterations", "message string .status.message",
	}
	if diff := cmp.Diff(want, columns); diff != "" {
		t.Errorf("columns, -want +got:\n%s", diff)
	}
	if _, ok := version["subresources"].(map[string]any)["status"]; !ok || version["name"] != VersionName {
		t.Errorf("version %v with %v", version["name"], version["subresources"])
	}
	text, err := json.Marshal(version["schema"])
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"rollback_on_failure", "maxCandidateWeightIncrement", "versionRecommendedForPromotion", "aggregatedBuiltinHists", "A/B/N", "x-kubernetes-embedded-resource"} {
		if !strings.Contains(string(text), word) {
			t.Errorf("the schema does not have %s", word)
		}
	}
}

// TestObjectsComeBackAsTheyWere reads and writes an object with everything.
func TestObjectsComeBackAsTheyWere(t *testing.T) {
	const text = `{"apiVersion":"iter8.tools/v2alpha2","kind":"Experiment","metadata":{"name":"e"},"spec":{"target":"t","strategy":{"testingPattern":"A/B/n","actions":{"finish":[{"task":"x/y","condition":"CandidateWon()","with":{"a":[1,{"b":null}],"c":"d"}}]}},"criteria":{"objectives":[{"metric":"m","upperLimit":50,"lowerLimit":"0.01","rollback_on_failure":true}],"strength":{"alpha":0.05}}},"status":{}}`
	var e Experiment
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(e.DeepCopy())
	if err != nil {
		t.Fatal(err)
	}
	// Quantities are written in their own way.
	want := strings.Replace(strings.Replace(text, `"upperLimit":50`, `"upperLimit":"50"`, 1), `"0.01"`, `"10m"`, 1)
	var a, b any
	if json.Unmarshal([]byte(want), &a) != nil || json.Unmarshal(out, &b) != nil {
		t.Fatal("no JSON")
	}
	if diff := cmp.Diff(a, b); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestSchemeKnowsTheKinds(t *testing.T) {
	s := runtime.NewScheme()
	if err := AddToScheme(s); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{KindExperiment, KindMetric, KindExperiment + "List", KindMetric + "List"} {
		if !s.Recognizes(GroupVersion().WithKind(kind)) {
			t.Errorf("%s is not known", kind)
		}
	}
}
