// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"math"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// reward judges whether a candidate improves the reward. Harm is watched over
// all phases at any time; benefit is decided inside a split stage only, by the
// plan's method.
func (j *judging) reward(version int) experiment.Verdict {
	m := j.plan.Metric(j.plan.Reward.Metric)
	v := comparison(version, m, experiment.RoleReward)
	all, ok := j.compare(m, version, func(*experiment.PhaseTotals) bool { return true })
	split := j.split()
	if ok {
		mon := j.watched(version, experiment.RoleReward, m, all, experiment.Margin{}, experiment.Margin{})
		j.describe(&v, all)
		v.LogE = mon.Worse
		margin := j.plan.Reward.MinimumEffect.Of(all.baseline.Value)
		v.Limit = &margin
		if mon.Worse >= -math.Log(j.plan.TestAlpha()) {
			v.Status = experiment.Worse
		}
	}
	if split == nil {
		return v
	}
	c, ok := j.compare(m, version, func(p *experiment.PhaseTotals) bool { return p.Stage == j.at.Stage })
	j.benefit(&v, m, split, c, ok)
	return v
}

// split is the current stage's split, or nil.
func (j *judging) split() *experiment.Split {
	if j.at.Stage >= len(j.plan.Stages) {
		return nil
	}
	return j.plan.Stages[j.at.Stage].Split
}

// schedule is how far a split has come: the number of planned looks that are
// due, and whether it is over.
type schedule struct {
	look    int
	horizon bool
}

// scheduleOf counts in units where the plan does, in time otherwise. Both are
// fixed by the plan and not by what the metric shows, which is what makes
// looks legitimate. The horizon in time ends either.
func scheduleOf(u experiment.Until, looks int, units int64, elapsed time.Duration) schedule {
	s := schedule{horizon: elapsed >= u.AtMost}
	if u.Units > 0 {
		s.look = int(units * int64(looks) / u.Units)
		s.horizon = s.horizon || units >= u.Units
	} else {
		s.look = int(int64(elapsed/time.Millisecond) * int64(looks) / int64(u.AtMost/time.Millisecond))
	}
	if s.horizon {
		s.look = looks
	}
	return s
}

func (j *judging) benefit(v *experiment.Verdict, m *experiment.Metric, split *experiment.Split, c pooled, ok bool) {
	units := c.nCandidate + c.nBaseline
	s := scheduleOf(split.Until, j.plan.Analysis.Looks, units, j.at.Now.Sub(j.at.StageStart))
	j.out.Units = units
	j.out.Planned = j.plan.Analysis.Looks
	if split.Until.Units > units {
		v.Need = split.Until.Units - units
	}
	if ok {
		j.describe(v, c)
		margin := j.plan.Reward.MinimumEffect.Of(c.baseline.Value)
		v.Limit = &margin
		if j.plan.Analysis.Method == experiment.Anytime {
			j.anytime(v, m, c)
		} else {
			j.looks(v, m, c, s)
		}
	}
	if s.horizon {
		v.Final = true
		v.Need = 0
		if ok {
			j.atHorizon(v, c)
		}
	}
	j.out.Look = len(j.monitors.Looks)
}

// anytime says better as soon as the e-value of the split's own phases does.
func (j *judging) anytime(v *experiment.Verdict, m *experiment.Metric, c pooled) {
	alpha := j.plan.CandidateAlpha()
	mix, err := stats.NewMixture(alpha, j.plan.PlannedUnits())
	if err != nil {
		return
	}
	mon := j.monitor(v.Version, splitRole, m.Name)
	mon.Better = max(mon.Better, j.evidence(mix, c.phases, func(a arms) stats.Estimate { return a.difference(m.Goal) }))
	if v.Status != experiment.Worse && mon.Better >= -math.Log(alpha) {
		v.Status = experiment.Better
	}
}

// splitRole keeps the memory of benefit inside the split apart from the memory
// of harm over all phases.
const splitRole experiment.Role = "reward in split"

// looks spends a look when one is due and says better once a boundary was
// crossed. Looks belong to the plan's schedule; between them nothing is said of
// benefit, and the interval shown is one that holds at any time.
func (j *judging) looks(v *experiment.Verdict, m *experiment.Metric, c pooled, s schedule) {
	if len(j.plan.Versions) > 2 {
		return // Refused by validation: looks are kept for one candidate.
	}
	done := 0
	if n := len(j.monitors.Looks); n > 0 {
		done = int(math.Round(j.monitors.Looks[n-1].Spent * float64(j.plan.Analysis.Looks)))
	}
	d := c.good(m.Goal)
	if s.look > done && d.SE > 0 {
		j.spend(d, c, s)
	}
	for _, l := range j.monitors.Looks {
		if l.Z >= l.Bound && v.Status != experiment.Worse {
			v.Status = experiment.Better
			v.Guarantee = experiment.GuaranteeLooks
		}
	}
}

// good is the pooled difference, turned so that positive is good.
func (p pooled) good(g experiment.Goal) stats.Estimate {
	return stats.Estimate{Value: g.Sign() * p.diff.Value, SE: p.diff.SE}
}

func (j *judging) spend(d stats.Estimate, c pooled, s schedule) {
	looks := make([]stats.Look, 0, len(j.monitors.Looks)+1)
	for _, l := range j.monitors.Looks {
		looks = append(looks, l.Look)
	}
	// The planned fraction, not the exact one, keeps the schedule a whole
	// number of looks.
	spent := float64(s.look) / float64(j.plan.Analysis.Looks)
	next := stats.Look{Spent: spent, Information: c.n()}
	bounds, err := stats.Boundaries(append(looks, next), j.plan.CandidateAlpha(), stats.OBrienFleming)
	if err != nil {
		return
	}
	j.monitors.Looks = append(j.monitors.Looks, experiment.SpentLook{
		Look: next, Z: d.Value / d.SE, Bound: bounds[len(bounds)-1], Estimate: c.diff.Value, SE: d.SE,
	})
}

// atHorizon adds what the end allows to be said: whether the versions are the
// same for all that matters (two one-sided tests at alpha).
func (j *judging) atHorizon(v *experiment.Verdict, c pooled) {
	alpha := j.plan.Analysis.Alpha
	half := stats.NormalQuantile(1-alpha) * c.diff.SE
	interval := stats.Interval{Low: c.diff.Value - half, High: c.diff.Value + half}
	v.Interval, v.Level = &interval, 1-2*alpha
	if j.plan.Analysis.Method == experiment.Sequential {
		v.Guarantee = experiment.GuaranteeLooks
	}
	margin := j.plan.Reward.MinimumEffect.Of(c.baseline.Value)
	v.Equivalent = margin > 0 && interval.Low > -margin && interval.High < margin
}
