// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// limits judges objectives of every version over all stages, and the current
// stage's gates of every candidate (of the baseline, where it is alone) on that
// stage's own evidence.
func (j *judging) limits() {
	for v := range j.plan.Versions {
		for _, o := range j.plan.Objectives {
			j.limit(v, experiment.RoleObjective, o, allStages)
		}
	}
	stage := j.stage()
	if stage == nil {
		return
	}
	for v := min(1, len(j.plan.Versions)-1); v < len(j.plan.Versions); v++ {
		for _, o := range stage.Require {
			j.limit(v, experiment.RoleGate, o, currentStage)
		}
	}
}

// limit judges one version against an absolute limit, for everybody and in every
// slice that the limit names.
func (j *judging) limit(version int, role experiment.Role, o experiment.Objective, scope int) {
	j.out.Verdicts = append(j.out.Verdicts, j.limitIn("", version, role, o, scope))
	for _, slice := range j.plan.LimitSlices(&o) {
		j.out.Verdicts = append(j.out.Verdicts, j.limitIn(slice, version, role, o, scope))
	}
}

// limitIn judges one version in one slice: met or violated once the whole
// confidence sequence lies on one side of the limit.
func (j *judging) limitIn(slice string, version int, role experiment.Role, o experiment.Objective, scope int) experiment.Verdict {
	m := j.plan.Metric(o.Metric)
	v := experiment.Verdict{
		Version: version, Metric: o.Metric, Slice: slice, Role: role,
		Status: experiment.Undecided, Guarantee: experiment.GuaranteeAnytime,
		Basis: m.Basis(), Limit: o.Max, Level: 1 - j.harmAlpha,
	}
	if o.Min != nil {
		v.Limit = o.Min
	}
	switch {
	case m.Drift != nil:
		j.driftLimit(&v, m, o, scope)
	case v.Basis == experiment.BasisUnits:
		j.unitLimit(&v, m, o, scope)
	case v.Basis == experiment.BasisPairs:
		j.meanLimit(&v, m, o, scope, pairInterval)
	case m.Windowed():
		j.windowLimit(&v, m, o, scope)
	case m.OfAnswers():
		j.meanLimit(&v, m, o, scope, answerInterval)
	default:
		j.requestLimit(&v, m, o, scope)
	}
	if v.Interval != nil && m.PartOfWhole() {
		v.Interval = &stats.Interval{Low: max(0, v.Interval.Low), High: min(1, v.Interval.High)}
	}
	return v
}

// against holds an interval against a limit.
func against(o experiment.Objective, interval stats.Interval) experiment.Status {
	switch {
	case o.Max != nil && interval.Low > *o.Max, o.Min != nil && interval.High < *o.Min:
		return experiment.Violated
	case o.Max != nil && interval.High <= *o.Max, o.Min != nil && interval.Low >= *o.Min:
		return experiment.Met
	}
	return experiment.Undecided
}

func (j *judging) requestLimit(v *experiment.Verdict, m *experiment.Metric, o experiment.Objective, scope int) {
	c := j.counts(v.Version, m, v.Slice, scope)
	v.N = c.N
	estimate, err := c.Proportion()
	if err != nil {
		return
	}
	interval, err := stats.BernoulliInterval(c, j.harmAlpha, j.plannedRequests)
	if err != nil {
		return
	}
	v.Estimate, v.Interval, v.Status = &estimate.Value, &interval, against(o, interval)
	if v.Status == experiment.Undecided {
		v.Need = needCounts(c, o, j.harmAlpha, j.plannedRequests)
	}
}

// unitLimit judges phase by phase, each with its own share of the error: units
// persist over phases, and their sum would count them as many. A violation in
// any phase is one; what is shown is that phase, or else the newest that says
// anything.
func (j *judging) unitLimit(v *experiment.Verdict, m *experiment.Metric, o experiment.Objective, scope int) {
	for i, p := range j.phases(scope) {
		level := j.harmAlpha * experiment.PhaseWeight(i)
		estimate, n, err := measured(m, p.GetSlice(v.Version, m.Cell(), v.Slice))
		if n > 0 && v.Interval == nil {
			v.N, v.Estimate = n, &estimate.Value
		}
		if err != nil {
			continue
		}
		interval, err := normalInterval(estimate, n, level, j.plannedUnits)
		if err != nil {
			continue
		}
		v.N, v.Level, v.Need = n, 1-level, 0
		v.Estimate, v.Interval, v.Status = &estimate.Value, &interval, against(o, interval)
		switch v.Status {
		case experiment.Violated:
			return
		case experiment.Undecided:
			v.Need = needLimit(estimate, float64(n), o, level, j.plannedUnits)
		}
	}
}

// windowLimit judges the windows of the scope together, as if it were one series.
// Its confidence sequence is approximate: how much windows depend on those before
// is estimated. A gauge that has stood still for SteadyWindows is known; of what
// it will do nothing is.
func (j *judging) windowLimit(v *experiment.Verdict, m *experiment.Metric, o experiment.Objective, scope int) {
	var all experiment.Evidence
	for _, p := range j.phases(scope) {
		all = add(all, p.GetSlice(v.Version, m.Cell(), v.Slice))
	}
	v.N = all.Units.N
	if v.N == 0 || all.Units.MeanX == 0 {
		return
	}
	value := all.Units.MeanY / all.Units.MeanX
	v.Estimate = &value
	estimate, n, err := windows(all)
	switch {
	case err != nil, estimate.SE == 0 && n < experiment.SteadyWindows:
		return
	case estimate.SE == 0:
		v.Interval = &stats.Interval{Low: value, High: value}
	default:
		planned := j.planned(m)
		mix, err := stats.NewMixture(j.harmAlpha, planned)
		if err != nil {
			return
		}
		interval, err := mix.Interval(estimate, float64(n), j.harmAlpha)
		if err != nil {
			return
		}
		v.Interval = &interval
		if against(o, interval) == experiment.Undecided {
			v.Need = needLimit(estimate, float64(n), o, j.harmAlpha, planned)
		}
	}
	v.Status = against(o, *v.Interval)
}
