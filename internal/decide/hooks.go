// SPDX-License-Identifier: Apache-2.0

package decide

import (
	"cmp"
	"slices"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// runs are the actions of a hook, under a transition.
func runs(p *experiment.Plan, hook experiment.Hook, transition int) []experiment.Intent {
	var out []experiment.Intent
	for i := range p.Actions.Of(hook) {
		out = append(out, experiment.Intent{Kind: experiment.IntentRun, Transition: transition, Hook: hook, Index: i})
	}
	return out
}

// fires lists the hooks that a decision sets off, in the order in which their
// actions are done. An end is that of the experiment: where the old version is
// kept warm, the promotion is over with that.
func (d *deciding) fires() []experiment.Hook {
	b, s := d.before, &d.state
	ended, over := b.Condition == experiment.Done || b.Condition == experiment.Killed, s.Condition == experiment.Done || s.Condition == experiment.Killed
	switch {
	case d.plan.Actions == nil || d.act == experiment.ActEdit:
	case d.act == experiment.ActRetry:
		return []experiment.Hook{experiment.OnStart}
	case d.act == experiment.ActRollback && !wayBack(b):
		return []experiment.Hook{experiment.OnRollback, experiment.OnFinish}
	case over && !ended && s.Outcome == experiment.Promoted:
		return []experiment.Hook{experiment.OnPromote, experiment.OnFinish}
	case over && !ended && !d.failing:
		return []experiment.Hook{experiment.OnFinish}
	case d.looped, !d.plan.Strict && d.stepped():
		return []experiment.Hook{experiment.OnStep}
	}
	return nil
}

// stepped reports whether a stage gave its next shares.
func (d *deciding) stepped() bool {
	return live(&d.state) && (d.act == experiment.ActAdvance || d.act == experiment.ActShift) && !d.to.same(d.from)
}

// wayBack reports whether an experiment has ended with everything on its
// baseline: then a kill finds the actions of a rollback asked for.
func wayBack(s *experiment.State) bool { return !live(s) && s.Outcome == experiment.RolledBack }

// rollsBack are the actions of a rollback that are still to be done. A second one
// goes on with them.
func (d *deciding) rollsBack() []experiment.Intent {
	if !wayBack(d.before) {
		return nil
	}
	var out []experiment.Intent
	for _, i := range d.state.Actions {
		if i.Kind == experiment.IntentRun {
			out = append(out, i)
		}
	}
	return out
}

// acting holds while an action has to be done before anything more is given to a
// candidate, or has failed for good.
func (d *deciding) acting() bool {
	why := d.inTheWay()
	return len(why) > 0 && d.wait(why...)
}

// inTheWay says which action keeps a stage from going on: one that failed, until
// a person begins anew, ends the experiment or edits the action, or one that is
// still to be done.
func (d *deciding) inTheWay() []experiment.Reason {
	gates := func(i experiment.Intent) bool {
		return i.Kind == experiment.IntentRun && (i.Hook == experiment.OnStart || i.Hook == experiment.OnStep)
	}
	if d.state.Condition != experiment.Running {
		return nil
	}
	for _, f := range slices.Backward(d.state.Failed) {
		if gates(f.Intent) && !f.Ignored {
			return []experiment.Reason{experiment.Because(experiment.ReasonActionFailed, "action", d.plan.Label(f.Intent), "why", f.Why)}
		}
	}
	if i := slices.IndexFunc(d.state.Actions, gates); i >= 0 {
		return []experiment.Reason{d.undone(d.state.Actions[i])}
	}
	return nil
}

// undone says that an action is still to be done.
func (d *deciding) undone(i experiment.Intent) experiment.Reason {
	why := "nothing is known of it yet"
	for _, f := range d.facts.Actions {
		if f.Intent == i {
			why = cmp.Or(f.Why, "it is under way")
		}
	}
	return experiment.Because(experiment.ReasonActing, "action", d.plan.Label(i), "why", why)
}

// failed notes an action that failed for good. Unless it is to be ignored, what
// would have come after it in its hook is called off.
func (d *deciding) failed(f *experiment.ActionFact) {
	s, a := &d.state, d.plan.ActionOf(f.Intent)
	ignored := a != nil && a.Ignore
	if !ignored {
		s.Actions = slices.DeleteFunc(s.Actions, func(i experiment.Intent) bool {
			return i.Kind == experiment.IntentRun && i.Transition == f.Transition && i.Hook == f.Hook
		})
	}
	s.Failed = append(s.Failed, experiment.ActionFailure{Intent: f.Intent, At: d.now, Why: cmp.Or(f.Why, "nobody said why"), Ignored: ignored})
	if n := len(s.Failed) - experiment.MaxFailed; n > 0 {
		s.Failed = slices.Delete(s.Failed, 0, n)
	}
}
