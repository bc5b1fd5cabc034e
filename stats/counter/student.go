// SPDX-License-Identifier: Apache-2.0

package counter

import (
	"math"

	"github.com/headgate-dev/headgate/stats"
	"github.com/headgate-dev/headgate/stats/internal/input"
)

// Estimate is an estimate from so few windows that it is compared with
// Student's t distribution.
type Estimate struct {
	stats.Estimate
	// DF is the degrees of freedom of its standard error, from 1 to 1e15.
	DF float64 `json:"df"`
}

// sane refuses what no calculation makes.
func (e Estimate) sane(fn string) error {
	if !(e.DF >= 1 && e.DF <= 1e15) {
		return input.Refuse(fn, "degrees of freedom", e.DF, "from 1 to 1e15")
	}
	return input.First(input.Finite(fn, "estimate", e.Value), input.NonNegative(fn, "standard error", e.SE))
}

// check refuses estimates that no inference can be made from.
func (e Estimate) check(fn string) error {
	if err := e.sane(fn); err != nil {
		return err
	}
	if e.SE == 0 {
		return input.NoData(fn, "the standard error is zero")
	}
	return nil
}

// P is the two-sided p-value of "the true value is 0", at one look fixed in
// advance. A standard error of 0 is stats.ErrNoData.
func (e Estimate) P() (float64, error) {
	if err := e.check("counter.Estimate.P"); err != nil {
		return 0, err
	}
	return 2 * stats.StudentSF(math.Abs(e.Value/e.SE), e.DF), nil
}

// Interval is the confidence interval at conf, such as 0.95. A standard error
// of 0 is stats.ErrNoData.
func (e Estimate) Interval(conf float64) (stats.Interval, error) {
	const fn = "counter.Estimate.Interval"
	if err := input.First(e.check(fn), input.Fraction(fn, "conf", conf)); err != nil {
		return stats.Interval{}, err
	}
	half := -stats.StudentQuantile((1-conf)/2, e.DF) * e.SE
	out := stats.Interval{Low: e.Value - half, High: e.Value + half}
	return out, input.First(input.Finite(fn, "low", out.Low), input.Finite(fn, "high", out.High))
}

// Difference estimates candidate - baseline for independent estimates, with the
// degrees of freedom of Welch and Satterthwaite.
func Difference(candidate, baseline Estimate) (Estimate, error) {
	const fn = "counter.Difference"
	for _, e := range []Estimate{candidate, baseline} {
		if err := e.sane(fn); err != nil {
			return Estimate{}, err
		}
	}
	d := stats.Difference(candidate.Estimate, baseline.Estimate)
	out := Estimate{Estimate: d, DF: min(candidate.DF, baseline.DF)}
	if d.SE > 0 {
		c, b := candidate.SE/d.SE, baseline.SE/d.SE
		c, b = c*c, b*b
		out.DF = max(out.DF, 1/(c*c/candidate.DF+b*b/baseline.DF)) // Never less, but for rounding.
	}
	return out, input.First(input.Finite(fn, "difference", d.Value), input.Finite(fn, "standard error", d.SE))
}
