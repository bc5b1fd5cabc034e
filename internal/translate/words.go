// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// planned are fields that the design names and this version refuses, because
// what they ask for does not work yet.
var planned = []string{
	"mirror", "bandit", "switch", "where", "require", "promote", "budget", "segments", "slices", "cost", "parts",
	"prometheus", "http", "sql", "output", "response", "pairs", "labels", "strict",
}

// quote writes a value of the file into a message: short, and printable
// whatever it is.
func quote(s string) string {
	if len(s) > 60 {
		s = strings.ToValidUTF8(s[:57], "") + "..."
	}
	return strconv.Quote(s)
}

// printable says whether a text can be shown as it is.
func printable(s string) bool { return strconv.Quote(s) == `"`+s+`"` }

// oneOf lists the answers to choose from.
func oneOf(known []string) string {
	if n := len(known) - 1; n > 0 {
		return strings.Join(known[:n], ", ") + " or " + known[n]
	}
	return strings.Join(known, "")
}

// Bounds of hints: how many names are listed, and how many compared.
const (
	maxKnown    = 16
	maxCompared = 32
)

// nearest suggests the closest of the known names, or lists them.
func nearest(name string, known []string) string {
	if best := closest(name, known); best != "" {
		return fmt.Sprintf("did you mean %s?", best)
	}
	known = slices.DeleteFunc(slices.Clone(known[:min(len(known), maxCompared)]), func(k string) bool { return !showable(k) })
	switch {
	case len(known) == 0:
		return ""
	case len(known) > maxKnown:
		known = append(known[:maxKnown], "…")
	}
	return "known here: " + strings.Join(known, ", ")
}

// closest is the known name that a mistyped one stands for, or nothing.
func closest(name string, known []string) string {
	best, least := "", max(1, len(name)/3)+1
	if len(name) > maxName {
		return best
	}
	for _, k := range known[:min(len(known), maxCompared)] {
		if !showable(k) {
			continue
		}
		if d := distance(name, k); d < least {
			best, least = k, d
		}
	}
	return best
}

// showable says whether a name that came from the file may stand in a hint.
func showable(name string) bool { return name != "" && len(name) <= maxName && printable(name) }

// distance is the number of letters to insert, delete, replace or swap with
// their neighbour to make one name of the other, ignoring case.
func distance(a, b string) int {
	a, b = strings.ToLower(a), strings.ToLower(b)
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			d := rows[i-1][j-1]
			if a[i-1] != b[j-1] {
				d = 1 + min(d, rows[i-1][j], rows[i][j-1])
			}
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, 1+rows[i-2][j-2])
			}
			rows[i][j] = d
		}
	}
	return rows[len(a)][len(b)]
}
