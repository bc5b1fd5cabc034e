// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// objective judges one version against an absolute limit: met or violated once
// the whole confidence sequence lies on one side of it.
func (j *judging) objective(version int, o experiment.Objective) experiment.Verdict {
	m := j.plan.Metric(o.Metric)
	v := experiment.Verdict{
		Version: version, Metric: o.Metric, Role: experiment.RoleObjective,
		Status: experiment.Undecided, Guarantee: experiment.GuaranteeAnytime,
		Basis: experiment.BasisRequests, Limit: o.Max,
	}
	if o.Min != nil {
		v.Limit = o.Min
	}
	alpha := j.plan.TestAlpha()
	v.Level = 1 - alpha
	if m.ByUnit() {
		v.Basis = experiment.BasisUnits
		j.unitObjective(&v, m, o, alpha)
		return v
	}
	c := j.totals.Get(version, m.Cell()).Counts
	v.N = c.N
	estimate, err := c.Proportion()
	if err != nil {
		return v
	}
	if interval, err := stats.BernoulliInterval(c, alpha, j.plan.PlannedRequests()); err == nil {
		v.Estimate, v.Interval, v.Status = &estimate.Value, &interval, against(o, interval)
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

// unitObjective judges phase by phase, each with its own share of the error:
// units persist over phases, and their sum would count them as many. A
// violation in any phase is one; what is shown is that phase, or else the
// newest that says anything.
func (j *judging) unitObjective(v *experiment.Verdict, m *experiment.Metric, o experiment.Objective, alpha float64) {
	for i := range j.totals.Phases {
		units := j.totals.Phases[i].Get(v.Version, m.Cell()).Units
		level := alpha * experiment.PhaseWeight(i)
		estimate, interval, err := j.unitInterval(units, level)
		if units.N > 0 && v.Interval == nil {
			v.N, v.Estimate = units.N, &estimate.Value
		}
		if err != nil {
			continue
		}
		v.N, v.Level = units.N, 1-level
		v.Estimate, v.Interval, v.Status = &estimate.Value, &interval, against(o, interval)
		if v.Status == experiment.Violated {
			return
		}
	}
}

// burnIn is the number of units or requests per version below which normal
// approximations say nothing (statistics: Waudby-Smith et al. 2021 are
// asymptotic; Kohavi's rule of thumb asks for more where metrics are skewed).
const burnIn = 100

func (j *judging) unitInterval(p stats.Pair, alpha float64) (stats.Estimate, stats.Interval, error) {
	est, err := p.Ratio()
	if err != nil {
		return est, stats.Interval{}, err
	}
	if p.N < burnIn {
		return est, stats.Interval{}, stats.ErrNoData
	}
	mix, err := stats.NewMixture(alpha, j.plan.PlannedUnits())
	if err != nil {
		return est, stats.Interval{}, err
	}
	interval, err := mix.Interval(est, float64(p.N), alpha)
	return est, interval, err
}

// Streak continues a phase's count of consecutive clean windows over the
// windows of a gateway seal. A window is clean when every candidate with a
// share had traffic in it and met every objective that requests can tell, by
// its plain rate. Windows inside the settling time neither count nor break the
// streak.
func Streak(p *experiment.Plan, phase *experiment.PhaseTotals, seal experiment.Seal) int {
	streak := phase.Clean
	settle := SettleWindows(p, phase.Stage)
	for w := seal.From; w < seal.To; w++ {
		switch {
		case w < settle:
		case cleanWindow(p, phase, seal.Cells, w):
			streak++
		default:
			streak = 0
		}
	}
	return streak
}

// SettleWindows is the number of windows at the start of a phase of a stage in
// which latency is not used.
func SettleWindows(p *experiment.Plan, stage int) int64 {
	if stage >= len(p.Stages) || p.Stages[stage].Ramp == nil {
		return 0
	}
	settle := p.Stages[stage].Ramp.Hold.Settle
	return int64((settle + p.Window - 1) / p.Window)
}

func cleanWindow(p *experiment.Plan, phase *experiment.PhaseTotals, cells []experiment.Cell, w int64) bool {
	for v := 1; v < len(phase.Shares); v++ {
		if phase.Shares[v] == 0 {
			continue
		}
		if find(cells, w, v, experiment.CellRequests).N == 0 {
			return false
		}
		for _, o := range p.Objectives {
			m := p.Metric(o.Metric)
			if m.ByUnit() || o.Max == nil {
				continue
			}
			rate, err := find(cells, w, v, m.Cell()).Proportion()
			if err != nil || rate.Value > *o.Max {
				return false
			}
		}
	}
	return true
}

func find(cells []experiment.Cell, window int64, version int, metric string) stats.Counts {
	var c stats.Counts
	for i := range cells {
		if k := &cells[i].CellKey; k.Window == window && k.Version == version && k.Metric == metric {
			c = c.Merge(cells[i].Counts)
		}
	}
	return c
}
