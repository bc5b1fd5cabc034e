// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math"

	"github.com/headgate-dev/headgate/stats/internal/input"
)

// Estimate is a number with its standard error, taken to be approximately
// normal around the truth.
type Estimate struct {
	// Value is the point estimate.
	Value float64 `json:"value"`
	// SE is its standard error, in the same unit.
	SE float64 `json:"se"`
}

// check refuses estimates that no inference can be made from.
func (e Estimate) check(fn string) error {
	if err := input.First(input.Finite(fn, "estimate", e.Value), moment(fn, "standard error", e.SE)); err != nil {
		return err
	}
	if e.SE == 0 {
		return input.NoData(fn, "the standard error is zero")
	}
	return nil
}

// Interval is a closed interval, Low <= High.
type Interval struct {
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// Contains says whether v lies in the interval, ends included.
func (i Interval) Contains(v float64) bool { return i.Low <= v && v <= i.High }

// Difference estimates candidate - baseline for independent samples.
func Difference(candidate, baseline Estimate) Estimate {
	return Linearised(candidate, baseline, 1)
}

// Linearised estimates candidate - factor*baseline for independent samples. A
// relative margin m is tested on it without dividing: "not more than m below
// the baseline" is Linearised(c, b, 1-m) > 0, and "not more than m above" is
// Linearised(c, b, 1+m) < 0.
func Linearised(candidate, baseline Estimate, factor float64) Estimate {
	return Estimate{
		Value: candidate.Value - factor*baseline.Value,
		SE:    math.Hypot(candidate.SE, factor*baseline.SE),
	}
}

// RelativeInterval is Fieller's interval (1954) for the relative effect
// (candidate - baseline)/|baseline| of independent samples, z standard errors
// wide: z = 1.96 for 95 % at a fixed look, or the multiplier of any other
// method. It excludes 0 exactly when the interval of the difference does.
//
// It reports false when the baseline is within z standard errors of zero ("too
// noisy": the interval is unbounded) and when an argument is not usable.
func RelativeInterval(candidate, baseline Estimate, z float64) (Interval, bool) {
	const fn = "RelativeInterval"
	b := math.Abs(baseline.Value)
	if err := input.First(input.Finite(fn, "candidate", candidate.Value), input.Positive(fn, "baseline", b), moment(fn, "z", z),
		moment(fn, "candidate", candidate.SE), moment(fn, "baseline", baseline.SE)); err != nil {
		return Interval{}, false
	}
	// Everything in units of |baseline|.
	r, st, sc := candidate.Value/b, candidate.SE/b, baseline.SE/b
	g := z * z * sc * sc
	if !(g < 1) {
		return Interval{}, false
	}
	half := z * math.Hypot(st*math.Sqrt(1-g), r*sc)
	sign := math.Copysign(1, baseline.Value)
	out := Interval{Low: (r-half)/(1-g) - sign, High: (r+half)/(1-g) - sign}
	if input.Finite(fn, "low", out.Low) != nil || input.Finite(fn, "high", out.High) != nil {
		return Interval{}, false
	}
	return out, true
}
