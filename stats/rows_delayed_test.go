// SPDX-License-Identifier: Apache-2.0

package stats_test

// delayedRows are the rows that package stats/delayed computes.
func delayedRows() map[string]computation {
	return map[string]computation{}
}
