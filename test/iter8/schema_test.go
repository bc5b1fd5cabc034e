// SPDX-License-Identifier: Apache-2.0

package iter8

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/headgate-dev/headgate/test/servers"
)

// generated is how many manifests are compared, of which about half are valid.
const generated = 200

// maker makes manifests; odd is how often a value is one that need not be valid.
type maker struct {
	r   *rand.Rand
	odd float64
}

func (m *maker) chance(p float64) bool { return m.r.Float64() < p }

// of is one of the good values, or now and then one of the others.
func (m *maker) of(good, others []any) any {
	if m.chance(m.odd) {
		return others[m.r.IntN(len(others))]
	}
	return good[m.r.IntN(len(good))]
}

// object has fields, of which those that need not be there may be left out; and
// now and then one that must.
func (m *maker) object(required, optional map[string]func() any) map[string]any {
	out := map[string]any{}
	for _, name := range sorted(required) {
		if !m.chance(m.odd) {
			out[name] = required[name]()
		}
	}
	for _, name := range sorted(optional) {
		if m.chance(.6) {
			out[name] = optional[name]()
		}
	}
	if m.chance(.1) {
		out["somethingElse"] = "unknown fields are left out, and no reason to refuse"
	}
	return out
}

// sorted are the names of fields, in the same order in every run.
func sorted(fields map[string]func() any) []string { return slices.Sorted(maps.Keys(fields)) }

// list has up to most items.
func (m *maker) list(most int, item func() any) func() any {
	return func() any {
		if m.chance(m.odd / 2) {
			return m.of(none, wrong)
		}
		out := []any{}
		for range m.r.IntN(most + 1) {
			out = append(out, item())
		}
		return out
	}
}

var (
	texts = []any{"web", "shop/store", "a b", "", "x"}
	wrong = []any{int64(7), true, "text", map[string]any{"a": "b"}, []any{"a"}, 1.5, nil}
	none  = []any{[]any{}}
)

func (m *maker) text() any  { return m.of(texts, wrong) }
func (m *maker) truth() any { return m.of([]any{true, false}, wrong) }
func (m *maker) number() any {
	return m.of([]any{int64(1), int64(10), int64(100)}, []any{int64(0), int64(-1), "10", 1.5, int64(101), int64(1) << 33})
}

func (m *maker) quantity() any {
	return m.of([]any{int64(50), "0.01", "10m", "1e3", "1E-3", "-5", "+.5", "1Ki"}, []any{"", "ten", "1 0", "0,01", true, 0.5, map[string]any{}, "1%"})
}

func (m *maker) words(words ...any) func() any {
	return func() any { return m.of(words, []any{"", "none of these", "CANARY", int64(1), nil}) }
}

// pair is a name and a value.
func (m *maker) pair() any {
	return m.object(map[string]func() any{"name": m.text, "value": m.text}, nil)
}

func (m *maker) task() any {
	with := func() any {
		return m.of([]any{map[string]any{"cmd": "/bin/sh", "args": []any{"-c", int64(1), nil, map[string]any{"any": "thing"}}}, map[string]any{}}, wrong)
	}
	return m.object(nil, map[string]func() any{"task": m.text, "run": m.text, "if": m.text, "with": with})
}

func (m *maker) actions() any {
	out := map[string]any{}
	for _, name := range []string{"start", "loop", "finish", "whatever"} {
		if m.chance(.4) {
			out[name] = m.list(2, m.task)()
		}
	}
	return out
}

func (m *maker) version() any {
	ref := func() any {
		return m.object(nil, map[string]func() any{"apiVersion": m.text, "kind": m.text, "name": m.text, "namespace": m.text, "fieldPath": m.text, "uid": m.text, "resourceVersion": m.text})
	}
	return m.object(map[string]func() any{"name": m.text}, map[string]func() any{"variables": m.list(2, m.pair), "weightObjRef": ref})
}

func (m *maker) criteria() any {
	reward := func() any {
		return m.object(map[string]func() any{"metric": m.text, "preferredDirection": m.words("High", "Low")}, nil)
	}
	objective := func() any {
		return m.object(map[string]func() any{"metric": m.text}, map[string]func() any{"upperLimit": m.quantity, "lowerLimit": m.quantity, "rollback_on_failure": m.truth})
	}
	strength := func() any {
		return m.of([]any{map[string]any{"alpha": "5%", "any": []any{int64(1)}}, map[string]any{}, "text", int64(3), true}, []any{nil, []any{}})
	}
	return m.object(nil, map[string]func() any{
		"requestCount": m.text, "rewards": m.list(2, reward), "indicators": m.list(3, m.text), "objectives": m.list(3, objective), "strength": strength,
	})
}

// experiment makes one.
func (m *maker) experiment() map[string]any {
	weights := func() any {
		return m.object(nil, map[string]func() any{"maxCandidateWeight": m.number, "maxCandidateWeightIncrement": m.number})
	}
	strategy := func() any {
		return m.object(map[string]func() any{"testingPattern": m.words("Canary", "A/B", "A/B/N", "Conformance")},
			map[string]func() any{"deploymentPattern": m.words("FixedSplit", "Progressive", "BlueGreen"), "actions": m.actions, "weights": weights})
	}
	duration := func() any {
		return m.object(nil, map[string]func() any{"intervalSeconds": m.number, "iterationsPerLoop": m.number, "maxLoops": m.number})
	}
	versions := func() any {
		return m.object(map[string]func() any{"baseline": m.version}, map[string]func() any{"candidates": m.list(3, m.version)})
	}
	return map[string]any{"apiVersion": "iter8.tools/v2alpha2", "kind": "Experiment", "spec": m.object(
		map[string]func() any{"target": m.text, "strategy": strategy},
		map[string]func() any{"criteria": m.criteria, "duration": duration, "versionInfo": versions},
	)}
}

// metric makes one.
func (m *maker) metric() map[string]any {
	level := func() any {
		return m.object(map[string]func() any{"name": m.text, "level": m.quantity}, nil)
	}
	return map[string]any{"apiVersion": "iter8.tools/v2alpha2", "kind": "Metric", "spec": m.object(nil, map[string]func() any{
		"description": m.text, "units": m.text, "provider": m.text, "type": m.words("Counter", "Gauge"), "sampleSize": m.text, "method": m.words("GET", "POST"),
		"urlTemplate": m.text, "params": m.list(2, m.pair), "body": m.text, "headerTemplates": m.list(2, m.pair), "authType": m.words("Basic", "Bearer", "APIKey"),
		"secret": m.text, "jqExpression": m.text, "mock": m.list(2, level),
	})}
}

// taken reports whether an API server would take an object.
func taken(t *testing.T, c *servers.Cluster, object map[string]any) error {
	u := (&unstructured.Unstructured{Object: object}).DeepCopy()
	u.SetNamespace("default")
	return c.Client.Create(t.Context(), u, client.DryRunAll)
}

// TestSchemas compares Iter8's own definitions with ours: what one takes the
// other takes.
func TestSchemas(t *testing.T) {
	theirs := given(t, "iter8")
	if len(theirs) == 0 {
		t.Skip("compares with Iter8's own definitions; HEADGATE_CRDS names no folder with them")
	}
	t.Parallel()
	a, b := servers.APIServer(t), servers.APIServer(t)
	a.Install(t, theirs...)
	b.Install(t, ours(t)...)
	m := &maker{r: rand.New(rand.NewPCG(8, 2)), odd: .025}
	good := 0
	for i := range generated {
		object := m.experiment()
		if i%4 == 3 {
			object = m.metric()
		}
		object["metadata"] = map[string]any{"name": fmt.Sprintf("generated-%d", i)}
		one, other := taken(t, a, object), taken(t, b, object)
		if one == nil {
			good++
		}
		if (one == nil) != (other == nil) {
			text, _ := yaml.Marshal(object) // It came from here.
			t.Errorf("Iter8's definition says %v, ours %v, of\n%s", one, other, text)
		}
	}
	t.Logf("%d of %d are valid", good, generated)
	if good < generated/5 || good > generated*4/5 {
		t.Error("they do not tell the definitions apart")
	}
	// What is written by people as the documentation had it is taken here too.
	alias := map[string]any{
		"apiVersion": "iter8.tools/v2alpha2", "kind": "Experiment", "metadata": map[string]any{"name": "alias"},
		"spec": map[string]any{"target": "x", "strategy": map[string]any{"testingPattern": "A/B/n"}},
	}
	if one, other := taken(t, a, alias), taken(t, b, alias); one == nil || other != nil {
		t.Errorf("of A/B/n Iter8's definition says %v, ours %v", one, other)
	}
}
