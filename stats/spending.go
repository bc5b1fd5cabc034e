// SPDX-License-Identifier: Apache-2.0

package stats

import "math"

// Spending is an alpha-spending function (Lan and DeMets 1983): how much of a
// one-sided alpha may have been spent by the time t in (0, 1]. It must not
// decrease, and must be alpha at t = 1.
type Spending func(alpha, t float64) float64

// OBrienFleming spends almost nothing early, so that stopping early takes an
// overwhelming effect and the last look costs little: 2 - 2 Phi(z_{1-alpha/2}/sqrt(t)).
func OBrienFleming(alpha, t float64) float64 {
	return 2 * NormalSF(-NormalQuantile(alpha/2)/math.Sqrt(t))
}

// Pocock spends about evenly: alpha ln(1 + (e-1)t).
func Pocock(alpha, t float64) float64 {
	return alpha * math.Log1p((math.E-1)*t)
}

// KimDeMets spends alpha t^rho (Kim and DeMets 1987): rho = 1 is close to
// Pocock and rho = 3 to O'Brien-Fleming. rho must be positive; Boundaries
// reports an error for a function made with any other.
func KimDeMets(rho float64) Spending {
	return func(alpha, t float64) float64 {
		if !(rho > 0) {
			return math.NaN()
		}
		return alpha * math.Pow(t, rho)
	}
}
