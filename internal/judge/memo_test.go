// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// TestAMemoChangesNothing plays experiments with one memo for all of them, with
// looks that are judged and not stored, other plans in between and evidence that
// goes back.
func TestAMemoChangesNothing(t *testing.T) {
	memo := NewMemo()
	rapid.Check(t, func(t *rapid.T) {
		p, shares := candidates(rewarded(3000), rapid.IntRange(2, 4).Draw(t, "versions"))
		p.Analysis.Looks = rapid.SampledFrom([]int{3, 5, 10}).Draw(t, "looks")
		p.Analysis.Alpha = rapid.SampledFrom([]float64{.05, .1}).Draw(t, "alpha")
		p.Guardrails = []experiment.Guardrail{{Metric: "errors", NoWorseThan: experiment.Margin{Relative: .1}}}
		var m experiment.Monitors
		var phases []experiment.PhaseTotals
		for tick := range rapid.IntRange(1, 6).Draw(t, "ticks") {
			n := rapid.IntRange(100, 400).Draw(t, "units")
			if rapid.Bool().Draw(t, "a new phase") || len(phases) == 0 {
				phases = append(phases, experiment.PhaseTotals{})
			}
			var cells []experiment.Total
			for v := range p.Versions {
				cells = append(cells, units(v, "purchase", n, rapid.IntRange(1, 99).Draw(t, "buyers"), 1),
					counts(v, experiment.CellRequests, int64(n), int64(rapid.IntRange(0, 9).Draw(t, "errors"))))
			}
			phases[len(phases)-1] = phase(len(phases), shares, cells...)
			now := at(time.Duration(tick) * time.Minute)
			want, wantMemory := Judge(p, totals(phases...), m, now)
			now.Memo = memo
			got, gotMemory := Judge(p, totals(phases...), m, now)
			if d := cmp.Diff([]any{want, wantMemory}, []any{got, gotMemory}); d != "" {
				t.Fatalf("(-without +with):\n%s", d)
			}
			if rapid.Bool().Draw(t, "stored") {
				m = gotMemory
			}
		}
	})
	if len(memo.entries) == 0 || len(memo.spent) == 0 {
		t.Error("nothing was remembered")
	}
	for v, s := range memo.spent {
		if len(s) > keep {
			t.Errorf("%d tests of version %d are kept", len(s), v)
		}
	}
}

func TestAMemoIsBounded(t *testing.T) {
	m := NewMemo()
	for i := range maxEntries + 10 {
		m.ratio(ratioKey{phase: i}, nil)
	}
	if len(m.entries) > maxEntries {
		t.Errorf("%d entries", len(m.entries))
	}
}

// TestAMemoGoesOn: the next look is computed from the last.
func TestAMemoGoesOn(t *testing.T) {
	s := &story{plan: rewarded(10_000)}
	memo := NewMemo()
	for n := 1000; n <= 5000; n += 1000 {
		now := at(time.Minute)
		now.Memo = memo
		s.j, s.m = Judge(s.plan, totals(phase(1, half, units(0, "purchase", n, n/5, 1), units(1, "purchase", n, n/5, 1))), s.m, now)
		if begun := memo.begun(1, .05, looksIn(s.m)); len(begun.looks) != len(s.m.Looks) {
			t.Errorf("after %d looks the memo has %d", len(s.m.Looks), len(begun.looks))
		}
	}
	if n := len(memo.spent[1]); n != keep {
		t.Errorf("%d tests are kept", n)
	}
}

func TestAMemoKnowsItsAlpha(t *testing.T) {
	m, looks := NewMemo(), []stats.Look{{Spent: .5, Information: 100}}
	a, err1 := m.bound(1, .05, looks)
	b, err2 := m.bound(1, .1, looks)
	if err1 != nil || err2 != nil || b >= a {
		t.Errorf("boundaries %v and %v, %v, %v", a, b, err1, err2)
	}
}

func looksIn(m experiment.Monitors) []stats.Look {
	var out []stats.Look
	for _, l := range m.Looks {
		out = append(out, l.Look)
	}
	return out
}
