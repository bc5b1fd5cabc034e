// SPDX-License-Identifier: Apache-2.0

package delayed

import "github.com/headgate-dev/headgate/stats/internal/input"

// duration refuses what is not an age, a delay or a window.
func duration(fn, arg string, v float64) error {
	return input.NonNegative(fn, arg, v)
}
