// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"

	"github.com/headgate-dev/headgate/internal/engine"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/router"
	routes "github.com/headgate-dev/headgate/internal/router/kube"
)

func TestShardsDivideAllExperiments(t *testing.T) {
	const n, shards = 3000, 3
	counts := make([]int, shards)
	for i := range n {
		name := types.NamespacedName{Namespace: "search", Name: fmt.Sprintf("ranker-%d", i)}
		whose := 0
		for s := range shards {
			if New(Options{Shard: s, Shards: shards}).mine(name) {
				whose++
				counts[s]++
			}
		}
		if whose != 1 {
			t.Fatalf("%s belongs to %d shards", name, whose)
		}
		if !New(Options{}).mine(name) {
			t.Fatalf("%s does not belong to the only controller", name)
		}
	}
	for s, got := range counts {
		if got < n/shards*8/10 || got > n/shards*12/10 {
			t.Errorf("shard %d has %d of %d", s, got, n)
		}
	}
}

func TestTickFollowsTheWindow(t *testing.T) {
	for window, want := range map[time.Duration]time.Duration{
		time.Millisecond: 250 * time.Millisecond,
		2 * time.Second:  500 * time.Millisecond,
		time.Minute:      15 * time.Second,
		time.Hour:        15 * time.Second,
	} {
		if got := tick(window); got != want {
			t.Errorf("window %v: %v, want %v", window, got, want)
		}
	}
}

// object is a route at a generation and a version.
func object(generation int64, version string) []router.Object {
	return []router.Object{{"metadata": map[string]any{"generation": generation, "resourceVersion": version}}}
}

// driftOf is a turn of a running plan whose route was written.
func driftOf(t *testing.T, policy experiment.OnDrift) (*turn, router.Traffic) {
	t.Helper()
	metrics, err := NewMetrics(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	x := newRun("u")
	x.plan = &experiment.Plan{Router: experiment.Router{Drift: policy}, Versions: make([]experiment.Version, 2)}
	asked := router.Traffic{Experiment: "search/ranker", Shares: experiment.Shares{9000, 1000}}
	x.asked = said(asked)
	turned := &turn{r: New(Options{Metrics: metrics}), run: x, now: time.Unix(1e9, 0)}
	turned.differs = []routes.Difference{{Pointers: []string{"/spec/http"}, Writers: []string{"argocd-controller", routes.FieldManager}}}
	return turned, asked
}

func TestForeignIsWhatWasAskedForBefore(t *testing.T) {
	turned, asked := driftOf(t, experiment.DriftCorrect)
	other := asked
	other.Shares = experiment.Shares{5000, 5000}
	if turned.foreign(other, object(2, "7")) {
		t.Error("shares that are asked for just now are somebody else's doing")
	}
	if !turned.foreign(asked, object(2, "7")) || !strings.HasPrefix(turned.run.drifted, "argocd-controller changed") {
		t.Errorf("who: %q", turned.run.drifted)
	}
}

func TestContestedRoute(t *testing.T) {
	turned, asked := driftOf(t, experiment.DriftCorrect)
	generation, written := int64(1), 0
	// rewritten is a turn that finds somebody else's change, and corrects it if
	// it may.
	rewritten := func() {
		generation++
		turned.foreign(asked, object(generation, "1"))
		if !turned.leaves() {
			generation++
			written++
		}
	}
	for range 30 {
		rewritten()
		turned.now = turned.now.Add(time.Second)
	}
	if written != contested {
		t.Errorf("corrected %d times in half a minute, want %d", written, contested)
	}
	// It is seen again and again, and counts once.
	for range 100 {
		turned.foreign(asked, object(generation, "1"))
		turned.now = turned.now.Add(time.Second)
	}
	turned.now = turned.now.Add(contestedFor)
	if turned.foreign(asked, object(generation, "1")); turned.leaves() {
		t.Error("what somebody else wrote long ago is left for ever")
	}
}

func TestPoliciesThatLeaveWhatOthersWrote(t *testing.T) {
	for policy, want := range map[experiment.OnDrift]bool{
		"": false, experiment.DriftCorrect: false, experiment.DriftHold: true, experiment.DriftAlert: true,
	} {
		turned, asked := driftOf(t, policy)
		turned.foreign(asked, object(2, "7"))
		if got := turned.leaves(); got != want {
			t.Errorf("%q leaves it: %v, want %v", policy, got, want)
		}
		raised := turned.fact().Drifted == ""
		if want := policy == experiment.DriftAlert; raised != want {
			t.Errorf("%q raises shares: %v, want %v", policy, raised, want)
		}
	}
}

func TestFactSaysWhyNothingMayBeRaised(t *testing.T) {
	turned, _ := driftOf(t, experiment.DriftCorrect)
	turned.differs = nil
	for want, set := range map[string]func(){
		"":                                  func() { turned.seen = router.Seen{Settled: true} },
		"not accepted":                      func() { turned.seen = router.Seen{Why: "not accepted"} },
		"there is no way back: forbidden":   func() { turned.run.noWayBack = "forbidden" },
		"patch VirtualService: no response": func() { turned.unrouted = "patch VirtualService: no response" },
	} {
		turned.seen, turned.run.noWayBack, turned.unrouted = router.Seen{}, "", ""
		set()
		if got := turned.fact(); got.Unsettled != want || got.Drifted != "" {
			t.Errorf("got %+v, want %q", got, want)
		}
	}
}

func TestCacheThatIsBehindIsNobodysDoing(t *testing.T) {
	x := newRun("u")
	x.written = map[int]string{0: "100"}
	for version, want := range map[string]bool{"99": true, "100": false, "101": false, "odd": false} {
		if got := x.ahead(object(1, version)); got != want {
			t.Errorf("at %s: %v, want %v", version, got, want)
		}
	}
	if x.ahead(nil) || x.ahead([]router.Object{nil}) {
		t.Error("an object that is gone is behind")
	}
}

func TestExposuresCountWhileTheRouteIsAsAsked(t *testing.T) {
	now := time.Unix(1e9, 0).UTC()
	x := newRun("u")
	x.plan = &experiment.Plan{Window: time.Minute, Router: experiment.Router{VirtualService: &experiment.RouteObject{Name: "ranker"}}}
	turned := &turn{r: New(Options{Now: func() time.Time { return now }}), run: x}
	phase := &experiment.PhaseTotals{Phase: 1, Start: now}
	x.record.State.Phase = 1
	if _, known := x.exposed(phase); known {
		t.Error("a phase is known that was never seen")
	}
	now = now.Add(500 * time.Millisecond)
	turned.serves(false)
	if from, known := x.exposed(phase); !known || !from.Equal(phase.Start) {
		t.Errorf("written at once: from %v", from)
	}
	now = now.Add(time.Minute)
	turned.serves(true)
	if from, _ := x.exposed(phase); !from.Equal(phase.Start) {
		t.Errorf("found as asked: from %v", from)
	}
	turned.serves(false)
	if from, _ := x.exposed(phase); from.Before(now) {
		t.Errorf("found otherwise: from %v", from)
	}
	for i := range 3 * keptPhases {
		x.record.State.Phase = 2 + i
		turned.serves(true)
	}
	if len(x.served) != keptPhases {
		t.Errorf("%d phases are remembered", len(x.served))
	}
	x.evidence = sealed{experiment.Seal{Cells: []experiment.Cell{
		{CellKey: experiment.CellKey{Window: 0, Metric: experiment.CellExposures}},
		{CellKey: experiment.CellKey{Window: 0, Metric: experiment.CellRequests}},
	}}}
	seal, err := turned.seal(t.Context(), engine.Wanted{Source: experiment.SourceGateway, Phase: phase}, now)
	if err != nil || len(seal.Cells) != 1 || seal.Cells[0].Metric != experiment.CellRequests {
		t.Errorf("of a phase that nobody saw %+v is read, %v", seal.Cells, err)
	}
}

func TestRestartLeavesWhatOthersWrote(t *testing.T) {
	for name, c := range map[string]struct {
		policy experiment.OnDrift
		seen   experiment.Shares
		want   bool
	}{
		"shares that were never asked for, held":      {experiment.DriftHold, experiment.Shares{7000, 3000}, true},
		"shares that were never asked for, corrected": {experiment.DriftCorrect, experiment.Shares{7000, 3000}, false},
		"the shares before, whose change was lost":    {experiment.DriftHold, experiment.Shares{9000, 1000}, false},
		"shares that nobody can read":                 {experiment.DriftHold, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			turned, asked := driftOf(t, c.policy)
			turned.run.asked, turned.seen.Asked = "", c.seen
			turned.run.record.Totals.Phases = []experiment.PhaseTotals{{Shares: experiment.Shares{9000, 1000}}, {Shares: experiment.Shares{5000, 5000}}}
			if got := turned.foreign(asked, object(1, "1")); got != c.want {
				t.Errorf("somebody else's: %v, want %v", got, c.want)
			}
		})
	}
}
