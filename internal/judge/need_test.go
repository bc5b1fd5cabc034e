// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// growing is evidence that is k times as much of the same.
type growing func(k float64) experiment.Total

func growingRequests(v int, n, x float64) growing {
	return func(k float64) experiment.Total {
		return counts(v, experiment.CellRequests, int64(math.Round(k*n)), int64(math.Round(k*x)))
	}
}

func growingUnits(v int, metric string, n, x float64) growing {
	return func(k float64) experiment.Total {
		rate, n := x/n, math.Round(k*n)
		return experiment.Total{Version: v, Metric: metric, Evidence: experiment.Evidence{Units: stats.Pair{N: int64(n), MeanY: rate, MeanX: 1, M2Y: n * rate * (1 - rate)}}}
	}
}

func guarded(metric string, m experiment.Margin) func(p *experiment.Plan) {
	return func(p *experiment.Plan) { p.Guardrails = []experiment.Guardrail{{Metric: metric, NoWorseThan: m}} }
}

func limited(o experiment.Objective) func(p *experiment.Plan) {
	return func(p *experiment.Plan) { p.Objectives = []experiment.Objective{o} }
}

// good takes hits for good ones.
func good(p *experiment.Plan) {
	guarded("errors", experiment.Margin{Relative: .5})(p)
	p.Metrics[0].Goal = experiment.Increase
}

func rewardedAnytime(p *experiment.Plan) {
	p.Reward = &experiment.Reward{Metric: "purchase"}
	p.Analysis.Method = experiment.Anytime
	p.Stages[0].Split.Until.Units = 0
}

// TestNeed takes each test at its word: with that much more of the same it
// decides, and with less it does not.
func TestNeed(t *testing.T) {
	for name, c := range map[string]struct {
		plan  func(p *experiment.Plan)
		world []growing
		both  bool // Need counts both versions.
		none  bool
	}{
		"a limit on requests":                {limited(experiment.Objective{Metric: "errors", Max: ptr(.02)}), []growing{growingRequests(1, 1000, 12)}, false, false},
		"and none failed":                    {limited(experiment.Objective{Metric: "errors", Max: ptr(.02)}), []growing{growingRequests(1, 50, 0)}, false, false},
		"a limit on units":                   {limited(experiment.Objective{Metric: "purchase", Min: ptr(.18)}), []growing{growingUnits(1, "purchase", 1000, 200)}, false, false},
		"a limit on pairs":                   {limited(experiment.Objective{Metric: "overlap", Min: ptr(.18)}), []growing{growingUnits(1, "overlap", 1000, 200)}, false, false},
		"a limit already on the wrong side":  {limited(experiment.Objective{Metric: "errors", Max: ptr(.01)}), []growing{growingRequests(1, 1000, 12)}, false, true},
		"a guardrail on units":               {guarded("purchase", experiment.Margin{Relative: .1}), []growing{growingUnits(0, "purchase", 1000, 200), growingUnits(1, "purchase", 1000, 200)}, true, false},
		"and on the wrong side":              {guarded("purchase", experiment.Margin{Relative: .1}), []growing{growingUnits(0, "purchase", 1000, 200), growingUnits(1, "purchase", 1000, 179)}, true, true},
		"a guardrail on requests, points":    {guarded("errors", experiment.Margin{Absolute: .01}), []growing{growingRequests(0, 1000, 20), growingRequests(1, 1000, 20)}, true, false},
		"with few errors":                    {guarded("errors", experiment.Margin{Absolute: .01}), []growing{growingRequests(0, 300, 1), growingRequests(1, 300, 1)}, true, false},
		"a guardrail on requests, ratio":     {guarded("errors", experiment.Margin{Relative: .5}), []growing{growingRequests(0, 1000, 20), growingRequests(1, 1000, 20)}, true, false},
		"and hits are good":                  {good, []growing{growingRequests(0, 1000, 20), growingRequests(1, 1000, 20)}, true, false},
		"and no errors, of which no ratio":   {guarded("errors", experiment.Margin{Relative: .5}), []growing{growingRequests(0, 1000, 0), growingRequests(1, 1000, 0)}, true, true},
		"a reward at any time":               {rewardedAnytime, []growing{growingUnits(0, "purchase", 1000, 200), growingUnits(1, "purchase", 1000, 215)}, true, false},
		"a reward that is lower":             {rewardedAnytime, []growing{growingUnits(0, "purchase", 1000, 200), growingUnits(1, "purchase", 1000, 195)}, true, true},
		"nobody yet":                         {guarded("purchase", experiment.Margin{Relative: .1}), []growing{growingUnits(0, "purchase", 1000, 200)}, true, true},
		"equal, of which no better is known": {rewardedAnytime, []growing{growingUnits(0, "purchase", 1000, 200), growingUnits(1, "purchase", 1000, 200)}, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			p := gated()
			p.Stages = p.Stages[:1]
			c.plan(p)
			judge := func(k float64) *experiment.Verdict {
				var cells []experiment.Total
				for _, g := range c.world {
					cells = append(cells, g(k))
				}
				j, _ := Judge(p, totals(phase(1, half, cells...)), experiment.Monitors{}, at(time.Minute))
				i := slices.IndexFunc(j.Verdicts, func(v experiment.Verdict) bool { return v.Version == 1 })
				return &j.Verdicts[i]
			}
			v := judge(1)
			if v.Status != experiment.Undecided || (v.Need == 0) != c.none {
				t.Fatalf("got %s, need %d", v.Status, v.Need)
			}
			if c.none {
				return
			}
			n := float64(v.N)
			if c.both {
				n += float64(v.NBaseline)
			}
			// Hits come whole, and where the test has two halves the answer uses one.
			more := float64(v.Need) / n
			if after := judge(1 + 1.05*more); after.Status == experiment.Undecided || after.Need != 0 {
				t.Errorf("of %v, %d more do not decide: need %d, log e %v", n, v.Need, after.Need, after.LogE)
			}
			if before := judge(1 + .7*more); before.Status != experiment.Undecided {
				t.Errorf("of %v, less than %d more are enough: %s", n, v.Need, before.Status)
			}
		})
	}
}

func TestNeedOfAHorizonInTime(t *testing.T) {
	s := by(experiment.Sequential, 0)
	v := s.look(t, time.Minute, 1000, 200, 215)
	se := math.Sqrt(.215 * .785 / 999 * 2)
	z := .015 / se
	if want := 2000 * (math.Pow(1.6448536269514722/z, 2) - 1); math.Abs(float64(v.Need)-want) > 2 {
		t.Errorf("need %d, want %v", v.Need, want)
	}
	if v := s.look(t, 2*time.Hour, 1000, 200, 215); v.Need != 0 {
		t.Errorf("need %d after the horizon", v.Need)
	}
}
