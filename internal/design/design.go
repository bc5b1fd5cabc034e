// SPDX-License-Identifier: Apache-2.0

// Package design says before an experiment runs what it can find out: the
// probability that a plan detects a given truth. It uses the same tests and
// limits as judge, so that what is promised is what is done.
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

// se is the standard error of the difference for n units at given shares, with
// the greater spread for both versions, as judge has it.
func (t Truth) se(n float64, shares experiment.Shares) float64 {
	b, c := n*shares[0].Fraction(), n*shares[1].Fraction()
	return max(t.SDBaseline, t.SDCandidate) * math.Sqrt(1/b+1/c)
}

// Benefit is the probability that the plan's split stage says "better" by its
// horizon, if all its units come.
func Benefit(p *experiment.Plan, split *experiment.Split, t Truth) (float64, error) {
	n := float64(split.Until.Units)
	looks := make([]stats.Look, p.Analysis.Looks)
	for i := range looks {
		f := float64(i+1) / float64(len(looks))
		looks[i] = stats.Look{Spent: f, Information: f * n}
	}
	bounds, err := stats.Boundaries(looks, p.CandidateAlpha(), stats.OBrienFleming)
	if err != nil {
		return 0, err
	}
	effect := p.Metric(p.Reward.Metric).Goal.Sign() * (t.Candidate - t.Baseline)
	cross, err := stats.CrossingProbability(bounds, looks, effect/t.se(n, split.Shares))
	if err != nil {
		return 0, err
	}
	sum := 0.0
	for _, c := range cross {
		sum += c
	}
	return sum, nil
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
	for x := int64(0); x <= n; x++ {
		interval, err := stats.BernoulliInterval(stats.Counts{N: n, X: x}, p.TestAlpha(), p.PlannedRequests())
		if err != nil {
			return 0, err
		}
		if interval.Low > limit {
			return stats.BinomialTestGreater(x, n, rate)
		}
	}
	return 0, nil
}
