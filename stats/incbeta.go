// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math"

	"gonum.org/v1/gonum/mathext"
)

// BetaCDF is the distribution function of the beta distribution at x, the
// regularised incomplete beta function I_x(a, b), accurate for large parameters
// too, where the continued fraction that libraries use fails: at a = b = 1e8
// that is .79 in the middle instead of .5. NaN gives NaN, as do parameters that
// are not positive and finite.
func BetaCDF(x, a, b float64) float64 {
	switch {
	case math.IsNaN(x) || !(a > 0) || !(b > 0) || math.IsInf(a, 0) || math.IsInf(b, 0):
		return math.NaN()
	case x <= 0:
		return 0
	case x >= 1:
		return 1
	}
	return math.Exp(logIncBeta(a, b, x, 1-x))
}

// fromNormalBeta is where quadrature takes over from the library: where both
// parameters are at least this large, the density is smooth on the scale of its
// own width, and the library begins to lose digits.
const fromNormalBeta = 100

// logIncBeta is ln I_x(a, b) for x and y = 1-x above 0, also where the function
// itself underflows.
func logIncBeta(a, b, x, y float64) float64 {
	a, b = max(a, 1e-290), max(b, 1e-290) // Products can underflow; zero is no parameter.
	d := betaDensity{a: a, b: b}
	small := min(a, b) < fromNormalBeta
	if !small && x*b > y*a {
		// Above the mean the other tail is the one with the digits.
		return math.Log1p(-math.Exp(betaDensity{a: b, b: a}.logTail(y, x)))
	}
	if !small {
		return d.logTail(x, y)
	}
	if v := mathext.RegIncBeta(a, b, x); v > 1e-250 {
		return math.Log(min(1, v))
	}
	return d.series(x, y)
}

// betaDensity is a beta distribution in the logit u of its argument, in which
// its density is
//
//	sqrt(a b/(2 pi n)) exp(S(n) - S(a) - S(b) - D(u)),   n = a + b,
//
// with the remainder S of Stirling's series and the deviance D of a and b from
// what the argument leads to expect, which is 0 at the mean.
type betaDensity struct{ a, b float64 }

// logScale is the logarithm of the factor before exp(-D).
func (d betaDensity) logScale() float64 {
	n := d.a + d.b
	return (math.Log(d.a)+math.Log(d.b/n))/2 - halfLog2Pi + stirling(n) - stirling(d.a) - stirling(d.b)
}

// deviance is D for arguments x and y = 1-x.
func (d betaDensity) deviance(x, y float64) float64 {
	n := d.a + d.b
	return deviance(d.a, n*x) + deviance(d.b, n*y)
}

// logTail is the logarithm of the probability below x, for x at most the mean
// and parameters that are not small, by quadrature from x to where nothing is
// left.
func (d betaDensity) logTail(x, y float64) float64 {
	u, at := math.Log(x)-math.Log(y), d.deviance(x, y)
	excess := func(v float64) float64 { return d.deviance(logistic(v), logistic(-v)) - at }
	width := math.Sqrt(1/d.a + 1/d.b)
	// Far out the density falls exponentially, and faster than it is wide.
	width = min(width, 1/math.Abs((d.a+d.b)*x-d.a))
	for excess(u-width) < 38 && width < 1e4 {
		width *= 1.5
	}
	sum := 0.0
	for i, w := range tailWeights {
		for panel := range tailPanels {
			v := u - width*(float64(panel)+tailNodes[i])/tailPanels
			sum += w * math.Exp(-max(0, excess(v)))
		}
	}
	return d.logScale() - at + math.Log(sum*width/tailPanels)
}

// The rule of logTail: eight nodes of Gauss and Legendre on each of 20 panels of
// the unit interval.
const tailPanels = 20

var (
	tailNodes = [...]float64{
		0.019855071751231884, 0.10166676129318664, 0.2372337950418355, 0.40828267875217511,
		0.59171732124782489, 0.7627662049581645, 0.89833323870681336, 0.98014492824876812,
	}
	tailWeights = [...]float64{
		0.050614268145188130, 0.11119051722668724, 0.15685332293894364, 0.18134189168918099,
		0.18134189168918099, 0.15685332293894364, 0.11119051722668724, 0.050614268145188130,
	}
)

// series is the logarithm of the probability below x far in the lower tail, by
// the power series, whose terms fall fast there.
func (d betaDensity) series(x, y float64) float64 {
	sum, term := 1.0, 1.0
	for k := 0.0; k < 1e5 && term > 1e-17*sum; k++ {
		term *= (d.a + d.b + k) / (d.a + 1 + k) * x
		sum += term
	}
	return d.logScale() - d.deviance(x, y) - math.Log(d.a) + math.Log(sum)
}
