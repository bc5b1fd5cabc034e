// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"fmt"

	"github.com/headgate-dev/headgate/api/v1alpha1"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// provided reads what is asked of a provider, with one text for each version.
func (t *translator) provided(path string, in *v1alpha1.Prometheus) *experiment.ProviderMetric {
	q := &experiment.PrometheusQuery{}
	out := &experiment.ProviderMetric{Provider: t.providerOf(path, in.Provider, ofPrometheus), Prometheus: q}
	forms := []bool{in.Events != "" || in.Total != "", in.Sum != "" || in.Count != "", in.Buckets != "" || in.Above != "", in.Query != ""}
	n := 0
	for _, on := range forms {
		if on {
			n++
		}
	}
	if n != 1 {
		t.fail(path, "", "exactly one form is required: events and total, sum and count, buckets and above, or query",
			`for example {events: 'http_requests_total{version="{{.Version}}",code=~"5.."}', total: 'http_requests_total{version="{{.Version}}"}'}`)
		return out
	}
	if t.plan.Strict && !forms[3] {
		t.fail(path, "", "a strict experiment compares single numbers", "write query, which gives one number as of a moment, for example 'sum(increase(errors_total{version=\"{{.Version}}\"}[{{.Elapsed}}s]))'")
		return out
	}
	kind := textKind{most: maxRendered}
	if t.plan.Strict {
		kind.times = []string{wordElapsed, wordWindow}
	}
	for _, f := range []struct {
		field, text string
		form        int
		into        *[]string
		check       func(string) (message, hint string)
	}{
		{".events", in.Events, 0, &q.Events, notASelector},
		{".total", in.Total, 0, &q.Total, notASelector},
		{".sum", in.Sum, 1, &q.Sum, notASelector},
		{".count", in.Count, 1, &q.Count, notASelector},
		{".buckets", in.Buckets, 2, &q.Buckets, notASelector},
		{".query", in.Query, 3, &q.Query, unbalanced},
	} {
		if forms[f.form] {
			*f.into = t.texts(path+f.field, f.text, kind, f.check)
		}
	}
	if forms[2] {
		q.Limit = t.above(path+".above", in.Above)
	}
	if forms[0] && in.Events == in.Total && in.Events != "" {
		t.fail(path+".events", quote(in.Events), "the same as total: every event is one", "select the events among all")
	}
	return out
}

// above reads the limit of a histogram, a duration in seconds or a number in the
// series' unit.
func (t *translator) above(path string, q v1alpha1.Quantity) float64 {
	if d, err := parseDuration(string(q)); err == nil && d > 0 {
		return d.Seconds()
	}
	if q == "" {
		t.fail(path, "", "the limit is required", "an upper bound of a bucket: a duration, or a number in the series' unit")
	}
	return t.number(path, q, 0, -maxAmount, maxAmount)
}

// telemetryLimit reads a limit of what a provider tells.
func (t *translator) telemetryLimit(at, word string, q v1alpha1.Quantity, m *experiment.Metric) float64 {
	switch {
	case m.Builtin != nil && m.Builtin.Kind == experiment.MeanLatency:
		if t.wrongSide(at, word, q, m.Goal, "latency has a max") {
			return 0
		}
		return t.duration(at, v1alpha1.Duration(q), 0, leastTime).Seconds()
	case m.Builtin != nil && m.Builtin.Kind == experiment.ReadyReplicas && t.wrongSide(at, word, q, m.Goal, "ready replicas have a min"):
		return 0
	case m.Builtin != nil:
		return t.number(at, q, 0, 0, maxAmount)
	case m.Provider.Counted():
		return t.probability(at, q, 0, mostProbability)
	}
	f, _ := t.fraction(at, q)
	return f
}

// telemetry reports what a provider's metrics cannot be used for: they know
// neither units nor groups, nor which requests a stage is about.
func (t *translator) telemetry() {
	for i, g := range t.plan.Guardrails {
		if m := t.plan.Metric(g.Metric); m != nil && m.Telemetry() {
			t.everybody(fmt.Sprintf("spec.guardrails[%d].metric", i), m)
		}
	}
	r := t.plan.Reward
	if r == nil {
		return
	}
	m := t.plan.Metric(r.Metric)
	if m == nil || !m.Telemetry() {
		return
	}
	t.everybody("spec.reward.metric", m)
	for i := range t.plan.Segments {
		if t.plan.Segments[i].Stratify {
			t.fail(fmt.Sprintf("spec.segments[%d].stratify", i), "true", "what a provider tells of the reward cannot be weighed by group", "leave stratify out, or reward outcomes")
		}
	}
	for i := range t.plan.Stages {
		s, path := &t.plan.Stages[i], fmt.Sprintf("spec.stages[%d]", i)
		switch {
		case s.Bandit != nil && (m.Windowed() || s.Bandit.Per != ""):
			t.fail(path+".bandit", quote(m.Name), "a bandit learns from what each unit or request brings", "reward outcomes, or counters (events and total) without per")
		case m.Windowed() && t.given(path+".until.units"):
			t.fail(path+".until.units", "", "windows are the sample of the reward "+quote(m.Name)+", and no units", "bound the stage in time: until: {atMost: 14d}")
		}
	}
}

// everybody reports a comparison by a provider's metric in stages for some: the
// baseline's figures are also of those that the stage is not for.
func (t *translator) everybody(path string, m *experiment.Metric) {
	for i := range t.plan.Stages {
		if s := &t.plan.Stages[i]; t.together(s) && len(s.Where) > 0 {
			t.fail(path, quote(m.Name), fmt.Sprintf("the stage %s is for some requests, and what a provider tells of the baseline is of all", quote(s.Name)), "limit it under objectives, or leave where out")
			return
		}
	}
}
