// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"fmt"
	"slices"
	"strings"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// fits reports what no part of a plan can say alone: whether its parts can do
// together what they ask for.
func (t *translator) fits() {
	t.latencies()
	t.enforced()
	if !t.clean("spec.stages") || !t.clean("spec.versions") || len(t.plan.Versions) < 2 {
		return // The same mistakes would be told twice.
	}
	t.oneIsChosen()
	t.compared()
	t.mirrored()
	t.slicesReached()
	t.observed()
}

// latencies wants a limit for every latency metric: it has no number without.
func (t *translator) latencies() {
	for i, m := range t.plan.Metrics {
		if m.Builtin == nil || m.Builtin.Kind != experiment.Latency || t.limited(m.Name) {
			continue
		}
		t.fail(fmt.Sprintf("spec.metrics[%d]", i), quote(m.Name), "a latency metric needs an objective", "for example objectives: [{metric: NAME, max: 250ms}]")
	}
}

// limited says whether a metric has an objective or a gate, right or wrong.
func (t *translator) limited(metric string) bool {
	limits := t.api.Spec.Objectives
	for _, s := range t.api.Spec.Stages {
		limits = slices.Concat(limits, s.Require)
	}
	for _, o := range limits {
		if o.Metric == metric {
			return true
		}
	}
	return false
}

// oneIsChosen reports several candidates among whom nobody chooses: a ramp, a
// switch or a mirror ends with one, or with none.
func (t *translator) oneIsChosen() {
	n := t.candidates()
	if n < 2 {
		return
	}
	most := experiment.Share(experiment.Whole / n)
	for i := range t.plan.Stages {
		s, path := &t.plan.Stages[i], fmt.Sprintf("spec.stages[%d]", i)
		switch {
		case s.Split != nil, s.Bandit != nil:
			return
		case s.Switch != nil:
			t.fail(path+".switch", fmt.Sprintf("%d candidates", n), "a switch has one candidate to switch to", "put a split or a bandit before it, which chooses one")
			return
		case s.Ramp != nil:
			last := len(s.Ramp.Steps) - 1
			if s.Ramp.Steps[last] > most {
				t.fail(fmt.Sprintf("%s.ramp.steps[%d]", path, last), s.Ramp.Steps[last].Percent(), fmt.Sprintf("%d candidates with as much each are more than 100%%", n), "a step is the share of each candidate: end at "+most.Percent()+" or less")
			}
		}
	}
	t.fail("spec.stages", fmt.Sprintf("%d candidates", n), "no stage chooses among the candidates", "add a split or a bandit, or test one candidate at a time")
}

// together says whether a stage gives the baseline and a candidate traffic at
// the same time.
func (t *translator) together(s *experiment.Stage) bool {
	if s.Ramp != nil {
		return slices.ContainsFunc(s.Ramp.Steps, func(step experiment.Share) bool { return step > 0 && step < experiment.Whole })
	}
	return s.Split != nil || s.Bandit != nil
}

// compared reports a reward or guardrails that no stage can judge.
func (t *translator) compared() {
	if slices.ContainsFunc(t.plan.Stages, func(s experiment.Stage) bool { return t.together(&s) }) {
		return
	}
	const message, hint = "no stage gives the baseline and a candidate traffic at the same time", "add a split, a bandit or a ramp below 100%"
	if t.plan.Reward != nil {
		t.fail("spec.reward", "", message, hint)
	}
	if len(t.plan.Guardrails) > 0 {
		t.fail("spec.guardrails", "", message, hint)
	}
}

// mirrored reports metrics of pairs that no stage collects.
func (t *translator) mirrored() {
	if slices.ContainsFunc(t.plan.Stages, func(s experiment.Stage) bool { return s.Mirror != nil }) {
		return
	}
	for i, m := range t.plan.Metrics {
		if m.Pairs != nil {
			t.fail(fmt.Sprintf("spec.metrics[%d].from.pairs", i), "", "no stage collects pairs", "add a mirror, or leave the metric out")
		}
	}
}

// slicesReached reports slices of guardrails in which no evidence can come: a
// guardrail that cannot be known lets nothing be promoted (D2).
func (t *translator) slicesReached() {
	if !t.clean("spec.segments") || !t.clean("spec.guardrails") {
		return
	}
	for i := range t.plan.Guardrails {
		for k, name := range t.plan.Guardrails[i].Slices {
			if missing := t.unreached(t.plan.Segment(name)); len(missing) > 0 {
				t.fail(fmt.Sprintf("spec.guardrails[%d].slices[%d]", i, k), quote(name), fmt.Sprintf("no stage with both versions reaches %s", strings.Join(missing, ", ")),
					"where leaves them out: widen it, add a stage for them, or leave the slices out")
			}
		}
	}
}

// unreached lists the groups of a segment that no comparing stage lets in.
func (t *translator) unreached(s *experiment.Segment) []string {
	return slices.DeleteFunc(s.Groups(), func(group string) bool {
		return slices.ContainsFunc(t.plan.Stages, func(stage experiment.Stage) bool {
			return t.together(&stage) && !slices.ContainsFunc(stage.Where, func(c experiment.Groups) bool {
				return c.Segment == s.Name && !experiment.Where{c}.Match(func(string) string { return group })
			})
		})
	})
}
