// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"math"
	"testing"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// gated is a plan whose second stage requires something of every kind.
func gated() *experiment.Plan {
	p := base()
	p.Metrics = append(p.Metrics, experiment.Metric{Name: "overlap", Goal: experiment.Increase, Pairs: &experiment.PairsMetric{Compare: experiment.CompareRanking}})
	p.Stages = append(p.Stages, experiment.Stage{
		Name:   "shadow",
		Mirror: &experiment.Mirror{Until: experiment.Until{Pairs: 5000}},
		Require: []experiment.Objective{
			{Metric: "errors", Max: ptr(.01)}, {Metric: "purchase", Min: ptr(.1)}, {Metric: "overlap", Min: ptr(.6)},
		},
	})
	return p
}

// pairsOf are n pairs of the same value but for one in ten, which has another.
func pairsOf(version, n int, value, other float64) experiment.Total {
	var p stats.Pair
	for i := range n {
		if i%10 == 0 {
			p.Add(other, 1)
		} else {
			p.Add(value, 1)
		}
	}
	return experiment.Total{Version: version, Metric: "overlap", Evidence: experiment.Evidence{Units: p}}
}

func TestGatesAreOfTheirStage(t *testing.T) {
	p := gated()
	before := phase(1, half, counts(1, experiment.CellRequests, 9000, 9000), units(1, "purchase", 9000, 0, 1), units(1, "purchase", 1, 1, 1))
	now := at(0)
	if j, _ := Judge(p, totals(before), experiment.Monitors{}, now); j.Find(1, experiment.RoleGate, "errors") != nil {
		t.Error("the first stage requires nothing")
	}
	own := phase(2, half,
		counts(1, experiment.CellRequests, 9000, 5), units(1, "purchase", 9000, 1800, 1), pairsOf(1, 5000, .9, .8),
		counts(0, experiment.CellRequests, 9000, 9000))
	own.Stage, now.Stage, now.Phase = 1, 1, 2
	j, _ := Judge(p, totals(before, own), experiment.Monitors{}, now)
	for metric, basis := range map[string]experiment.Basis{"errors": experiment.BasisRequests, "purchase": experiment.BasisUnits, "overlap": experiment.BasisPairs} {
		v := j.Find(1, experiment.RoleGate, metric)
		if v == nil || v.Status != experiment.Met || v.Basis != basis || v.Limit == nil || v.Interval == nil {
			t.Errorf("%s: %+v", metric, v)
		}
		if j.Find(0, experiment.RoleGate, metric) != nil {
			t.Errorf("the baseline has a gate for %s", metric)
		}
	}
	alpha := .05 / 3
	want, err := stats.BernoulliInterval(stats.Counts{N: 9000, X: 5}, alpha, 500)
	if v := j.Find(1, experiment.RoleGate, "errors"); err != nil || *v.Interval != want || math.Abs(v.Level-1+alpha) > 1e-12 {
		t.Errorf("requests have %+v at %v, want %+v", v.Interval, v.Level, want)
	}
}

func TestGateOfABaselineAlone(t *testing.T) {
	p := base()
	p.Versions = p.Versions[:1]
	p.Stages = []experiment.Stage{{Name: "watch", Observe: &experiment.Observe{}, Require: []experiment.Objective{{Metric: "errors", Max: ptr(.01)}}}}
	j, _ := Judge(p, totals(phase(1, experiment.Shares{10_000}, counts(0, experiment.CellRequests, 1000, 500))), experiment.Monitors{}, at(0))
	if v := j.Find(0, experiment.RoleGate, "errors"); v == nil || v.Status != experiment.Violated {
		t.Errorf("got %+v", v)
	}
}

func TestPairs(t *testing.T) {
	for name, c := range map[string]struct {
		pairs experiment.Total
		want  experiment.Status
	}{
		"none":                                 {units(1, "overlap", 0, 0, 1), experiment.Undecided},
		"agreement throughout has no spread":   {units(1, "overlap", 300, 300, 1), experiment.Met},
		"of it a few say little":               {units(1, "overlap", 3, 3, 1), experiment.Undecided},
		"the same value throughout":            {pairsOf(1, 1000, .9, .9), experiment.Met},
		"disagreement throughout":              {units(1, "overlap", 300, 0, 1), experiment.Violated},
		"yes and no":                           {units(1, "overlap", 2000, 1500, 1), experiment.Met},
		"yes and no, near the limit":           {units(1, "overlap", 2000, 1230, 1), experiment.Undecided},
		"rankings":                             {pairsOf(1, 400, .7, .9), experiment.Met},
		"rankings, beyond the limit":           {pairsOf(1, 400, .5, .4), experiment.Violated},
		"rankings, before the burn-in":         {pairsOf(1, 90, .9, .8), experiment.Undecided},
		"yes and no needs no burn-in for harm": {units(1, "overlap", 95, 5, 1), experiment.Violated},
	} {
		t.Run(name, func(t *testing.T) {
			p := gated()
			own := phase(1, experiment.Shares{10_000, 0}, c.pairs)
			own.Stage = 1
			now := at(0)
			now.Stage = 1
			j, _ := Judge(p, totals(own), experiment.Monitors{}, now)
			v := j.Find(1, experiment.RoleGate, "overlap")
			if v.Status != c.want || v.N != c.pairs.Units.N || v.Basis != experiment.BasisPairs || (v.Estimate == nil) != (v.N == 0) {
				t.Errorf("got %+v, interval %+v", v, v.Interval)
			}
		})
	}
}

// TestPairsAlikeAreRoundedOutwards: seven pairs of 0.55 are between three and
// four that agree.
func TestPairsAlikeAreRoundedOutwards(t *testing.T) {
	got, interval, err := pairInterval(pairsOf(1, 7, .55, .55).Units, .05, 500)
	low, err1 := stats.BernoulliInterval(stats.Counts{N: 7, X: 3}, .05, 500)
	high, err2 := stats.BernoulliInterval(stats.Counts{N: 7, X: 4}, .05, 500)
	if err != nil || err1 != nil || err2 != nil || interval.Low != low.Low || interval.High != high.High {
		t.Errorf("got %+v in %+v, want from %v to %v", got, interval, low.Low, high.High)
	}
}

// TestUnitLimitsShowTheirNewestPhase.
func TestUnitLimitsShowTheirNewestPhase(t *testing.T) {
	p := base()
	p.Objectives = []experiment.Objective{{Metric: "purchase", Min: ptr(.1)}}
	j, _ := Judge(p, totals(phase(1, half, units(1, "purchase", 400, 48, 1)), phase(2, half, units(1, "purchase", 9000, 1800, 1))), experiment.Monitors{}, at(0))
	if v := j.Find(1, experiment.RoleObjective, "purchase"); v.Status != experiment.Met || v.N != 9000 || v.Need != 0 {
		t.Errorf("got %+v", v)
	}
}

// TestPairsAreNeverCompared: what a shadow shows is no user's reaction.
func TestPairsAreNeverCompared(t *testing.T) {
	p := gated()
	p.Guardrails = []experiment.Guardrail{{Metric: "overlap", NoWorseThan: experiment.Margin{Absolute: .1}}}
	p.Reward = &experiment.Reward{Metric: "overlap"}
	j, _ := Judge(p, totals(phase(1, half, pairsOf(0, 5000, .9, .8), pairsOf(1, 5000, .2, .1))), experiment.Monitors{}, at(0))
	for _, v := range j.Verdicts {
		if v.Role == experiment.RoleGuardrail || v.Role == experiment.RoleReward {
			t.Errorf("compared: %+v", v)
		}
	}
}

func TestStreakWantsGatesOfItsStage(t *testing.T) {
	p := base()
	p.Objectives = nil
	p.Stages = []experiment.Stage{
		{Name: "canary", Ramp: &experiment.Ramp{}, Require: []experiment.Objective{{Metric: "errors", Max: ptr(.1)}, {Metric: "purchase", Min: ptr(.1)}}},
		{Name: "later", Ramp: &experiment.Ramp{}, Require: []experiment.Objective{{Metric: "errors", Min: ptr(.3)}}},
	}
	p, _ = candidates(p, 3)
	cell := func(v int, slice string, n, x int64) experiment.Cell {
		return experiment.Cell{CellKey: experiment.CellKey{Version: v, Metric: experiment.CellRequests, Slice: slice}, Evidence: experiment.Evidence{Counts: stats.Counts{N: n, X: x}}}
	}
	for name, c := range map[string]struct {
		stage  int
		shares experiment.Shares
		groups []experiment.GroupShares
		cells  []experiment.Cell
		want   int
	}{
		"met":                             {0, experiment.Shares{8000, 1000, 1000}, nil, []experiment.Cell{cell(1, "", 10, 1), cell(2, "", 10, 0)}, 1},
		"a gate is broken by one":         {0, experiment.Shares{8000, 1000, 1000}, nil, []experiment.Cell{cell(1, "", 10, 1), cell(2, "", 10, 2)}, 0},
		"one has no traffic":              {0, experiment.Shares{8000, 1000, 1000}, nil, []experiment.Cell{cell(1, "", 10, 1)}, 0},
		"one was removed":                 {0, experiment.Shares{9000, 1000, 0}, nil, []experiment.Cell{cell(1, "", 10, 1)}, 1},
		"slices are not counted again":    {0, experiment.Shares{9000, 1000, 0}, nil, []experiment.Cell{cell(1, "", 10, 1), cell(1, "tier=free", 10, 9)}, 1},
		"another stage's gates":           {1, experiment.Shares{9000, 1000, 0}, nil, []experiment.Cell{cell(1, "", 10, 1)}, 0},
		"a least rate":                    {1, experiment.Shares{9000, 1000, 0}, nil, []experiment.Cell{cell(1, "", 10, 3)}, 1},
		"shares in a group are shares":    {0, experiment.Shares{10_000, 0, 0}, []experiment.GroupShares{{Slice: "a", Shares: experiment.Shares{5000, 0, 5000}}}, []experiment.Cell{cell(2, "", 10, 9)}, 0},
		"shares in no group are no share": {0, experiment.Shares{5000, 5000, 0}, []experiment.GroupShares{{Slice: "a", Shares: experiment.Shares{5000, 0, 5000}}}, []experiment.Cell{cell(2, "", 10, 0)}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			ph := &experiment.PhaseTotals{Stage: c.stage, Shares: c.shares, Groups: c.groups}
			if got := Streak(p, ph, experiment.Seal{To: 1, Cells: c.cells}); got != c.want {
				t.Errorf("got %d, want %d", got, c.want)
			}
		})
	}
}
