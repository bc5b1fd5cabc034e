// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/headgate-dev/headgate/api/v1alpha1"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// fraction reads "1%", "0.01" or 0.01 as a finite number.
func (t *translator) fraction(path string, q v1alpha1.Quantity) float64 {
	s, percent := strings.CutSuffix(strings.TrimSpace(string(q)), "%")
	f, ok := finite(strings.TrimSpace(s))
	if !ok {
		t.fail(path, quote(string(q)), "not a number", `write 1%, 0.01 or "0.01"`)
		return 0
	}
	if percent {
		// Dividing keeps 1% equal to 0.01; multiplying would not.
		return f / 100
	}
	return f
}

// probability reads a fraction strictly between 0 and below, or the default.
func (t *translator) probability(path string, q v1alpha1.Quantity, def, below float64) float64 {
	if q == "" {
		return def
	}
	before := len(t.problems)
	f := t.fraction(path, q)
	if len(t.problems) == before && (f <= 0 || f >= below) {
		t.fail(path, quote(string(q)), fmt.Sprintf("want more than 0 and less than %g", below), "")
		return def
	}
	return f
}

// share reads a fraction as slots: 0 to 100 % in steps of 0.01 %.
func (t *translator) share(path string, q v1alpha1.Quantity) experiment.Share {
	before := len(t.problems)
	f := t.fraction(path, q)
	if len(t.problems) > before {
		return 0
	}
	slots := math.Round(f * experiment.Whole)
	switch {
	case f < 0 || f > 1:
		hint := ""
		if f > 1 && f <= 100 {
			hint = fmt.Sprintf("did you mean %g%%?", f)
		}
		t.fail(path, quote(string(q)), "a share is 0 to 100%", hint)
		return 0
	case math.Abs(slots-f*experiment.Whole) > 1e-6:
		t.fail(path, quote(string(q)), "shares are whole hundredths of a percent", fmt.Sprintf("write %s", experiment.Share(slots).Percent()))
	}
	return experiment.Share(slots)
}

// duration reads "250ms", "72h" or "14d", or gives the default.
func (t *translator) duration(path string, in v1alpha1.Duration, def, least time.Duration) time.Duration {
	if in == "" {
		if def < least {
			t.fail(path, "", "a duration is required", "for example 30s, 5m, 14d")
		}
		return def
	}
	d, err := parseDuration(string(in))
	switch {
	case err != nil:
		t.fail(path, quote(string(in)), "not a duration", "a number with its unit: 250ms, 30s, 5m, 72h, 14d")
	case d < least:
		t.fail(path, quote(string(in)), fmt.Sprintf("want at least %s", least), "")
	case d > longestDuration:
		t.fail(path, quote(string(in)), "longer than a year", "")
	default:
		return d
	}
	return max(def, least)
}

// parseDuration is time.ParseDuration with whole or broken days: "14d".
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
