// SPDX-License-Identifier: Apache-2.0

package design

import (
	"math"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// Truth is what is assumed of two versions' reward per unit.
type Truth struct {
	Baseline, Candidate float64
	// SD is the standard deviation of one unit's contribution to the ratio:
	// the ratio's standard error times the root of the number of units.
	SDBaseline, SDCandidate float64
}

// sd is the spread that judge gives both versions: the greater one.
func (t Truth) sd() float64 { return max(t.SDBaseline, t.SDCandidate) }

// se is the standard error of the difference for n units over all versions at
// given shares, with the greater spread for both versions, as judge has it. Of
// several candidates it is that of the one with the smallest share.
func (t Truth) se(n float64, shares experiment.Shares) float64 {
	return t.sd() * math.Sqrt(perUnit(shares)/n)
}

// perUnit is the variance of the difference of two means, in variances of one
// unit, if one unit is divided by the shares: 4 for halves.
func perUnit(shares experiment.Shares) float64 {
	return 1/shares[0].Fraction() + 1/smallest(shares).Fraction()
}

// smallest is the smallest share of a candidate that has any.
func smallest(shares experiment.Shares) experiment.Share {
	least := experiment.Share(0)
	for _, s := range shares[1:] {
		if s > 0 && (least == 0 || s < least) {
			least = s
		}
	}
	return least
}

// Benefit is the probability that the plan's split stage says "better" of a
// candidate by its horizon, if all its units come, by the plan's method. With
// several candidates it is that of the one with the smallest share. For methods
// that look more often than a plan says, it is the least.
func Benefit(p *experiment.Plan, split *experiment.Split, t Truth) (float64, error) {
	n := float64(split.Until.Units)
	effect := p.Metric(p.Reward.Metric).Goal.Sign() * (t.Candidate - t.Baseline)
	minimum := p.Reward.MinimumEffect.Of(t.Baseline)
	return testOf(p, split.Shares, p.PlannedUnits(), minimum).power(p, evenly(p, n), effect, t.se(n, split.Shares))
}

// Harm is the least probability that the always-valid harm test of the reward
// alarms by the horizon: that of one look there, in the phase that is number
// phase (from 0), with the error that such a phase gets. Earlier looks and
// phases only add.
func Harm(p *experiment.Plan, split *experiment.Split, t Truth, phase int) (float64, error) {
	alpha := p.TestAlpha()
	n := float64(split.Until.Units)
	mix, err := stats.NewMixture(alpha, n)
	if err != nil {
		return 0, err
	}
	se := t.se(n, split.Shares)
	lower, err := mix.Lower(stats.Estimate{Value: 0, SE: se}, n, alpha*experiment.PhaseWeight(phase))
	if err != nil {
		return 0, err
	}
	loss := p.Metric(p.Reward.Metric).Goal.Sign() * (t.Baseline - t.Candidate)
	return stats.PowerDifference(loss, se, -lower/se)
}

// Objective is the probability that n requests of a version whose true rate is
// rate violate a limit beyond doubt.
func Objective(p *experiment.Plan, limit, rate float64, n int64) (float64, error) {
	x, err := fewest(n, func(x int64) (bool, error) {
		interval, err := stats.BernoulliInterval(stats.Counts{N: n, X: x}, p.TestAlpha(), p.PlannedRequests())
		return interval.Low > limit, err
	})
	if err != nil || x > n {
		return 0, err
	}
	return stats.BinomialTestGreater(x, n, rate)
}

// fewest is the smallest x from 0 to n that has a property which all greater
// ones share, or n+1.
func fewest(n int64, has func(x int64) (bool, error)) (int64, error) {
	low, high := int64(0), n+1
	for low < high {
		mid := low + (high-low)/2
		ok, err := has(mid)
		switch {
		case err != nil:
			return 0, err
		case ok:
			high = mid
		default:
			low = mid + 1
		}
	}
	return low, nil
}
