// SPDX-License-Identifier: Apache-2.0

package stats_test

// bayesRows are the rows that package stats/bayes computes.
func bayesRows() map[string]computation {
	return map[string]computation{}
}
