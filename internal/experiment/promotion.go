// SPDX-License-Identifier: Apache-2.0

package experiment

import (
	"slices"
	"time"
)

// Promotion is what happens once a candidate has won.
type Promotion struct {
	// How the winner takes over: by pointing the route at it, or by copying it
	// over the baseline.
	How PromoteHow `json:"how,omitempty"`
	// KeepWarm keeps the baseline able to take everything back for a while; nil
	// ends the experiment with the promotion.
	KeepWarm *KeepWarm `json:"keepWarm,omitempty"`
	// Loser is what becomes afterwards of the version without traffic: the
	// baseline, or the winner once it was copied over the baseline.
	Loser Loser `json:"loser,omitempty"`
}

// KeepWarm is how long the old version stays able to take everything back. While
// it does, outcomes keep arriving and a winner found worse is rolled back.
type KeepWarm struct {
	AtLeast time.Duration `json:"atLeast,omitempty"`
	// Matured lists metrics whose outcomes of the finished stages must all
	// have had their time.
	Matured []string `json:"matured,omitempty"`
	// Approval names who must approve the end; empty is nobody.
	Approval string `json:"approval,omitempty"`
	// Holdback is the share that stays on the baseline meanwhile.
	Holdback Share `json:"holdback,omitempty"`
}

// PromoteHow names how a winner takes over.
type PromoteHow string

// The ways to promote; the empty one is PromotePointer.
const (
	PromotePointer PromoteHow = "pointer"
	PromoteCopy    PromoteHow = "copy"
)

// Loser is what becomes of the version that lost.
type Loser string

// The fates of losers; the empty one is LoserKeep.
const (
	LoserKeep      Loser = "keep"
	LoserScaleDown Loser = "scaleDown"
	LoserDelete    Loser = "delete"
)

// Budget bounds the whole experiment; a bound of 0 is none.
type Budget struct {
	// Cost is in the currency of the versions' costs.
	Cost     float64       `json:"cost,omitempty"`
	Units    int64         `json:"units,omitempty"`
	Duration time.Duration `json:"duration,omitempty"`
	// OnExceeded is PolicyHold (raise nothing more) or PolicyRollback.
	OnExceeded Policy `json:"onExceeded"`
}

// Capability is something that a router can or cannot do. A plan that needs
// what its router cannot do is refused before it starts.
type Capability string

// The capabilities.
const (
	CapSticky   Capability = "sticky units"
	CapSegments Capability = "segments"
	CapMirror   Capability = "mirrored pairs"
	// CapCopies sends copies of requests, whose answers are seen by nobody but
	// the servers; CapMirrorLimits bounds their rate, number and time.
	CapCopies       Capability = "copies of requests"
	CapMirrorLimits Capability = "limits on copies"
	CapCohort       Capability = "cohorts chosen by the application"
	CapOverrides    Capability = "overrides for testers"
	CapExclude      Capability = "requests that are not counted"
	CapRefuse       Capability = "refusing requests without a unit"
	// CapWhere limits a stage to requests by the values of headers; other
	// conditions need CapSegments.
	CapWhere       Capability = "stages for some requests"
	CapFineShares  Capability = "shares finer than 1%"
	CapAnswers     Capability = "numbers in answers"
	CapRewrite     Capability = "another model or path for a version"
	CapOutcomes    Capability = "outcomes"
	CapPredictions Capability = "predictions"
	CapCopy        Capability = "promotion by copy"
	CapRetire      Capability = "scaling down or deleting the loser"
)

// Need is a capability that a plan wants, and the field that wants it.
type Need struct {
	Capability Capability
	Path       string
}

// Needs lists what the plan wants of its router.
func (p *Plan) Needs() []Need {
	var out needs
	a := &p.Assignment
	out.add(!a.Unit.Request && a.Cohort == "", CapSticky, "spec.assignment.unit")
	out.add(a.Cohort != "", CapCohort, "spec.assignment.cohort")
	out.add(len(a.Overrides) > 0, CapOverrides, "spec.assignment.overrides")
	out.add(len(a.Exclude) > 0, CapExclude, "spec.assignment.exclude")
	out.add(a.RejectMissing, CapRefuse, "spec.assignment.missing")
	out.add(slices.ContainsFunc(p.Segments, func(s Segment) bool { return !p.routable(&s) }), CapSegments, "spec.segments")
	for i := range p.Stages {
		out.ofStage(p, &p.Stages[i])
	}
	asked, read := false, !p.Hears() // Whoever hears of answers needs nothing of the router.
	for i := range p.Metrics {
		m := &p.Metrics[i]
		from := "spec.metrics[" + m.Name + "].from."
		out.add(m.Outcomes != nil, CapOutcomes, from+"outcomes")
		out.add(m.Output != nil, CapAnswers, from+"output")
		out.add(m.Response != nil, CapAnswers, from+"response")
		out.add(m.Pairs != nil, CapMirror, from+"pairs")
		out.add(m.Prediction != nil && read, CapPredictions, from+"prediction")
		out.add(m.Drift != nil && read, CapPredictions, from+"drift")
		out.add(m.Labels != nil && read, CapPredictions, from+"labels")
		out.add(m.Labels != nil && read, CapOutcomes, from+"labels")
		asked = asked || m.OfPredictions()
	}
	for _, v := range p.Versions {
		at := "spec.versions[" + v.Name + "]."
		out.add(v.Model != "", CapRewrite, at+"model")
		out.add(v.Path != nil, CapRewrite, at+"path")
		out.add(v.Cost.PerToken > 0, CapAnswers, at+"cost.perToken")
	}
	out.add(p.Predictions != nil && !asked && read, CapPredictions, "spec.predictions")
	out.add(p.Promote.How == PromoteCopy, CapCopy, "spec.promote.how")
	out.add(p.Promote.KeepWarm != nil && p.Promote.KeepWarm.Holdback%onePercent != 0, CapFineShares, "spec.promote.keepWarm.holdback")
	out.add(p.Promote.Loser == LoserScaleDown || p.Promote.Loser == LoserDelete, CapRetire, "spec.promote.loser")
	return out
}

const onePercent = Whole / 100

type needs []Need

func (n *needs) add(want bool, c Capability, path string) {
	if want {
		*n = append(*n, Need{c, path})
	}
}

// ofStage adds what a stage wants. A bandit's shares are rounded by a router that
// cannot hold them; shares that the plan names are not.
func (n *needs) ofStage(p *Plan, s *Stage) {
	at := "spec.stages[" + s.Name + "]."
	fine := func(shares []Share) bool {
		return slices.ContainsFunc(shares, func(s Share) bool { return s%onePercent != 0 })
	}
	n.add(len(s.Where) > 0, CapWhere, at+"where")
	n.add(s.Ramp != nil && fine(s.Ramp.Steps), CapFineShares, at+"ramp.steps")
	n.add(s.Split != nil && fine(s.Split.Shares), CapFineShares, at+"split")
	if m := s.Mirror; m != nil {
		n.add(!m.ByEvents, CapCopies, at+"mirror")
		// Copies that nobody compares are counted all the same, by Until.Pairs.
		n.add(m.ByEvents, CapMirror, at+"mirror")
		n.add(m.Rate > 0 || m.Concurrency > 0 || m.Timeout > 0, CapMirrorLimits, at+"mirror")
	}
}

// routable reports whether a segment serves no more than to limit stages by the
// values of a header, which routers know without telling requests apart.
func (p *Plan) routable(s *Segment) bool {
	named := func(segments []string) bool { return slices.Contains(segments, s.Name) }
	limited := func(o Objective) bool { return named(o.Slices) }
	if s.Header == "" || len(s.Values) == 0 || s.Stratify ||
		slices.ContainsFunc(p.Objectives, limited) ||
		slices.ContainsFunc(p.Guardrails, func(g Guardrail) bool { return named(g.Slices) }) {
		return false
	}
	used := false
	for i := range p.Stages {
		stage := &p.Stages[i]
		if stage.Bandit != nil && stage.Bandit.Per == s.Name || slices.ContainsFunc(stage.Require, limited) {
			return false
		}
		used = used || slices.ContainsFunc(stage.Where, func(g Groups) bool { return g.Segment == s.Name })
	}
	return used
}

// Fits reports the first thing that the plan needs and a router cannot do; the
// router is named as people call it.
func (p *Plan) Fits(router string, can []Capability) error {
	for _, n := range p.Needs() {
		if !slices.Contains(can, n.Capability) {
			return Errorf(CodeInvalid, "%s: the %s cannot do %s", n.Path, router, n.Capability).
				WithHint("plan, lint and simulate take the plan as it is; to run it, leave the field out or choose another router")
		}
	}
	return nil
}

// OfPredictions reports whether the metric is made of what Plan.Predictions
// reads.
func (m *Metric) OfPredictions() bool {
	return m.Prediction != nil || m.Drift != nil || m.Labels != nil
}

// Matures is how long after the request or the first exposure what the metric
// counts is known; 0 for metrics that need not wait for outcomes.
func (m *Metric) Matures() time.Duration {
	switch {
	case m.Outcomes != nil:
		return m.Outcomes.Window
	case m.Labels != nil:
		return m.Labels.Window
	}
	return 0
}
