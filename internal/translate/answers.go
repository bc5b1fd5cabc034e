// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"errors"
	"slices"

	"github.com/headgate-dev/headgate/api/v1alpha1"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/jq"
)

// jq checks an expression, if it is given: one that cannot be compiled here
// would be found out by the first answer.
func (t *translator) jq(path, expression string) {
	if expression == "" {
		return
	}
	_, err := jq.Compile(expression)
	if refused, ok := errors.AsType[*jq.Error](err); ok {
		t.fail(path, quote(expression), refused.Message, refused.Hint)
	}
}

// sample reads the share of answers that is looked at.
func (t *translator) sample(path string, q v1alpha1.Quantity) experiment.Share {
	out := t.shareOr(path, q, experiment.Whole)
	if out == 0 && t.clean(path) {
		t.fail(path, quote(string(q)), "no answer is looked at", "give it a sample above 0%")
	}
	return out
}

func (t *translator) output(path string, in *v1alpha1.Output) *experiment.OutputMetric {
	if in.Sum == "" {
		t.fail(path+".sum", "", "what is summed up is required", "a jq expression on the answer that gives one number, for example sum: '.items|length'")
	}
	t.jq(path+".sum", in.Sum)
	t.jq(path+".count", in.Count)
	return &experiment.OutputMetric{Sum: in.Sum, Count: in.Count, Sample: t.sample(path+".sample", in.Sample)}
}

func (t *translator) response(path string, in *v1alpha1.Response) *experiment.ResponseMetric {
	if (in.Header == "") == (in.Value == "") {
		t.fail(path, "", "exactly one of header and value is required", "for example header: x-tokens, or value: .usage.total_tokens")
	}
	t.form(path+".header", in.Header, tokenForm, "not the name of a header", "for example x-tokens")
	t.jq(path+".value", in.Value)
	return &experiment.ResponseMetric{Header: in.Header, Value: in.Value, Sample: t.sample(path+".sample", in.Sample)}
}

// trustSelf is the word that lets what a version says of itself decide. Of what a
// provider has nobody here knows who counted it, a mesh or the version:
// trustObserved says that it was not the version.
const (
	trustSelf     = "self-reported"
	trustObserved = "observed"
)

func (t *translator) trust(path string, m v1alpha1.Metric) bool {
	if t.plan.Strict && m.Trust != "" {
		t.fail(path, quote(m.Trust), "a strict experiment takes every number for true", "leave trust out")
		return false
	}
	provider := m.From.Prometheus != nil || m.From.HTTP != nil || m.From.SQL != nil
	if provider {
		t.option(path, m.Trust, trustSelf, trustObserved)
	} else {
		t.option(path, m.Trust, trustSelf)
	}
	if m.Trust == "" || !t.clean(path) {
		return false
	}
	if m.From.Response == nil && !provider {
		t.fail(path, quote(m.Trust), "trust goes with from: response, prometheus, http and sql only", "leave trust out: nothing else is a version's own word")
		return false
	}
	return true
}

// Why a version's own word does not decide (D10), and what would.
const (
	ownWord  = "a version's own word"
	trustOut = "add trust: self-reported to the metric if you take its word (of a provider, trust: observed if the version is not who counts), or measure it by outcomes or output"
)

// answersAsReward reports rewards of answers that cannot be one. A sample of
// answers says nothing of how many answers each unit made, so where units are
// assigned the error rate could not be kept (D9).
func (t *translator) answersAsReward(path string, m *experiment.Metric) {
	switch {
	case m.SelfReported():
		t.fail(path, quote(m.Name), "the reward is "+ownWord, trustOut)
	case m.Provider != nil && !m.Provider.Units() && !t.plan.Assignment.Unit.Request:
		t.fail(path, quote(m.Name), "what a provider tells knows no units, and what one of them does is alike", "post the number as an outcome of the unit, or assign requests by unit: {request: true}")
	case m.OfAnswers() && !t.plan.Assignment.Unit.Request:
		t.fail(path, quote(m.Name), "answers of one unit are alike, so that they are no sample of units", "post the number as an outcome of the unit, or assign requests by unit: {request: true}")
	}
}

// observed wants something that Headgate sees among what a promotion waits for
// (D10): an objective, a guardrail or a gate on another metric than those that
// versions report of themselves, or a reward that a stage decides.
func (t *translator) observed() {
	if len(t.plan.Versions) < 2 || !t.clean("spec.metrics") {
		return
	}
	decided := slices.ContainsFunc(t.plan.Stages, func(s experiment.Stage) bool { return s.Split != nil || s.Bandit != nil })
	if t.plan.Reward != nil && decided {
		return
	}
	at := ""
	own := func(metric, path string) bool {
		m := t.plan.Metric(metric)
		if m != nil && m.SelfReported() && at == "" {
			at = path
		}
		return m != nil && m.SelfReported()
	}
	for _, o := range t.plan.Objectives {
		if !own(o.Metric, "spec.objectives") {
			return
		}
	}
	for _, g := range t.plan.Guardrails {
		if !own(g.Metric, "spec.guardrails") {
			return
		}
	}
	for i := range t.plan.Stages {
		for _, o := range t.plan.Stages[i].Require {
			if !own(o.Metric, "spec.stages") {
				return
			}
		}
	}
	if at != "" {
		t.fail(at, "", "all that a promotion waits for is "+ownWord, "add an objective on error-rate, or to the metric trust: self-reported (of a provider, trust: observed if the version is not who counts)")
	}
}
