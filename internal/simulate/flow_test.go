// SPDX-License-Identifier: Apache-2.0

package simulate

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// sixSE fails if a mean of draws is more than six standard errors from the truth.
func sixSE(t *testing.T, what string, got, want, se float64) {
	t.Helper()
	if math.Abs(got-want) > 6*se {
		t.Errorf("%s is %v, want %v ± %v", what, got, want, se)
	}
}

// tierPlan has a segment with two groups and the rest, a mirror metric, and cells
// for each group.
func tierPlan(stages ...experiment.Stage) *experiment.Plan {
	p := looksPlan(experiment.Fixed)
	p.Window, p.Lag, p.Stale = time.Minute, 10*time.Second, time.Hour
	p.Versions = append(p.Versions, experiment.Version{Name: "v3"})
	p.Segments = []experiment.Segment{{Name: "tier", Header: "t", Values: []string{"premium", "basic"}}}
	p.Metrics = append(p.Metrics,
		experiment.Metric{Name: "p99", Goal: experiment.Decrease, Builtin: &experiment.BuiltinMetric{Kind: experiment.Latency, Quantile: .99}},
		experiment.Metric{Name: "overlap", Goal: experiment.Increase, Pairs: &experiment.PairsMetric{Compare: experiment.CompareRanking}})
	p.Guardrails[0].Slices = []string{"tier"}
	if stages != nil {
		p.Stages = stages
	}
	return p
}

// routed is a flow with one phase.
func routed(t *testing.T, w *Fast, r experiment.Route) *flow {
	t.Helper()
	f := newFlow(w)
	f.begin(11)
	r.Epoch, r.Phase = 1, 1
	if r.Slots == nil {
		r.Slots = experiment.SlotsOf(experiment.Shares{5000, 3000, 2000})
	}
	f.phase(&r, 0)
	return f
}

// folded seals everything that a flow has drawn and folds it.
func folded(t *testing.T, f *flow, until int64) *experiment.Totals {
	t.Helper()
	totals := &experiment.Totals{}
	for _, s := range f.spans {
		totals.Phases = append(totals.Phases, experiment.PhaseTotals{Epoch: s.epoch, Phase: s.number, Start: f.at(s.start)})
	}
	for now := int64(0); now <= until; now += 7 {
		seals, health := f.seals(now, nil, nil)
		for _, s := range seals {
			p := totals.Phase(s.Epoch, s.Phase)
			if mature := p.Start.Add(time.Duration(s.To+f.hold(s.Source)) * f.w.plan.Window); mature.After(f.at(now)) {
				t.Errorf("%s windows up to %d are sealed %s too early", s.Source, s.To, mature.Sub(f.at(now)))
			}
			if err := totals.Fold(s); err != nil {
				t.Fatal(err)
			}
		}
		if len(health) != len(f.w.plan.Sources()) {
			t.Errorf("%d sources have health", len(health))
		}
	}
	return totals
}

// TestFlowsConserve: every window is sealed once, not before its time; groups sum
// to everybody; requests of who does not match are nowhere.
func TestFlowsConserve(t *testing.T) {
	p := tierPlan(experiment.Stage{Name: "m", Mirror: &experiment.Mirror{Share: 5000, Until: experiment.Until{Pairs: 1, AtMost: time.Hour}}})
	a := assume(p, Effect{})
	a.Rate, a.Groups = 20, []GroupShare{{"tier=premium", .5}, {"tier=basic", .3}}
	w := world(t, p, a)
	where := experiment.Where{{Segment: "tier", Not: []string{"premium"}}}
	f := routed(t, w, experiment.Route{Where: where, Mirror: &experiment.MirrorRoute{Share: 5000, Versions: []int{1, 2}}})
	for _, until := range []int64{1, 60, 400, 401, 600} {
		f.draw(until, 83)
	}
	totals := folded(t, f, 2000)
	ph := &totals.Phases[0]
	if want := (experiment.Folded{Gateway: 600, Exposures: 600, Outcomes: 600, Pairs: 600}); ph.Folded != want {
		t.Errorf("folded %+v, want %+v", ph.Folded, want)
	}
	for _, metric := range []string{experiment.CellRequests, experiment.CellExposures, experiment.CellMirrored, "purchase", "refund", "p99", "overlap"} {
		for v := range p.Versions {
			var sum experiment.Evidence
			for _, g := range []string{"tier=premium", "tier=basic", "tier=other"} {
				e := ph.GetSlice(v, metric, g)
				if g == "tier=premium" && !cmp.Equal(e, experiment.Evidence{}) {
					t.Errorf("%s of %s: %+v, though it does not match", metric, g, e)
				}
				sum = sum.Merge(e)
			}
			if d := cmp.Diff(ph.Get(v, metric), sum, cmpopts.EquateApprox(1e-9, 1e-9)); d != "" {
				t.Errorf("%s of version %d (-everybody +groups):\n%s", metric, v, d)
			}
		}
	}
	// Half of 20 a second for ten hours: the shares divide them.
	n := .5 * 20 * 600 * 60
	for v, share := range []float64{.5, .3, .2} {
		got := float64(ph.Get(v, experiment.CellExposures).Counts.N)
		sixSE(t, fmt.Sprintf("units of version %d", v), got, share*n, math.Sqrt(share*n))
		if r := ph.Get(v, experiment.CellRequests).Counts.N; r != int64(got) {
			t.Errorf("%d requests of %v units", r, got)
		}
	}
	for v := 1; v <= 2; v++ {
		pairs := ph.Get(v, "overlap")
		sixSE(t, "copies", float64(ph.Get(v, experiment.CellMirrored).Counts.N), n/2, math.Sqrt(n/2))
		sixSE(t, "overlap", pairs.Units.MeanY, .9, math.Sqrt(.09/float64(pairs.Units.N)))
	}
	if e := ph.Get(0, experiment.CellMirrored); e.Counts.N != 0 {
		t.Errorf("the baseline has %d copies", e.Counts.N)
	}
}

// TestLawsAreDrawn holds every kind of metric against what it should be in the
// mean, and its spread against that of units.
func TestLawsAreDrawn(t *testing.T) {
	p := tierPlan()
	p.Metrics = append(p.Metrics,
		experiment.Metric{Name: "revenue", Goal: experiment.Increase, Outcomes: &experiment.OutcomesMetric{Event: "revenue", Window: time.Hour}},
		experiment.Metric{Name: "rating", Goal: experiment.Increase, Outcomes: &experiment.OutcomesMetric{Event: "good", Per: "rated", Window: time.Hour, Joined: .5}})
	flat := func(x float64) []float64 { return []float64{x, x, x} }
	a := Assumptions{Rate: 50, Delay: 30 * time.Minute, Laws: []Law{
		{Metric: "purchase", Values: flat(.2)},
		{Metric: "purchase", Slice: "tier=basic", Values: flat(.4)},
		{Metric: "refund", Values: flat(.3)},
		{Metric: "errors", Values: flat(.02)},
		{Metric: "p99", Values: flat(.01)},
		{Metric: "revenue", Values: flat(50), SD: 20},
		{Metric: "rating", Values: flat(.7), Heard: .6},
	}, Groups: []GroupShare{{"tier=basic", .25}}}
	w := world(t, p, a)
	f := routed(t, w, experiment.Route{})
	f.draw(300, 10)
	ph := &folded(t, f, 600).Phases[0]
	late := 1 - math.Exp(-2) // 60 minutes at a mean of 30
	for v := range 3 {
		n := float64(ph.Get(v, experiment.CellExposures).Counts.N)
		mean := func(metric string, want, sd float64) {
			t.Helper()
			e := ph.Get(v, metric)
			ratio, err := e.Units.Ratio()
			if err != nil || e.Units.N != int64(n) || e.Counts.N != int64(n) {
				t.Fatalf("%s of %v units: %+v, %v", metric, n, e, err)
			}
			sixSE(t, metric, ratio.Value, want, ratio.SE)
			if math.Abs(ratio.SE*math.Sqrt(n)/sd-1) > .05 {
				t.Errorf("%s: a unit's spread seems %v, is %v", metric, ratio.SE*math.Sqrt(n), sd)
			}
		}
		buys := (.75*.2 + .25*.4) * late
		mean("purchase", buys, math.Sqrt(buys*(1-buys)))
		back := .3 * late
		mean("refund", back, math.Sqrt(back*(1-back)/buys))
		mean("revenue", 50*late, math.Sqrt(late*(400+2500*(1-late))))
		mean("rating", .7, math.Sqrt(.21/(.6*late)))
		silent := ph.Get(v, "rating").Counts
		sixSE(t, "silent units", float64(silent.X), n*(1-.6*late), math.Sqrt(n*.25))
		rate := func(metric string, want float64) {
			t.Helper()
			c := ph.Get(v, metric).Counts
			sixSE(t, metric, float64(c.X), want*float64(c.N), math.Sqrt(want*float64(c.N)))
		}
		rate(experiment.CellRequests, .02)
		rate("p99", .01)
	}
}

// TestPairsAreThoseOfUnits: the moments that are made of counts are those of the
// units one by one.
func TestPairsAreThoseOfUnits(t *testing.T) {
	f := newFlow(world(t, looksPlan(experiment.Fixed), Assumptions{Rate: 1}))
	for seed, ratio := range []bool{true, false, true, false} {
		f.dice.seed(uint64(seed), 1, 1)
		got := f.pair(100, 60, .3, 0, ratio)
		hits := int(math.Round(got.MeanY * 100))
		var want stats.Pair
		for i := range 100 {
			y, x := 0., 1.
			if i < hits {
				y = 1
			}
			if ratio && i >= 60 {
				x = 0
			}
			want.Add(y, x)
		}
		if d := cmp.Diff(want, got, cmpopts.EquateApprox(1e-9, 1e-9)); d != "" {
			t.Errorf("ratio %v, %d hits (-units +drawn):\n%s", ratio, hits, d)
		}
	}
	if got := f.pair(0, 0, .3, 0, true); got != (stats.Pair{}) {
		t.Errorf("no units have moments: %+v", got)
	}
}

// TestPopulationsAreMetOnce: a unit counts once a phase; requests do not dry up.
func TestPopulationsAreMetOnce(t *testing.T) {
	p := tierPlan()
	a := assume(p, Effect{})
	a.Rate, a.Units = 10, 6000
	w := world(t, p, a)
	f := routed(t, w, experiment.Route{})
	f.draw(5, 1)
	early := int64(0)
	for _, b := range f.spans[0].batches {
		early += b.tallies[0].units + b.tallies[1].units + b.tallies[2].units
	}
	// 3,000 requests of 6,000 units in five minutes.
	sixSE(t, "units of five minutes", float64(early), 6000*(1-math.Exp(-.5)), math.Sqrt(6000*.25))
	f.draw(600, 25)
	ph := &folded(t, f, 1000).Phases[0]
	units, requests := int64(0), int64(0)
	for v, share := range []float64{.5, .3, .2} {
		n := ph.Get(v, experiment.CellExposures).Counts.N
		sixSE(t, fmt.Sprintf("units of version %d", v), float64(n), share*6000, math.Sqrt(6000*share*(1-share)))
		units += n
		requests += ph.Get(v, experiment.CellRequests).Counts.N
	}
	if units != 6000 {
		t.Errorf("%d of 6000 units were met in ten hours", units)
	}
	sixSE(t, "requests", float64(requests), 10*600*60, math.Sqrt(10*600*60))
	if w := world(t, p, Assumptions{Rate: 1}); w.units != 0 {
		t.Error("there is a population where none was assumed")
	}
	p.Assignment.Unit = experiment.Unit{Request: true}
	if world(t, p, a).units != 0 {
		t.Error("requests are assigned, and yet there is a population")
	}
}

// TestGroupsHaveSharesOfTheirOwn: tables by group divide each group.
func TestGroupsHaveSharesOfTheirOwn(t *testing.T) {
	p := tierPlan()
	a := assume(p, Effect{})
	a.Rate = 100
	w := world(t, p, a)
	var tables []experiment.GroupTable
	for i, s := range p.Segments[0].Slices() {
		shares := experiment.Shares{9000 - experiment.Share(i)*4000, 1000 + experiment.Share(i)*4000, 0}
		tables = append(tables, experiment.GroupTable{Slice: s, Slots: experiment.SlotsOf(shares)})
	}
	f := routed(t, w, experiment.Route{Tables: tables, Slots: experiment.SlotsOf(experiment.Baseline(3))})
	f.draw(60, 60)
	ph := &folded(t, f, 300).Phases[0]
	for i, s := range p.Segments[0].Slices() {
		n := ph.GetSlice(0, experiment.CellExposures, s).Counts.N + ph.GetSlice(1, experiment.CellExposures, s).Counts.N
		share := .1 + .4*float64(i)
		sixSE(t, "units of "+s, float64(ph.GetSlice(1, experiment.CellExposures, s).Counts.N), share*float64(n), math.Sqrt(float64(n)*share*(1-share)))
	}
}

// TestBatchesLoseNothing: drawn at once or window by window, what is sealed at the
// end of a step is the same windows.
func TestBatchesLoseNothing(t *testing.T) {
	p := tierPlan()
	w := world(t, p, assume(p, Effect{}))
	to := func(batch int64) []int64 {
		f := routed(t, w, experiment.Route{})
		var out []int64
		for now := int64(25); now <= 500; now += 25 {
			f.draw(now, batch)
			seals, _ := f.seals(now, nil, nil)
			for _, s := range seals {
				out = append(out, now, s.To)
			}
		}
		return out
	}
	if one, all := to(1), to(25); !slices.Equal(one, all) {
		t.Errorf("window by window %v is sealed, at once %v", one, all)
	}
}

// TestMirrorsKeepToTheirRate: copies are bounded.
func TestMirrorsKeepToTheirRate(t *testing.T) {
	p := tierPlan(experiment.Stage{Name: "m", Mirror: &experiment.Mirror{Share: 5000, Until: experiment.Until{Pairs: 1, AtMost: time.Hour}}})
	a := assume(p, Effect{})
	a.Rate = 100
	f := routed(t, world(t, p, a), experiment.Route{Mirror: &experiment.MirrorRoute{Share: 5000, Rate: 3, Versions: []int{2}}})
	f.draw(10, 10)
	ph := &folded(t, f, 100).Phases[0]
	if n := ph.Get(2, experiment.CellMirrored).Counts.N; n < 3*600-3 || n > 3*600 {
		t.Errorf("%d copies in ten minutes at 3 a second", n)
	}
	if n := ph.Get(1, experiment.CellMirrored).Counts.N; n != 0 {
		t.Errorf("%d copies for a version that has none", n)
	}
}
