// SPDX-License-Identifier: Apache-2.0

package stats_test

// quantileRows are the rows that package stats/quantile computes.
func quantileRows() map[string]computation {
	return map[string]computation{}
}
