// SPDX-License-Identifier: Apache-2.0

package design

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/judge"
	"github.com/headgate-dev/headgate/stats"
)

// sure is the probability with which a right promise may fail here by chance.
const sure = 1e-6

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func planOf(goal experiment.Goal, share experiment.Share, units int64) *experiment.Plan {
	limit := .02
	return &experiment.Plan{
		Name: "x", Versions: make([]experiment.Version, 2),
		Metrics: []experiment.Metric{
			{Name: "purchase", Goal: goal, Outcomes: &experiment.OutcomesMetric{Event: "purchase"}},
			{Name: "errors", Goal: experiment.Decrease, Builtin: &experiment.BuiltinMetric{Kind: experiment.ErrorRate}},
		},
		Reward:     &experiment.Reward{Metric: "purchase", MinimumEffect: experiment.Margin{Absolute: .01}},
		Objectives: []experiment.Objective{{Metric: "errors", Max: &limit}},
		Stages: []experiment.Stage{{Split: &experiment.Split{
			Shares: experiment.Shares{experiment.Whole - share, share}, Until: experiment.Until{Units: units, AtMost: time.Hour},
		}}},
		Analysis: experiment.Analysis{Method: experiment.Sequential, Alpha: .05, HarmAlpha: .05, Looks: 4},
	}
}

// truth of a proportion.
func truth(baseline, candidate float64) Truth {
	sd := func(p float64) float64 { return math.Sqrt(p * (1 - p)) }
	return Truth{Baseline: baseline, Candidate: candidate, SDBaseline: sd(baseline), SDCandidate: sd(candidate)}
}

// agree fails if hits out of runs cannot come from a probability.
func agree(t *testing.T, hits, runs int, p float64, both bool) {
	t.Helper()
	few, err := stats.BinomialTestGreater(int64(runs-hits), int64(runs), 1-p)
	if err != nil {
		t.Fatal(err)
	}
	many, err := stats.BinomialTestGreater(int64(hits), int64(runs), p)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("promised %.4f, seen %d of %d", p, hits, runs)
	if few < sure || both && many < sure {
		t.Errorf("promised %v, seen %d of %d", p, hits, runs)
	}
}

// play runs a split with the real judge, looking after each part of the units,
// and says whether the reward ever had the status.
func play(p *experiment.Plan, w Truth, seed uint64, looks, phase int, want experiment.Status) bool {
	rng := rand.New(rand.NewPCG(seed, 99))
	split := p.Stages[0].Split
	n := int(split.Until.Units)
	candidates := int(float64(n) * split.Shares[1].Fraction())
	rates, sizes := [2]float64{w.Baseline, w.Candidate}, [2]int{n - candidates, candidates}
	var all experiment.Totals
	for i := range phase + 1 {
		all.Phases = append(all.Phases, experiment.PhaseTotals{Epoch: 1, Phase: i + 1, Shares: split.Shares})
	}
	var arms [2]stats.Pair
	var m experiment.Monitors
	for look := 1; look <= looks; look++ {
		cells := make([]experiment.Total, 2)
		for v := range arms {
			for arms[v].N < int64(sizes[v]*look/looks) {
				y := 0.0
				if rng.Float64() < rates[v] {
					y = 1
				}
				arms[v].Add(y, 1)
			}
			cells[v] = experiment.Total{Version: v, Metric: "purchase", Evidence: experiment.Evidence{Units: arms[v]}}
		}
		all.Phases[phase].Cells = cells
		var j experiment.Judgement
		j, m = judge.Judge(p, &all, m, judge.At{Epoch: 1, Phase: phase + 1, StageStart: start, Now: start})
		if j.Find(1, experiment.RoleReward, "purchase").Status == want {
			return true
		}
	}
	return false
}

func count(p *experiment.Plan, w Truth, runs, looks, phase int, want experiment.Status) int {
	hits := 0
	for seed := range runs {
		if play(p, w, uint64(seed), looks, phase, want) {
			hits++
		}
	}
	return hits
}

func TestBenefitIsWhatTheJudgeDoes(t *testing.T) {
	const runs = 300
	for _, c := range []struct {
		goal  experiment.Goal
		share experiment.Share
		units int64
		w     Truth
	}{
		{experiment.Increase, 5000, 2000, truth(.3, .3)},
		{experiment.Increase, 5000, 2000, truth(.3, .33)},
		{experiment.Increase, 5000, 2000, truth(.3, .36)},
		{experiment.Decrease, 5000, 2000, truth(.3, .25)},
		{experiment.Increase, 2000, 3000, truth(.3, .36)},
		{experiment.Decrease, 5000, 2000, truth(.3, .36)},
	} {
		t.Run(fmt.Sprintf("%s, %s of %d, %v to %v", c.goal, c.share.Percent(), c.units, c.w.Baseline, c.w.Candidate), func(t *testing.T) {
			p := planOf(c.goal, c.share, c.units)
			want, err := Benefit(p, p.Stages[0].Split, c.w)
			if err != nil {
				t.Fatal(err)
			}
			agree(t, count(p, c.w, runs, p.Analysis.Looks, 0, experiment.Better), runs, want, true)
		})
	}
}

func TestBenefitOfNothingIsAlpha(t *testing.T) {
	p := planOf(experiment.Increase, 5000, 2000)
	if got, err := Benefit(p, p.Stages[0].Split, truth(.3, .3)); err != nil || math.Abs(got-p.Analysis.Alpha) > 1e-6 {
		t.Errorf("got %v, %v, want %v", got, err, p.Analysis.Alpha)
	}
}

func TestHarmIsWhatTheJudgeDoes(t *testing.T) {
	const runs = 400
	for _, c := range []struct {
		goal  experiment.Goal
		phase int
		w     Truth
	}{
		{experiment.Increase, 0, truth(.3, .22)},
		{experiment.Increase, 0, truth(.3, .26)},
		{experiment.Decrease, 0, truth(.3, .38)},
		{experiment.Increase, 3, truth(.3, .22)},
	} {
		t.Run(fmt.Sprintf("%s, phase %d, %v to %v", c.goal, c.phase, c.w.Baseline, c.w.Candidate), func(t *testing.T) {
			p := planOf(c.goal, 5000, 2000)
			want, err := Harm(p, p.Stages[0].Split, c.w, c.phase)
			if err != nil {
				t.Fatal(err)
			}
			t.Run("with one look at the end", func(t *testing.T) {
				agree(t, count(p, c.w, runs, 1, c.phase, experiment.Worse), runs, want, true)
			})
			t.Run("with more looks at least", func(t *testing.T) {
				agree(t, count(p, c.w, runs, 10, c.phase, experiment.Worse), runs, want, false)
			})
		})
	}
}

func TestLaterPhasesSeeLess(t *testing.T) {
	p := planOf(experiment.Increase, 5000, 2000)
	last := 1.0
	for phase := range 6 {
		got, err := Harm(p, p.Stages[0].Split, truth(.3, .22), phase)
		if err != nil || got >= last || got <= 0 {
			t.Errorf("phase %d: %v, %v, before it %v", phase, got, err, last)
		}
		last = got
	}
}

// TestObjectiveIsWhatTheJudgeDoes plays n requests and asks the judge once.
func TestObjectiveIsWhatTheJudgeDoes(t *testing.T) {
	const runs, n = 2000, 800
	p := planOf(experiment.Increase, 5000, 2000)
	for _, rate := range []float64{.02, .03, .04, .06} {
		t.Run(fmt.Sprint(rate), func(t *testing.T) {
			want, err := Objective(p, .02, rate, n)
			if err != nil {
				t.Fatal(err)
			}
			rng := rand.New(rand.NewPCG(7, 7))
			verdicts := map[int64]bool{} // by the number of failures, which is all that the judge sees
			hits := 0
			for range runs {
				x := int64(0)
				for range n {
					if rng.Float64() < rate {
						x++
					}
				}
				if _, ok := verdicts[x]; !ok {
					all := experiment.Totals{Phases: []experiment.PhaseTotals{{Epoch: 1, Phase: 1, Shares: experiment.Shares{5000, 5000}, Cells: []experiment.Total{
						{Version: 1, Metric: experiment.CellRequests, Evidence: experiment.Evidence{Counts: stats.Counts{N: n, X: x}}},
					}}}}
					j, _ := judge.Judge(p, &all, experiment.Monitors{}, judge.At{Epoch: 1, Phase: 1, StageStart: start, Now: start})
					verdicts[x] = j.Find(1, experiment.RoleObjective, "errors").Status == experiment.Violated
				}
				if verdicts[x] {
					hits++
				}
			}
			agree(t, hits, runs, want, true)
		})
	}
}

func TestNothingCanBePromisedOfNothing(t *testing.T) {
	p := planOf(experiment.Increase, 5000, 0)
	if got, err := Benefit(p, p.Stages[0].Split, truth(.3, .4)); err == nil {
		t.Errorf("the benefit of a split without planned units is %v", got)
	}
	if got, err := Harm(p, p.Stages[0].Split, truth(.3, .2), 0); err == nil {
		t.Errorf("the harm of a split without planned units is %v", got)
	}
	if got, err := Objective(p, .02, 1, 1); err != nil || got != 0 {
		t.Errorf("one request proves %v, %v", got, err)
	}
}
