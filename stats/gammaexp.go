// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math"

	"github.com/headgate-dev/headgate/stats/internal/input"
	"github.com/headgate-dev/headgate/stats/internal/root"
	"gonum.org/v1/gonum/mathext"
)

// GammaExponential is the gamma-exponential mixture (Howard, Ramdas, McAuliffe,
// Sekhon 2021): one-sided e-values for sums of observations that
// are bounded from below but may be large and rare above, such as rewards
// weighted by inverse propensities. For observations X_t of 0 or more with mean
// at most mu, and predictions Y_t made before X_t was seen, the sum
// S = sum (X_t - mu) and V = sum (X_t - Y_t)^2 may be looked at after every
// observation; c is how far below its prediction an observation can fall.
type GammaExponential struct {
	rho, c float64
}

// NewGammaExponential tunes a mixture to be sharpest when V is vopt, for
// one-sided inference at level alpha, below 0.5.
func NewGammaExponential(alpha, vopt, c float64) (GammaExponential, error) {
	const fn = "NewGammaExponential"
	if err := input.First(input.Fraction(fn, "alpha", 2*alpha), input.Positive(fn, "vopt", vopt), input.Positive(fn, "c", c)); err != nil {
		return GammaExponential{}, err
	}
	return NewGammaExponentialRho(vopt/tuning(2*alpha), c)
}

// NewGammaExponentialRho makes a mixture from its parameter rho instead.
func NewGammaExponentialRho(rho, c float64) (GammaExponential, error) {
	const fn = "NewGammaExponentialRho"
	if err := input.First(input.Positive(fn, "rho", rho), input.Positive(fn, "c", c), input.Positive(fn, "rho", rho/c/c)); err != nil {
		return GammaExponential{}, err
	}
	if a := rho / c / c; !(a > 1e-9 && a < maxGamma) {
		return GammaExponential{}, input.Refuse(fn, "rho/c^2", a, "from 1e-9 to 1e12")
	}
	return GammaExponential{rho: rho, c: c}, nil
}

// maxGamma bounds the parameter of the incomplete gamma function, whose
// evaluation takes steps of the order of its root.
const maxGamma = 1e12

// LogE is the logarithm of the e-value for the sum s with variance process v of
// 0 or more. If s is as low as observations bounded by c cannot make it, it is
// an *InputError.
func (g GammaExponential) LogE(s, v float64) (float64, error) {
	const fn = "GammaExponential.LogE"
	if err := input.First(g.made(fn), input.Finite(fn, "s", s), moment(fn, "v", v)); err != nil {
		return 0, err
	}
	a := (v + g.rho) / g.c / g.c
	if !(a < maxGamma) {
		return 0, input.Refuse(fn, "v", v, "less than 1e12 c^2")
	}
	if !(g.c*s/(v+g.rho) > -1) {
		return 0, input.Refuse(fn, "s", s, "more than -(v + rho)/c")
	}
	logE := g.logE(s, v)
	return logE, input.Finite(fn, "s", logE)
}

// made refuses the zero value.
func (g GammaExponential) made(fn string) error {
	if !(g.rho > 0) {
		return input.Refuse(fn, "mixture", g.rho, "one made by NewGammaExponential")
	}
	return nil
}

// logE is the e-value in Stirling's form: with A = (v+rho)/c^2, R = rho/c^2 and
// u = c s/(v+rho), A (u - ln(1+u)) is what is left of the large terms.
func (g GammaExponential) logE(s, v float64) float64 {
	a, r := (v+g.rho)/g.c/g.c, g.rho/g.c/g.c
	u := g.c * s / (v + g.rho)
	return a*(u-math.Log1p(u)) - math.Log(a/r)/2 + stirling(a) - stirling(r) + logIncGamma(a, u) - logIncGamma(r, 0)
}

// Bound is the sum that refutes the hypothesis at level alpha when the variance
// process is v: S reaches it at any time with probability at most alpha.
func (g GammaExponential) Bound(v, alpha float64) (float64, error) {
	const fn = "GammaExponential.Bound"
	if err := input.First(g.made(fn), moment(fn, "v", v), input.Fraction(fn, "alpha", alpha)); err != nil {
		return 0, err
	}
	if !((v+g.rho)/g.c/g.c < maxGamma) {
		return 0, input.Refuse(fn, "v", v, "less than 1e12 c^2")
	}
	lack := func(s float64) float64 { return g.logE(s, v) + math.Log(alpha) }
	high := math.Sqrt(v+g.rho) + g.c
	for lack(high) < 0 {
		high *= 2
	}
	s := root.Find(lack, 0, high, 1e-12)
	return s, input.Finite(fn, "v", s)
}

// logIncGamma is ln P(a, a (1+u)), the regularised lower incomplete gamma
// function, also where the function itself underflows.
func logIncGamma(a, u float64) float64 {
	x := a * (1 + u)
	if v := mathext.GammaIncReg(a, x); v > 1e-250 {
		return math.Log(v)
	}
	sum, term := 1.0, 1.0
	for k := 1.0; k < 1e8 && term > 1e-17*sum; k++ {
		term *= x / (a + k)
		sum += term
	}
	return -a*(u-math.Log1p(u)) - math.Log(a)/2 - halfLog2Pi - stirling(a) + math.Log(sum)
}
