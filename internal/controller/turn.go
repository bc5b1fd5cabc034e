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
	routes "github.com/headgate-dev/headgate/internal/router/kube"
)

// Finalizer holds a deleted Experiment until its route is what onDelete says.
const Finalizer = "headgate.dev/route"

// How soon a turn is made again after something was in the way.
const (
	retrySoon  = 2 * time.Second
	retryLater = 30 * time.Second
	showAgain  = 250 * time.Millisecond
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
	differs []routes.Difference
	// decided says that a decision was made.
	decided bool
	// unborn says that the experiment never began, killing that a kill is wished
	// and not recorded yet, and unshown that the status could not be written.
	unborn, killing, unshown bool
	// unrouted says why the route cannot be read or written.
	unrouted string
	// heard says that the sources were asked, and unheard what is wrong with those
	// that did not tell.
	heard   bool
	unheard []string
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
		t.r.callOff(t.run.uid)
		return t.remove(ctx)
	}
	t.load(ctx)
	t.killFirst(ctx)
	t.plan(ctx)
	if t.run.plan != nil && t.run.loaded {
		t.proceed(ctx)
	}
	if err := t.show(ctx); err != nil {
		return ctrl.Result{}, err
	}
	t.turned()
	again := t.again()
	if t.unshown {
		again = showAgain
	}
	if t.run.stalls++; t.stall == nil {
		t.run.stalls = 0
	}
	return ctrl.Result{RequeueAfter: again}, nil
}

// again is how long until the next turn.
func (t *turn) again() time.Duration {
	switch {
	case t.wait != nil:
		return retrySoon
	case t.unreadSpec(): // The plan in force keeps its pace.
		return min(t.patience(), max(t.run.due.Sub(t.r.Now()), 10*time.Millisecond))
	case t.stall != nil:
		return t.patience()
	case t.over() && !t.seen.Settled && !t.run.record.State.Released(t.run.plan):
		return retrySoon
	case t.idle() && t.gateways():
		return mapEvery
	case t.idle():
		return 0 // A change of the spec or of the route asks for the next.
	}
	return max(t.run.due.Sub(t.r.Now()), 10*time.Millisecond)
}

// patience is how long a stalled experiment waits for its next turn: what was
// only applied in another order is there soon, and what is not is asked for ever
// more rarely.
func (t *turn) patience() time.Duration {
	return min(retrySoon<<min(t.run.stalls, 5), retryLater)
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
		t.unborn = true
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
	if t.kept() {
		t.run.generation, t.run.spec = t.obj.Generation, unwished(&t.obj.Spec)
		return
	}
	p, err := t.r.planOf(ctx, t.obj)
	if err != nil {
		t.unread(err)
		return
	}
	switch {
	case !t.run.loaded:
		t.run.adopt(p)
		t.begin(ctx)
	case p.Hash() != t.run.record.State.Plan:
		old := t.run.plan
		if !t.leave(ctx, old, p) {
			return
		}
		t.run.adopt(p)
		t.save(ctx, engine.Adopt(old, p, t.run.record, t.now))
	default:
		t.run.adopt(p)
	}
	if t.wait == nil && t.stall == nil {
		t.run.generation, t.run.spec = t.obj.Generation, unwished(&t.obj.Spec)
	}
}

// begin is the first turn of an experiment: the route is claimed and the way
// back rehearsed before anything is recorded.
func (t *turn) begin(ctx context.Context) {
	if err := t.hold(ctx, controllerutil.AddFinalizer); err != nil {
		t.wait = &obstacle{ReasonConflict, err}
		return
	}
	if !t.ready(ctx) {
		return
	}
	t.save(ctx, engine.Begin(t.run.plan, t.now))
}

// hold changes the finalizer, and nothing else of the object: fields that this
// program does not know are the user's.
func (t *turn) hold(ctx context.Context, change func(o client.Object, finalizer string) bool) error {
	before := t.obj.DeepCopy()
	if !change(t.obj, Finalizer) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return t.r.Client.Patch(ctx, t.obj, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
}

// proceed makes the route what the state asks for, asks the rules when they are
// due, and makes the route what they decided.
func (t *turn) proceed(ctx context.Context) {
	if !t.ready(ctx) {
		return
	}
	if !t.killing { // Else the state that is still recorded would be routed once more.
		t.route(ctx)
	}
	if !t.run.loaded {
		return // Another controller went on.
	}
	t.follow(ctx)
	commands := t.commands()
	if t.idle() && len(commands) == 0 || t.now.Before(t.run.due) && len(commands) == 0 {
		return
	}
	t.r.Metrics.late(t.r.Now(), t.run.due)
	in := engine.Input{Now: t.now, Memo: t.run.memo, Commands: commands, Route: t.fact(), Ready: t.deployments(ctx), Actions: t.act(ctx)}
	in.Seals, in.Sources = t.collect(ctx)
	in.Readings = t.points(ctx)
	t.r.Metrics.read(t.key(), in.Sources, t.now)
	t.heard = true
	out, err := engine.Step(t.run.plan, t.run.record, in)
	if err != nil {
		t.stall = &obstacle{ReasonEvidence, err}
		return
	}
	t.run.judgement = out.Judgement
	t.save(ctx, out)
	if len(out.Intents) > 0 && (t.stall == nil || t.unreadSpec()) && t.wait == nil {
		t.route(ctx)
		t.follow(ctx)
	}
	if t.run.loaded {
		t.goOn(ctx)
	}
	t.run.due = t.now.Add(engine.Pace(t.run.plan, &t.run.record.State, t.now, tick(t.run.plan.Window)))
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
			t.unclaimed(err)
			// The way back waits for no claim (D3), unless the route is another's.
			asked := t.traffic()
			return x.loaded && experiment.CodeOf(err) != experiment.CodeConflict && (t.killing || asked.WayBack())
		}
		x.claimed = true
	}
	return t.over() || t.rehearse(ctx) && t.listen(ctx)
}

// rehearse tries the way back without taking it. Before the start nothing begins
// without one; later nothing is raised without.
func (t *turn) rehearse(ctx context.Context) bool {
	x := t.run
	if x.rehearsed {
		return true
	}
	err := t.suits(ctx)
	if experiment.CodeOf(err) == experiment.CodeInvalid {
		t.stall = &obstacle{ReasonUnsuited, err}
		x.noWayBack = sentence(err)
		return x.loaded
	}
	if err == nil {
		err = t.r.Routes.Rehearse(ctx, x.router, router.KilledTraffic(x.plan))
	}
	if err != nil {
		reason := ReasonNoWayBack
		if experiment.CodeOf(err) == experiment.CodeNotFound {
			reason = ReasonRoute
		}
		t.stopped(reason, err)
		x.noWayBack = sentence(err)
		return x.loaded
	}
	x.rehearsed, x.noWayBack = true, ""
	return true
}

// listen opens the sources. Before the start nothing begins without them; later
// they are down, and people are obeyed all the same (D5).
func (t *turn) listen(ctx context.Context) bool {
	x := t.run
	if x.evidence != nil {
		return true
	}
	made, err := t.r.Evidence(ctx, t.obj, x.plan)
	if err != nil {
		t.stopped(ReasonEvidence, err)
		x.deaf = sentence(err)
		return x.loaded
	}
	x.evidence, x.deaf = made, ""
	return true
}

// collect reads what sealed. Sources that cannot be opened are down.
func (t *turn) collect(ctx context.Context) (seals []experiment.Seal, health []experiment.SourceHealth) {
	x := t.run
	if x.evidence != nil {
		return engine.Collect(ctx, x.plan, &x.record.Totals, t.now, t.hearing)
	}
	if x.deaf != "" {
		for _, s := range x.plan.Sources() {
			health = append(health, experiment.SourceHealth{Source: s, Down: x.deaf})
		}
	}
	return nil, health
}

// stopped notes what is in the way: what passes by itself, or what does not.
func (t *turn) stopped(reason string, err error) {
	o := &obstacle{reason, err}
	switch experiment.CodeOf(err) {
	case experiment.CodeUnavailable, experiment.CodeConflict:
		t.wait = o
	default:
		t.stall = o
	}
}

// unclaimed notes why the route is not this experiment's: another has it, which
// does not pass by itself, or it could not be claimed.
func (t *turn) unclaimed(err error) {
	if experiment.CodeOf(err) == experiment.CodeConflict {
		t.stall = &obstacle{ReasonRouteClaimed, err}
		return
	}
	t.stopped(ReasonRoute, err)
}

// key names the experiment.
func (t *turn) key() client.ObjectKey { return client.ObjectKeyFromObject(t.obj) }
