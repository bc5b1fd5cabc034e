// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"math"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// limits judges objectives of every version over all stages, and the current
// stage's gates of every candidate (of the baseline, where it is alone) on that
// stage's own evidence.
func (j *judging) limits() {
	for v := range j.plan.Versions {
		for _, o := range j.plan.Objectives {
			j.out.Verdicts = append(j.out.Verdicts, j.limit(v, experiment.RoleObjective, o, allStages))
		}
	}
	stage := j.stage()
	if stage == nil {
		return
	}
	for v := min(1, len(j.plan.Versions)-1); v < len(j.plan.Versions); v++ {
		for _, o := range stage.Require {
			j.out.Verdicts = append(j.out.Verdicts, j.limit(v, experiment.RoleGate, o, currentStage))
		}
	}
}

// limit judges one version against an absolute limit: met or violated once the
// whole confidence sequence lies on one side of it.
func (j *judging) limit(version int, role experiment.Role, o experiment.Objective, scope int) experiment.Verdict {
	m := j.plan.Metric(o.Metric)
	v := experiment.Verdict{
		Version: version, Metric: o.Metric, Role: role,
		Status: experiment.Undecided, Guarantee: experiment.GuaranteeAnytime,
		Basis: m.Basis(), Limit: o.Max, Level: 1 - j.harmAlpha,
	}
	if o.Min != nil {
		v.Limit = o.Min
	}
	switch {
	case v.Basis == experiment.BasisUnits:
		j.unitLimit(&v, m, o, scope)
	case v.Basis == experiment.BasisPairs:
		j.meanLimit(&v, m, o, scope, pairInterval)
	case m.OfAnswers():
		j.meanLimit(&v, m, o, scope, answerInterval)
	default:
		j.requestLimit(&v, m, o, scope)
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
	c := j.counts(v.Version, m, "", scope)
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
		units := p.Get(v.Version, m.Cell()).Units
		level := j.harmAlpha * experiment.PhaseWeight(i)
		estimate, interval, err := normalInterval(units, level, j.plannedUnits)
		if units.N > 0 && v.Interval == nil {
			v.N, v.Estimate = units.N, &estimate.Value
		}
		if err != nil {
			continue
		}
		v.N, v.Level, v.Need = units.N, 1-level, 0
		v.Estimate, v.Interval, v.Status = &estimate.Value, &interval, against(o, interval)
		switch v.Status {
		case experiment.Violated:
			return
		case experiment.Undecided:
			v.Need = needLimit(estimate, float64(units.N), o, level, j.plannedUnits)
		}
	}
}

func normalInterval(p stats.Pair, alpha, planned float64) (stats.Estimate, stats.Interval, error) {
	est, err := p.Ratio()
	if err != nil {
		return est, stats.Interval{}, err
	}
	if p.N < burnIn {
		return est, stats.Interval{}, stats.ErrNoData
	}
	mix, err := stats.NewMixture(alpha, planned)
	if err != nil {
		return est, stats.Interval{}, err
	}
	interval, err := mix.Interval(est, float64(p.N), alpha)
	return est, interval, err
}

// meanLimit judges the pairs or answers of the scope together: they are drawn
// anew by the request, as requests are.
func (j *judging) meanLimit(
	v *experiment.Verdict, m *experiment.Metric, o experiment.Objective, scope int,
	intervalOf func(p stats.Pair, alpha, planned float64) (stats.Estimate, stats.Interval, error),
) {
	var pairs stats.Pair
	for _, p := range j.phases(scope) {
		pairs = pairs.Merge(p.Get(v.Version, m.Cell()).Units)
	}
	v.N = pairs.N
	if pairs.N == 0 {
		return
	}
	planned := j.planned(m)
	estimate, interval, err := intervalOf(pairs, j.harmAlpha, planned)
	v.Estimate = &estimate.Value
	if err != nil {
		return
	}
	v.Interval, v.Status = &interval, against(o, interval)
	if v.Status != experiment.Undecided {
		return
	}
	if zeroOne(pairs) {
		v.Need = needCounts(stats.Counts{N: pairs.N, X: int64(math.Round(pairs.MeanY * float64(pairs.N)))}, o, j.harmAlpha, planned)
	} else {
		v.Need = needLimit(estimate, float64(pairs.N), o, j.harmAlpha, planned)
	}
}

// pairInterval is exact where pairs agree or not, and where all agree alike: a
// candidate that answers as the baseline does has no spread to go by. For any
// value from 0 to 1 the mixture of one that is 0 or 1 is an e-value too, because
// the likelihood ratio is convex in the value. In between it is normal.
func pairInterval(p stats.Pair, alpha, planned float64) (stats.Estimate, stats.Interval, error) {
	est, err := p.Ratio()
	if err != nil {
		est = stats.Estimate{Value: p.MeanY}
	}
	sum := p.MeanY * float64(p.N)
	if bounded := p.MeanY >= 0 && p.MeanY <= 1; !bounded || est.SE > 0 && !zeroOne(p) {
		return normalInterval(p, alpha, planned)
	}
	const rounding = 1e-6
	low, errLow := stats.BernoulliInterval(stats.Counts{N: p.N, X: int64(math.Floor(sum + rounding))}, alpha, planned)
	high, errHigh := stats.BernoulliInterval(stats.Counts{N: p.N, X: int64(math.Ceil(sum - rounding))}, alpha, planned)
	if errLow != nil {
		return est, low, errLow
	}
	return est, stats.Interval{Low: low.Low, High: high.High}, errHigh
}

// answerInterval is exact where every answer counts once as 0 or 1, else
// normal: nothing bounds what answers say, so that answers that all say the same
// say nothing yet of the next.
func answerInterval(p stats.Pair, alpha, planned float64) (stats.Estimate, stats.Interval, error) {
	if zeroOne(p) {
		return pairInterval(p, alpha, planned)
	}
	return normalInterval(p, alpha, planned)
}

// zeroOne reports whether all values are 0 or 1 and count as one observation
// each: then, and for values in that range only then, the sum of squares is the
// sum.
func zeroOne(p stats.Pair) bool {
	n := float64(p.N)
	return p.N > 0 && p.MeanX == 1 && p.M2X == 0 && p.MeanY >= 0 && p.MeanY <= 1 &&
		math.Abs(p.M2Y-n*p.MeanY*(1-p.MeanY)) <= 1e-9*n
}
