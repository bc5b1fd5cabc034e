// SPDX-License-Identifier: Apache-2.0

package iter8

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	api "github.com/headgate-dev/headgate/api/iter8"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// Begin is the status of an experiment that is seen for the first time.
func Begin(e *api.Experiment, now time.Time) api.ExperimentStatus {
	t := tell(e, now)
	at, none, stage := metav1.NewTime(now), int32(0), api.StageWaiting
	t.out.InitTime, t.out.LastUpdateTime, t.out.CompletedIterations, t.out.Stage = &at, &at, &none, &stage
	for _, c := range []api.ConditionType{api.Completed, api.Failed, api.TargetAcquired} {
		t.mark(c, corev1.ConditionFalse, ExperimentInitialized, "Experiment status initialized")
	}
	return *t.out
}

// Acquired is the status of an experiment that has its target, and begins.
func Acquired(e *api.Experiment, now time.Time) api.ExperimentStatus {
	t := tell(e, now)
	t.mark(api.TargetAcquired, corev1.ConditionTrue, TargetAcquired, "")
	t.advance(api.StageInitializing)
	return *t.out
}

// Refused is the status of an experiment that cannot be run, or not any more: it
// has failed, and is over. An error that is no Problem is one of the experiment.
func Refused(e *api.Experiment, err error, now time.Time) api.ExperimentStatus {
	p, ok := errors.AsType[*Problem](err)
	if !ok {
		p = invalid("%v", err)
	}
	t := tell(e, now)
	t.mark(api.Failed, corev1.ConditionTrue, p.Reason, p.Error())
	t.complete("Experiment failed")
	return *t.out
}

// Status is an experiment's status as of a moment. p and rec are the plan and the
// record of the native experiment that it is run as; without a record it has not
// begun. What stands in e.Status already is kept where nothing newer is known: the
// times, the metrics, and the weights where nothing moves them.
func Status(e *api.Experiment, p *experiment.Plan, rec *experiment.Record, now time.Time) api.ExperimentStatus {
	t := tell(e, now)
	if p == nil || rec == nil || rec.State.Plan == "" {
		return *t.out
	}
	t.plan, t.rec, t.state, t.names = p, rec, &rec.State, NamesOf(e, MetricsOf(e.Status.Metrics))
	if len(t.names.Versions) != len(p.Versions) {
		return *t.out // The object was edited into another experiment.
	}
	t.iterations()
	t.analysis()
	t.progress()
	return *t.out
}

// teller writes a status.
type teller struct {
	e     *api.Experiment
	out   *api.ExperimentStatus
	now   metav1.Time
	plan  *experiment.Plan
	rec   *experiment.Record
	state *experiment.State
	names *Names
}

func tell(e *api.Experiment, now time.Time) *teller {
	return &teller{e: e, out: e.Status.DeepCopy(), now: metav1.NewTime(now)}
}

// mark sets a condition. What is as it was stays as it was, its time too.
func (t *teller) mark(kind api.ConditionType, status corev1.ConditionStatus, reason Reason, message string) {
	i := slices.IndexFunc(t.out.Conditions, func(c api.Condition) bool { return c.Type == kind })
	if i < 0 {
		t.out.Conditions = append(t.out.Conditions, api.Condition{Type: kind})
		i = len(t.out.Conditions) - 1
	}
	c, why := &t.out.Conditions[i], string(reason)
	if c.Status == status && text(c.Reason) == why && text(c.Message) == message {
		return
	}
	*c = api.Condition{Type: kind, Status: status, LastTransitionTime: &t.now, Reason: &why, Message: &message}
	told := why
	if message != "" {
		told += ": " + message
	}
	t.out.Message = &told
}

// stageOrder are the stages in their order; nothing goes back.
var stageOrder = []api.Stage{api.StageWaiting, api.StageInitializing, api.StageRunning, api.StageFinishing, api.StageCompleted}

// advance goes to a stage, unless it is there or further.
func (t *teller) advance(to api.Stage) {
	at := -1
	if t.out.Stage != nil {
		at = slices.Index(stageOrder, *t.out.Stage)
	}
	if slices.Index(stageOrder, to) <= at {
		return
	}
	t.out.Stage = &to
	t.mark(api.Completed, corev1.ConditionFalse, StageAdvanced, "Advanced to "+string(to))
}

// complete ends the experiment.
func (t *teller) complete(message string) {
	stage := api.StageCompleted
	t.out.Stage = &stage
	t.mark(api.Completed, corev1.ConditionTrue, ExperimentCompleted, message)
}

// iterations tells how many there were, and when.
func (t *teller) iterations() {
	x, done := t.state.Iteration, int32(0)
	first, last := t.state.Started, time.Time{}
	switch {
	case x != nil:
		done, first, last = int32(min(x.Done, 1<<30)), x.First, x.Last
	case !t.plan.Strict && !first.IsZero():
		// Statistics know no iterations: what is counted is the intervals that are
		// over.
		l := lengthOf(t.e)
		done = int32(min(int64(t.now.Sub(first)/time.Second)/l.interval, l.total(), 1<<30))
		if t.state.Condition == experiment.Done && t.out.CompletedIterations != nil && done > *t.out.CompletedIterations {
			done = *t.out.CompletedIterations
		}
	}
	t.out.CompletedIterations = &done
	if !first.IsZero() {
		at := metav1.NewTime(first)
		t.out.StartTime = &at
	}
	if !last.IsZero() {
		at := metav1.NewTime(last)
		t.out.LastUpdateTime = &at
	}
	recommended := t.version(t.recommended())
	t.out.VersionRecommendedForPromotion = &recommended
}

// recommended is the version to promote: the winner, else the baseline, and after
// a rollback always that.
func (t *teller) recommended() int {
	if v, found := t.winner(); found {
		return v
	}
	return 0
}

// winner is the version that won, if one did.
func (t *teller) winner() (int, bool) {
	s := t.state
	switch {
	case s.Outcome == experiment.RolledBack:
		return 0, false
	case t.plan.Strict:
		return s.Iteration.Recommended(), s.Iteration != nil && s.Iteration.Found
	case s.Outcome == experiment.Promoted || s.Condition == experiment.Warm:
		return s.Winner, true
	}
	return 0, s.Outcome == experiment.OutcomeMet
}

// version is Iter8's name of a version of the plan.
func (t *teller) version(i int) string {
	if i < len(t.names.Versions) {
		return t.names.Versions[i].Iter8
	}
	return ""
}

// pending reports whether an action of a hook is still to be done.
func (t *teller) pending(hook experiment.Hook) bool {
	return slices.ContainsFunc(t.state.Actions, func(i experiment.Intent) bool { return i.Kind == experiment.IntentRun && i.Hook == hook })
}

// handlers are Iter8's words for what is done at a hook.
var handlers = []struct {
	hook         experiment.Hook
	label, title string
}{
	{experiment.OnStart, "start", "Start"},
	{experiment.OnStep, "loop", "Loop"},
	{experiment.OnRollback, "rollback", "Rollback"},
	{experiment.OnFinish, "finish", "Finish"},
}

// progress tells the stage and the newest event.
func (t *teller) progress() {
	s := t.state
	switch {
	case s.Condition == experiment.Killed:
		t.advance(api.StageRunning)
		t.mark(api.Completed, corev1.ConditionFalse, Killed, "All traffic is on "+t.version(0)+" until a person lifts the kill")
		return
	case s.Condition == experiment.Done:
		t.finish()
		return
	case t.pending(experiment.OnStart):
		t.advance(api.StageInitializing)
		t.launched(experiment.OnStart)
		return
	}
	t.advance(api.StageRunning)
	switch x := s.Iteration; {
	case t.pending(experiment.OnStep):
		t.launched(experiment.OnStep)
	case s.Condition == experiment.Paused:
		t.mark(api.Completed, corev1.ConditionFalse, OnHold, "Paused by a person")
	case strings.Contains(t.rec.Hold, string(experiment.ReasonNotRead)):
		t.mark(api.Completed, corev1.ConditionFalse, OnHold, "A metric cannot be read, and nothing is moved until it can")
	case x == nil || x.Done == 0:
		t.mark(api.Completed, corev1.ConditionFalse, StageAdvanced, "Advanced to Running")
	case t.loops() > 0:
		t.mark(api.Completed, corev1.ConditionFalse, IterationUpdate, fmt.Sprintf("Completed Loop %d", t.loops()))
	default:
		t.mark(api.Completed, corev1.ConditionFalse, IterationUpdate, fmt.Sprintf("Completed Iteration %d", x.Done))
	}
}

// loops is the number of loops, if one has just ended.
func (t *teller) loops() int64 {
	l, done := lengthOf(t.e), int64(t.state.Iteration.Done)
	if done%l.iterations != 0 {
		return 0
	}
	return done / l.iterations
}

// launched tells that the actions of a hook are being done. Those that Iter8 did
// at a rollback were finish.
func (t *teller) launched(hook experiment.Hook) {
	for _, h := range handlers {
		if h.hook != hook {
			continue
		}
		title := h.title
		if hook == experiment.OnFinish && t.state.Outcome == experiment.RolledBack {
			title = "Rollback"
		}
		t.mark(api.Completed, corev1.ConditionFalse, HandlerLaunched, fmt.Sprintf("%s handler '%s' launched", title, h.label))
	}
}

// finish tells of an experiment that has ended, or is ending.
func (t *teller) finish() {
	for _, hook := range []experiment.Hook{experiment.OnRollback, experiment.OnFinish, experiment.OnPromote} {
		if t.pending(hook) {
			t.advance(api.StageFinishing)
			t.launched(hook)
			return
		}
	}
	if i := slices.IndexFunc(t.state.Failed, func(f experiment.ActionFailure) bool { return !f.Ignored }); i >= 0 {
		message := "Finish actions failed"
		for _, h := range handlers {
			if h.hook == t.state.Failed[i].Hook {
				message = h.title + " actions failed"
			}
		}
		t.mark(api.Failed, corev1.ConditionTrue, HandlerFailed, message)
		t.complete(message)
		return
	}
	rolledBack := t.state.Outcome == experiment.RolledBack
	acted := len(t.plan.Actions.Of(experiment.OnFinish)) > 0 || rolledBack && len(t.plan.Actions.Of(experiment.OnRollback)) > 0
	switch {
	case acted:
		t.complete("Experiment Completed")
	case rolledBack:
		t.complete("Experiment rolled back")
	default:
		t.complete("Experiment completed successfully")
	}
}
