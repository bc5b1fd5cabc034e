// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math"

	"github.com/headgate-dev/headgate/stats/internal/input"
)

// SampleSizeDifference is the number of units per version that a fixed test of
// a difference of means needs to find effect with the given power, one-sided
// at alpha (for a two-sided test pass alpha/2). The standard deviations are per
// unit; for a ratio metric pass sqrt(n) times its standard error, from history.
// ratio is candidate units per baseline unit: 1 is balanced, 1./9 is a 10 %
// canary. Results are not rounded. The sign of effect does not matter.
//
// Multiply by Inflation for a group-sequential test.
func SampleSizeDifference(sdBaseline, sdCandidate, effect, alpha, power, ratio float64) (nBaseline, nCandidate float64, err error) {
	const fn = "SampleSizeDifference"
	if err := input.First(
		input.Positive(fn, "sdBaseline", sdBaseline), input.Positive(fn, "sdCandidate", sdCandidate),
		input.Positive(fn, "effect", math.Abs(effect)), input.Positive(fn, "ratio", ratio),
		levels(fn, alpha, power),
	); err != nil {
		return 0, 0, err
	}
	z := NormalQuantile(power) - NormalQuantile(alpha)
	c, b := z*sdCandidate/effect, z*sdBaseline/effect
	nCandidate = c*c + ratio*b*b
	nBaseline = nCandidate / ratio
	if err := input.First(input.Finite(fn, "candidate sample", nCandidate), input.Finite(fn, "baseline sample", nBaseline)); err != nil {
		return 0, 0, err
	}
	return nBaseline, nCandidate, nil
}

// SampleSizeProportions is the number of trials per version that a two-sided
// test at alpha of two proportions needs to tell p1 from p2 with the given
// power: pooled variance under the hypothesis, unpooled under the alternative.
// The result is not rounded.
func SampleSizeProportions(p1, p2, alpha, power float64) (float64, error) {
	const fn = "SampleSizeProportions"
	if err := input.First(
		input.Fraction(fn, "p1", p1), input.Fraction(fn, "p2", p2),
		input.Positive(fn, "difference of proportions", math.Abs(p1-p2)),
		levels(fn, alpha/2, power),
	); err != nil {
		return 0, err
	}
	p := (p1 + p2) / 2
	root := -NormalQuantile(alpha/2)*math.Sqrt(2*p*(1-p)) + NormalQuantile(power)*math.Sqrt(p1*(1-p1)+p2*(1-p2))
	root /= p1 - p2
	return root * root, input.Finite(fn, "difference of proportions", root*root)
}

// PowerDifference is the probability that an estimate with standard error se
// lies at least z standard errors above 0 when the truth is effect.
func PowerDifference(effect, se, z float64) (float64, error) {
	const fn = "PowerDifference"
	if err := input.First(input.Finite(fn, "effect", effect), input.Positive(fn, "se", se), input.Finite(fn, "z", z)); err != nil {
		return 0, err
	}
	return NormalSF(z - effect/se), nil
}

// levels checks alpha and power. A power below alpha needs no data at all.
func levels(fn string, alpha, power float64) error {
	if err := input.First(input.Fraction(fn, "alpha", alpha), input.Fraction(fn, "power", power)); err != nil {
		return err
	}
	if power <= alpha {
		return input.Refuse(fn, "power", power, "more than alpha")
	}
	return nil
}
