// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math"

	"github.com/headgate-dev/headgate/stats/internal/input"
)

// Mixture is the normal-mixture family of always-valid inference: one tuning
// gives e-values, confidence sequences and one-sided bounds that may be looked
// at after every observation (Howard, Ramdas, McAuliffe and Sekhon 2021,
// eq. 14; Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas 2021, eq. 9).
//
// With z = value/SE and r proportional to the sample size n, the e-value is
//
//	E = (1+r)^(-1/2) exp(z^2/2 * r/(1+r)).
//
// The guarantee is asymptotic: it holds for estimates that behave normally,
// so do not use it below about 100 units and 25 events per version. The
// tuning must be fixed before the data are seen; it affects how sharp the
// result is at a sample size, never whether it is valid.
type Mixture struct {
	// rate is r per observation, c_alpha/planned.
	rate float64
}

// NewMixture tunes a mixture to be sharpest at the planned sample size (in the
// unit in which n will be given) for two-sided inference at level alpha:
// r = c_alpha n/planned with c_alpha = 2 ln(1/alpha) + ln(1 + 2 ln(1/alpha)).
// For inference that only ever looks one way at level alpha, tune with 2 alpha.
func NewMixture(alpha, planned float64) (Mixture, error) {
	const fn = "NewMixture"
	if err := input.First(input.Fraction(fn, "alpha", alpha), input.Positive(fn, "planned", planned)); err != nil {
		return Mixture{}, err
	}
	rate := tuning(alpha) / planned
	if err := input.Positive(fn, "planned", rate); err != nil {
		return Mixture{}, input.Refuse(fn, "planned", planned, "a sample size")
	}
	return Mixture{rate: rate}, nil
}

// tuning is c_alpha.
func tuning(alpha float64) float64 {
	l := -2 * math.Log(alpha)
	return l + math.Log1p(l)
}

// maxZ bounds |z| so that its square stays finite. A smaller |z| is less
// evidence, so the bound costs nothing but digits that nobody reads.
const maxZ = 1e150

// prepare checks the arguments and returns z and r.
func (m Mixture) prepare(fn string, est Estimate, n float64) (z, r float64, err error) {
	if !(m.rate > 0) {
		return 0, 0, input.Refuse(fn, "mixture", m.rate, "one made by NewMixture")
	}
	if n == 0 {
		return 0, 0, input.NoData(fn, "no observations")
	}
	if err := input.First(input.Positive(fn, "n", n), est.check(fn)); err != nil {
		return 0, 0, err
	}
	r = m.rate * n
	if err := input.Positive(fn, "n", r); err != nil {
		return 0, 0, input.Refuse(fn, "n", n, "a sample size near the planned one")
	}
	return min(max(est.Value/est.SE, -maxZ), maxZ), r, nil
}

// LogE is the logarithm of the two-sided e-value against "the true value is
// 0", after n observations. Under that hypothesis the probability that it ever
// reaches ln(1/alpha) is at most alpha. A standard error of 0 is ErrNoData:
// nothing has varied yet, so nothing is known about variation.
func (m Mixture) LogE(est Estimate, n float64) (float64, error) {
	z, r, err := m.prepare("Mixture.LogE", est, n)
	if err != nil {
		return 0, err
	}
	return (z*z*(r/(1+r)) - math.Log1p(r)) / 2, nil
}

// LogEGreater is the logarithm of the one-sided e-value against "the true
// value is 0 or less", after n observations: evidence that it is above 0.
// It is 2 E Phi(z sqrt(r/(1+r))), the half-normal mixture. It falls without
// bound, but slowly, as the estimate becomes more negative. A standard error
// of 0 is ErrNoData.
func (m Mixture) LogEGreater(est Estimate, n float64) (float64, error) {
	z, r, err := m.prepare("Mixture.LogEGreater", est, n)
	if err != nil {
		return 0, err
	}
	return logTwoCDF(z*math.Sqrt(r/(1+r))) - math.Log1p(r)/2, nil
}

// Interval is the two-sided confidence sequence at level 1-alpha: with that
// probability it contains the truth at every n at once. Its half width is
// sqrt((1+1/r)(ln(1+r) + 2 ln(1/alpha))) standard errors, and it excludes 0
// exactly when LogE exceeds ln(1/alpha). A standard error of 0 is ErrNoData.
func (m Mixture) Interval(est Estimate, n, alpha float64) (Interval, error) {
	const fn = "Mixture.Interval"
	_, r, err := m.prepare(fn, est, n)
	if err := input.First(err, input.Fraction(fn, "alpha", alpha)); err != nil {
		return Interval{}, err
	}
	half := est.SE * math.Sqrt((1+1/r)*(math.Log1p(r)-2*math.Log(alpha)))
	out := Interval{Low: est.Value - half, High: est.Value + half}
	return out, input.First(input.Finite(fn, "low", out.Low), input.Finite(fn, "high", out.High))
}

// Lower is the one-sided lower confidence sequence at level 1-alpha: with that
// probability the truth is above it at every n at once. It is the exact dual
// of LogEGreater, which reaches ln(1/alpha) for est - Lower; in particular it
// is 0 or more exactly when LogEGreater >= ln(1/alpha). A standard error of 0
// is ErrNoData.
func (m Mixture) Lower(est Estimate, n, alpha float64) (float64, error) {
	const fn = "Mixture.Lower"
	_, r, err := m.prepare(fn, est, n)
	if err := input.First(err, input.Fraction(fn, "alpha", alpha)); err != nil {
		return 0, err
	}
	w := inverseLogTwoCDF(math.Log1p(r)/2 - math.Log(alpha))
	lower := est.Value - est.SE*w*math.Sqrt(1+1/r)
	return lower, input.Finite(fn, "lower", lower)
}

// inverseLogTwoCDF solves logTwoCDF(w) = y for y > 0 by Newton's method. The
// function is convex there and sqrt(2y) lies right of the root, so the steps
// go left and never past it.
func inverseLogTwoCDF(y float64) float64 {
	w := math.Sqrt(2 * y)
	for range 60 {
		step := (logTwoCDF(w) - y) / (w + normalDensity(w)/NormalCDF(w))
		w -= step
		if math.Abs(step) <= 1e-15*w {
			break
		}
	}
	return w
}
