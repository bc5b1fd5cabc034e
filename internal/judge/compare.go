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

// armsOf estimates a metric in a phase; false before the burn-in.
func armsOf(p *experiment.PhaseTotals, m *experiment.Metric, version int) (arms, bool) {
	c, b := p.Get(version, m.Cell()), p.Get(0, m.Cell())
	var a arms
	var errC, errB error
	if m.ByUnit() {
		a.candidate, errC = c.Units.Ratio()
		a.baseline, errB = b.Units.Ratio()
		a.nCandidate, a.nBaseline = c.Units.N, b.Units.N
	} else {
		a.candidate, errC = c.Counts.Proportion()
		a.baseline, errB = b.Counts.Proportion()
		a.nCandidate, a.nBaseline = c.Counts.N, b.Counts.N
		if c.Counts.X+b.Counts.X < minEvents {
			return a, false
		}
	}
	if errC != nil || errB != nil || min(a.nCandidate, a.nBaseline) < burnIn {
		return a, false
	}
	a.shareSpread()
	return a, a.candidate.SE > 0 && a.baseline.SE > 0
}

// shareSpread gives each arm at least the other's spread. An arm in which little
// has happened yet does not know its own: of 100 units at 1 % every third arm
// converts none, and would seem certain of it.
func (a *arms) shareSpread() {
	c, b := math.Sqrt(float64(a.nCandidate)), math.Sqrt(float64(a.nBaseline))
	sd := max(a.candidate.SE*c, a.baseline.SE*b)
	a.candidate.SE, a.baseline.SE = sd/c, sd/b
}

// pooled is the difference over several phases: each phase's difference
// weighted by its sample, so that shares that changed between phases cannot
// turn the sign (Simpson).
type pooled struct {
	arms
	diff   stats.Estimate // candidate - baseline, not turned
	phases []arms
}

// compare gathers a metric over phases; ok is false where no phase says
// anything yet.
func (j *judging) compare(m *experiment.Metric, version int, only func(*experiment.PhaseTotals) bool) (pooled, bool) {
	var out pooled
	for i := range j.totals.Phases {
		p := &j.totals.Phases[i]
		if !only(p) {
			continue
		}
		a, ok := armsOf(p, m, version)
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
	variance := 0.0
	for _, a := range out.phases {
		w := a.n() / total
		d := stats.Difference(a.candidate, a.baseline)
		out.diff.Value += w * d.Value
		out.candidate.Value += w * a.candidate.Value
		out.baseline.Value += w * a.baseline.Value
		variance += w * w * d.SE * d.SE
	}
	out.diff.SE = math.Sqrt(variance)
	return out, true
}

// evidence is the combined log e-value over phases that a quantity is positive.
func (j *judging) evidence(mix stats.Mixture, phases []arms, quantity func(arms) stats.Estimate) float64 {
	logE := make([]float64, len(phases))
	for i, a := range phases {
		if a.n() == 0 {
			continue
		}
		if e, err := mix.LogEGreater(quantity(a), a.n()); err == nil {
			logE[i] = e
		}
	}
	return j.combine(logE)
}

// watched runs the always-valid tests of one metric against a margin and
// remembers the strongest evidence seen.
func (j *judging) watched(version int, role experiment.Role, m *experiment.Metric, c pooled, margin, good experiment.Margin) experiment.HarmMonitor {
	mon := j.monitor(version, role, m.Name)
	n := j.plan.PlannedUnits()
	if !m.ByUnit() {
		n = j.plan.PlannedRequests()
	}
	if mix, err := stats.NewMixture(j.plan.TestAlpha(), n); err == nil {
		worse := j.evidence(mix, c.phases, func(a arms) stats.Estimate {
			d := a.spared(m.Goal, margin)
			d.Value = -d.Value
			return d
		})
		mon.Worse = max(mon.Worse, worse)
	}
	if mix, err := stats.NewMixture(j.plan.CandidateAlpha(), n); err == nil {
		better := j.evidence(mix, c.phases, func(a arms) stats.Estimate { return a.spared(m.Goal, good) })
		mon.Better = max(mon.Better, better)
	}
	return *mon
}

// monitor finds or makes the memory of a test.
func (j *judging) monitor(version int, role experiment.Role, metric string) *experiment.HarmMonitor {
	for i := range j.monitors.Harm {
		h := &j.monitors.Harm[i]
		if h.Version == version && h.Role == role && h.Metric == metric {
			return h
		}
	}
	j.monitors.Harm = append(j.monitors.Harm, experiment.HarmMonitor{Version: version, Role: role, Metric: metric})
	return &j.monitors.Harm[len(j.monitors.Harm)-1]
}

// guardrail judges whether the candidate worsens a metric by more than its
// margin, over all phases.
func (j *judging) guardrail(version int, g experiment.Guardrail) experiment.Verdict {
	m := j.plan.Metric(g.Metric)
	v := comparison(version, m, experiment.RoleGuardrail)
	if !m.ByUnit() && j.rareEvents(version, m, g) {
		v.Status = experiment.NotWorse
	}
	c, ok := j.compare(m, version, func(*experiment.PhaseTotals) bool { return true })
	if !ok {
		return v
	}
	mon := j.watched(version, experiment.RoleGuardrail, m, c, g.NoWorseThan, g.NoWorseThan)
	j.describe(&v, c)
	v.LogE = mon.Worse
	limit := g.NoWorseThan.Of(c.baseline.Value)
	v.Limit = &limit
	switch {
	case mon.Worse >= -math.Log(j.plan.TestAlpha()):
		v.Status = experiment.Worse
	case mon.Better >= -math.Log(j.plan.CandidateAlpha()):
		v.Status = experiment.NotWorse
	}
	return v
}

// rareEvents judges a guardrail on requests where hardly anything happens, by
// exact intervals of both versions, each with half of alpha: the candidate is
// not worse when even its upper end lies within the margin of the baseline's
// lower one. Without it a metric of nothing but zeros would block for ever.
func (j *judging) rareEvents(version int, m *experiment.Metric, g experiment.Guardrail) bool {
	half := j.plan.CandidateAlpha() / 2
	c, errC := stats.BernoulliInterval(j.totals.Get(version, m.Cell()).Counts, half, j.plan.PlannedRequests())
	b, errB := stats.BernoulliInterval(j.totals.Get(0, m.Cell()).Counts, half, j.plan.PlannedRequests())
	return errC == nil && errB == nil && c.High <= b.Low+g.NoWorseThan.Of(b.Low)
}

// comparison is a verdict that knows nothing yet.
func comparison(version int, m *experiment.Metric, role experiment.Role) experiment.Verdict {
	v := experiment.Verdict{
		Version: version, Metric: m.Name, Role: role, Status: experiment.Undecided,
		Guarantee: experiment.GuaranteeAnytime, Basis: experiment.BasisRequests,
	}
	if m.ByUnit() {
		v.Basis = experiment.BasisUnits
	}
	return v
}

// describe fills in what the comparison shows, with an interval that holds at
// any time of looking.
func (j *judging) describe(v *experiment.Verdict, c pooled) {
	v.N, v.NBaseline = c.nCandidate, c.nBaseline
	v.Estimate = &c.diff.Value
	planned := j.plan.PlannedRequests()
	if v.Basis == experiment.BasisUnits {
		planned = j.plan.PlannedUnits()
	}
	alpha := j.plan.CandidateAlpha()
	mix, err := stats.NewMixture(alpha, planned)
	if err != nil {
		return
	}
	if interval, err := mix.Interval(c.diff, c.n(), alpha); err == nil {
		v.Interval, v.Level = &interval, 1-alpha
	}
}
