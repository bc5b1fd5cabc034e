// SPDX-License-Identifier: Apache-2.0

package adaptive

import (
	"math"

	"github.com/headgate-dev/headgate/stats"
	"github.com/headgate-dev/headgate/stats/internal/input"
)

// series refuses moments that no series of numbers has.
func series(fn, arg string, m stats.Moments) error {
	if m.N < 0 {
		return input.Refuse(fn, arg+" n", float64(m.N), "0 or more")
	}
	return input.First(input.NonNegative(fn, arg+" m2", m.M2), input.Finite(fn, arg+" mean", m.Mean))
}

// estimate passes a computed estimate on unless it overflowed.
func estimate(fn string, value, variance float64) (stats.Estimate, error) {
	e := stats.Estimate{Value: value, SE: math.Sqrt(variance)}
	if err := input.First(input.Finite(fn, "value", e.Value), input.Finite(fn, "standard error", e.SE)); err != nil {
		return stats.Estimate{}, err
	}
	return e, nil
}

// raw is the plain mean with its usual standard error, which is 0 for fewer
// than two observations.
func raw(fn string, m stats.Moments) (stats.Estimate, error) {
	if err := series(fn, "all observations", m); err != nil {
		return stats.Estimate{}, err
	}
	if m.N < 2 {
		return stats.Estimate{Value: m.Mean}, nil
	}
	n := float64(m.N)
	return estimate(fn, m.Mean, m.M2/(n-1)/n)
}
