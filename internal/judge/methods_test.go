// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

func by(method experiment.Method, units int64) *story {
	s := &story{plan: rewarded(units)}
	s.plan.Analysis.Method = method
	return s
}

func TestFixedTestsOnceAndHidesUntilThen(t *testing.T) {
	s := by(experiment.Fixed, 4000)
	v := s.look(t, time.Minute, 1999, 200, 600)
	if v.Status != experiment.Undecided || !v.Hidden || v.Final || len(s.m.Looks) != 0 || v.Guarantee != experiment.GuaranteeHorizon || s.j.Planned != 1 || v.Need != 2 {
		t.Errorf("before the horizon: %+v", v)
	}
	v = s.look(t, 2*time.Minute, 2000, 400, 450)
	if v.Status != experiment.Better || v.Hidden || !v.Final || len(s.m.Looks) != 1 {
		t.Fatalf("at the horizon: %+v", v)
	}
	if l := s.m.Looks[0]; math.Abs(l.Bound-1.6448536269514722) > 1e-12 || l.Spent != 1 || l.Information != 4000 {
		t.Errorf("the test is %+v", l)
	}
	// What comes late is no second test.
	if v = s.look(t, 3*time.Minute, 2100, 450, 440); v.Status != experiment.Better || len(s.m.Looks) != 1 {
		t.Errorf("later: %+v", v)
	}
	s = by(experiment.Fixed, 4000)
	s.look(t, time.Minute, 2000, 400, 420)
	if v := s.look(t, 2*time.Minute, 4000, 400, 900); v.Status != experiment.Undecided || !v.Final {
		t.Errorf("tried again after the horizon: %+v", v)
	}
}

// TestFixedTellsNothingByWhatItNeeds: how much more it would take is made of the
// hidden difference, and shows its size and its side.
func TestFixedTellsNothingByWhatItNeeds(t *testing.T) {
	for _, better := range []int{150, 200, 205, 210} {
		s := by(experiment.Fixed, 0)
		if v := s.look(t, time.Minute, 2000, 200, better); !v.Hidden || v.Need != 0 {
			t.Errorf("%d of 2000: hidden is %v, need %d", better, v.Hidden, v.Need)
		}
	}
}

func TestFixedHidesBeforeItsSplitToo(t *testing.T) {
	p := rewarded(4000)
	p.Analysis.Method = experiment.Fixed
	p.Stages = []experiment.Stage{{Name: "canary", Ramp: &experiment.Ramp{}}, p.Stages[0], {Name: "soak", Observe: &experiment.Observe{}}}
	ph := phase(1, half, units(0, "purchase", 1000, 200, 1), units(1, "purchase", 1000, 210, 1))
	for stage, want := range []bool{true, true, false} {
		now := at(0)
		now.Stage = stage
		j, _ := Judge(p, totals(ph), experiment.Monitors{}, now)
		if v := j.Find(1, experiment.RoleReward, "purchase"); v.Hidden != want {
			t.Errorf("stage %d: hidden is %v", stage, v.Hidden)
		}
	}
}

// TestHarmIsTheSameInAllMethods, and is never hidden.
func TestHarmIsTheSameInAllMethods(t *testing.T) {
	var logE []float64
	for _, m := range []experiment.Method{experiment.Sequential, experiment.Anytime, experiment.Fixed, experiment.Bayesian, experiment.Threshold} {
		s := by(m, 20_000)
		v := s.look(t, time.Minute, 5000, 1500, 1250)
		if v.Status != experiment.Worse || v.Hidden || v.Guarantee != experiment.GuaranteeAnytime {
			t.Errorf("%s: %+v", m, v)
		}
		logE = append(logE, v.LogE)
	}
	if slices.Max(logE) != slices.Min(logE) {
		t.Errorf("log e %v", logE)
	}
}

func TestThresholdComparesTheEstimateAtTheHorizon(t *testing.T) {
	for name, c := range map[string]struct {
		goal   experiment.Goal
		xc     int
		margin experiment.Margin
		after  time.Duration
		want   experiment.Status
	}{
		"beyond the smallest effect":           {experiment.Increase, 251, experiment.Margin{Absolute: .05}, time.Hour, experiment.Better},
		"just short of it":                     {experiment.Increase, 249, experiment.Margin{Absolute: .05}, time.Hour, experiment.Undecided},
		"relative":                             {experiment.Increase, 221, experiment.Margin{Relative: .1}, time.Hour, experiment.Better},
		"below it":                             {experiment.Increase, 230, experiment.Margin{Absolute: .05}, time.Hour, experiment.Undecided},
		"the wrong way":                        {experiment.Decrease, 251, experiment.Margin{Absolute: .05}, time.Hour, experiment.Undecided},
		"less, where less is good":             {experiment.Decrease, 149, experiment.Margin{Absolute: .05}, time.Hour, experiment.Better},
		"before the horizon":                   {experiment.Increase, 260, experiment.Margin{Absolute: .05}, time.Minute, experiment.Undecided},
		"no difference is not beyond a margin": {experiment.Increase, 200, experiment.Margin{}, time.Hour, experiment.Undecided},
	} {
		t.Run(name, func(t *testing.T) {
			s := by(experiment.Threshold, 100_000)
			s.plan.Reward.MinimumEffect, s.plan.Metrics[2].Goal = c.margin, c.goal
			v := s.look(t, c.after, 1000, 200, c.xc)
			if v.Status != c.want || v.Guarantee != experiment.GuaranteeNone || v.Final != (c.after == time.Hour) || v.Hidden {
				t.Errorf("got %+v, estimate %v", v, *v.Estimate)
			}
		})
	}
}

func TestBayesianDecidesByChance(t *testing.T) {
	s := by(experiment.Bayesian, 100_000)
	s.plan.Stages[0].Split.Until.AtLeast = 10 * time.Minute
	v := s.look(t, time.Minute, 1000, 200, 240)
	se := math.Sqrt(.24 * .76 / 1000 * 2)
	if math.Abs(v.Chance-stats.NormalCDF(.04/se*math.Sqrt(999./1000)))/v.Chance > 1e-6 || v.Status != experiment.Undecided || v.Guarantee != experiment.GuaranteeNone {
		t.Errorf("before atLeast: %+v", v)
	}
	if v = s.look(t, 10*time.Minute, 1000, 200, 240); v.Status != experiment.Better || v.Level != .95 {
		t.Errorf("after it: %+v", v)
	}
	if v = s.look(t, 11*time.Minute, 2000, 400, 402); v.Status != experiment.Undecided || v.Chance > .6 || v.Need == 0 {
		t.Errorf("chance may go as it came: %+v", v)
	}
	if v = s.look(t, time.Hour, 2000, 400, 402); v.Status != experiment.Undecided || !v.Final {
		t.Errorf("at the horizon: %+v", v)
	}
	if v = s.look(t, 2*time.Hour, 2000, 400, 600); v.Status != experiment.Undecided || v.Chance < .99 {
		t.Errorf("what the horizon said was said: %+v", v)
	}
	s.plan.Metrics[2].Goal = experiment.Decrease
	s.m = experiment.Monitors{}
	if v = s.look(t, 20*time.Minute, 1000, 240, 200); v.Status != experiment.Better || v.Chance < .95 {
		t.Errorf("less is better: %+v", v)
	}
}

// TestANewStageForgetsABenefit: what a split said ends with it.
func TestANewStageForgetsABenefit(t *testing.T) {
	s := by(experiment.Anytime, 10_000)
	s.plan.Stages = append(s.plan.Stages, s.plan.Stages[0])
	if v := s.look(t, time.Minute, 1000, 200, 400); v.Status != experiment.Better {
		t.Fatalf("the example does not tell: %+v", v)
	}
	second := phase(2, half, units(0, "purchase", 1000, 200, 1), units(1, "purchase", 1000, 200, 1))
	second.Stage = 1
	now := at(0)
	now.Stage, now.Phase = 1, 2
	j, _ := Judge(s.plan, totals(second), s.m, now)
	if v := j.Find(1, experiment.RoleReward, "purchase"); v.Status != experiment.Undecided {
		t.Errorf("the second split begins with %s", v.Status)
	}
}

// TestFalseBenefit is D9 at the level of judge: between identical versions,
// also with several candidates, and where the difference is stratified or a
// candidate leaves in the middle.
func TestFalseBenefit(t *testing.T) {
	for name, c := range map[string]struct {
		method   experiment.Method
		versions int
		stratify bool
		leaves   bool
	}{
		"fixed":                          {experiment.Fixed, 2, false, false},
		"fixed, four versions":           {experiment.Fixed, 4, false, false},
		"sequential, three versions":     {experiment.Sequential, 3, false, false},
		"sequential, stratified":         {experiment.Sequential, 2, true, false},
		"sequential, a candidate leaves": {experiment.Sequential, 3, false, true},
		"anytime, stratified":            {experiment.Anytime, 2, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			const runs, batches, batch = 200, 5, 300
			p, shares := candidates(tiers(rewarded(int64(batches*batch*c.versions)), c.stratify), c.versions)
			p.Analysis.Method = c.method
			said := 0
			for seed := range uint64(runs) {
				if falseBenefit(p, shares, rand.New(rand.NewPCG(seed, 11)), batches, batch, c.leaves) {
					said++
				}
			}
			atMost(t, "false benefit", said, runs, .05)
		})
	}
}

// falseBenefit plays identical versions whose groups differ, and says whether
// any candidate was ever called better. If one leaves, the units of the others
// are seen again in a second phase, with the same outcomes.
func falseBenefit(p *experiment.Plan, shares experiment.Shares, rng *rand.Rand, batches, batch int, leaves bool) bool {
	rates, names := []float64{.05, .5}, []string{"tier=free", "tier=premium"}
	cells := make(map[string][]stats.Pair, 3)
	for _, slice := range append(names, "") {
		cells[slice] = make([]stats.Pair, len(p.Versions))
	}
	var m experiment.Monitors
	better := false
	var phases []experiment.PhaseTotals
	for b := range batches {
		for range batch * len(p.Versions) {
			g, v := rng.IntN(2), rng.IntN(len(p.Versions))
			y := bernoulli(rng, rates[g])
			cells[""][v].Add(y, 1)
			cells[names[g]][v].Add(y, 1)
		}
		var evidence []experiment.Total
		for slice, arms := range cells {
			for v, pair := range arms {
				evidence = append(evidence, in(slice, experiment.Total{Version: v, Metric: "purchase", Evidence: experiment.Evidence{Units: pair}}))
			}
		}
		now := at(time.Minute)
		current := append(slices.Clone(phases), phase(len(phases)+1, shares, evidence...))
		if leaves && b == batches/2 {
			phases = current
			now.Removed = []int{2}
		}
		var j experiment.Judgement
		j, m = Judge(p, totals(current...), m, now)
		better = better || slices.ContainsFunc(j.Verdicts, func(v experiment.Verdict) bool { return v.Status == experiment.Better })
	}
	return better
}
