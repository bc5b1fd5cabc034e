// SPDX-License-Identifier: Apache-2.0

package virtualservice

import (
	"flag"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
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

// TestRequestsMeetWhatIsMeant sends random requests through the routes as Istio
// reads them, first match first, and compares what they meet with what the
// traffic says of them.
func TestRequestsMeetWhatIsMeant(t *testing.T) {
	routertest.Properties(t, os.DirFS("testdata"), create, func(rt *rapid.T, objects []router.Object, traffic router.Traffic) {
		http, err := router.List(objects[0], "spec", "http")
		if err != nil {
			rt.Fatal(err)
		}
		r, err := New(&experiment.Plan{Name: "x", Namespace: "search", Versions: traffic.Versions, Router: experiment.Router{VirtualService: &experiment.RouteObject{}}})
		if err != nil {
			rt.Fatal(err)
		}
		for range 8 {
			request := routertest.Requests(rt)
			// Each base is reached by its own match: rules of ours are those before it.
			for i, route := range http {
				own := strings.HasPrefix(router.Text(route, "name"), "headgate-")
				entries, _ := router.List(route, "route")
				if own || len(entries) == 0 || !slices.ContainsFunc(entries, func(e map[string]any) bool { return r.version(e["destination"]) >= 0 }) {
					continue
				}
				first := i
				for first > 0 && strings.HasPrefix(router.Text(http[first-1], "name"), "headgate-") {
					first--
				}
				matches, _ := router.List(route, "match")
				if len(matches) == 0 {
					matches = []map[string]any{{}}
				}
				for _, m := range matches {
					if !takes(m, m, request) {
						continue
					}
					got := met(r, http[first:i+1], m, request)
					if want := routertest.Meant(traffic, request); !slices.Equal(got, want) {
						rt.Fatalf("route %d, request %v: meets %v, meant %v", i, request, got, want)
					}
				}
			}
		}
	})
}

// met is what a request, which meets base beyond headers, gets of the first route
// that it matches.
func met(r *Router, routes []map[string]any, base map[string]any, request map[string]string) experiment.Shares {
	for _, route := range routes {
		matches, _ := router.List(route, "match")
		if len(matches) == 0 {
			matches = []map[string]any{{}}
		}
		if !slices.ContainsFunc(matches, func(m map[string]any) bool { return takes(m, base, request) }) {
			continue
		}
		entries, _ := router.List(route, "route")
		weights := make([]int64, len(r.versions))
		for _, e := range entries {
			w, _ := e["weight"].(int64)
			if len(entries) == 1 {
				w = 1
			}
			if v := r.version(e["destination"]); v >= 0 {
				weights[v] += w
			}
		}
		return router.SharesOf(weights)
	}
	return nil
}

// takes reads a match as Istio's documentation has it: of all but the headers it
// must ask for what base asks for.
func takes(match, base map[string]any, request map[string]string) bool {
	strip := func(m map[string]any) map[string]any {
		m = maps.Clone(m)
		delete(m, "headers")
		delete(m, "withoutHeaders")
		return m
	}
	if !router.Equal(strip(match), strip(base)) {
		return false
	}
	holds := func(name string, condition any) bool {
		value, ok := request[name]
		if !ok {
			return false
		}
		c, _ := condition.(map[string]any)
		for form, text := range c {
			switch form {
			case "exact":
				return value == text
			case "prefix":
				return strings.HasPrefix(value, text.(string))
			case "regex":
				ok, err := regexp.MatchString("^("+text.(string)+")$", value)
				return ok && err == nil
			}
		}
		return true
	}
	for name, c := range router.Map(match["headers"]) {
		if !holds(name, c) {
			return false
		}
	}
	for name, c := range router.Map(match["withoutHeaders"]) {
		if holds(name, c) {
			return false
		}
	}
	return true
}

func TestRefsAndCapabilities(t *testing.T) {
	r, err := New(&experiment.Plan{
		Namespace: "search", Versions: []experiment.Version{{Name: "v1", Backend: "a"}},
		Router: experiment.Router{VirtualService: &experiment.RouteObject{Name: "ranker"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	ref := r.Refs()[0]
	if ref.Namespace != "search" || ref.Name != "ranker" || ref.Versions[0] != "v1" || r.Kind() != experiment.RouterVirtualService {
		t.Errorf("ref %+v", ref)
	}
	for _, c := range []experiment.Capability{experiment.CapSticky, experiment.CapSegments, experiment.CapMirror} {
		if slices.Contains(r.Capabilities(), c) {
			t.Errorf("Istio cannot do %s", c)
		}
	}
	if _, err := New(&experiment.Plan{}); err == nil {
		t.Error("a plan for another router was taken")
	}
}
