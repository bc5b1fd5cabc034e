// SPDX-License-Identifier: Apache-2.0

package fields

import (
	"flag"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
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

// TestFieldsAddUp renders random shares: beside what every router keeps, the
// fields of an object that holds all versions must say 100 %.
func TestFieldsAddUp(t *testing.T) {
	routertest.Properties(t, os.DirFS("testdata"), create, func(rt *rapid.T, objects []router.Object, _ router.Traffic) {
		if router.Text(objects[0], "kind") != "Service" {
			return
		}
		traffic, err := router.List(objects[0], "spec", "traffic")
		if err != nil {
			rt.Fatal(err)
		}
		sum := int64(0)
		for _, e := range traffic {
			n, ok := e["percent"].(int64)
			if !ok && e["percent"] != nil {
				rt.Fatalf("%v is no percent", e["percent"])
			}
			sum += n
		}
		if sum != 100 {
			rt.Fatalf("%v sums to %d", traffic, sum)
		}
	})
}

func TestOwnedAreTheFieldsOfEachObject(t *testing.T) {
	r, err := New(&experiment.Plan{
		Namespace: "search", Versions: []experiment.Version{{Name: "v1"}, {Name: "v2"}, {Name: "v3"}},
		Router: experiment.Router{Fields: []experiment.ShareField{
			{Version: 1, APIVersion: "example.com/v1", Kind: "Thing", Name: "a", Path: ".spec.b"},
			{Version: 0, APIVersion: "v1", Kind: "ConfigMap", Namespace: "edge", Name: "a", Path: ".metadata.annotations['x.io/w~1']"},
			{Version: 2, APIVersion: "example.com/v1", Kind: "Thing", Name: "a", Path: ".spec.c[2]"},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []router.Ref{
		{Group: "example.com", Versions: []string{"v1"}, Kind: "Thing", Namespace: "search", Name: "a"},
		{Versions: []string{"v1"}, Kind: "ConfigMap", Namespace: "edge", Name: "a"},
	}
	if d := cmp.Diff(want, r.Refs()); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([][]string{{"/spec/b", "/spec/c/2"}, {"/metadata/annotations/x.io~1w~01"}}, [][]string{r.Owned(0), r.Owned(1)}); d != "" {
		t.Error(d)
	}
	if r.Kind() != experiment.RouterFields || len(r.Capabilities()) > 0 {
		t.Errorf("%s can do %v", r.Kind(), r.Capabilities())
	}
}

func TestQuantitiesAreReadExactly(t *testing.T) {
	for text, want := range map[string]string{
		"500m": "5000", "1": "10000", "0": "0", "0.5": "5000", ".25": "2500", "1.": "10000", "123400u": "1234", "+1": "10000", "1000000000n": "10000", "0.0001": "1", "2": "20000",
	} {
		got, what := quantity.read(text)
		if what != "" || got.RatString() != want {
			t.Errorf("%q is %v %s, want %s", text, got, what, want)
		}
	}
	for _, text := range []string{"", "-1", "50%", "1e3", "1k", "m", ".", "1 ", "0x1", "9999999999999999", "1.0000000001", "NaN"} {
		if got, what := quantity.read(text); what == "" {
			t.Errorf("%q is read as %v", text, got)
		}
	}
}
