// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"math"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// arms are a candidate's and the baseline's estimates of one metric in one
// phase.
type arms struct {
	candidate, baseline   stats.Estimate
	nCandidate, nBaseline int64
}

// n is the sample that the comparison rests on.
func (a arms) n() float64 { return float64(a.nCandidate + a.nBaseline) }

// difference is candidate - baseline, turned so that positive is good.
func (a arms) difference(g experiment.Goal) stats.Estimate {
	d := stats.Difference(a.candidate, a.baseline)
	d.Value *= g.Sign()
	return d
}

// spared is how much of the margin is left, positive while the candidate is
// not worse than the margin allows. A relative margin is linearised, never
// divided: for a metric to increase, candidate - (1-m) baseline.
func (a arms) spared(g experiment.Goal, m experiment.Margin) stats.Estimate {
	if m.Relative == 0 {
		d := a.difference(g)
		d.Value += m.Absolute
		return d
	}
	d := stats.Linearised(a.candidate, a.baseline, 1-g.Sign()*m.Relative)
	d.Value *= g.Sign()
	return d
}

// minEvents is the number of hits over both versions below which a difference
// of proportions says nothing by a normal approximation.
const minEvents = 10

// burnIn is the number of units or requests per version below which normal
// approximations say nothing (statistics: Waudby-Smith et al. 2021 are
// asymptotic; Kohavi's rule of thumb asks for more where metrics are skewed).
const burnIn = 100

// armsOf estimates a metric in a phase; false before the burn-in.
func (j *judging) armsOf(p *experiment.PhaseTotals, m *experiment.Metric, version int, slice string) (arms, bool) {
	strata := j.strata(p, m, version, slice)
	hits := int64(0)
	for _, s := range strata {
		hits += s.candidate.Counts.X + s.baseline.Counts.X
	}
	if counted(m) && hits < minEvents {
		return arms{}, false
	}
	a, ok := stratified(strata, m)
	return a, ok && min(a.nCandidate, a.nBaseline) >= leastOf(m) && a.known(m)
}

// stratum is what both versions show in one group.
type stratum struct {
	candidate, baseline experiment.Evidence
}

// merge adds a group in which the shares were the same.
func (s stratum) merge(o stratum) stratum {
	return stratum{candidate: add(s.candidate, o.candidate), baseline: add(s.baseline, o.baseline)}
}

// add leaves out the sketches, which are long to merge and not needed.
func add(e, o experiment.Evidence) experiment.Evidence {
	return experiment.Evidence{Counts: e.Counts.Merge(o.Counts), Units: e.Units.Merge(o.Units), Batches: e.Batches.Merge(o.Batches)}
}

// arms estimates the metric; false where it has no value in one of the
// versions.
func (s stratum) arms(m *experiment.Metric) (arms, bool) {
	var a arms
	var errC, errB error
	a.candidate, a.nCandidate, errC = measured(m, s.candidate)
	a.baseline, a.nBaseline, errB = measured(m, s.baseline)
	if errC != nil || errB != nil {
		return a, false
	}
	if !m.Windowed() { // A version with less traffic has noisier windows.
		a.shareSpread()
	}
	return a, true
}

// shareSpread gives each arm at least the other's spread. An arm in which little
// has happened yet does not know its own: of 100 units at 1 % every third arm
// converts none, and would seem certain of it.
func (a *arms) shareSpread() {
	c, b := math.Sqrt(float64(a.nCandidate)), math.Sqrt(float64(a.nBaseline))
	sd := max(a.candidate.SE*c, a.baseline.SE*b)
	a.candidate.SE, a.baseline.SE = sd/c, sd/b
}

// stratified puts groups together, each weighted by its share of both versions'
// sample: the versions are compared on one mix of groups.
func stratified(strata []stratum, m *experiment.Metric) (arms, bool) {
	if len(strata) == 1 {
		return strata[0].arms(m)
	}
	var out arms
	parts := make([]arms, 0, len(strata))
	for _, s := range strata {
		a, ok := s.arms(m)
		if !ok {
			return arms{}, false
		}
		parts = append(parts, a)
		out.nCandidate += a.nCandidate
		out.nBaseline += a.nBaseline
	}
	for _, a := range parts {
		w := a.n() / out.n()
		out.candidate = weighted(out.candidate, w, a.candidate)
		out.baseline = weighted(out.baseline, w, a.baseline)
	}
	return out, len(parts) > 0
}

// weighted adds a part of an estimate.
func weighted(sum stats.Estimate, w float64, e stats.Estimate) stats.Estimate {
	return stats.Estimate{Value: sum.Value + w*e.Value, SE: math.Hypot(sum.SE, w*e.SE)}
}

// pooled is the difference over several phases: each phase's difference
// weighted by its sample, so that shares that changed between phases cannot
// turn the sign (Simpson).
type pooled struct {
	arms
	diff   stats.Estimate // candidate - baseline, not turned
	phases []arms
	// newest is the number of the last phase, from 0, among those compared.
	newest int
}

// good is the pooled difference, turned so that positive is good.
func (p pooled) good(g experiment.Goal) stats.Estimate {
	return stats.Estimate{Value: g.Sign() * p.diff.Value, SE: p.diff.SE}
}

// subject is what a comparison is about.
type subject struct {
	version int
	role    experiment.Role
	metric  *experiment.Metric
	slice   string
	scope   int // allStages or currentStage
}

// compare gathers a metric over phases; ok is false where no phase says
// anything yet.
func (j *judging) compare(s subject) (pooled, bool) {
	var out pooled
	for i, p := range j.phases(s.scope) {
		out.newest = i
		a, ok := j.armsOf(p, s.metric, s.version, s.slice)
		if !ok {
			a = arms{} // A phase that says nothing keeps its place.
		} else {
			out.nCandidate += a.nCandidate
			out.nBaseline += a.nBaseline
		}
		out.phases = append(out.phases, a)
	}
	total := out.n()
	if total == 0 {
		return out, false
	}
	apart := 0.0
	for _, a := range out.phases {
		w, d := a.n()/total, stats.Difference(a.candidate, a.baseline)
		out.diff = weighted(out.diff, w, d)
		apart += w * d.SE
		out.candidate = weighted(out.candidate, w, a.candidate)
		out.baseline = weighted(out.baseline, w, a.baseline)
	}
	if s.scope == currentStage && !j.plan.Assignment.Unit.Request {
		// What is decided here is benefit, and one stage can have several
		// phases: one for each candidate that leaves. Their units are the same
		// in part, and however alike they are, the error is no larger than the
		// sum of the phases' own.
		out.diff.SE = apart
	}
	return out, true
}

// comparison is a verdict that knows nothing yet.
func comparison(s subject) experiment.Verdict {
	return experiment.Verdict{
		Version: s.version, Metric: s.metric.Name, Slice: s.slice, Role: s.role, Status: experiment.Undecided,
		Guarantee: experiment.GuaranteeAnytime, Basis: s.metric.Basis(),
	}
}

// describe fills in what the comparison shows, with an interval that holds at
// any time of looking.
func (j *judging) describe(v *experiment.Verdict, m *experiment.Metric, c pooled) {
	v.N, v.NBaseline = c.nCandidate, c.nBaseline
	v.Estimate = &c.diff.Value
	mix, err := stats.NewMixture(j.benefitAlpha, j.planned(m))
	if err != nil {
		return
	}
	if interval, err := mix.Interval(c.diff, c.n(), j.benefitAlpha); err == nil {
		v.Interval, v.Level = &interval, 1-j.benefitAlpha
	}
}
