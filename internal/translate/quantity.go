// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/headgate-dev/headgate/api/v1alpha1"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// finite parses a decimal number and refuses NaN, infinities and the
// hexadecimal forms that Go would take.
func finite(s string) (float64, bool) {
	f, err := strconv.ParseFloat(s, 64)
	return f, err == nil && !math.IsNaN(f) && !math.IsInf(f, 0) && !strings.ContainsAny(s, "xX_")
}

const numberHint = `write 1%, 0.01 or "0.01"`

// fraction reads "1%", "0.01" or 0.01 as a finite number; ok is false if it
// failed.
func (t *translator) fraction(path string, q v1alpha1.Quantity) (f float64, ok bool) {
	if q == "" {
		t.fail(path, "", "a number is required", numberHint)
		return 0, false
	}
	s, percent := strings.CutSuffix(strings.TrimSpace(string(q)), "%")
	f, ok = finite(strings.TrimSpace(s))
	if !ok {
		t.fail(path, quote(string(q)), "not a number", numberHint)
		return 0, false
	}
	if percent {
		// Dividing keeps 1% equal to 0.01; multiplying would not.
		f /= 100
	}
	return f, true
}

// percentHint asks whether a bare number was meant in percent.
func percentHint(q v1alpha1.Quantity, f float64) string {
	if f >= 1 && f <= 100 && !strings.Contains(string(q), "%") {
		return fmt.Sprintf("did you mean %g%%?", f)
	}
	return ""
}

// Bounds of probabilities: nothing measures smaller ones.
const (
	leastProbability = 1e-6
	mostProbability  = 1 - leastProbability
)

// probability reads a fraction from leastProbability to most, or the default.
func (t *translator) probability(path string, q v1alpha1.Quantity, def, most float64) float64 {
	return t.within(path, q, def, leastProbability, most)
}

// within reads a fraction between two bounds, or the default.
func (t *translator) within(path string, q v1alpha1.Quantity, def, least, most float64) float64 {
	if q == "" {
		return def
	}
	f, ok := t.fraction(path, q)
	if ok && (f < least || f > most) {
		t.fail(path, quote(string(q)), fmt.Sprintf("want %.6g%% to %.6g%%", 100*least, 100*most), percentHint(q, f))
		return def
	}
	return f
}

// maxAmount bounds costs and the like: sums of them stay exact enough.
const maxAmount = 1e12

// number reads a plain number between two bounds, or the default: an amount is
// no part of anything, so that a percent sign in it is a mistake.
func (t *translator) number(path string, q v1alpha1.Quantity, def, least, most float64) float64 {
	if q == "" {
		return def
	}
	f, ok := finite(strings.TrimSpace(string(q)))
	switch {
	case !ok:
		t.fail(path, quote(string(q)), "not a plain number", `write 0.5 or "0.5"`)
		return def
	case f < least || f > most:
		t.fail(path, quote(string(q)), fmt.Sprintf("want %g to %g", least, most), "")
		return def
	}
	return f + 0 // -0 is 0.
}

// amount reads a number above zero, 0 if there is none.
func (t *translator) amount(path string, q v1alpha1.Quantity) float64 {
	f := t.number(path, q, 0, 0, maxAmount)
	if f == 0 && q != "" && t.clean(path) {
		t.fail(path, quote(string(q)), "want more than 0", "leave it out for no bound")
	}
	return f
}

// count checks a number of things that may be none.
func (t *translator) count(path string, n, most int64) int64 {
	if n < 0 || n > most {
		t.fail(path, fmt.Sprint(n), fmt.Sprintf("want 0 to %d", most), "")
	}
	return n
}

// some checks a number of things that may not be none, or gives the default.
func (t *translator) some(path string, n, def, most int64) int64 {
	if !t.given(path) {
		return def
	}
	if n < 1 || n > most {
		t.fail(path, fmt.Sprint(n), fmt.Sprintf("want 1 to %d", most), "")
		return def
	}
	return n
}

// share reads a fraction as slots: 0 to 100 % in steps of 0.01 %. It is
// negative if that failed.
func (t *translator) share(path string, q v1alpha1.Quantity) experiment.Share {
	f, ok := t.fraction(path, q)
	if !ok {
		return -1
	}
	slots := math.Round(f * experiment.Whole)
	switch {
	case f < 0 || f > 1:
		t.fail(path, quote(string(q)), "a share is 0 to 100%", percentHint(q, f))
		return -1
	case f == 1 && percentHint(q, f) != "":
		t.fail(path, quote(string(q)), "it could be 1% or 100%", "write the one that is meant")
		return -1
	case math.Abs(slots-f*experiment.Whole) > 1e-6:
		t.fail(path, quote(string(q)), "shares are whole hundredths of a percent", fmt.Sprintf("write %s", experiment.Share(slots).Percent()))
		return -1
	}
	return experiment.Share(slots)
}

// shareOr reads a share, or gives the default.
func (t *translator) shareOr(path string, q v1alpha1.Quantity, def experiment.Share) experiment.Share {
	if q == "" {
		return def
	}
	if s := t.share(path, q); s >= 0 {
		return s
	}
	return def
}

const durationHint = "for example 250ms, 30s, 5m, 72h or 14d"

// duration reads "250ms", "72h" or "14d", or gives the default.
func (t *translator) duration(path string, in v1alpha1.Duration, def, least time.Duration) time.Duration {
	if in == "" {
		if def < least {
			t.fail(path, "", "a duration is required", durationHint)
		}
		return max(def, least)
	}
	d, err := parseDuration(string(in))
	switch {
	case err != nil:
		t.fail(path, quote(string(in)), "not a duration", durationHint)
	case d < least:
		t.fail(path, quote(string(in)), fmt.Sprintf("want at least %s", least), "")
	case d > longestDuration:
		t.fail(path, quote(string(in)), "longer than a year", "")
	default:
		return d
	}
	return max(def, least)
}

// parseDuration is time.ParseDuration with whole or broken days: "14d". What
// is negative is not a duration.
func parseDuration(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		f, ok := finite(days)
		if !ok || f < 0 || f > 1e5 {
			return 0, fmt.Errorf("not a number of days: %q", s)
		}
		return time.Duration(f * float64(24*time.Hour)), nil
	}
	d, err := time.ParseDuration(s)
	if err == nil && d < 0 {
		return 0, fmt.Errorf("negative: %q", s)
	}
	return d, err
}
