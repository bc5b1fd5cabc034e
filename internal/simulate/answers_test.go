// SPDX-License-Identifier: Apache-2.0

package simulate

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// answersPlan compares versions by what their answers say.
func answersPlan(sample experiment.Share) *experiment.Plan {
	p := looksPlan(experiment.Sequential)
	p.Assignment.Unit = experiment.Unit{Request: true}
	p.Metrics = append(p.Metrics, experiment.Metric{Name: "relevance", Goal: experiment.Increase, Output: &experiment.OutputMetric{Sum: ".score", Sample: sample}})
	p.Reward = &experiment.Reward{Metric: "relevance", MinimumEffect: experiment.Margin{Absolute: .1}}
	p.Guardrails = p.Guardrails[1:] // The world has no refunds.
	return p
}

// TestAnswersAreDrawn: their mean, spread and number are what is assumed.
func TestAnswersAreDrawn(t *testing.T) {
	p := answersPlan(2500)
	a := Assumptions{Rate: 50, Laws: []Law{{Metric: "relevance", Values: []float64{3, 4}, SD: 2}}}
	f := routed(t, world(t, p, a), experiment.Route{Slots: experiment.SlotsOf(experiment.Shares{5000, 5000})})
	f.draw(300, 10)
	ph := &folded(t, f, 600).Phases[0]
	for v, want := range []float64{3, 4} {
		requests := float64(ph.Get(v, experiment.CellRequests).Counts.N)
		e := ph.Get(v, "relevance")
		n := float64(e.Units.N)
		sixSE(t, "answers", n, requests/4, math.Sqrt(requests*.1875))
		ratio, err := e.Units.Ratio()
		if err != nil || e.Counts.N != e.Units.N || e.Counts.X != 0 {
			t.Fatalf("%+v, %v", e, err)
		}
		sixSE(t, "mean", ratio.Value, want, ratio.SE)
		if sd := ratio.SE * math.Sqrt(n); math.Abs(sd/2-1) > .05 {
			t.Errorf("the spread is %v, want 2", sd)
		}
	}
}

func TestRewardsOfAnswersAreDecided(t *testing.T) {
	for name, c := range map[string]struct {
		candidate float64
		want      experiment.Outcome
	}{"better": {3.5, experiment.Promoted}, "worse": {2.5, experiment.RolledBack}} {
		t.Run(name, func(t *testing.T) {
			p := answersPlan(5000)
			w := &World{Units: 50_000, Rate: 1, Answer: func(rng *rand.Rand, version, _ int, a *Answer) {
				a.Latency = time.Millisecond
				if rng.IntN(2) == 0 {
					a.Numbers = append(a.Numbers, Number{"relevance", []float64{3, c.candidate}[version] + rng.NormFloat64(), 1})
				}
			}}
			r, err := Run(p, w, 1, false)
			if err != nil || r.Outcome != c.want {
				t.Errorf("request by request: %s (%s), %v", r.Outcome, r.Reason, err)
			}
			a := Assumptions{Rate: 1, Laws: []Law{{Metric: "relevance", Values: []float64{3, c.candidate}, SD: 1}}}
			report := many(t, p, a, Options{Runs: 20})
			ends := report.Headgate.Promoted
			if c.want == experiment.RolledBack {
				ends = report.Headgate.RolledBack
			}
			if ends < 19 {
				t.Errorf("%d of 20 runs end with %s", ends, c.want)
			}
		})
	}
}
