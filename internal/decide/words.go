// SPDX-License-Identifier: Apache-2.0

package decide

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Value writes a value of a metric for people. Most metrics are shares, rates and
// ratios; those that lie within a whole read best in percent.
func Value(m *experiment.Metric, v float64) string {
	if unit, ok := unitOf(m); ok {
		return fmt.Sprintf("%.4g%s", v, unit)
	}
	return percent(v)
}

// Difference writes a difference of two values, with its sign.
func Difference(m *experiment.Metric, v float64) string {
	if unit, ok := unitOf(m); ok {
		return fmt.Sprintf("%+.4g%s", v, unit)
	}
	return fmt.Sprintf("%+.2f points", 100*v)
}

// unitOf is what stands after a metric's numbers; false where they are written in
// percent.
func unitOf(m *experiment.Metric) (string, bool) {
	if m == nil {
		return "", false
	}
	switch m.Unit() {
	case "bytes":
		return " bytes", true
	case "seconds":
		return " s", true
	case "":
		return "", false
	}
	return "", true
}

// Interval writes a verdict's interval.
func Interval(m *experiment.Metric, v *experiment.Verdict) string {
	_, plain := unitOf(m)
	switch {
	case v.Interval == nil:
		return "unknown"
	case plain:
		return fmt.Sprintf("%+.4g to %+.4g", v.Interval.Low, v.Interval.High)
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

// bound is the end of the interval that lies nearest to the limit, as a phrase.
func bound(m *experiment.Metric, v *experiment.Verdict) string {
	switch {
	case v.Interval == nil:
		return "beyond doubt"
	case v.Limit != nil && v.Interval.High < *v.Limit:
		return "at most " + Value(m, v.Interval.High)
	default:
		return "at least " + Value(m, v.Interval.Low)
	}
}

func percent(v float64) string { return fmt.Sprintf("%.2f%%", 100*v) }

func count(n int64) string { return strconv.FormatInt(n, 10) + " units" }

// short writes a duration without the zeros at its end: "36h", "1m30s".
func short(t time.Duration) string {
	s := t.Round(time.Millisecond).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// label names what a verdict is about: the metric, its slice and who answers
// for the limit if that is somebody else than the plan's owner.
func (d *deciding) label(v *experiment.Verdict) string {
	return owned(inSlice(v.Metric, v.Slice), d.ownerOf(v))
}

func (d *deciding) ownerOf(v *experiment.Verdict) string {
	limits := d.plan.Objectives
	switch v.Role {
	case experiment.RoleGuardrail:
		for i := range d.plan.Guardrails {
			if d.plan.Guardrails[i].Metric == v.Metric {
				return d.plan.Guardrails[i].Owner
			}
		}
		return ""
	case experiment.RoleGate:
		limits = d.stage().Require
	case experiment.RoleReward:
		return ""
	}
	for i := range limits {
		if limits[i].Metric == v.Metric {
			return limits[i].Owner
		}
	}
	return ""
}

func owned(what, owner string) string {
	if owner == "" {
		return what
	}
	return what + " (owner: " + owner + ")"
}

func inSlice(what, slice string) string {
	if slice == "" {
		return what
	}
	return what + " in " + slice
}

func deref(f *float64) float64 {
	if f == nil {
		return 0
	}
	return *f
}
