// SPDX-License-Identifier: Apache-2.0

package delayed

import (
	"fmt"
	"math"

	"github.com/headgate-dev/headgate/stats"
)

// duration refuses what is not an age, a delay or a window.
func duration(fn, arg string, v float64) error {
	if !(v >= 0) || math.IsInf(v, 0) {
		return &stats.InputError{Func: fn, Arg: arg, Value: v, Want: "a finite number of 0 or more"}
	}
	return nil
}

// noData wraps stats.ErrNoData with what was missing.
func noData(fn, what string) error {
	return fmt.Errorf("stats: %s: %s: %w", fn, what, stats.ErrNoData)
}
