// SPDX-License-Identifier: Apache-2.0

package design

import (
	"testing"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// TestAnswersAreASample: what is not looked at tells nothing.
func TestAnswersAreASample(t *testing.T) {
	planned := func(sample experiment.Share) (guard, reward int64) {
		p := shop()
		p.Assignment.Unit = experiment.Unit{Request: true}
		p.Metrics = append(p.Metrics, experiment.Metric{Name: "relevance", Goal: experiment.Increase, Output: &experiment.OutputMetric{Sum: ".s", Sample: sample}})
		p.Reward.Metric = "relevance"
		p.Guardrails = []experiment.Guardrail{{Metric: "relevance", NoWorseThan: experiment.Margin{Absolute: .1}}}
		p.Stages[2].Split.Until.Units = 0
		a := shopping()
		a.Values = append(a.Values, Value{Metric: "relevance", Mean: 3, SD: 1})
		r := of(t, p, a)
		if r.Guardrails[0].Basis != experiment.BasisRequests || r.Reward == nil || r.Reward.Power == nil {
			t.Fatalf("%+v, %+v", r.Guardrails[0], r.Reward)
		}
		return r.Guardrails[0].Planned, r.Reward.Planned
	}
	guard, reward := planned(experiment.Whole)
	tenthGuard, tenthReward := planned(experiment.Whole / 10)
	if guard == 0 || reward == 0 || tenthGuard != guard/10 || tenthReward != reward/10 {
		t.Errorf("all answers plan %d and %d, a tenth of them %d and %d", guard, reward, tenthGuard, tenthReward)
	}
}
