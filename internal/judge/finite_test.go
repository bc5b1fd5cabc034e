// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// TestNoAnswerMakesAJudgementThatCannotBeWritten: what a metric of answers
// counts is in the hands of the version that answers. A journal that cannot be
// written would stop the engine, and with it the way back.
func TestNoAnswerMakesAJudgementThatCannotBeWritten(t *testing.T) {
	for name, pair := range map[string]stats.Pair{
		"huge over tiny": {N: 500, MeanY: 1e100, MeanX: 1e-100, M2Y: 1e200, M2X: 1e-200, CYX: 1},
		"over nothing":   {N: 500, MeanY: 1, MeanX: 5e-324, M2Y: 1, M2X: 1, CYX: -1},
		"over less":      {N: 500, MeanY: 1, MeanX: -1e-300, M2Y: 1, M2X: 1, CYX: -1},
		"huge":           {N: 500, MeanY: 1e150, MeanX: 1, M2Y: 1e302},
	} {
		t.Run(name, func(t *testing.T) {
			p := learning(experiment.Bandit{})
			p.Metrics = append(p.Metrics, experiment.Metric{Name: "answers", Goal: experiment.Increase, Output: &experiment.OutputMetric{Sum: ".a", Count: ".b", Sample: 10_000}})
			p.Reward = &experiment.Reward{Metric: "answers", MinimumEffect: experiment.Margin{Relative: .1}, Range: &experiment.Range{High: 1}}
			p.Guardrails = []experiment.Guardrail{{Metric: "answers", NoWorseThan: experiment.Margin{Relative: .1}}}
			p.Objectives = []experiment.Objective{{Metric: "answers", Max: ptr(.5)}}
			bad := units(1, "answers", 500, 50, 1)
			bad.Units = pair
			all := []experiment.PhaseTotals{
				phase(1, half), phase(2, half, units(0, "answers", 500, 50, 1), bad), phase(3, half, units(0, "answers", 500, 50, 1), bad),
			}
			all[1].Stage, all[2].Stage = 1, 1
			now := at(0)
			now.Stage, now.Phase = 1, 3
			j, m := Judge(p, totals(all...), experiment.Monitors{}, now)
			if _, err := json.Marshal(j); err != nil {
				t.Errorf("the judgement: %v", err)
			}
			if _, err := json.Marshal(m); err != nil {
				t.Errorf("the monitors: %v", err)
			}
			if !slices.ContainsFunc(j.Doubts, func(d experiment.Doubt) bool { return d.Code == experiment.ReasonRewardRange && d.Version == 1 }) {
				t.Errorf("nothing is in doubt: %+v", j.Doubts)
			}
			for _, v := range j.Verdicts {
				if v.Version == 1 && (v.Status == experiment.Met || v.Status == experiment.NotWorse || v.Status == experiment.Better) && v.Interval == nil {
					t.Errorf("%s %s is %s by no interval", v.Role, v.Metric, v.Status)
				}
			}
		})
	}
}
