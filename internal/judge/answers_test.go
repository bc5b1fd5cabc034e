// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// answering is a plan with a ratio of answers and a share of answers.
func answering() *experiment.Plan {
	p := base()
	p.Metrics = append(p.Metrics,
		experiment.Metric{Name: "premium", Goal: experiment.Increase, Output: &experiment.OutputMetric{Sum: ".a", Count: ".n", Sample: 1000}},
		experiment.Metric{Name: "refusals", Goal: experiment.Decrease, Output: &experiment.OutputMetric{Sum: ".r", Sample: 1000}},
		experiment.Metric{Name: "tokens", Goal: experiment.Decrease, Response: &experiment.ResponseMetric{Header: "x-tokens", Sample: 1000}})
	return p
}

// told are n answers with four items each, of which one in every so many is
// premium, and as many that could not be read.
func told(version, n, every int, unread int64) experiment.Total {
	var p stats.Pair
	for i := range n {
		sum := 0.0
		if i%every == 0 {
			sum = 4
		}
		p.Add(sum, 4)
	}
	return experiment.Total{Version: version, Metric: "premium", Evidence: experiment.Evidence{
		Units: p, Counts: stats.Counts{N: int64(n) + unread, X: unread},
	}}
}

func TestObjectiveOfAnswers(t *testing.T) {
	constant := func(metric string, n int, y, x float64) experiment.Total {
		var p stats.Pair
		for range n {
			p.Add(y, x)
		}
		return experiment.Total{Version: 1, Metric: metric, Evidence: experiment.Evidence{Units: p, Counts: stats.Counts{N: int64(n)}}}
	}
	for name, c := range map[string]struct {
		limit experiment.Objective
		cell  experiment.Total
		want  experiment.Status
	}{
		"a ratio above a least value is met":      {experiment.Objective{Metric: "premium", Min: ptr(.2)}, told(1, 4000, 4, 0), experiment.Met},
		"a ratio below a least value is violated": {experiment.Objective{Metric: "premium", Min: ptr(.3)}, told(1, 4000, 4, 0), experiment.Violated},
		"a ratio near it is undecided":            {experiment.Objective{Metric: "premium", Min: ptr(.245)}, told(1, 4000, 4, 0), experiment.Undecided},
		"before the burn-in it is undecided":      {experiment.Objective{Metric: "premium", Min: ptr(.01)}, told(1, 99, 4, 0), experiment.Undecided},
		"answers that never refuse are exact":     {experiment.Objective{Metric: "refusals", Max: ptr(.01)}, constant("refusals", 2000, 0, 1), experiment.Met},
		"few answers that never refuse":           {experiment.Objective{Metric: "refusals", Max: ptr(.01)}, constant("refusals", 50, 0, 1), experiment.Undecided},
		"answers that always refuse":              {experiment.Objective{Metric: "refusals", Max: ptr(.01)}, constant("refusals", 50, 1, 1), experiment.Violated},
		"numbers that never vary say nothing":     {experiment.Objective{Metric: "tokens", Max: ptr(9)}, constant("tokens", 5000, 3, 1), experiment.Undecided},
		"a ratio of nothing says nothing":         {experiment.Objective{Metric: "premium", Min: ptr(.2)}, constant("premium", 5000, 0, 0), experiment.Undecided},
		"no answer could be read":                 {experiment.Objective{Metric: "premium", Min: ptr(.2)}, told(1, 0, 1, 5000), experiment.Undecided},
	} {
		t.Run(name, func(t *testing.T) {
			p := answering()
			p.Objectives = []experiment.Objective{c.limit}
			j, _ := Judge(p, totals(phase(1, half, c.cell)), experiment.Monitors{}, at(0))
			v := j.Find(1, experiment.RoleObjective, c.limit.Metric)
			if v.Status != c.want || v.Basis != experiment.BasisRequests || v.N != c.cell.Units.N {
				t.Errorf("got %+v", v)
			}
			if v.Status != experiment.Undecided && (v.Interval == nil || v.Estimate == nil) {
				t.Errorf("it is not shown: %+v", v)
			}
		})
	}
}

// TestAnswersOfPhasesAreJudgedTogether: they are requests, and tuned as those.
func TestAnswersOfPhasesAreJudgedTogether(t *testing.T) {
	p := answering()
	p.Objectives = []experiment.Objective{{Metric: "premium", Min: ptr(.2)}}
	p.Stages[0].Ramp = &experiment.Ramp{Hold: experiment.Hold{Requests: 800}}
	both := told(1, 3000, 4, 0)
	j, _ := Judge(p, totals(phase(1, half, told(1, 2000, 4, 0)), phase(2, half, told(1, 1000, 4, 0))), experiment.Monitors{}, at(0))
	v := j.Find(1, experiment.RoleObjective, "premium")
	_, want, err := answerInterval(both.Units, p.TestAlpha(), 800)
	if err != nil || v.N != 3000 || math.Abs(v.Interval.Low-want.Low) > 1e-12 || math.Abs(v.Interval.High-want.High) > 1e-12 {
		t.Errorf("got %+v of %d, want %+v (%v)", v.Interval, v.N, want, err)
	}
}

func TestGuardrailOfAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		every int
		want  experiment.Status
	}{
		"as good as the baseline": {4, experiment.NotWorse},
		"much worse":              {8, experiment.Worse},
		"somewhat worse":          {5, experiment.Undecided},
	} {
		t.Run(name, func(t *testing.T) {
			p := answering()
			p.Guardrails = []experiment.Guardrail{{Metric: "premium", NoWorseThan: experiment.Margin{Absolute: .06}}}
			j, _ := Judge(p, totals(phase(1, half, told(0, 4000, 4, 0), told(1, 4000, c.every, 0))), experiment.Monitors{}, at(0))
			if v := j.Find(1, experiment.RoleGuardrail, "premium"); v.Status != c.want || v.Basis != experiment.BasisRequests || v.N != 4000 {
				t.Errorf("got %+v", v)
			}
		})
	}
}

func TestRewardOfAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		perRequest bool
		unread     int64
		want       experiment.Status
		doubts     []string
	}{
		"read evenly":                    {true, 100, experiment.Better, nil},
		"read unevenly":                  {true, 600, experiment.Untrustworthy, []string{"HG-D407 v2 premium"}},
		"read unevenly, of sticky units": {false, 600, experiment.Better, nil},
	} {
		t.Run(name, func(t *testing.T) {
			p := answering()
			p.Assignment.Unit = experiment.Unit{Header: "x"}
			if c.perRequest {
				p.Assignment.Unit = experiment.Unit{Request: true}
			}
			p.Analysis.Method = experiment.Anytime
			p.Reward = &experiment.Reward{Metric: "premium", MinimumEffect: experiment.Margin{Absolute: .01}}
			j, _ := Judge(p, totals(phase(1, half, told(0, 4000, 4, 90), told(1, 4000, 2, c.unread))), experiment.Monitors{}, at(0))
			if v := j.Find(1, experiment.RoleReward, "premium"); v.Status != c.want || v.N != 4000 {
				t.Errorf("got %+v", v)
			}
			if d := cmp.Diff(append([]string{}, c.doubts...), codes(&j)); d != "" {
				t.Errorf("doubts (-want +got):\n%s", d)
			}
			if j.Units != 8000 {
				t.Errorf("%d of the reward, want the 8000 answers", j.Units)
			}
		})
	}
}

// TestArmsOfAnswersWaitForNothing: most exposures are in no sample, and none of
// them is still to come.
func TestArmsOfAnswersWaitForNothing(t *testing.T) {
	p := answering()
	p.Reward = &experiment.Reward{Metric: "premium", MinimumEffect: experiment.Margin{Absolute: .01}}
	p.Stages = []experiment.Stage{{Name: "learn", Bandit: &experiment.Bandit{}}}
	j, _ := Judge(p, totals(phase(1, half, counts(0, experiment.CellExposures, 9000, 0), counts(1, experiment.CellExposures, 9000, 0), told(0, 900, 4, 0), told(1, 900, 2, 0))), experiment.Monitors{}, at(0))
	if len(j.Arms) != 2 {
		t.Fatalf("%d arms", len(j.Arms))
	}
	for v, want := range []float64{.25, .5} {
		if a := j.Arms[v]; a.N != 900 || a.Pending != 0 || math.Abs(a.Mean-want) > 1e-9 || !(a.SE > 0) {
			t.Errorf("arm %d: %+v", v, a)
		}
	}
}
