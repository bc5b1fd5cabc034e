// SPDX-License-Identifier: Apache-2.0

package stats_test

// multipleRows are the rows that package stats/multiple computes.
func multipleRows() map[string]computation {
	return map[string]computation{}
}
