// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"context"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// everything compares in every way there is, by an answer's own reading and by
// an expression.
func everything(t testing.TB, expression string) *Metrics {
	t.Helper()
	var pairs []experiment.PairsMetric
	for _, c := range []experiment.Comparison{experiment.CompareClass, experiment.CompareNumber, experiment.CompareVector, experiment.CompareText, experiment.CompareJSON} {
		pairs = append(pairs, experiment.PairsMetric{Compare: c, Tolerance: 0.1}, experiment.PairsMetric{Compare: c, Value: expression})
	}
	for _, by := range []experiment.Similarity{experiment.Overlap, experiment.RBO, experiment.Tau} {
		pairs = append(pairs, experiment.PairsMetric{Compare: experiment.CompareRanking, By: by, K: 5}, experiment.PairsMetric{Compare: experiment.CompareRanking, By: by, Value: expression})
	}
	return compiled(t, pairs...)
}

// FuzzCompare looks for answers that break a comparison or bring it out of its
// range, that differ from themselves, or compare otherwise the other way around.
func FuzzCompare(f *testing.F) {
	for _, seed := range [][2]string{
		{`{"predictions":[[0.1,0.9],["a","b"],1]}`, `{"predictions":[[0.1,0.8,0.1],["b"],1.0,2]}`},
		{`{"choices":[{"message":{"content":"a  b"}}]}`, `{"choices":[{"message":{"content":"a b"}},{"text":""}]}`},
		{`[["a","b",1],[1,2],{"a":null}]`, `[["b","a",true],[1,NaN],null]`},
		{`{"outputs":[{"name":"o","datatype":"FP32","shape":[2,2],"data":[1,2,3,4]}]}`, "plain text"},
	} {
		f.Add([]byte(seed[0]), []byte(seed[1]))
	}
	m := everything(f, ".[]?")
	f.Fuzz(func(t *testing.T, one, other []byte) {
		x, y := answered(string(one)), answered(string(other))
		began := time.Now()
		there, back, same := m.Compare(t.Context(), x, y), m.Compare(t.Context(), y, x), m.Compare(t.Context(), x, x)
		if took := time.Since(began); took > 5*time.Second {
			t.Fatalf("%q and %q took %v", one, other, took)
		}
		for i := range there {
			a, b, s := there[i], back[i], same[i]
			if math.IsNaN(a.Value) || a.Value < 0 || a.Value > 1 || a.Blank && a != blank {
				t.Fatalf("metric %d of %q and %q: %+v", i, one, other, a)
			}
			if a.Blank != b.Blank || math.Abs(a.Value-b.Value) > 1e-9 || a.Baseline != b.Candidate || a.Candidate != b.Baseline {
				t.Fatalf("metric %d of %q and %q: %+v, and the other way around %+v", i, one, other, a, b)
			}
			if !s.Blank && math.Abs(s.Value-1) > 1e-9 {
				t.Fatalf("metric %d of %q with itself: %+v", i, one, s)
			}
		}
	})
}

// TestHostileAnswersTakeNoTime compares large bodies that are made to cost as
// much as they can.
func TestHostileAnswersTakeNoTime(t *testing.T) {
	const size = 1 << 18
	m := everything(t, ".")
	fill := func(head, part, tail string) string { return head + strings.Repeat(part, size/len(part)) + tail }
	for name, body := range map[string]string{
		"many rows":        fill(`{"predictions":[1`, `,1`, `]}`),
		"one long vector":  fill(`{"predictions":[[1`, `,1`, `]]}`),
		"one long ranking": fill(`{"predictions":[["a"`, `,"b"`, `]]}`),
		"long lists":       fill(`[1`, `,1`, `]`),
		"many rankings":    fill(`{"predictions":[["a"]`, `,["a","b","c","d","e","f","g","h","i"]`, `]}`),
		"many objects":     fill(`{"predictions":[{}`, `,{"label":"a","scores":{"a":1,"b":2}}`, `]}`),
		"one long number":  fill(`{"predictions":[1`, `1`, `]}`),
		"a long exponent":  fill(`{"predictions":[1e`, `1`, `]}`),
		"one long text":    fill(`{"predictions":["`, `a `, `"]}`),
		"columns":          fill(`{"outputs":{"a":[1`, `,1`, `]}}`),
	} {
		began := time.Now()
		m.Compare(t.Context(), answered(body), answered(body))
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("%s took %v", name, took)
		} else {
			t.Logf("%s took %v", name, took)
		}
	}
}

func BenchmarkCompare(b *testing.B) {
	batch := `{"predictions":[` + strings.Repeat(`[0,0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9],`, 99) + `[0,0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9]]}`
	ids := `{"items":[` + strings.Repeat(`{"id":"a"},`, 19) + `{"id":"b"}]}`
	list := `{"predictions":[["a","b","c","d","e","f","g","h","i","j"]]}`
	type P = experiment.PairsMetric
	for _, bm := range []struct {
		name   string
		metric P
		body   string
	}{
		{"failures", P{Compare: experiment.CompareFailures}, ``},
		{"class", P{Compare: experiment.CompareClass}, `{"predictions":["cat"]}`},
		{"class by jq", P{Compare: experiment.CompareClass, Value: ".label"}, `{"label":"cat"}`},
		{"vector, batch of 100 by 10", P{Compare: experiment.CompareVector, Tolerance: 0.01}, batch},
		{"overlap at 10", P{Compare: experiment.CompareRanking, K: 10}, list},
		{"rbo at 10", P{Compare: experiment.CompareRanking, K: 10, By: experiment.RBO}, list},
		{"tau at 10", P{Compare: experiment.CompareRanking, K: 10, By: experiment.Tau}, list},
		{"overlap of 20 by jq", P{Compare: experiment.CompareRanking, K: 10, Value: "[.items[].id]"}, ids},
		{"text of a chat", P{Compare: experiment.CompareText}, `{"choices":[{"message":{"content":"` + strings.Repeat("word ", 200) + `"}}]}`},
		{"json of 1000 numbers", P{Compare: experiment.CompareJSON}, batch},
	} {
		b.Run(bm.name, func(b *testing.B) {
			m, x, y := compiled(b, bm.metric), answered(bm.body), answered(bm.body)
			b.ReportAllocs()
			for b.Loop() {
				if got := m.Compare(context.Background(), x, y); got[0].Blank {
					b.Fatal("blank")
				}
			}
		})
	}
}
