// SPDX-License-Identifier: Apache-2.0

package counter

import (
	"fmt"
	"math"

	"github.com/headgate-dev/headgate/stats"
)

func refuse(fn, arg string, v float64, want string) error {
	return &stats.InputError{Func: "counter." + fn, Arg: arg, Value: v, Want: want}
}

func noData(fn, what string) error {
	return fmt.Errorf("stats: counter.%s: %s: %w", fn, what, stats.ErrNoData)
}

func finite(fn, arg string, v float64) error {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return refuse(fn, arg, v, "a finite number")
	}
	return nil
}

func positive(fn, arg string, v float64) error {
	if !(v > 0) || math.IsInf(v, 0) {
		return refuse(fn, arg, v, "a finite number above 0")
	}
	return nil
}

func fraction(fn, arg string, v float64) error {
	if !(v > 0 && v < 1) {
		return refuse(fn, arg, v, "a number above 0 and below 1")
	}
	return nil
}

func nonNegative(fn, arg string, v float64) error {
	if !(v >= 0) || math.IsInf(v, 0) {
		return refuse(fn, arg, v, "a finite number of 0 or more")
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
