// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// clip shortens what came from outside, so that an answer stays small.
func clip(s string) string {
	const most = 64
	if len(s) <= most {
		return s
	}
	end := most
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}

// quote shows what came from outside, clipped and without control characters.
func quote(s string) string { return strconv.Quote(clip(s)) }

// nearest is the known name that a misspelt one most likely means, or nothing:
// at most a third of the letters may differ, upper and lower case are the
// same.
func nearest(name string, known []string) string {
	const longest = 64
	if len(name) > longest {
		return ""
	}
	best, least := "", 0
	for _, k := range known {
		n := distance(strings.ToLower(name), strings.ToLower(k))
		if n <= max(1, len(k)/3) && (best == "" || n < least) {
			best, least = k, n
		}
	}
	return best
}

// distance is the number of bytes to insert, delete or replace between a and b
// (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
