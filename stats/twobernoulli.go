// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math"

	"github.com/headgate-dev/headgate/stats/internal/input"
	"github.com/headgate-dev/headgate/stats/internal/root"
	"gonum.org/v1/gonum/mathext"
)

// BernoulliDifferenceLogE is the logarithm of an exact e-value against "the
// candidate's probability of a hit exceeds the baseline's by margin at most",
// at any time of looking. margin lies above -1 and below 1; to ask the opposite
// question swap the versions and the margin's sign. Trials must be independent
// and each version's probability constant. It holds from the first trial and
// for the rarest of hits, which the normal approximation does not.
//
// With E_c(p) and E_b(p) the beta-binomial e-values of BernoulliLogE against
// "this version's probability is p",
//
//	E = min over p_c - p_b <= margin of E_c(p_c) E_b(p_b).
//
// Whatever the true probabilities are, if they obey the hypothesis E is at most
// the product of two independent versions' e-values there, and that is an
// e-value (universal inference, Wasserman, Ramdas, Balakrishnan 2020). Each version pays for not being known, so it
// takes somewhat more data than the normal mixture where that holds.
// alpha and planned tune both, as in BernoulliLogE. Without trials of either
// version it is ErrNoData.
func BernoulliDifferenceLogE(candidate, baseline Counts, margin, alpha, planned float64) (float64, error) {
	const fn = "BernoulliDifferenceLogE"
	m, err := bernoulliMass(fn, candidate, alpha, planned)
	if err := input.First(err, baseline.check(fn)); err != nil {
		return 0, err
	}
	if !(margin > -1 && margin < 1) {
		return 0, input.Refuse(fn, "margin", margin, "above -1 and below 1")
	}
	if baseline.N == 0 {
		return 0, input.NoData(fn, "no trials of the baseline")
	}
	c, b := trialsOf(candidate), trialsOf(baseline)
	pc := lowest(0, 1, func(p float64) float64 { return c.slope(p, m) })
	p := lowest(0, 1, func(p float64) float64 { return b.slope(p, m) })
	if pc-p > margin {
		// The hypothesis does not contain where the product is least: on its
		// border then.
		p = lowest(max(0, -margin), min(1, 1-margin), func(p float64) float64 { return b.slope(p, m) + c.slope(p+margin, m) })
		pc = p + margin
	}
	logE := bernoulliLogE(c.x, c.y, pc, 1-pc, m) + bernoulliLogE(b.x, b.y, p, 1-p, m)
	return logE, input.Finite(fn, "margin", logE)
}

// lowest is where between low and high a convex function with this slope is
// least. It stays off the ends, where a probability of 0 or 1 has no e-value.
func lowest(low, high float64, slope func(float64) float64) float64 {
	const edge = 1e-14
	low, high = low+edge, high-edge
	switch {
	case slope(low) >= 0:
		return low
	case slope(high) <= 0:
		return high
	}
	return root.Find(slope, low, high, 1e-13)
}

// tally is hits and misses as real numbers.
type tally struct{ x, y float64 }

func trialsOf(c Counts) tally { return tally{float64(c.X), float64(c.N - c.X)} }

// slope is the derivative of bernoulliLogE in p, which rises with p, because
// the logarithm of the e-value is convex: the curvature x/p² of the likelihood
// outweighs what the prior that moves with p takes away.
func (t tally) slope(p, m float64) float64 {
	q := 1 - p
	out := 0.0
	if t.x > 0 {
		out += m*(mathext.Digamma(m*p+t.x)-mathext.Digamma(m*p)) - t.x/p
	}
	if t.y > 0 {
		out -= m*(mathext.Digamma(m*q+t.y)-mathext.Digamma(m*q)) - t.y/q
	}
	if math.IsNaN(out) {
		return 0
	}
	return out
}
