// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/headgate-dev/headgate/api/v1alpha1"
	"github.com/headgate-dev/headgate/internal/experiment"
)

func (t *translator) metrics() {
	ms := t.api.Spec.Metrics
	if len(ms) > maxMetrics {
		t.fail("spec.metrics", fmt.Sprintf("%d metrics", len(ms)), fmt.Sprintf("want at most %d metrics", maxMetrics), "")
	}
	t.names("spec.metrics", len(ms), func(i int) string { return ms[i].Name })
	for i, m := range ms {
		path := fmt.Sprintf("spec.metrics[%d]", i)
		if m.Name == experiment.CellExposures || m.Name == experiment.CellRequests {
			t.fail(path+".name", quote(m.Name), "the name is taken by Headgate itself", "choose another")
		}
		t.plan.Metrics = append(t.plan.Metrics, t.metric(path, m))
	}
}

func (t *translator) metric(path string, m v1alpha1.Metric) experiment.Metric {
	out := experiment.Metric{Name: m.Name, Goal: experiment.Goal(m.Goal)}
	from := m.From
	t.option(path+".goal", m.Goal, string(experiment.Increase), string(experiment.Decrease))
	switch {
	case (from.Builtin == "") == (from.Outcomes == nil):
		t.fail(path+".from", "", "exactly one of builtin and outcomes is required", "for example from: {builtin: error-rate}")
	case from.Outcomes != nil:
		out.Outcomes = t.outcomes(path+".from.outcomes", from.Outcomes)
		out.Goal = cmp.Or(out.Goal, experiment.Increase)
	default:
		out.Builtin = t.builtin(path+".from", from)
		if out.Goal == experiment.Increase {
			t.fail(path+".goal", quote(m.Goal), "errors and latency are better when they decrease", "leave goal out")
		}
		out.Goal = experiment.Decrease
	}
	if from.Quantile != "" && from.Builtin != string(experiment.Latency) {
		t.fail(path+".from.quantile", quote(string(from.Quantile)), "a quantile goes with builtin: latency only", "leave quantile out")
	}
	return out
}

func (t *translator) builtin(path string, from v1alpha1.From) *experiment.BuiltinMetric {
	b := &experiment.BuiltinMetric{Kind: experiment.BuiltinKind(from.Builtin)}
	t.choice(path+".builtin", from.Builtin, string(experiment.ErrorRate), string(experiment.Latency))
	if b.Kind == experiment.Latency {
		if from.Quantile == "" {
			t.fail(path+".quantile", "", "latency needs a quantile", "for example quantile: 0.99")
		}
		b.Quantile = t.probability(path+".quantile", from.Quantile, 0, mostProbability)
	}
	return b
}

// leastTime is the shortest latency or outcome window that means anything.
const leastTime = time.Microsecond

func (t *translator) outcomes(path string, o *v1alpha1.Outcomes) *experiment.OutcomesMetric {
	if o.Event == "" {
		t.fail(path+".event", "", "an event is required", "the name that outcomes are posted under")
	}
	t.text(path+".event", o.Event, experiment.MaxOutcomeText)
	t.text(path+".per", o.Per, experiment.MaxOutcomeText)
	out := &experiment.OutcomesMetric{Event: o.Event, Per: o.Per}
	if o.Window == "" {
		t.fail(path+".window", "", "an outcome window is required", "how long after a unit's first exposure its outcomes count, for example 72h")
		return out
	}
	out.Window = t.duration(path+".window", o.Window, 0, leastTime)
	return out
}

// known looks a metric up and says so when there is none.
func (t *translator) known(path, name string) *experiment.Metric {
	if name == "" {
		t.fail(path, "", "the name of a metric is required", "")
		return nil
	}
	if m := t.plan.Metric(name); m != nil {
		return m
	}
	names := make([]string, len(t.plan.Metrics))
	for i, m := range t.plan.Metrics {
		names[i] = m.Name
	}
	hint := "spec.metrics defines none"
	if len(names) > 0 {
		hint = nearest(name, names)
	}
	t.fail(path, quote(name), "no such metric", hint)
	return nil
}

func (t *translator) objectives() {
	os := t.api.Spec.Objectives
	for i, o := range os {
		path := fmt.Sprintf("spec.objectives[%d]", i)
		m := t.known(path+".metric", o.Metric)
		if slices.ContainsFunc(os[:i], func(x v1alpha1.Objective) bool { return x.Metric == o.Metric && m != nil }) {
			t.fail(path+".metric", quote(o.Metric), "the metric has an objective already", "define a second metric for a second limit")
		}
		switch {
		case (o.Max == "") == (o.Min == ""):
			t.fail(path, "", "exactly one of max and min is required", "")
		case m != nil:
			t.plan.Objectives = append(t.plan.Objectives, t.objective(path, o, m))
		}
	}
	for i, m := range t.plan.Metrics {
		if m.Builtin == nil || m.Builtin.Kind != experiment.Latency {
			continue
		}
		if !slices.ContainsFunc(os, func(o v1alpha1.Objective) bool { return o.Metric == m.Name }) {
			t.fail(fmt.Sprintf("spec.metrics[%d]", i), quote(m.Name), "a latency metric needs an objective", "for example objectives: [{metric: NAME, max: 250ms}]")
		}
	}
}

func (t *translator) objective(path string, o v1alpha1.Objective, m *experiment.Metric) experiment.Objective {
	out := experiment.Objective{Metric: o.Metric}
	switch {
	case m.Builtin != nil && o.Min != "":
		t.fail(path+".min", quote(string(o.Min)), "errors and latency have a max", "")
	case m.Builtin != nil && m.Builtin.Kind == experiment.Latency:
		m.Builtin.Limit = t.duration(path+".max", v1alpha1.Duration(o.Max), 0, leastTime)
		// Rounding makes the share over the limit of a p99 1%, not 1.0000000000000009%.
		limit := math.Round((1-m.Builtin.Quantile)*1e9) / 1e9
		out.Max = &limit
	case m.Builtin != nil:
		limit := t.probability(path+".max", o.Max, 0, mostProbability)
		out.Max = &limit
	case o.Max != "":
		limit, _ := t.fraction(path+".max", o.Max)
		out.Max = &limit
	default:
		limit, _ := t.fraction(path+".min", o.Min)
		out.Min = &limit
	}
	return out
}

func (t *translator) reward() {
	r := t.api.Spec.Reward
	if r == nil {
		return
	}
	if len(t.plan.Versions) == 1 {
		t.fail("spec.reward", "", "a reward needs a candidate to compare", "add a second version, or leave the reward out")
	}
	if m := t.known("spec.reward.metric", r.Metric); m != nil && m.Builtin != nil {
		t.fail("spec.reward.metric", quote(r.Metric), "a reward is a metric of outcomes", "limit errors and latency by objectives")
	}
	t.plan.Reward = &experiment.Reward{Metric: r.Metric, MinimumEffect: t.margin("spec.reward.minimumEffect", r.MinimumEffect)}
}

func (t *translator) guardrails() {
	gs := t.api.Spec.Guardrails
	for i, g := range gs {
		path := fmt.Sprintf("spec.guardrails[%d]", i)
		m := t.known(path+".metric", g.Metric)
		if m != nil && m.Builtin != nil && m.Builtin.Kind == experiment.Latency {
			t.fail(path+".metric", quote(g.Metric), "latency is limited by an objective", "write it under objectives")
		}
		if slices.ContainsFunc(gs[:i], func(x v1alpha1.Guardrail) bool { return x.Metric == g.Metric && m != nil }) {
			t.fail(path+".metric", quote(g.Metric), "the metric is a guardrail already", "")
		}
		if len(t.plan.Versions) == 1 {
			t.fail(path, "", "a guardrail needs a candidate to compare", "add a second version, or write an objective")
		}
		t.plan.Guardrails = append(t.plan.Guardrails, experiment.Guardrail{
			Metric: g.Metric, NoWorseThan: t.margin(path+".noWorseThan", g.NoWorseThan),
		})
	}
}

func (t *translator) margin(path string, m v1alpha1.Margin) experiment.Margin {
	switch {
	case (m.Relative == "") == (m.Absolute == ""):
		t.fail(path, "", "exactly one of relative and absolute is required", "for example {relative: 1%}")
		return experiment.Margin{}
	case m.Absolute != "":
		return experiment.Margin{Absolute: t.positive(path+".absolute", m.Absolute)}
	}
	at, q := path+".relative", m.Relative
	f := t.positive(at, q)
	if hint := percentHint(q, f); hint != "" {
		t.fail(at, quote(string(q)), "as much as the whole baseline, or more", fmt.Sprintf("%s %g%% would say as much", hint, 100*f))
	}
	return experiment.Margin{Relative: f}
}

// positive reads a number above zero.
func (t *translator) positive(path string, q v1alpha1.Quantity) float64 {
	f, ok := t.fraction(path, q)
	if ok && f <= 0 {
		t.fail(path, quote(string(q)), "want more than 0", "the direction comes from the metric's goal")
	}
	return f
}
