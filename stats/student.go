// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math"

	"github.com/headgate-dev/headgate/stats/internal/root"
	"gonum.org/v1/gonum/mathext"
)

// hillFrom is the number of degrees of freedom from which on Student's t is
// taken through Hill's transformation to a normal deviate (Hill 1970), whose
// error there is below 1e-13 for deviates up to 10. The incomplete beta
// function loses digits as its parameters grow.
const hillFrom = 1e4

// leastDF are the fewest degrees of freedom: the parameters of the incomplete
// beta function must not vanish.
const leastDF = 1e-6

// StudentSF is the survival function of Student's t, P(T > t), with df degrees
// of freedom, which need not be whole and may be infinite; it is accurate in
// the far upper tail. It is NaN for NaN and for df of 0 or less; df below 1e-6
// count as that.
func StudentSF(t, df float64) float64 {
	switch {
	case math.IsNaN(t) || !(df > 0):
		return math.NaN()
	case t < 0:
		return 1 - StudentSF(-t, df)
	case math.IsInf(df, 1):
		return NormalSF(t)
	case df >= hillFrom:
		a := df - 0.5
		z := math.Sqrt(a * math.Log1p(t/df*t))
		return NormalSF(z + hill(z, a))
	}
	df = max(df, leastDF)
	if t < 1 {
		// Near the middle it is the body that keeps the digits of t.
		return (1 - mathext.RegIncBeta(0.5, df/2, t*t/(df+t*t))) / 2
	}
	return mathext.RegIncBeta(df/2, 0.5, 1/(1+t/df*t)) / 2
}

// hill is the first correction of Hill's expansion.
func hill(z, a float64) float64 { return (z/a*(z/a)*z + 3*z/a/a) / 48 }

// StudentQuantile is the t with P(T <= t) = p. It is -Inf at p <= 0, +Inf at
// p >= 1, and NaN for NaN and for df of 0 or less. For upper quantiles of a
// small alpha prefer -StudentQuantile(alpha, df).
func StudentQuantile(p, df float64) float64 {
	switch {
	case math.IsNaN(p) || !(df > 0):
		return math.NaN()
	case p <= 0:
		return math.Inf(-1)
	case p >= 1:
		return math.Inf(1)
	case p > 0.5:
		return -StudentQuantile(1-p, df)
	case math.IsInf(df, 1):
		return NormalQuantile(p)
	case df >= hillFrom:
		z, a := -NormalQuantile(p), df-0.5
		z -= hill(z, a)
		return -math.Sqrt(df * math.Expm1(z*z/a))
	}
	// In asinh(t) the logarithm of the tail is tame however heavy it is.
	const edge = 340
	target := math.Log(p)
	lack := func(u float64) float64 {
		return math.Log(max(StudentSF(math.Sinh(u), df), 1e-320)) - target
	}
	if lack(edge) > 0 {
		return -math.Sinh(edge)
	}
	return -math.Sinh(root.Find(lack, 0, edge, 1e-15))
}

// noncentralSF is P(T > t) for the noncentral t with df >= 1 degrees of freedom
// and noncentrality ncp: the mixture of P(Z > t s - ncp) over s^2 ~ chi^2/df.
func noncentralSF(t, df, ncp float64) float64 {
	// The density of s, up to a constant, is exp(df (ln s - s^2/2)) / s; ten
	// standard deviations of 1/sqrt(2 df) on both sides of 1 hold all of it.
	const panels, order = 24, 16
	spread := 10 / math.Sqrt(2*df)
	low, high := max(1e-9, 1-spread), 1+spread
	sum, mass := 0.0, 0.0
	integrate(low, high, panels, order, func(s, weight float64) {
		d := weight * math.Exp(df*(math.Log(s)-(s*s-1)/2)) / s
		mass += d
		sum += d * NormalSF(t*s-ncp)
	})
	return sum / mass
}
