// SPDX-License-Identifier: Apache-2.0

package stats_test

// counterRows are the rows that package stats/counter computes.
func counterRows() map[string]computation {
	return map[string]computation{}
}
