// SPDX-License-Identifier: Apache-2.0

package simulate

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// telemetryPlan is decided by what a provider tells: a reward of windows, a limit
// and a guardrail of counters.
func telemetryPlan(method experiment.Method) *experiment.Plan {
	p := looksPlan(method)
	p.Assignment.Unit = experiment.Unit{Request: true}
	p.Window, p.Stale = 5*time.Minute, time.Hour
	most := .05
	p.Metrics = append(p.Metrics,
		experiment.Metric{Name: "revenue", Goal: experiment.Increase, Trusted: true, Provider: &experiment.ProviderMetric{
			Prometheus: &experiment.PrometheusQuery{Query: []string{"a", "b"}},
		}},
		experiment.Metric{Name: "failed", Goal: experiment.Decrease, Provider: &experiment.ProviderMetric{
			Prometheus: &experiment.PrometheusQuery{Events: []string{"a", "b"}, Total: []string{"c", "d"}},
		}})
	p.Reward = &experiment.Reward{Metric: "revenue", MinimumEffect: experiment.Margin{Absolute: .5}}
	p.Objectives = []experiment.Objective{{Metric: "failed", Max: &most}}
	p.Guardrails = []experiment.Guardrail{{Metric: "failed", NoWorseThan: experiment.Margin{Absolute: .02}}}
	return p
}

func telling(revenue, failed float64) Assumptions {
	return Assumptions{Rate: 5, Laws: []Law{
		{Metric: "revenue", Values: []float64{10, revenue}, SD: 1},
		{Metric: "failed", Values: []float64{.01, failed}},
	}}
}

// TestWhatProvidersTellIsDrawn: counters count requests, and each window has one
// number.
func TestWhatProvidersTellIsDrawn(t *testing.T) {
	p := telemetryPlan(experiment.Sequential)
	f := routed(t, world(t, p, telling(12, .03)), experiment.Route{Slots: experiment.SlotsOf(experiment.Shares{5000, 5000})})
	f.draw(600, 10)
	ph := &folded(t, f, 900).Phases[0]
	if ph.Folded.Metrics != 600 {
		t.Errorf("%d windows of metrics are folded", ph.Folded.Metrics)
	}
	for v, want := range []struct{ revenue, failed float64 }{{10, .01}, {12, .03}} {
		e, c := ph.Get(v, "revenue"), ph.Get(v, "failed").Counts
		if e.Units.N != 600 || e.Batches.N() != 600 || c.N != ph.Get(v, experiment.CellRequests).Counts.N {
			t.Fatalf("version %d: %d windows, %d in batches, %d of %d requests counted", v, e.Units.N, e.Batches.N(), c.N, ph.Get(v, experiment.CellRequests).Counts.N)
		}
		sixSE(t, "mean", e.Units.MeanY, want.revenue, 1/math.Sqrt(600))
		n := float64(c.N)
		sixSE(t, "events", float64(c.X), n*want.failed, math.Sqrt(n*want.failed*(1-want.failed)))
		if sd := math.Sqrt(e.Units.M2Y / 599); math.Abs(sd-1) > .15 {
			t.Errorf("windows of version %d vary by %v, want 1", v, sd)
		}
	}
}

// TestTelemetryIsDecided: what is better is promoted, what breaks a limit of
// counters is rolled back, and what is the same is promoted seldom (D9).
func TestTelemetryIsDecided(t *testing.T) {
	const runs = 100
	for name, c := range map[string]struct {
		a           Assumptions
		promoted    [2]int // at least and at most
		rolledBack  int    // at least
		byChanceToo bool
	}{
		"better": {telling(11, .01), [2]int{95, 100}, 0, false},
		"broken": {telling(10, .12), [2]int{0, 0}, 98, false},
		"same":   {telling(10, .01), [2]int{0, 100}, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			p := telemetryPlan(experiment.Sequential)
			r := many(t, p, c.a, Options{Runs: runs, Seed: 3})
			t.Logf("%d promoted, %d rolled back", r.Headgate.Promoted, r.Headgate.RolledBack)
			if n := r.Headgate.Promoted; n < c.promoted[0] || n > c.promoted[1] || r.Headgate.RolledBack < c.rolledBack {
				t.Errorf("%d promoted, %d rolled back", n, r.Headgate.RolledBack)
			}
			if pvalue, err := stats.BinomialTestGreater(int64(r.Headgate.Promoted), runs, p.Analysis.Alpha); err != nil || c.byChanceToo && pvalue < sure {
				t.Errorf("%d of %d promoted between identical versions (%v)", r.Headgate.Promoted, runs, err)
			}
		})
	}
}

// unitsPlan is telemetryPlan with units in place of windows.
func unitsPlan() *experiment.Plan {
	p := telemetryPlan(experiment.Sequential)
	for i := range p.Metrics {
		if m := &p.Metrics[i]; m.Name == "revenue" {
			m.Provider = &experiment.ProviderMetric{SQL: &experiment.SQLQuery{Query: "select", Form: experiment.SQLMoments}}
		}
	}
	return p
}

// TestUnitsOfProvidersAreDrawnAndDecided: each unit that is heard of is one of the
// sample, with the mean and the deviation that are assumed.
func TestUnitsOfProvidersAreDrawnAndDecided(t *testing.T) {
	a := telling(12, .01)
	a.Laws[0].SD, a.Laws[0].Heard = 4, .5
	f := routed(t, world(t, unitsPlan(), a), experiment.Route{Slots: experiment.SlotsOf(experiment.Shares{5000, 5000})})
	f.draw(600, 10)
	ph := &folded(t, f, 900).Phases[0]
	for v, want := range []float64{10, 12} {
		e, units := ph.Get(v, "revenue"), float64(ph.Get(v, experiment.CellExposures).Counts.N)
		n := float64(e.Units.N)
		if e.Counts.N != e.Units.N || e.Counts.X != 0 || e.Batches.N() != 0 {
			t.Fatalf("version %d: %+v", v, e)
		}
		sixSE(t, "units heard of", n, units/2, math.Sqrt(units)/2)
		sixSE(t, "mean", e.Units.MeanY, want, 4/math.Sqrt(n))
		if sd := math.Sqrt(e.Units.M2Y / (n - 1)); math.Abs(sd-4) > .1 || e.Units.MeanX != 1 {
			t.Errorf("units of version %d vary by %v, want 4", v, sd)
		}
	}
	for name, c := range map[string]struct {
		revenue       float64
		least, atMost int
	}{"better": {11, 19, 20}, "worse": {9, 0, 0}} {
		a := telling(c.revenue, .01)
		a.Laws[0].SD = 4
		r := many(t, unitsPlan(), a, Options{Runs: 20, Seed: 5, Rivals: true})
		if n := r.Headgate.Promoted; n < c.least || n > c.atMost {
			t.Errorf("%s: %d of 20 promoted", name, n)
		}
		// A rival without data would never choose.
		if n := r.Iter8.Promoted; (n > 0) != (c.revenue > 10) {
			t.Errorf("%s: iter8's rule promotes %d of 20", name, n)
		}
	}
}

// TestUnitsThatNobodySpeaksFor are assumed as those of outcomes are: within the
// limits, and varying where they are no share.
func TestUnitsThatNobodySpeaksFor(t *testing.T) {
	number := func(x float64) *float64 { return &x }
	for name, c := range map[string]struct {
		limit experiment.Objective
		mean  func(x float64) bool
	}{
		"no limit":           {experiment.Objective{Metric: "revenue"}, func(x float64) bool { return x > 0 && x < 1 }},
		"at most 2":          {experiment.Objective{Metric: "revenue", Max: number(2)}, func(x float64) bool { return x > 0 && x < 2 }},
		"at least 50":        {experiment.Objective{Metric: "revenue", Min: number(50)}, func(x float64) bool { return x >= 50 }},
		"at most minus five": {experiment.Objective{Metric: "revenue", Max: number(-5)}, func(x float64) bool { return x < -5 }},
	} {
		p := unitsPlan()
		p.Objectives = []experiment.Objective{c.limit}
		l := DefaultLaw(p, p.Metric("revenue"))
		if x := l.Values[0]; !c.mean(x) || (l.SD > 0) != (x < 0 || x > 1) {
			t.Errorf("%s: %v varies by %v", name, x, l.SD)
		}
		if err := l.check(p); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Counters are shares, whatever is said of how they vary.
	if err := (&Law{Metric: "failed", Values: []float64{2, 2}, SD: 1}).check(unitsPlan()); err == nil {
		t.Error("twice as many requests fail as there are")
	}
}

// TestClustersTellByTheirPack: where another router carries the traffic, what the
// gateway would have counted comes from its pack, later, and the ledger is not
// waited for.
func TestClustersTellByTheirPack(t *testing.T) {
	p := telemetryPlan(experiment.Sequential)
	p.Router.VirtualService = &experiment.RouteObject{Name: "x"}
	limit := .2
	for _, k := range []experiment.BuiltinKind{experiment.MeanLatency, experiment.Restarts, experiment.ReadyReplicas} {
		p.Metrics = append(p.Metrics, experiment.Metric{Name: string(k), Goal: experiment.Decrease, Builtin: &experiment.BuiltinMetric{Kind: k}})
	}
	p.Metrics = slices.DeleteFunc(p.Metrics, func(m experiment.Metric) bool { return m.Outcomes != nil })
	p.Objectives = append(p.Objectives, experiment.Objective{Metric: "mean-latency", Max: &limit})
	r := many(t, p, telling(11, .01), Options{Runs: 30, Seed: 4})
	if r.Headgate.Promoted < 28 {
		t.Errorf("%d of 30 promoted", r.Headgate.Promoted)
	}
	f := routed(t, world(t, p, telling(11, .01)), experiment.Route{Slots: experiment.SlotsOf(experiment.Shares{5000, 5000})})
	f.draw(100, 10)
	ph := &folded(t, f, 300).Phases[0]
	for _, name := range []string{"mean-latency", "ready-replicas"} {
		if e := ph.Get(1, name); e.Units.N != 100 || e.Batches.N() != 100 {
			t.Errorf("%s: %d windows, %d in batches", name, e.Units.N, e.Batches.N())
		}
	}
	if c := ph.Get(1, "restarts").Counts; c.N != 100 {
		t.Errorf("restarts: %d windows", c.N)
	}
	if units := ph.Get(1, experiment.CellExposures).Counts.N; units == 0 || ph.Folded.Exposures != 0 {
		t.Errorf("%d units are exposed, of %d windows of the ledger", units, ph.Folded.Exposures)
	}
}

// TestSlowWorldsTellToo: the world of single requests raises the counters of
// providers.
func TestSlowWorldsTellToo(t *testing.T) {
	for name, p := range map[string]*experiment.Plan{"windows": telemetryPlan(experiment.Sequential), "units": unitsPlan()} {
		t.Run(name, func(t *testing.T) { slowly(t, p) })
	}
}

func slowly(t *testing.T, p *experiment.Plan) {
	w := &World{Units: 50_000, Rate: 1, Answer: func(rng *rand.Rand, version, _ int, a *Answer) {
		a.Latency = time.Millisecond
		failed := 0.0
		if rng.IntN(100) == 0 {
			failed = 1
		}
		a.Numbers = append(a.Numbers, Number{"failed", failed, 1}, Number{"revenue", []float64{1, 1.5}[version] + rng.NormFloat64(), 1})
	}}
	r, err := Run(p, w, 1, false)
	if err != nil {
		t.Fatal(err)
	}
	if r.Outcome != experiment.Promoted {
		t.Errorf("the end is %s", r.Outcome)
	}
}
