// SPDX-License-Identifier: Apache-2.0

package decide

import (
	"slices"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// pace moves through the stages: enters the shares that the stage wants, holds
// until it has what it waits for, and leaves by its exit.
func (d *deciding) pace() bool {
	stage := d.stage()
	if want := stage.SharesAt(d.state.Step, len(d.plan.Versions), d.state.IsRemoved); want != nil && !slices.Equal(want, d.from) {
		if d.enter(want); d.act == experiment.ActAdvance {
			d.state.StageStart = d.now // The horizon does not run before the first share.
		}
		return true
	}
	switch stage.Kind() {
	case experiment.KindRamp:
		return d.ramp(stage)
	case experiment.KindSplit:
		return d.split(stage)
	default:
		return d.observe(stage)
	}
}

func (d *deciding) stage() *experiment.Stage { return &d.plan.Stages[d.state.Stage] }

// enter asks for the stage's shares. A version that gains share must be ready.
func (d *deciding) enter(want experiment.Shares) bool {
	if d.unready(want) {
		return true
	}
	d.to = want
	return d.because(experiment.ActAdvance, experiment.Because(experiment.ReasonStageEntered, "stage", d.stage().Name))
}

// unready holds if a version that would gain share is not ready.
func (d *deciding) unready(want experiment.Shares) bool {
	for v := 1; v < len(want); v++ {
		if want[v] > d.from[v] && !d.ready(v) {
			d.waiting = true
			return d.because(experiment.ActHold, experiment.Because(experiment.ReasonNotReady, "version", d.name(v)))
		}
	}
	return false
}

func (d *deciding) ready(version int) bool {
	return len(d.facts.Ready) == 0 || d.facts.Ready[version]
}

// wait holds for the first thing that is missing.
func (d *deciding) wait(reasons ...experiment.Reason) bool {
	return d.because(experiment.ActHold, reasons...)
}

// next goes to the next stage, or ends the experiment in favour of the
// candidate. A stage is entered with its shares or not yet: until then the one
// before goes on, with its evidence.
func (d *deciding) next(reason experiment.Reason) bool {
	if d.state.Stage+1 >= len(d.plan.Stages) {
		return d.ship(reason)
	}
	want := d.plan.Stages[d.state.Stage+1].SharesAt(0, len(d.plan.Versions), d.state.IsRemoved)
	if want == nil {
		want = d.from
	}
	if d.unready(want) {
		return true
	}
	d.state.Stage++
	d.state.Step = 0
	d.state.StageStart = d.now
	d.to = want
	return d.because(experiment.ActAdvance, reason, experiment.Because(experiment.ReasonStageEntered, "stage", d.stage().Name))
}

// ship promotes the candidate if every gate is known to be closed behind it.
func (d *deciding) ship(reason experiment.Reason) bool {
	if len(d.plan.Versions) == 1 {
		return d.end(experiment.ActStop, experiment.OutcomeMet, 0, reason)
	}
	if open := d.open(1); len(open) > 0 {
		d.waiting = true
		return d.wait(open...)
	}
	return d.end(experiment.ActPromote, experiment.Promoted, 1, reason)
}

// open lists the gates of a version that are not known to hold: objectives not
// met and guardrails not known to be not worse. No data keeps a gate open (D2).
func (d *deciding) open(version int) []experiment.Reason {
	var out []experiment.Reason
	gate := func(role experiment.Role, metric string, want experiment.Status) {
		v := d.facts.Judgement.Find(version, role, metric)
		if v == nil || v.Status != want {
			out = append(out, experiment.Because(experiment.ReasonGateOpen, "version", d.name(version), "metric", metric))
		}
	}
	for _, o := range d.plan.Objectives {
		gate(experiment.RoleObjective, o.Metric, experiment.Met)
	}
	for _, g := range d.plan.Guardrails {
		gate(experiment.RoleGuardrail, g.Metric, experiment.NotWorse)
	}
	return out
}

// ramp holds a step until its requests, windows and time are had.
func (d *deciding) ramp(stage *experiment.Stage) bool {
	hold, j := stage.Ramp.Hold, &d.facts.Judgement
	share := stage.Ramp.Steps[d.state.Step]
	if left := max(hold.For, hold.Settle) - d.now.Sub(d.state.PhaseStart); left > 0 {
		return d.wait(experiment.Because(experiment.ReasonNeedTime, "left", left.Round(time.Millisecond)))
	}
	if share == 0 {
		for v := 1; v < len(d.plan.Versions); v++ {
			if !d.ready(v) {
				d.waiting = true
				return d.wait(experiment.Because(experiment.ReasonNotReady, "version", d.name(v)))
			}
		}
	} else if missing := d.missing(hold, j); len(missing) > 0 {
		d.waiting = true
		return d.wait(missing...)
	}
	if d.state.Step+1 < len(stage.Ramp.Steps) {
		if d.enter(stage.SharesAt(d.state.Step+1, len(d.plan.Versions), d.state.IsRemoved)); d.act == experiment.ActAdvance {
			d.state.Step++
			d.reasons = []experiment.Reason{experiment.Because(experiment.ReasonStepHeld,
				"step", share.Percent(), "stage", stage.Name, "requests", j.Requests, "windows", j.Clean)}
		}
		return true
	}
	if d.state.Stage+1 >= len(d.plan.Stages) {
		return d.ship(experiment.Because(experiment.ReasonSafe, "version", d.name(len(d.plan.Versions)-1)))
	}
	return d.next(experiment.Because(experiment.ReasonStageDone, "stage", stage.Name))
}

func (d *deciding) missing(hold experiment.Hold, j *experiment.Judgement) []experiment.Reason {
	var out []experiment.Reason
	// A step that waits for time alone wants one request all the same: no data
	// is no pass (D2).
	if want := max(1, hold.Requests); j.Requests < want {
		out = append(out, experiment.Because(experiment.ReasonNeedRequests,
			"version", d.name(1), "have", j.Requests, "want", want))
	}
	if j.Clean < hold.Windows {
		out = append(out, experiment.Because(experiment.ReasonNeedWindows, "have", j.Clean, "want", hold.Windows))
	}
	return out
}

// split waits for the test to decide or for the horizon.
func (d *deciding) split(stage *experiment.Stage) bool {
	v := d.facts.Judgement.Find(1, experiment.RoleReward, d.plan.Reward.Metric)
	elapsed := d.now.Sub(d.state.StageStart)
	if left := stage.Split.Until.AtLeast - elapsed; left > 0 {
		return d.wait(experiment.Because(experiment.ReasonNeedTime, "left", left.Round(time.Millisecond)))
	}
	switch {
	case v != nil && v.Status == experiment.Better && (stage.Split.Until.Decided || v.Final):
		m := d.plan.Metric(v.Metric)
		return d.next(experiment.Because(experiment.ReasonBetter, "version", d.name(1), "metric", v.Metric,
			"estimate", Difference(m, deref(v.Estimate)), "interval", Interval(m, v)))
	case v != nil && v.Final:
		return d.withoutWinner(stage, v)
	default:
		return d.wait(d.undecided(v))
	}
}

func (d *deciding) undecided(v *experiment.Verdict) experiment.Reason {
	j := &d.facts.Judgement
	more := "the horizon decides"
	if v != nil && v.Need > 0 {
		more = "about " + count(v.Need) + " more until the horizon"
	}
	return experiment.Because(experiment.ReasonNeedUnits, "have", j.Units, "more", more)
}

// withoutWinner applies the stage's otherwise rule at the horizon.
func (d *deciding) withoutWinner(stage *experiment.Stage, v *experiment.Verdict) bool {
	m := d.plan.Metric(v.Metric)
	outcome, code := experiment.Inconclusive, experiment.ReasonInconclusive
	if v.Equivalent {
		outcome, code = experiment.NoDifference, experiment.ReasonNoDifference
	}
	why := experiment.Because(code, "version", d.name(1), "baseline", d.name(0), "metric", v.Metric,
		"estimate", Difference(m, deref(v.Estimate)), "interval", Interval(m, v), "margin", Value(m, deref(v.Limit)))
	if stage.Split.Otherwise == experiment.PromoteCandidate {
		says, open := experiment.Because(experiment.ReasonOtherwise, "otherwise", stage.Split.Otherwise), d.open(1)
		if len(open) == 0 {
			return d.end(experiment.ActPromote, experiment.Promoted, 1, why, says)
		}
		return d.end(experiment.ActStop, outcome, 0, append([]experiment.Reason{why, says}, open...)...)
	}
	return d.end(experiment.ActStop, outcome, 0, why,
		experiment.Because(experiment.ReasonOtherwise, "otherwise", "keep "+d.name(0)))
}

// observe waits for its period, then asks whether every version with traffic
// meets its objectives.
func (d *deciding) observe(stage *experiment.Stage) bool {
	if left := stage.Observe.For - d.now.Sub(d.state.StageStart); left > 0 {
		return d.wait(experiment.Because(experiment.ReasonObserving, "left", left.Round(time.Millisecond)))
	}
	for v := range d.plan.Versions {
		if d.from[v] == 0 {
			continue
		}
		for _, o := range d.plan.Objectives {
			f := d.facts.Judgement.Find(v, experiment.RoleObjective, o.Metric)
			switch {
			case f != nil && f.Status == experiment.Violated:
				return d.end(experiment.ActStop, experiment.OutcomeViolated, 0, d.violated(f))
			case f == nil || f.Status != experiment.Met:
				d.waiting = true
				return d.wait(experiment.Because(experiment.ReasonGateOpen, "version", d.name(v), "metric", o.Metric))
			}
		}
	}
	if d.from[0] == experiment.Whole && d.state.Stage+1 >= len(d.plan.Stages) {
		return d.end(experiment.ActStop, experiment.OutcomeMet, 0, experiment.Because(experiment.ReasonObjectivesMet, "version", d.name(0)))
	}
	return d.next(experiment.Because(experiment.ReasonStageDone, "stage", stage.Name))
}
