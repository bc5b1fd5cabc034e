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

// byUnits is a plan that is decided by units that a provider tells the number,
// sums and squares of.
func byUnits() *experiment.Plan {
	p := byWindows()
	for i := range p.Metrics {
		switch m := &p.Metrics[i]; m.Name {
		case "revenue":
			m.Provider = &experiment.ProviderMetric{SQL: &experiment.SQLQuery{Query: "select", Form: experiment.SQLUnits}}
		case "depth":
			m.Provider = &experiment.ProviderMetric{HTTP: &experiment.HTTPQuery{Sum: ".s", Count: ".n", Squares: ".q"}}
		}
	}
	return p
}

// TestUnitsOfProvidersAreNoShares: they are planned as those of outcomes are, by
// their mean and deviation.
func TestUnitsOfProvidersAreNoShares(t *testing.T) {
	values := []Value{{Metric: "revenue", Mean: 10, SD: 4}, {Metric: "depth", Mean: 4, SD: 2}}
	r := of(t, byUnits(), Assumptions{Requests: 5, Values: values})
	outcomes := byUnits()
	for i := range outcomes.Metrics {
		if m := &outcomes.Metrics[i]; m.Provider != nil {
			m.Provider, m.Outcomes = nil, &experiment.OutcomesMetric{Event: m.Name, Window: time.Minute}
		}
	}
	same := of(t, outcomes, Assumptions{Requests: 5, Values: values})
	if r.Reward.Power == nil || *r.Reward.Power < .5 || r.Reward.Needed == 0 || r.Reward.Needed != same.Reward.Needed {
		t.Errorf("%+v, of outcomes %+v", r.Reward, same.Reward)
	}
	if g := r.Guardrails[0]; g.Basis != experiment.BasisUnits || g.Power == nil || g.Needed != same.Guardrails[0].Needed {
		t.Errorf("%+v, of outcomes %+v", g, same.Guardrails[0])
	}
	if said := strings.Join(r.Notes, "\n"); strings.Contains(said, "counted once for each request") || !strings.Contains(said, "revenue is taken to be told once of every unit") {
		t.Errorf("it is noted %s", said)
	}
	missing := of(t, byUnits(), Assumptions{Requests: 5, Values: []Value{{Metric: "revenue", Mean: .4}}})
	if missing.Reward.Power == nil || !missing.Reward.Proportion {
		t.Errorf("a proportion of units has no deviation to state: %+v", missing.Reward)
	}
	if _, err := Of(byUnits(), Assumptions{Values: []Value{{Metric: "revenue", Mean: 10}}}); err == nil || !strings.Contains(experiment.HintOf(err), "±") {
		t.Errorf("units that vary nobody knows how: %v", err)
	}
}
