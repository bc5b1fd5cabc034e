// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

func TestTokensAreSpentByStage(t *testing.T) {
	p := base()
	p.Versions[0].Cost = experiment.Cost{PerRequest: .01, PerToken: .001}
	p.Versions[1].Cost = experiment.Cost{PerToken: .002, PerHour: 3}
	p.Stages = append(p.Stages, p.Stages[0])
	tokens := func(version int, n int64, mean float64) experiment.Total {
		return experiment.Total{Version: version, Metric: experiment.CellTokens, Evidence: experiment.Evidence{Units: stats.Pair{N: n, MeanY: mean, MeanX: 1}}}
	}
	first := phase(1, half, counts(0, experiment.CellRequests, 100, 0), tokens(0, 90, 50), tokens(1, 80, 100))
	second := phase(2, half, tokens(1, 10, 1000))
	first.Start, second.Start, second.Stage = start, start.Add(time.Hour), 1
	j, _ := Judge(p, totals(first, second), experiment.Monitors{}, At{Epoch: 1, Phase: 2, Stage: 1, StageStart: start, Now: start.Add(3 * time.Hour)})
	want := []float64{1 + 4.5 + 16 + 3, 20 + 6}
	if len(j.Spent.Stages) != 2 || math.Abs(j.Spent.Stages[0]-want[0]) > 1e-9 || math.Abs(j.Spent.Stages[1]-want[1]) > 1e-9 ||
		math.Abs(j.Spent.Cost-want[0]-want[1]) > 1e-9 {
		t.Errorf("got %+v, want %v", j.Spent, want)
	}
	p.Versions[0].Cost, p.Versions[1].Cost = experiment.Cost{}, experiment.Cost{}
	if j, _ := Judge(p, totals(first), experiment.Monitors{}, at(0)); j.Spent.Stages != nil {
		t.Errorf("what costs nothing has stages: %+v", j.Spent)
	}
}

// pairsByUnit are pairs of units that have 1 to 2 each - 1 of them; every so
// many-th unit has none that agree.
func pairsByUnit(version int, slice string, units, each, every int) experiment.Total {
	var p stats.Pair
	for i := range units {
		n := float64(1 + i%(2*each-1))
		y := n
		if every > 0 && i%every == 0 {
			y = 0
		}
		p.Add(y, n)
	}
	pairs := int64(math.Round(p.MeanX * float64(p.N)))
	return experiment.Total{Version: version, Metric: "overlap", Slice: slice, Evidence: experiment.Evidence{Units: p, Counts: stats.Counts{N: pairs + 7, X: 7}}}
}

func TestGatesOfPairsInSlices(t *testing.T) {
	p := gated()
	p.Segments = []experiment.Segment{{Name: "tier", Header: "x-tier", Values: []string{"premium", "basic"}}}
	p.Stages[1].Require = []experiment.Objective{{Metric: "overlap", Min: ptr(.8), Slices: []string{"tier"}}}
	ph := phase(2, experiment.Shares{10_000, 0},
		pairsByUnit(1, "", 3000, 3, 30), pairsByUnit(1, "tier=premium", 300, 3, 2), pairsByUnit(1, "tier=basic", 2700, 3, 0))
	ph.Stage = 1
	now := at(0)
	now.Stage, now.Phase = 1, 2
	j, _ := Judge(p, totals(ph), experiment.Monitors{}, now)
	for slice, want := range map[string]experiment.Status{"": experiment.Met, "tier=premium": experiment.Violated, "tier=basic": experiment.Met, "tier=other": experiment.Undecided} {
		v := j.FindIn(1, experiment.RoleGate, "overlap", slice)
		e := ph.GetSlice(1, "overlap", slice)
		if v == nil || v.Status != want || v.Basis != experiment.BasisPairs || v.N != e.Counts.N-e.Counts.X {
			t.Errorf("%q: %+v, want %s of %d pairs", slice, v, want, e.Counts.N-e.Counts.X)
		}
	}
	if want := ph.Get(1, "overlap").Counts.N - 7; j.Pairs != want {
		t.Errorf("%d pairs, want %d: units are fewer", j.Pairs, want)
	}
	if got, want := p.TestAlpha(), .05/4; math.Abs(got-want) > 1e-15 {
		t.Errorf("each of four tests has %v, want %v", got, want)
	}
}

// TestObjectivesInSlices: objectives of requests, units and answers hold in every
// group too, for the baseline as well.
func TestObjectivesInSlices(t *testing.T) {
	p := base()
	p.Segments = []experiment.Segment{{Name: "tier", Header: "x-tier", Values: []string{"premium"}}}
	p.Objectives = []experiment.Objective{{Metric: "errors", Max: ptr(.02), Slices: []string{"tier"}}, {Metric: "purchase", Min: ptr(.1), Slices: []string{"tier"}}}
	in := func(slice string, t experiment.Total) experiment.Total {
		t.Slice = slice
		return t
	}
	j, _ := Judge(p, totals(phase(1, half,
		counts(1, experiment.CellRequests, 20_000, 150), in("tier=premium", counts(1, experiment.CellRequests, 1000, 100)), in("tier=other", counts(1, experiment.CellRequests, 19_000, 50)),
		units(1, "purchase", 20_000, 6000, 1), in("tier=premium", units(1, "purchase", 1000, 20, 1)), in("tier=other", units(1, "purchase", 19_000, 5980, 1)))), experiment.Monitors{}, at(0))
	for _, metric := range []string{"errors", "purchase"} {
		for slice, want := range map[string]experiment.Status{"": experiment.Met, "tier=premium": experiment.Violated, "tier=other": experiment.Met} {
			if v := j.FindIn(1, experiment.RoleObjective, metric, slice); v == nil || v.Status != want {
				t.Errorf("%s in %q: %+v, want %s", metric, slice, v, want)
			}
			if j.FindIn(0, experiment.RoleObjective, metric, slice) == nil {
				t.Errorf("%s in %q: the baseline is not asked", metric, slice)
			}
		}
	}
}

// TestPairsThatAllAgree: however many pairs a unit has, agreement without an
// exception is evidence, of as many observations as there are units at most.
func TestPairsThatAllAgree(t *testing.T) {
	all := pairsByUnit(1, "", 2000, 4, 0).Units
	est, i, err := pairInterval(all, .05, 500)
	single, err2 := stats.BernoulliInterval(stats.Counts{N: 2000, X: 2000}, .05, 500)
	if err != nil || err2 != nil || est.Value != 1 || i.High != 1 || i.Low < .97 || i.Low > single.Low {
		t.Errorf("%+v in %+v, single pairs in %+v; %v %v", est, i, single, err, err2)
	}
}

// TestPairsOfUnitsKeepTheirError: pairs of one unit agree or differ together. An
// interval looked at all the time leaves the truth out no more often than it
// says, also while few differ.
func TestPairsOfUnitsKeepTheirError(t *testing.T) {
	const runs, looks, step, alpha = 250, 40, 30, .1
	naive := int64(0)
	for _, truth := range []float64{.995, .9, .5} {
		t.Run(fmt.Sprint(truth), func(t *testing.T) {
			r := rand.New(rand.NewPCG(uint64(1000*truth), 6))
			missed := int64(0)
			for range runs {
				var p stats.Pair
				var pairs stats.Counts
				out, outNaive := false, false
				for range looks {
					for range step {
						n, y := 1+r.IntN(8), 0
						if r.Float64() < truth {
							y = n
						}
						p.Add(float64(y), float64(n))
						pairs = pairs.Merge(stats.Counts{N: int64(n), X: int64(y)})
					}
					_, i, err := pairInterval(p, alpha, 500)
					out = out || err == nil && !i.Contains(truth)
					plain, err := stats.BernoulliInterval(pairs, alpha, 500)
					outNaive = outNaive || err == nil && !plain.Contains(truth)
				}
				if out {
					missed++
				}
				if outNaive {
					naive++
				}
			}
			t.Logf("%d of %d left the truth out", missed, runs)
			if p, err := stats.BinomialTestGreater(missed, runs, alpha); err != nil || p < 1e-6 {
				t.Errorf("%d of %d left the truth out, p = %.2g, %v", missed, runs, p, err)
			}
		})
	}
	if p, err := stats.BinomialTestGreater(naive, 3*runs, alpha); err != nil || p > 1e-6 {
		t.Errorf("counting pairs left it out %d times (p = %.2g), %v: nothing is shown", naive, p, err)
	}
}

// TestNeedOfPairsByUnit: what is missing is said in pairs, and having it decides.
func TestNeedOfPairsByUnit(t *testing.T) {
	p := gated()
	p.Stages[1].Require = []experiment.Objective{{Metric: "overlap", Min: ptr(.9)}}
	now := at(0)
	now.Stage, now.Phase = 1, 2
	for name, every := range map[string]int{"all agree": 0, "one in twenty differs": 20} {
		status := func(units int) *experiment.Verdict {
			ph := phase(2, experiment.Shares{10_000, 0}, pairsByUnit(1, "", units, 3, every))
			ph.Stage = 1
			j, _ := Judge(p, totals(ph), experiment.Monitors{}, now)
			return j.Find(1, experiment.RoleGate, "overlap")
		}
		units := 40
		if every > 0 {
			units = 300
		}
		v := status(units)
		if v.Status != experiment.Undecided || v.Need == 0 {
			t.Errorf("%s: %+v", name, v)
			continue
		}
		more := float64(v.N+v.Need) / float64(v.N)
		if got := status(int(1.2 * more * float64(units))); got.Status != experiment.Met {
			t.Errorf("%s: %d pairs more than %d do not decide: %+v", name, v.Need, v.N, got)
		}
		if got := status(int(.6 * more * float64(units))); got.Status != experiment.Undecided {
			t.Errorf("%s: %d pairs more than %d are too many: %+v", name, v.Need, v.N, got)
		}
	}
}
