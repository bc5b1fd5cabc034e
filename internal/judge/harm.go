// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"math"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// guardrail judges whether the candidate worsens a metric by more than its
// margin, over all phases.
func (j *judging) guardrail(s subject, margin experiment.Margin) experiment.Verdict {
	v := comparison(s)
	c, ok := j.compare(s)
	mon := j.watched(s, c, margin, margin)
	baseline, shown := j.shown(&v, s, c, ok)
	if !shown {
		return v
	}
	v.LogE = mon.Worse
	limit := margin.Of(baseline)
	v.Limit = &limit
	switch {
	case mon.Worse >= -math.Log(j.harmAlpha):
		v.Status = experiment.Worse
	case mon.Better >= -math.Log(j.benefitAlpha):
		v.Status = experiment.NotWorse
	default:
		v.Need = j.needNotWorse(s, c, ok, margin)
	}
	return v
}

// shown describes a comparison as far as there is something to show, and tells
// the baseline's value.
func (j *judging) shown(v *experiment.Verdict, s subject, c pooled, ok bool) (baseline float64, shown bool) {
	switch {
	case ok:
		j.describe(v, s.metric, c)
		return c.baseline.Value, true
	case counted(s.metric):
		return j.describeFew(v, s)
	}
	return 0, false
}

// watched runs the always-valid tests of one metric against a margin and
// remembers the strongest evidence seen.
func (j *judging) watched(s subject, c pooled, margin, good experiment.Margin) experiment.HarmMonitor {
	mon := j.monitor(s.version, s.role, s.metric.Name, s.slice)
	mon.Worse = max(mon.Worse, j.combine(j.evidence(s, c, margin, true)))
	mon.Better = max(mon.Better, j.combine(j.evidence(s, c, good, false)))
	return *mon
}

// evidence is the log e-value, phase by phase, that the candidate is worse than
// a margin allows, or that it is not. Zero is no evidence either way.
func (j *judging) evidence(s subject, c pooled, margin experiment.Margin, worse bool) []float64 {
	alpha := j.benefitAlpha
	if worse {
		alpha = j.harmAlpha
	}
	if counted(s.metric) {
		return j.countEvidence(s, c, margin, worse, alpha)
	}
	return j.normalEvidence(s, c, margin, worse, alpha)
}

func (j *judging) normalEvidence(s subject, c pooled, margin experiment.Margin, worse bool, alpha float64) []float64 {
	logE := make([]float64, len(c.phases))
	mix, err := stats.NewMixture(alpha, j.planned(s.metric))
	if err != nil {
		return logE
	}
	for i, a := range c.phases {
		if a.n() == 0 {
			continue
		}
		d := a.spared(s.metric.Goal, margin)
		if worse {
			d.Value = -d.Value
		}
		if e, err := mix.LogEGreater(d, a.n()); err == nil {
			logE[i] = e
		}
	}
	return logE
}
