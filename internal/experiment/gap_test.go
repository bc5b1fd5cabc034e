// SPDX-License-Identifier: Apache-2.0

package experiment

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestMergedGapsLieApart holds merged gaps against every window.
func TestMergedGapsLieApart(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		var gaps []Gap
		for range r.IntN(6) {
			from := r.Int64N(20)
			gaps = append(gaps, Gap{From: from, To: from + r.Int64N(6), Why: string(rune('a' + r.IntN(3)))})
		}
		from := r.Int64N(10)
		to := from + r.Int64N(15)
		merged := MergeGaps(gaps, from, to)
		for i := range merged {
			if merged[i].From >= merged[i].To || i > 0 && merged[i].From < merged[i-1].To {
				t.Fatalf("%v from %d to %d is %v", gaps, from, to, merged)
			}
		}
		whole, part := Seal{Gaps: gaps}, Seal{Gaps: merged}
		for w := range int64(30) {
			if want := whole.Lacks(w) && from <= w && w < to; part.Lacks(w) != want {
				t.Fatalf("%v from %d to %d is %v: window %d", gaps, from, to, merged, w)
			}
		}
	}
}

// TestPhasesRememberGaps: all windows are counted, the last gaps told, and a copy
// made before knows nothing of what came after.
func TestPhasesRememberGaps(t *testing.T) {
	totals := Totals{Phases: []PhaseTotals{{Epoch: 1, Phase: 1}}}
	fold := func(s Source, from, to int64, gaps ...Gap) {
		t.Helper()
		if err := totals.Fold(Seal{Source: s, Epoch: 1, Phase: 1, From: from, To: to, Gaps: gaps}); err != nil {
			t.Fatal(err)
		}
	}
	fold(SourcePairs, 0, 3, Gap{2, 9, "late"})
	fold(SourceGateway, 0, 2, Gap{0, 1, "a"})
	before := totals.Clone()
	fold(SourceGateway, 2, 4)
	fold(SourceGateway, 4, 6, Gap{5, 6, "b"})
	fold(SourceGateway, 6, 8, Gap{6, 7, "b"})
	for w := int64(8); w < 14; w += 2 {
		fold(SourceGateway, w, w+2, Gap{w, w + 1, "c"})
	}
	p := &totals.Phases[0]
	want := []SourceGaps{
		{SourceGateway, 6, []Gap{{5, 7, "b"}, {8, 9, "c"}, {10, 11, "c"}, {12, 13, "c"}}},
		{SourcePairs, 1, []Gap{{2, 3, "late"}}},
	}
	if diff := cmp.Diff(want, p.Gaps); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := p.GapsOf(SourceOutcomes); got.Windows != 0 || got.Last != nil {
		t.Errorf("outcomes lack %+v", got)
	}
	if diff := cmp.Diff([]SourceGaps{{SourceGateway, 1, []Gap{{0, 1, "a"}}}, {SourcePairs, 1, []Gap{{2, 3, "late"}}}}, before.Phases[0].Gaps); diff != "" {
		t.Errorf("the copy changed (-want +got):\n%s", diff)
	}
}
