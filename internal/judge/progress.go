// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"slices"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// progress reports what pacing asks about the current phase and stage.
func (j *judging) progress() {
	j.out.Units, j.out.Pairs = j.stageUnits(), j.stagePairs()
	p := j.totals.Phase(j.at.Epoch, j.at.Phase)
	if p == nil {
		return
	}
	j.out.Clean = p.Clean
	seen := make([]int64, len(j.plan.Versions))
	first := true
	for v := range j.plan.Versions {
		seen[v] = p.Get(v, experiment.CellExposures).Counts.N
		if v == 0 || !hasShare(p, v) {
			continue
		}
		n := p.Get(v, experiment.CellRequests).Counts.N
		if first || n < j.out.Requests {
			j.out.Requests, first = n, false
		}
	}
	if slices.Max(seen) > 0 {
		j.out.Seen = seen
	}
}

// hasShare reports whether a version has any traffic in a phase.
func hasShare(p *experiment.PhaseTotals, version int) bool {
	if len(p.Groups) == 0 {
		return version < len(p.Shares) && p.Shares[version] > 0
	}
	return slices.ContainsFunc(p.Groups, func(g experiment.GroupShares) bool {
		return version < len(g.Shares) && g.Shares[version] > 0
	})
}

// stageUnits is the sample of the reward in the current stage, over all
// versions.
func (j *judging) stageUnits() int64 {
	if j.plan.Reward == nil {
		return 0
	}
	m := j.plan.Metric(j.plan.Reward.Metric)
	n := int64(0)
	for _, p := range j.current {
		for v := range j.plan.Versions {
			n += sample(m, p.Get(v, m.Cell()))
		}
	}
	return n
}

// sample is how many observations of a metric there are.
func sample(m *experiment.Metric, e experiment.Evidence) int64 {
	switch {
	case m.WholeSample():
		negative, positive := e.Scores.Total()
		return negative + positive
	case m.ByUnit():
		return e.Units.N
	default:
		return e.Counts.N
	}
}

// stagePairs is the pairs of the remaining candidate that has the fewest in the
// current stage. A pair was had when any metric of pairs could compare it;
// without such metrics, when its copy was answered in time.
func (j *judging) stagePairs() int64 {
	if s := j.stage(); s == nil || s.Mirror == nil {
		return 0
	}
	fewest := int64(-1)
	for v := 1; v < len(j.plan.Versions); v++ {
		if slices.Contains(j.at.Removed, v) {
			continue
		}
		if n := j.pairsOf(v); fewest < 0 || n < fewest {
			fewest = n
		}
	}
	return max(0, fewest)
}

func (j *judging) pairsOf(version int) int64 {
	most, compared := int64(0), false
	for i := range j.plan.Metrics {
		m := &j.plan.Metrics[i]
		if m.Pairs == nil {
			continue
		}
		compared = true
		n := int64(0)
		for _, p := range j.current {
			n += p.Get(version, m.Cell()).Pairs()
		}
		most = max(most, n)
	}
	if compared {
		return most
	}
	for _, p := range j.current {
		c := p.Get(version, experiment.CellMirrored).Counts
		most += c.N - c.X
	}
	return most
}
