// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math"

	"gonum.org/v1/gonum/mathext"
)

// NormalCDF is the standard normal distribution function, P(Z <= x), accurate
// in the far lower tail. NaN gives NaN, as in package math.
func NormalCDF(x float64) float64 { return math.Erfc(-x/math.Sqrt2) / 2 }

// NormalSF is the standard normal survival function, P(Z > x), accurate in the
// far upper tail, where 1 - NormalCDF(x) is 0.
func NormalSF(x float64) float64 { return math.Erfc(x/math.Sqrt2) / 2 }

// NormalQuantile is the inverse of NormalCDF. It is -Inf at p <= 0, +Inf at
// p >= 1, and NaN for NaN. For upper quantiles of a small alpha prefer
// -NormalQuantile(alpha) to NormalQuantile(1-alpha), which rounds.
func NormalQuantile(p float64) float64 {
	switch {
	case math.IsNaN(p):
		return p
	case p <= 0:
		return math.Inf(-1)
	case p >= 1:
		return math.Inf(1)
	}
	return mathext.NormalQuantile(p)
}

// normalDensity is the standard normal density.
func normalDensity(x float64) float64 {
	return math.Exp(-x*x/2) / math.Sqrt(2*math.Pi)
}

// logTwoCDF is ln(2 Phi(w)) + w^2/2, which is a gentle function although both
// its terms are not: it is 0 at 0, about w^2/2 to the right and about
// -ln|w| to the left.
func logTwoCDF(w float64) float64 {
	if w >= 0 {
		return w*w/2 + math.Log1p(math.Erf(w/math.Sqrt2))
	}
	return math.Log(scaledErfc(-w / math.Sqrt2))
}

// scaledErfc is exp(x^2) erfc(x) for x >= 0, without underflow.
func scaledErfc(x float64) float64 {
	if x < 25 {
		return math.Exp(x*x) * math.Erfc(x)
	}
	// Abramowitz and Stegun 7.1.23; at 25 the first term left out is 3e-15.
	y := 1 / (2 * x * x)
	return (1 - y*(1-3*y*(1-5*y*(1-7*y*(1-9*y))))) / (x * math.Sqrt(math.Pi))
}

// stirling is the remainder of Stirling's series:
//
//	ln Gamma(x) = (x-1/2) ln x - x + ln(2 pi)/2 + stirling(x)   for x > 0.
//
// Differences of ln Gamma at large arguments are made of it, because the large
// terms can then be cancelled on paper.
func stirling(x float64) float64 {
	if x < 12 {
		l, _ := math.Lgamma(x)
		return l - (x-0.5)*math.Log(x) + x - halfLog2Pi
	}
	y := 1 / (x * x)
	return (1 - y*(1./30-y*(1./105-y*(1./140-y/99)))) / (12 * x)
}

// halfLog2Pi is ln(2 pi)/2.
const halfLog2Pi = 0.918938533204672741780329736405617639861397473637783
