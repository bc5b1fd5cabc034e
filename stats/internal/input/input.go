// SPDX-License-Identifier: Apache-2.0

// Package input refuses what the functions of stats and its subpackages are not
// defined for, in the same words everywhere, and tells that apart from data
// that are only not enough yet. Callers see both as stats.InputError and
// stats.ErrNoData.
package input

import (
	"errors"
	"fmt"
	"math"
)

// ErrNoData is what more data cures.
var ErrNoData = errors.New("not enough data")

// Error says that an argument is outside the domain of a function. More data
// does not cure it.
type Error struct {
	// Func is the exported function or method, and Arg its argument. In a
	// subpackage of stats Func begins with the name of the package.
	Func, Arg string
	// Value is what was passed; for slices, the offending element or length.
	Value float64
	// Want describes what would have been accepted.
	Want string
}

// Error names the function, the argument, the value and what was wanted.
func (e *Error) Error() string {
	return fmt.Sprintf("stats: %s: %s is %v, want %s", e.Func, e.Arg, e.Value, e.Want)
}

// Refuse makes the error for an argument outside its domain.
func Refuse(fn, arg string, v float64, want string) error {
	return &Error{Func: fn, Arg: arg, Value: v, Want: want}
}

// NoData wraps ErrNoData with what was missing.
func NoData(fn, what string) error {
	return fmt.Errorf("stats: %s: %s: %w", fn, what, ErrNoData)
}

// Finite refuses NaN and infinities.
func Finite(fn, arg string, v float64) error {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return Refuse(fn, arg, v, "a finite number")
	}
	return nil
}

// Positive refuses everything but finite numbers above zero.
func Positive(fn, arg string, v float64) error {
	if !(v > 0) || math.IsInf(v, 0) {
		return Refuse(fn, arg, v, "a finite number above 0")
	}
	return nil
}

// NonNegative refuses everything but zero and finite numbers above it.
func NonNegative(fn, arg string, v float64) error {
	if !(v >= 0) || math.IsInf(v, 0) {
		return Refuse(fn, arg, v, "a finite number of 0 or more")
	}
	return nil
}

// Fraction refuses everything outside the open interval from 0 to 1.
func Fraction(fn, arg string, v float64) error {
	if !(v > 0 && v < 1) {
		return Refuse(fn, arg, v, "a number above 0 and below 1")
	}
	return nil
}

// First returns the first error that is not nil.
func First(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
