// SPDX-License-Identifier: Apache-2.0

package paired

import (
	"fmt"

	"github.com/headgate-dev/headgate/stats/internal/input"
)

// finite refuses NaN and infinities.
func finite(fn, arg string, vs ...float64) error {
	for _, v := range vs {
		if err := input.Finite(fn, arg, v); err != nil {
			return err
		}
	}
	return nil
}

// moment refuses what cannot be a sum of squares, a share or a probability's
// weight.
func moment(fn, arg string, v float64) error {
	return input.NonNegative(fn, arg, v)
}

// sameLength refuses lists that do not go together.
func sameLength(fn, arg string, got, want int) error {
	if got != want {
		return input.Refuse(fn, arg, float64(got), fmt.Sprintf("%d, one for each of the others", want))
	}
	return nil
}
