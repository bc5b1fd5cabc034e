// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"encoding/json"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestFieldsCanBeWritten asks of every field, however deep, for a JSON name as
// people write it, its own within its struct; of a field that may be left out,
// that it is left out when it is written back; and of a type, that it is one
// that a file can hold.
func TestFieldsCanBeWritten(t *testing.T) {
	seen := map[reflect.Type]bool{}
	check(t, reflect.TypeFor[Experiment](), "Experiment", seen)
	if len(seen) < 30 {
		t.Fatalf("only %d types found; does the walk work?", len(seen))
	}
}

var fieldName = regexp.MustCompile(`^[a-z][a-zA-Z]*$`)

func check(t *testing.T, typ reflect.Type, path string, seen map[reflect.Type]bool) {
	t.Helper()
	switch typ.Kind() {
	case reflect.Pointer, reflect.Slice:
		check(t, typ.Elem(), path, seen)
		return
	case reflect.Map:
		if typ.Key().Kind() != reflect.String {
			t.Errorf("%s is a map by %s", path, typ.Key())
		}
		check(t, typ.Elem(), path, seen)
		return
	case reflect.String, reflect.Bool, reflect.Int64:
		return
	case reflect.Struct:
	default:
		// Floats above all: they do not read back as they were written.
		t.Errorf("%s is a %s", path, typ.Kind())
		return
	}
	if seen[typ] {
		return
	}
	seen[typ] = true
	names := map[string]bool{}
	for _, f := range reflect.VisibleFields(typ) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous && name == "" && options == "inline" {
			continue // Its fields stand here.
		}
		if !fieldName.MatchString(name) || !strings.EqualFold(name, f.Name) || names[name] {
			t.Errorf("%s.%s is written %q", path, f.Name, name)
		}
		if k := f.Type.Kind(); (k == reflect.Pointer || k == reflect.Map) && options != "omitempty" {
			t.Errorf("%s.%s may be absent, but is written as null", path, f.Name)
		}
		names[name] = true
		check(t, f.Type, path+"."+f.Name, seen)
	}
}

// TestExperimentSurvivesJSON writes an experiment and reads it back.
func TestExperimentSurvivesJSON(t *testing.T) {
	in := Experiment{
		APIVersion: APIVersion, Kind: KindExperiment, Metadata: Metadata{Name: "x", Namespace: "y"},
		Spec: Spec{
			Owner: "team", Versions: []Version{{Name: "v1", Backend: "http://a"}, {Name: "v2", Backend: "http://b"}},
			Traffic:    Traffic{Gateway: &GatewayTraffic{}},
			Assignment: Assignment{Unit: Unit{Request: true}, Missing: "reject"},
			Metrics:    []Metric{{Name: "m", From: From{Outcomes: &Outcomes{Event: "e", Per: "p", Window: "14d"}}}, {Name: "l", From: From{Builtin: "latency", Quantile: "99%"}}},
			Reward:     &Reward{Metric: "m", MinimumEffect: &Margin{Relative: "1%"}},
			Segments:   []Segment{{Name: "s", Header: "x-s", Values: []string{"a"}, Stratify: true}, {Name: "t", Cookie: "t", Bins: []Quantity{"1"}}},
			Objectives: []Objective{{Metric: "l", Max: "250ms"}},
			Stages: []Stage{
				{Name: "a", Ramp: &Ramp{Steps: []Quantity{"1%", "0.05"}}, Hold: &Hold{Requests: 5, Settle: "1m"}},
				{Name: "b", Split: map[string]Quantity{"v1": "50%", "v2": "50%"}, Until: &Until{Decided: true, AtMost: "1d"}, Otherwise: "keep"},
				{Name: "c", Observe: &Observe{For: "1m"}, Where: map[string]Groups{"s": {In: Names{"a"}}, "t": {Not: Names{"<1"}}}},
				{Name: "d", Bandit: &Bandit{Limits: map[string]Limit{"v1": {Min: "1%"}}, Learn: new(false)}},
			},
			Promote: &Promote{KeepWarm: &KeepWarm{Matured: []string{"m"}}},
			Budget:  &Budget{Cost: "5", Units: 1},
		},
	}
	b, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	var out Experiment
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(in, out); diff != "" {
		t.Errorf("it reads back otherwise (-wrote +read):\n%s", diff)
	}
}
