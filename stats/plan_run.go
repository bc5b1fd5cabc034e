// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math"

	"github.com/headgate-dev/headgate/stats/internal/input"
	"github.com/headgate-dev/headgate/stats/internal/root"
)

// SampleSizeNonInferiority is the number of trials per version that a
// one-sided test at alpha needs to show, with the given power, that a
// proportion that truly is p in both versions is not worse by margin. It is
// not rounded.
func SampleSizeNonInferiority(p, margin, alpha, power float64) (float64, error) {
	const fn = "SampleSizeNonInferiority"
	if err := input.First(input.Fraction(fn, "p", p), input.Positive(fn, "margin", margin)); err != nil {
		return 0, err
	}
	sd := math.Sqrt(p * (1 - p))
	n, _, err := SampleSizeDifference(sd, sd, margin, alpha, power, 1)
	return n, err
}

// RuleOf16 is the number of units per version by rule of thumb, 16 variance/effect^2:
// a two-sided test at 5 % with power 80 %.
func RuleOf16(variance, effect float64) (float64, error) {
	const fn = "RuleOf16"
	if err := input.First(input.Positive(fn, "variance", variance), input.Positive(fn, "effect", math.Abs(effect))); err != nil {
		return 0, err
	}
	n := 16 * variance / effect / effect
	return n, input.Finite(fn, "effect", n)
}

// DetectableEffect is the smallest effect that a one-sided test at alpha finds
// with the given power when the standard error will be se. For a two-sided
// test pass alpha/2.
func DetectableEffect(se, alpha, power float64) (float64, error) {
	const fn = "DetectableEffect"
	if err := input.First(input.Positive(fn, "se", se), levels(fn, alpha, power)); err != nil {
		return 0, err
	}
	mde := se * (NormalQuantile(power) - NormalQuantile(alpha))
	return mde, input.Finite(fn, "se", mde)
}

// MetricLevels are the level of each success metric and the power to plan each
// metric for when an experiment ships if any of success metrics is better and
// none of guardrails is shown inferior (Schultzberg, Ankargren, Frånberg 2024).
// alpha is split over the success metrics alone, because passing all guardrails
// is harder and not easier than passing one; what guardrails cost is power, so
// that 1-power is split over them and the decision.
func MetricLevels(alpha, power float64, success, guardrails int) (each, eachPower float64, err error) {
	const fn = "MetricLevels"
	if err := levels(fn, alpha, power); err != nil {
		return 0, 0, err
	}
	if success < 1 {
		return 0, 0, input.Refuse(fn, "success metrics", float64(success), "1 or more")
	}
	if guardrails < 0 {
		return 0, 0, input.Refuse(fn, "guardrails", float64(guardrails), "0 or more")
	}
	return alpha / float64(success), 1 - (1-power)/float64(guardrails+1), nil
}

// Traffic is what feeds an experiment.
type Traffic struct {
	// PerDay is how many eligible units arrive per day.
	PerDay float64 `json:"perDay"`
	// Exposure is the share of them that takes part, above 0 and at most 1.
	Exposure float64 `json:"exposure"`
	// Maturation is how many days an outcome takes to be known, 0 or more.
	Maturation float64 `json:"maturation"`
}

// Duration is how many days it takes until units have arrived, rounded up; the
// same rounded up to whole weeks, because weekdays differ; and the days until
// the outcomes of those weeks are known.
func (t Traffic) Duration(units float64) (days, wholeWeeks, matured int, err error) {
	const fn = "Traffic.Duration"
	if err := input.First(input.Positive(fn, "units", units), input.Positive(fn, "perDay", t.PerDay), input.Positive(fn, "exposure", t.Exposure), moment(fn, "maturation", t.Maturation)); err != nil {
		return 0, 0, 0, err
	}
	if t.Exposure > 1 {
		return 0, 0, 0, input.Refuse(fn, "exposure", t.Exposure, "at most 1")
	}
	// A hair less, so that rounding does not add a day to a whole number.
	d := math.Ceil(units / (t.PerDay * t.Exposure) * (1 - 1e-12))
	if m := d + math.Ceil(t.Maturation); !(m < 1e6) {
		return 0, 0, 0, input.Refuse(fn, "units", units, "no more than arrive in a million days")
	}
	wholeWeeks = 7 * int(math.Ceil(d/7))
	return int(d), wholeWeeks, wholeWeeks + int(math.Ceil(t.Maturation)), nil
}

// Remaining is how many more units an experiment under way needs, as a multiple
// of the n units that it has, until its two-sided test finds effect with the
// given power: est is what it has measured now, of which only the standard
// error counts, and it is taken to shrink with the square root of the sample.
// radius says how many standard errors wide the test's interval is at a sample
// size; FixedRadius and Mixture.Radius make one. It is 0 where the power is
// there already. Extrapolating a rate of arrival from it is optimistic, because
// new units arrive ever more slowly.
func Remaining(est Estimate, n, effect, power float64, radius func(n float64) float64) (float64, error) {
	const fn = "Remaining"
	effect = math.Abs(effect)
	if err := input.First(est.check(fn), input.Positive(fn, "n", n), input.Positive(fn, "effect", effect), input.Fraction(fn, "power", power)); err != nil {
		return 0, err
	}
	if radius == nil {
		return 0, input.Refuse(fn, "radius", 0, "a function")
	}
	lacking := func(more float64) float64 {
		ratio, z := effect/est.SE*math.Sqrt(1+more), radius(n*(1+more))
		return NormalSF(z-ratio) + NormalSF(z+ratio) - power
	}
	high := 1.0
	for ; !(lacking(high) >= 0); high *= 2 {
		if high > 1e9 {
			return 0, input.Refuse(fn, "effect", effect, "one within reach of a billion times the sample")
		}
	}
	if lacking(0) >= 0 {
		return 0, nil
	}
	return root.Find(lacking, 0, high, 1e-9), nil
}

// FixedRadius is the radius of a fixed two-sided test at alpha, for Remaining.
func FixedRadius(alpha float64) func(n float64) float64 {
	z := -NormalQuantile(alpha / 2)
	return func(float64) float64 { return z }
}

// Radius is the radius of Interval at alpha, for Remaining. Where there is none
// it is infinite.
func (m Mixture) Radius(alpha float64) func(n float64) float64 {
	return func(n float64) float64 {
		i, err := m.Interval(Estimate{SE: 1}, n, alpha)
		if err != nil {
			return math.Inf(1)
		}
		return i.High
	}
}
