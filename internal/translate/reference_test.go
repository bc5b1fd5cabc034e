// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/headgate-dev/headgate/api/v1alpha1"
)

var quoted = regexp.MustCompile("`([^`]+)`")

// specOf is what stands under spec where an example on the page leaves it out.
const specOf = `
versions: [{name: v1, backend: "http://a:1"}, {name: v2, backend: "http://b:1"}]
traffic: {gateway: {}}
assignment: {unit: {request: true}}
stages: [{name: canary, ramp: {steps: [1%, 10%]}, hold: {requests: 1000}}]
`

// TestReferenceExamplesAreAccepted puts each example of the pages into a file.
func TestReferenceExamplesAreAccepted(t *testing.T) {
	var examples [][]string
	for page, least := range map[string]int{"reference/experiment.md": 4, "guide/actions.md": 4} {
		text, err := os.ReadFile("../../docs/" + page)
		if err != nil {
			t.Fatal(err)
		}
		found := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(text), -1)
		found = slices.DeleteFunc(found, func(m []string) bool { return strings.HasPrefix(m[1], "apiVersion:") }) // No experiment's.
		if len(found) < least {
			t.Fatalf("only %d examples found in %s; does the reading work?", len(found), page)
		}
		examples = append(examples, found...)
	}
	for _, m := range examples {
		var spec, given map[string]any
		if err := yaml.Unmarshal([]byte(specOf), &spec); err != nil {
			t.Fatal(err)
		}
		if err := yaml.Unmarshal([]byte(m[1]), &given); err != nil {
			t.Errorf("%v in:\n%s", err, m[1])
			continue
		}
		maps.Copy(spec, given)
		file, err := yaml.Marshal(map[string]any{"apiVersion": v1alpha1.APIVersion, "kind": v1alpha1.KindExperiment, "metadata": map[string]any{"name": "x"}, "spec": spec})
		if err != nil {
			t.Fatal(err)
		}
		p, err := Plan(file)
		if err != nil {
			t.Errorf("%v in:\n%s", err, m[1])
			continue
		}
		checkPlan(t, p)
	}
}

// TestReferenceHasEveryField keeps docs/reference/experiment.md complete and
// free of what does not exist: each field of the API has a row in the section
// of what holds it, with its meaning, range and default.
func TestReferenceHasEveryField(t *testing.T) {
	page, err := os.ReadFile("../../docs/reference/experiment.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	sections := []string{""}
	for line := range strings.Lines(string(page)) {
		switch {
		case strings.HasPrefix(line, "#"):
			sections = nil
			for _, m := range quoted.FindAllStringSubmatch(line, -1) {
				sections = append(sections, strings.ReplaceAll(m[1], "[]", ""))
			}
			if sections == nil {
				sections = []string{""}
			}
		case strings.HasPrefix(line, "| `"):
			cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
			if len(cells) != 4 || strings.TrimSpace(cells[1]) == "" {
				t.Errorf("a row has %d cells, or no meaning: %s", len(cells), line)
				continue
			}
			for _, section := range sections {
				documented[strings.TrimPrefix(section+"."+quoted.FindStringSubmatch(cells[0])[1], ".")] = true
			}
		}
	}
	all, fields := map[string]bool{}, map[string]bool{}
	list(reflect.TypeFor[v1alpha1.Experiment](), "", all)
	for path := range all {
		fields[ofHook.ReplaceAllString(path, "spec.actions.onStart.")] = true // The page says it once for all lists.
	}
	if len(documented) < 100 {
		t.Fatalf("only %d fields found on the page; does the reading work?", len(documented))
	}
	for _, path := range slices.Sorted(maps.Keys(fields)) {
		if !documented[path] {
			t.Errorf("%s is not on the page", path)
		}
	}
	for _, path := range slices.Sorted(maps.Keys(documented)) {
		if !fields[path] {
			t.Errorf("%s is on the page and not in the API", path)
		}
	}
}
