// SPDX-License-Identifier: Apache-2.0

package quantile

import (
	"errors"
	"fmt"
	"math"

	"github.com/headgate-dev/headgate/stats"
)

// ErrBeyond is wrapped where the answer lies outside what was measured: in the
// bucket that has no upper bound, below the lowest, or where a sketch clamps.
var ErrBeyond = errors.New("beyond the buckets")

func refuse(fn, arg string, v float64, want string) error {
	return &stats.InputError{Func: "quantile." + fn, Arg: arg, Value: v, Want: want}
}

func noData(fn, what string) error {
	return fmt.Errorf("stats: quantile.%s: %s: %w", fn, what, stats.ErrNoData)
}

func beyond(fn, what string) error {
	return fmt.Errorf("stats: quantile.%s: %s: %w", fn, what, ErrBeyond)
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
