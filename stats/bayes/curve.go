// SPDX-License-Identifier: Apache-2.0

package bayes

import (
	"math"
	"slices"
)

// curve is a unimodal density on some axis: the value itself for means and
// effects, the logit for proportions. Its argument t is the distance from the
// mode, because positions far from zero would leave no digits for the width.
type curve struct {
	mode, scale float64
	// peak is the density at the mode times the scale.
	peak float64
	// log is the logarithm of the density, relative to that at the mode.
	log func(t float64) float64
}

// mass is the density at mode + t times half: what a node of a panel of that
// half width contributes per unit of weight.
func (c *curve) mass(t, half float64) float64 {
	return c.peak * math.Exp(c.log(t)) * (half / c.scale)
}

// edges are where panels of quadrature should meet, as distances from the mode:
// 0 and 1, 2, 4, 8 ... scales to both sides, until neither the probability nor
// the first moment of what is left outside counts. They ascend.
func (c *curve) edges() []float64 {
	const negligible = -42 // e^-42 = 6e-19
	out := make([]float64, 0, 16)
	for side := -1.0; side <= 1; side += 2 {
		for k := range 64 {
			t := side * math.Ldexp(c.scale, k)
			out = append(out, t)
			if c.log(t)+2*math.Ln2*float64(k) < negligible {
				break
			}
		}
		if side < 0 {
			slices.Reverse(out)
			out = append(out, 0)
		}
	}
	return out
}

// normalCurve is N(mean, sd^2).
func normalCurve(mean, sd float64) *curve {
	return &curve{
		mode: mean, scale: sd, peak: 1 / math.Sqrt(2*math.Pi),
		log: func(t float64) float64 {
			z := t / sd
			return -z * z / 2
		},
	}
}

// studentCurve is Student's t with nu degrees of freedom, shifted and scaled.
func studentCurve(location, scale, nu float64) *curve {
	// The normalising constant, in the form of Stirling's series in which the
	// large terms of ln Gamma((nu+1)/2) - ln Gamma(nu/2) have cancelled.
	x := nu / 2
	log := x*math.Log1p(0.5/x) - 0.5 + stirling(x+0.5) - stirling(x) - halfLog2Pi
	return &curve{
		mode: location, scale: scale, peak: math.Exp(log),
		log: func(t float64) float64 {
			z := t / scale
			return -(nu + 1) / 2 * math.Log1p(z*z/nu)
		},
	}
}

// betaCurve is the logit u = ln(x/(1-x)) of x ~ Beta(a, b). Its density
//
//	x^a (1-x)^b / B(a, b)
//
// has no singularity for any a and b, and exponential tails at the worst.
func betaCurve(a, b float64) *curve {
	n := a + b
	p, q := a/n, b/n
	log := 0.5*math.Log(p) + 0.5*math.Log(b) + stirling(n) - stirling(a) - stirling(b) - halfLog2Pi
	scale := min(math.Sqrt(1/a+1/b), 2)
	series := bernoulliCumulants(p, q)
	return &curve{
		mode: math.Log(a / b), scale: scale, peak: math.Exp(log) * scale,
		log: func(t float64) float64 {
			switch {
			case math.Abs(t) < 0.01:
				return -n * series(t)
			case p <= q:
				return tilt(t, a, b, p, q)
			}
			return tilt(-t, b, a, q, p)
		},
	}
}

// tilt is a t - (a+b) ln(1 + p(e^t - 1)) for p = a/(a+b) <= 1/2, which is the
// log density at a distance t from the mode. The other way round, and far out
// to the right, large terms would cancel.
func tilt(t, a, b, p, q float64) float64 {
	if t > 40 {
		return -b*t - (a+b)*math.Log(p+q*math.Exp(-t))
	}
	return a*t - (a+b)*math.Log1p(p*math.Expm1(t))
}

// bernoulliCumulants is ln(1 + p(e^t - 1)) - p t for small t as its series,
// whose coefficients are the cumulants of a Bernoulli trial. With many trials
// all of the density lies at such t, and the difference itself would cancel.
func bernoulliCumulants(p, q float64) func(t float64) float64 {
	v := p * q
	c2, c3 := v/2, v*(q-p)/6
	c4, c5 := v*(1-6*v)/24, v*(q-p)*(1-12*v)/120
	c6 := v * (1 - 30*v + 120*v*v) / 720
	return func(t float64) float64 {
		return t * t * (c2 + t*(c3+t*(c4+t*(c5+t*c6))))
	}
}

// logistic is the inverse of the logit.
func logistic(u float64) float64 {
	if u < 0 {
		e := math.Exp(u)
		return e / (1 + e)
	}
	return 1 / (1 + math.Exp(-u))
}

// stirling is the remainder of Stirling's series for ln Gamma(x), x > 0
// (Abramowitz and Stegun 6.1.41).
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
