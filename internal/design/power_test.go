// SPDX-License-Identifier: Apache-2.0

package design

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/judge"
	"github.com/headgate-dev/headgate/stats"
)

var everyMethod = []experiment.Method{experiment.Sequential, experiment.Anytime, experiment.Fixed, experiment.Bayesian, experiment.Threshold}

// TestBenefitOfEachMethodIsWhatTheJudgeDoes looks as often as the method is
// taken to.
func TestBenefitOfEachMethodIsWhatTheJudgeDoes(t *testing.T) {
	const runs = 300
	for _, method := range everyMethod {
		for _, w := range []Truth{truth(.3, .3), truth(.3, .36)} {
			t.Run(fmt.Sprintf("%s, %v", method, w.Candidate), func(t *testing.T) {
				p := planOf(experiment.Increase, 4000, 2000)
				p.Analysis.Method = method
				p.Reward.MinimumEffect = experiment.Margin{Absolute: .05}
				want, err := Benefit(p, p.Stages[0].Split, w)
				if err != nil {
					t.Fatal(err)
				}
				agree(t, count(p, w, runs, looksOf(p), 0, experiment.Better), runs, want, true)
			})
		}
	}
}

func TestTheNeededSampleGivesThePower(t *testing.T) {
	for _, method := range everyMethod[:4] {
		for _, shares := range []experiment.Shares{{5000, 5000}, {9000, 1000}, {4000, 4000, 2000}} {
			t.Run(fmt.Sprint(method, shares), func(t *testing.T) {
				p := planOf(experiment.Increase, 5000, 1)
				p.Versions = make([]experiment.Version, len(shares))
				p.Analysis.Method = method
				split := p.Stages[0].Split
				split.Shares = shares
				n, err := needed(p, shares, truth(.1, .11), .01, .8)
				if err != nil {
					t.Fatal(err)
				}
				split.Until.Units = int64(n)
				got, err := Benefit(p, split, truth(.1, .11))
				if err != nil || math.Abs(got-.8) > .002 {
					t.Errorf("%d units find it with probability %v (%v), want .8", split.Until.Units, got, err)
				}
			})
		}
	}
}

func TestNoSampleReachesAThresholdForSure(t *testing.T) {
	p := planOf(experiment.Increase, 5000, 1e6)
	p.Analysis.Method = experiment.Threshold
	p.Reward.MinimumEffect = experiment.Margin{Absolute: .01}
	if n, err := needed(p, p.Stages[0].Split.Shares, truth(.1, .11), .01, .8); n != 0 || err != nil {
		t.Errorf("%v units are said to do (%v)", n, err)
	}
	if got, err := Benefit(p, p.Stages[0].Split, truth(.1, .11)); err != nil || math.Abs(got-.5) > 1e-9 {
		t.Errorf("the very effect is found with probability %v (%v), want one half", got, err)
	}
}

// TestWhatLookingCosts holds the samples to the published factors: statistics.md
// §1.b6 has 1.025 for five O'Brien-Fleming looks, two-sided at 5 %.
func TestWhatLookingCosts(t *testing.T) {
	p := planOf(experiment.Increase, 5000, 1)
	p.Analysis.Alpha, p.Analysis.Looks = .025, 5
	one := planOf(experiment.Increase, 5000, 1)
	one.Analysis.Alpha, one.Analysis.Method = .025, experiment.Fixed
	size := func(p *experiment.Plan) float64 {
		n, err := needed(p, experiment.Shares{5000, 5000}, truth(.1, .11), .01, .8)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	fixed := size(one)
	b, c, err := stats.SampleSizeDifference(truth(.1, .11).sd(), truth(.1, .11).sd(), .01, .025, .8, 1)
	if err != nil || math.Abs(fixed-b-c) > 1e-6*fixed {
		t.Errorf("one look takes %v units, want %v", fixed, b+c)
	}
	if r := size(p) / fixed; math.Abs(r-1.025) > .002 {
		t.Errorf("five looks cost %.4f times the sample, want 1.025", r)
	}
	p.Analysis.Method = experiment.Anytime
	if r := size(p) / fixed; r < 1.6 || r > 2.2 {
		t.Errorf("looking at any time costs %.3f times the sample, want about 1.8 and a little for the phase", r)
	}
}

func TestTheDetectableEffectIsFoundWithThePower(t *testing.T) {
	for _, method := range everyMethod {
		t.Run(string(method), func(t *testing.T) {
			p := planOf(experiment.Decrease, 5000, 20_000)
			p.Analysis.Method = method
			p.Reward.MinimumEffect = experiment.Margin{Absolute: .005}
			split := p.Stages[0].Split
			test := testOf(p, split.Shares, p.PlannedUnits(), .005)
			effect, err := test.detectable(p, evenly(p, 20_000), split.Shares, .8, func(e float64) (Truth, bool) { return truth(.2, .2-e), e < .2 })
			if err != nil {
				t.Fatal(err)
			}
			got, err := Benefit(p, split, truth(.2, .2-effect))
			if err != nil || math.Abs(got-.8) > 1e-3 {
				t.Errorf("an effect of %v is found with probability %v (%v), want .8", effect, got, err)
			}
		})
	}
}

// TestGuardrailsPassAsPromised plays a split with the real judge and looks once
// at the end.
func TestGuardrailsPassAsPromised(t *testing.T) {
	const runs, n, value = 400, 20_000, .2
	for name, c := range map[string]struct {
		goal   experiment.Goal
		margin experiment.Margin
		units  bool
		phase  int
	}{
		"units, absolute":            {experiment.Decrease, experiment.Margin{Absolute: .02}, true, 0},
		"units, relative":            {experiment.Decrease, experiment.Margin{Relative: .1}, true, 0},
		"units, relative, increase":  {experiment.Increase, experiment.Margin{Relative: .11}, true, 0},
		"units, in the third phase":  {experiment.Decrease, experiment.Margin{Absolute: .022}, true, 2},
		"requests, absolute":         {experiment.Decrease, experiment.Margin{Absolute: .02}, false, 0},
		"requests, a thinner margin": {experiment.Decrease, experiment.Margin{Absolute: .015}, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			p := planOf(c.goal, 3000, n)
			metric := "purchase"
			if !c.units {
				metric = "errors"
			}
			p.Reward, p.Objectives = nil, nil
			p.Guardrails = []experiment.Guardrail{{Metric: metric, NoWorseThan: c.margin}}
			w := &world{plan: p, a: Assumptions{Values: []Value{{Metric: metric, Mean: value}}}}
			shares := p.Stages[0].Split.Shares
			want, err := w.notWorse(&p.Guardrails[0], w.value(metric), shares, c.phase)(n)
			if err != nil {
				t.Fatal(err)
			}
			rng := rand.New(rand.NewPCG(3, 3))
			passed := 0
			for range runs {
				var all experiment.Totals
				for i := range c.phase + 1 {
					all.Phases = append(all.Phases, experiment.PhaseTotals{Epoch: 1, Phase: i + 1, Shares: shares})
				}
				all.Phases[c.phase].Cells = cellsOf(rng, shares, metric, n, value, c.units)
				j, _ := judge.Judge(p, &all, experiment.Monitors{}, judge.At{Epoch: 1, Phase: c.phase + 1, StageStart: start, Now: start})
				if j.Find(1, experiment.RoleGuardrail, metric).Status == experiment.NotWorse {
					passed++
				}
			}
			agree(t, passed, runs, want, true)
		})
	}
}

// cellsOf draws n hits or misses over all versions.
func cellsOf(rng *rand.Rand, shares experiment.Shares, metric string, n int, value float64, units bool) []experiment.Total {
	out := make([]experiment.Total, len(shares))
	for v, s := range shares {
		size := int64(float64(n) * s.Fraction())
		// A binomial number by its normal approximation: sizes are large.
		x := int64(math.Round(float64(size)*value + math.Sqrt(float64(size)*value*(1-value))*rng.NormFloat64()))
		out[v] = experiment.Total{Version: v, Metric: metric, Evidence: experiment.Evidence{Counts: stats.Counts{N: size, X: x}}}
		if !units {
			out[v].Metric = experiment.CellRequests
			continue
		}
		mean := float64(x) / float64(size)
		out[v].Evidence = experiment.Evidence{Units: stats.Pair{N: size, MeanY: mean, MeanX: 1, M2Y: float64(size) * mean * (1 - mean)}}
	}
	return out
}

// TestLimitsAreMetAsPromised asks the judge about every number of failures that
// is drawn.
func TestLimitsAreMetAsPromised(t *testing.T) {
	const runs = 1000
	p := planOf(experiment.Increase, 5000, 2000)
	w := &world{plan: p}
	for _, rate := range []float64{.01, .014} {
		l := Limit{Limit: .02, Rate: rate, Wanted: .8}
		if err := w.limit(&l); err != nil || l.Needed == 0 {
			t.Fatalf("%+v, %v", l, err)
		}
		rng := rand.New(rand.NewPCG(8, 8))
		hits := 0
		for range runs {
			x := int64(0)
			for range l.Needed {
				if rng.Float64() < rate {
					x++
				}
			}
			all := experiment.Totals{Phases: []experiment.PhaseTotals{{Epoch: 1, Phase: 1, Shares: experiment.Shares{5000, 5000}, Cells: []experiment.Total{
				{Version: 1, Metric: experiment.CellRequests, Evidence: experiment.Evidence{Counts: stats.Counts{N: l.Needed, X: x}}},
			}}}}
			j, _ := judge.Judge(p, &all, experiment.Monitors{}, judge.At{Epoch: 1, Phase: 1, StageStart: start, Now: start})
			if j.Find(1, experiment.RoleObjective, "errors").Status == experiment.Met {
				hits++
			}
		}
		agree(t, hits, runs, .8, false)
		if hits > runs*9/10 {
			t.Errorf("%d requests meet the limit in %d of %d runs: fewer would do", l.Needed, hits, runs)
		}
	}
}
