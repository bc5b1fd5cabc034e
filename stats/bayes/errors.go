// SPDX-License-Identifier: Apache-2.0

package bayes

import (
	"errors"
	"fmt"
)

// ErrPrecision is wrapped where a result would miss the precision promised:
// parameters so extreme that floating point cannot place their densities.
var ErrPrecision = errors.New("not computable to the precision promised")

// imprecise wraps ErrPrecision with what could not be placed.
func imprecise(fn, what string) error {
	return fmt.Errorf("stats: %s: %s: %w", fn, what, ErrPrecision)
}
