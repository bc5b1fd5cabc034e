// SPDX-License-Identifier: Apache-2.0

package view

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// TestWindowsThatAreNotWholeAreShown of the epoch, by source, whether they are
// trouble or not; those of an earlier epoch are nobody's concern.
func TestWindowsThatAreNotWholeAreShown(t *testing.T) {
	gaps := func(s experiment.Source, n int64, why string) []experiment.SourceGaps {
		return []experiment.SourceGaps{{Source: s, Windows: n, Last: []experiment.Gap{{From: 0, To: n, Why: "old"}, {From: 5, To: 6, Why: why}}}}
	}
	rec := experiment.Record{State: experiment.State{Epoch: 2}, Totals: experiment.Totals{Phases: []experiment.PhaseTotals{
		{Epoch: 1, Phase: 1, Folded: experiment.Folded{Pairs: 9}, Gaps: gaps(experiment.SourcePairs, 9, "before")},
		{Epoch: 2, Phase: 2, Folded: experiment.Folded{Gateway: 9, Exposures: 8}, Gaps: gaps(experiment.SourceGateway, 3, "silent")},
		{Epoch: 2, Phase: 3, Folded: experiment.Folded{Gateway: 4, Exposures: 3}},
	}}}
	got := healthOf(&Input{
		Plan: &experiment.Plan{}, Record: &rec, Judgement: &experiment.Judgement{},
		Latest: experiment.Decision{Reasons: []experiment.Reason{experiment.Because(experiment.ReasonIncomplete, "missing", 3, "windows", 13, "source", "gateway", "why", "silent")}},
	})
	want := Health{
		Trouble: []string{"3 of 13 windows of gateway are not whole: silent"}, Mismatch: got.Mismatch,
		Incomplete: []Incomplete{{Source: "gateway", Missing: 3, Windows: 13, Last: "silent"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if said := got.Incomplete[0].String(); said != want.Trouble[0] {
		t.Errorf("it says %q, the reason %q", said, want.Trouble[0])
	}
}
