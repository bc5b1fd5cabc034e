// SPDX-License-Identifier: Apache-2.0

// Package httproute carries a split in an HTTPRoute of the Gateway API. The
// shares stand in the weights of the backend references that lead to the
// versions; what only some requests get stands in rules of our own. Versions are
// found by namespace, name and port, never by their place in a list, and
// whatever else the object says is kept.
//
// A version without a share is taken out of the route: several gateways leak
// requests to references of weight 0. The plan's backend is what it is put back
// from. A reference that the plan cannot rebuild, because it has filters or the
// plan leaves its port to the route, stays with weight 0 while the experiment
// runs; a kill and the end take it out as well.
//
// Which rule a request meets is decided by how much the rule matches, not by
// the order of the rules: a longer path, then a method, then more headers. Our
// rules therefore repeat the matches of the rule that they stand for, with
// headers added, and say everything that an earlier one of them must win.
package httproute

import (
	"slices"
	"strconv"
	"strings"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/router"
)

const kind = "HTTPRoute"

// Router renders one plan's traffic into its HTTPRoute.
type Router struct {
	object    experiment.RouteObject
	namespace string
	id        string
	versions  []experiment.Version
	backends  []router.Service // with their namespaces
}

// New reads the plan's backends as Services, which are in the route's namespace
// where they name none. Two versions must not share one.
func New(p *experiment.Plan) (*Router, error) {
	o := p.Router.HTTPRoute
	if o == nil {
		return nil, experiment.Errorf(experiment.CodeInvalid, "spec.traffic names no httpRoute")
	}
	r := &Router{object: *o, namespace: o.Namespace, id: p.ID(), versions: p.Versions}
	if r.namespace == "" {
		r.namespace = p.Namespace
	}
	for _, v := range p.Versions {
		s, err := router.ParseService(v.Backend)
		if err != nil {
			return nil, experiment.Errorf(experiment.CodeInvalid, "version %s: %w", v.Name, err).WithHint("%s", experiment.HintOf(err))
		}
		if s.Namespace == "" {
			s.Namespace = r.namespace
		}
		if k := slices.IndexFunc(r.backends, func(b router.Service) bool { return same(b, s) }); k >= 0 {
			return nil, experiment.Errorf(experiment.CodeInvalid, "versions %s and %s have the same backend %q", p.Versions[k].Name, v.Name, v.Backend).
				WithHint("give each version a Service, or a port, of its own")
		}
		r.backends = append(r.backends, s)
	}
	return r, nil
}

// same reports whether two Services cannot be told apart: a port that is not
// given is any.
func same(a, b router.Service) bool {
	return a.Namespace == b.Namespace && a.Name == b.Name && (a.Port == b.Port || a.Port == 0 || b.Port == 0)
}

// Kind is RouterHTTPRoute.
func (r *Router) Kind() experiment.RouterKind { return experiment.RouterHTTPRoute }

// Refs names the HTTPRoute.
func (r *Router) Refs() []router.Ref {
	return []router.Ref{{
		Group: "gateway.networking.k8s.io", Versions: []string{"v1", "v1beta1"},
		Kind: kind, Namespace: r.namespace, Name: r.object.Name,
	}}
}

// Capabilities are what the Gateway API can say. Not every implementation can
// send copies: its GatewayClass tells.
func (r *Router) Capabilities() []experiment.Capability { return Capabilities() }

// Capabilities are those of every Router.
func Capabilities() []experiment.Capability {
	return []experiment.Capability{
		experiment.CapFineShares, experiment.CapCohort, experiment.CapOverrides, experiment.CapWhere, experiment.CapCopies,
	}
}

// Owned is the list of rules, which the Gateway API writes as a whole.
func (r *Router) Owned(int) []string { return []string{"/spec/rules"} }

// Render writes the traffic into the object's rules.
func (r *Router) Render(objects []router.Object, t router.Traffic) ([]router.Object, error) {
	in, err := r.open(objects, &t)
	if err != nil {
		return nil, err
	}
	rules, bases, err := r.rules(in, &t)
	if err != nil {
		return nil, err
	}
	added, rest := router.Rules(&t)
	var out []map[string]any
	k := 0
	for i, rule := range rules {
		if !slices.Contains(bases, i) {
			out = append(out, rule)
			continue
		}
		own, err := r.rendered(rules, bases, i, added, rest, k, &t)
		if err != nil {
			return nil, experiment.Errorf(experiment.CodeOf(err), "%s: %w", r.where(rule, i), err).WithHint("%s", experiment.HintOf(err))
		}
		out, k = append(out, own...), k+1
	}
	if err := r.bounded(out); err != nil && !t.WayBack() {
		return nil, err
	}
	obj := router.Copy(in)
	if spec := router.Map(obj["spec"]); spec["rules"] != nil || len(out) > 0 {
		spec["rules"] = router.Plain(out)
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

// rules copies the object's rules but for our own, and finds those that carry
// the split.
func (r *Router) rules(in router.Object, t *router.Traffic) (rules []map[string]any, bases []int, err error) {
	all, err := router.List(in, "spec", "rules")
	if err != nil {
		return nil, nil, err
	}
	for _, rule := range all {
		if !router.IsOwn(r.id, router.Text(rule, "name")) {
			rules = append(rules, router.Copy(rule))
		}
	}
	if len(r.object.Routes) == 0 {
		bases, err = r.leading(rules, t)
	} else {
		bases, err = r.named(rules, t)
	}
	if err == nil && len(bases) == 0 && !t.WayBack() {
		err = experiment.Errorf(experiment.CodeInvalid, "%s %s: no rule in .spec.rules leads to a version", kind, r.object.Name).
			WithHint("add the baseline's Service %s to a rule, or name the rules in spec.traffic.httpRoute.rules", r.versions[0].Backend)
	}
	return rules, bases, err
}

// named finds the rules that the plan names.
func (r *Router) named(rules []map[string]any, t *router.Traffic) ([]int, error) {
	var bases []int
	for _, name := range r.object.Routes {
		i := slices.IndexFunc(rules, func(rule map[string]any) bool { return router.Text(rule, "name") == name })
		switch {
		case i >= 0 && !slices.Contains(bases, i):
			bases = append(bases, i)
		case i < 0 && !t.WayBack():
			var names []string
			for _, rule := range rules {
				names = append(names, strconv.Quote(router.Text(rule, "name")))
			}
			return nil, experiment.Errorf(experiment.CodeNotFound, "%s %s: .spec.rules has no rule named %q", kind, r.object.Name, name).
				WithHint("the names of its rules are %s", strings.Join(names, ", "))
		}
	}
	if len(bases) == 0 { // On the way back from an object whose rules were renamed.
		return r.leading(rules, t)
	}
	return bases, nil
}

// leading finds the rules that lead to versions. One that leads elsewhere as well
// is refused by setBackends.
func (r *Router) leading(rules []map[string]any, t *router.Traffic) ([]int, error) {
	var bases []int
	for i, rule := range rules {
		refs, err := router.List(rule, "backendRefs")
		if err != nil {
			return nil, experiment.Errorf(experiment.CodeInvalid, "%s: %w", r.where(rule, i), err)
		}
		if !slices.ContainsFunc(refs, func(ref map[string]any) bool { return r.version(ref) >= 0 }) {
			continue
		}
		if strings.HasPrefix(router.Text(rule, "name"), router.Prefix) && !t.WayBack() {
			return nil, experiment.Errorf(experiment.CodeConflict, "%s leads to a version for another experiment", r.where(rule, i)).
				WithHint("end that experiment, or remove the rule that it left")
		}
		bases = append(bases, i)
	}
	return bases, nil
}

// where names a rule for people.
func (r *Router) where(rule map[string]any, i int) string {
	if name := router.Text(rule, "name"); name != "" {
		return kind + " " + r.object.Name + ", rule " + name
	}
	return kind + " " + r.object.Name + ", " + router.Path{"spec", "rules", strconv.Itoa(i)}.String()
}

// The Gateway API's own bounds.
const (
	maxRules       = 16
	maxRuleMatches = 64
	maxMatches     = 128
	maxFilters     = 16
)

// bounded reports rules that the Gateway API would not take.
func (r *Router) bounded(rules []map[string]any) error {
	const hint = "use fewer overrides, cohorts and values in where, or name fewer rules in spec.traffic.httpRoute.rules"
	if len(rules) > maxRules {
		return experiment.Errorf(experiment.CodeInvalid, "%s %s: %d rules are needed, the Gateway API takes %d", kind, r.object.Name, len(rules), maxRules).WithHint(hint)
	}
	total := 0
	for i, rule := range rules {
		matches, err := router.List(rule, "matches")
		if err != nil {
			return experiment.Errorf(experiment.CodeInvalid, "%s: %w", r.where(rule, i), err)
		}
		filters, err := router.List(rule, "filters")
		if err != nil {
			return experiment.Errorf(experiment.CodeInvalid, "%s: %w", r.where(rule, i), err)
		}
		total += max(len(matches), 1)
		switch {
		case len(matches) > maxRuleMatches:
			return experiment.Errorf(experiment.CodeInvalid, "%s: %d matches are needed, the Gateway API takes %d in a rule", r.where(rule, i), len(matches), maxRuleMatches).WithHint(hint)
		case total > maxMatches:
			return experiment.Errorf(experiment.CodeInvalid, "%s %s: more than %d matches are needed, which is what the Gateway API takes", kind, r.object.Name, maxMatches).WithHint(hint)
		case len(filters) > maxFilters:
			return experiment.Errorf(experiment.CodeInvalid, "%s: %d filters are needed, the Gateway API takes %d", r.where(rule, i), len(filters), maxFilters).WithHint("mirror to fewer candidates, or remove filters")
		}
	}
	return nil
}
