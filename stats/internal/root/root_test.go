// SPDX-License-Identifier: Apache-2.0

package root

import (
	"math"
	"testing"
)

func TestFindIsWithinTheToleranceInFewSteps(t *testing.T) {
	for name, c := range map[string]struct {
		f         func(float64) float64
		a, b, at  float64
		tolerance float64
	}{
		"line":             {func(x float64) float64 { return x - 3 }, -10, 7, 3, 1e-12},
		"falling":          {func(x float64) float64 { return 2 - x*x }, 0, 50, math.Sqrt2, 1e-14},
		"ends exchanged":   {math.Log, 9, 0.01, 1, 1e-13},
		"flat at the root": {func(x float64) float64 { return math.Pow(x-1, 9) }, -4, 5, 1, 1e-9},
		"cliff":            {func(x float64) float64 { return math.Copysign(1, x-0.7) }, -600, 600, 0.7, 1e-13},
		"infinite end":     {func(x float64) float64 { return math.Log(x) + 700 }, 0, 1, math.Exp(-700), 1e-15},
		"root at an end":   {func(x float64) float64 { return x }, 0, 1, 0, 1e-12},
		"at the other end": {func(x float64) float64 { return 1 - x }, 0, 1, 1, 1e-12},
	} {
		t.Run(name, func(t *testing.T) {
			calls := 0
			got := Find(func(x float64) float64 { calls++; return c.f(x) }, c.a, c.b, c.tolerance)
			if !(math.Abs(got-c.at) <= 2*c.tolerance+1e-15) || calls > 150 {
				t.Errorf("%.17g after %d calls, want %.17g", got, calls, c.at)
			}
		})
	}
}
