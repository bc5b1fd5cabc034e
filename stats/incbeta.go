// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math"

	"gonum.org/v1/gonum/mathext"
)

// BetaCDF is the distribution function of the beta distribution at x, the
// regularised incomplete beta function I_x(a, b), accurate for large parameters
// too, where the continued fraction that libraries use fails: at a = b = 1e8
// that is .79 in the middle instead of .5. NaN gives NaN, as do parameters
// outside 1e-100 to 1e14. x nearer to 0 than 1e-290 counts as that.
func BetaCDF(x, a, b float64) float64 {
	switch {
	case math.IsNaN(x) || !(min(a, b) >= leastBeta) || !(max(a, b) <= 1e14):
		return math.NaN()
	case x <= 0:
		return 0
	case x >= 1:
		return 1
	}
	return math.Exp(logIncBeta(a, b, x, 1-x))
}

const (
	// leastBeta is the smallest parameter.
	leastBeta = 1e-100
	// libraryBeta is the largest parameter for which the library's continued
	// fraction is used; it begins to lose digits beyond.
	libraryBeta = 1000
	// smallBeta is the parameter below which the density is too wide on its side
	// of the mean for quadrature, and the power series short.
	smallBeta = 100
)

// logIncBeta is ln I_x(a, b) for x and y = 1-x above 0, also where the function
// itself underflows.
func logIncBeta(a, b, x, y float64) float64 {
	a, b = max(a, leastBeta), max(b, leastBeta) // Products can underflow; zero is no parameter.
	x, y = max(x, 1e-290), max(y, 1e-290)
	d := betaDensity{a: a, b: b}
	if max(a, b) <= libraryBeta {
		if v := mathext.RegIncBeta(a, b, x); v > 1e-250 {
			return math.Log(min(1, v))
		}
		return d.series(x, y)
	}
	if x*b <= y*a {
		return min(0, d.logBelow(x, y))
	}
	// Above the mean the other tail is the one with the digits.
	return math.Log1p(-min(1, math.Exp(betaDensity{a: b, b: a}.logBelow(y, x))))
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

// logBelow is the logarithm of the probability below x, for x at most the mean
// and one parameter at least that is not small.
func (d betaDensity) logBelow(x, y float64) float64 {
	if d.a < smallBeta {
		return d.series(x, y)
	}
	return d.quadrature(x, y)
}

// quadrature is logBelow by integration from x to where nothing is left.
func (d betaDensity) quadrature(x, y float64) float64 {
	u, at := math.Log(x)-math.Log(y), d.deviance(x, y)
	excess := func(v float64) float64 { return d.deviance(logistic(v), logistic(-v)) - at }
	width := math.Sqrt(1/d.a + 1/d.b)
	// Far out the density falls exponentially, and faster than it is wide.
	width = min(width, 1/math.Abs((d.a+d.b)*x-d.a))
	for excess(u-width) < 38 && width < 1e4 {
		width *= 1.5
	}
	// Eight nodes of Gauss and Legendre on each of 20 panels.
	const panels = 20
	nodes := [...]float64{
		0.019855071751231884, 0.10166676129318664, 0.2372337950418355, 0.40828267875217511,
		0.59171732124782489, 0.7627662049581645, 0.89833323870681336, 0.98014492824876812,
	}
	weights := [...]float64{
		0.050614268145188130, 0.11119051722668724, 0.15685332293894364, 0.18134189168918099,
		0.18134189168918099, 0.15685332293894364, 0.11119051722668724, 0.050614268145188130,
	}
	sum := 0.0
	for i, w := range weights {
		for panel := range panels {
			v := u - width*(float64(panel)+nodes[i])/panels
			sum += w * math.Exp(-max(0, excess(v)))
		}
	}
	return d.logScale() - at + math.Log(sum*width/panels)
}

// series is logBelow by the power series, whose terms are positive and few for a
// small parameter and far in the tail.
func (d betaDensity) series(x, y float64) float64 {
	sum, term := 1.0, 1.0
	for k := 0.0; k < 1e5 && term > 1e-17*sum; k++ {
		term *= (d.a + d.b + k) / (d.a + 1 + k) * x
		sum += term
	}
	return d.logScale() - d.deviance(x, y) - math.Log(d.a) + math.Log(sum)
}
