// SPDX-License-Identifier: Apache-2.0

package bayes

import (
	"errors"
	"fmt"
	"math"

	"github.com/headgate-dev/headgate/stats"
)

// ErrPrecision is wrapped where a result would miss the precision promised:
// parameters so extreme that floating point cannot place their densities.
var ErrPrecision = errors.New("not computable to the precision promised")

// finite refuses NaN and infinities.
func finite(fn, arg string, v float64) error {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return &stats.InputError{Func: fn, Arg: arg, Value: v, Want: "a finite number"}
	}
	return nil
}

// positive refuses everything but finite numbers above zero.
func positive(fn, arg string, v float64) error {
	if !(v > 0) || math.IsInf(v, 0) {
		return &stats.InputError{Func: fn, Arg: arg, Value: v, Want: "a finite number above 0"}
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

// imprecise wraps ErrPrecision with what could not be placed.
func imprecise(fn, what string) error {
	return fmt.Errorf("stats: %s: %s: %w", fn, what, ErrPrecision)
}
