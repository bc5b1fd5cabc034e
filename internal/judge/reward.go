// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"math"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// reward judges whether a candidate improves the reward. Harm is watched over
// all phases at any time, whatever the method; benefit is decided inside a
// split stage only, by the plan's method.
func (j *judging) reward(version int) experiment.Verdict {
	s := subject{version: version, role: experiment.RoleReward, metric: j.plan.Metric(j.plan.Reward.Metric), scope: allStages}
	v := comparison(s)
	all, ok := j.compare(s)
	mon := j.watched(s, all, experiment.Margin{}, experiment.Margin{})
	if baseline, shown := j.shown(&v, s, all, ok); shown {
		v.LogE = mon.Worse
		margin := j.plan.Reward.MinimumEffect.Of(baseline)
		v.Limit = &margin
		if mon.Worse >= -math.Log(j.harmAlpha) {
			v.Status = experiment.Worse
		}
	}
	if stage := j.stage(); stage != nil && stage.Split != nil {
		s.scope = currentStage
		c, ok := j.compare(s)
		j.benefit(&v, s, stage.Split, c, ok)
	}
	v.Hidden = j.hidden(&v)
	return v
}

// hidden says whether the method keeps the figures from people: before the
// horizon of the test that is still to come, unless there is harm to be seen.
func (j *judging) hidden(v *experiment.Verdict) bool {
	if j.plan.Analysis.Method != experiment.Fixed || v.Status == experiment.Worse || v.Final {
		return false
	}
	for i := j.at.Stage; i < len(j.plan.Stages); i++ {
		if j.plan.Stages[i].Split != nil {
			return true
		}
	}
	return false
}

// schedule is how far a split has come: the number of planned looks that are
// due, and whether it is over.
type schedule struct {
	look    int
	horizon bool
	elapsed time.Duration
}

// scheduleOf counts in units where the plan does, in time otherwise. Both are
// fixed by the plan and not by what the metric shows, which is what makes
// looks legitimate. The horizon in time ends either.
func scheduleOf(u experiment.Until, looks int, units int64, elapsed time.Duration) schedule {
	s := schedule{horizon: elapsed >= u.AtMost, elapsed: elapsed}
	if u.Units > 0 {
		s.look = int(units * int64(looks) / u.Units)
		s.horizon = s.horizon || units >= u.Units
	} else {
		s.look = int(int64(elapsed/time.Millisecond) * int64(looks) / int64(max(1, u.AtMost/time.Millisecond)))
	}
	if s.horizon {
		s.look = looks
	}
	return s
}

// plannedLooks is how often the method decides: the methods that look at any
// time plan no looks.
func plannedLooks(a experiment.Analysis) int {
	switch a.Method {
	case experiment.Fixed, experiment.Threshold:
		return 1
	case experiment.Anytime, experiment.Bayesian:
		return 0
	default:
		return a.Looks
	}
}

// benefit decides by the plan's method, on the split's own phases.
func (j *judging) benefit(v *experiment.Verdict, s subject, split *experiment.Split, c pooled, ok bool) {
	// Units bring the horizon nearer only once they tell something of both
	// versions.
	units := int64(0)
	if ok {
		units = j.out.Units
	}
	due := scheduleOf(split.Until, max(1, plannedLooks(j.plan.Analysis)), units, j.at.Now.Sub(j.at.StageStart))
	j.out.Planned = plannedLooks(j.plan.Analysis)
	if ok {
		j.describe(v, s.metric, c)
		margin := j.plan.Reward.MinimumEffect.Of(c.baseline.Value)
		v.Limit = &margin
		j.decide(v, s, split, c, due)
	}
	switch {
	case due.horizon:
		v.Final = true
		if ok {
			j.atHorizon(v, c)
		}
	case v.Status == experiment.Undecided:
		v.Need = j.needBetter(split, s.metric, c, ok)
	}
	if v.Status != experiment.Worse {
		v.Guarantee = guarantee(j.plan.Analysis.Method, v)
	}
	j.out.Look = max(j.out.Look, len(j.looksOf(v.Version)))
}

// guarantee is what stands behind a verdict that is no harm. Between looks a
// sequential test shows an interval that holds at any time.
func guarantee(m experiment.Method, v *experiment.Verdict) experiment.Guarantee {
	switch m {
	case experiment.Fixed:
		return experiment.GuaranteeHorizon
	case experiment.Threshold, experiment.Bayesian:
		return experiment.GuaranteeNone
	case experiment.Sequential:
		if v.Final && v.Interval != nil || v.Status == experiment.Better {
			return experiment.GuaranteeLooks
		}
	}
	return experiment.GuaranteeAnytime
}

// atHorizon adds what the end allows to be said: whether the versions are the
// same for all that matters (two one-sided tests at a candidate's alpha).
func (j *judging) atHorizon(v *experiment.Verdict, c pooled) {
	half := stats.NormalQuantile(1-j.benefitAlpha) * c.diff.SE
	interval := stats.Interval{Low: c.diff.Value - half, High: c.diff.Value + half}
	v.Interval, v.Level = &interval, 1-2*j.benefitAlpha
	margin := j.plan.Reward.MinimumEffect.Of(c.baseline.Value)
	v.Equivalent = margin > 0 && interval.Low > -margin && interval.High < margin
}
