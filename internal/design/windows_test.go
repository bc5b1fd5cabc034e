// SPDX-License-Identifier: Apache-2.0

package design

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// byWindows is a plan that a provider's numbers decide.
func byWindows() *experiment.Plan {
	p := shop()
	p.Assignment.Unit = experiment.Unit{Request: true}
	query := func(name string, goal experiment.Goal) experiment.Metric {
		return experiment.Metric{Name: name, Goal: goal, Trusted: true, Provider: &experiment.ProviderMetric{Prometheus: &experiment.PrometheusQuery{Query: []string{"a", "b"}}}}
	}
	p.Metrics = append(p.Metrics, query("revenue", experiment.Increase), query("depth", experiment.Decrease))
	p.Reward = &experiment.Reward{Metric: "revenue", MinimumEffect: experiment.Margin{Absolute: .5}}
	p.Guardrails = []experiment.Guardrail{{Metric: "depth", NoWorseThan: experiment.Margin{Absolute: .5}}}
	p.Stages[2].Split = &experiment.Split{Shares: experiment.Shares{9000, 1000}, Until: experiment.Until{AtMost: 4 * time.Hour}}
	return p
}

// TestWindowsAreASampleOfTime: neither traffic nor shares make it larger.
func TestWindowsAreASampleOfTime(t *testing.T) {
	a := Assumptions{Values: []Value{{Metric: "revenue", Mean: 10, SD: 1}, {Metric: "depth", Mean: 4, SD: 1}}}
	none := of(t, byWindows(), a)
	a.Requests = 1000
	busy := of(t, byWindows(), a)
	for name, r := range map[string]Report{"no traffic": none, "much traffic": busy} {
		if r.Reward.Power == nil || *r.Reward.Power < .5 || *r.Reward.Power > .9999 || r.Reward.Needed == 0 || r.Reward.Duration == nil {
			t.Fatalf("%s: %+v", name, r.Reward)
		}
		if r.Reward.Planned > 480 || r.Reward.Planned < 440 {
			t.Errorf("%s: %d windows in four hours of two versions", name, r.Reward.Planned)
		}
		if v := r.Reward.PerVersion; v[0] != v[1] {
			t.Errorf("%s: %v windows", name, v)
		}
		if g := r.Guardrails[0]; g.Basis != experiment.BasisWindows || g.Power == nil || g.Planned > 480 || g.Planned < 440 {
			t.Errorf("%s: %+v", name, g)
		}
	}
	if none.Reward.Needed != busy.Reward.Needed {
		t.Errorf("%d windows are needed without traffic and %d with it", none.Reward.Needed, busy.Reward.Needed)
	}
	if !slices.ContainsFunc(busy.Conclusions, func(c Conclusion) bool { return !c.Can && strings.Contains(c.Because, "windows are the sample") }) {
		t.Errorf("it is not said: %+v", busy.Conclusions)
	}
}

func TestWindowsNeedTheirSpread(t *testing.T) {
	r := of(t, byWindows(), Assumptions{Values: []Value{{Metric: "revenue", Mean: 10}, {Metric: "depth", Mean: 4}}})
	if r.Reward.Missing != "how much revenue varies from window to window" || r.Guardrails[0].Missing != "how much depth varies from window to window" {
		t.Errorf("%q, %q", r.Reward.Missing, r.Guardrails[0].Missing)
	}
}
