// SPDX-License-Identifier: Apache-2.0

// Package gatewaymap carries a split by Headgate's own gateways in a cluster:
// what they serve stands as one snapshot in one key of a ConfigMap, which they
// follow. One ConfigMap is one group of gateways, and serves one experiment at
// a time.
//
// The sequence rises with every change, also if the ConfigMap is made anew: it
// is at least the phase's start in milliseconds. A way back that no state asked
// for (a kill while the controller is down) has a phase of its own, which the
// experiment's own phases never meet, and a sequence far above the last one. It
// leaves a ConfigMap alone that serves another experiment: this one has no
// traffic then.
package gatewaymap

import (
	"bytes"
	"cmp"
	"encoding/json"
	"net/url"
	"slices"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/router"
)

// Key is the key of the ConfigMap that holds the snapshot.
const Key = "snapshot.json"

// MaxSnapshot bounds the snapshot, in bytes; an API server takes 1 MiB of an
// object.
const MaxSnapshot = 512 << 10

const (
	// killPhases is added to the phase of a route that is killed by hand: what is
	// counted from then on must not be taken for the experiment's next phase.
	killPhases = 1 << 20
	// killRise is how far a kill by hand raises the sequence, so that it counts
	// although changes before it are forgotten with a ConfigMap that was lost.
	killRise = 1 << 20
	// killFirst is the sequence of a kill by hand where none is known: more than
	// any phase's start in milliseconds, until the year 2109.
	killFirst = 1 << 42
)

// Router renders one plan's traffic into its ConfigMap.
type Router struct {
	plan *experiment.Plan
}

// New wants a plan that gateways can carry: what it needs is among their
// capabilities, and nobody reads a password out of a backend.
func New(p *experiment.Plan) (*Router, error) {
	if err := p.Fits("gateway", Capabilities()); err != nil {
		return nil, err
	}
	for _, v := range p.Versions {
		u, err := url.Parse(v.Backend)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			return nil, experiment.InvalidAt("spec.versions["+v.Name+"].backend", "is no http URL of host and path alone").
				WithHint("for example http://ranker-v1.search.svc:8080; a password has no place in a ConfigMap")
		}
	}
	return &Router{plan: p}, nil
}

// Capabilities are what the gateways can do, and what the controller does
// beside them. A test holds them against the gateway's own list.
func Capabilities() []experiment.Capability {
	return []experiment.Capability{
		experiment.CapSticky, experiment.CapSegments, experiment.CapWhere, experiment.CapCohort, experiment.CapOverrides, experiment.CapExclude,
		experiment.CapRefuse, experiment.CapFineShares, experiment.CapMirror, experiment.CapCopies, experiment.CapMirrorLimits,
		experiment.CapAnswers, experiment.CapRewrite, experiment.CapPredictions, experiment.CapOutcomes,
		experiment.CapCopy, experiment.CapRetire,
	}
}

// Kind is gateway.
func (*Router) Kind() experiment.RouterKind { return experiment.RouterGateway }

// Capabilities are what gateways can do.
func (*Router) Capabilities() []experiment.Capability { return Capabilities() }

// Refs names the ConfigMap.
func (r *Router) Refs() []router.Ref {
	return []router.Ref{{
		Versions: []string{"v1"}, Kind: "ConfigMap",
		Namespace: r.plan.Namespace, Name: cmp.Or(r.plan.Router.Map, experiment.DefaultMap),
	}}
}

// Owned is the snapshot's key.
func (*Router) Owned(int) []string { return []string{"/data/" + Key} }

// Render puts the traffic's route into the snapshot.
func (r *Router) Render(objects []router.Object, t router.Traffic) ([]router.Object, error) {
	old, err := snapshotOf(objects)
	if err != nil {
		return nil, err
	}
	route, rise, err := r.route(old, &t)
	if err != nil {
		return nil, err
	}
	if old != nil && same(&old.Routes[0], &route) {
		return objects, nil
	}
	next := experiment.Snapshot{Sequence: sequence(old, &route, rise), Routes: []experiment.Route{route}}
	text, err := json.Marshal(&next)
	if err != nil {
		return nil, experiment.Errorf(experiment.CodeInternal, "write the snapshot: %w", err)
	}
	if len(text) > MaxSnapshot {
		return nil, experiment.Errorf(experiment.CodeInvalid, "the snapshot of %s has %d bytes: want at most %d", t.Experiment, len(text), MaxSnapshot).
			WithHint("name fewer overrides and segments' values")
	}
	out := router.Copy(objects[0])
	data := router.Map(out["data"])
	if data == nil {
		data = map[string]any{}
		out["data"] = data
	}
	data[Key] = string(text)
	return []router.Object{out}, nil
}

// sequence rises, also where the ConfigMap forgot the last one.
func sequence(old *experiment.Snapshot, route *experiment.Route, rise uint64) uint64 {
	start := uint64(max(1, route.PhaseStart.UnixMilli()))
	switch {
	case old != nil:
		return max(start, old.Sequence) + rise
	case rise == killRise:
		return killFirst
	}
	return start
}

// route is what the gateways are to serve, and how far the sequence rises.
func (r *Router) route(old *experiment.Snapshot, t *router.Traffic) (route experiment.Route, rise uint64, err error) {
	var served *experiment.Route
	if old != nil {
		served = &old.Routes[0]
	}
	if t.WayBack() {
		switch {
		case served != nil && served.Experiment != t.Experiment, served != nil && isBack(served):
			return *served, 0, nil
		case t.Route != nil:
			return back(*t.Route), 1, nil
		}
		return r.killed(served), killRise, nil
	}
	if t.Route == nil {
		return route, 0, experiment.Errorf(experiment.CodeInternal, "traffic of %s has no route for gateways", t.Experiment)
	}
	route = *t.Route
	if t.Over {
		route.Assignment.Overrides = nil
	}
	if served != nil && served.Experiment == route.Experiment && earlier(served, &route) {
		return route, 0, experiment.Errorf(experiment.CodeInvalid, "these gateways have served an earlier experiment %s up to phase %d.%d: its units and evidence would be mixed with this one's", route.Experiment, served.Epoch, served.Phase%killPhases).
			WithHint("give the experiment another name, or other gateways: traffic: {gateway: {name: NAME}}")
	}
	return route, 1, nil
}

// earlier reports whether what is served is of an experiment of the same name
// that went further: its phases have other starts.
func earlier(served, next *experiment.Route) bool {
	if served.PhaseStart.Unix() == 0 {
		return false // It was killed before it began.
	}
	order := cmp.Or(cmp.Compare(served.Epoch, next.Epoch), cmp.Compare(served.Phase%killPhases, next.Phase))
	return order >= 0 && next.PhaseStart.After(served.PhaseStart)
}

// killed is the way back where no state is known: from what is served, else
// from the plan alone.
func (r *Router) killed(served *experiment.Route) experiment.Route {
	s := experiment.State{Condition: experiment.Killed, Epoch: 1, PhaseStart: time.Unix(0, 0).UTC()}
	if served != nil {
		s.Epoch, s.Phase, s.PhaseStart = served.Epoch, served.Phase%killPhases, served.PhaseStart
	}
	s.Phase += killPhases
	return back(experiment.RouteOf(r.plan, &s))
}

// back gives the baseline everything, that of testers included.
func back(route experiment.Route) experiment.Route {
	route.Slots = experiment.SlotsOf(experiment.Baseline(len(route.Versions)))
	route.Tables, route.Where, route.Mirror, route.Default = nil, nil, nil, 0
	route.Assignment.Overrides = nil
	return route
}

// isBack reports whether a route gives the baseline everything.
func isBack(route *experiment.Route) bool {
	wanted := back(*route)
	return same(route, &wanted)
}

// Read tells the shares of the snapshot.
func (r *Router) Read(objects []router.Object, t router.Traffic) (router.Seen, error) {
	old, err := snapshotOf(objects)
	if err != nil {
		return router.Seen{}, err
	}
	rendered, err := r.Render(objects, t)
	switch {
	case old == nil:
		return router.Seen{Why: "the gateways' ConfigMap holds no snapshot yet"}, nil
	case old.Routes[0].Experiment != t.Experiment:
		return router.Seen{Settled: t.WayBack(), Why: "the gateways serve the experiment " + old.Routes[0].Experiment}, nil
	case err != nil:
		return router.Seen{Why: err.Error()}, nil
	}
	seen := router.Seen{}
	if n := len(t.Versions); len(old.Routes[0].Versions) == n {
		seen.Asked = old.Routes[0].Slots.Shares(n)
	}
	if seen.Settled = router.Equal(rendered[0], objects[0]); !seen.Settled {
		seen.Why = "the gateways' ConfigMap does not say what was asked for"
	}
	return seen, nil
}

// snapshotOf reads the snapshot; nil where there is none that gateways would
// serve.
func snapshotOf(objects []router.Object) (*experiment.Snapshot, error) {
	if len(objects) != 1 {
		return nil, experiment.Errorf(experiment.CodeInternal, "%d objects: want one ConfigMap", len(objects))
	}
	if objects[0] == nil {
		return nil, experiment.Errorf(experiment.CodeNotFound, "the gateways' ConfigMap is not there").
			WithHint("create it empty, beside the gateways that follow it")
	}
	if got := router.Text(objects[0], "kind"); got != "ConfigMap" {
		return nil, experiment.Errorf(experiment.CodeInvalid, "kind is %q: want ConfigMap", got)
	}
	var s experiment.Snapshot
	d := json.NewDecoder(bytes.NewReader([]byte(router.Text(objects[0], "data", Key))))
	d.DisallowUnknownFields()
	if d.Decode(&s) != nil || s.Check() != nil || len(s.Routes) != 1 {
		return nil, nil
	}
	return &s, nil
}

// same compares routes as they are written.
func same(a, b *experiment.Route) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && slices.Equal(x, y)
}
