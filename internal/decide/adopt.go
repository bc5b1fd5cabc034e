// SPDX-License-Identifier: Apache-2.0

package decide

import (
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
		d.state.Plan = p.Hash()
		d.because(experiment.ActEdit, experiment.Because(experiment.ReasonEdited))
		return d.finish()
	}
	from := s.Slots.Shares(len(old.Versions))
	next, _, _ := Start(p, now)
	next.Epoch, next.Phase, next.Transition = s.Epoch+1, s.Phase+1, s.Transition+1
	next.Commands = s.Clone().Commands
	if s.Condition == experiment.Killed {
		next.Condition, next.Outcome = experiment.Killed, s.Outcome
	}
	intents := []experiment.Intent{{Kind: experiment.IntentRoute, Transition: next.Transition}}
	if halfway(old, p, &s) {
		restore := experiment.Intent{Kind: experiment.IntentRestore, Transition: next.Transition}
		next.Actions, intents = []experiment.Intent{restore}, append(intents, restore)
	}
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
