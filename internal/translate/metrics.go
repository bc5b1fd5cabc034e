// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/headgate-dev/headgate/api/v1alpha1"
	"github.com/headgate-dev/headgate/internal/experiment"
)

func (t *translator) metrics() {
	ms := t.api.Spec.Metrics
	if len(ms) > maxMetrics {
		t.fail("spec.metrics", fmt.Sprint(len(ms)), fmt.Sprintf("more than %d metrics", maxMetrics), "")
		return
	}
	seen := map[string]int{experiment.CellExposures: -1, experiment.CellRequests: -1}
	for i, m := range ms {
		path := fmt.Sprintf("spec.metrics[%d]", i)
		t.name(path+".name", m.Name)
		if first, ok := seen[m.Name]; ok {
			message := fmt.Sprintf("duplicate of spec.metrics[%d].name", first)
			if first < 0 {
				message = "the name is taken by Headgate itself"
			}
			t.fail(path+".name", quote(m.Name), message, "metrics are told apart by name")
		}
		seen[m.Name] = i
		t.plan.Metrics = append(t.plan.Metrics, t.metric(path, m))
	}
}

func (t *translator) metric(path string, m v1alpha1.Metric) experiment.Metric {
	out := experiment.Metric{Name: m.Name, Goal: experiment.Goal(m.Goal)}
	from := m.From
	switch {
	case (from.Builtin == "") == (from.Outcomes == nil):
		t.fail(path+".from", "", "exactly one of builtin and outcomes is required", "for example from: {builtin: error-rate}")
	case from.Outcomes != nil:
		out.Outcomes = t.outcomes(path+".from.outcomes", from.Outcomes)
		out.Goal = cmp.Or(out.Goal, experiment.Increase)
	default:
		out.Builtin = t.builtin(path+".from", from)
		if out.Goal != "" && out.Goal != experiment.Decrease {
			t.fail(path+".goal", quote(m.Goal), "errors and latency are better when they decrease", "leave goal out")
		}
		out.Goal = experiment.Decrease
	}
	if from.Quantile != "" && from.Builtin != string(experiment.Latency) {
		t.fail(path+".from.quantile", quote(string(from.Quantile)), "a quantile goes with builtin: latency only", "")
	}
	if out.Goal != experiment.Increase && out.Goal != experiment.Decrease {
		t.fail(path+".goal", quote(m.Goal), "unknown goal", "write increase or decrease")
	}
	return out
}

func (t *translator) builtin(path string, from v1alpha1.From) *experiment.BuiltinMetric {
	b := &experiment.BuiltinMetric{Kind: experiment.BuiltinKind(from.Builtin)}
	switch b.Kind {
	case experiment.ErrorRate:
	case experiment.Latency:
		if from.Quantile == "" {
			t.fail(path+".quantile", "", "latency needs a quantile", "for example quantile: 0.99")
			return b
		}
		b.Quantile = t.probability(path+".quantile", from.Quantile, 0, 1)
	default:
		t.fail(path+".builtin", quote(from.Builtin), "unknown built-in metric", nearest(from.Builtin, []string{string(experiment.ErrorRate), string(experiment.Latency)}))
	}
	return b
}

func (t *translator) outcomes(path string, o *v1alpha1.Outcomes) *experiment.OutcomesMetric {
	if o.Event == "" {
		t.fail(path+".event", "", "an event is required", "the name that outcomes are posted under")
	}
	t.text(path+".event", o.Event, maxName)
	t.text(path+".per", o.Per, maxName)
	if o.Window == "" {
		t.fail(path+".window", "", "an outcome window is required", "how long after a unit's first exposure its outcomes count, for example 72h")
	}
	return &experiment.OutcomesMetric{Event: o.Event, Per: o.Per, Window: t.duration(path+".window", o.Window, 0, 1)}
}

// known looks a metric up and says so when there is none.
func (t *translator) known(path, name string) *experiment.Metric {
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
	for i, o := range t.api.Spec.Objectives {
		path := fmt.Sprintf("spec.objectives[%d]", i)
		m := t.known(path+".metric", o.Metric)
		if (o.Max == "") == (o.Min == "") {
			t.fail(path, "", "exactly one of max and min is required", "")
			continue
		}
		if m == nil {
			continue
		}
		if slices.ContainsFunc(t.plan.Objectives, func(x experiment.Objective) bool { return x.Metric == o.Metric }) {
			t.fail(path+".metric", quote(o.Metric), "the metric has an objective already", "define a second metric for a second limit")
			continue
		}
		t.plan.Objectives = append(t.plan.Objectives, t.objective(path, o, m))
	}
	for i := range t.plan.Metrics {
		m := &t.plan.Metrics[i]
		if m.Builtin != nil && m.Builtin.Kind == experiment.Latency && m.Builtin.Limit == 0 {
			t.fail(fmt.Sprintf("spec.metrics[%d]", i), quote(m.Name), "a latency metric needs an objective", fmt.Sprintf("for example objectives: [{metric: %s, max: 250ms}]", m.Name))
		}
	}
}

func (t *translator) objective(path string, o v1alpha1.Objective, m *experiment.Metric) experiment.Objective {
	out := experiment.Objective{Metric: o.Metric}
	if m.Builtin != nil && o.Min != "" {
		t.fail(path+".min", quote(string(o.Min)), "errors and latency have a max", "")
		return out
	}
	if m.Builtin != nil && m.Builtin.Kind == experiment.Latency {
		m.Builtin.Limit = t.duration(path+".max", v1alpha1.Duration(o.Max), 0, 1)
		limit := 1 - m.Builtin.Quantile
		out.Max = &limit
		return out
	}
	if o.Max != "" {
		f := t.fraction(path+".max", o.Max)
		out.Max = &f
	} else {
		f := t.fraction(path+".min", o.Min)
		out.Min = &f
	}
	return out
}

func (t *translator) reward() {
	r := t.api.Spec.Reward
	if r == nil {
		return
	}
	if len(t.api.Spec.Versions) < 2 {
		t.fail("spec.reward", "", "a reward needs a candidate to compare", "add a second version, or leave the reward out")
	}
	m := t.known("spec.reward.metric", r.Metric)
	if m != nil && m.Outcomes == nil {
		t.fail("spec.reward.metric", quote(r.Metric), "a reward is a metric of outcomes", "limit errors and latency by objectives")
	}
	t.plan.Reward = &experiment.Reward{Metric: r.Metric, MinimumEffect: t.margin("spec.reward.minimumEffect", r.MinimumEffect)}
}

func (t *translator) guardrails() {
	for i, g := range t.api.Spec.Guardrails {
		path := fmt.Sprintf("spec.guardrails[%d]", i)
		if m := t.known(path+".metric", g.Metric); m != nil && m.Builtin != nil && m.Builtin.Kind == experiment.Latency {
			t.fail(path+".metric", quote(g.Metric), "latency is limited by an objective", "write it under objectives")
		}
		if slices.ContainsFunc(t.plan.Guardrails, func(x experiment.Guardrail) bool { return x.Metric == g.Metric }) {
			t.fail(path+".metric", quote(g.Metric), "the metric is a guardrail already", "")
		}
		if len(t.api.Spec.Versions) < 2 {
			t.fail(path, "", "a guardrail needs a candidate to compare", "")
		}
		t.plan.Guardrails = append(t.plan.Guardrails, experiment.Guardrail{
			Metric: g.Metric, NoWorseThan: t.margin(path+".noWorseThan", g.NoWorseThan),
		})
	}
}

func (t *translator) margin(path string, m v1alpha1.Margin) experiment.Margin {
	if (m.Relative == "") == (m.Absolute == "") {
		t.fail(path, "", "exactly one of relative and absolute is required", "for example {relative: 1%}")
		return experiment.Margin{}
	}
	var out experiment.Margin
	field, q := ".absolute", m.Absolute
	if m.Relative != "" {
		field, q = ".relative", m.Relative
	}
	f := t.fraction(path+field, q)
	if f <= 0 {
		t.fail(path+field, quote(string(q)), "want more than 0", "the direction comes from the metric's goal")
	}
	if m.Relative != "" {
		out.Relative = f
	} else {
		out.Absolute = f
	}
	return out
}
