// SPDX-License-Identifier: Apache-2.0

package experiment

import "time"

// Margin is a difference that matters, absolute in the metric's unit or as a
// fraction of the baseline; exactly one is positive.
type Margin struct {
	Absolute float64 `json:"absolute,omitempty"`
	Relative float64 `json:"relative,omitempty"`
}

// Of gives the margin in the metric's unit, for a baseline value.
func (m Margin) Of(baseline float64) float64 {
	if m.Relative > 0 {
		return m.Relative * max(baseline, -baseline)
	}
	return m.Absolute
}

// Reward is the metric to improve.
type Reward struct {
	Metric        string `json:"metric"`
	MinimumEffect Margin `json:"minimumEffect"`
	// Range bounds a unit's reward; nil where nothing is known. Bandits learn
	// nothing from a mean outside it, and scale by it.
	Range *Range `json:"range,omitempty"`
}

// Range is a closed interval in the metric's unit.
type Range struct {
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// Objective is an absolute limit on a metric that every version must satisfy.
// Exactly one of Max and Min is set, in the metric's unit (for latency
// metrics: the share of requests over the limit).
type Objective struct {
	Metric string   `json:"metric"`
	Max    *float64 `json:"max,omitempty"`
	Min    *float64 `json:"min,omitempty"`
	// Slices names the segments in whose every group the limit holds too; there
	// are none of metrics of a WholeSample.
	Slices []string `json:"slices,omitempty"`
	// Owner is who answers for the limit, if it is not the plan's owner.
	Owner string `json:"owner,omitempty"`
	// Rollback, in a strict plan, rolls back as soon as a version's number is
	// beyond the limit. There an objective may have both limits, or none: then a
	// number is enough.
	Rollback bool `json:"rollback,omitempty"`
}

// Guardrail is a metric that a candidate must not worsen by more than a
// margin.
type Guardrail struct {
	Metric      string `json:"metric"`
	NoWorseThan Margin `json:"noWorseThan"`
	// Slices names the segments in whose every group the guardrail holds too.
	Slices []string `json:"slices,omitempty"`
	// Owner is who answers for the guardrail, if it is not the plan's owner.
	Owner string `json:"owner,omitempty"`
}

// Method is how the reward is decided.
type Method string

// The methods.
const (
	// Sequential decides benefit at group-sequential looks and harm at any
	// time.
	Sequential Method = "sequential"
	// Anytime is always valid both ways.
	Anytime Method = "anytime"
	// Fixed tests once, at the horizon, and hides the reward before it.
	Fixed Method = "fixed"
	// Bayesian decides by the probability of being better. It takes no error
	// rate and claims none.
	Bayesian Method = "bayesian"
	// Threshold compares the point estimate at the horizon with the smallest
	// effect that matters. It takes no error rate and claims none.
	Threshold Method = "threshold"
)

// Analysis fixes the error rates before the start.
type Analysis struct {
	Method Method `json:"method"`
	// Alpha bounds the probability of "better" between identical versions
	// (D9), one-sided. For the method bayesian, 1-Alpha is the probability of
	// being better that decides.
	Alpha float64 `json:"alpha"`
	// HarmAlpha bounds the probability of a false alarm over all harm tests
	// together; it is divided evenly among them.
	HarmAlpha float64 `json:"harmAlpha"`
	// Looks is the number of planned group-sequential looks.
	Looks int `json:"looks"`
	// Power is the probability of finding the smallest effect that matters
	// which the plan should have by its horizon. It changes no decision:
	// planning measures against it.
	Power float64 `json:"power,omitempty"`
}

// Policy is what to do when evidence stays unknown too long.
type Policy string

// The policies.
const (
	PolicyHold     Policy = "hold"
	PolicyRollback Policy = "rollback"
)

// OnUnknown bounds how long an experiment waits for evidence it can trust.
type OnUnknown struct {
	After time.Duration `json:"after"`
	Do    Policy        `json:"do"`
}

// TestAlpha is the share of HarmAlpha that one harm test gets: it is divided
// evenly among all objectives, gates, guardrails (each with its slices) and the
// reward of all candidates, or of the baseline where it is alone.
func (p *Plan) TestAlpha() float64 {
	tests := p.limits(p.Objectives)
	for i := range p.Stages {
		tests += p.limits(p.Stages[i].Require)
	}
	for i := range p.Guardrails {
		tests += 1 + len(p.SlicesOf(&p.Guardrails[i]))
	}
	if p.Reward != nil {
		tests++
	}
	return p.Analysis.HarmAlpha / float64(max(1, tests*max(1, len(p.Versions)-1)))
}

// limits counts the tests of limits and of their slices.
func (p *Plan) limits(objectives []Objective) int {
	n := len(objectives)
	for i := range objectives {
		n += len(p.LimitSlices(&objectives[i]))
	}
	return n
}

// SlicesOf lists the slices in which a guardrail is judged beside the whole.
func (p *Plan) SlicesOf(g *Guardrail) []string { return p.groupsIn(g.Metric, g.Slices) }

// LimitSlices lists the slices in which an objective or a gate is judged beside
// the whole.
func (p *Plan) LimitSlices(o *Objective) []string { return p.groupsIn(o.Metric, o.Slices) }

// groupsIn lists the groups of segments in which there are cells of a metric.
func (p *Plan) groupsIn(metric string, segments []string) []string {
	if len(segments) == 0 {
		return nil
	}
	if m := p.Metric(metric); m != nil && m.WholeSample() {
		return nil
	}
	var out []string
	for _, name := range segments {
		if s := p.Segment(name); s != nil {
			out = append(out, s.Slices()...)
		}
	}
	return out
}

// CandidateAlpha is the share of Alpha that one candidate gets.
func (p *Plan) CandidateAlpha() float64 {
	return p.Analysis.Alpha / float64(max(1, len(p.Versions)-1))
}

// PhaseWeight is the share of an error that phase number i (from 0) gets where
// phases are not independent: 1/2, 1/6, 1/12, …, at most 1 over any number.
func PhaseWeight(i int) float64 { return 1 / (float64(i+1) * float64(i+2)) }

// The samples at which always-valid intervals are sharpest, where a plan does
// not say better.
const (
	defaultPlannedRequests = 500
	defaultPlannedUnits    = 5000
)

// PlannedRequests is the number of requests that always-valid intervals are
// tuned to. It is a property of the plan alone: such an interval may not be
// tuned while it is watched.
func (p *Plan) PlannedRequests() float64 {
	n := int64(defaultPlannedRequests)
	for _, s := range p.Stages {
		if s.Ramp != nil {
			n = max(n, s.Ramp.Hold.Requests)
		}
	}
	return float64(n)
}

// PlannedUnits is the same for units, PlannedPairs for pairs.
func (p *Plan) PlannedUnits() float64 {
	n := int64(0)
	for _, s := range p.Stages {
		switch {
		case s.Split != nil:
			n = max(n, s.Split.Until.Units)
		case s.Bandit != nil:
			n = max(n, s.Bandit.Until.Units)
		}
	}
	if n == 0 {
		n = defaultPlannedUnits
	}
	return float64(n)
}

// PlannedPairs is the number of pairs that paired evidence is tuned to.
func (p *Plan) PlannedPairs() float64 {
	n := int64(defaultPlannedRequests)
	for _, s := range p.Stages {
		if s.Mirror != nil {
			n = max(n, s.Mirror.Until.Pairs)
		}
	}
	return float64(n)
}
