// SPDX-License-Identifier: Apache-2.0

// Package virtualservice carries a split in an Istio VirtualService. The shares
// stand in the weights of the HTTP routes that lead to the versions; what only
// some requests get stands in rules of our own in front of those routes, by
// name. Versions are found by their destination (host, subset, port), never by
// their place in a list, and whatever else the object says is kept.
//
// A version without a share stays listed with weight 0, which Istio leaves out
// of what it gives its proxies. A destination that stands alone in a route gets
// everything whatever its weight, so a route never holds a candidate alone that
// is to have nothing: the baseline is added to it.
package virtualservice

import (
	"slices"
	"strings"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/router"
)

const kind = "VirtualService"

// Router renders one plan's traffic into its VirtualService.
type Router struct {
	object    experiment.RouteObject
	namespace string
	id        string
	versions  []experiment.Version
	backends  []router.Destination
}

// New reads the plan's backends as destinations. Two versions must not share
// one.
func New(p *experiment.Plan) (*Router, error) {
	o := p.Router.VirtualService
	if o == nil {
		return nil, experiment.Errorf(experiment.CodeInvalid, "spec.traffic names no virtualService")
	}
	r := &Router{object: *o, namespace: o.Namespace, id: p.ID(), versions: p.Versions}
	if r.namespace == "" {
		r.namespace = p.Namespace
	}
	for i, v := range p.Versions {
		d, err := router.ParseDestination(v.Backend)
		if err != nil {
			return nil, experiment.Errorf(experiment.CodeInvalid, "version %s: %w", v.Name, err).WithHint("%s", experiment.HintOf(err))
		}
		if k := slices.IndexFunc(r.backends, func(b router.Destination) bool { return r.same(b, d) }); k >= 0 {
			return nil, experiment.Errorf(experiment.CodeInvalid, "versions %s and %s have the same destination %q", p.Versions[k].Name, v.Name, p.Versions[i].Backend).
				WithHint("tell them apart by host, port or subset")
		}
		r.backends = append(r.backends, d)
	}
	return r, nil
}

// Kind is RouterVirtualService.
func (r *Router) Kind() experiment.RouterKind { return experiment.RouterVirtualService }

// Refs names the VirtualService.
func (r *Router) Refs() []router.Ref {
	return []router.Ref{{
		Group: "networking.istio.io", Versions: []string{"v1", "v1beta1", "v1alpha3"},
		Kind: kind, Namespace: r.namespace, Name: r.object.Name,
	}}
}

// Capabilities are what the proxies of Istio do by themselves: they draw for each
// request, match headers, and send copies whose answers nobody sees.
func (r *Router) Capabilities() []experiment.Capability { return Capabilities() }

// Capabilities are those of every Router.
func Capabilities() []experiment.Capability {
	return []experiment.Capability{
		experiment.CapFineShares, experiment.CapCohort, experiment.CapOverrides, experiment.CapWhere, experiment.CapCopies,
	}
}

// Owned is the list of HTTP routes: order decides there, so no part of it can be
// written alone.
func (r *Router) Owned(int) []string { return []string{"/spec/http"} }

// Render writes the traffic into the object's routes.
func (r *Router) Render(objects []router.Object, t router.Traffic) ([]router.Object, error) {
	in, err := r.open(objects, &t)
	if err != nil {
		return nil, err
	}
	routes, bases, err := r.routes(in, &t)
	if err != nil {
		return nil, err
	}
	rules, rest := router.Rules(&t)
	var out []map[string]any
	k := 0
	for i, route := range routes {
		if !slices.Contains(bases, i) {
			out = append(out, route)
			continue
		}
		own, err := r.rendered(route, rules, rest, k, &t)
		if err != nil {
			return nil, experiment.Errorf(experiment.CodeOf(err), "%s: %w", r.where(route, i), err).WithHint("%s", experiment.HintOf(err))
		}
		out, k = append(out, own...), k+1
	}
	obj := router.Copy(in)
	if spec := router.Map(obj["spec"]); spec["http"] != nil || len(out) > 0 {
		spec["http"] = router.Plain(out)
	}
	return []router.Object{obj}, nil
}

// open checks what Render and Read are given.
func (r *Router) open(objects []router.Object, t *router.Traffic) (router.Object, error) {
	if err := t.Check(); err != nil {
		return nil, err
	}
	if len(t.Shares) != len(r.versions) {
		return nil, experiment.Errorf(experiment.CodeInternal, "traffic for %d versions, the plan has %d", len(t.Shares), len(r.versions))
	}
	return router.One(objects, kind)
}

// routes copies the object's routes but for our own, and finds those that carry
// the split.
func (r *Router) routes(in router.Object, t *router.Traffic) (routes []map[string]any, bases []int, err error) {
	all, err := router.List(in, "spec", "http")
	if err != nil {
		return nil, nil, err
	}
	for _, route := range all {
		if !router.IsOwn(r.id, router.Text(route, "name")) {
			routes = append(routes, router.Copy(route))
		}
	}
	if len(r.object.Routes) == 0 {
		bases, err = r.leading(routes, t)
	} else {
		bases, err = r.named(routes, t)
	}
	if err == nil && len(bases) == 0 && !t.WayBack() {
		err = experiment.Errorf(experiment.CodeInvalid, "%s %s: no route in .spec.http leads to a version", kind, r.object.Name).
			WithHint("add the baseline's destination %s to a route, or name the routes in spec.traffic.virtualService.routes", r.versions[0].Backend)
	}
	return routes, bases, err
}

// named finds the routes that the plan names.
func (r *Router) named(routes []map[string]any, t *router.Traffic) ([]int, error) {
	var bases []int
	for _, name := range r.object.Routes {
		i := slices.IndexFunc(routes, func(route map[string]any) bool { return router.Text(route, "name") == name })
		switch {
		case i >= 0 && !slices.Contains(bases, i):
			bases = append(bases, i)
		case i < 0 && !t.WayBack():
			return nil, experiment.Errorf(experiment.CodeNotFound, "%s %s: .spec.http has no route named %q", kind, r.object.Name, name).
				WithHint("its routes are %s", names(routes))
		}
	}
	if len(bases) == 0 { // On the way back from an object whose routes were renamed.
		return r.leading(routes, t)
	}
	return bases, nil
}

// names lists the routes for people.
func names(routes []map[string]any) string {
	var out []string
	for _, route := range routes {
		if name := router.Text(route, "name"); name != "" {
			out = append(out, name)
		}
	}
	if len(out) == 0 {
		return "without names"
	}
	return strings.Join(out, ", ")
}

// leading finds the routes that lead to versions. One that leads elsewhere as
// well is refused by setWeights.
func (r *Router) leading(routes []map[string]any, t *router.Traffic) ([]int, error) {
	var bases []int
	for i, route := range routes {
		entries, err := router.List(route, "route")
		if err != nil {
			return nil, experiment.Errorf(experiment.CodeInvalid, "%s: %w", r.where(route, i), err)
		}
		if !slices.ContainsFunc(entries, func(e map[string]any) bool { return r.version(e["destination"]) >= 0 }) {
			continue
		}
		if name := router.Text(route, "name"); strings.HasPrefix(name, router.Prefix) && !t.WayBack() {
			return nil, experiment.Errorf(experiment.CodeConflict, "%s leads to a version for another experiment", r.where(route, i)).
				WithHint("end that experiment, or remove the route that it left")
		}
		bases = append(bases, i)
	}
	return bases, nil
}

// where names a route for people.
func (r *Router) where(route map[string]any, i int) string {
	if name := router.Text(route, "name"); name != "" {
		return kind + " " + r.object.Name + ", route " + name
	}
	return kind + " " + r.object.Name + ", " + router.Path{"spec", "http", itoa(i)}.String()
}
