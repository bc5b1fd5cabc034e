// SPDX-License-Identifier: Apache-2.0

package counter

import (
	"math"

	"github.com/headgate-dev/headgate/stats"
	"gonum.org/v1/gonum/mathext"
)

// Estimate is an estimate from so few windows that it is compared with
// Student's t distribution.
type Estimate struct {
	stats.Estimate
	// DF is the degrees of freedom of its standard error, from 1 to 1e15.
	DF float64 `json:"df"`
}

// manyDF is where Student's t is the normal distribution to all digits that
// matter, and its quantile function loses its own.
const manyDF = 1e7

// sane refuses what no calculation makes.
func (e Estimate) sane(fn string) error {
	if !(e.DF >= 1 && e.DF <= 1e15) {
		return refuse(fn, "degrees of freedom", e.DF, "from 1 to 1e15")
	}
	return firstError(finite(fn, "estimate", e.Value), nonNegative(fn, "standard error", e.SE))
}

// check refuses estimates that no inference can be made from.
func (e Estimate) check(fn string) error {
	if err := e.sane(fn); err != nil {
		return err
	}
	if e.SE == 0 {
		return noData(fn, "the standard error is zero")
	}
	return nil
}

// P is the two-sided p-value of "the true value is 0", at one look fixed in
// advance. A standard error of 0 is stats.ErrNoData.
func (e Estimate) P() (float64, error) {
	if err := e.check("Estimate.P"); err != nil {
		return 0, err
	}
	return studentP(math.Abs(e.Value/e.SE), e.DF), nil
}

// Interval is the confidence interval at conf, such as 0.95. A standard error
// of 0 is stats.ErrNoData.
func (e Estimate) Interval(conf float64) (stats.Interval, error) {
	const fn = "Estimate.Interval"
	if err := firstError(e.check(fn), fraction(fn, "conf", conf)); err != nil {
		return stats.Interval{}, err
	}
	half := studentQuantile((1-conf)/2, e.DF) * e.SE
	out := stats.Interval{Low: e.Value - half, High: e.Value + half}
	return out, firstError(finite(fn, "low", out.Low), finite(fn, "high", out.High))
}

// Difference estimates candidate - baseline for independent estimates, with the
// degrees of freedom of Welch and Satterthwaite.
func Difference(candidate, baseline Estimate) (Estimate, error) {
	const fn = "Difference"
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
	return out, firstError(finite(fn, "difference", d.Value), finite(fn, "standard error", d.SE))
}

// studentP is P(|T| >= t) for t >= 0.
func studentP(t, df float64) float64 {
	if df > manyDF {
		return 2 * stats.NormalSF(t)
	}
	if t*t < df {
		// 1 - x would round.
		u := t / math.Sqrt(df)
		return 1 - mathext.RegIncBeta(0.5, df/2, u*u/(1+u*u))
	}
	u := math.Sqrt(df) / t
	return mathext.RegIncBeta(df/2, 0.5, u*u/(1+u*u))
}

// studentQuantile is the t with P(T > t) = tail, for tail below 1/2, to about
// 1e-12: the root in the logarithm of t.
func studentQuantile(tail, df float64) float64 {
	if df > manyDF {
		return -stats.NormalQuantile(tail)
	}
	target := math.Log(2 * tail)
	excess := func(logT float64) float64 {
		return math.Log(max(studentP(math.Exp(logT), df), math.SmallestNonzeroFloat64)) - target
	}
	low, high := math.Log(-stats.NormalQuantile(tail))-1e-6, 1.0
	for excess(high) > 0 && high < 700 {
		low, high = high, 2*high
	}
	return math.Exp(root(excess, min(low, high-1), high))
}
