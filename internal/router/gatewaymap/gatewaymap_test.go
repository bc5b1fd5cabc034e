// SPDX-License-Identifier: Apache-2.0

package gatewaymap

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/headgate-dev/headgate/internal/experiment"
	dataplane "github.com/headgate-dev/headgate/internal/gateway"
	"github.com/headgate-dev/headgate/internal/router"
)

var t0 = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func plan() *experiment.Plan {
	return &experiment.Plan{
		Namespace: "search", Name: "ranker",
		Versions: []experiment.Version{{Name: "v1", Backend: "http://v1:80"}, {Name: "v2", Backend: "http://v2:80"}},
		Assignment: experiment.Assignment{
			Unit:      experiment.Unit{Header: "x-user-id"},
			Overrides: []experiment.Override{{Header: "x-test", Value: "b", Version: 1}},
		},
		Stages: []experiment.Stage{{Name: "canary", Ramp: &experiment.Ramp{Steps: []experiment.Share{1000, 5000}}}},
		Window: time.Minute, Lag: time.Second,
	}
}

func state(phase int, shares ...experiment.Share) *experiment.State {
	return &experiment.State{
		Condition: experiment.Running, Epoch: 1, Phase: phase, PhaseStart: t0.Add(time.Duration(phase) * time.Hour),
		Slots: experiment.SlotsOf(shares),
	}
}

func ended(phase int, outcome experiment.Outcome, shares ...experiment.Share) *experiment.State {
	s := state(phase, shares...)
	s.Condition, s.Outcome, s.Winner = experiment.Done, outcome, 1
	return s
}

// asks is what a controller asks for.
func asks(p *experiment.Plan, s *experiment.State) router.Traffic {
	t := router.TrafficOf(p, s)
	route := experiment.RouteOf(p, s)
	t.Route = &route
	return t
}

func empty() []router.Object {
	return []router.Object{{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "headgate-gateway"}}}
}

func made(t testing.TB, p *experiment.Plan) *Router {
	t.Helper()
	r, err := New(p)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// stand renders and gives the objects and the snapshot in them.
func stand(t testing.TB, r *Router, objects []router.Object, traffic router.Traffic) ([]router.Object, *experiment.Snapshot) {
	t.Helper()
	out, err := r.Render(objects, traffic)
	if err != nil {
		t.Fatal(err)
	}
	s, err := snapshotOf(out)
	if err != nil || s == nil {
		t.Fatalf("no snapshot: %v in %v", err, out)
	}
	return out, s
}

func shares(s *experiment.Snapshot) experiment.Shares {
	return s.Routes[0].Slots.Shares(len(s.Routes[0].Versions))
}

// TestAGatewayServesWhatIsRendered swaps each snapshot of a life into a real
// gateway: one that it refuses would leave the traffic where it is.
func TestAGatewayServesWhatIsRendered(t *testing.T) {
	p := plan()
	r := made(t, p)
	key, err := experiment.NewKey(make([]byte, experiment.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	g, err := dataplane.New(dataplane.Options{Key: key})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Close() })
	objects, last := empty(), uint64(0)
	for _, step := range []struct {
		name    string
		traffic router.Traffic
		want    string
		same    bool
	}{
		{"the first step", asks(p, state(1, 9000, 1000)), "90%/10%", false},
		{"again", asks(p, state(1, 9000, 1000)), "90%/10%", true},
		{"a kill from elsewhere", router.KilledTraffic(p), "100%/0%", false},
		{"the kill again", router.KilledTraffic(p), "100%/0%", true},
		{"a controller that knows of no kill", asks(p, state(1, 9000, 1000)), "90%/10%", false},
		{"its next step", asks(p, state(2, 5000, 5000)), "50%/50%", false},
		{"the kill of that", router.KilledTraffic(p), "100%/0%", false},
		{"the controller obeys it", asks(p, ended(3, experiment.RolledBack, 10000)), "100%/0%", true},
		{"a retry", asks(p, func() *experiment.State { s := state(3, 9000, 1000); s.Epoch = 2; return s }()), "90%/10%", false},
		{"a rollback", asks(p, func() *experiment.State { s := ended(4, experiment.RolledBack, 10000); s.Epoch = 2; return s }()), "100%/0%", false},
		{"a second retry", asks(p, func() *experiment.State { s := state(4, 0, 10000); s.Epoch = 3; return s }()), "0%/100%", false},
		{"a promotion", asks(p, func() *experiment.State { s := ended(5, experiment.Promoted, 0, 10000); s.Epoch = 3; return s }()), "0%/100%", false},
	} {
		out, s := stand(t, r, objects, step.traffic)
		if got := shares(s).String(); got != step.want {
			t.Fatalf("%s: shares %s, want %s", step.name, got, step.want)
		}
		if step.same != (s.Sequence == last) {
			t.Fatalf("%s: sequence %d after %d", step.name, s.Sequence, last)
		}
		if !step.same {
			if err := g.Swap(s); err != nil {
				t.Fatalf("%s: %v", step.name, err)
			}
		}
		if step.traffic.Over && len(s.Routes[0].Assignment.Overrides) > 0 {
			t.Errorf("%s: testers get %v", step.name, s.Routes[0].Assignment.Overrides)
		}
		seen, err := r.Read(out, step.traffic)
		if err != nil || !seen.Settled || seen.Asked.String() != step.want {
			t.Errorf("%s: read %+v, %v", step.name, seen, err)
		}
		if drift, err := router.Drift(r, out, step.traffic); err != nil || len(drift) > 0 {
			t.Errorf("%s: drift %v, %v", step.name, drift, err)
		}
		objects, last = out, s.Sequence
	}
}

func TestWhatAMapHoldsBefore(t *testing.T) {
	p := plan()
	r := made(t, p)
	other := plan()
	other.Name = "fraud"
	theirs, _ := stand(t, made(t, other), empty(), asks(other, state(1, 5000, 5000)))
	begun, first := stand(t, r, empty(), asks(p, state(4, 9000, 1000)))
	garbage := empty()
	garbage[0]["data"] = map[string]any{Key: "{", "mine": "kept"}

	t.Run("rehearsed on an empty one", func(t *testing.T) {
		if _, s := stand(t, r, empty(), router.KilledTraffic(p)); shares(s).String() != "100%/0%" || s.Sequence <= first.Sequence {
			t.Errorf("%+v", s)
		}
	})
	t.Run("a begin after that", func(t *testing.T) {
		killed, k := stand(t, r, empty(), router.KilledTraffic(p))
		if _, s := stand(t, r, killed, asks(p, state(0, 9000, 1000))); s.Sequence <= k.Sequence {
			t.Errorf("sequence %d after %d", s.Sequence, k.Sequence)
		}
	})
	t.Run("garbage is written over, other keys are kept", func(t *testing.T) {
		out, _ := stand(t, r, garbage, asks(p, state(1, 9000, 1000)))
		if got := router.Text(out[0], "data", "mine"); got != "kept" || router.Text(garbage[0], "data", Key) != "{" {
			t.Errorf("%v of %v", out, garbage)
		}
	})
	t.Run("one made anew rises all the same", func(t *testing.T) {
		if _, s := stand(t, r, empty(), asks(p, state(5, 5000, 5000))); s.Sequence <= first.Sequence {
			t.Errorf("sequence %d after %d", s.Sequence, first.Sequence)
		}
	})
	t.Run("another experiment is taken over from", func(t *testing.T) {
		_, s := stand(t, r, theirs, asks(p, state(0, 9000, 1000)))
		if s.Routes[0].Experiment != "search/ranker" {
			t.Errorf("it serves %s", s.Routes[0].Experiment)
		}
	})
	t.Run("another experiment is left alone by a kill", func(t *testing.T) {
		out, err := r.Render(theirs, router.KilledTraffic(p))
		if d := cmp.Diff(theirs, out); err != nil || d != "" {
			t.Errorf("%v\n%s", err, d)
		}
		if seen, err := r.Read(theirs, router.KilledTraffic(p)); err != nil || !seen.Settled || seen.Asked != nil {
			t.Errorf("%+v, %v", seen, err)
		}
	})
	t.Run("an earlier experiment of the name is refused", func(t *testing.T) {
		s := state(0, 9000, 1000)
		s.PhaseStart = t0.Add(24 * time.Hour)
		_, err := r.Render(begun, asks(p, s))
		if experiment.CodeOf(err) != experiment.CodeInvalid || !strings.Contains(err.Error(), "an earlier experiment search/ranker up to phase 1.4") {
			t.Errorf("error %v", err)
		}
		if _, s := stand(t, r, begun, router.KilledTraffic(p)); shares(s).String() != "100%/0%" {
			t.Errorf("its kill gives %s", shares(s))
		}
	})
	t.Run("no map is told", func(t *testing.T) {
		if _, err := r.Render([]router.Object{nil}, router.KilledTraffic(p)); experiment.CodeOf(err) != experiment.CodeNotFound {
			t.Errorf("error %v", err)
		}
	})
}

func TestPlansThatGatewaysCannotCarry(t *testing.T) {
	for name, backend := range map[string]string{
		"a password": "http://u:hunter2@v2:80", "no URL": "ranker-v2", "a query": "http://v2:80/?token=hunter2", "another scheme": "grpc://v2",
	} {
		t.Run(name, func(t *testing.T) {
			p := plan()
			p.Versions[1].Backend = backend
			_, err := New(p)
			if experiment.CodeOf(err) != experiment.CodeInvalid || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("error %v", err)
			}
		})
	}
	t.Run("a snapshot that is too large", func(t *testing.T) {
		p := plan()
		for i := range 20_000 {
			p.Assignment.Overrides = append(p.Assignment.Overrides, experiment.Override{Header: "x-test", Value: strings.Repeat("x", 20+i%3), Version: 1})
		}
		if _, err := made(t, p).Render(empty(), asks(p, state(1, 9000, 1000))); experiment.CodeOf(err) != experiment.CodeInvalid {
			t.Errorf("error %v", err)
		}
	})
}

func TestItsMapIsNamed(t *testing.T) {
	p := plan()
	want := router.Ref{Versions: []string{"v1"}, Kind: "ConfigMap", Namespace: "search", Name: "headgate-gateway"}
	if d := cmp.Diff([]router.Ref{want}, made(t, p).Refs()); d != "" {
		t.Error(d)
	}
	p.Router.Map = "edge"
	if got := made(t, p).Refs()[0].Name; got != "edge" {
		t.Errorf("it is %s", got)
	}
}

func TestCapabilitiesAreTheGateways(t *testing.T) {
	want := append(dataplane.Capabilities(), experiment.CapCopy, experiment.CapRetire)
	got := Capabilities()
	slices.Sort(want)
	slices.Sort(got)
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// TestTheSequenceAlwaysRises whatever is asked for in which order, and each
// snapshot can be served.
func TestTheSequenceAlwaysRises(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := plan()
		r := made(t, p)
		objects, last, phase := empty(), uint64(0), 0
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			traffic := router.KilledTraffic(p)
			if rapid.Bool().Draw(rt, "runs") {
				phase += rapid.IntRange(0, 2).Draw(rt, "phases")
				share := rapid.SampledFrom([]experiment.Share{0, 100, 5000, 10000}).Draw(rt, "share")
				traffic = asks(p, state(phase, 10000-share, share))
			}
			out, s := stand(t, r, objects, traffic)
			text, err := json.Marshal(objects)
			after, errAfter := json.Marshal(out)
			if err != nil || errAfter != nil {
				rt.Fatal(err, errAfter)
			}
			if changed := string(text) != string(after); changed != (s.Sequence > last) || s.Sequence < last {
				rt.Fatalf("changed %t, sequence %d after %d", changed, s.Sequence, last)
			}
			if err := s.Check(); err != nil {
				rt.Fatal(err)
			}
			again, err := r.Render(out, traffic)
			if err != nil || !cmp.Equal(again, out) {
				rt.Fatalf("rendered again: %v", err)
			}
			objects, last = out, s.Sequence
		}
	})
}
