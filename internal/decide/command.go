// SPDX-License-Identifier: Apache-2.0

package decide

import (
	"cmp"
	"slices"
	"strings"

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
	condition := d.state.Condition
	staged := live(&d.state)
	warm := condition == experiment.Warm
	switch {
	case c.Verb == experiment.VerbLift && condition == experiment.Killed:
		d.state.Condition = experiment.Done
		return d.because(experiment.ActStop, by(experiment.ReasonLifted, c))
	case c.Verb == experiment.VerbPause && condition == experiment.Running:
		d.state.Condition = experiment.Paused
		return d.because(experiment.ActPause, by(experiment.ReasonPausedBy, c))
	case c.Verb == experiment.VerbResume && condition == experiment.Paused:
		d.state.Condition = experiment.Running
		return d.because(experiment.ActResume, by(experiment.ReasonResumed, c))
	case c.Verb == experiment.VerbAbort && (staged || warm):
		return d.rollback(by(experiment.ReasonAborted, c))
	case c.Verb == experiment.VerbPromote && staged:
		return d.promoteBy(c)
	case c.Verb == experiment.VerbApprove && (staged || warm):
		return d.approveBy(c)
	case (c.Verb == experiment.VerbFreeze || c.Verb == experiment.VerbLearn) && staged:
		return d.learnBy(c)
	case c.Verb == experiment.VerbRetry && !staged && !warm:
		return d.retry(c)
	}
	return d.refuse(c, "it is "+string(condition))
}

// retry begins the plan again in a new epoch, which shuffles the units and
// forgets everything but what people asked for. It is also how a person lifts a
// kill for good.
func (d *deciding) retry(c experiment.Command) bool {
	if d.from.all[0] != experiment.Whole && !d.ready(0) {
		return d.refuse(c, d.name(0)+" is not ready to take the traffic")
	}
	d.undo()
	old := d.state
	d.state = experiment.State{
		Plan: old.Plan, Condition: experiment.Running,
		Epoch: old.Epoch + 1, Phase: old.Phase, Transition: old.Transition,
		Slots: old.Slots, Started: d.now, StageStart: d.now,
		Commands: old.Commands, Decisions: old.Decisions,
	}
	d.anew = true
	d.allOn(0)
	return d.because(experiment.ActRetry, by(experiment.ReasonRetried, c))
}

// promoteBy promotes the one candidate that is left on a person's word. A
// candidate known to do harm wants an override with a reason; the harm is told
// beside it.
func (d *deciding) promoteBy(c experiment.Command) bool {
	candidates := d.remaining()
	switch {
	case len(candidates) == 0:
		return d.refuse(c, "there is no candidate")
	case c.Version == "" && len(candidates) > 1:
		return d.refuse(c, "several candidates are left ("+d.names(candidates)+"); name the version to promote")
	}
	winner := candidates[0]
	if c.Version != "" {
		i := slices.IndexFunc(candidates, func(v int) bool { return d.name(v) == c.Version })
		if i < 0 {
			return d.refuse(c, c.Version+" is none of the candidates that are left ("+d.names(candidates)+")")
		}
		winner = candidates[i]
	}
	harms := d.harmsOf(winner)
	if len(harms) > 0 && !c.Override {
		return d.refuse(c, d.harmed(winner)+"; promote with an override and a reason if it must be")
	}
	if c.Override && c.Reason == "" {
		return d.refuse(c, "an override needs a reason")
	}
	if len(harms) > 0 {
		d.state.Overridden = &experiment.Overriding{At: d.now, Author: cmp.Or(c.Author, "somebody"), Reason: c.Reason, Harm: harms}
	}
	return d.promote(winner, append([]experiment.Reason{by(experiment.ReasonPromotedBy, c)}, harms...)...)
}

// approveBy notes that the stage, or the end of keeping warm, may go on once
// everything else is had.
func (d *deciding) approveBy(c experiment.Command) bool {
	what, owner := d.approvalOf()
	switch {
	case owner == "":
		return d.refuse(c, what+" waits for no approval")
	case d.state.Approved:
		return d.refuse(c, what+" is approved already")
	}
	d.state.Approved = true
	return d.because(experiment.ActApprove, by(experiment.ReasonApproved, c, "stage", what))
}

// approvalOf names what a person may approve now, and who should.
func (d *deciding) approvalOf() (what, owner string) {
	if d.state.Condition != experiment.Warm {
		return d.stage().Name, d.stage().Approval
	}
	if k := d.plan.Promote.KeepWarm; k != nil {
		owner = k.Approval
	}
	return "the end of keeping " + d.name(0) + " warm", owner
}

// learnBy stops a bandit's learning or lets it go on.
func (d *deciding) learnBy(c experiment.Command) bool {
	freeze := c.Verb == experiment.VerbFreeze
	bandit := d.stage().Bandit
	switch {
	case bandit == nil:
		return d.refuse(c, d.stage().Name+" is no bandit")
	case bandit.Still:
		return d.refuse(c, "the plan keeps the bandit still")
	case d.state.Still == freeze:
		return d.refuse(c, "it was asked for before")
	}
	d.state.Still = freeze
	if freeze {
		return d.because(experiment.ActLearn, by(experiment.ReasonFrozen, c))
	}
	return d.because(experiment.ActLearn, by(experiment.ReasonLearnOn, c))
}

func (d *deciding) refuse(c experiment.Command, why string) bool {
	d.refused = true
	return d.wait(experiment.Because(experiment.ReasonRefused,
		"verb", c.Verb, "author", cmp.Or(c.Author, "somebody"), "why", why))
}

// names lists versions for people.
func (d *deciding) names(versions []int) string {
	out := make([]string, len(versions))
	for i, v := range versions {
		out[i] = d.name(v)
	}
	return strings.Join(out, ", ")
}
