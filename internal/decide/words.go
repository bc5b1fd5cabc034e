// SPDX-License-Identifier: Apache-2.0

package decide

import (
	"fmt"
	"strconv"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Value writes a value of a metric for people. Metrics of this engine are
// shares, rates and ratios; those that lie within a whole read best in percent.
func Value(_ *experiment.Metric, v float64) string {
	return fmt.Sprintf("%.2f%%", 100*v)
}

// Difference writes a difference of two values, with its sign.
func Difference(_ *experiment.Metric, v float64) string {
	return fmt.Sprintf("%+.2f points", 100*v)
}

// Interval writes a verdict's interval.
func Interval(_ *experiment.Metric, v *experiment.Verdict) string {
	if v.Interval == nil {
		return "unknown"
	}
	return fmt.Sprintf("%+.2f to %+.2f", 100*v.Interval.Low, 100*v.Interval.High)
}

// Limit writes the limit of an objective.
func Limit(m *experiment.Metric, limit *float64) string {
	if limit == nil {
		return "none"
	}
	if m != nil && m.Builtin != nil && m.Builtin.Kind == experiment.Latency {
		return fmt.Sprintf("%.3g%% over %s", 100*(*limit), m.Builtin.Limit)
	}
	return Value(m, *limit)
}

func count(n int64) string { return strconv.FormatInt(n, 10) + " units" }
