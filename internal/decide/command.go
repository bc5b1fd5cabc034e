// SPDX-License-Identifier: Apache-2.0

package decide

import (
	"cmp"
	"slices"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// maxCommands is how many obeyed commands a state remembers by id.
const maxCommands = 20

// take marks a command as obeyed; false if it was before.
func (d *deciding) take(c experiment.Command) bool {
	if slices.Contains(d.state.Commands, c.ID) {
		return false
	}
	d.state.Commands = append(d.state.Commands, c.ID)
	if n := len(d.state.Commands) - maxCommands; n > 0 {
		d.state.Commands = slices.Delete(d.state.Commands, 0, n)
	}
	return true
}

// by makes a reason that names a person and why they did it.
func by(code experiment.ReasonCode, c experiment.Command, pairs ...any) experiment.Reason {
	pairs = append([]any{"author", cmp.Or(c.Author, "somebody"), "reason", cmp.Or(c.Reason, "no reason given")}, pairs...)
	return experiment.Because(code, pairs...)
}

// kill obeys a kill before anything else, in any condition (D8).
func (d *deciding) kill() bool {
	for i, c := range d.facts.Commands {
		if c.Verb != experiment.VerbKill || !d.take(c) {
			continue
		}
		for _, earlier := range d.facts.Commands[:i] {
			if earlier.Verb == experiment.VerbLift || earlier.Verb == experiment.VerbRetry {
				d.take(earlier) // It was meant for a kill before this one.
			}
		}
		d.rollback(by(experiment.ReasonKilled, c))
		d.state.Condition = experiment.Killed
		return true
	}
	return false
}

// commands obeys the first command that was not obeyed yet. One decision obeys
// one command; the next tick takes the next.
func (d *deciding) commands() bool {
	for _, c := range d.facts.Commands {
		if c.Verb != experiment.VerbKill && d.take(c) {
			return d.obey(c)
		}
	}
	return false
}

func (d *deciding) obey(c experiment.Command) bool {
	live := d.state.Condition == experiment.Running || d.state.Condition == experiment.Paused
	switch {
	case c.Verb == experiment.VerbLift && d.state.Condition == experiment.Killed:
		d.state.Condition = experiment.Done
		return d.because(experiment.ActStop, by(experiment.ReasonLifted, c))
	case c.Verb == experiment.VerbPause && d.state.Condition == experiment.Running:
		d.state.Condition = experiment.Paused
		return d.because(experiment.ActPause, by(experiment.ReasonPausedBy, c))
	case c.Verb == experiment.VerbResume && d.state.Condition == experiment.Paused:
		d.state.Condition = experiment.Running
		return d.because(experiment.ActResume, by(experiment.ReasonResumed, c))
	case c.Verb == experiment.VerbAbort && live:
		return d.rollback(by(experiment.ReasonAborted, c))
	case c.Verb == experiment.VerbPromote && live:
		return d.promoteBy(c)
	case c.Verb == experiment.VerbRetry && !live:
		return d.retry(c)
	}
	return d.refuse(c, "it is "+string(d.state.Condition))
}

// retry begins the plan again in a new epoch, which shuffles the units. It is
// also how a person lifts a kill for good.
func (d *deciding) retry(c experiment.Command) bool {
	s := &d.state
	s.Condition, s.Outcome, s.Winner = experiment.Running, "", 0
	s.Epoch++
	s.Stage, s.Step = 0, 0
	s.StageStart = d.now
	d.anew = true
	d.allOn(0)
	return d.because(experiment.ActRetry, by(experiment.ReasonRetried, c))
}

// promoteBy promotes the first candidate on a person's word. A candidate known
// to do harm wants an override with a reason.
func (d *deciding) promoteBy(c experiment.Command) bool {
	if len(d.plan.Versions) < 2 {
		return d.refuse(c, "there is no candidate")
	}
	if why := d.harmed(1); why != "" && !c.Override {
		return d.refuse(c, why+"; promote with an override and a reason if it must be")
	}
	if c.Override && c.Reason == "" {
		return d.refuse(c, "an override needs a reason")
	}
	return d.end(experiment.ActPromote, experiment.Promoted, 1, by(experiment.ReasonPromotedBy, c))
}

// harmed names a metric in which a candidate is known to do harm.
func (d *deciding) harmed(version int) string {
	for _, v := range d.facts.Judgement.Verdicts {
		if v.Version == version && (v.Status == experiment.Violated || v.Status == experiment.Worse) {
			return d.name(version) + " is " + string(v.Status) + " in " + v.Metric
		}
	}
	return ""
}

func (d *deciding) refuse(c experiment.Command, why string) bool {
	d.refused = true
	return d.because(experiment.ActHold, experiment.Because(experiment.ReasonRefused,
		"verb", c.Verb, "author", cmp.Or(c.Author, "somebody"), "why", why))
}
