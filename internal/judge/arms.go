// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"math"
	"slices"

	"github.com/headgate-dev/headgate/internal/bandit"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
	"github.com/headgate-dev/headgate/stats/adaptive"
	"github.com/headgate-dev/headgate/stats/multiple"
)

// groupsOfStage are the groups that the current stage's shares go by: those of
// a bandit with a segment, or everybody.
func (j *judging) groupsOfStage() []string {
	if s := j.stage(); s != nil && s.Bandit != nil && s.Bandit.Per != "" {
		if segment := j.plan.Segment(s.Bandit.Per); segment != nil {
			return segment.Slices()
		}
	}
	return []string{""}
}

// arms tells what a bandit stage knows of every version in every group.
func (j *judging) arms() {
	stage := j.stage()
	if stage == nil || stage.Bandit == nil || j.plan.Reward == nil {
		return
	}
	m := j.plan.Metric(j.plan.Reward.Metric)
	groups := j.groupsOfStage()
	byGroup := make([][]experiment.Arm, len(groups))
	binary := true
	for g, slice := range groups {
		all := j.unitsByPhase(m, slice)
		for v := range j.plan.Versions {
			arm, zeroOne := j.arm(m, v, slice, all)
			byGroup[g] = append(byGroup[g], arm)
			binary = binary && zeroOne
		}
	}
	for g := range byGroup {
		for v := range byGroup[g] {
			byGroup[g][v].Binary = binary
		}
	}
	if stage.Bandit.Pool && len(groups) > 1 {
		for v := range j.plan.Versions {
			pool(byGroup, v)
		}
	}
	for _, arms := range byGroup {
		j.best(arms, m.Goal)
		j.out.Arms = append(j.out.Arms, arms...)
	}
}

// best fills in the probability of being the best of the versions that are
// still there.
func (j *judging) best(arms []experiment.Arm, goal experiment.Goal) {
	left := slices.DeleteFunc(slices.Clone(arms), func(a experiment.Arm) bool { return slices.Contains(j.at.Removed, a.Version) })
	best, err := bandit.Best(left, goal)
	if err != nil {
		return // No arm, or numbers that no posterior has: nobody is the best.
	}
	for i, a := range left {
		arms[a.Version].Best = best[i]
	}
}

// unitsByPhase counts the rewards of all versions in every phase of the stage.
func (j *judging) unitsByPhase(m *experiment.Metric, slice string) []int64 {
	out := make([]int64, len(j.current))
	for i, p := range j.current {
		for v := range j.plan.Versions {
			out[i] += rewards(p, m, v, slice).N
		}
	}
	return out
}

// arm gathers one version's reward over the stage's phases. A period is a
// phase: shares were constant in it. With W_p the units of all versions in
// period p,
//
//	Mean = sum W_p mean_p / sum W_p,  SE² = s² sum (W_p²/n_p) / (sum W_p)²,
//
// over the periods in which the version has units: of a period in which it had
// none nothing is known, and versions that share no period are compared as if
// rates had not moved. s² is the variance inside of periods, pooled over them,
// because some hold few units. units are the W_p. zeroOneSoFar says that all
// rewards so far are 0 or 1; without any it is true.
func (j *judging) arm(m *experiment.Metric, version int, slice string, units []int64) (arm experiment.Arm, zeroOneSoFar bool) {
	arm = experiment.Arm{Version: version, Slice: slice}
	var periods []adaptive.Period
	var all stats.Pair
	var exposed int64
	var mean stratifiedMean
	for i, p := range j.current {
		exposed += p.GetSlice(version, experiment.CellExposures, slice).Counts.N
		own := rewards(p, m, version, slice)
		all = all.Merge(own)
		seen, ok := linear(own)
		if !ok && own.N > 0 {
			continue // A ratio without a denominator yet.
		}
		if shares := sharesIn(p, slice); version < len(shares) && shares[version] > 0 && units[i] > 0 {
			periods = append(periods, adaptive.Period{Share: shares[version].Fraction(), Units: units[i], Observed: seen})
		}
		if ok {
			mean.add(float64(units[i]), seen)
		}
	}
	arm.N = all.N
	if m.Basis() == experiment.BasisUnits && m.Provider == nil { // A provider's units are not those that were exposed.
		arm.Pending = max(0, exposed-arm.N)
	}
	arm.Mean, arm.SE = mean.estimate()
	arm.Adaptive, arm.AdaptiveSE = adaptiveMean(periods)
	return arm, all.N == 0 || zeroOne(all)
}

// rewards are a version's in a phase, one observation for each unit or request.
func rewards(p *experiment.PhaseTotals, m *experiment.Metric, version int, slice string) stats.Pair {
	e := p.GetSlice(version, m.Cell(), slice)
	if !counted(m) || e.Counts.N == 0 {
		return e.Units
	}
	n := float64(e.Counts.N)
	rate := float64(e.Counts.X) / n
	return stats.Pair{N: e.Counts.N, MeanY: rate, MeanX: 1, M2Y: n * rate * (1 - rate)}
}

// linear is a ratio as the mean of its linearised terms R + (y - R x)/mean(x),
// whose variance is the delta method's.
func linear(p stats.Pair) (stats.Moments, bool) {
	if p.N == 0 || p.MeanX == 0 {
		return stats.Moments{}, false
	}
	r := p.MeanY / p.MeanX
	residual := max(0, p.M2Y-2*r*p.CYX+r*r*p.M2X)
	return stats.Moments{N: p.N, Mean: r, M2: residual / (p.MeanX * p.MeanX)}, true
}

// stratifiedMean adds up the periods of one version.
type stratifiedMean struct {
	weights, sum, squares, within, freedom float64
}

func (s *stratifiedMean) add(weight float64, m stats.Moments) {
	s.weights += weight
	s.sum += weight * m.Mean
	s.squares += weight * weight / float64(m.N)
	s.within += m.M2
	s.freedom += float64(m.N - 1)
}

func (s *stratifiedMean) estimate() (mean, se float64) {
	if s.weights == 0 {
		return 0, 0
	}
	return s.sum / s.weights, math.Sqrt(s.within/max(1, s.freedom)*s.squares) / s.weights
}

// adaptiveMean is the mean weighted by the roots of the shares (Hadad et al.
// 2021), on the level of phases. Until a version was first seen its own first
// mean stands for what is expected of it: that phase's shares were not chosen by
// its rewards.
func adaptiveMean(periods []adaptive.Period) (mean, se float64) {
	initial := 0.0
	if i := slices.IndexFunc(periods, func(p adaptive.Period) bool { return p.Observed.N > 0 }); i >= 0 {
		initial = periods[i].Observed.Mean
	}
	w, err := adaptive.WeightedMean(periods, initial)
	if err != nil {
		return 0, 0
	}
	return w.Value, w.SE
}

// pool shrinks a version's groups towards their common mean as far as they are
// noise (DerSimonian and Laird). A group without a spread of its own is taken
// for a draw from the others: the common mean, as uncertain as groups differ.
// Pooled means are no longer counts of zeros and ones.
func pool(byGroup [][]experiment.Arm, version int) {
	var known []stats.Estimate
	for _, arms := range byGroup {
		if a := arms[version]; a.SE > 0 {
			known = append(known, stats.Estimate{Value: a.Mean, SE: a.SE})
		}
	}
	h, err := multiple.Compare(known)
	if err != nil {
		return // Fewer than two groups say anything.
	}
	shrunk, err := h.Shrink(known)
	if err != nil {
		return
	}
	for _, arms := range byGroup {
		a := &arms[version]
		e := stats.Estimate{Value: h.Pooled.Value, SE: math.Hypot(h.Pooled.SE, math.Sqrt(h.Tau2))}
		if a.SE > 0 {
			e, shrunk = shrunk[0], shrunk[1:]
		}
		a.Mean, a.SE, a.Binary = e.Value, e.SE, false
	}
}
