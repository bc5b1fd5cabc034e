// SPDX-License-Identifier: Apache-2.0

// Package decide is the state machine of an experiment: (plan, state, facts,
// now) in, (state', decision, intents) out. It is pure (D6) and knows no
// statistics; what it believes it was told by judge.
//
// Rules are tried in this order, and the first that decides wins:
//
//  1. kill: all traffic to the baseline, at once, until lifted (D8)
//  2. commands of people
//  3. absolute harm: a candidate that violates an objective or a gate goes
//     (D1); this comes before trust, because a candidate whose crashes cause the
//     mismatch is removed, not held
//  4. trust: untrustworthy evidence raises nothing from here on (D2, D5)
//  5. relative harm: a reward or guardrail that is worse; never delayed by 4
//  6. limits: the budget, the cost of a mirror, a cause that all versions share
//  7. gates and pacing: what the stage waits for, the plan's actions among it, its
//     steps and its exit, and after a promotion what the old version is kept warm
//     for
//
// A strict plan knows only the kill, commands, and its iterations, which go by
// Iter8's rules.
//
// What speaks against trust is gathered before harm is acted on, and holds after
// it. While a bandit learns, an objective that all versions violate removes
// nobody: what they share is to be mended first.
//
// One of several candidates that does harm is removed: its share goes to the
// baseline and it never has any again. When none is left the experiment is
// rolled back. A rollback asks nothing of the candidate, of metrics or of
// readiness (D3).
package decide

import (
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Start is the state in which an experiment begins: everything on the
// baseline, before the first stage's shares.
func Start(p *experiment.Plan, now time.Time) (experiment.State, experiment.Decision, []experiment.Intent) {
	shares := experiment.Baseline(len(p.Versions))
	s := experiment.State{
		Plan:       p.Hash(),
		Condition:  experiment.Running,
		Epoch:      1,
		Phase:      1,
		Slots:      experiment.SlotsOf(shares),
		Transition: 1,
		Started:    now,
		StageStart: now,
		PhaseStart: now,
	}
	d := experiment.Decision{
		At: now, Act: experiment.ActStart, From: shares, To: shares,
		Reasons: []experiment.Reason{experiment.Because(experiment.ReasonStarted, "version", p.Versions[0].Name)},
	}
	s.Decisions = []experiment.Decision{d}
	s.Actions = runs(p, experiment.OnStart, 1)
	return s, d, append([]experiment.Intent{{Kind: experiment.IntentRoute, Transition: 1}}, s.Actions...)
}

// Decide says what happens next. It changes none of its arguments.
func Decide(p *experiment.Plan, s experiment.State, f experiment.Facts, now time.Time) (experiment.State, experiment.Decision, []experiment.Intent) {
	d := &deciding{plan: p, before: &s, state: s.Clone(), facts: f, now: now, act: experiment.ActHold}
	d.look()
	d.acted()
	rules := []func() bool{
		d.kill, d.commands, d.ended, d.trust, d.routed, d.harm,
		d.exceeded, d.capped, d.sharedCause, d.paused, d.distrusted, d.overBudget, d.warm, d.acting, d.pace,
	}
	if p.Strict {
		rules = []func() bool{d.kill, d.commands, d.stopped, d.ended, d.routed, d.paused, d.iterate}
	}
	for _, rule := range rules {
		if rule() {
			break
		}
	}
	d.unknown()
	return d.finish()
}

// deciding is one call's working state.
type deciding struct {
	plan *experiment.Plan
	// before is the state that the decision found; it is not changed.
	before *experiment.State
	state  experiment.State
	facts  experiment.Facts
	now    time.Time

	// asked is where among a version's verdicts the last gate was found.
	asked [experiment.MaxVersions]int
	// index is where each version's verdicts stand, guarded the slices of each
	// guardrail, the empty one first; both once somebody asked.
	index   [experiment.MaxVersions][]int
	guarded [][]string

	// from and to are what is asked for, before and after.
	from, to asked
	act      experiment.Act
	reasons  []experiment.Reason
	// doubts are the reasons not to trust the evidence; shared are objectives
	// that every version violates; over says that the budget is.
	doubts, shared, over []experiment.Reason
	// actions are what is to be done besides routing.
	actions []experiment.IntentKind
	// waiting says that only missing evidence keeps the stage from going on.
	waiting bool
	// approval says that only a person's approval does.
	approval bool
	// anew says that an epoch begins, with a slot table of its own.
	anew bool
	// refused says that a command was refused: the wait goes on beneath it.
	refused bool
	// looped says that a loop of a strict plan is over, failing that the plan ends
	// by an action that failed for good.
	looped, failing bool
}

// because sets the act and its reasons.
func (d *deciding) because(act experiment.Act, reasons ...experiment.Reason) bool {
	d.act, d.reasons = act, reasons
	return true
}

// wait holds for what is missing.
func (d *deciding) wait(reasons ...experiment.Reason) bool {
	return d.because(experiment.ActHold, reasons...)
}

// finish writes the decision into the state.
func (d *deciding) finish() (experiment.State, experiment.Decision, []experiment.Intent) {
	intents := d.turn()
	out := experiment.Decision{
		At: d.now, Act: d.act, Reasons: d.reasons, From: d.from.all, To: d.to.all,
		Stage: d.state.Stage, Step: d.state.Step,
	}
	if len(d.state.Tables) > 0 {
		out.Groups = sharesOf(d.state.Tables, len(d.plan.Versions))
	}
	if d.act != experiment.ActHold {
		d.state.Decisions = append(d.state.Decisions, out)
		if n := len(d.state.Decisions) - experiment.MaxDecisions; n > 0 {
			d.state.Decisions = append([]experiment.Decision(nil), d.state.Decisions[n:]...)
		}
	}
	return d.state, out, intents
}

// end finishes the experiment with one version serving.
func (d *deciding) end(act experiment.Act, outcome experiment.Outcome, version int, reasons ...experiment.Reason) bool {
	d.allOn(version)
	d.state.Condition = experiment.Done
	d.state.Outcome = outcome
	d.state.Winner = version
	d.state.ReadySince = nil
	return d.because(act, reasons...)
}

// rollback gives everything back to the baseline. It has no preconditions (D3),
// and calls off what is to be done but for actions of a rollback.
func (d *deciding) rollback(reasons ...experiment.Reason) bool {
	kept := d.rollsBack()
	d.undo()
	d.state.Actions = kept
	if x := d.state.Iteration; x != nil {
		x.Best, x.Found, x.Winner, x.Over = nil, false, 0, false
	}
	return d.end(experiment.ActRollback, experiment.RolledBack, 0, reasons...)
}

// name is a version's name.
func (d *deciding) name(version int) string { return d.plan.Versions[version].Name }

func (d *deciding) stage() *experiment.Stage { return &d.plan.Stages[d.state.Stage] }

// remaining lists the candidates that were not removed.
func (d *deciding) remaining() []int {
	var out []int
	for v := 1; v < len(d.plan.Versions); v++ {
		if !d.state.IsRemoved(v) {
			out = append(out, v)
		}
	}
	return out
}

// ended holds a finished experiment where it is.
func (d *deciding) ended() bool {
	return d.state.Condition == experiment.Done || d.state.Condition == experiment.Killed
}

// paused holds the shares of a paused experiment; harm was acted on before.
func (d *deciding) paused() bool {
	if d.state.Condition != experiment.Paused {
		return false
	}
	return d.wait(experiment.Because(experiment.ReasonPaused))
}

// unknown remembers since when only missing evidence keeps the stage from
// going on, and applies the plan's policy when that takes too long (D2).
func (d *deciding) unknown() {
	if d.refused {
		return
	}
	if d.plan.Strict {
		return // It waits as long as that takes, and for no evidence.
	}
	if d.act != experiment.ActHold || !d.waiting {
		d.state.UnknownSince = nil
		return
	}
	if d.state.UnknownSince == nil {
		d.state.UnknownSince = &d.now
		return
	}
	waited := d.now.Sub(*d.state.UnknownSince)
	if waited < d.plan.OnUnknown.After {
		return
	}
	long := experiment.Because(experiment.ReasonUnknownTooLong, "time", d.plan.OnUnknown.After)
	learning := d.state.Condition == experiment.Running && d.stage().Bandit != nil && len(d.doubts) > 0
	switch {
	case learning:
		d.fallBack(long)
	case d.plan.OnUnknown.Do == experiment.PolicyRollback:
		d.rollback(append([]experiment.Reason{long}, d.reasons...)...)
	default:
		d.reasons = append(d.reasons, long)
	}
}
