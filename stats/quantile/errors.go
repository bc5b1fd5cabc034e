// SPDX-License-Identifier: Apache-2.0

package quantile

import (
	"errors"
	"fmt"
)

// ErrBeyond is wrapped where the answer lies outside what was measured: in the
// bucket that has no upper bound, below the lowest, or where a sketch clamps.
var ErrBeyond = errors.New("beyond the buckets")

func beyond(fn, what string) error {
	return fmt.Errorf("stats: %s: %s: %w", fn, what, ErrBeyond)
}
