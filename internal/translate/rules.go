// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/headgate-dev/headgate/api/v1alpha1"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// Why pairs decide nothing but whether a mirror goes on.
const pairsHint = "a mirror says nothing about how users react; write it under require of the mirror"

func (t *translator) objectives() {
	os := t.api.Spec.Objectives
	for i, o := range os {
		path := fmt.Sprintf("spec.objectives[%d]", i)
		m := t.known(path+".metric", o.Metric)
		if m != nil && m.Pairs != nil {
			t.fail(path+".metric", quote(o.Metric), "pairs are no objective", pairsHint)
			continue
		}
		read := t.limit
		if t.plan.Strict {
			read = t.strictLimit // Iter8's may have several of one metric.
		} else {
			t.once(path, o, os[:i], "the metric has an objective already", m)
		}
		if out, ok := read(path, o, m); ok {
			t.plan.Objectives = append(t.plan.Objectives, out)
		}
	}
}

// once reports a second limit of one metric in a list.
func (t *translator) once(path string, o v1alpha1.Objective, before []v1alpha1.Objective, message string, m *experiment.Metric) {
	if m != nil && slices.ContainsFunc(before, func(x v1alpha1.Objective) bool { return x.Metric == o.Metric }) {
		t.fail(path+".metric", quote(o.Metric), message, "define a second metric for a second limit")
	}
}

// limit reads an objective or a gate of a metric; ok is false if there is none.
func (t *translator) limit(path string, o v1alpha1.Objective, m *experiment.Metric) (out experiment.Objective, ok bool) {
	t.line(path+".owner", o.Owner, maxText)
	if t.given(path + ".rollback") {
		t.fail(path+".rollback", "", "rollback goes with strict: true", "leave it out: a candidate that is known to break an objective is always taken out")
	}
	if (o.Max == "") == (o.Min == "") {
		t.fail(path, "", "exactly one of max and min is required", "max is for what must stay low, min for what must stay high")
		return out, false
	}
	if m == nil {
		return out, false
	}
	out = experiment.Objective{Metric: o.Metric, Owner: o.Owner, Slices: t.sliced(path+".slices", o.Slices, m)}
	word, q, into := "max", o.Max, &out.Max
	if o.Min != "" {
		word, q, into = "min", o.Min, &out.Min
	}
	limit := t.limitOf(path+"."+word, word, q, m)
	*into = &limit
	return out, true
}

// latency reads a limit of a latency metric and gives the share of requests
// that may be over it. Requests over the limit are counted exactly, so that a
// metric has one.
func (t *translator) latency(path string, in v1alpha1.Duration, b *experiment.BuiltinMetric) float64 {
	before := len(t.problems)
	limit := t.duration(path, in, 0, leastTime)
	switch {
	case len(t.problems) > before:
	case b.Limit != 0 && b.Limit != limit:
		t.fail(path, quote(string(in)), fmt.Sprintf("the metric is limited to %s elsewhere", b.Limit), "define a second metric for a second limit")
	default:
		b.Limit = limit
	}
	// Rounding makes the share over the limit of a p99 1%, not 1.0000000000000009%.
	return math.Round((1-b.Quantile)*1e9) / 1e9
}

// gates reads the limits that a stage requires.
func (t *translator) gates(path string, in []v1alpha1.Objective, out *experiment.Stage) {
	if len(in) > 0 && t.candidates() == 0 {
		t.fail(path, "", "a gate is a limit of candidates", "add a second version, or write an objective")
		return
	}
	for i, o := range in {
		at := fmt.Sprintf("%s[%d]", path, i)
		m := t.known(at+".metric", o.Metric)
		switch {
		case m == nil:
		case m.Pairs != nil && out.Mirror == nil:
			t.fail(at+".metric", quote(o.Metric), "pairs are compared in mirrors only", "a mirror says nothing about how users react; limit another metric here")
			continue
		case m.Pairs == nil && !m.OfPredictions() && out.Mirror != nil:
			t.fail(at+".metric", quote(o.Metric), "a mirror gives its candidates no traffic of their own", "limit what their answers say by a metric from: pairs, labels, drift or prediction; failures and latency by {pairs: {compare: failures}}")
			continue
		}
		t.once(at, o, in[:i], "the stage requires it already", m)
		if gate, ok := t.limit(at, o, m); ok {
			out.Require = append(out.Require, gate)
		}
		if m != nil && m.Matures() > 0 && t.clean("spec.stages") {
			if mature := t.maturity(); mature >= out.AtMost() {
				t.fail(at+".metric", quote(o.Metric), "none of its outcomes can mature before the stage is over",
					fmt.Sprintf("evidence window, the longest outcome window and lag take %s: give the stage more", mature))
			}
		}
	}
}

func (t *translator) reward() {
	r, path := t.api.Spec.Reward, "spec.reward"
	if r == nil {
		return
	}
	if t.plan.Strict {
		t.strictReward(path, r)
		return
	}
	if len(t.plan.Versions) == 1 {
		t.fail(path, "", "a reward needs a candidate to compare", "add a second version, or leave the reward out")
	}
	switch m := t.known(path+".metric", r.Metric); {
	case m == nil:
	case m.Builtin != nil:
		t.fail(path+".metric", quote(r.Metric), "a reward is a metric of outcomes, labels, answers or a provider", "limit errors and latency by objectives")
	case m.Pairs != nil:
		t.fail(path+".metric", quote(r.Metric), "pairs are no reward", pairsHint)
	case t.uncomparable(path+".metric", "reward", m):
	case m.Prediction != nil && m.Prediction.Kind != experiment.MeanScore:
		t.fail(path+".metric", quote(r.Metric), "how answers are made is no reward", "limit it by an objective, or guard it by a guardrail")
	default:
		t.answersAsReward(path+".metric", m)
	}
	t.plan.Reward = &experiment.Reward{
		Metric: r.Metric, MinimumEffect: t.margin(path+".minimumEffect", *cmp.Or(r.MinimumEffect, &v1alpha1.Margin{})), Range: t.rewardRange(path+".range", r.Range),
	}
}

func (t *translator) rewardRange(path string, r *v1alpha1.Range) *experiment.Range {
	if r == nil {
		return nil
	}
	low, ok := t.fraction(path+".low", r.Low)
	high, also := t.fraction(path+".high", r.High)
	if ok && also && low >= high {
		t.fail(path, "", "high must be above low", "for example range: {low: 0, high: 1}")
	}
	return &experiment.Range{Low: low + 0, High: high + 0} // -0 is 0.
}

func (t *translator) guardrails() {
	gs := t.api.Spec.Guardrails
	for i, g := range gs {
		path := fmt.Sprintf("spec.guardrails[%d]", i)
		m := t.known(path+".metric", g.Metric)
		switch {
		case m == nil:
		case m.Pairs != nil:
			t.fail(path+".metric", quote(g.Metric), "pairs are no guardrail", pairsHint)
		case t.uncomparable(path+".metric", "guardrail", m):
		case m.Builtin != nil && m.Builtin.Kind == experiment.Latency:
			t.fail(path+".metric", quote(g.Metric), "latency is limited by an objective", "write it under objectives")
		case m.Builtin != nil && (m.Builtin.Kind == experiment.RequestRate || m.Builtin.Kind == experiment.ReadyReplicas):
			t.fail(path+".metric", quote(g.Metric), "versions differ in it by their shares and sizes", "limit it under objectives")
		case slices.ContainsFunc(gs[:i], func(x v1alpha1.Guardrail) bool { return x.Metric == g.Metric }):
			t.fail(path+".metric", quote(g.Metric), "the metric is a guardrail already", "")
		}
		if len(t.plan.Versions) == 1 {
			t.fail(path, "", "a guardrail needs a candidate to compare", "add a second version, or write an objective")
		}
		t.line(path+".owner", g.Owner, maxText)
		t.plan.Guardrails = append(t.plan.Guardrails, experiment.Guardrail{
			Metric: g.Metric, NoWorseThan: t.margin(path+".noWorseThan", g.NoWorseThan), Slices: t.sliced(path+".slices", g.Slices, m), Owner: g.Owner,
		})
	}
}

// slices checks the names of segments.
func (t *translator) slices(path string, in []string) []string {
	for i, name := range in {
		at := fmt.Sprintf("%s[%d]", path, i)
		if t.segmentNamed(at, name) != nil && slices.Contains(in[:i], name) {
			t.fail(at, quote(name), "given twice", "")
		}
	}
	return slices.Clone(in)
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
