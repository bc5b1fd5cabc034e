// SPDX-License-Identifier: Apache-2.0

package simulate

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/assign"
	"github.com/headgate-dev/headgate/internal/experiment"
)

func planOf() *experiment.Plan {
	limit, slow := .1, .05
	return &experiment.Plan{
		Name: "x", Window: time.Minute, Lag: 10 * time.Second, Stale: 5 * time.Minute,
		Versions:   []experiment.Version{{Name: "v1"}, {Name: "v2"}},
		Assignment: experiment.Assignment{Unit: experiment.Unit{Header: "x-user"}},
		Metrics: []experiment.Metric{
			{Name: "errors", Goal: experiment.Decrease, Builtin: &experiment.BuiltinMetric{Kind: experiment.ErrorRate}},
			{Name: "p95", Goal: experiment.Decrease, Builtin: &experiment.BuiltinMetric{Kind: experiment.Latency, Quantile: .95, Limit: time.Second}},
			{Name: "purchase", Goal: experiment.Increase, Outcomes: &experiment.OutcomesMetric{Event: "purchase", Window: 3 * time.Minute}},
			{Name: "refund", Goal: experiment.Decrease, Outcomes: &experiment.OutcomesMetric{Event: "refund", Per: "purchase", Window: 2 * time.Minute}},
		},
		Reward:     &experiment.Reward{Metric: "purchase", MinimumEffect: experiment.Margin{Absolute: .1}},
		Objectives: []experiment.Objective{{Metric: "errors", Max: &limit}, {Metric: "p95", Max: &slow}},
		Stages: []experiment.Stage{
			{Name: "canary", Ramp: &experiment.Ramp{
				Steps: []experiment.Share{1000, 3000}, Hold: experiment.Hold{Requests: 30, Windows: 1}, AtMost: 2 * time.Hour,
			}},
			{Name: "ab", Split: &experiment.Split{
				Shares: experiment.Shares{5000, 5000}, Otherwise: experiment.KeepBaseline,
				Until: experiment.Until{Decided: true, Units: 2000, AtMost: 2 * time.Hour},
			}},
		},
		Analysis:  experiment.Analysis{Method: experiment.Sequential, Alpha: .05, HarmAlpha: .05, Looks: 4},
		OnUnknown: experiment.OnUnknown{After: time.Hour, Do: experiment.PolicyRollback},
	}
}

// shop is a world in which the candidate sells more.
func shop() *World { return &World{Units: 3000, Rate: 1, Answer: shopWith(.3, .5)} }

// shopWith answers by how much each of two versions sells.
func shopWith(sells ...float64) func(*rand.Rand, int, int, *Answer) {
	return func(rng *rand.Rand, version, _ int, a *Answer) {
		a.Failed = rng.Float64() < .02
		a.Latency = time.Duration(rng.ExpFloat64() * float64(100*time.Millisecond))
		if rng.Float64() < sells[version] {
			a.Outcomes = append(a.Outcomes, Outcome{Event: "purchase", Value: 1, After: 5 * time.Second})
		}
	}
}

func TestRunsAreDeterminedByTheirSeed(t *testing.T) {
	run := func(seed uint64) Result {
		r, err := Run(planOf(), shop(), seed, true)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	one := run(1)
	if d := cmp.Diff(one, run(1)); d != "" {
		t.Errorf("the same seed gives another run (-first +second):\n%s", d)
	}
	if cmp.Equal(one, run(2)) {
		t.Error("another seed gives the same run")
	}
	if one.Outcome != experiment.Promoted || one.Winner != 1 || one.Took <= 0 || one.Reason.Code != experiment.ReasonBetter {
		t.Errorf("%s, version %d after %s: %s", one.Outcome, one.Winner, one.Took, one.Reason)
	}
}

func TestJournalsAreConsecutive(t *testing.T) {
	r, err := Run(planOf(), shop(), 3, true)
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range r.Entries {
		if e.Seq != int64(i) || (e.Plan != nil) != (i == 0) {
			t.Errorf("entry %d has the number %d and a plan %v", i, e.Seq, e.Plan != nil)
		}
		if i > 0 && (e.Before != r.Entries[i-1].After || !e.Now.After(r.Entries[i-1].Now)) {
			t.Errorf("entry %d at %s does not continue the one at %s", i, e.Now, r.Entries[i-1].Now)
		}
	}
	last := r.Entries[len(r.Entries)-1]
	if last.State.Condition != experiment.Done || last.State.Outcome != r.Outcome || last.Now.Sub(start) != r.Took {
		t.Errorf("the last entry is %+v", last.Decision)
	}
	quiet, err := Run(planOf(), shop(), 3, false)
	if err != nil {
		t.Fatal(err)
	}
	if quiet.Entries != nil || quiet.Took != r.Took || quiet.Outcome != r.Outcome {
		t.Errorf("without a journal: %d entries, %s after %s", len(quiet.Entries), quiet.Outcome, quiet.Took)
	}
}

// answered counts what a world answered, per phase and version.
type answered struct {
	requests, failed, slow, purchases [2]int64
	units                             [2]map[int]bool
}

func newAnswered() *answered { return &answered{units: [2]map[int]bool{{}, {}}} }

// TestWorldsConserve: what was answered is what is sealed, each request and
// each unit once, in its phase, and nothing before it is mature.
func TestWorldsConserve(t *testing.T) {
	p, now := planOf(), start
	phase := newAnswered()
	w := &World{Units: 500, Rate: 5, Answer: func(rng *rand.Rand, version, who int, a *Answer) {
		phase.requests[version]++
		phase.units[version][who] = true
		if a.Failed = rng.Float64() < .1; a.Failed {
			phase.failed[version]++
		}
		if a.Latency = time.Duration(rng.IntN(2000)) * time.Millisecond; a.Latency > time.Second {
			phase.slow[version]++
		}
		// At once, so that only what comes after the unit's own window is lost.
		a.Outcomes = append(a.Outcomes, Outcome{Event: "view", Value: 7}, Outcome{Event: "purchase", Value: 2})
		phase.purchases[version]++
	}}
	traffic := newTraffic(p, w, rand.New(rand.NewPCG(5, 5)))
	var tallies []*answered
	totals := experiment.Totals{}
	fold := func() {
		for _, s := range traffic.seals(now) {
			ph := totals.Phase(s.Epoch, s.Phase)
			hold := p.Lag
			if s.Source == experiment.SourceOutcomes {
				hold += p.OutcomeWindow()
			}
			if mature := ph.Start.Add(time.Duration(s.To)*p.Window + hold); mature.After(now) {
				t.Errorf("%s windows up to %d of phase %d are sealed at %s, before %s", s.Source, s.To, s.Phase, now, mature)
			}
			if err := totals.Fold(s); err != nil {
				t.Fatal(err)
			}
		}
	}
	for number, shares := range []experiment.Shares{{10_000, 0}, {9000, 1000}, {5000, 5000}} {
		phase = newAnswered()
		tallies = append(tallies, phase)
		state := experiment.State{Epoch: 1, Phase: number + 1, PhaseStart: now, Slots: experiment.SlotsOf(shares)}
		totals.Phases = append(totals.Phases, experiment.PhaseTotals{Epoch: 1, Phase: number + 1, Start: now, Shares: shares})
		if err := traffic.route(&state); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			traffic.send(now, now.Add(p.Window/2))
			now = now.Add(p.Window / 2)
			fold()
		}
	}
	now = now.Add(time.Hour)
	fold()
	fold() // Nothing is sealed twice.
	for i, want := range tallies {
		for v := range 2 {
			ph := &totals.Phases[i]
			requests, p95 := ph.Get(v, experiment.CellRequests).Counts, ph.Get(v, "p95").Counts
			if requests.N != want.requests[v] || requests.X != want.failed[v] || p95.N != want.requests[v] || p95.X != want.slow[v] {
				t.Errorf("phase %d, version %d: requests %+v, latency %+v, want %d requests, %d failed, %d slow", i+1, v, requests, p95, want.requests[v], want.failed[v], want.slow[v])
			}
			units := int64(len(want.units[v]))
			if n := ph.Get(v, experiment.CellExposures).Counts.N; n != units {
				t.Errorf("phase %d, version %d: %d exposures, want %d", i+1, v, n, units)
			}
			purchase, refund := ph.Get(v, "purchase").Units, ph.Get(v, "refund").Units
			if sum := math.Round(purchase.MeanY * float64(purchase.N)); purchase.N != units || sum != float64(2*want.purchases[v]) {
				t.Errorf("phase %d, version %d: %d units with a sum of %v, want %d with %d", i+1, v, purchase.N, sum, units, 2*want.purchases[v])
			}
			if per := math.Round(refund.MeanX * float64(refund.N)); refund.MeanY != 0 || refund.N != units || per != float64(want.purchases[v]) {
				t.Errorf("phase %d, version %d: refunds %+v, want %d of %d units", i+1, v, refund, want.purchases[v], units)
			}
		}
		for who := range want.units[0] {
			if want.units[1][who] {
				t.Errorf("phase %d: unit %d met both versions", i+1, who)
			}
		}
	}
	if tallies[0].requests[1] != 0 || tallies[2].requests[1] == 0 {
		t.Errorf("candidates had %d and %d requests", tallies[0].requests[1], tallies[2].requests[1])
	}
}

func TestOutcomesAfterTheirWindowAreNotCounted(t *testing.T) {
	p := planOf()
	w := &World{Units: 1, Rate: 1, Answer: func(_ *rand.Rand, _, _ int, a *Answer) {
		a.Outcomes = append(a.Outcomes,
			Outcome{Event: "purchase", Value: 1, After: 3 * time.Minute}, Outcome{Event: "purchase", Value: 10, After: 3*time.Minute + 1},
			Outcome{Event: "refund", Value: 1, After: 2 * time.Minute}, Outcome{Event: "refund", Value: 10, After: 2*time.Minute + 1})
	}}
	traffic := newTraffic(p, w, rand.New(rand.NewPCG(1, 1)))
	state := experiment.State{Epoch: 1, Phase: 1, PhaseStart: start, Slots: experiment.SlotsOf(experiment.Baseline(2))}
	if err := traffic.route(&state); err != nil {
		t.Fatal(err)
	}
	traffic.request(traffic.phases[0], start.Add(time.Second), 0)
	u := traffic.phases[0].units[0]
	if d := cmp.Diff([]float64{1, 1}, u.y); d != "" {
		t.Errorf("values (-want +got):\n%s", d)
	}
	// A request that the unit makes later counts from its first exposure on.
	traffic.request(traffic.phases[0], start.Add(2*time.Second), 0)
	if u := traffic.phases[0].units[0]; u.y[0] != 1 {
		t.Errorf("a purchase later than the window was counted: %v", u.y)
	}
}

// TestUnitsKeepTheirVersion: a phase with more for the candidate takes nobody
// from it.
func TestUnitsKeepTheirVersion(t *testing.T) {
	p := planOf()
	traffic := newTraffic(p, &World{Units: 2000}, rand.New(rand.NewPCG(1, 1)))
	slots := experiment.SlotsOf(experiment.Shares{9000, 1000})
	before := make([]int, 2000)
	for i, shares := range []experiment.Shares{{9000, 1000}, {5000, 5000}} {
		slots, err := assign.Rebalance(slots, shares)
		if err != nil {
			t.Fatal(err)
		}
		if err := traffic.route(&experiment.State{Epoch: 1, Phase: i + 1, PhaseStart: start, Slots: slots}); err != nil {
			t.Fatal(err)
		}
		for who, h := range traffic.hashes {
			v := traffic.phases[i].table.At(assign.Slot(h, traffic.salt))
			if before[who] == 1 && v == 0 {
				t.Fatalf("unit %d went back", who)
			}
			before[who] = v
		}
	}
}

func TestBrokenSlotsAreAnError(t *testing.T) {
	traffic := newTraffic(planOf(), shop(), rand.New(rand.NewPCG(1, 1)))
	if err := traffic.route(&experiment.State{}); err == nil {
		t.Error("slots that cover nothing are routed")
	}
}

func BenchmarkRun(b *testing.B) {
	p, w := planOf(), shop()
	b.ReportAllocs()
	for seed := uint64(0); b.Loop(); seed++ {
		if _, err := Run(p, w, seed, false); err != nil {
			b.Fatal(err)
		}
	}
}
