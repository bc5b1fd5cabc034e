// SPDX-License-Identifier: Apache-2.0

package stats_test

// adaptiveRows are the rows that package stats/adaptive computes.
func adaptiveRows() map[string]computation {
	return map[string]computation{}
}
