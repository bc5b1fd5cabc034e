// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/headgate-dev/headgate/api/kube"
	"github.com/headgate-dev/headgate/internal/engine"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/router"
)

// Finalizer holds a deleted Experiment until its route is what onDelete says.
const Finalizer = "headgate.dev/route"

// How soon a turn is made again after something was in the way.
const (
	retrySoon  = 2 * time.Second
	retryLater = 30 * time.Second
)

// saveEvery is how long evidence may be in memory alone.
const saveEvery = time.Minute

// turn is one reconcile.
type turn struct {
	r   *Reconciler
	obj *kube.Experiment
	run *run
	now time.Time

	// stall is what keeps the experiment from going on until somebody does
	// something; wait what passes by itself.
	stall, wait *obstacle
	// seen is what the route says.
	seen router.Seen
	// differs is what the route says and was not asked for.
	differs []string
	// decided says that a decision was made.
	decided bool
	// deeds is what was found of the versions' Deployments.
	deeds deeds
}

// obstacle is what is in the way, by a reason for tools and a sentence for
// people.
type obstacle struct {
	reason string
	err    error
}

// do makes the turn and shows what it came to.
func (t *turn) do(ctx context.Context) (ctrl.Result, error) {
	if !t.obj.DeletionTimestamp.IsZero() {
		return t.remove(ctx)
	}
	t.load(ctx)
	t.plan(ctx)
	t.killFirst(ctx)
	if t.run.plan != nil && t.run.loaded {
		t.proceed(ctx)
	}
	if err := t.show(ctx); err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{RequeueAfter: t.again()}, nil
}

// again is how long until the next turn.
func (t *turn) again() time.Duration {
	switch {
	case t.wait != nil:
		return retrySoon
	case t.stall != nil:
		return retryLater
	case t.over() && !t.seen.Settled:
		return retrySoon
	case t.idle():
		return 0 // A change of the spec or of the route asks for the next.
	}
	return max(t.run.due.Sub(t.r.Now()), 10*time.Millisecond)
}

// over says that the experiment decides nothing more by itself.
func (t *turn) over() bool {
	c := t.run.record.State.Condition
	return t.run.loaded && (c == experiment.Done || c == experiment.Killed)
}

// load reads the record, once. A record that the status names and that is not
// there stops the experiment: beginning anew would forget what was decided.
func (t *turn) load(ctx context.Context) {
	if t.run.loaded {
		return
	}
	var plan *experiment.Plan
	rec, err := t.r.Records.Load(ctx, t.key().String())
	if err == nil {
		plan, err = t.r.Records.Plan(ctx, t.key().String())
	}
	switch {
	case experiment.CodeOf(err) == experiment.CodeNotFound && t.obj.Status.Record != nil:
		t.stall = &obstacle{ReasonRecordLost, experiment.Errorf(experiment.CodeNotFound, "the record %s is gone, and with it all that was decided", t.obj.Status.Record.Name).
			WithHint("restore the ExperimentRecord from a backup, or delete the Experiment and apply it again")}
	case experiment.CodeOf(err) == experiment.CodeNotFound:
	case err != nil:
		t.wait = &obstacle{ReasonRecordUnreadable, err}
	default:
		t.run.adopt(plan)
		t.run.record, t.run.loaded, t.run.saved = rec, true, t.now
	}
}

// plan reads the spec. One that is wrong leaves the plan in force as it is.
func (t *turn) plan(ctx context.Context) {
	if t.run.plan != nil && t.run.generation == t.obj.Generation || t.stall != nil || t.wait != nil {
		return
	}
	p, err := t.r.planOf(ctx, t.obj)
	if err != nil {
		t.stall = &obstacle{ReasonInvalidSpec, err}
		return
	}
	switch {
	case !t.run.loaded:
		t.run.adopt(p)
		t.begin(ctx)
	case p.Hash() != t.run.record.State.Plan:
		old := t.run.plan
		t.run.adopt(p)
		t.save(ctx, engine.Adopt(old, p, t.run.record, t.now))
	default:
		t.run.adopt(p)
	}
	if t.wait == nil && t.stall == nil {
		t.run.generation = t.obj.Generation
	}
}

// begin is the first turn of an experiment: the route is claimed and the way
// back rehearsed before anything is recorded.
func (t *turn) begin(ctx context.Context) {
	if controllerutil.AddFinalizer(t.obj, Finalizer) {
		if err := t.r.Client.Update(ctx, t.obj); err != nil {
			t.wait = &obstacle{ReasonConflict, err}
			return
		}
	}
	if !t.ready(ctx) {
		return
	}
	t.save(ctx, engine.Begin(t.run.plan, t.now))
}

// proceed makes the route what the state asks for, asks the rules when they are
// due, and makes the route what they decided.
func (t *turn) proceed(ctx context.Context) {
	if !t.ready(ctx) {
		return
	}
	t.route(ctx)
	commands := t.commands()
	if t.idle() && len(commands) == 0 || t.now.Before(t.run.due) && len(commands) == 0 {
		return
	}
	t.r.Metrics.late(t.now, t.run.due)
	in := engine.Input{Now: t.now, Memo: t.run.memo, Commands: commands, Route: t.fact(), Ready: t.deployments(ctx), Actions: t.act(ctx)}
	if t.run.evidence != nil {
		in.Seals, in.Sources = engine.Collect(ctx, t.run.plan, &t.run.record.Totals, t.now, t.run.evidence.Seal)
	}
	out, err := engine.Step(t.run.plan, t.run.record, in)
	if err != nil {
		t.stall = &obstacle{ReasonEvidence, err}
		return
	}
	t.run.judgement = out.Judgement
	t.save(ctx, out)
	if len(out.Intents) > 0 && t.stall == nil && t.wait == nil {
		t.route(ctx)
	}
	t.run.due = t.now.Add(tick(t.run.plan.Window))
}

// save takes what a step came to, and stores it if it must be stored now.
// Nothing that was decided is done before it is stored.
func (t *turn) save(ctx context.Context, out engine.Output) {
	var entries []experiment.Entry
	if out.Entry != nil {
		entries = append(entries, *out.Entry)
	}
	if len(entries) == 0 && t.run.loaded && t.now.Sub(t.run.saved) < saveEvery {
		t.run.record, t.run.latest = out.Record, out.Decision
		return
	}
	rec, err := t.r.Records.Save(ctx, t.key().String(), out.Record, entries...)
	if err != nil {
		t.run.loaded = false // Whoever wrote it knows better.
		t.wait = &obstacle{ReasonRecordUnreadable, err}
		return
	}
	t.run.record, t.run.saved, t.run.loaded = rec, t.now, true
	t.r.Metrics.recorded()
	t.run.latest, t.decided = out.Decision, len(entries) > 0
	t.tell(out.Decision)
}

// ready makes what the plan needs of the cluster: its router, the claim of its
// route, the rehearsal of the way back, its sources.
func (t *turn) ready(ctx context.Context) bool {
	x := t.run
	if x.router == nil {
		made, err := t.r.Router(x.plan)
		if err != nil {
			t.stall = &obstacle{ReasonInvalidSpec, err}
			return false
		}
		x.router = made
	}
	if !x.claimed {
		if err := t.claim(ctx); err != nil {
			t.stopped(ReasonRouteClaimed, err)
			return false
		}
		x.claimed = true
	}
	if !x.rehearsed && !t.over() {
		if err := t.r.Routes.Rehearse(ctx, x.router, router.KilledTraffic(x.plan)); err != nil {
			t.stopped(ReasonNoWayBack, err)
			return false
		}
		x.rehearsed = true
	}
	if x.evidence == nil && !t.over() {
		made, err := t.r.Evidence(ctx, t.obj, x.plan)
		if err != nil {
			t.stopped(ReasonEvidence, err)
			return false
		}
		x.evidence = made
	}
	return true
}

// stopped notes what is in the way: what passes by itself, or what does not.
func (t *turn) stopped(reason string, err error) {
	o := &obstacle{reason, err}
	switch experiment.CodeOf(err) {
	case experiment.CodeUnavailable, experiment.CodeConflict:
		if reason == ReasonRouteClaimed {
			t.stall = o
			return
		}
		t.wait = o
	default:
		t.stall = o
	}
}

// key names the experiment.
func (t *turn) key() client.ObjectKey { return client.ObjectKeyFromObject(t.obj) }
