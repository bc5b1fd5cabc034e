// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math"

	"github.com/headgate-dev/headgate/stats/internal/input"
	"github.com/headgate-dev/headgate/stats/internal/root"
)

// BernoulliLogEGreater is the logarithm of the exact one-sided e-value against
// "the probability of a hit is p0 or less": the beta-binomial mixture of
// BernoulliLogE over probabilities above p0 alone (Howard, Ramdas, McAuliffe,
// Sekhon 2021). It is for limits: evidence that an error rate
// exceeds p0, from the first trial and with few errors. Tune it with twice the
// alpha it will be used at. Trials, and those planned, may be up to 2^40.
// Without trials it is ErrNoData.
func BernoulliLogEGreater(c Counts, p0, alpha, planned float64) (float64, error) {
	const fn = "BernoulliLogEGreater"
	m, err := bernoulliMass(fn, c, alpha, planned)
	if err := input.First(err, input.Fraction(fn, "p0", p0), trials(fn, c.N), atMostTrials(fn, "planned", planned)); err != nil {
		return 0, err
	}
	b := BetaBinomial{p: p0, mass: m, oneSided: true}
	logE := b.logE(float64(c.X), float64(c.N-c.X))
	return logE, input.Finite(fn, "p0", logE)
}

// BetaBinomial is the mixture behind BernoulliLogE and BernoulliLogEGreater for
// a given probability, for planning: how far the hits may stray from it before
// it is refuted.
type BetaBinomial struct {
	p, mass  float64
	oneSided bool
}

// NewBetaBinomial tunes a mixture against p0 to be sharpest after planned
// trials at level alpha, two-sided or for hits in excess alone. The one-sided
// mixture is tuned with twice the alpha, as everywhere.
func NewBetaBinomial(p0, alpha, planned float64, oneSided bool) (BetaBinomial, error) {
	const fn = "NewBetaBinomial"
	if oneSided {
		alpha *= 2
	}
	if err := input.First(input.Fraction(fn, "p0", p0), atMostTrials(fn, "planned", planned)); err != nil {
		return BetaBinomial{}, err
	}
	m, err := bernoulliMass(fn, Counts{N: 1}, alpha, planned)
	return BetaBinomial{p: p0, mass: m, oneSided: oneSided}, err
}

// Excess is by how many the hits of n trials, taken as a real number, must
// exceed n p0 to refute it at level alpha, given that they may be looked at
// after every trial. If even hits in all trials would not do it is ErrNoData.
func (b BetaBinomial) Excess(n, alpha float64) (float64, error) {
	const fn = "BetaBinomial.Excess"
	if !(b.mass > 0) {
		return 0, input.Refuse(fn, "mixture", b.mass, "one made by NewBetaBinomial")
	}
	if err := input.First(input.Positive(fn, "n", n), atMostTrials(fn, "n", n), input.Fraction(fn, "alpha", alpha)); err != nil {
		return 0, err
	}
	lack := func(s float64) float64 {
		x := n*b.p + s
		return b.logE(x, max(0, n-x)) + math.Log(alpha)
	}
	most := n * (1 - b.p)
	if !(lack(most) > 0) {
		return 0, input.NoData(fn, "no number of hits suffices")
	}
	s := root.Find(lack, 0, most, 1e-12)
	return s, input.Finite(fn, "n", s)
}

// logE is the e-value for x hits and y misses.
func (b BetaBinomial) logE(x, y float64) float64 {
	q := 1 - b.p
	two := bernoulliLogE(x, y, b.p, q, b.mass)
	if !b.oneSided {
		return two
	}
	// What the restriction to larger probabilities takes from the posterior and
	// from the prior.
	return two + logIncBeta(b.mass*q+y, b.mass*b.p+x, q, b.p) - logIncBeta(b.mass*q, b.mass*b.p, q, b.p)
}

// atMostTrials is trials for real numbers.
func atMostTrials(fn, arg string, n float64) error {
	if n > maxTrials {
		return input.Refuse(fn, arg, n, "at most 2^40")
	}
	return nil
}
