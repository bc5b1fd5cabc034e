// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"errors"
	"fmt"
	"math"
)

// ErrNoData is wrapped by every error that says "not yet": no observations,
// fewer than two where a variance is needed, a denominator of zero, or a
// standard error of zero. More data cures it; callers report undecided.
var ErrNoData = errors.New("not enough data")

// ErrImpossible is wrapped where observations cannot have come from what is
// being tested, such as a unit in a version whose share is zero. The evidence
// is infinite, and infinity is not a number to store, so it is an error that
// the caller treats as a mismatch.
var ErrImpossible = errors.New("impossible under the hypothesis")

// InputError says that an argument is outside the domain of a function. More
// data does not cure it.
type InputError struct {
	// Func is the exported function or method, and Arg its argument.
	Func, Arg string
	// Value is what was passed; for slices, the offending element or length.
	Value float64
	// Want describes what would have been accepted.
	Want string
}

// Error names the function, the argument, the value and what was wanted.
func (e *InputError) Error() string {
	return fmt.Sprintf("stats: %s: %s is %v, want %s", e.Func, e.Arg, e.Value, e.Want)
}

// finite refuses NaN and infinities.
func finite(fn, arg string, v float64) error {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return &InputError{Func: fn, Arg: arg, Value: v, Want: "a finite number"}
	}
	return nil
}

// positive refuses everything but finite numbers above zero.
func positive(fn, arg string, v float64) error {
	if !(v > 0) || math.IsInf(v, 0) {
		return &InputError{Func: fn, Arg: arg, Value: v, Want: "a finite number above 0"}
	}
	return nil
}

// fraction refuses everything outside the open interval from 0 to 1.
func fraction(fn, arg string, v float64) error {
	if !(v > 0 && v < 1) {
		return &InputError{Func: fn, Arg: arg, Value: v, Want: "a number above 0 and below 1"}
	}
	return nil
}

// level refuses what is no two-sided alpha, of which halves must be above 0.
func level(fn string, alpha float64) error {
	if !(alpha >= 1e-300 && alpha < 1) {
		return &InputError{Func: fn, Arg: "alpha", Value: alpha, Want: "a number above 1e-300 and below 1"}
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

// result passes a computed estimate on unless it overflowed.
func result(fn string, e Estimate) (Estimate, error) {
	if err := firstError(finite(fn, "value", e.Value), finite(fn, "standard error", e.SE)); err != nil {
		return Estimate{}, err
	}
	return e, nil
}

// noData wraps ErrNoData with what was missing.
func noData(fn, what string) error {
	return fmt.Errorf("stats: %s: %s: %w", fn, what, ErrNoData)
}

// impossible wraps ErrImpossible with the version that should have no units.
func impossible(fn string, version int, units int64) error {
	return fmt.Errorf("stats: %s: version %d has no share and %d units: %w", fn, version, units, ErrImpossible)
}
