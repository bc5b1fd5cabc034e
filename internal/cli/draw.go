// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// bar fills a fraction of n columns, in eighths of a column.
func bar(fraction float64, n int) string {
	n = max(n, 1)
	eighths := int(math.Round(max(0, min(1, fraction)) * float64(8*n)))
	full, part := eighths/8, eighths%8
	s := strings.Repeat("█", full)
	if part > 0 {
		s += string([]rune("▏▎▍▌▋▊▉")[part-1])
		full++
	}
	return s + strings.Repeat("·", n-full)
}

// axis is an empty whisker.
func axis(n int, reach float64) string {
	return whisker(n, reach, "", math.NaN(), math.NaN(), math.NaN())
}

// whisker draws an estimate and its interval on an axis of ±reach with zero in
// the middle; of fractions, which have no unit, in points.
func whisker(n int, reach float64, unit string, estimate, low, high float64) string {
	left, right := fmt.Sprintf("%+.0f ", -100*reach), fmt.Sprintf(" %+.0f", 100*reach)
	if unit != "" {
		left, right = fmt.Sprintf("%+.3g ", -reach), fmt.Sprintf(" %+.3g", reach)
	}
	n = max(11, n-len(left)-len(right))
	row := []rune(strings.Repeat(" ", n))
	at := func(x float64) int {
		if reach <= 0 {
			return (n - 1) / 2
		}
		return int(math.Round((x/reach + 1) / 2 * float64(n-1)))
	}
	if !math.IsNaN(low) {
		a, b := max(0, at(low)), min(n-1, at(high))
		for i := a; i <= b; i++ {
			row[i] = '─'
		}
		row[a], row[b] = '├', '┤'
	}
	row[at(0)] = '┊'
	if !math.IsNaN(estimate) {
		row[min(n-1, max(0, at(estimate)))] = '●'
	}
	return left + string(row) + right
}

// percent writes a fraction, or "-" where there is none.
func percent(f *float64, digits int) string {
	if f == nil {
		return "-"
	}
	return strconv.FormatFloat(100**f, 'f', digits, 64) + "%"
}

// seconds writes a time, or "-" where there is none.
func seconds(f *float64) string {
	switch {
	case f == nil:
		return "-"
	case *f < 0.01:
		return fmt.Sprintf("%.1fms", 1000**f)
	case *f < 1:
		return fmt.Sprintf("%.0fms", 1000**f)
	default:
		return fmt.Sprintf("%.2fs", *f)
	}
}

// thousands writes a count with separators.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// clip cuts a line to a width in columns, leaving escape sequences whole.
func clip(s string, width int, color bool) string {
	if columns(s) <= width {
		return s
	}
	var b strings.Builder
	n, escape := 0, false
	for _, r := range s {
		switch {
		case r == '\x1b':
			escape = true
		case escape:
			escape = r != 'm'
		default:
			if n++; n > width {
				continue
			}
		}
		b.WriteRune(r)
	}
	if color {
		b.WriteString("\x1b[0m")
	}
	return b.String()
}

// columns is how wide a text is, its escape sequences apart.
func columns(s string) int {
	n, escape := 0, false
	for _, r := range s {
		switch {
		case r == '\x1b':
			escape = true
		case escape:
			escape = r != 'm'
		default:
			n++
		}
	}
	return n
}

// wrap breaks a text at spaces into lines of at most width columns, but for
// words that are longer.
func wrap(s string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.SplitSeq(s, " ") {
		switch {
		case line == "":
			line = word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width:
			lines = append(lines, line)
			line = word
		default:
			line += " " + word
		}
	}
	return append(lines, line)
}

// painter colours text, if it may. Words say the same, so that colour is never
// the only signal.
type painter struct{ on bool }

func (p painter) paint(code, s string) string {
	if !p.on {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (p painter) bold(s string) string { return p.paint("1", s) }
func (p painter) dim(s string) string  { return p.paint("2", s) }
func (p painter) cyan(s string) string { return p.paint("36", s) }

// share colours the bar of each version differently, the baseline's always
// alike.
func (p painter) share(version int, s string) string {
	colors := []string{"34", "35", "36", "33", "32", "31", "95", "96"}
	return p.paint(colors[min(version, len(colors)-1)], s)
}

func (p painter) status(s string) string {
	switch s {
	case "met", "better", "not worse":
		return p.paint("32", s)
	case "violated", "worse", "untrustworthy":
		return p.paint("31", s)
	default:
		return s
	}
}

func (p painter) verdict(s string) string {
	head, rest, ok := strings.Cut(s, "  ")
	if !ok {
		return s
	}
	code := "1"
	switch head {
	case "PROMOTED":
		code = "1;32"
	case "ROLLED BACK":
		code = "1;31"
	case "UNTRUSTWORTHY", "APPROVAL AWAITED", "A PERSON DECIDES", "BUDGET EXCEEDED":
		code = "1;33"
	}
	if strings.HasPrefix(head, "PROMOTED BY OVERRIDE") {
		code = "1;33"
	}
	return p.paint(code, head) + "  " + rest
}
