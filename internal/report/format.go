// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"math"
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

// Quantity writes a value in its unit, as findings name it: "bytes", "seconds",
// "number", or none for a fraction, written in percent.
func Quantity(x float64, unit string) string {
	if unit == "" {
		return fmt.Sprintf("%.2f%%", 100*x)
	}
	return plain(x) + after(unit)
}

// Difference writes a difference with its sign; fractions in points.
func Difference(x float64, unit string) string {
	if unit == "" {
		return fmt.Sprintf("%+.2f points", 100*x)
	}
	return signed(x) + after(unit)
}

// plain writes a number with four digits that mean something, and never as a
// power of ten between a thousandth and a billion.
func plain(x float64) string {
	switch size := math.Abs(x); {
	case size >= 1e3 && size < 1e9:
		return strconv.FormatFloat(math.Round(x), 'f', -1, 64)
	case size > 0 && size < 1e-3:
		return strconv.FormatFloat(x, 'g', 3, 64)
	}
	return strconv.FormatFloat(x, 'g', 4, 64)
}

func signed(x float64) string {
	if x < 0 {
		return plain(x)
	}
	return "+" + plain(x)
}

// after is what stands after a number of a unit.
func after(unit string) string {
	switch unit {
	case "bytes":
		return " bytes"
	case "seconds":
		return " s"
	}
	return ""
}

// value writes a finding's figure: a limit's as a value, a difference's with its
// sign.
func value(f *view.Finding, x float64) string {
	if f.IsLimit() {
		return Quantity(x, f.Unit)
	}
	return Difference(x, f.Unit)
}

// interval writes both ends in one unit.
func interval(f view.Finding) string {
	switch {
	case f.Interval == nil:
		return "–"
	case f.Unit != "" && f.IsLimit():
		return plain(f.Interval.Low) + " to " + Quantity(f.Interval.High, f.Unit)
	case f.Unit != "":
		return signed(f.Interval.Low) + " to " + Difference(f.Interval.High, f.Unit)
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

// Estimate writes a value with its interval in a unit, or nothing as a dash.
func Estimate(e *view.Estimate, unit, dash string) string {
	switch {
	case e == nil:
		return dash
	case unit == "":
		return fmt.Sprintf("%.2f%% [%.2f, %.2f]", 100*e.Value, 100*e.Low, 100*e.High)
	}
	return fmt.Sprintf("%s%s [%s, %s]", plain(e.Value), after(unit), plain(e.Low), plain(e.High))
}

// RewardUnit is the unit of the reward in a view.
func RewardUnit(v *view.Experiment) string {
	for i := range v.Findings {
		if v.Findings[i].Role == string(experiment.RoleReward) {
			return v.Findings[i].Unit
		}
	}
	return ""
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
