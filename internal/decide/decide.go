// SPDX-License-Identifier: Apache-2.0

// Package decide is the state machine of an experiment: (plan, state, facts,
// now) in, (state', decision, intents) out. It is pure (D6) and knows no
// statistics; what it believes it was told by judge.
//
// Rules are tried in this order, and the first that decides wins:
//
//  1. kill: all traffic to the baseline, at once, until lifted (D8)
//  2. commands of people
//  3. absolute harm: a candidate that violates an objective goes (D1); this
//     comes before trust, because a candidate whose crashes cause the mismatch
//     is rolled back, not held
//  4. trust: untrustworthy evidence raises nothing from here on (D2, D5)
//  5. relative harm: a reward or guardrail that is worse; never delayed by 4
//  6. gates and pacing: what the stage waits for, its steps and its exit
//
// A rollback asks nothing of the candidate, of metrics or of readiness (D3).
package decide

import (
	"slices"
	"time"

	"github.com/headgate-dev/headgate/internal/assign"
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
	return s, d, []experiment.Intent{{Kind: experiment.IntentRoute, Transition: 1}}
}

// Decide says what happens next. It changes none of its arguments.
func Decide(p *experiment.Plan, s experiment.State, f experiment.Facts, now time.Time) (experiment.State, experiment.Decision, []experiment.Intent) {
	d := &deciding{
		plan: p, state: s.Clone(), facts: f, now: now,
		from: s.Slots.Shares(len(p.Versions)), act: experiment.ActHold,
	}
	d.to, d.stageBefore = d.from, s.Stage
	for _, rule := range []func() bool{d.kill, d.commands, d.ended, d.absoluteHarm, d.trust, d.relativeHarm, d.paused, d.distrusted, d.pace} {
		if rule() {
			break
		}
	}
	d.unknown()
	return d.finish()
}

// deciding is one call's working state.
type deciding struct {
	plan  *experiment.Plan
	state experiment.State
	facts experiment.Facts
	now   time.Time

	from, to experiment.Shares
	// stageBefore is the stage that the decision found.
	stageBefore int
	act         experiment.Act
	reasons     []experiment.Reason
	// doubts are the reasons not to trust the evidence.
	doubts []experiment.Reason
	// waiting says that only missing evidence keeps the stage from going on.
	waiting bool
	// anew says that an epoch begins, with a slot table of its own.
	anew bool
	// refused says that a command was refused: the wait goes on beneath it.
	refused bool
}

// because sets the act and its reasons.
func (d *deciding) because(act experiment.Act, reasons ...experiment.Reason) bool {
	d.act, d.reasons = act, reasons
	return true
}

// finish writes the decision into the state.
func (d *deciding) finish() (experiment.State, experiment.Decision, []experiment.Intent) {
	var intents []experiment.Intent
	// A stage begins a phase of its own even with the shares of the one before:
	// evidence belongs to the stage that asked for it.
	if d.anew {
		d.state.Slots = nil
	}
	if d.anew || !slices.Equal(d.from, d.to) || d.state.Stage != d.stageBefore {
		slots, err := assign.Rebalance(d.state.Slots, d.to)
		if err != nil {
			// The plan was checked and d.to comes from it: shares that do not
			// sum are a broken invariant.
			panic("D4: " + err.Error())
		}
		d.state.Slots = slots
		d.state.Phase++
		d.state.PhaseStart = d.now
		d.state.Transition++
		d.state.UnknownSince = nil
		intents = append(intents, experiment.Intent{Kind: experiment.IntentRoute, Transition: d.state.Transition})
	}
	out := experiment.Decision{
		At: d.now, Act: d.act, Reasons: d.reasons, From: d.from, To: d.to,
		Stage: d.state.Stage, Step: d.state.Step,
	}
	if d.act != experiment.ActHold {
		d.state.Decisions = append(d.state.Decisions, out)
		if n := len(d.state.Decisions) - experiment.MaxDecisions; n > 0 {
			d.state.Decisions = slices.Delete(d.state.Decisions, 0, n)
		}
	}
	return d.state, out, intents
}

// allOn gives one version everything.
func (d *deciding) allOn(version int) {
	d.to = make(experiment.Shares, len(d.plan.Versions))
	d.to[version] = experiment.Whole
}

// end finishes the experiment with one version serving.
func (d *deciding) end(act experiment.Act, outcome experiment.Outcome, version int, reasons ...experiment.Reason) bool {
	d.allOn(version)
	d.state.Condition = experiment.Done
	d.state.Outcome = outcome
	d.state.Winner = version
	return d.because(act, reasons...)
}

// rollback gives everything back to the baseline. It has no preconditions (D3).
func (d *deciding) rollback(reasons ...experiment.Reason) bool {
	return d.end(experiment.ActRollback, experiment.RolledBack, 0, reasons...)
}

// name is a version's name.
func (d *deciding) name(version int) string { return d.plan.Versions[version].Name }

// ended holds a finished experiment where it is.
func (d *deciding) ended() bool {
	return d.state.Condition == experiment.Done || d.state.Condition == experiment.Killed
}

// paused holds the shares of a paused experiment; harm was acted on before.
func (d *deciding) paused() bool {
	if d.state.Condition != experiment.Paused {
		return false
	}
	return d.because(experiment.ActHold, experiment.Because(experiment.ReasonPaused))
}

// unknown remembers since when only missing evidence keeps the stage from
// going on, and applies the plan's policy when that takes too long (D2).
func (d *deciding) unknown() {
	if d.refused {
		return
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
	if d.plan.OnUnknown.Do == experiment.PolicyRollback {
		d.rollback(append([]experiment.Reason{long}, d.reasons...)...)
		return
	}
	d.reasons = append(d.reasons, long)
}
