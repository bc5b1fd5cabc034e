// SPDX-License-Identifier: Apache-2.0

package adaptive

import (
	"fmt"
	"math"

	"github.com/headgate-dev/headgate/stats"
)

// finite refuses NaN and infinities.
func finite(fn, arg string, v float64) error {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return &stats.InputError{Func: fn, Arg: arg, Value: v, Want: "a finite number"}
	}
	return nil
}

// series refuses moments that no series of numbers has.
func series(fn, arg string, m stats.Moments) error {
	if m.N < 0 {
		return &stats.InputError{Func: fn, Arg: arg + " n", Value: float64(m.N), Want: "0 or more"}
	}
	if !(m.M2 >= 0) || math.IsInf(m.M2, 0) {
		return &stats.InputError{Func: fn, Arg: arg + " m2", Value: m.M2, Want: "a finite number of 0 or more"}
	}
	return finite(fn, arg+" mean", m.Mean)
}

// estimate passes a computed estimate on unless it overflowed.
func estimate(fn string, value, variance float64) (stats.Estimate, error) {
	e := stats.Estimate{Value: value, SE: math.Sqrt(variance)}
	if err := finite(fn, "value", e.Value); err != nil {
		return stats.Estimate{}, err
	}
	if err := finite(fn, "standard error", e.SE); err != nil {
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

// noData wraps stats.ErrNoData with what was missing.
func noData(fn, what string) error {
	return fmt.Errorf("stats: %s: %s: %w", fn, what, stats.ErrNoData)
}
