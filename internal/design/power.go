// SPDX-License-Identifier: Apache-2.0

package design

import (
	"math"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// anytimeLooks is how many looks stand for a test that may be looked at in
// every window. More would raise the power by less than a hundredth.
const anytimeLooks = 20

// test is a plan's test of benefit.
type test struct {
	method experiment.Method
	// alpha is the one-sided error of one candidate.
	alpha float64
	// tuned is the sample that an always-valid test is sharpest at.
	tuned float64
	// minimum is the effect that the point estimate must reach, for the method
	// threshold.
	minimum float64
	// part is the share of all units that the candidate and the baseline have:
	// what an always-valid test counts.
	part float64
}

// testOf is the test of a plan, tuned to a number of units.
func testOf(p *experiment.Plan, shares experiment.Shares, tuned, minimum float64) test {
	return test{
		method: p.Analysis.Method, alpha: errorOf(p), tuned: tuned, minimum: minimum,
		part: shares[0].Fraction() + smallest(shares).Fraction(),
	}
}

// errorOf is the one-sided error of one candidate; for the method bayesian the
// probability of being better lacks as much, for each.
func errorOf(p *experiment.Plan) float64 {
	if p.Analysis.Method == experiment.Bayesian {
		return p.Analysis.Alpha
	}
	return p.CandidateAlpha()
}

// evenly are the looks of a plan at n units, at even steps.
func evenly(p *experiment.Plan, n float64) []stats.Look {
	looks := stats.EvenLooks(looksOf(p))
	for i := range looks {
		looks[i].Information *= n
	}
	return looks
}

// looksOf is how many looks a plan's method takes, or as many as stand for it.
func looksOf(p *experiment.Plan) int {
	switch p.Analysis.Method {
	case experiment.Sequential, "":
		return max(1, p.Analysis.Looks)
	case experiment.Anytime:
		return anytimeLooks
	default:
		return 1
	}
}

// bounds are the scores that the test must reach at the looks. se is the
// standard error at the last one.
func (t test) bounds(p *experiment.Plan, looks []stats.Look, se float64) ([]float64, error) {
	switch t.method {
	case experiment.Sequential, "":
		return stats.Boundaries(looks, t.alpha, stats.OBrienFleming)
	case experiment.Anytime:
		// The test counts the phases of its own stage, which is the first.
		return t.anytime(looks, t.alpha*weight(p, 0))
	case experiment.Threshold:
		return []float64{t.minimum / se}, nil
	default:
		return []float64{-stats.NormalQuantile(t.alpha)}, nil
	}
}

func (t test) anytime(looks []stats.Look, level float64) ([]float64, error) {
	mix, err := stats.NewMixture(t.alpha, t.tuned)
	if err != nil {
		return nil, err
	}
	out := make([]float64, len(looks))
	for i, l := range looks {
		lower, err := mix.Lower(stats.Estimate{SE: 1}, l.Information*t.part, level)
		if err != nil {
			return nil, err
		}
		out[i] = -lower
	}
	return out, nil
}

// weight is the share of an error that phase number i (from 0) gets: all of it
// where every request is assigned anew, because evidence of such phases
// multiplies.
func weight(p *experiment.Plan, i int) float64 {
	if p.Assignment.Unit.Request {
		return 1
	}
	return experiment.PhaseWeight(i)
}

// power is the probability that the test says better when the truth is effect,
// positive for good.
func (t test) power(p *experiment.Plan, looks []stats.Look, effect, se float64) (float64, error) {
	bounds, err := t.bounds(p, looks, se)
	if err != nil {
		return 0, err
	}
	cross, err := stats.CrossingProbability(bounds, looks, effect/se)
	if err != nil {
		return 0, err
	}
	sum := 0.0
	for _, c := range cross {
		sum += c
	}
	return min(1, sum), nil
}

// drift is how many standard errors of the last look an effect must be to be
// found with the given power; for the method threshold beyond its minimum.
func (t test) drift(p *experiment.Plan, looks []stats.Look, power float64) (float64, error) {
	if t.method == experiment.Threshold {
		return stats.NormalQuantile(power), nil
	}
	bounds, err := t.bounds(p, looks, 1)
	if err != nil {
		return 0, err
	}
	inflation, err := stats.BoundaryInflation(bounds, looks, t.alpha, power)
	if err != nil {
		// An always-valid test that is tuned to far more units asks for more
		// than is searched for; its last look alone is all the power it has.
		return bounds[len(bounds)-1] + stats.NormalQuantile(power), nil
	}
	return math.Sqrt(inflation) * (stats.NormalQuantile(power) - stats.NormalQuantile(t.alpha)), nil
}

// expected is the share of the sample that the test takes on average until it
// decides or ends.
func (t test) expected(p *experiment.Plan, looks []stats.Look, effect, se float64) (float64, error) {
	bounds, err := t.bounds(p, looks, se)
	if err != nil {
		return 0, err
	}
	return stats.ExpectedSample(bounds, looks, effect/se)
}

// needed is how many units over all versions the test takes to find an effect
// with the given power, if the plan is made for that many. Zero says that no
// sample suffices: a threshold at the very effect is reached by half of all
// estimates, however many units there are.
func needed(p *experiment.Plan, shares experiment.Shares, t Truth, effect, power float64) (float64, error) {
	test := testOf(p, shares, 1, effect)
	if test.method == experiment.Threshold {
		return 0, nil
	}
	drift, err := test.drift(p, evenly(p, 1), power)
	if err != nil {
		return 0, err
	}
	root := drift * t.sd() / effect
	return root * root * perUnit(shares), nil
}

// detectable is the smallest effect that the looks find with the given power.
// truth makes the versions' truth of an effect; 0 says that no effect within
// the metric's range is large enough.
func (t test) detectable(p *experiment.Plan, looks []stats.Look, shares experiment.Shares, power float64, truth func(effect float64) (Truth, bool)) (float64, error) {
	drift, err := t.drift(p, looks, power)
	if err != nil {
		return 0, err
	}
	n := looks[len(looks)-1].Information
	effect := 0.0
	// The spread of a proportion depends on the effect, and a little only.
	for range 60 {
		w, ok := truth(effect)
		if !ok {
			return 0, nil
		}
		next := drift * w.se(n, shares)
		if t.method == experiment.Threshold {
			next += t.minimum
		}
		if math.Abs(next-effect) <= 1e-9*next {
			return next, nil
		}
		effect = next
	}
	return effect, nil
}
