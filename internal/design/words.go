// SPDX-License-Identifier: Apache-2.0

package design

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// Thousands writes a count with separators, rounded up.
func Thousands(n float64) string {
	s := strconv.FormatFloat(math.Ceil(n), 'f', 0, 64)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Days writes a time to two digits in the unit that people would use: "45s",
// "10m", "3h", "2.5d".
func Days(d time.Duration) string {
	switch {
	case d == Unknown:
		return "-"
	case d < time.Second:
		return d.String()
	case d < 2*time.Minute:
		return short(d.Seconds()) + "s"
	case d < 2*time.Hour:
		return short(d.Minutes()) + "m"
	case d < 2*day:
		return short(d.Hours()) + "h"
	default:
		return short(d.Hours()/24) + "d"
	}
}

// short writes a number with one digit after the point where that says more.
func short(f float64) string {
	digits := 0
	if f < 10 {
		digits = 1
	}
	s := strconv.FormatFloat(f, 'f', digits, 64)
	if digits == 1 && s[len(s)-2:] == ".0" {
		s = s[:len(s)-2]
	}
	return s
}

// things writes a number of things.
func things(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}
