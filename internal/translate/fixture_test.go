// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/headgate-dev/headgate/api/v1alpha1"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// TestFixturesSetEveryField asks that each field of the API is set in some
// golden input that is accepted, so that the tests below speak of all of them.
func TestFixturesSetEveryField(t *testing.T) {
	set := map[string]bool{}
	for _, data := range goldenInputs(t) {
		if e, d := decode(data); e != nil && len(d.problems) == 0 {
			mark(reflect.ValueOf(e).Elem(), "", set)
		}
	}
	all := map[string]bool{}
	list(reflect.TypeFor[v1alpha1.Experiment](), "", all)
	if len(all) < 100 {
		t.Fatalf("only %d fields found; does the listing work?", len(all))
	}
	delete(all, "spec.stages.require.rollback") // An objective's alone: a gate that has it is refused.
	for _, path := range slices.Sorted(maps.Keys(all)) {
		if !set[path] && !slices.ContainsFunc(experiment.Hooks(), func(h experiment.Hook) bool { return set[ofHook.ReplaceAllString(path, "spec.actions."+string(h)+".")] }) {
			t.Errorf("no golden input sets %s", path)
		}
	}
}

// ofHook begins the paths of what is in a hook's list. All of them are read by one
// function, so that a field may be set in any.
var ofHook = regexp.MustCompile(`^spec\.actions\.on[A-Za-z]+\.`)

// mark notes every field that is not zero, without the indexes of lists.
func mark(v reflect.Value, path string, set map[string]bool) {
	if v.IsZero() {
		return
	}
	if path != "" {
		set[path] = true
	}
	switch v.Kind() {
	case reflect.Pointer:
		set[path] = true
		mark(v.Elem(), path, set)
	case reflect.Slice:
		for i := range v.Len() {
			mark(v.Index(i), path, set)
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			mark(v.MapIndex(key), join(path, "*"), set)
		}
	case reflect.Struct:
		for _, m := range membersOf(v.Type()) {
			mark(v.FieldByIndex(m.index), join(path, m.name), set)
		}
	}
}

// list notes every field of a type.
func list(t reflect.Type, path string, all map[string]bool) {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice:
		list(t.Elem(), path, all)
	case reflect.Map:
		list(t.Elem(), join(path, "*"), all)
	case reflect.Struct:
		for _, m := range membersOf(t) {
			all[join(path, m.name)] = true
			list(m.of, join(path, m.name), all)
		}
	}
}

// TestEveryLeafMatters changes each value of each accepted golden input, in
// several ways: the plan must change, or the change be refused. Nothing that
// people write is ignored, but for spec.control, which is a wish of today and no
// part of the plan.
func TestEveryLeafMatters(t *testing.T) {
	for name, data := range goldenInputs(t) {
		p, err := Plan(data)
		if err != nil {
			continue
		}
		t.Run(name, func(t *testing.T) {
			var doc yaml.Node
			if err := yaml.Unmarshal(plainJSON(data), &doc); err != nil {
				t.Fatal(err)
			}
			changed := 0
			leaves(&doc, "", func(path string, n *yaml.Node) {
				was := *n
				if strings.Contains(path, ".spec.control.") {
					return
				}
				defer func() { *n = was }()
				for _, value := range mutations(was.Value) {
					n.Value, n.Tag = value, "" // No tag: it would be refused for its own sake.
					b, err := yaml.Marshal(&doc)
					if err != nil {
						t.Fatal(err)
					}
					q, err := Plan(b)
					if err != nil {
						checkProblems(t, err)
					} else if checkPlan(t, q); q.Hash() == p.Hash() {
						t.Errorf("%s: %q instead of %q changes nothing", path, value, was.Value)
					}
					changed++
				}
			})
			if changed < 20 {
				t.Errorf("only %d changes", changed)
			}
		})
	}
}

// leaves visits every key and every value of a document.
func leaves(n *yaml.Node, path string, visit func(path string, n *yaml.Node)) {
	switch n.Kind {
	case yaml.ScalarNode:
		if n.Tag != "!!null" {
			visit(path, n)
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			leaves(n.Content[i], path+" key "+n.Content[i].Value, visit)
			leaves(n.Content[i+1], join(path, n.Content[i].Value), visit)
		}
	default:
		for i, c := range n.Content {
			leaves(c, fmt.Sprintf("%s[%d]", path, i), visit)
		}
	}
}

var number = regexp.MustCompile(`[0-9]+`)

// mutations are other values like one: longer, and with another number.
func mutations(s string) []string {
	switch s {
	case "true":
		return []string{"false"}
	case "increase":
		return []string{"decrease", "increasex"}
	}
	out := []string{s + "x", "x" + s}
	if at := number.FindStringIndex(s); at != nil {
		n, err := strconv.Atoi(s[at[0]:at[1]])
		if err == nil {
			out = append(out, s[:at[0]]+strconv.Itoa(n+1)+s[at[1]:])
		}
	}
	return out
}

// TestPlanRandomEdits puts values of every kind at random places of accepted
// inputs, some at a time: what is still accepted can be run.
func TestPlanRandomEdits(t *testing.T) {
	values := []string{
		"{in: a}", "{not: [premium, other]}", "{v1: {min: 40%}, v2: {max: 50%}}", "{premium: 30%}", "premium", "[tier]", "tier", "copy", "thompson", "epsilon-greedy", "v3",
		`""`, "0", "1", "-1", "2", "50", "0%", "1%", "50%", "100%", "0.5", "1e-9", "1e300", "9223372036854775807", ".nan",
		"0s", "1ns", "1s", "1m", "2h", "366d", "~", "true", "false", "[]", "{}", "[1%, 2%]", "{v1: 30%, v2: 70%}",
		"v1", "v2", "purchase", "refund", "error-rate", "p99", "latency", "increase", "decrease", "requests",
		"invalid", "class", "score", "psi", "ks", "accuracy", "auc", "calibration", "json", "openai", "[x-hash]", "correct", "shift", "bad",
	}
	rng := rand.New(rand.NewPCG(1, 2))
	inputs := goldenInputs(t)
	names := slices.Sorted(maps.Keys(inputs))
	accepted := 0
	for range 2000 {
		var doc yaml.Node
		if err := yaml.Unmarshal(plainJSON(inputs[names[rng.IntN(len(names))]]), &doc); err != nil {
			t.Fatal(err)
		}
		var nodes []*yaml.Node
		leaves(&doc, "", func(_ string, n *yaml.Node) { nodes = append(nodes, n) })
		for range 1 + rng.IntN(3) {
			var with yaml.Node
			if err := yaml.Unmarshal([]byte(values[rng.IntN(len(values))]), &with); err != nil {
				t.Fatal(err)
			}
			*nodes[rng.IntN(len(nodes))] = *with.Content[0]
		}
		b, err := yaml.Marshal(&doc)
		if err != nil {
			continue // An anchor was lost.
		}
		if p, err := Plan(b); err == nil {
			accepted++
			checkPlan(t, p)
		} else {
			checkProblems(t, err)
		}
		if t.Failed() {
			t.Fatalf("with:\n%s", b)
		}
	}
	if accepted < 20 {
		t.Errorf("only %d were accepted", accepted)
	}
}

func TestQuantitiesSayTheSame(t *testing.T) {
	data := string(goldenInputs(t)["ramp"])
	p, err := Plan([]byte(data))
	if err != nil {
		t.Fatal(err)
	}
	for _, same := range []string{"0.01", `"0.01"`, `" 1 %"`, "1e-2", "+1.0%", "00.01", "'1%'"} {
		t.Run(same, func(t *testing.T) {
			q, err := Plan([]byte(regexp.MustCompile(`max: 1%`).ReplaceAllString(data, "max: "+same)))
			if err != nil {
				t.Fatal(err)
			}
			if q.Hash() != p.Hash() {
				t.Errorf("%s is %v, 1%% is %v", same, *q.Objectives[0].Max, *p.Objectives[0].Max)
			}
		})
	}
}

func TestDurationsSayTheSame(t *testing.T) {
	for in, want := range map[string]string{"14d": "336h", "1.5d": "36h", "0d": "0s", "1h30m": "90m", "1000ms": "1s"} {
		a, err := parseDuration(in)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := parseDuration(want); err != nil || a != b {
			t.Errorf("%s is %s, %s is %s (%v)", in, a, want, b, err)
		}
	}
}
