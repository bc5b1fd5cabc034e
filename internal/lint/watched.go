// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"fmt"
	"slices"
	"time"

	"github.com/headgate-dev/headgate/internal/design"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// watched asks whether what matters is looked at, and can be.
func (c *checker) watched() {
	p := c.plan
	if !c.compares() {
		if slices.ContainsFunc(p.Stages, func(s experiment.Stage) bool { return s.Mirror != nil }) {
			c.add(CodeMirrorOnly, "spec.stages")
		}
		return
	}
	sliced := slices.ContainsFunc(p.Guardrails, func(g experiment.Guardrail) bool { return len(g.Slices) > 0 })
	switch {
	case len(p.Guardrails) == 0:
		c.add(CodeNoGuardrail, "spec.guardrails")
	case p.Router.Kind() != experiment.RouterGateway: // A serving stack counts no groups apart.
	case !sliced && len(p.Segments) == 0:
		c.add(CodeNoSlice, "spec.guardrails", "what", "and the plan has no segments")
	case !sliced:
		c.add(CodeNoSlice, "spec.guardrails", "what", "though the plan has segments")
	}
	if len(p.Objectives) == 0 {
		c.add(CodeNoObjective, "spec.objectives")
	}
	if !slices.ContainsFunc(c.judgedMetrics(), func(j judged) bool { return !health(p.Metric(j.metric)) }) {
		c.add(CodeQualityBlind, "spec.metrics")
	}
	if p.Reward != nil && !slices.ContainsFunc(p.Stages, func(s experiment.Stage) bool { return s.Split != nil || s.Bandit != nil }) {
		c.add(CodeRewardUndecided, "spec.reward", "metric", p.Reward.Metric)
	}
	c.perRequest()
	c.maturing()
	c.unused()
}

// health says whether a metric tells how answers are given, and not what they
// say.
func health(m *experiment.Metric) bool {
	return m.Builtin != nil || m.Prediction != nil && m.Prediction.Kind != experiment.MeanScore
}

// userLevel is the outcome window from which on a consequence is taken to be
// of the user, and not of the one answer.
const userLevel = time.Hour

// perRequest finds metrics of users in experiments that draw every request.
func (c *checker) perRequest() {
	if !c.plan.Assignment.Unit.Request {
		return
	}
	for _, j := range c.judgedMetrics() {
		o := c.plan.Metric(j.metric).Outcomes
		// A label for each request (per, joined) belongs to the request, however
		// late it comes.
		if o != nil && o.Per == "" && o.Joined == 0 && o.Window >= userLevel {
			c.add(CodePerRequest, "spec.assignment.unit", "role", j.role, "metric", j.metric, "time", design.Days(o.Window))
			return
		}
	}
}

// maturing finds metrics that cannot be known when they are to decide.
func (c *checker) maturing() {
	i, s := c.last()
	at := fmt.Sprintf("spec.stages[%d]", i)
	for _, j := range c.judgedMetrics() {
		w, ok := c.matures(j.metric)
		if !ok || j.role == "gate" {
			continue
		}
		switch {
		case s.AtMost() <= w+c.plan.Window+c.plan.Lag:
			c.add(CodeImmature, at, "role", j.role, "metric", j.metric, "window", design.Days(w), "stage", s.Name, "time", design.Days(s.AtMost()))
		case 2*w > s.AtMost():
			c.add(CodeHalfUnjudged, at, "role", j.role, "metric", j.metric, "window", design.Days(w), "stage", s.Name, "time", design.Days(s.AtMost()))
		}
	}
}

// unused finds metrics that nothing depends on.
func (c *checker) unused() {
	all := c.judgedMetrics()
	for i, m := range c.plan.Metrics {
		if k := c.plan.Promote.KeepWarm; k != nil && slices.Contains(k.Matured, m.Name) {
			continue
		}
		if !slices.ContainsFunc(all, func(j judged) bool { return j.metric == m.Name }) {
			c.add(CodeUnused, fmt.Sprintf("spec.metrics[%d]", i), "metric", m.Name)
		}
	}
}
