// SPDX-License-Identifier: Apache-2.0

package remote

import (
	"cmp"
	"context"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/headgate-dev/headgate/internal/app/desk"
	"github.com/headgate-dev/headgate/internal/controller"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/router"
)

// idleEvery is how often one that has nothing to do looks for a mark of a kill
// and keeps its claim.
const idleEvery = time.Second

// first makes the first turn. What a controller would wait for is told here: a
// person is looking.
func (r *Run) first(ctx context.Context) error {
	if _, err := r.turn(ctx); err != nil {
		return err
	}
	switch t := r.turned; {
	case t == nil:
		return experiment.Errorf(experiment.CodeInternal, "the first turn came to nothing")
	case t.Begun && t.Reason != controller.ReasonRouteClaimed:
		return nil
	case t.Err != nil:
		return t.Err
	}
	return experiment.Errorf(experiment.CodeUnavailable, "it could not begin").WithHint("try again")
}

// loop makes turns until the context ends, whenever one is due or wished for.
func (r *Run) loop(ctx context.Context) {
	after := time.NewTimer(0)
	defer after.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.commands.Wake():
		case <-after.C:
		}
		// The claim first: a machine that slept may have lost it.
		again, err := time.Duration(0), r.renew(ctx, desk.Moment())
		if err == nil {
			again, err = r.turn(ctx)
		}
		if err != nil && ctx.Err() == nil {
			r.log.Error("the experiment cannot go on", "experiment", r.plan.ID(), "error", err)
			r.failed.Store(&err)
			r.ended.Do(func() { close(r.done) })
			return
		}
		r.endOnce(ctx)
		after.Reset(again)
	}
}

// endOnce tells that the experiment is over, once.
func (r *Run) endOnce(ctx context.Context) {
	if !r.turned.Idle || r.turned.State.Condition != experiment.Done {
		return
	}
	r.ended.Do(func() {
		r.release(ctx)
		close(r.done)
	})
}

// turn is one reconcile, with one person's wish: the controller knows one at a
// time. It says how soon the next is due.
func (r *Run) turn(ctx context.Context) (time.Duration, error) {
	if err := r.heed(); err != nil {
		return 0, err
	}
	if c, ok := r.next(); ok {
		r.object.wish(c)
	}
	key := types.NamespacedName{Namespace: r.plan.Namespace, Name: r.plan.Name}
	result, err := r.controller.Reconcile(ctx, ctrl.Request{NamespacedName: key})
	if err != nil {
		return 0, err
	}
	t := r.turned
	if t == nil || !t.Begun {
		return result.RequeueAfter, nil
	}
	r.commands.Answered(t.State.Commands, t.Latest)
	r.show(t)
	lifted, err := r.lift(t.State)
	if err != nil {
		return 0, err
	}
	if _, more := r.next(); lifted || more && t.Err == nil {
		return 0, nil
	}
	if result.RequeueAfter == 0 {
		return idleEvery, nil
	}
	return min(result.RequeueAfter, claimEvery), nil
}

// next is the wish to be obeyed next: a kill before all others.
func (r *Run) next() (experiment.Command, bool) {
	var obeyed []string
	if r.turned != nil && r.turned.State != nil {
		obeyed = r.turned.State.Commands
	}
	if kills := r.commands.Kills(obeyed); len(kills) > 0 {
		return kills[0], true
	}
	if all := r.commands.Pending(); len(all) > 0 {
		return all[0], true
	}
	return experiment.Command{}, false
}

// heed turns the mark of a kill that nobody told this process of into a wish.
func (r *Run) heed() error {
	c, marked, err := desk.ReadKill(r.guard.dir)
	if !marked || err != nil {
		return err
	}
	if t := r.turned; t != nil && t.State != nil && (t.State.Condition == experiment.Killed || slices.Contains(t.State.Commands, c.ID)) {
		return nil
	}
	if !slices.ContainsFunc(r.commands.Pending(), func(p experiment.Command) bool { return p.Verb == experiment.VerbKill }) {
		r.commands.Add(c)
	}
	return nil
}

// lift takes the mark of a kill away once the state knows that it is over.
func (r *Run) lift(s *experiment.State) (bool, error) {
	c, marked, err := desk.ReadKill(r.guard.dir)
	if !marked || err != nil || s.Condition == experiment.Killed || !slices.Contains(s.Commands, c.ID) {
		return false, err
	}
	return r.guard.lift()
}

func (r *Run) show(t *controller.Turned) {
	r.current.Store(&t.View)
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

// Do obeys a person. A kill is marked and takes the traffic back before the loop
// hears of it; where the route cannot be written now, the loop goes on trying.
func (r *Run) Do(ctx context.Context, c experiment.Command) (experiment.Decision, error) {
	return r.commands.Do(ctx, r.plan, c, func(c experiment.Command) error { return r.kill(ctx, c) })
}

func (r *Run) kill(ctx context.Context, c experiment.Command) error {
	told, err := r.guard.kill(c)
	if err != nil {
		return err
	}
	r.commands.Add(c)
	told()
	if _, err = r.cluster.routes.Apply(ctx, r.router, router.KilledTraffic(r.plan)); err == nil {
		return nil
	}
	return experiment.Errorf(experiment.CodeUnavailable, "the kill of %s is marked, but the traffic is not back yet, and it is tried again: %w", r.plan.ID(), err).
		WithHint("%s", cmp.Or(experiment.HintOf(err), "write the route by hand where this lasts"))
}
