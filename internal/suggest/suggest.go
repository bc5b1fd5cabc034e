// SPDX-License-Identifier: Apache-2.0

// Package suggest finds the name that somebody meant when they mistyped it, for
// the hints of errors.
package suggest

import "strings"

// Bounds of what is compared: longer names and lists come from no person.
const (
	maxName  = 64
	maxNames = 64
)

// Closest is the known name that a mistyped one stands for, or nothing: at
// most a third of its letters, and at least one, may differ, ignoring case. Of
// equally close names the first wins.
func Closest(name string, known []string) string {
	best, least := "", max(1, len(name)/3)+1
	if len(name) > maxName {
		return best
	}
	for _, k := range known[:min(len(known), maxNames)] {
		if len(k) > maxName {
			continue
		}
		if d := distance(strings.ToLower(name), strings.ToLower(k)); d < least {
			best, least = k, d
		}
	}
	return best
}

// distance is the number of bytes to insert, delete, replace or swap with
// their neighbour to make one name of the other (optimal string alignment).
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			d := last[j-1]
			if a[i-1] != b[j-1] {
				d = 1 + min(d, last[j], row[j-1])
			}
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, 1+before[j-2])
			}
			row[j] = d
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
