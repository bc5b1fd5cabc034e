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
	native, err := t.native(ctx)
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
	plan, rec, err := t.record(ctx)
	if err != nil {
		return err
	}
	t.e.Status = iter8.Status(&t.e, plan, rec, t.now)
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

// record is how the native experiment stands; nil before it has begun.
func (t *turn) record(ctx context.Context) (*experiment.Plan, *experiment.Record, error) {
	rec, err := t.r.Records.Load(ctx, t.key().String())
	switch {
	case experiment.CodeOf(err) == experiment.CodeNotFound:
		return nil, nil, nil
	case err != nil:
		return nil, nil, err
	}
	t.r.mu.Lock()
	plan := t.r.plans[t.key()]
	t.r.mu.Unlock()
	if plan != nil && plan.Hash() == rec.State.Plan {
		return plan, &rec, nil
	}
	if plan, err = t.r.Records.Plan(ctx, t.key().String()); err != nil {
		return nil, nil, err
	}
	t.r.mu.Lock()
	t.r.plans[t.key()] = plan
	t.r.mu.Unlock()
	return plan, &rec, nil
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
