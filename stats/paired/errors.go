// SPDX-License-Identifier: Apache-2.0

package paired

import (
	"fmt"
	"math"

	"github.com/headgate-dev/headgate/stats"
)

// finite refuses NaN and infinities.
func finite(fn, arg string, vs ...float64) error {
	for _, v := range vs {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return &stats.InputError{Func: fn, Arg: arg, Value: v, Want: "a finite number"}
		}
	}
	return nil
}

// moment refuses what cannot be a sum of squares, a share or a probability's
// weight.
func moment(fn, arg string, v float64) error {
	if !(v >= 0) || math.IsInf(v, 0) {
		return &stats.InputError{Func: fn, Arg: arg, Value: v, Want: "a finite number of 0 or more"}
	}
	return nil
}

// fraction refuses everything outside the open interval from 0 to 1.
func fraction(fn, arg string, v float64) error {
	if !(v > 0 && v < 1) {
		return &stats.InputError{Func: fn, Arg: arg, Value: v, Want: "a number above 0 and below 1"}
	}
	return nil
}

// sameLength refuses lists that do not go together.
func sameLength(fn, arg string, got, want int) error {
	if got != want {
		return &stats.InputError{Func: fn, Arg: arg, Value: float64(got), Want: fmt.Sprintf("%d, one for each of the others", want)}
	}
	return nil
}

// firstError returns the first error that is not nil.
func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// noData wraps stats.ErrNoData with what was missing.
func noData(fn, what string) error {
	return fmt.Errorf("stats: %s: %s: %w", fn, what, stats.ErrNoData)
}
