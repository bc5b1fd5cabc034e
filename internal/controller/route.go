// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"

	"github.com/headgate-dev/headgate/api/kube"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/router"
	routes "github.com/headgate-dev/headgate/internal/router/kube"
)

// A route that somebody else changes more often than contested times in
// contestedFor is contested: it is written again only to take traffic back.
const (
	contested    = 5
	contestedFor = 10 * time.Minute
)

// routeKey names an object that holds a route.
type routeKey struct {
	kind schema.GroupKind
	name types.NamespacedName
}

// route makes the route what the state asks for, or says why it is not.
func (t *turn) route(ctx context.Context) {
	x := t.run
	traffic := t.traffic()
	back := traffic.WayBack()
	found, objects, err := t.r.Routes.Read(ctx, x.router, traffic)
	if err != nil {
		err = t.unwatched(ctx, err)
	}
	if x.record.State.Released(x.plan) { // It is nobody's here, and read to be shown.
		if err == nil {
			t.seen = found
		}
		return
	}
	if err == nil && !back && x.ahead(objects) {
		t.seen = router.Seen{Asked: traffic.Shares, Why: writtenNow}
		return
	}
	if err == nil {
		t.seen = found
		t.differs, err = routes.Drift(x.router, objects, traffic)
	}
	if err == nil && len(t.differs) > 0 && t.foreign(traffic, objects) && !back && t.leaves() {
		t.serves(false)
		return
	}
	already := err == nil && len(t.differs) == 0
	if !already && !t.decided && !t.current(ctx, back) {
		return
	}
	if err == nil || back { // The way back knows what to do with objects that nobody can read.
		err = t.write(ctx, traffic)
	}
	t.serves(already && err == nil)
	if err != nil {
		t.stopped(ReasonRoute, err)
		t.unrouted = sentence(err)
		t.unsafe(back)
		return
	}
	t.unrouted = ""
	if back && !x.unsafe.IsZero() {
		t.r.Metrics.safe(t.r.Now().Sub(x.unsafe))
		x.unsafe = time.Time{}
	}
}

// write makes the objects say what is asked for.
func (t *turn) write(ctx context.Context, traffic router.Traffic) error {
	result, err := t.r.Routes.Apply(ctx, t.run.router, traffic)
	for _, w := range result.Written {
		if t.run.written == nil {
			t.run.written = make(map[int]string)
		}
		t.run.written[w.Object] = w.ResourceVersion
	}
	if len(result.Written) > 0 {
		t.seen = router.Seen{Asked: traffic.Shares, Why: writtenNow}
		t.r.Metrics.wrote()
	}
	if err != nil {
		return err
	}
	t.run.asked, t.differs = said(traffic), nil
	return nil
}

// writtenNow is why shares are not in effect yet.
const writtenNow = "the shares were written just now"

// ahead reports whether what was written is newer than what was read of it: a
// cache that is behind is nobody else's doing.
func (x *run) ahead(objects []router.Object) bool {
	for i, version := range x.written {
		if i >= len(objects) || objects[i] == nil {
			continue
		}
		at := router.Text(objects[i], "metadata", "resourceVersion")
		if behind, err := resourceversion.CompareResourceVersion(at, version); err == nil && behind < 0 {
			return true
		}
	}
	return false
}

// said tells whether two things asked of a router are the same.
func said(t router.Traffic) string {
	text, err := json.Marshal(t)
	if err != nil {
		return "" // It holds nothing that cannot be written.
	}
	return string(text)
}

// unsafe remembers since when traffic should be back on the baseline.
func (t *turn) unsafe(back bool) {
	if back && t.run.unsafe.IsZero() {
		t.run.unsafe = t.now
	}
}

// foreign reports whether somebody else changed the route since it was written,
// and counts it. What was never asked for, or changes anyway, is nobody's doing.
func (t *turn) foreign(want router.Traffic, objects []router.Object) bool {
	x := t.run
	if x.asked != said(want) && !t.leftBefore() {
		return false
	}
	if at := changeOf(objects); at != x.found { // What is left as it is counts once.
		x.found = at
		t.r.Metrics.drifted()
		x.drifts = append(x.drifts, t.now)
		if n := len(x.drifts) - contested - 1; n > 0 {
			x.drifts = x.drifts[n:]
		}
	}
	var writers, where []string
	for _, d := range t.differs {
		writers, where = append(writers, d.Writers...), append(where, d.Pointers...)
	}
	slices.Sort(writers)
	writers = slices.DeleteFunc(slices.Compact(writers), func(w string) bool { return w == routes.FieldManager })
	x.drifted = fmt.Sprintf("%s changed %s", cmp.Or(strings.Join(writers, ", "), "somebody"), strings.Join(where, ", "))
	return true
}

// current reports whether the record is still the one that this controller knows.
// One that was away while another took over must not write once more what it had
// decided. The way back does not wait for a record that nobody can read (D3).
func (t *turn) current(ctx context.Context, back bool) bool {
	stored, err := t.r.Records.Load(ctx, t.key().String())
	switch {
	case err == nil && stored.Revision == t.run.record.Revision, err != nil && back:
		return true
	case err == nil:
		t.run.loaded = false // Whoever wrote it knows better.
		err = experiment.Errorf(experiment.CodeConflict, "the record was written by another controller: revision %d, not %d", stored.Revision, t.run.record.Revision)
	}
	t.stopped(ReasonRecordUnreadable, err)
	t.unrouted = sentence(err)
	return false
}

// leftBefore reports whether a controller that has just started finds shares that
// the experiment never asked for, where others' are left: what differs is then
// theirs, and no write of its own that was lost.
func (t *turn) leftBefore() bool {
	x := t.run
	if x.asked != "" || x.plan.Router.Drift != experiment.DriftHold && x.plan.Router.Drift != experiment.DriftAlert {
		return false
	}
	phases := x.record.Totals.Phases
	return len(phases) > 1 && t.seen.Asked != nil && !slices.ContainsFunc(phases, func(p experiment.PhaseTotals) bool {
		return slices.Equal(p.Shares, t.seen.Asked)
	})
}

// changeOf names the state of the objects: that of what people write, where the
// cluster counts it.
func changeOf(objects []router.Object) string {
	var out []string
	for _, o := range objects {
		metadata, _ := o["metadata"].(map[string]any)
		if generation, ok := metadata["generation"]; ok {
			out = append(out, fmt.Sprint(generation))
			continue
		}
		out = append(out, router.Text(o, "metadata", "resourceVersion"))
	}
	return strings.Join(out, " ")
}

// leaves reports whether what somebody else wrote is left as it is.
func (t *turn) leaves() bool {
	x := t.run
	switch x.plan.Router.Drift {
	case experiment.DriftHold, experiment.DriftAlert:
		return true
	}
	return len(x.drifts) > contested && t.now.Sub(x.drifts[0]) < contestedFor
}

// fact is what the cluster says of the shares, for the rules.
func (t *turn) fact() *experiment.RouteFact {
	var f experiment.RouteFact
	switch {
	case t.unrouted != "":
		f.Unsettled = t.unrouted
	case t.run.noWayBack != "":
		f.Unsettled = "there is no way back: " + t.run.noWayBack
	case len(t.differs) > 0:
		if t.run.plan.Router.Drift != experiment.DriftAlert {
			f.Drifted = t.run.drifted
		}
	case !t.seen.Settled && !t.run.plan.Strict: // Iter8's rules ask nobody whether shares are in effect.
		f.Unsettled = t.seen.Why
	}
	return &f
}

// leave gives a route back that a new plan has no part in, before that plan is
// adopted: afterwards nobody would know of it.
func (t *turn) leave(ctx context.Context, old, p *experiment.Plan) bool {
	if sameRoute(old.Router, p.Router) {
		return true
	}
	made, err := t.r.Router(old)
	if err != nil {
		return true // Such a plan never had a route.
	}
	if c := t.run.record.State.Condition; c == experiment.Running || c == experiment.Paused {
		if _, err := t.r.Routes.Apply(ctx, made, router.KilledTraffic(old)); err != nil && experiment.CodeOf(err) != experiment.CodeNotFound {
			t.stopped(ReasonRoute, err)
			return false
		}
	}
	if err := t.r.Routes.Release(ctx, made, t.holder()); err != nil {
		t.stopped(ReasonRoute, err)
		return false
	}
	return true
}

// sameRoute reports whether two plans write the same objects.
func sameRoute(a, b experiment.Router) bool {
	a.Drift, a.OnDelete, a.Pack = b.Drift, b.OnDelete, b.Pack
	return reflect.DeepEqual(a, b)
}

// claim takes the route for this experiment alone, and asks for a turn when it
// changes.
func (t *turn) claim(ctx context.Context) error {
	x := t.run
	if err := t.r.Routes.Claim(ctx, x.router, t.holder(), t.r.alive); err != nil {
		return err
	}
	targets, err := t.r.Routes.Targets(ctx, x.router)
	if err != nil {
		return err
	}
	for _, at := range targets {
		if err := t.r.Watch(at.Kind); err != nil {
			return experiment.Errorf(experiment.CodeUnavailable, "watch %s: %w", at, err)
		}
		t.r.mu.Lock()
		t.r.byRoute[routeKey{at.Kind.GroupKind(), at.Key}] = t.key()
		t.r.mu.Unlock()
	}
	return nil
}

// holder is who the experiment is, for the claims of its route.
func (t *turn) holder() routes.Holder {
	return routes.Holder{UID: string(t.obj.UID), Key: t.key(), For: t.r.Claim}
}

// RouteOf is the experiment whose route an object is.
func (r *Reconciler) RouteOf(kind schema.GroupKind, name types.NamespacedName) (types.NamespacedName, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	of, ok := r.byRoute[routeKey{kind, name}]
	return of, ok
}

// alive reports whether the experiment that holds a claim is still there.
func (r *Reconciler) alive(ctx context.Context, h routes.Holder) (bool, error) {
	var obj kube.Experiment
	if err := r.Client.Get(ctx, h.Key, &obj); err != nil {
		return !apierrors.IsNotFound(err), ignoreNotFound(err)
	}
	return string(obj.UID) == h.UID, nil
}
