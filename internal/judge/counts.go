// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"math"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
	"github.com/headgate-dev/headgate/stats/counter"
)

// Counts are compared exactly, because a canary has no, one or five errors,
// where normal approximations know nothing.
//
// A relative margin (no margin is one of 0) is tested by the two-version
// e-process of Lindon and Malek: given that a request fails, which version it
// was is a draw with the versions' requests as odds, so that a bad hour that
// both have counts for nothing, groups with rates of their own neither, and a
// margin of 10 % multiplies the odds by 1.1. It knows ratios only. An absolute
// margin, "half a point more", is no ratio; it is tested by the mean of two
// e-values, which is one too: the exact one of two rates that differ by the
// margin, which takes each version's rate for constant, and the normal mixture,
// which is sharper where there are events enough.

// logRatio is the size of log ratio of rates that is looked for: half, or one
// and a half times as many.
const logRatio = 0.5

// countEvidence is evidence for a metric of counts.
func (j *judging) countEvidence(s subject, c pooled, margin experiment.Margin, worse bool, alpha float64) []float64 {
	if margin.Absolute == 0 {
		return j.ratioEvidence(s, margin.Relative, worse)
	}
	logE := j.normalEvidence(s, c, margin, worse, alpha)
	for i, p := range j.phases(s.scope) {
		exact := 0.0
		if groups, own := j.groupsFor(p, s.metric, s.slice); !own || len(groups) == 0 {
			exact = j.exactEvidence(s, p, margin.Absolute, worse, alpha)
		}
		high, low := max(logE[i], exact), min(logE[i], exact)
		logE[i] = high + math.Log1p(math.Exp(low-high)) - math.Ln2
	}
	return logE
}

// exactEvidence is the exact log e-value of one phase against an absolute
// margin.
func (j *judging) exactEvidence(s subject, p *experiment.PhaseTotals, margin float64, worse bool, alpha float64) float64 {
	c := p.GetSlice(s.version, s.metric.Cell(), s.slice).Counts
	b := p.GetSlice(0, s.metric.Cell(), s.slice).Counts
	// Hits are bad for a metric to decrease. What is to be shown is then that
	// the candidate has more than margin more, or that the baseline has more
	// than -margin more; else the other way round.
	if worse != (s.metric.Goal.Sign() < 0) {
		c, b = b, c
	}
	if !worse {
		margin = -margin
	}
	e, err := stats.BernoulliDifferenceLogE(c, b, margin, alpha, j.plannedRequests)
	if err != nil {
		return 0
	}
	return e
}

// ratioEvidence is the log e-value, phase by phase, against "the ratio of rates
// is within the relative margin", or beyond it.
func (j *judging) ratioEvidence(s subject, margin float64, worse bool) []float64 {
	phases := j.phases(s.scope)
	logE := make([]float64, len(phases))
	allowed := 1 - s.metric.Goal.Sign()*margin // candidate over baseline
	if !(allowed > 0) {
		return logE // Nothing is worse than a loss of everything.
	}
	// More of the candidate's hits than allowed is what is to be shown, or more
	// of the baseline's.
	candidateMore := worse == (s.metric.Goal.Sign() < 0)
	for i, p := range phases {
		segments := j.segments(p, s, allowed, candidateMore)
		if !j.plan.Assignment.Unit.Request && !leans(segments) {
			continue // At most 1, which counts for nothing in a union bound.
		}
		key := ratioKey{epoch: p.Epoch, phase: p.Phase, version: s.version, metric: s.metric.Name, slice: s.slice, allowed: allowed, more: candidateMore}
		logE[i] = j.at.Memo.ratio(key, segments)
	}
	return logE
}

// segments are the hits of both versions in a phase, by group where it is
// stratified, with those first whose excess is looked for.
func (j *judging) segments(p *experiment.PhaseTotals, s subject, allowed float64, candidateMore bool) []counter.Segment {
	groups, own := j.groupsFor(p, s.metric, s.slice)
	segment := func(slice string) counter.Segment {
		c := p.GetSlice(s.version, s.metric.Cell(), slice).Counts
		b := p.GetSlice(0, s.metric.Cell(), slice).Counts
		if candidateMore {
			return counter.Segment{Candidate: c.X, Baseline: b.X, CandidateShare: float64(c.N) * allowed, BaselineShare: float64(b.N)}
		}
		return counter.Segment{Candidate: b.X, Baseline: c.X, CandidateShare: float64(b.N), BaselineShare: float64(c.N) * allowed}
	}
	var out []counter.Segment
	for _, g := range groups {
		if s := segment(g); s.CandidateShare+s.BaselineShare > 0 {
			out = append(out, s)
		}
	}
	if len(out) == 0 && !own {
		out = append(out, segment(s.slice))
	}
	return out
}

// leans reports whether there are more hits than expected of the version whose
// excess is looked for. If not, the one-sided e-value is at most 1, because the
// likelihood is log-concave and falls from the hypothesis on.
func leans(segments []counter.Segment) bool {
	excess := 0.0
	for _, s := range segments {
		if sum := s.CandidateShare + s.BaselineShare; sum > 0 {
			excess += float64(s.Candidate) - float64(s.Candidate+s.Baseline)*s.CandidateShare/sum
		}
	}
	return excess > 0
}

// ratioLogE is the e-value of segments; no hits are no evidence.
func ratioLogE(segments []counter.Segment) float64 {
	e, err := counter.LogEGreater(segments, logRatio)
	if err != nil {
		return 0
	}
	return e
}

// describeFew shows rates with too few events for a normal approximation: their
// difference, between the ends of exact intervals of both versions, each at
// half of alpha. It tells the baseline's rate, if both versions had requests.
func (j *judging) describeFew(v *experiment.Verdict, s subject) (baseline float64, shown bool) {
	c, b := j.counts(s.version, s.metric, s.slice, s.scope), j.counts(0, s.metric, s.slice, s.scope)
	v.N, v.NBaseline = c.N, b.N
	rateC, errC := c.Proportion()
	rateB, errB := b.Proportion()
	if errC != nil || errB != nil {
		return 0, false
	}
	d := rateC.Value - rateB.Value
	v.Estimate = &d
	intervalC, errC := stats.BernoulliInterval(c, j.benefitAlpha/2, j.plannedRequests)
	intervalB, errB := stats.BernoulliInterval(b, j.benefitAlpha/2, j.plannedRequests)
	if errC == nil && errB == nil {
		v.Interval = &stats.Interval{Low: intervalC.Low - intervalB.High, High: intervalC.High - intervalB.Low}
		v.Level = 1 - j.benefitAlpha
	}
	return rateB.Value, true
}

// counts are a version's over the current stage's phases, or all. They leave out
// the sketches, which are long to merge.
func (j *judging) counts(version int, m *experiment.Metric, slice string, scope int) stats.Counts {
	var c stats.Counts
	for _, p := range j.phases(scope) {
		c = c.Merge(p.GetSlice(version, m.Cell(), slice).Counts)
	}
	return c
}
