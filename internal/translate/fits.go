// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// fits reports what no part of a plan can say alone: whether its parts can do
// together what they ask for.
func (t *translator) fits() {
	if t.plan.Strict {
		t.goals()
		t.loaded()
		t.control()
		t.able()
		return
	}
	t.latencies()
	t.enforced()
	t.redacted()
	t.alone()
	t.control()
	t.able()
	if !t.clean("spec.stages") || !t.clean("spec.versions") || len(t.plan.Versions) < 2 {
		return // The same mistakes would be told twice.
	}
	t.oneIsChosen()
	t.compared()
	t.mirrored()
	t.drifting()
	t.aucRewarded()
	t.telemetry()
	t.slicesReached()
	t.maturing()
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

// alone reports drift where no version can drift from another.
func (t *translator) alone() {
	if len(t.plan.Versions) != 1 {
		return
	}
	for i, m := range t.plan.Metrics {
		if m.Drift != nil {
			t.fail(fmt.Sprintf("spec.metrics[%d].from.drift", i), "", "drift is a candidate's, from the baseline", "add a second version, or leave the metric out")
		}
	}
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

// slicesReached reports slices of guardrails and limits in which no evidence can
// come: what cannot be known lets nothing be promoted (D2).
func (t *translator) slicesReached() {
	if !t.clean("spec.segments") || !t.clean("spec.guardrails") || !t.clean("spec.objectives") {
		return
	}
	for i, g := range t.plan.Guardrails {
		t.reached(fmt.Sprintf("spec.guardrails[%d].slices", i), g.Slices, "no stage with both versions", t.together)
	}
	for i, o := range t.plan.Objectives {
		t.reached(fmt.Sprintf("spec.objectives[%d].slices", i), o.Slices, "no stage that gives a candidate traffic", func(s *experiment.Stage) bool {
			return s.Ramp != nil || s.Split != nil || s.Bandit != nil || s.Switch != nil
		})
	}
	for i := range t.plan.Stages {
		own := &t.plan.Stages[i]
		for k, gate := range own.Require {
			t.reached(fmt.Sprintf("spec.stages[%d].require[%d].slices", i, k), gate.Slices, "the stage never", func(s *experiment.Stage) bool { return s == own })
		}
	}
}

// reached reports segments of which some groups are in no stage of a kind.
func (t *translator) reached(path string, segments []string, who string, kind func(*experiment.Stage) bool) {
	for k, name := range segments {
		s := t.plan.Segment(name)
		if s == nil {
			continue // Reported.
		}
		if missing := t.unreached(s, kind); len(missing) > 0 {
			t.fail(fmt.Sprintf("%s[%d]", path, k), quote(name), fmt.Sprintf("%s reaches %s", who, strings.Join(missing, ", ")),
				"where leaves them out: widen it, add a stage for them, or leave the slices out")
		}
	}
}

// unreached lists the groups of a segment that no stage of a kind lets in.
func (t *translator) unreached(s *experiment.Segment, kind func(*experiment.Stage) bool) []string {
	return slices.DeleteFunc(s.Groups(), func(group string) bool {
		for i := range t.plan.Stages {
			stage := &t.plan.Stages[i]
			if kind(stage) && !slices.ContainsFunc(stage.Where, func(c experiment.Groups) bool {
				return c.Segment == s.Name && !experiment.Where{c}.Match(func(string) string { return group })
			}) {
				return true
			}
		}
		return false
	})
}

// drifting reports drift of what cannot drift: it is a candidate's, from the
// baseline's answers of the same time. A mirror has both.
func (t *translator) drifting() {
	drift := func(metric string) bool {
		m := t.plan.Metric(metric)
		return m != nil && m.Drift != nil
	}
	const message, hint = "drift is from the baseline's answers of the same time", "limit it where both versions answer: in a mirror, a split, a bandit or a ramp below 100%"
	both := func(s experiment.Stage) bool { return s.Mirror != nil || t.together(&s) }
	anywhere := slices.ContainsFunc(t.plan.Stages, both)
	for i, o := range t.plan.Objectives {
		if drift(o.Metric) && !anywhere {
			t.fail(fmt.Sprintf("spec.objectives[%d].metric", i), quote(o.Metric), message, hint)
		}
	}
	for i := range t.plan.Stages {
		for k, o := range t.plan.Stages[i].Require {
			if drift(o.Metric) && !both(t.plan.Stages[i]) {
				t.fail(fmt.Sprintf("spec.stages[%d].require[%d].metric", i, k), quote(o.Metric), message, hint)
			}
		}
	}
}

// maturity is how long after its first exposure a unit is judged at the latest:
// outcomes of all metrics are sealed together.
func (t *translator) maturity() time.Duration {
	return t.plan.Window + t.plan.OutcomeWindow() + t.plan.Lag
}

// maturing reports objectives and guardrails that cannot be known before the
// experiment is over, so that they would promote nothing and undo nothing.
// Switches and observations wait until they are known.
func (t *translator) maturing() {
	lasts := time.Duration(0)
	for i := range t.plan.Stages {
		s := &t.plan.Stages[i]
		if s.Switch != nil || s.Observe != nil {
			return
		}
		lasts += s.AtMost()
	}
	if k := t.plan.Promote.KeepWarm; k != nil {
		if k.Approval != "" || len(k.Matured) > 0 {
			return
		}
		lasts += k.AtLeast
	}
	never := func(path, metric string) {
		if m := t.plan.Metric(metric); m != nil && m.Matures() > 0 && t.maturity() >= lasts {
			t.fail(path, quote(metric), "none of its outcomes can mature before the experiment is over",
				fmt.Sprintf("evidence window, the longest outcome window and lag take %s, and all stages %s at most", t.maturity(), lasts))
		}
	}
	for i, o := range t.plan.Objectives {
		never(fmt.Sprintf("spec.objectives[%d].metric", i), o.Metric)
	}
	for i, g := range t.plan.Guardrails {
		never(fmt.Sprintf("spec.guardrails[%d].metric", i), g.Metric)
	}
}
