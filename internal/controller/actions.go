// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"cmp"
	"context"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/headgate-dev/headgate/api/kube"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/workload"
)

// The conditions of what is done with versions' Deployments.
const (
	// ConditionActions is False while a copy, a retirement, a restoration or an
	// action of the plan is under way, or after one of the last kind failed for
	// good, and True once all is done; absent where there was none.
	ConditionActions = "ActionsDone"
	// ConditionWarmTooSmall is there while the version that is kept warm has
	// fewer ready replicas than it served with.
	ConditionWarmTooSmall = "WarmTooSmall"
	// ConditionWorkloads is there while a Deployment that the plan names cannot
	// be read, or what is kept warm cannot be checked.
	ConditionWorkloads = "WorkloadOutOfReach"
)

// The reasons of these conditions, besides the errors' own.
const (
	reasonActed      = "Done"
	reasonFailed     = "Failed"
	reasonUnreadable = "Unreadable"
	reasonReplicas   = "FewerReplicas"
)

// drainFor is how long after the last change of the traffic nothing is
// overwritten or taken away: proxies learn of a route a moment later, and
// requests under way have to end.
const drainFor = 10 * time.Second

// warmEvery is how often a check of what is kept warm that failed is tried again.
const warmEvery = time.Minute

// deeds is what a turn found of the versions' Deployments.
type deeds struct {
	// facts are how the state's actions stand.
	facts []experiment.ActionFact
	// asked says that this turn asked at all, and outOfReach what could not be
	// read or noted.
	asked      bool
	outOfReach error
	// small says what the version that is kept warm lacks, checked that it is
	// known.
	small   string
	checked bool
}

// deployments asks which versions are ready.
func (t *turn) deployments(ctx context.Context) []bool {
	ready, err := t.r.Workloads.Ready(ctx, t.obj.Namespace, t.run.plan.Versions)
	t.deeds.asked, t.deeds.outOfReach = true, err
	return ready
}

// act goes on with what the state asks for besides routing, and says how it
// stands. It comes after the traffic, and nothing in it stops a turn.
func (t *turn) act(ctx context.Context) []experiment.ActionFact {
	own := t.goOn(ctx)
	for _, i := range t.run.record.State.Actions {
		if i.Kind == experiment.IntentRun {
			t.deeds.facts = append(t.deeds.facts, own[i])
			t.toldOwn(own[i])
			continue
		}
		fact := experiment.ActionFact{Intent: i}
		progress, err := t.perform(ctx, i)
		if err != nil {
			progress = workload.Progress{Why: sentence(err)}
		}
		fact.Done, fact.Why = progress.Done, progress.Why
		t.deeds.facts = append(t.deeds.facts, fact)
		t.told(&fact, err)
	}
	t.keepsWarm(ctx)
	return t.deeds.facts
}

// perform goes on with one action.
func (t *turn) perform(ctx context.Context, i experiment.Intent) (workload.Progress, error) {
	s, p, w := &t.run.record.State, t.run.plan, t.r.Workloads
	key := workload.Key{UID: t.obj.UID, Transition: i.Transition}
	baseline, winner := p.Versions[0].Workload, p.Versions[s.Winner].Workload
	if i.Kind == experiment.IntentRestore {
		return w.Restore(ctx, t.obj.UID, t.obj.Namespace, baseline)
	}
	if why := t.unsettled(); why != "" {
		return workload.Progress{Why: why}, nil
	}
	switch {
	case i.Kind == experiment.IntentCopy:
		return w.Copy(ctx, key, t.obj.Namespace, winner, baseline)
	case s.Copied: // What became a copy has the traffic.
		return w.Retire(ctx, key, t.obj.Namespace, winner, p.Promote.Loser, asked(s))
	default:
		return w.Retire(ctx, key, t.obj.Namespace, baseline, p.Promote.Loser, asked(s))
	}
}

// unsettled says why what has no traffic by the record may have some all the
// same.
func (t *turn) unsettled() string {
	switch since := t.now.Sub(t.run.record.State.PhaseStart); {
	case t.stall != nil || t.wait != nil || len(t.differs) > 0 || !t.seen.Settled:
		return "the route does not say what was asked for yet"
	case since < drainFor:
		return "requests under way have another " + (drainFor - since).Round(time.Second).String()
	}
	return ""
}

// asked is when the retirement was asked for: at the end of the promotion.
func asked(s *experiment.State) time.Time {
	for _, d := range slices.Backward(s.Decisions) {
		if d.Act == experiment.ActStop || d.Act == experiment.ActPromote {
			return d.At
		}
	}
	return s.PhaseStart
}

// keepsWarm asks whether the version that is kept warm could take the traffic
// back. It decides nothing: a way back has no preconditions (D3).
func (t *turn) keepsWarm(ctx context.Context) {
	s, baseline := &t.run.record.State, t.run.plan.Versions[0].Workload
	if s.Condition != experiment.Warm || s.Copied || s.Asks(experiment.IntentCopy) || baseline == "" {
		t.run.unchecked, t.deeds.checked = nil, true
		return
	}
	if t.run.unchecked != nil && t.now.Sub(t.run.tried) < warmEvery {
		t.deeds.outOfReach = cmp.Or(t.deeds.outOfReach, t.run.unchecked)
		return
	}
	key := workload.Key{UID: t.obj.UID, Transition: s.Transition}
	small, err := t.r.Workloads.Warm(ctx, key, t.obj.Namespace, baseline)
	if t.run.unchecked, t.run.tried = err, t.now; err != nil {
		t.deeds.outOfReach = cmp.Or(t.deeds.outOfReach, err)
		return
	}
	t.deeds.small, t.deeds.checked = small, true
}

// putRight restores the baseline of an experiment that is deleted while its
// promotion is under way. It is tried once: nobody keeps a deleted object for it.
func (t *turn) putRight(ctx context.Context) {
	s := &t.run.record.State
	if !t.run.loaded || s.Condition != experiment.Warm && !s.Asks(experiment.IntentRestore) || !s.WayBackLost(t.run.plan) && !s.Asks(experiment.IntentRestore) {
		return
	}
	progress, err := t.r.Workloads.Restore(ctx, t.obj.UID, t.obj.Namespace, t.run.plan.Versions[0].Workload)
	fact := experiment.ActionFact{Intent: experiment.Intent{Kind: experiment.IntentRestore}, Done: progress.Done, Why: progress.Why}
	t.told(&fact, err)
}

// verbs are the actions as events and conditions name them: under way and done.
func verbs(kind experiment.IntentKind) (doing, done string) {
	switch kind {
	case experiment.IntentCopy:
		return "Copying", "Copied"
	case experiment.IntentRestore:
		return "Restoring", "Restored"
	case experiment.IntentRun:
		return "Acting", "Acted"
	}
	return "Retiring", "Retired"
}

// told sends an event for an action that was done, or that something new is in
// the way of.
func (t *turn) told(f *experiment.ActionFact, err error) {
	doing, done := verbs(f.Kind)
	switch {
	case t.r.Events == nil:
	case err != nil && t.run.hindered != err.Error():
		t.run.hindered = err.Error()
		t.r.Events.Eventf(t.obj, nil, "Warning", doing+"Failed", doing, "%s; it is tried again", sentence(err))
	case err == nil && f.Done:
		t.run.hindered = ""
		t.r.Events.Eventf(t.obj, nil, "Normal", done, doing, "%s", cmp.Or(f.Why, "as the plan says"))
	}
}

// acted sets the conditions of what is done with Deployments.
func (t *turn) acted(s *kube.ExperimentStatus, set, only func(kind string, on bool, reason, message string)) {
	if t.deeds.asked || t.idle() {
		only(ConditionWorkloads, t.deeds.outOfReach != nil, reasonUnreadable, errorText(t.deeds.outOfReach))
	}
	if t.over() {
		t.deeds.small, t.deeds.checked = "", true // Nothing is kept warm any more.
	}
	if t.deeds.checked {
		before := meta.IsStatusConditionTrue(s.Conditions, ConditionWarmTooSmall)
		only(ConditionWarmTooSmall, t.deeds.small != "", reasonReplicas, t.deeds.small)
		if !before && t.deeds.small != "" && t.r.Events != nil {
			t.r.Events.Eventf(t.obj, nil, "Warning", ConditionWarmTooSmall, "KeepWarm", "%s", clip(t.deeds.small))
		}
	}
	if !t.run.loaded {
		return
	}
	message := ""
	if c := meta.FindStatusCondition(s.Conditions, ConditionActions); c != nil && !t.deeds.asked {
		message = c.Message
	}
	if n := len(t.deeds.facts); n > 0 {
		message = t.deeds.facts[n-1].Why
	}
	if i, why := t.ownAwaited(); i != nil {
		message = why
	}
	before := meta.FindStatusCondition(s.Conditions, ConditionActions)
	if todo := t.run.record.State.Actions; len(todo) > 0 {
		doing, _ := verbs(todo[0].Kind)
		set(ConditionActions, false, doing, message)
	} else if why := t.ownFailed(); why != "" {
		set(ConditionActions, false, reasonFailed, why)
	} else if before != nil && before.Status == metav1.ConditionFalse && before.Reason != reasonFailed {
		set(ConditionActions, true, reasonActed, message)
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return sentence(err)
}

// idle says that nothing is decided or done any more by itself.
func (t *turn) idle() bool { return t.over() && len(t.run.record.State.Actions) == 0 }
