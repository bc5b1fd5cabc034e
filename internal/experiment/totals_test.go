// SPDX-License-Identifier: Apache-2.0

package experiment

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/headgate-dev/headgate/stats"
)

// Whatever is folded in between, the changes put together are the whole.
func TestChangesOfTotalsMakeTheWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var whole, again Totals
		var marks []PhaseMark
		for range rapid.IntRange(1, 12).Draw(t, "entries") {
			for range rapid.IntRange(0, 3).Draw(t, "folds") {
				if len(whole.Phases) == 0 || rapid.Bool().Draw(t, "phase") {
					whole.Phases = append(whole.Phases, PhaseTotals{Epoch: 1, Phase: len(whole.Phases) + 1})
				}
				p := &whole.Phases[rapid.IntRange(0, len(whole.Phases)-1).Draw(t, "into")]
				source := rapid.SampledFrom(Sources()).Draw(t, "source")
				from := *p.Folded.Of(source)
				cell := Cell{CellKey{Epoch: 1, Phase: p.Phase, Window: from, Metric: "requests"}, Evidence{Counts: stats.Counts{N: 1 + from}}}
				if err := whole.Fold(Seal{Source: source, Epoch: 1, Phase: p.Phase, From: from, To: from + 1, Cells: []Cell{cell}}); err != nil {
					t.Fatal(err)
				}
			}
			var changed Totals
			changed, marks = whole.Since(marks)
			again.Apply(changed.Clone())
			if d := cmp.Diff(whole, again); d != "" {
				t.Fatal(d)
			}
		}
		if changed, _ := whole.Since(marks); len(changed.Phases) > 0 {
			t.Fatalf("%d phases changed by nothing", len(changed.Phases))
		}
	})
}
