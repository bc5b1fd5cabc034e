// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"encoding/json"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/headgate-dev/headgate/api/kube"
	"github.com/headgate-dev/headgate/api/v1alpha1"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// planOf reads the spec, with the reusable metrics that it refers to.
func (r *Reconciler) planOf(ctx context.Context, obj *kube.Experiment) (*experiment.Plan, error) {
	if r.Plan != nil {
		return r.Plan(ctx, obj)
	}
	written, err := obj.Text()
	if err != nil {
		return nil, err
	}
	return library{r.Reusable}.plan(ctx, written, obj.Namespace, obj.Spec.Metrics)
}

// unwished is a spec without the wish in it, to be compared.
func unwished(spec *v1alpha1.Spec) string {
	s := *spec
	s.Control = nil
	written, err := json.Marshal(&s)
	if err != nil {
		return "" // Another than any: the spec is read again.
	}
	return string(written)
}

// kept reports whether the plan in force is that of the spec still. What a
// reusable metric says was written into the plan when the spec was read, and
// another wording is another metric, whose evidence is not comparable: it is
// taken with the next change of the spec, and neither with a wish nor because a
// controller starts again. The one that starts knows of no spec but by the
// status, which says what was read last.
func (t *turn) kept() bool {
	x := t.run
	switch {
	case x.plan == nil || !x.loaded:
		return false
	case x.spec != "":
		return x.spec == unwished(&t.obj.Spec)
	case t.obj.Status.ObservedGeneration != t.obj.Generation || len(refs(t.obj.Namespace, t.obj.Spec.Metrics)) == 0:
		return false
	}
	stalled := meta.FindStatusCondition(t.obj.Status.Conditions, kube.ConditionStalled)
	return stalled == nil || stalled.Reason != ReasonInvalidSpec && stalled.Reason != ReasonMetric && stalled.Reason != ReasonRecordLost
}

// unread notes why the spec is no plan.
func (t *turn) unread(err error) {
	if r := refusalOf(err); r != nil && r.lacking {
		t.stopped(ReasonMetric, err)
		return
	}
	t.stopped(ReasonInvalidSpec, err)
}

// unreadSpec reports that what is in the way is the spec alone: the plan in
// force goes on.
func (t *turn) unreadSpec() bool {
	return t.stall != nil && t.run.loaded && (t.stall.reason == ReasonInvalidSpec || t.stall.reason == ReasonMetric)
}

// ignoreNotFound is err, or nothing where it says that the object is gone.
func ignoreNotFound(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
