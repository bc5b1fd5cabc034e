// SPDX-License-Identifier: Apache-2.0

package decide

import (
	"strconv"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// each names the candidates of whom the slowest is meant.
func (d *deciding) each() string {
	if left := d.remaining(); len(left) == 1 {
		return d.name(left[0])
	}
	return "each candidate"
}

// ramp holds a step until its requests, windows and time are had and the gates
// of its stage are met: more traffic waits for them as much as the next stage.
func (d *deciding) ramp(stage *experiment.Stage) bool {
	hold, j := stage.Ramp.Hold, &d.facts.Judgement
	share := stage.Ramp.Steps[d.state.Step]
	if left := max(hold.For, hold.Settle) - d.now.Sub(d.state.PhaseStart); left > 0 {
		return d.wait(needTime(left))
	}
	if share == 0 {
		for _, v := range d.remaining() {
			if !d.ready(v) {
				return d.notReady(v)
			}
		}
	} else if missing := d.missing(hold, j); len(missing) > 0 {
		d.waiting = true
		return d.wait(missing...)
	} else if open := d.allGates(); len(open) > 0 {
		d.waiting = true
		return d.wait(open...)
	}
	if d.state.Step+1 < len(stage.Ramp.Steps) {
		want := d.wants(stage, d.state.Step+1)
		if d.unready(want) {
			return true
		}
		d.to = want
		d.state.Step++
		return d.because(experiment.ActAdvance, experiment.Because(experiment.ReasonStepHeld,
			"step", share.Percent(), "stage", stage.Name, "requests", j.Requests, "windows", j.Clean))
	}
	return d.held(stage)
}

// held leaves a stage that asked only whether the candidates are safe.
func (d *deciding) held(stage *experiment.Stage) bool {
	if left := d.remaining(); d.state.Stage+1 >= len(d.plan.Stages) && len(left) == 1 {
		return d.goOn(left[0], experiment.Because(experiment.ReasonSafe, "version", d.name(left[0])))
	}
	return d.goOn(0, experiment.Because(experiment.ReasonStageDone, "stage", stage.Name))
}

func needTime(left time.Duration) experiment.Reason {
	return experiment.Because(experiment.ReasonNeedTime, "left", left.Round(time.Millisecond))
}

func (d *deciding) missing(hold experiment.Hold, j *experiment.Judgement) []experiment.Reason {
	var out []experiment.Reason
	// A step that waits for time alone wants one request all the same: no data
	// is no pass (D2).
	if want := max(1, hold.Requests); j.Requests < want {
		out = append(out, experiment.Because(experiment.ReasonNeedRequests,
			"version", d.each(), "have", j.Requests, "want", want))
	}
	if j.Clean < hold.Windows {
		out = append(out, experiment.Because(experiment.ReasonNeedWindows, "have", j.Clean, "want", hold.Windows))
	}
	return out
}

// mirror waits for pairs and gates. What it says of answers says nothing of
// users, so as the last stage it promotes nobody.
func (d *deciding) mirror(stage *experiment.Stage) bool {
	until, j := stage.Mirror.Until, &d.facts.Judgement
	if left := until.AtLeast - d.now.Sub(d.state.StageStart); left > 0 {
		return d.wait(needTime(left))
	}
	if want := max(1, until.Pairs); j.Pairs < want {
		return d.wait(experiment.Because(experiment.ReasonNeedPairs, "have", j.Pairs, "want", want))
	}
	if open := d.allGates(); len(open) > 0 {
		return d.wait(open...) // Its horizon is its patience.
	}
	done := experiment.Because(experiment.ReasonMirrored, "version", d.each(), "pairs", strconv.FormatInt(j.Pairs, 10))
	if d.state.Stage+1 < len(d.plan.Stages) {
		return d.goOn(0, done)
	}
	if d.unapproved() {
		return true
	}
	return d.end(experiment.ActStop, experiment.OutcomeMet, 0, done)
}

// cutOver gives the candidate everything once it was ready without a break for
// as long as the stage says, and then waits for the soak to pass.
func (d *deciding) cutOver(stage *experiment.Stage) bool {
	want := d.wants(stage, 0)
	if !want.same(d.from) {
		if left := d.warming(stage); left > 0 {
			return d.wait(d.warmUp(left))
		}
		if d.unready(want) {
			return true
		}
		return d.begin(want)
	}
	if left := stage.Switch.Soak - d.now.Sub(d.state.PhaseStart); left > 0 {
		return d.wait(experiment.Because(experiment.ReasonSoaking, "version", d.each(), "left", left.Round(time.Millisecond)))
	}
	if missing := d.missing(experiment.Hold{}, &d.facts.Judgement); len(missing) > 0 {
		d.waiting = true
		return d.wait(missing...)
	}
	var open []experiment.Reason
	for _, v := range d.remaining() {
		open = d.limits(open, v, experiment.RoleObjective, d.plan.Objectives)
	}
	if len(open) > 0 {
		d.waiting = true
		return d.wait(open...)
	}
	return d.held(stage)
}

// warming remembers since when the candidates are all ready and says how long
// they must go on being so. A break begins it anew.
func (d *deciding) warming(stage *experiment.Stage) time.Duration {
	for _, v := range d.remaining() {
		if !d.ready(v) {
			d.state.ReadySince = nil
			return 0 // unready says who is not.
		}
	}
	if d.state.ReadySince == nil {
		d.state.ReadySince = &d.now
	}
	return stage.Switch.Warm - d.now.Sub(*d.state.ReadySince)
}

func (d *deciding) warmUp(left time.Duration) experiment.Reason {
	return experiment.Because(experiment.ReasonWarmUp, "version", d.each(), "left", left.Round(time.Millisecond))
}

// observe waits for its period, then asks whether every version with traffic
// meets its objectives.
func (d *deciding) observe(stage *experiment.Stage) bool {
	if left := stage.Observe.For - d.now.Sub(d.state.StageStart); left > 0 {
		return d.wait(experiment.Because(experiment.ReasonObserving, "left", left.Round(time.Millisecond)))
	}
	for v := range d.plan.Versions {
		if d.from.all[v] == 0 {
			continue
		}
		for i := range d.facts.Judgement.Verdicts {
			if f := &d.facts.Judgement.Verdicts[i]; f.Version == v && f.Role == experiment.RoleObjective && f.Status == experiment.Violated {
				return d.end(experiment.ActStop, experiment.OutcomeViolated, 0, d.why(f))
			}
		}
		if open := d.limits(nil, v, experiment.RoleObjective, d.plan.Objectives); len(open) > 0 {
			d.waiting = true
			return d.wait(open[0])
		}
	}
	if d.from.all[0] == experiment.Whole && d.state.Stage+1 >= len(d.plan.Stages) {
		if d.unapproved() {
			return true
		}
		return d.end(experiment.ActStop, experiment.OutcomeMet, 0, experiment.Because(experiment.ReasonObjectivesMet, "version", d.name(0)))
	}
	return d.goOn(0, experiment.Because(experiment.ReasonStageDone, "stage", stage.Name))
}
