// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// TestGapsAreFacts: what is missing is read from the totals of the running
// stage, and added to what the sources themselves say.
func TestGapsAreFacts(t *testing.T) {
	phase := func(epoch, number, stage int, folded int64, gaps ...experiment.SourceGaps) experiment.PhaseTotals {
		return experiment.PhaseTotals{Epoch: epoch, Phase: number, Stage: stage, Folded: experiment.Folded{Gateway: folded, Exposures: folded}, Gaps: gaps}
	}
	of := func(windows int64, last ...experiment.Gap) experiment.SourceGaps {
		return experiment.SourceGaps{Source: experiment.SourceGateway, Windows: windows, Last: last}
	}
	health := func(windows, missing, whole int64, why string) experiment.SourceHealth {
		return experiment.SourceHealth{Source: experiment.SourceGateway, Gap: true, Windows: windows, Missing: missing, Whole: whole, Why: why}
	}
	for name, tc := range map[string]struct {
		phases []experiment.PhaseTotals
		health []experiment.SourceHealth
		want   []experiment.SourceHealth
	}{
		"nothing is missing":          {[]experiment.PhaseTotals{phase(1, 1, 0, 9)}, nil, nil},
		"nothing is folded":           {nil, nil, nil},
		"of the running phase":        {[]experiment.PhaseTotals{phase(1, 1, 0, 9, of(3, experiment.Gap{From: 1, To: 2, Why: "a"}, experiment.Gap{From: 4, To: 6, Why: "b"}))}, nil, []experiment.SourceHealth{health(9, 3, 3, "b")}},
		"of an earlier one":           {[]experiment.PhaseTotals{phase(1, 1, 0, 9, of(1, experiment.Gap{From: 7, To: 8, Why: "a"})), phase(1, 2, 0, 4)}, nil, []experiment.SourceHealth{health(13, 1, 5, "a")}},
		"of both":                     {[]experiment.PhaseTotals{phase(1, 1, 0, 9, of(1, experiment.Gap{From: 7, To: 8, Why: "a"})), phase(1, 2, 0, 4, of(2, experiment.Gap{From: 0, To: 2, Why: "b"}))}, nil, []experiment.SourceHealth{health(13, 3, 2, "b")}},
		"of an earlier stage":         {[]experiment.PhaseTotals{phase(1, 1, 0, 9, of(1, experiment.Gap{From: 7, To: 8, Why: "a"})), phase(1, 2, 1, 4)}, nil, nil},
		"of an earlier epoch":         {[]experiment.PhaseTotals{phase(1, 1, 0, 9, of(1, experiment.Gap{From: 7, To: 8, Why: "a"})), phase(2, 2, 0, 4)}, nil, nil},
		"a source that was asked":     {[]experiment.PhaseTotals{phase(1, 1, 0, 9, of(1, experiment.Gap{From: 8, To: 9, Why: "a"}))}, []experiment.SourceHealth{{Source: experiment.SourceGateway, Down: "refused"}, {Source: experiment.SourceExposures}}, []experiment.SourceHealth{{Source: experiment.SourceGateway, Down: "refused", Gap: true, Windows: 9, Missing: 1, Why: "a"}, {Source: experiment.SourceExposures}}},
		"a source that cannot go on":  {[]experiment.PhaseTotals{phase(1, 1, 0, 9, of(1, experiment.Gap{From: 8, To: 9, Why: "a"}))}, []experiment.SourceHealth{{Source: experiment.SourceGateway, Gap: true}}, []experiment.SourceHealth{{Source: experiment.SourceGateway, Gap: true}}},
		"what the caller has is kept": {[]experiment.PhaseTotals{phase(1, 1, 0, 9, of(1, experiment.Gap{From: 8, To: 9, Why: "a"}))}, []experiment.SourceHealth{{Source: experiment.SourceExposures}}, []experiment.SourceHealth{{Source: experiment.SourceExposures}, health(9, 1, 0, "a")}},
	} {
		t.Run(name, func(t *testing.T) {
			given := append([]experiment.SourceHealth(nil), tc.health...)
			if diff := cmp.Diff(tc.want, withGaps(&experiment.Totals{Phases: tc.phases}, tc.health)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(given, tc.health); diff != "" {
				t.Errorf("the caller's own was changed (-want +got):\n%s", diff)
			}
		})
	}
}
