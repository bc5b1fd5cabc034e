// SPDX-License-Identifier: Apache-2.0

package routers

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/router"
)

func TestNoneIsSettledAtOnceAndTouchesNothing(t *testing.T) {
	p := &experiment.Plan{Name: "x", Versions: []experiment.Version{{Name: "v1"}, {Name: "v2"}}, Router: experiment.Router{None: true}, Strict: true}
	r, err := New(p)
	if err != nil {
		t.Fatal(err)
	}
	if r.Kind() != experiment.RouterNone || len(r.Refs()) != 0 || len(r.Capabilities()) != 0 {
		t.Errorf("it is a %s with %d objects and %d capabilities", r.Kind(), len(r.Refs()), len(r.Capabilities()))
	}
	for _, shares := range []experiment.Shares{experiment.Baseline(2), {5000, 5000}} {
		traffic := router.Traffic{Experiment: "x", Versions: p.Versions, Shares: shares}
		objects, err := r.Render(nil, traffic)
		if err != nil || len(objects) != 0 {
			t.Errorf("rendered %d objects: %v", len(objects), err)
		}
		seen, err := r.Read(nil, traffic)
		if err != nil || !seen.Settled || seen.Why != "" {
			t.Errorf("seen %+v: %v", seen, err)
		}
		if diff := cmp.Diff(shares, seen.Asked); diff != "" {
			t.Errorf("asked for (-want +got):\n%s", diff)
		}
	}
}
