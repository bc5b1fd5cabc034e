// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math"

	"github.com/headgate-dev/headgate/stats/internal/input"
)

// Measured is an estimate and the number of independent units behind it, from
// which the reliability of its standard error follows.
type Measured struct {
	Estimate
	// Units is the number of units, at least 2.
	Units int64 `json:"units"`
}

// Contrast is an estimated effect whose standard error is itself estimated.
type Contrast struct {
	Estimate
	// DF are the degrees of freedom of the standard error; 0 means that it is
	// taken as known, and the normal distribution takes the place of Student's t.
	DF float64 `json:"df"`
}

// Welch compares the means of two independent series of observations without
// assuming equal variances (Welch 1947). It needs two observations each and
// some variation (ErrNoData).
func Welch(candidate, baseline Moments) (Contrast, error) {
	const fn = "Welch"
	vc, err1 := candidate.Variance()
	vb, err2 := baseline.Variance()
	if err := input.First(err1, err2); err != nil {
		return Contrast{}, err
	}
	c := Measured{Estimate{candidate.Mean, math.Sqrt(vc / float64(candidate.N))}, candidate.N}
	b := Measured{Estimate{baseline.Mean, math.Sqrt(vb / float64(baseline.N))}, baseline.N}
	return absolute(fn, c, b)
}

// AbsoluteContrast is candidate - baseline of independent samples with the
// degrees of freedom of Welch and Satterthwaite. It serves means, proportions
// and ratios of sums alike. Two standard errors of zero are ErrNoData.
func AbsoluteContrast(candidate, baseline Measured) (Contrast, error) {
	return absolute("AbsoluteContrast", candidate, baseline)
}

func absolute(fn string, candidate, baseline Measured) (Contrast, error) {
	df, err := satterthwaite(fn, candidate, baseline)
	if err != nil {
		return Contrast{}, err
	}
	d, err := result(fn, Difference(candidate.Estimate, baseline.Estimate))
	return Contrast{Estimate: d, DF: df}, err
}

// RelativeContrast is (candidate - baseline)/|baseline| with the delta method's
// standard error and the degrees of freedom of AbsoluteContrast. It is for
// display beside other tools: its test is not that of the difference, so that
// the two can disagree. Decide by AbsoluteContrast and show RelativeInterval,
// which agrees with it. A baseline of zero is ErrNoData.
func RelativeContrast(candidate, baseline Measured) (Contrast, error) {
	const fn = "RelativeContrast"
	df, err := satterthwaite(fn, candidate, baseline)
	if err != nil {
		return Contrast{}, err
	}
	b := math.Abs(baseline.Value)
	if b == 0 {
		return Contrast{}, input.NoData(fn, "the baseline is zero")
	}
	rel, err := result(fn, Estimate{
		Value: (candidate.Value - baseline.Value) / b,
		SE:    math.Hypot(candidate.SE/b, candidate.Value/b*(baseline.SE/b)),
	})
	return Contrast{Estimate: rel, DF: df}, err
}

// satterthwaite are the degrees of freedom of the difference's standard error:
// the sum of variances squared over the sum of variances squared per degree.
func satterthwaite(fn string, samples ...Measured) (float64, error) {
	largest := 0.0
	for _, s := range samples {
		if err := input.First(observations(fn, s.Units), input.Finite(fn, "estimate", s.Value), moment(fn, "standard error", s.SE)); err != nil {
			return 0, err
		}
		largest = max(largest, s.SE)
	}
	if largest == 0 {
		return 0, input.NoData(fn, "the standard error is zero")
	}
	sum, parts := 0.0, 0.0
	for _, s := range samples {
		v := s.SE / largest * (s.SE / largest)
		sum += v
		parts += v * v / float64(s.Units-1)
	}
	return sum * sum / parts, nil
}

// check refuses contrasts that nothing can be said about.
func (c Contrast) check(fn string) error {
	if err := c.Estimate.check(fn); err != nil {
		return err
	}
	return moment(fn, "df", c.DF)
}

// tail is the upper tail of the contrast's distribution.
func (c Contrast) tail(t float64) float64 {
	if c.DF == 0 {
		return NormalSF(t)
	}
	return StudentSF(t, c.DF)
}

// quantile is its upper quantile, for p below one half.
func (c Contrast) quantile(p float64) float64 {
	if c.DF == 0 {
		return -NormalQuantile(p)
	}
	return -StudentQuantile(p, c.DF)
}

// P is the two-sided p-value against an effect of zero.
func (c Contrast) P() (float64, error) {
	if err := c.check("Contrast.P"); err != nil {
		return 0, err
	}
	return 2 * c.tail(math.Abs(c.Value/c.SE)), nil
}

// PGreater is the one-sided p-value against an effect of zero or less: small
// means evidence that the effect is positive.
func (c Contrast) PGreater() (float64, error) {
	if err := c.check("Contrast.PGreater"); err != nil {
		return 0, err
	}
	return c.tail(c.Value / c.SE), nil
}

// Interval is the two-sided confidence interval at 1-alpha. It excludes 0
// exactly when P is below alpha.
func (c Contrast) Interval(alpha float64) (Interval, error) {
	const fn = "Contrast.Interval"
	if err := input.First(c.check(fn), level(fn, alpha)); err != nil {
		return Interval{}, err
	}
	half := c.SE * c.quantile(alpha/2)
	out := Interval{Low: c.Value - half, High: c.Value + half}
	return out, input.First(input.Finite(fn, "low", out.Low), input.Finite(fn, "high", out.High))
}

// Lower is the one-sided lower confidence bound at 1-alpha. It is above 0
// exactly when PGreater is below alpha.
func (c Contrast) Lower(alpha float64) (float64, error) {
	const fn = "Contrast.Lower"
	if err := input.First(c.check(fn), level(fn, alpha)); err != nil {
		return 0, err
	}
	low := c.Value - c.SE*c.quantile(alpha)
	return low, input.Finite(fn, "low", low)
}

// LogRatioInterval is the interval for the relative effect that is symmetric
// on the logarithmic scale, z standard errors wide. Both estimates must be
// positive (ErrNoData at zero).
func LogRatioInterval(candidate, baseline Estimate, z float64) (Interval, error) {
	const fn = "LogRatioInterval"
	for _, e := range []Estimate{candidate, baseline} {
		if e.Value == 0 {
			return Interval{}, input.NoData(fn, "an estimate is zero")
		}
		if err := input.First(input.Positive(fn, "estimate", e.Value), moment(fn, "standard error", e.SE)); err != nil {
			return Interval{}, err
		}
	}
	if err := moment(fn, "z", z); err != nil {
		return Interval{}, err
	}
	log := math.Log(candidate.Value) - math.Log(baseline.Value)
	half := z * math.Hypot(candidate.SE/candidate.Value, baseline.SE/baseline.Value)
	out := Interval{Low: math.Expm1(log - half), High: math.Expm1(log + half)}
	return out, input.First(input.Finite(fn, "low", out.Low), input.Finite(fn, "high", out.High))
}
