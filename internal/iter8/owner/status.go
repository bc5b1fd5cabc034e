// SPDX-License-Identifier: Apache-2.0

package owner

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	api "github.com/headgate-dev/headgate/api/iter8"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/iter8"
)

// Hindered is a reason of ours: what is in the way, and is tried again.
const Hindered = "Hindered"

// callTimeout bounds one write, maxMessage a sentence in the status.
const (
	callTimeout = 10 * time.Second
	maxMessage  = 1000
)

// conditionOf is a condition of a status, or nil.
func conditionOf(s *api.ExperimentStatus, kind api.ConditionType) *api.Condition {
	if at := slices.IndexFunc(s.Conditions, func(c api.Condition) bool { return c.Type == kind }); at >= 0 {
		return &s.Conditions[at]
	}
	return nil
}

// is reports whether a condition is true.
func (t *turn) is(kind api.ConditionType) bool {
	c := conditionOf(&t.e.Status, kind)
	return c != nil && c.Status == corev1.ConditionTrue
}

// refuse ends the experiment without a result.
func (t *turn) refuse(ctx context.Context, err error) error {
	t.e.Status = iter8.Refused(&t.e, err, t.now)
	return t.write(ctx)
}

// invalid is what is wrong with an experiment.
func invalid(format string, args ...any) error {
	return &iter8.Problem{Reason: iter8.InvalidExperiment, Message: fmt.Sprintf(format, args...)}
}

// hinder notes what is in the way and is tried again. What was in the way before
// stays as it was said.
func (t *turn) hinder(message string) {
	message = clip(message)
	c := conditionOf(&t.e.Status, api.Completed)
	if c == nil || c.Status == corev1.ConditionTrue {
		return
	}
	if old := conditionOf(&t.before, api.Completed); old != nil && text(old.Reason) == Hindered && text(old.Message) == message {
		*c, t.e.Status.Message = *old.DeepCopy(), t.before.Message
		return
	}
	reason, now, said := Hindered, metav1.NewTime(t.now), Hindered+": "+message
	*c = api.Condition{Type: api.Completed, Status: corev1.ConditionFalse, LastTransitionTime: &now, Reason: &reason, Message: &message}
	t.e.Status.Message = &said
}

// write stores the status if it says something new, and then tells what changed
// as events.
func (t *turn) write(ctx context.Context) error {
	if apiequality.Semantic.DeepEqual(t.before, t.e.Status) {
		return nil
	}
	text, err := json.Marshal(t.e.Status)
	if err != nil {
		return experiment.Errorf(experiment.CodeInternal, "write the status of %s: %w", t.key(), err)
	}
	var status map[string]any
	if err := json.Unmarshal(text, &status); err != nil {
		return experiment.Errorf(experiment.CodeInternal, "write the status of %s: %w", t.key(), err)
	}
	u := t.u.DeepCopy()
	u.Object["status"] = status
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if err := t.r.Client.Status().Update(ctx, u); err != nil {
		return err
	}
	news := newsOf(&t.before, &t.e.Status)
	t.u = u
	t.read()
	for _, n := range news {
		kind := corev1.EventTypeNormal
		if n.alarm {
			kind = corev1.EventTypeWarning
		}
		t.r.Events.Eventf(t.u, nil, kind, n.reason, "Reconcile", "%s", n.message)
	}
	return nil
}

// news is an event.
type news struct {
	reason, message string
	alarm           bool
}

// newsOf are the events between two statuses: every iteration, every stage, and
// what conditions say besides.
func newsOf(before, after *api.ExperimentStatus) []news {
	var out []news
	for i := number(before.CompletedIterations) + 1; before.CompletedIterations != nil && i <= number(after.CompletedIterations); i++ {
		out = append(out, news{reason: string(iter8.IterationUpdate), message: fmt.Sprintf("Completed Iteration %d", i)})
	}
	if after.Stage != nil && before.Stage != nil && *after.Stage != *before.Stage {
		out = append(out, news{reason: string(iter8.StageAdvanced), message: "Advanced to " + string(*after.Stage)})
	}
	for i := range after.Conditions {
		c, old := &after.Conditions[i], conditionOf(before, after.Conditions[i].Type)
		if old != nil && old.Status == c.Status && text(old.Reason) == text(c.Reason) && text(old.Message) == text(c.Message) {
			continue
		}
		n := news{reason: text(c.Reason), message: text(c.Message), alarm: c.Type == api.Failed && c.Status == corev1.ConditionTrue || text(c.Reason) == Hindered}
		if n.message == "" {
			n.message = n.reason
		}
		if n.reason != "" && !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out
}

func number(n *int32) int32 {
	if n == nil {
		return 0
	}
	return *n
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// sentence is an error with what to do about it.
func sentence(err error) string {
	if hint := experiment.HintOf(err); hint != "" {
		return clip(err.Error() + "; " + hint)
	}
	return clip(err.Error())
}

// clip bounds a sentence.
func clip(s string) string {
	if len(s) <= maxMessage {
		return s
	}
	return strings.ToValidUTF8(s[:maxMessage-3], "") + "..."
}
