// SPDX-License-Identifier: Apache-2.0

package owner

import (
	"context"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/headgate-dev/headgate/api/kube"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/iter8"
)

// run makes the native experiment what the Iter8 one says, and tells how it
// stands.
func (t *turn) run(ctx context.Context) (time.Duration, error) {
	have, err := t.r.nativeOf(ctx, t.key())
	if err != nil {
		return again, err
	}
	if t.isAlone(have) { // It has done its part.
		return again, t.r.remove(ctx, have)
	}
	want, wrong := t.wanted(t.started(have))
	native, err := t.native(ctx, have, want, wrong)
	if err != nil || native == nil {
		return again, err
	}
	if err := t.tell(ctx, native); err != nil {
		return again, err
	}
	return seldom, nil
}

// tell maps up how the native experiment stands.
func (t *turn) tell(ctx context.Context, native *kube.Experiment) error {
	rec, err := t.record(ctx, native)
	if err != nil {
		return err
	}
	var plan *experiment.Plan
	if rec != nil {
		if plan, err = t.plan(ctx, rec); err != nil {
			return err
		}
	}
	t.e.Status = iter8.Status(&t.e, plan, rec, t.now)
	return t.show(ctx, native, rec)
}

// show writes the status, with what is in the way of the native experiment.
func (t *turn) show(ctx context.Context, native *kube.Experiment, rec *experiment.Record) error {
	switch stalled := stalledOf(native); {
	case t.noted != "":
		t.hinder(t.noted)
	case stalled == nil:
	case rec == nil && stalled.Reason == "InvalidSpec": // It never began, and never will.
		return t.refuse(ctx, invalid("%s", stalled.Message))
	default:
		t.hinder(stalled.Reason + ": " + stalled.Message)
	}
	return t.write(ctx)
}

// record is how the native experiment stands; nil before it has begun. Where one
// experiment of a name comes after another, the record is not taken for its own
// before its status names one: it may be that of the former.
func (t *turn) record(ctx context.Context, native *kube.Experiment) (*experiment.Record, error) {
	if native.Annotations[startAnnotation] != "" && native.Status.Record == nil {
		return nil, nil
	}
	rec, err := t.r.Records.Load(ctx, t.key().String())
	switch {
	case experiment.CodeOf(err) == experiment.CodeNotFound:
		return nil, nil
	case err != nil:
		return nil, err
	}
	return &rec, nil
}

// plan is that which a record belongs to.
func (t *turn) plan(ctx context.Context, rec *experiment.Record) (*experiment.Plan, error) {
	t.r.mu.Lock()
	plan := t.r.plans[t.key()]
	t.r.mu.Unlock()
	if plan != nil && plan.Hash() == rec.State.Plan {
		return plan, nil
	}
	plan, err := t.r.Records.Plan(ctx, t.key().String())
	if err != nil {
		return nil, err
	}
	t.r.mu.Lock()
	t.r.plans[t.key()] = plan
	t.r.mu.Unlock()
	return plan, nil
}

// stalledOf says why a native experiment does not go on until somebody does
// something, or nil.
func stalledOf(native *kube.Experiment) *metav1.Condition {
	at := slices.IndexFunc(native.Status.Conditions, func(c metav1.Condition) bool {
		return c.Type == kube.ConditionStalled && c.Status == metav1.ConditionTrue
	})
	if at < 0 {
		return nil
	}
	return &native.Status.Conditions[at]
}
