// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/router"
)

// remove ends a deleted experiment: one that still ran gives all traffic to its
// baseline, unless onDelete leaves the route as it is; its claim is released; and
// the object may go. A route that is gone holds nobody up.
func (t *turn) remove(ctx context.Context) (ctrl.Result, error) {
	if !controllerutil.ContainsFinalizer(t.obj, Finalizer) {
		t.r.forget(t.key())
		return ctrl.Result{}, nil
	}
	t.load(ctx)
	if t.wait != nil { // How it stands decides what becomes of the route.
		return ctrl.Result{RequeueAfter: retrySoon}, t.show(ctx)
	}
	if t.run.plan == nil {
		// The record is lost: the spec says what the route is, if it can.
		if p, err := t.r.planOf(ctx, t.obj); err == nil {
			t.run.adopt(p)
		}
	}
	if err := t.giveBack(ctx); err != nil {
		t.stopped(ReasonRoute, err)
		if showErr := t.show(ctx); showErr != nil {
			return ctrl.Result{}, showErr
		}
		return ctrl.Result{RequeueAfter: retrySoon}, nil
	}
	if err := t.hold(ctx, controllerutil.RemoveFinalizer); err != nil {
		return ctrl.Result{}, ignoreNotFound(err)
	}
	t.r.forget(t.key())
	return ctrl.Result{}, nil
}

// giveBack leaves the route as a deleted experiment should leave it.
func (t *turn) giveBack(ctx context.Context) error {
	x := t.run
	if x.plan == nil {
		return nil // There never was a plan: nothing was claimed or written.
	}
	made, err := t.r.Router(x.plan)
	if err != nil {
		return nil // Such a plan never had a route.
	}
	// One that never began has written nothing: the route may be another's.
	ended := t.unborn || x.loaded && t.over()
	if !ended && x.plan.Router.OnDelete != experiment.OnDeleteLeave {
		if _, err := t.r.Routes.Apply(ctx, made, router.KilledTraffic(x.plan)); err != nil && experiment.CodeOf(err) != experiment.CodeNotFound {
			return err
		}
		t.putRight(ctx)
	}
	return t.r.Routes.Release(ctx, made, t.holder())
}
