// SPDX-License-Identifier: Apache-2.0

// Package root finds where a function crosses zero, which is how quantiles,
// bounds and sample sizes are had from what they are the inverse of.
package root

import "math"

// Find finds where f crosses zero between a and b, at which f must have
// different signs or be 0, to within tol or the resolution of the numbers. It is
// Chandrupatla's method (1997): inverse quadratic interpolation where the
// function is tame enough for it, and bisection elsewhere, so that it never
// needs many more steps than bisection alone.
func Find(f func(float64) float64, a, b, tol float64) float64 {
	fa, fb := f(a), f(b)
	if fa == 0 {
		return a
	}
	if fb == 0 {
		return b
	}
	c, fc := a, fa
	t := 0.5
	for range 200 {
		x := a + t*(b-a)
		fx := f(x)
		if math.Signbit(fx) == math.Signbit(fa) {
			c, fc = a, fa
		} else {
			c, b, fc, fb = b, a, fb, fa
		}
		a, fa = x, fx
		best, fbest := a, fa
		if math.Abs(fb) < math.Abs(fa) {
			best, fbest = b, fb
		}
		limit := (tol + 4e-16*math.Abs(best)) / math.Abs(b-a)
		if limit > 0.5 || fbest == 0 {
			return best
		}
		t = 0.5
		xi, phi := (a-b)/(c-b), (fa-fb)/(fc-fb)
		if phi*phi < xi && (1-phi)*(1-phi) < 1-xi {
			t = fa/(fb-fa)*fc/(fb-fc) + (c-a)/(b-a)*fa/(fc-fa)*fb/(fc-fb)
		}
		t = min(max(t, limit), 1-limit)
	}
	return a
}
