// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math"

	"github.com/headgate-dev/headgate/stats/internal/input"
)

// MixtureRadius is the half width, in standard errors, of the confidence
// sequence at 1-alpha of a normal mixture with ratio r:
//
//	z^2 = (1 + 1/r) (ln(1+r) + 2 ln(1/alpha)).
//
// One formula has several names, which differ only in what they take for r:
//
//   - asymptotic confidence sequences (GAVI): r = c_alpha n/planned, as Mixture does;
//   - the mixture sequential probability ratio test (mSPRT): r = tau^2/SE^2, with
//     the variance tau^2 of the effects one expects;
//   - always-valid linear models: r = n/g, with g units' worth of prior.
//
// The ratio must follow from the sample size or its variance alone.
func MixtureRadius(r, alpha float64) (float64, error) {
	const fn = "MixtureRadius"
	if err := input.First(input.Positive(fn, "r", r), input.Fraction(fn, "alpha", alpha)); err != nil {
		return 0, err
	}
	z := math.Sqrt((1 + 1/r) * (math.Log1p(r) - 2*math.Log(alpha)))
	return z, input.Finite(fn, "r", z)
}

// StudentMixtureRadius is MixtureRadius with r = n/g for an estimate whose
// standard error has df degrees of freedom, exact for normal observations
// (Lindon, Ham, Tingley, Bojinov 2022). Early on it does not exist, because no
// estimate would be evidence enough: ErrNoData.
func StudentMixtureRadius(r, df, alpha float64) (float64, error) {
	const fn = "StudentMixtureRadius"
	if err := input.First(input.Positive(fn, "r", r), input.Positive(fn, "df", df), input.Fraction(fn, "alpha", alpha)); err != nil {
		return 0, err
	}
	// The e-value sqrt(s) ((1+u)/(1+s u))^((df+1)/2), with u = t^2/df and
	// s = 1/(1+r), reaches 1/alpha.
	s := 1 / (1 + r)
	q := math.Exp(2 / (df + 1) * (math.Log1p(r)/2 - math.Log(alpha)))
	if !(s*q < 1) {
		return 0, input.NoData(fn, "too few degrees of freedom")
	}
	t := math.Sqrt(df * (q - 1) / (1 - s*q))
	return t, input.Finite(fn, "df", t)
}

// LowerRelaxed is a lower confidence sequence at 1-alpha, below 0.5, in closed
// form: est - SE sqrt(2 (1+1/r) ln(1 + sqrt(1+r)/(2 alpha))) (Waudby-Smith et
// al., eq. 134). It lies a little below Lower; it is what other tools print.
func (m Mixture) LowerRelaxed(est Estimate, n, alpha float64) (float64, error) {
	const fn = "Mixture.LowerRelaxed"
	_, r, err := m.prepare(fn, est, n)
	if err := input.First(err, input.Fraction(fn, "alpha", 2*alpha)); err != nil {
		return 0, err
	}
	lower := est.Value - est.SE*math.Sqrt(2*(1+1/r)*math.Log1p(math.Sqrt(1+r)/(2*alpha)))
	return lower, input.Finite(fn, "lower", lower)
}
