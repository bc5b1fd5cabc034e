// SPDX-License-Identifier: Apache-2.0

package iter8

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// wrapAt is how many columns a cell of a table has before it is wrapped.
const wrapAt = 30

// number is a line of a cell that stands at its right.
var number = regexp.MustCompile(`^-?\d+(\.\d+)?$`)

// table draws a table as the users of Iter8's command line know it: a head in
// capitals, a rule below every row, words wrapped.
func table(head []string, rows [][]string) string {
	titles := make([]string, len(head))
	for i, h := range head {
		titles[i] = title(h)
	}
	widths := make([]int, len(head))
	cells := make([][][]string, 0, len(rows)+1)
	for _, row := range append([][]string{titles}, rows...) {
		lines := make([][]string, len(row))
		for i, cell := range row {
			lines[i] = wrap(cell)
			for _, l := range lines[i] {
				widths[i] = max(widths[i], utf8.RuneCountInString(l))
			}
			if len(lines[i]) > 1 {
				widths[i] = max(widths[i], wrapAt)
			}
		}
		cells = append(cells, lines)
	}
	var b strings.Builder
	rule(&b, widths)
	for r, row := range cells {
		height := 0
		for _, lines := range row {
			height = max(height, len(lines))
		}
		for y := range height {
			for i, lines := range row {
				line := ""
				if y < len(lines) {
					line = lines[y]
				}
				b.WriteString("| " + place(line, widths[i], r == 0) + " ")
			}
			b.WriteString("|\n")
		}
		rule(&b, widths)
	}
	return b.String()
}

// place puts a line into its column: a head in the middle, a number to the
// right, all else to the left.
func place(line string, width int, head bool) string {
	gap := max(0, width-utf8.RuneCountInString(line))
	switch {
	case head:
		return strings.Repeat(" ", gap/2) + line + strings.Repeat(" ", gap-gap/2)
	case number.MatchString(line):
		return strings.Repeat(" ", gap) + line
	}
	return line + strings.Repeat(" ", gap)
}

func rule(b *strings.Builder, widths []int) {
	for _, w := range widths {
		b.WriteString("+" + strings.Repeat("-", w+2))
	}
	b.WriteString("+\n")
}

// title is a head in capitals, without what programs write instead of blanks. A
// point between digits stays.
func title(s string) string {
	r := []rune(s)
	digit := func(i int) bool { return i >= 0 && i < len(r) && r[i] >= '0' && r[i] <= '9' }
	for i := range r {
		if r[i] == '_' || r[i] == '.' && !(digit(i-1) && digit(i+1)) {
			r[i] = ' '
		}
	}
	return strings.ToUpper(strings.TrimSpace(string(r)))
}

// wrap breaks a text into lines of wrapAt columns, or of its longest word, such
// that what is left free at their ends is as even as can be: the sum of its
// squares is least, that of the last line not counted.
func wrap(s string) []string {
	words := strings.Fields(s)
	if utf8.RuneCountInString(s) <= wrapAt || len(words) < 2 {
		return []string{s}
	}
	limit := wrapAt
	for _, w := range words {
		limit = max(limit, utf8.RuneCountInString(w))
	}
	// From the end: what the words from i on cost, and how many the first line
	// then has.
	cost, first := make([]int, len(words)+1), make([]int, len(words)+1)
	for i := len(words) - 1; i >= 0; i-- {
		width := -1
		for n := 1; i+n <= len(words); n++ {
			if width += 1 + utf8.RuneCountInString(words[i+n-1]); width > limit {
				break
			}
			c := (limit-width)*(limit-width) + cost[i+n]
			if i+n == len(words) {
				c = 0
			}
			if n == 1 || c < cost[i] {
				cost[i], first[i] = c, n
			}
		}
	}
	var lines []string
	for i := 0; i < len(words); i += first[i] {
		lines = append(lines, strings.Join(words[i:i+first[i]], " "))
	}
	return slices.Clip(lines)
}
