// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"math"
	"slices"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
	"github.com/headgate-dev/headgate/stats/counter"
)

// doubt adds a reason not to trust the evidence.
func (j *judging) doubt(d experiment.Doubt) { j.out.Doubts = append(j.out.Doubts, d) }

// joinRole keeps the memory of whether versions differ in how many units were
// heard of.
const joinRole experiment.Role = "joined"

// JoinAlarm is the e-value at which it is believed that versions differ in how
// many units were heard of, and its inverse the error at which a share is known
// to lie below its floor. Where a plan asks that of several metrics or
// candidates, the error is divided among them.
const JoinAlarm = 1000

// joined watches the metrics that want to hear of their units, and whether
// answers can be read evenly often. Where units make many requests, one that is
// never answered readably would look like a difference of versions, so that the
// latter is asked only where each request is assigned.
func (j *judging) joined() {
	var asked []*experiment.Metric
	for i := range j.plan.Metrics {
		m := &j.plan.Metrics[i]
		if m.Floor() > 0 || m.OfAnswers() && j.plan.Assignment.Unit.Request {
			asked = append(asked, m)
		}
	}
	for _, m := range asked {
		for v := 0; v < len(j.plan.Versions) && m.Floor() > 0; v++ {
			j.heard(m, v, 1/float64(JoinAlarm*len(asked)*len(j.plan.Versions)))
		}
		for v := 1; v < len(j.plan.Versions); v++ {
			j.evenlyHeard(m, v, float64(JoinAlarm*len(asked)*(len(j.plan.Versions)-1)))
		}
	}
}

// heard doubts a metric of which too few units of a version were heard of,
// beyond chance: when even the upper end of the share's confidence sequence
// lies below the floor.
func (j *judging) heard(m *experiment.Metric, version int, alpha float64) {
	var unheard stats.Counts
	for _, p := range j.all {
		unheard = unheard.Merge(j.silent(p, m, version))
	}
	if unheard.N < burnIn {
		return
	}
	heard := stats.Counts{N: unheard.N, X: unheard.N - unheard.X}
	share, err := heard.Proportion()
	if err != nil || share.Value >= m.Floor() {
		return
	}
	interval, err := stats.BernoulliInterval(heard, alpha, j.plannedUnits)
	if err != nil || interval.High >= m.Floor() {
		return
	}
	j.doubt(experiment.Doubt{Code: experiment.ReasonJoined, Metric: m.Name, Version: version, Value: share.Value, Limit: m.Floor()})
}

// silent counts a version's units in a phase, and those never heard of. Metrics
// of labels count predictions instead. Those of one unit are heard of or not as
// one, for all that is known, so that they count as many as there are units, of
// which the same share is silent.
func (j *judging) silent(p *experiment.PhaseTotals, m *experiment.Metric, version int) stats.Counts {
	e := p.Get(version, m.Cell())
	if m.Labels == nil || j.plan.Assignment.Unit.Request {
		return e.Counts
	}
	units := e.Units.N
	if units == 0 {
		units = p.Get(version, experiment.CellExposures).Counts.N
	}
	if units == 0 || units >= e.Counts.N {
		return e.Counts
	}
	return times(e.Counts, float64(units)/float64(e.Counts.N))
}

// evenlyHeard doubts a metric of which the units of a candidate are heard of
// more or less often than the baseline's. What is compared is the rarer of the
// two by the plan's floor, silence or being heard of, given the versions' units.
func (j *judging) evenlyHeard(m *experiment.Metric, version int, alarm float64) {
	logE := make([]float64, len(j.all))
	hits := func(c stats.Counts) int64 {
		if floor := m.Floor(); floor > 0 && floor < .5 {
			return c.N - c.X
		}
		return c.X
	}
	for i, p := range j.all {
		c, b := j.silent(p, m, version), j.silent(p, m, 0)
		segments := []counter.Segment{{Candidate: hits(c), Baseline: hits(b), CandidateShare: float64(c.N), BaselineShare: float64(b.N)}}
		if e, err := counter.LogE(segments, logRatio); err == nil {
			logE[i] = e
		}
	}
	mon := j.monitor(version, joinRole, m.Name, "")
	mon.Worse = max(mon.Worse, j.combine(logE))
	if mon.Worse >= math.Log(alarm) {
		j.doubt(experiment.Doubt{Code: experiment.ReasonUnevenJoin, Metric: m.Name, Version: version, Value: math.Exp(min(mon.Worse, impossible)), Limit: alarm})
	}
}

// outOfRange doubts a reward whose mean lies outside the range that the plan
// declares, in the current stage and in every group that a bandit has.
func (j *judging) outOfRange() {
	r := j.plan.Reward
	if r == nil || r.Range == nil {
		return
	}
	m := j.plan.Metric(r.Metric)
	for _, slice := range j.groupsOfStage() {
		for v := range j.plan.Versions {
			mean, ok := j.meanInStage(m, v, slice)
			if !ok || mean >= r.Range.Low && mean <= r.Range.High {
				continue
			}
			bound := r.Range.High
			if mean < r.Range.Low {
				bound = r.Range.Low
			}
			j.doubt(experiment.Doubt{Code: experiment.ReasonRewardRange, Metric: m.Name, Version: v, Slice: slice, Value: mean, Limit: bound})
		}
	}
}

func (j *judging) meanInStage(m *experiment.Metric, version int, slice string) (float64, bool) {
	var all stats.Pair
	for _, p := range j.current {
		all = all.Merge(rewards(p, m, version, slice))
	}
	if all.N == 0 || all.MeanX == 0 {
		return 0, false
	}
	return all.MeanY / all.MeanX, true
}

// distrust marks comparisons that rest on what is in doubt (D2). Harm stays
// visible. A metric that is in doubt says nothing; where the split is, or what a
// version is, what would let an experiment go on is not said.
func (j *judging) distrust() {
	for i := range j.out.Verdicts {
		v := &j.out.Verdicts[i]
		if passes(v) && slices.ContainsFunc(j.out.Doubts, func(d experiment.Doubt) bool { return d.Code == experiment.ReasonVersionMix && j.restsOn(v, d.Version) }) {
			v.Status, v.Need = experiment.Untrustworthy, 0
			continue
		}
		if v.Role != experiment.RoleReward && v.Role != experiment.RoleGuardrail || v.Status == experiment.Worse {
			continue
		}
		good := passes(v)
		distrusted := j.out.Mismatch && good
		for _, d := range j.out.Doubts {
			switch {
			case d.Code == experiment.ReasonSliceMismatch:
				distrusted = distrusted || good && (v.Slice == "" || v.Slice == d.Slice)
			case d.Code == experiment.ReasonVersionMix:
			case d.Metric == v.Metric:
				distrusted = distrusted || d.Version == 0 || d.Version == v.Version
			}
		}
		if distrusted {
			v.Status, v.Need = experiment.Untrustworthy, 0
		}
	}
}

// passes reports whether a verdict is one that lets an experiment go on.
func passes(v *experiment.Verdict) bool {
	return v.Status == experiment.Better || v.Status == experiment.NotWorse || v.Status == experiment.Met
}
