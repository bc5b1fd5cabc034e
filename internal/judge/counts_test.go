// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
	"github.com/headgate-dev/headgate/stats/counter"
)

// failing judges one guardrail on errors.
func failing(margin experiment.Margin, nb, xb, nc, xc int64) *experiment.Verdict {
	p := base()
	p.Guardrails = []experiment.Guardrail{{Metric: "errors", NoWorseThan: margin}}
	j, _ := Judge(p, totals(phase(1, half, counts(0, experiment.CellRequests, nb, xb), counts(1, experiment.CellRequests, nc, xc))), experiment.Monitors{}, at(0))
	return j.Find(1, experiment.RoleGuardrail, "errors")
}

func TestCountsAreComparedExactly(t *testing.T) {
	relative := func(r float64) experiment.Margin { return experiment.Margin{Relative: r} }
	absolute := func(a float64) experiment.Margin { return experiment.Margin{Absolute: a} }
	for name, c := range map[string]struct {
		margin         experiment.Margin
		nb, xb, nc, xc int64
		want           experiment.Status
	}{
		"twelve errors in a canary of fifty":        {relative(.1), 5000, 5, 50, 12, experiment.Worse},
		"and three":                                 {relative(.1), 5000, 5, 50, 3, experiment.Undecided},
		"twelve in fifty, by points":                {absolute(.01), 5000, 5, 50, 12, experiment.Worse},
		"no error at all says nothing of a ratio":   {relative(.1), 5000, 0, 5000, 0, experiment.Undecided},
		"but of points it does":                     {absolute(.01), 5000, 0, 5000, 0, experiment.NotWorse},
		"of few it does not":                        {absolute(.01), 100, 0, 100, 0, experiment.Undecided},
		"equal rates, wide ratio":                   {relative(.5), 20_000, 400, 20_000, 400, experiment.NotWorse},
		"equal rates, narrow ratio":                 {relative(.01), 20_000, 400, 20_000, 400, experiment.Undecided},
		"equal rates, points":                       {absolute(.01), 20_000, 400, 20_000, 400, experiment.NotWorse},
		"beyond the ratio":                          {relative(.1), 20_000, 400, 20_000, 600, experiment.Worse},
		"within the ratio":                          {relative(1), 20_000, 400, 20_000, 500, experiment.NotWorse},
		"beyond the points":                         {absolute(.01), 20_000, 400, 20_000, 800, experiment.Worse},
		"nothing of the baseline":                   {relative(.1), 0, 0, 100, 100, experiment.Undecided},
		"nothing of the candidate":                  {relative(.1), 100, 100, 0, 0, experiment.Undecided},
		"almost everything fails, in both versions": {absolute(.05), 5000, 4990, 5000, 4991, experiment.NotWorse},
	} {
		t.Run(name, func(t *testing.T) {
			v := failing(c.margin, c.nb, c.xb, c.nc, c.xc)
			if v.Status != c.want || v.Basis != experiment.BasisRequests || v.N != c.nc || v.NBaseline != c.nb {
				t.Errorf("got %+v", v)
			}
			if known := c.nb > 0 && c.nc > 0; (v.Estimate != nil) != known || known && !v.Interval.Contains(*v.Estimate) {
				t.Errorf("shown is %v in %v", v.Estimate, v.Interval)
			}
		})
	}
}

// TestAMarginMultipliesTheOdds holds log e against package counter's.
func TestAMarginMultipliesTheOdds(t *testing.T) {
	v := failing(experiment.Margin{Relative: .2}, 9000, 90, 1000, 40)
	want, err := counter.LogEGreater([]counter.Segment{{Candidate: 40, Baseline: 90, CandidateShare: 1200, BaselineShare: 9000}}, .5)
	if want += math.Log(.5); err != nil || math.Abs(v.LogE-want) > 1e-12 {
		t.Errorf("log e %v, want %v", v.LogE, want)
	}
}

// TestRequestsOfPhasesMultiply: also where a phase speaks against.
func TestRequestsOfPhasesMultiply(t *testing.T) {
	p := base()
	p.Assignment.Unit = experiment.Unit{Request: true}
	p.Guardrails = []experiment.Guardrail{{Metric: "errors"}}
	j, _ := Judge(p, totals(
		phase(1, half, counts(0, experiment.CellRequests, 1000, 10), counts(1, experiment.CellRequests, 1000, 40)),
		phase(2, half, counts(0, experiment.CellRequests, 1000, 20), counts(1, experiment.CellRequests, 1000, 15))), experiment.Monitors{}, at(0))
	want := 0.0
	for _, x := range [][2]int64{{10, 40}, {20, 15}} {
		e, err := counter.LogEGreater([]counter.Segment{{Candidate: x[1], Baseline: x[0], CandidateShare: 1, BaselineShare: 1}}, logRatio)
		if err != nil || want > 0 && e >= 0 {
			t.Fatalf("the example does not tell: %v, %v", e, err)
		}
		want += e
	}
	near(t, "log e", j.Find(1, experiment.RoleGuardrail, "errors").LogE, want)
}

// TestPointsAreTheMeanOfTwoEValues.
func TestPointsAreTheMeanOfTwoEValues(t *testing.T) {
	v := failing(experiment.Margin{Absolute: .001}, 9000, 90, 1000, 40)
	exact, err1 := stats.BernoulliDifferenceLogE(stats.Counts{N: 1000, X: 40}, stats.Counts{N: 9000, X: 90}, .001, .05, 500)
	mix, err2 := stats.NewMixture(.05, 500)
	sd := math.Sqrt(.04 * .96)
	normal, err3 := mix.LogEGreater(stats.Estimate{Value: .029, SE: sd * math.Sqrt(1/9000.+1/1000.)}, 10_000)
	if err1 != nil || err2 != nil || err3 != nil {
		t.Fatal(err1, err2, err3)
	}
	near(t, "log e", v.LogE, math.Log((math.Exp(exact)+math.Exp(normal))/2)+math.Log(.5))
}

// TestRatesMirror: hits of a metric to increase are judged as misses of one to
// decrease would be, if they are few.
func TestRatesMirror(t *testing.T) {
	for name, c := range map[string]struct {
		goal   experiment.Goal
		xc     int64
		margin experiment.Margin
		want   experiment.Status
	}{
		"fewer hits, where hits are good": {experiment.Increase, 100, experiment.Margin{Relative: .1}, experiment.Worse},
		"fewer, by points":                {experiment.Increase, 100, experiment.Margin{Absolute: .002}, experiment.Worse},
		"more":                            {experiment.Increase, 300, experiment.Margin{Relative: .1}, experiment.NotWorse},
		"more, by points":                 {experiment.Increase, 300, experiment.Margin{Absolute: .002}, experiment.NotWorse},
		"nothing is worse than a loss of more than all": {experiment.Increase, 0, experiment.Margin{Relative: 1}, experiment.Undecided},
	} {
		t.Run(name, func(t *testing.T) {
			p := base()
			p.Metrics[0].Goal = c.goal
			p.Guardrails = []experiment.Guardrail{{Metric: "errors", NoWorseThan: c.margin}}
			j, _ := Judge(p, totals(phase(1, half, counts(0, experiment.CellRequests, 10_000, 200), counts(1, experiment.CellRequests, 10_000, c.xc))), experiment.Monitors{}, at(0))
			if v := j.Find(1, experiment.RoleGuardrail, "errors"); v.Status != c.want {
				t.Errorf("got %+v", v)
			}
		})
	}
}

// TestFalseAlarmsOfCounts watches identical versions, and versions that lie
// exactly at the margin, whose rate swings, whose requests come in a canary of
// 2 %, and whose requests are split anew at every one or by persistent units.
func TestFalseAlarmsOfCounts(t *testing.T) {
	for name, c := range map[string]struct {
		margin  experiment.Margin
		request bool
		rate    func(batch, version int) float64
	}{
		"a rare failure, ratio":        {experiment.Margin{}, false, func(int, int) float64 { return .004 }},
		"a swinging rate, ratio":       {experiment.Margin{}, true, func(b, _ int) float64 { return []float64{.001, .05}[b%2] }},
		"at the ratio":                 {experiment.Margin{Relative: .5}, true, func(_, v int) float64 { return []float64{.02, .03}[v] }},
		"at the points":                {experiment.Margin{Absolute: .01}, false, func(_, v int) float64 { return []float64{.004, .014}[v] }},
		"at the points, swinging both": {experiment.Margin{Absolute: .005}, true, func(b, v int) float64 { return []float64{.001, .05}[b%2] + .005*float64(v) }},
	} {
		t.Run(name, func(t *testing.T) {
			const runs, batches, batch = 120, 8, 1250
			p := base()
			if c.request {
				p.Assignment.Unit = experiment.Unit{Request: true}
			}
			p.Guardrails = []experiment.Guardrail{{Metric: "errors", NoWorseThan: c.margin}}
			alarms, passes := 0, 0
			for seed := range uint64(runs) {
				rng := rand.New(rand.NewPCG(seed, 5))
				var phases []experiment.PhaseTotals
				var m experiment.Monitors
				now := at(0)
				now.Memo = NewMemo()
				worse, notWorse := false, false
				for number, share := range []float64{.02, .2} {
					var arms [2]stats.Counts
					for b := range batches {
						for range batch {
							v := int(bernoulli(rng, share))
							arms[v] = arms[v].Merge(stats.Counts{N: 1, X: int64(bernoulli(rng, c.rate(b, v)))})
						}
						ph := phase(number+1, half, counts(0, experiment.CellRequests, arms[0].N, arms[0].X), counts(1, experiment.CellRequests, arms[1].N, arms[1].X))
						var j experiment.Judgement
						j, m = Judge(p, totals(append(phases[:number:number], ph)...), m, now)
						status := j.Find(1, experiment.RoleGuardrail, "errors").Status
						worse, notWorse = worse || status == experiment.Worse, notWorse || status == experiment.NotWorse
						if b == batches-1 {
							phases = append(phases, ph)
						}
					}
				}
				if worse {
					alarms++
				}
				if notWorse {
					passes++
				}
			}
			atMost(t, "false harm", alarms, runs, .05)
			atMost(t, "passed at the margin", passes, runs, .05)
		})
	}
}
