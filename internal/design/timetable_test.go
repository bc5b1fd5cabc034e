// SPDX-License-Identifier: Apache-2.0

package design_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/headgate-dev/headgate/internal/design"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/simulate"
)

// TestTheEngineKeepsTheTimetable plays a canary and a split with the real rules.
// Arrivals are random, so that each step ends a window or two around its time.
func TestTheEngineKeepsTheTimetable(t *testing.T) {
	limit := .05
	p := &experiment.Plan{
		Name: "x", Window: time.Minute, Lag: 10 * time.Second, Stale: 5 * time.Minute,
		Versions:   []experiment.Version{{Name: "v1"}, {Name: "v2"}},
		Assignment: experiment.Assignment{Unit: experiment.Unit{Header: "x-user"}},
		Metrics: []experiment.Metric{
			{Name: "errors", Goal: experiment.Decrease, Builtin: &experiment.BuiltinMetric{Kind: experiment.ErrorRate}},
			{Name: "purchase", Goal: experiment.Increase, Outcomes: &experiment.OutcomesMetric{Event: "purchase", Window: 3 * time.Minute}},
		},
		Reward:     &experiment.Reward{Metric: "purchase", MinimumEffect: experiment.Margin{Absolute: .1}},
		Objectives: []experiment.Objective{{Metric: "errors", Max: &limit}},
		Stages: []experiment.Stage{
			{Name: "canary", Ramp: &experiment.Ramp{
				Steps: []experiment.Share{0, 1000, 3000}, AtMost: 24 * time.Hour,
				Hold: experiment.Hold{Requests: 300, Windows: 2, Settle: 3 * time.Minute},
			}},
			{Name: "ab", Split: &experiment.Split{
				Shares: experiment.Shares{5000, 5000}, Otherwise: experiment.KeepBaseline,
				Until: experiment.Until{Units: 2000, AtMost: 24 * time.Hour},
			}},
		},
		Analysis:  experiment.Analysis{Method: experiment.Sequential, Alpha: .05, HarmAlpha: .05, Looks: 4},
		OnUnknown: experiment.OnUnknown{After: time.Hour, Do: experiment.PolicyRollback},
	}
	// So many units that hardly one comes twice.
	w := &simulate.World{Units: 200_000, Rate: 1, Answer: func(rng *rand.Rand, _, _ int, a *simulate.Answer) {
		if rng.Float64() < .3 {
			a.Outcomes = append(a.Outcomes, simulate.Outcome{Event: "purchase", Value: 1, After: 5 * time.Second})
		}
	}}
	r, err := design.Of(p, design.Assumptions{Requests: 1})
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(3) {
		got, err := simulate.Run(p, w, seed, false)
		if err != nil {
			t.Fatal(err)
		}
		ratio := got.Took.Seconds() / r.Total.Takes.Expected.Seconds()
		t.Logf("%s took %s, %.2f times the %s expected", got.Outcome, got.Took, ratio, r.Total.Takes.Expected)
		if ratio < .9 || ratio > 1.15 {
			t.Errorf("it took %s, and %s were expected", got.Took, r.Total.Takes.Expected)
		}
	}
}
