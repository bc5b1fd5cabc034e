// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"math"
	"slices"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// splitRole keeps the memory of benefit inside the split apart from the memory
// of harm over all phases.
const splitRole experiment.Role = "reward in split"

// decide says better by the plan's method. Harm that is known stays said.
func (j *judging) decide(v *experiment.Verdict, s subject, split *experiment.Split, c pooled, due schedule) {
	switch j.plan.Analysis.Method {
	case experiment.Anytime:
		j.anytime(v, s, c)
		return
	case experiment.Fixed, experiment.Threshold:
		if due.horizon {
			j.once(v, s, c)
		}
	case experiment.Bayesian:
		j.bayesian(v, s, split, c, due)
		return
	default:
		j.looks(v, s, c, due)
	}
	for _, l := range j.looksOf(v.Version) {
		if l.Z >= l.Bound {
			j.better(v)
		}
	}
}

func (j *judging) better(v *experiment.Verdict) {
	if v.Status != experiment.Worse {
		v.Status = experiment.Better
	}
}

// anytime says better as soon as the e-value of the split's own phases does.
func (j *judging) anytime(v *experiment.Verdict, s subject, c pooled) {
	mon := j.monitor(v.Version, splitRole, s.metric.Name, "")
	mon.Better = max(mon.Better, j.combine(j.evidence(s, c, experiment.Margin{}, false)))
	if mon.Better >= -math.Log(j.benefitAlpha) {
		j.better(v)
	}
}

// looks spends a look when one is due. Looks belong to the plan's schedule;
// between them nothing is said of benefit. A version that was removed looks no
// more.
func (j *judging) looks(v *experiment.Verdict, s subject, c pooled, due schedule) {
	planned, done := float64(j.plan.Analysis.Looks), 0
	var before []stats.Look
	for _, l := range j.looksOf(v.Version) {
		before = append(before, l.Look)
		done = int(math.Round(l.Spent * planned))
	}
	d := c.good(s.metric.Goal)
	if due.look <= done || d.SE == 0 || slices.Contains(j.at.Removed, v.Version) {
		return
	}
	// The planned fraction, not the exact one, keeps the schedule a whole
	// number of looks.
	next := stats.Look{Spent: float64(due.look) / planned, Information: c.n()}
	bound, err := j.at.Memo.bound(v.Version, j.benefitAlpha, append(before, next))
	if err != nil {
		return
	}
	j.spend(v.Version, next, d.Value/d.SE, bound, c)
}

// once looks a single time, at the horizon. For the method threshold Z and
// Bound are the estimate and the smallest effect that matters themselves.
func (j *judging) once(v *experiment.Verdict, s subject, c pooled) {
	d := c.good(s.metric.Goal)
	if len(j.looksOf(v.Version)) > 0 || d.SE == 0 || slices.Contains(j.at.Removed, v.Version) {
		return
	}
	z, bound := d.Value/d.SE, stats.NormalQuantile(1-j.benefitAlpha)
	if j.plan.Analysis.Method == experiment.Threshold {
		z, bound = d.Value, math.Nextafter(*v.Limit, math.Inf(1)) // Beyond, not at it.
	}
	j.spend(v.Version, stats.Look{Spent: 1, Information: c.n()}, z, bound, c)
}

// bayesian says better when the probability of being better is high enough: a
// flat prior and a normal effect, so that it is Phi(difference/SE). It may be
// looked at at any time and errs the more often for it, which is why it claims
// no error rate. What is said at the horizon stays said.
func (j *judging) bayesian(v *experiment.Verdict, s subject, split *experiment.Split, c pooled, due schedule) {
	d := c.good(s.metric.Goal)
	if d.SE == 0 {
		return
	}
	v.Chance = stats.NormalCDF(d.Value / d.SE)
	alpha := j.plan.Analysis.Alpha
	half := stats.NormalQuantile(1-alpha/2) * d.SE
	v.Interval, v.Level = &stats.Interval{Low: c.diff.Value - half, High: c.diff.Value + half}, 1-alpha
	if due.horizon && len(j.looksOf(v.Version)) == 0 && !slices.Contains(j.at.Removed, v.Version) {
		j.spend(v.Version, stats.Look{Spent: 1, Information: c.n()}, v.Chance, 1-alpha, c)
	}
	better := v.Chance >= 1-alpha && due.elapsed >= split.Until.AtLeast
	if at := j.looksOf(v.Version); len(at) > 0 {
		better = at[0].Z >= at[0].Bound
	}
	if better {
		j.better(v)
	}
}

// looksOf are the looks that were spent on one version. A record of before
// there could be several candidates does not name it: it is the first.
func (j *judging) looksOf(version int) []experiment.SpentLook {
	var out []experiment.SpentLook
	for _, l := range j.monitors.Looks {
		if max(1, l.Version) == version {
			out = append(out, l)
		}
	}
	return out
}

func (j *judging) spend(version int, look stats.Look, z, bound float64, c pooled) {
	if !finite(z, c.diff.Value, c.diff.SE) {
		return // Nothing was seen.
	}
	j.monitors.Looks = append(j.monitors.Looks, experiment.SpentLook{
		Version: version, Look: look, Z: z, Bound: bound, Estimate: c.diff.Value, SE: c.diff.SE,
	})
}
