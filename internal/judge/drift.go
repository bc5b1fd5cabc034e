// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"math"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
	"github.com/headgate-dev/headgate/stats/paired"
)

// driftBins is in how many bins scores are compared, cut at the quantiles of both
// versions' scores together. Kolmogorov-Smirnov needs none.
const driftBins = 10

// drifts reads the drift metrics of all candidates over all stages.
func (j *judging) drifts() {
	for i := range j.plan.Metrics {
		m := &j.plan.Metrics[i]
		for v := 1; v < len(j.plan.Versions) && m.Drift != nil; v++ {
			if d, ok := j.drift(m, v, allStages); ok {
				j.out.Drifts = append(j.out.Drifts, d)
			}
		}
	}
}

// driftLimit holds a candidate's drift against a limit. The baseline does not
// drift from itself.
func (j *judging) driftLimit(v *experiment.Verdict, m *experiment.Metric, o experiment.Objective, scope int) {
	if v.Version == 0 {
		v.Status, v.Estimate = experiment.Met, new(float64)
		return
	}
	d, ok := j.drift(m, v.Version, scope)
	v.N, v.NBaseline = d.N, d.NBaseline
	if !ok {
		return
	}
	v.Estimate, v.Interval, v.Status = &d.Value, &d.Interval, against(o, d.Interval)
}

// apart is how far two versions lie apart in one phase.
type apart struct {
	estimate stats.Estimate
	// radius bounds the estimate's error at any time, where that is how it is
	// bounded.
	radius float64
	n      float64
}

// drift compares phase by phase, because shares decide who is asked, and takes
// the mean of the phases' distances, each weighted by its sample: a share that
// changed in the middle is no drift. Predictions count as independent, as
// requests do. PSI and Jensen-Shannon have the normal mixture around their
// estimates less bias; Kolmogorov-Smirnov the sum of what both samples'
// distributions can be off at any time, a phase having its share of the error.
func (j *judging) drift(m *experiment.Metric, version, scope int) (experiment.Drift, bool) {
	var parts []apart
	out := experiment.Drift{Version: version, Metric: m.Name, Level: 1 - j.harmAlpha}
	total := 0.0
	for i, p := range j.phases(scope) {
		c, b := p.Get(version, m.Cell()), p.Get(0, m.Cell())
		n, base := predictions(m, c), predictions(m, b)
		if min(n, base) < burnIn {
			continue
		}
		a, err := distance(m.Drift, c, b, j.harmAlpha*experiment.PhaseWeight(i))
		if err != nil {
			continue
		}
		a.n = float64(n + base)
		out.N, out.NBaseline, total = out.N+n, out.NBaseline+base, total+a.n
		parts = append(parts, a)
	}
	if total == 0 {
		return out, false
	}
	var mean stats.Estimate
	radius := 0.0
	for _, a := range parts {
		w := a.n / total
		mean = weighted(mean, w, a.estimate)
		radius += w * a.radius
	}
	out.Value = max(0, mean.Value)
	if m.Drift.By == experiment.KS {
		out.Interval = stats.Interval{Low: max(0, mean.Value-radius), High: min(1, mean.Value+radius)}
		return out, true
	}
	interval, err := normalInterval(mean, int64(total), j.harmAlpha, j.plannedRequests)
	if err != nil {
		return out, false // All predictions are one class: nothing has varied yet.
	}
	out.Interval = stats.Interval{Low: max(0, interval.Low), High: max(0, interval.High)}
	return out, true
}

// predictions is how many a drift metric's cell counts.
func predictions(m *experiment.Metric, e experiment.Evidence) int64 {
	if m.Drift.Of == experiment.DriftOfClass {
		return e.Categories.Total()
	}
	negative, positive := e.Scores.Total()
	return negative + positive
}

// distance is how far a candidate's evidence lies from the baseline's.
func distance(d *experiment.DriftMetric, c, b experiment.Evidence, alpha float64) (apart, error) {
	if d.By == experiment.KS {
		return ksDistance(c.Scores, b.Scores, alpha)
	}
	base, candidate := paired.ScoreBins(b.Scores, c.Scores, driftBins)
	if d.Of == experiment.DriftOfClass {
		base, candidate = paired.CategoryBins(b.Categories, c.Categories)
	}
	estimate := paired.PSIEstimate
	if d.By == experiment.JS {
		estimate = paired.JensenShannonEstimate
	}
	e, err := estimate(base, candidate)
	return apart{estimate: e}, err
}

func ksDistance(c, b stats.Scores, alpha float64) (apart, error) {
	base, candidate := paired.ScorePoints(b, c)
	d, err := paired.KSCounts(base, candidate)
	if err != nil {
		return apart{}, err
	}
	radius := 0.0
	for _, s := range []stats.Scores{c, b} {
		negative, positive := s.Total()
		r, err := paired.WatchedRadius(negative+positive, alpha/2)
		if err != nil {
			return apart{}, err
		}
		radius += r
	}
	return apart{estimate: stats.Estimate{Value: d}, radius: math.Min(1, radius)}, nil
}
