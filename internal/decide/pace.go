// SPDX-License-Identifier: Apache-2.0

package decide

import (
	"slices"
	"strings"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// pace moves through the stages: enters the shares that the stage wants, holds
// until it has what it waits for, and leaves by its exit.
func (d *deciding) pace() bool {
	stage := d.stage()
	switch stage.Kind() {
	case experiment.KindSwitch:
		return d.cutOver(stage)
	case experiment.KindBandit:
		return d.bandit(stage)
	}
	if want := d.wants(stage, d.state.Step); !want.same(d.from) {
		if d.unready(want) {
			return true
		}
		return d.begin(want)
	}
	switch stage.Kind() {
	case experiment.KindRamp:
		d.ramp(stage)
	case experiment.KindSplit:
		return d.split(stage)
	case experiment.KindMirror:
		d.mirror(stage)
	default:
		return d.observe(stage)
	}
	// A ramp whose steps are all held may wait for its approver as long as that
	// takes; a mirror goes on copying and may not.
	over := stage.AtMost() > 0 && d.now.Sub(d.state.StageStart) >= stage.AtMost()
	if d.act == experiment.ActHold && (over && (!d.approval || stage.Mirror != nil) || d.dear()) {
		return d.atHorizon(d.reasons)
	}
	return true
}

// wants gives the shares that a stage asks for at a step. Observing asks for
// what it finds, without the versions that were removed.
func (d *deciding) wants(stage *experiment.Stage, step int) asked {
	if stage.Bandit != nil {
		return d.even(stage.Bandit)
	}
	if shares := stage.SharesAt(step, len(d.plan.Versions), d.state.IsRemoved); shares != nil {
		return forAll(shares)
	}
	want := d.to
	for _, r := range d.state.Removed {
		want = want.without(r.Version)
	}
	return want
}

// begin asks for the first shares of the current stage. Its horizon does not run
// before them.
func (d *deciding) begin(want asked) bool {
	d.to = want
	d.state.StageStart = d.now
	return d.because(experiment.ActAdvance, experiment.Because(experiment.ReasonStageEntered, "stage", d.stage().Name))
}

// unready holds if a version that would gain share is not ready.
func (d *deciding) unready(want asked) bool {
	for v := 1; v < len(d.plan.Versions); v++ {
		if !d.ready(v) && want.gains(d.from, v) {
			return d.notReady(v)
		}
	}
	return false
}

func (d *deciding) notReady(version int) bool {
	d.waiting = true
	return d.wait(experiment.Because(experiment.ReasonNotReady, "version", d.name(version)))
}

func (d *deciding) ready(version int) bool {
	return version >= len(d.facts.Ready) || d.facts.Ready[version]
}

// goOn leaves the stage: with the winner that it chose, or with all candidates
// that are left if winner is 0. It wants the gates met, what gains share ready
// and the stage approved, in this order; then the next stage begins, or the
// experiment ends in favour of the candidate. Those that were not chosen give up
// their share for good.
func (d *deciding) goOn(winner int, reasons ...experiment.Reason) bool {
	last := d.state.Stage+1 >= len(d.plan.Stages)
	chosen := d.remaining()
	if winner > 0 {
		chosen = []int{winner}
	} else if last && len(chosen) != 1 {
		why := experiment.Because(experiment.ReasonHorizon, "stage", d.stage().Name, "missing", "no one candidate was chosen")
		return d.end(experiment.ActStop, experiment.Inconclusive, 0, append(reasons, why)...)
	}
	var open []experiment.Reason
	for _, v := range chosen {
		open = append(open, d.lacks(v)...)
	}
	if len(open) > 0 {
		d.waiting = true
		return d.wait(open...)
	}
	if d.notYet(chosen, last) {
		return true
	}
	if d.unapproved() {
		return true
	}
	reasons = d.choose(chosen, reasons)
	if last {
		return d.promote(chosen[0], reasons...)
	}
	return d.next(reasons)
}

// notYet holds if a chosen version that would gain share by going on is not
// ready. A switch wants them all ready to begin with.
func (d *deciding) notYet(chosen []int, last bool) bool {
	for _, v := range chosen {
		if d.ready(v) {
			continue
		}
		want := d.promoted(v)
		if !last {
			next := &d.plan.Stages[d.state.Stage+1]
			want = d.wants(next, 0)
			if next.Switch != nil {
				return d.notReady(v)
			}
		}
		if want.gains(d.from, v) {
			return d.notReady(v)
		}
	}
	return false
}

// unapproved holds for a person, when everything else was had.
func (d *deciding) unapproved() bool {
	what, owner := d.approvalOf()
	if owner == "" || d.state.Approved {
		return false
	}
	d.approval = true
	return d.wait(experiment.Because(experiment.ReasonNeedApproval, "stage", what, "owner", owner))
}

// choose removes the candidates that were not chosen.
func (d *deciding) choose(chosen []int, reasons []experiment.Reason) []experiment.Reason {
	if len(chosen) != 1 {
		return reasons
	}
	alone := experiment.Because(experiment.ReasonGoesOn, "version", d.name(chosen[0]))
	others := slices.DeleteFunc(d.remaining(), func(v int) bool { return v == chosen[0] })
	if len(others) == 0 {
		return reasons
	}
	for _, v := range others {
		d.leaves(v, alone)
	}
	return append(reasons, alone)
}

// next begins the next stage, with its first shares where it has them at once.
func (d *deciding) next(reasons []experiment.Reason) bool {
	s := &d.state
	s.Stage++
	s.Step, s.StageStart, s.Approved = 0, d.now, false
	s.Updates, s.Updated, s.Still, s.ReadySince = 0, time.Time{}, false, nil
	stage := d.stage()
	entered := experiment.Because(experiment.ReasonStageEntered, "stage", stage.Name)
	if stage.Switch != nil {
		if left := d.warming(stage); left > 0 {
			return d.because(experiment.ActAdvance, append(reasons, d.warmUp(left))...)
		}
	}
	d.to = d.wants(stage, 0)
	return d.because(experiment.ActAdvance, append(reasons, entered)...)
}

// lacks lists what keeps a version from leaving the stage: the stage's own gates,
// and at the last stage all that a promotion asks for. A stage after which no
// other has both versions in traffic is the last in which guardrails can still
// become known.
func (d *deciding) lacks(version int) []experiment.Reason {
	later := d.plan.Stages[d.state.Stage+1:]
	switch {
	case len(later) == 0:
		return d.open(version)
	case d.stage().Compares() && !slices.ContainsFunc(later, func(s experiment.Stage) bool { return s.Compares() }):
		return append(d.guardrails(nil, version), d.gates(version)...)
	}
	return d.gates(version)
}

// gates lists the limits of the current stage that a version is not known to
// meet. No data keeps a gate open (D2).
func (d *deciding) gates(version int) []experiment.Reason {
	return d.limits(nil, version, experiment.RoleGate, d.stage().Require)
}

// limits adds the limits, with their slices, that a version is not known to meet.
func (d *deciding) limits(out []experiment.Reason, version int, role experiment.Role, limits []experiment.Objective) []experiment.Reason {
	for i := range limits {
		o := &limits[i]
		out = d.gate(out, version, role, o.Metric, "", o.Owner, experiment.Met)
		for _, slice := range d.plan.LimitSlices(o) {
			out = d.gate(out, version, role, o.Metric, slice, o.Owner, experiment.Met)
		}
	}
	return out
}

// allGates are the stage's gates that some candidate is not known to meet.
func (d *deciding) allGates() []experiment.Reason {
	var out []experiment.Reason
	for _, v := range d.remaining() {
		out = append(out, d.gates(v)...)
	}
	return out
}

// open lists all that a promotion asks for and a version is not known to have:
// the objectives, the guardrails with their slices, and the stage's gates.
func (d *deciding) open(version int) []experiment.Reason {
	out := d.limits(nil, version, experiment.RoleObjective, d.plan.Objectives)
	return append(d.guardrails(out, version), d.gates(version)...)
}

// guardrails adds the guardrails, with their slices, that a version is not known
// to keep.
func (d *deciding) guardrails(out []experiment.Reason, version int) []experiment.Reason {
	if d.guarded == nil {
		for i := range d.plan.Guardrails {
			d.guarded = append(d.guarded, append([]string{""}, d.plan.SlicesOf(&d.plan.Guardrails[i])...))
		}
	}
	for i, in := range d.guarded {
		g := &d.plan.Guardrails[i]
		for _, slice := range in {
			out = d.gate(out, version, experiment.RoleGuardrail, g.Metric, slice, g.Owner, experiment.NotWorse)
		}
	}
	return out
}

func (d *deciding) gate(out []experiment.Reason, version int, role experiment.Role, metric, slice, owner string, want experiment.Status) []experiment.Reason {
	// Gates are asked for in the order in which they are judged: the search goes
	// on where the last one ended, and begins anew once.
	of := d.verdictsOf(version)
	for k := range of {
		at := (d.asked[version] + k) % len(of)
		v := &d.facts.Judgement.Verdicts[of[at]]
		if v.Role == role && v.Metric == metric && v.Slice == slice {
			d.asked[version] = at + 1
			if v.Status == want || nobody(v) {
				return out
			}
			break
		}
	}
	why := experiment.Because(experiment.ReasonGateOpen, "version", d.name(version), "metric", owned(inSlice(metric, slice), owner))
	if slices.ContainsFunc(out, func(o experiment.Reason) bool { return slices.Equal(o.Params, why.Params) }) {
		return out // The same metric in another role.
	}
	return append(out, why)
}

// nobody reports whether a verdict is about a catch-all in which nobody was
// ever seen. The groups that a segment names must be judged; what it does not
// name need not exist, and would otherwise keep every promotion waiting.
func nobody(v *experiment.Verdict) bool {
	return strings.HasSuffix(v.Slice, "="+experiment.Other) && v.N+v.NBaseline == 0
}

// verdictsOf lists where the verdicts of a version stand. Gates ask for many of
// one version.
func (d *deciding) verdictsOf(version int) []int {
	if d.index[version] == nil {
		d.index[version] = make([]int, 0, 1+len(d.facts.Judgement.Verdicts)/len(d.plan.Versions))
		for i := range d.facts.Judgement.Verdicts {
			if d.facts.Judgement.Verdicts[i].Version == version {
				d.index[version] = append(d.index[version], i)
			}
		}
	}
	return d.index[version]
}
