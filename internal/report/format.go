// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/view"
)

// percent writes a fraction: 5%, 0.35%.
func percent(x float64) string { return trimmed(100*x, 2) + "%" }

// trimmed writes a number with at most some digits and no needless zero.
func trimmed(x float64, digits int) string {
	s := strconv.FormatFloat(x, 'f', digits, 64)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	if s == "-0" {
		return "0"
	}
	return s
}

// value writes a finding's figure: a limit's in percent, a difference's in
// points.
func value(f *view.Finding, x float64) string {
	if f.IsLimit() {
		return fmt.Sprintf("%.2f%%", 100*x)
	}
	return fmt.Sprintf("%+.2f points", 100*x)
}

// interval writes both ends in one unit.
func interval(f view.Finding) string {
	switch {
	case f.Interval == nil:
		return "–"
	case f.IsLimit():
		return fmt.Sprintf("%.2f%% to %.2f%%", 100*f.Interval.Low, 100*f.Interval.High)
	default:
		return fmt.Sprintf("%+.2f to %+.2f points", 100*f.Interval.Low, 100*f.Interval.High)
	}
}

func level(f *view.Finding) string { return trimmed(100*f.Level, 3) + "%" }

func guaranteed(g string) string {
	switch experiment.Guarantee(g) {
	case experiment.GuaranteeNone:
		return "without guarantee"
	case experiment.GuaranteeAnytime:
		return "valid at any time"
	default:
		return "valid " + g
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

// clock writes a time, in UTC, so that a report reads the same everywhere.
func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") }

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// duration writes seconds as people say them: 42 s, 12 min, 3 h 5 min, 2 d 4 h.
func duration(s float64) string {
	n := int64(s)
	switch {
	case n < 120:
		return fmt.Sprintf("%d s", n)
	case n < 7200:
		return fmt.Sprintf("%d min", n/60)
	case n < 2*86400:
		return fmt.Sprintf("%d h %d min", n/3600, n%3600/60)
	default:
		return fmt.Sprintf("%d d %d h", n/86400, n%86400/3600)
	}
}

// millis writes a latency in seconds.
func millis(f *float64) string {
	switch {
	case f == nil:
		return "–"
	case *f < 1:
		return trimmed(1000**f, 1) + " ms"
	default:
		return trimmed(*f, 2) + " s"
	}
}

func share(x float64) string { return percent(x) }

func maybe(f *float64) string {
	if f == nil {
		return "–"
	}
	return percent(*f)
}

func estimate(e *view.Estimate) string {
	if e == nil {
		return "–"
	}
	return fmt.Sprintf("%.2f%% [%.2f, %.2f]", 100*e.Value, 100*e.Low, 100*e.High)
}

// orList joins names: "v2, v3 or v4".
func orList(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
}

func upper(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	if n == 0 {
		return s
	}
	return string(unicode.ToUpper(r)) + s[n:]
}

// quoted makes a name one word of a shell: whoever copies the command runs
// nothing that the name says.
func quoted(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._/-", r)
	}
	if s != "" && s[0] != '-' && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
