// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"cmp"
	"math/rand/v2"
	"testing"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// sure is the probability with which a simulation may fail by chance: the seeds
// are fixed, so it either does for ever or never.
const sure = 1e-6

// atMost fails if hits out of runs cannot come from a rate of at most p.
func atMost(t *testing.T, what string, hits, runs int, p float64) {
	t.Helper()
	pvalue, err := stats.BinomialTestGreater(int64(hits), int64(runs), p)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s: %d of %d", what, hits, runs)
	if pvalue < sure {
		t.Errorf("%s: %d of %d, which a rate of at most %v gives with probability %.2g", what, hits, runs, p, pvalue)
	}
}

// ramp plays an A/A ramp of persistent units and tells how a plan that knows
// that units persist judges it, and how one that takes every request for a new
// unit does. In an extreme world a unit buys always or never.
type ramp struct {
	shares []experiment.Share
	units  int
	rate   float64
	looks  int // in each phase
	// fixed makes what a unit does in one phase what it does in all.
	fixed bool
	// planned is the number of units that the tests are tuned to.
	planned int64
}

// harmed plays once; judged says of each plan whether it saw harm.
func (r *ramp) harmed(seed uint64, plans []*experiment.Plan) []bool {
	rng := rand.New(rand.NewPCG(seed, 20260101))
	slot, buys := make([]float64, r.units), make([]float64, r.units)
	for i := range slot {
		slot[i], buys[i] = rng.Float64(), bernoulli(rng, r.rate)
	}
	out, memory := make([]bool, len(plans)), make([]experiment.Monitors, len(plans))
	var all experiment.Totals
	for number, share := range r.shares {
		all.Phases = append(all.Phases, experiment.PhaseTotals{Epoch: 1, Phase: number + 1, Shares: experiment.Shares{experiment.Whole - share, share}})
		var arms [2]stats.Pair
		for i := range slot {
			version := 0
			if slot[i] < share.Fraction() {
				version = 1
			}
			y := buys[i]
			if !r.fixed {
				y = bernoulli(rng, r.rate)
			}
			arms[version].Add(y, 1)
			if (i+1)%(r.units/r.looks) > 0 {
				continue
			}
			p := &all.Phases[number]
			p.Cells = []experiment.Total{
				{Version: 0, Metric: "purchase", Evidence: experiment.Evidence{Units: arms[0]}},
				{Version: 1, Metric: "purchase", Evidence: experiment.Evidence{Units: arms[1]}},
			}
			for k, plan := range plans {
				var j experiment.Judgement
				j, memory[k] = Judge(plan, &all, memory[k], At{Epoch: 1, Phase: number + 1, StageStart: start, Now: start})
				out[k] = out[k] || j.Find(1, experiment.RoleReward, "purchase").Status == experiment.Worse
			}
		}
	}
	return out
}

func bernoulli(rng *rand.Rand, p float64) float64 {
	if rng.Float64() < p {
		return 1
	}
	return 0
}

func (r *ramp) plans() []*experiment.Plan {
	planned := cmp.Or(r.planned, int64(r.units))
	persistent, anew := rewarded(planned), rewarded(planned)
	anew.Assignment.Unit = experiment.Unit{Request: true}
	return []*experiment.Plan{persistent, anew}
}

func (r *ramp) count(runs int) (union, product int) {
	plans := r.plans()
	for seed := range runs {
		h := r.harmed(uint64(seed), plans)
		if h[0] {
			union++
		}
		if h[1] {
			product++
		}
	}
	return union, product
}

// TestFalseHarmUnderPersistentUnits: between identical versions, with units that
// differ as much as can be and persist over a ramp of four phases, harm is
// seen with probability at most HarmAlpha. Had the phases been multiplied, as
// if they were independent, it would not be: this is what the union bound is
// for (docs/decisions/0008). It takes a gentle ramp and a plan for many more units
// to show it; a product over steep ramps mostly hides behind the slack that
// the one-sided mixture leaves.
func TestFalseHarmUnderPersistentUnits(t *testing.T) {
	const runs = 3000
	r := &ramp{shares: []experiment.Share{4970, 4980, 4990, 5000}, units: 1000, rate: .3, looks: 4, fixed: true, planned: 5000}
	union, product := r.count(runs)
	atMost(t, "false harm, phases share the error", union, runs, .05)
	t.Logf("false harm, phases multiplied: %d of %d", product, runs)
	if pvalue, err := stats.BinomialTestGreater(int64(product), runs, .05); err != nil || pvalue > sure {
		t.Errorf("the test has no teeth: multiplied phases see harm in %d of %d (p %v, %v)", product, runs, pvalue, err)
	}
}

// TestFalseHarmOfRequests: where every phase draws anew, multiplying is right.
func TestFalseHarmOfRequests(t *testing.T) {
	const runs = 400
	r := &ramp{shares: []experiment.Share{2000, 3000, 4000, 5000}, units: 2000, rate: .3, looks: 5}
	union, product := r.count(runs)
	atMost(t, "false harm, phases share the error", union, runs, .05)
	atMost(t, "false harm, phases multiplied", product, runs, .05)
}

// TestFalseHarmOfSmallCanaries: a canary of 1 % with a metric that seldom
// happens is where normal approximations are at their worst. Before the arms
// shared their spread, a third of identical canaries were rolled back.
func TestFalseHarmOfSmallCanaries(t *testing.T) {
	for name, r := range map[string]*ramp{
		"1% canary, rate 1%":    {shares: []experiment.Share{100}, units: 50_000, rate: .01, looks: 50},
		"10% canary, rate 0.2%": {shares: []experiment.Share{1000}, units: 20_000, rate: .002, looks: 20},
		"1% then 5%, rate 3%":   {shares: []experiment.Share{100, 500}, units: 20_000, rate: .03, looks: 20, fixed: true},
	} {
		t.Run(name, func(t *testing.T) {
			const runs = 120
			union, _ := r.count(runs)
			atMost(t, "false harm", union, runs, .05)
		})
	}
}

// TestRealHarmIsSeen: the tests that say little of nothing say enough of
// something.
func TestRealHarmIsSeen(t *testing.T) {
	p := rewarded(10_000)
	s := &story{plan: p}
	if v := s.look(t, 0, 5000, 1500, 1250); v.Status != experiment.Worse {
		t.Errorf("five points less of thirty in 5000 units each: %s, log e %v", v.Status, v.LogE)
	}
}
