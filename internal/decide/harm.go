// SPDX-License-Identifier: Apache-2.0

package decide

import (
	"fmt"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// absoluteHarm removes a candidate that violates an objective (D1). It reads
// only what the gateway saw, and asks the candidate nothing (D10). The
// baseline is exempt: rollback goes there.
func (d *deciding) absoluteHarm() bool {
	for i := range d.facts.Judgement.Verdicts {
		v := &d.facts.Judgement.Verdicts[i]
		if v.Version > 0 && v.Role == experiment.RoleObjective && v.Status == experiment.Violated {
			return d.rollback(d.violated(v))
		}
	}
	return false
}

func (d *deciding) violated(v *experiment.Verdict) experiment.Reason {
	m := d.plan.Metric(v.Metric)
	return experiment.Because(experiment.ReasonObjective,
		"version", d.name(v.Version), "metric", v.Metric,
		"estimate", Value(m, deref(v.Estimate)), "bound", bound(m, v), "limit", Limit(m, v.Limit))
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

// relativeHarm removes a candidate whose reward or guardrail is worse.
// Untrustworthy evidence does not delay it (D2): the mistake that it could make
// costs an experiment, not a user.
func (d *deciding) relativeHarm() bool {
	for i := range d.facts.Judgement.Verdicts {
		v := &d.facts.Judgement.Verdicts[i]
		if v.Version == 0 || v.Status != experiment.Worse {
			continue
		}
		m := d.plan.Metric(v.Metric)
		if v.Role == experiment.RoleGuardrail {
			return d.rollback(experiment.Because(experiment.ReasonGuardrail,
				"version", d.name(v.Version), "metric", v.Metric,
				"estimate", Difference(m, deref(v.Estimate)), "limit", Value(m, deref(v.Limit))))
		}
		return d.rollback(experiment.Because(experiment.ReasonRewardWorse,
			"version", d.name(v.Version), "metric", v.Metric,
			"estimate", Difference(m, deref(v.Estimate)), "interval", Interval(m, v)))
	}
	return false
}

// trust gathers the reasons not to believe the evidence. It decides nothing:
// harm is acted on all the same.
func (d *deciding) trust() bool {
	j := &d.facts.Judgement
	if j.Mismatch {
		d.doubts = append(d.doubts, experiment.Because(experiment.ReasonMismatch,
			"asked", d.from.String(), "seen", seen(j.Seen)))
	}
	for _, s := range d.facts.Sources {
		switch {
		case s.Down != "":
			d.doubts = append(d.doubts, experiment.Because(experiment.ReasonSourceDown, "source", s.Source, "why", s.Down))
		case s.Gap:
			d.doubts = append(d.doubts, experiment.Because(experiment.ReasonGap, "source", s.Source))
		case !s.Newest.IsZero() && d.now.Sub(s.Newest) > d.plan.Stale:
			d.doubts = append(d.doubts, experiment.Because(experiment.ReasonStale,
				"source", s.Source, "age", d.now.Sub(s.Newest).Round(time.Second)))
		}
	}
	return false
}

// distrusted holds while there are doubts (D2).
func (d *deciding) distrusted() bool {
	if len(d.doubts) == 0 {
		return false
	}
	d.waiting = true
	return d.because(experiment.ActHold, d.doubts...)
}

func seen(counts []int64) string {
	n := int64(0)
	for _, c := range counts {
		n += c
	}
	if n == 0 {
		return "nothing"
	}
	out := ""
	for i, c := range counts {
		if i > 0 {
			out += "/"
		}
		out += fmt.Sprintf("%.1f%%", 100*float64(c)/float64(n))
	}
	return out
}

func deref(f *float64) float64 {
	if f == nil {
		return 0
	}
	return *f
}
