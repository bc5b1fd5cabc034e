// SPDX-License-Identifier: Apache-2.0

package paired

import (
	"math"

	"github.com/headgate-dev/headgate/stats"
	"gonum.org/v1/gonum/mathext"
)

// nearlyNormal are the degrees of freedom beyond which Student's t and the
// normal distribution agree to all digits that the former is computed to.
const nearlyNormal = 1e8

// studentSF is P(T > t) for Student's t with nu degrees of freedom, accurate
// in the far upper tail (Abramowitz and Stegun 26.7.1).
func studentSF(t, nu float64) float64 {
	switch {
	case t < 0:
		return 1 - studentSF(-t, nu)
	case nu > nearlyNormal:
		return stats.NormalSF(t)
	case t*t < nu:
		// The complement: nu/(nu+t^2) would round where it is near 1.
		return 0.5 - mathext.RegIncBeta(0.5, nu/2, t/(nu+t*t)*t)/2
	}
	return mathext.RegIncBeta(nu/2, 0.5, nu/(nu+t*t)) / 2
}

// studentQuantile is t with P(T > t) = p for 0 < p < 1/2, by bisection on the
// logarithm of t.
func studentQuantile(p, nu float64) float64 {
	low, high := math.Log(1e-300), math.Log(1e300)
	for range 80 {
		mid := (low + high) / 2
		if studentSF(math.Exp(mid), nu) > p {
			low = mid
		} else {
			high = mid
		}
	}
	return math.Exp((low + high) / 2)
}
