// SPDX-License-Identifier: Apache-2.0

package decide

import (
	"cmp"
	"slices"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// acted takes what was done, and what failed for good, off the list of what is to
// be done, whatever is decided beside it.
func (d *deciding) acted() {
	for k := range d.facts.Actions {
		f := &d.facts.Actions[k]
		i := slices.Index(d.state.Actions, f.Intent)
		fell := f.Failed && !f.Done && f.Kind == experiment.IntentRun
		if !f.Done && !fell || i < 0 {
			continue
		}
		d.state.Actions = slices.Delete(d.state.Actions, i, i+1)
		d.state.Copied = d.state.Copied || f.Kind == experiment.IntentCopy
		switch {
		case fell:
			d.failed(f)
		case d.plan.Strict && len(f.Loaded) > 0:
			d.iteration().Loads = experiment.MergeLoaded(d.iteration().Loads, d.known(f.Loaded))
		}
	}
	if len(d.state.Actions) == 0 {
		d.state.Actions = nil
	}
	if d.copiesNow() {
		d.state.StageStart = d.now // Its horizon does not run before.
	}
}

// known leaves out loads of what is none of the plan's versions.
func (d *deciding) known(loads []experiment.Loaded) []experiment.Loaded {
	return slices.DeleteFunc(slices.Clone(loads), func(l experiment.Loaded) bool { return l.Version < 0 || l.Version >= len(d.plan.Versions) })
}

// asIs says how an action stands.
func (d *deciding) asIs(kind experiment.IntentKind) string {
	for _, f := range d.facts.Actions {
		if f.Kind == kind && slices.Contains(d.state.Actions, f.Intent) {
			return cmp.Or(f.Why, "it is under way")
		}
	}
	return "nothing is known of it yet"
}

// undo calls off what is to be done, and asks for the baseline to be what it was
// where a promotion changed it. The traffic goes back without waiting for that
// (D3).
func (d *deciding) undo() {
	s := &d.state
	back := s.WayBackLost(d.plan) || s.Asks(experiment.IntentRestore)
	s.Actions, s.Copied = nil, false
	if back {
		d.actions = append(d.actions, experiment.IntentRestore)
	}
}

func (d *deciding) copying(what string) experiment.Reason {
	return experiment.Because(experiment.ReasonCopying, "version", d.name(d.state.Winner), "baseline", d.name(0), "what", what)
}

// copied gives the traffic to the baseline, which is a copy of the winner now.
// The winner serves until the copy is ready.
func (d *deciding) copied() bool {
	if !d.ready(0) {
		return d.wait(experiment.Because(experiment.ReasonNotReady, "version", d.name(0)))
	}
	winner := d.state.Winner
	d.retire()
	d.end(experiment.ActStop, experiment.Promoted, 0,
		experiment.Because(experiment.ReasonCopied, "version", d.name(winner), "baseline", d.name(0)))
	d.state.Winner = winner
	return true
}
