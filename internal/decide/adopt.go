// SPDX-License-Identifier: Apache-2.0

package decide

import (
	"slices"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Adopt puts an edited plan in the place of the one that a state belongs to. An
// edit that no evidence rests on goes on where it was; any other begins the new
// plan in a new epoch, with everything on its baseline. A kill stays (D8).
func Adopt(old, p *experiment.Plan, s experiment.State, now time.Time) (experiment.State, experiment.Decision, []experiment.Intent) {
	if p.Continues(old) {
		d := &deciding{plan: p, before: &s, state: s.Clone(), now: now}
		d.look()
		return d.edited()
	}
	if p.Strict && old.Strict && live(&s) {
		return carry(old, p, s, now)
	}
	from := s.Slots.Shares(len(old.Versions))
	next, _, _ := Start(p, now)
	next.Epoch, next.Phase, next.Transition = s.Epoch+1, s.Phase+1, s.Transition+1
	next.Commands = s.Clone().Commands
	next.Actions = nil
	if halfway(old, p, &s) {
		next.Actions = []experiment.Intent{{Kind: experiment.IntentRestore, Transition: next.Transition}}
	}
	if s.Condition == experiment.Killed {
		next.Condition, next.Outcome = experiment.Killed, s.Outcome
	} else {
		next.Actions = append(next.Actions, runs(p, experiment.OnStart, next.Transition)...)
	}
	intents := append([]experiment.Intent{{Kind: experiment.IntentRoute, Transition: next.Transition}}, next.Actions...)
	decision := experiment.Decision{
		At: now, Act: experiment.ActEdit, From: from, To: experiment.Baseline(len(p.Versions)),
		Reasons: []experiment.Reason{experiment.Because(experiment.ReasonPlannedAnew, "version", p.Versions[0].Name)},
	}
	next.Decisions = append(s.Clone().Decisions, decision)
	if n := len(next.Decisions) - experiment.MaxDecisions; n > 0 {
		next.Decisions = append([]experiment.Decision(nil), next.Decisions[n:]...)
	}
	return next, decision, intents
}

// edited goes on with the new plan. What is still to be done is what its actions
// say now; one that is not there any more is not done. One that failed is in
// nobody's way any more where it is gone, or is to be ignored now.
func (d *deciding) edited() (experiment.State, experiment.Decision, []experiment.Intent) {
	s := &d.state
	s.Plan = d.plan.Hash()
	s.Actions = slices.DeleteFunc(s.Actions, func(i experiment.Intent) bool {
		return i.Kind == experiment.IntentRun && d.plan.ActionOf(i) == nil
	})
	if len(s.Actions) == 0 {
		s.Actions = nil
	}
	for i := range s.Failed {
		a := d.plan.ActionOf(s.Failed[i].Intent)
		s.Failed[i].Ignored = s.Failed[i].Ignored || a == nil || a.Ignore
	}
	d.because(experiment.ActEdit, experiment.Because(experiment.ReasonEdited))
	return d.finish()
}

// carry goes on with a strict plan whose versions are others: each keeps its
// share and what it was loaded with, by its name. The share of one that is gone
// is the baseline's, and who is the best the next iteration says.
func carry(old, p *experiment.Plan, s experiment.State, now time.Time) (experiment.State, experiment.Decision, []experiment.Intent) {
	d := &deciding{plan: p, before: &s, state: s.Clone(), now: now, anew: true}
	d.from = forAll(s.Slots.Shares(len(old.Versions)))
	shares := experiment.Baseline(len(p.Versions))
	became := make(map[int]int)
	for v := range p.Versions {
		was := slices.IndexFunc(old.Versions, func(o experiment.Version) bool { return o.Name == p.Versions[v].Name })
		if was < 0 {
			continue
		}
		became[was] = v
		if v > 0 {
			shares[v] = d.from.all[was]
			shares[0] -= shares[v]
		}
	}
	d.to = forAll(shares)
	if x := d.state.Iteration; x != nil {
		x.Values, x.Satisfied, x.Best, x.Found, x.Winner = nil, nil, nil, false, 0
		var loads []experiment.Loaded
		for _, l := range x.Loads {
			if v, ok := became[l.Version]; ok {
				l.Version = v
				loads = append(loads, l)
			}
		}
		x.Loads = loads
	}
	return d.edited()
}

// halfway reports whether a new plan finds the same baseline half overwritten, or
// not yet what it was. What a promotion made of it for good is the new plan's
// baseline.
func halfway(old, p *experiment.Plan, s *experiment.State) bool {
	if s.Condition != experiment.Warm && !s.Asks(experiment.IntentRestore) {
		return false
	}
	same := old.Namespace == p.Namespace && old.Versions[0].Workload == p.Versions[0].Workload
	return same && (s.WayBackLost(old) || s.Asks(experiment.IntentRestore))
}

// routed gathers what the cluster says against the shares in force: nothing is
// raised while they are not in effect, or while somebody else rewrites them.
func (d *deciding) routed() bool {
	r := d.facts.Route
	switch {
	case r == nil:
	case r.Drifted != "":
		d.doubt(experiment.ReasonDrifted, "what", r.Drifted)
	case r.Unsettled != "":
		d.doubt(experiment.ReasonUnsettled, "why", r.Unsettled)
	}
	return false
}
