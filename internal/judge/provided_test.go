// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// TestUnitsOfAProviderAreUnits holds what a provider tells of units against the
// same evidence from the ledger: every verdict is the same, by any method.
func TestUnitsOfAProviderAreUnits(t *testing.T) {
	provided := map[string]*experiment.ProviderMetric{
		"sums of squares": {HTTP: &experiment.HTTPQuery{Sum: ".s", Count: ".n", Squares: ".q"}},
		"rows of units":   {SQL: &experiment.SQLQuery{Form: experiment.SQLUnits}},
		"rows of moments": {SQL: &experiment.SQLQuery{Form: experiment.SQLMoments}},
	}
	for _, method := range []experiment.Method{experiment.Sequential, experiment.Anytime, experiment.Fixed} {
		for name, of := range provided {
			told := windowPlan(method)
			ledger := windowPlan(method)
			told.Metrics[0].Provider = of
			ledger.Metrics[0].Provider, ledger.Metrics[0].Outcomes = nil, &experiment.OutcomesMetric{Event: "spent", Window: time.Minute}
			var got [2]experiment.Judgement
			for i, p := range []*experiment.Plan{told, ledger} {
				all := unitTotals(t)
				got[i], _ = Judge(p, &all, experiment.Monitors{}, At{Epoch: 1, Phase: 1, StageStart: start, Now: start.Add(windowsPlayed * p.Window)})
			}
			if diff := cmp.Diff(got[1].Verdicts, got[0].Verdicts); diff != "" {
				t.Errorf("%s, %s: %s", method, name, diff)
			}
			seen := map[experiment.Role]experiment.Status{}
			for _, v := range got[0].Verdicts {
				if v.Basis != experiment.BasisUnits {
					t.Errorf("%s, %s: a verdict on %s", method, name, v.Basis)
				}
				if v.Version == 1 {
					seen[v.Role] = v.Status
				}
			}
			if seen[experiment.RoleObjective] != experiment.Met || seen[experiment.RoleGuardrail] != experiment.NotWorse {
				t.Errorf("%s, %s: %v", method, name, seen)
			}
		}
	}
}

// unitTotals are 5,000 units of each version over some windows: the candidate's
// mean is 9, the baseline's 10, the deviation 1.
func unitTotals(t *testing.T) experiment.Totals {
	t.Helper()
	all := experiment.Totals{Phases: []experiment.PhaseTotals{{Epoch: 1, Phase: 1, Shares: experiment.Shares{5000, 5000}}}}
	for w := range int64(10) {
		seal := experiment.Seal{Source: experiment.SourceMetrics, Epoch: 1, Phase: 1, From: w, To: w + 1}
		for v, mean := range []float64{10, 9} {
			seal.Cells = append(seal.Cells, experiment.Cell{
				CellKey:  experiment.CellKey{Epoch: 1, Phase: 1, Window: w, Version: v, Metric: "depth"},
				Evidence: experiment.Evidence{Counts: stats.Counts{N: 500}, Units: stats.Pair{N: 500, MeanY: mean, MeanX: 1, M2Y: 500}},
			})
		}
		if err := all.Fold(seal); err != nil {
			t.Fatal(err)
		}
	}
	if e := all.Phases[0].Get(1, "depth"); e.Batches.N() > 0 || e.Units.N != 5000 {
		t.Fatalf("units are taken for windows: %+v", e)
	}
	return all
}
