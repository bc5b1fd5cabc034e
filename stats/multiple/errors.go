// SPDX-License-Identifier: Apache-2.0

package multiple

import (
	"fmt"
	"math"

	"github.com/headgate-dev/headgate/stats"
)

// refuse makes the error for an argument outside its domain.
func refuse(fn, arg string, v float64, want string) error {
	return &stats.InputError{Func: "multiple." + fn, Arg: arg, Value: v, Want: want}
}

// noData wraps stats.ErrNoData with what was missing.
func noData(fn, what string) error {
	return fmt.Errorf("stats: multiple.%s: %s: %w", fn, what, stats.ErrNoData)
}

// finite refuses NaN and infinities.
func finite(fn, arg string, v float64) error {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return refuse(fn, arg, v, "a finite number")
	}
	return nil
}

// positive refuses everything but finite numbers above zero.
func positive(fn, arg string, v float64) error {
	if !(v > 0) || math.IsInf(v, 0) {
		return refuse(fn, arg, v, "a finite number above 0")
	}
	return nil
}

// fraction refuses everything outside the open interval from 0 to 1.
func fraction(fn, arg string, v float64) error {
	if !(v > 0 && v < 1) {
		return refuse(fn, arg, v, "a number above 0 and below 1")
	}
	return nil
}

// pvalues refuses an empty family and what is not a probability.
func pvalues(fn string, p []float64) error {
	if len(p) == 0 {
		return noData(fn, "no p-values")
	}
	for _, v := range p {
		if !(v >= 0 && v <= 1) {
			return refuse(fn, "p", v, "from 0 to 1")
		}
	}
	return nil
}
