// SPDX-License-Identifier: Apache-2.0

package stats_test

// pairedRows are the rows that package stats/paired computes.
func pairedRows() map[string]computation {
	return map[string]computation{}
}
