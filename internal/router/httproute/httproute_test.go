// SPDX-License-Identifier: Apache-2.0

package httproute

import (
	"flag"
	"os"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/router"
	"github.com/headgate-dev/headgate/internal/router/routertest"
)

var update = flag.Bool("update", false, "rewrite golden files")

func create(p *experiment.Plan) (router.Router, error) { return New(p) }

func TestCases(t *testing.T) {
	if n := routertest.Run(t, os.DirFS("testdata"), create, *update); n < 25 {
		t.Errorf("%d steps: want at least 25", n)
	}
}

// TestRequestsMeetWhatIsMeant sends random requests through the rules as the
// Gateway API reads them, the most specific match first, and compares what they
// meet with what the traffic says of them. The requests are for the paths of the
// rules.
func TestRequestsMeetWhatIsMeant(t *testing.T) {
	routertest.Properties(t, os.DirFS("testdata"), create, func(rt *rapid.T, objects []router.Object, traffic router.Traffic) {
		rules, err := router.List(objects[0], "spec", "rules")
		if err != nil {
			rt.Fatal(err)
		}
		r, err := New(&experiment.Plan{Name: "x", Namespace: "search", Versions: traffic.Versions, Router: experiment.Router{HTTPRoute: &experiment.RouteObject{}}})
		if err != nil {
			rt.Fatal(err)
		}
		for range 8 {
			request := routertest.Requests(rt)
			for _, at := range [][2]string{{"/", "GET"}, {"/v2/x", "POST"}, {"/predict", "POST"}} {
				got, rule := met(rules, at[0], at[1], request)
				// A request that no rule for versions takes without ours is not ours.
				base := -1
				if rule != nil {
					base = slices.IndexFunc(rules, func(b map[string]any) bool {
						_, by := met([]map[string]any{b}, at[0], at[1], request)
						return by != nil && !router.IsOwn(traffic.Experiment, router.Text(b, "name")) && leads(r, b)
					})
				}
				if base < 0 || !leads(r, rule) {
					continue
				}
				if want := routertest.Meant(traffic, request); !slices.Equal(shares(r, got), want) {
					rt.Fatalf("%s %s %v: meets %v by %s, meant %v", at[1], at[0], request, shares(r, got), router.Text(rule, "name"), want)
				}
			}
		}
	})
}

func leads(r *Router, rule map[string]any) bool {
	refs, _ := router.List(rule, "backendRefs")
	return slices.ContainsFunc(refs, func(ref map[string]any) bool { return r.version(ref) >= 0 })
}

func shares(r *Router, refs []map[string]any) experiment.Shares {
	weights, _, _, err := r.weigh(refs)
	if err != nil {
		return nil
	}
	return router.SharesOf(weights)
}

// met is the rule that a request meets, and its references: the most specific
// match wins, as the Gateway API's HTTPRouteRule.Matches says.
func met(rules []map[string]any, path, method string, headers map[string]string) ([]map[string]any, map[string]any) {
	var best []int
	var by map[string]any
	for i, rule := range rules {
		matches, _ := router.List(rule, "matches")
		if len(matches) == 0 {
			matches = []map[string]any{{}}
		}
		for _, m := range matches {
			rank, ok := takes(m, path, method, headers)
			if rank = append(rank, -i); ok && (best == nil || slices.Compare(rank, best) > 0) {
				best, by = rank, rule
			}
		}
	}
	if by == nil {
		return nil, nil
	}
	refs, _ := router.List(by, "backendRefs")
	return refs, by
}

// takes reports whether a match takes a request, and how specific it is.
func takes(m map[string]any, path, method string, headers map[string]string) ([]int, bool) {
	form, value := router.Text(m, "path", "type"), router.Text(m, "path", "value")
	if value == "" {
		value = "/"
	}
	rank := []int{0, len(value), 0, 0}
	switch {
	case form == "Exact" && path != value:
		return nil, false
	case form == "Exact":
		rank[0] = 1
	case value != "/" && path != value && !(len(path) > len(value) && path[:len(value)+1] == value+"/"):
		return nil, false
	}
	if want := router.Text(m, "method"); want != "" {
		if want != method {
			return nil, false
		}
		rank[2] = 1
	}
	list, _ := router.List(m, "headers")
	for _, h := range list {
		value, ok := headers[router.Text(h, "name")]
		if !ok || router.Text(h, "type") == "RegularExpression" || value != router.Text(h, "value") {
			return nil, false
		}
	}
	rank[3] = len(list)
	return rank, true
}

func TestRefsAndCapabilities(t *testing.T) {
	r, err := New(&experiment.Plan{
		Namespace: "search", Versions: []experiment.Version{{Name: "v1", Backend: "a"}},
		Router: experiment.Router{HTTPRoute: &experiment.RouteObject{Name: "ranker", Namespace: "edge"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	ref := r.Refs()[0]
	if ref.Namespace != "edge" || ref.Name != "ranker" || ref.Versions[0] != "v1" || r.Kind() != experiment.RouterHTTPRoute {
		t.Errorf("ref %+v", ref)
	}
	for _, c := range []experiment.Capability{experiment.CapSticky, experiment.CapSegments, experiment.CapMirror} {
		if slices.Contains(r.Capabilities(), c) {
			t.Errorf("the Gateway API cannot do %s", c)
		}
	}
	if _, err := New(&experiment.Plan{}); err == nil {
		t.Error("a plan for another router was taken")
	}
}
