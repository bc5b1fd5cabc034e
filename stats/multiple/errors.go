// SPDX-License-Identifier: Apache-2.0

package multiple

import "github.com/headgate-dev/headgate/stats/internal/input"

// pvalues refuses an empty family and what is not a probability.
func pvalues(fn string, p []float64) error {
	if len(p) == 0 {
		return input.NoData(fn, "no p-values")
	}
	for _, v := range p {
		if !(v >= 0 && v <= 1) {
			return input.Refuse(fn, "p", v, "from 0 to 1")
		}
	}
	return nil
}
