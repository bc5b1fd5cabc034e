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
	// Loser is what becomes of the baseline afterwards.
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
	CapSticky      Capability = "sticky units"
	CapSegments    Capability = "segments"
	CapMirror      Capability = "mirrored pairs"
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
	var out []Need
	need := func(want bool, c Capability, path string) {
		if want {
			out = append(out, Need{c, path})
		}
	}
	need(!p.Assignment.Unit.Request, CapSticky, "spec.assignment.unit")
	need(len(p.Segments) > 0, CapSegments, "spec.segments")
	for i := range p.Stages {
		need(p.Stages[i].Mirror != nil, CapMirror, "spec.stages["+p.Stages[i].Name+"].mirror")
	}
	asked := false
	for i := range p.Metrics {
		m := &p.Metrics[i]
		from := "spec.metrics[" + m.Name + "].from."
		need(m.Outcomes != nil, CapOutcomes, from+"outcomes")
		need(m.Prediction != nil, CapPredictions, from+"prediction")
		need(m.Drift != nil, CapPredictions, from+"drift")
		need(m.Labels != nil, CapPredictions, from+"labels")
		need(m.Labels != nil, CapOutcomes, from+"labels")
		asked = asked || m.OfPredictions()
	}
	need(p.Predictions != nil && !asked, CapPredictions, "spec.predictions")
	need(p.Promote.How == PromoteCopy, CapCopy, "spec.promote.how")
	need(p.Promote.Loser == LoserScaleDown || p.Promote.Loser == LoserDelete, CapRetire, "spec.promote.loser")
	return out
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
