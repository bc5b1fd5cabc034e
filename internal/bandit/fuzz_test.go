// SPDX-License-Identifier: Apache-2.0

package bandit

import (
	"math"
	"testing"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Whatever numbers come, the answer is an error or shares that may be used, at
// once and the same each time.
func FuzzVector(f *testing.F) {
	f.Add(uint8(0), int64(100), int64(3), 0.5, 0.1, int64(50), int64(0), 0.7, 0.2, 0.0, 1.0, 4, false)
	f.Add(uint8(1), int64(0), int64(0), 0.0, 0.0, int64(1), int64(0), 1e300, 0.0, -1e308, 1e308, 0, false)
	f.Add(uint8(2), int64(1)<<50, int64(1)<<50, 1.0, 0.0, int64(1)<<50, int64(0), 1.0, 0.0, 0.0, 0.0, 1, true)
	f.Add(uint8(3), int64(9), int64(0), 1e300, 5e-324, int64(9), int64(0), -1e300, 1e-9, 0.0, 0.0, 7, false)
	f.Add(uint8(4), int64(2), int64(0), 1e308, 0.0, int64(2), int64(0), -1e308, 0.0, 0.0, 0.0, 7, false)
	f.Add(uint8(1), int64(0), int64(1), 0.0, 0.0, int64(1), int64(0), 3.0, 1e308, 0.0, 0.0, 2, false)
	f.Fuzz(func(t *testing.T, policy uint8, n1, p1 int64, m1, se1 float64, n2, p2 int64, m2, se2, low, high float64, number int, binary bool) {
		b := &experiment.Bandit{Policy: policies[int(policy)%len(policies)], Epsilon: math.Abs(m1 - math.Trunc(m1)), Step: 3000, Min: experiment.Shares{100, 100, 0}}
		arms := []experiment.Arm{
			{Version: 0, N: n1, Pending: p1, Mean: m1, SE: se1, Binary: binary},
			{Version: 1, N: n2, Pending: p2, Mean: m2, SE: se2, Binary: binary},
			{Version: 2, Binary: binary},
		}
		u := update(3)
		u.Number, u.Previous = number, experiment.Shares{5000, 3000, 2000}
		if low != high {
			u.Range = &experiment.Range{Low: low, High: high}
		}
		got, err := Vector(b, arms, u)
		if err != nil {
			if checkArms(arms) == nil && u.check(b) == nil {
				t.Fatalf("well-formed input is refused: %v", err)
			}
			return
		}
		if err := got.Check(); err != nil {
			t.Fatal(err)
		}
		for v := range got {
			if d := got[v] - u.Previous[v]; d < -b.Step || d > b.Step || got[v] < b.Min[v] {
				t.Fatalf("%v after %v with a step of %d and minima of %v", got, u.Previous, b.Step, b.Min)
			}
		}
	})
}
