// SPDX-License-Identifier: Apache-2.0

package counter

import "math"

// root finds where f crosses zero between a and b, at which it must have
// different signs: the secant, halving the weight of an end that stays (the
// Illinois rule), and bisection at every fourth step, so that it never needs
// many more steps than bisection alone.
func root(f func(float64) float64, a, b float64) float64 {
	fa, fb := f(a), f(b)
	for step := range 400 {
		x := (a*fb - b*fa) / (fb - fa)
		if step%4 == 3 || !(min(a, b) < x && x < max(a, b)) {
			x = a + (b-a)/2
		}
		fx := f(x)
		if math.Signbit(fx) == math.Signbit(fb) {
			fa /= 2
		} else {
			a, fa = b, fb
		}
		b, fb = x, fx
		if fx == 0 || math.Abs(a-b) <= 1e-13+4e-16*math.Abs(b) {
			break
		}
	}
	return b
}
