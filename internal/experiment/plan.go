// SPDX-License-Identifier: Apache-2.0

package experiment

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"
)

// Plan is an experiment as the engine runs it: checked, defaulted, with every
// name resolved. It does not change while it runs; a change is a new plan.
type Plan struct {
	Namespace  string    `json:"namespace,omitempty"`
	Name       string    `json:"name"`
	Owner      string    `json:"owner,omitempty"`
	Hypothesis string    `json:"hypothesis,omitempty"`
	Versions   []Version `json:"versions"`
	// Listen is the gateway's address, where the file names one.
	Listen     string      `json:"listen,omitempty"`
	Assignment Assignment  `json:"assignment"`
	Metrics    []Metric    `json:"metrics"`
	Reward     *Reward     `json:"reward,omitempty"`
	Objectives []Objective `json:"objectives,omitempty"`
	Guardrails []Guardrail `json:"guardrails,omitempty"`
	Stages     []Stage     `json:"stages"`
	Analysis   Analysis    `json:"analysis"`
	OnUnknown  OnUnknown   `json:"onUnknown"`

	// Window is the length of one evidence window.
	Window time.Duration `json:"window"`
	// Lag is how long after its end a window still accepts what belongs to it
	// before it is sealed; outcome windows come on top.
	Lag time.Duration `json:"lag"`
	// Stale is the age of a source's newest evidence beyond which nothing is
	// raised (D2).
	Stale time.Duration `json:"stale"`
}

// ID names the experiment in routes, tokens and stores: "namespace/name", or
// the name alone when there is no namespace.
func (p *Plan) ID() string {
	if p.Namespace == "" {
		return p.Name
	}
	return p.Namespace + "/" + p.Name
}

// Hash identifies the plan: SHA-256 of its JSON, in hex. Field order is fixed
// by the struct, so equal plans have equal hashes.
func (p *Plan) Hash() string { return hashJSON(p) }

// hashJSON is the one way values are hashed. The types hashed here hold no
// map, channel or NaN, so marshalling cannot fail; if it did, that would be a
// broken invariant (D6).
func hashJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic("D6: state that cannot be written: " + err.Error())
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// Version is one servable model variant. The first of a plan is the baseline,
// the rest are candidates.
type Version struct {
	Name string `json:"name"`
	// Backend says where the version is, in the router's terms; for Headgate's
	// own gateway a base URL.
	Backend string `json:"backend"`
}

// Assignment says who is assigned and what happens without a unit.
type Assignment struct {
	Unit Unit `json:"unit"`
	// RejectMissing answers 400 to a request without a unit instead of serving
	// it from the baseline. Neither is ever counted as evidence.
	RejectMissing bool `json:"rejectMissing,omitempty"`
}

// Unit says where in a request the unit stands; exactly one field is set.
type Unit struct {
	Header   string `json:"header,omitempty"`
	Cookie   string `json:"cookie,omitempty"`
	JSONPath string `json:"jsonPath,omitempty"`
	Request  bool   `json:"request,omitempty"`
}

// Goal is the direction in which a metric is good.
type Goal string

// The two goals.
const (
	Increase Goal = "increase"
	Decrease Goal = "decrease"
)

// Sign is +1 when more is better and -1 when less is better.
func (g Goal) Sign() float64 {
	if g == Decrease {
		return -1
	}
	return 1
}

// Metric is how outcomes or telemetry become a number per version; exactly one
// source is set.
type Metric struct {
	Name     string          `json:"name"`
	Goal     Goal            `json:"goal"`
	Builtin  *BuiltinMetric  `json:"builtin,omitempty"`
	Outcomes *OutcomesMetric `json:"outcomes,omitempty"`
}

// BuiltinMetric is a metric of the router's own pack.
type BuiltinMetric struct {
	Kind BuiltinKind `json:"kind"`
	// Quantile and Limit are set for latency: the metric is the share of
	// requests slower than Limit, which an objective on the quantile bounds by
	// 1-Quantile. Exact counts beat interpolated quantiles.
	Quantile float64       `json:"quantile,omitempty"`
	Limit    time.Duration `json:"limit,omitempty"`
}

// BuiltinKind names a built-in metric.
type BuiltinKind string

// The built-in metrics.
const (
	ErrorRate BuiltinKind = "error-rate"
	Latency   BuiltinKind = "latency"
)

// OutcomesMetric is a ratio over units: the sum of Event's values divided by
// the number of Per events, or by the number of units when Per is empty.
type OutcomesMetric struct {
	Event string `json:"event"`
	Per   string `json:"per,omitempty"`
	// Window is how long after its first exposure a unit's outcomes count.
	Window time.Duration `json:"window"`
}

// Cell is the name that the metric's cells carry. Error rates are read from
// the requests' own cells, which always exist.
func (m *Metric) Cell() string {
	if m.Builtin != nil && m.Builtin.Kind == ErrorRate {
		return CellRequests
	}
	return m.Name
}

// ByUnit reports whether the metric's sample is units (true) or requests.
func (m *Metric) ByUnit() bool { return m.Outcomes != nil }

// Metric returns the metric of that name, or nil.
func (p *Plan) Metric(name string) *Metric {
	for i := range p.Metrics {
		if p.Metrics[i].Name == name {
			return &p.Metrics[i]
		}
	}
	return nil
}

// OutcomeWindow is the longest outcome window of the plan's metrics: a window
// of exposures is mature that long after its end.
func (p *Plan) OutcomeWindow() time.Duration {
	var w time.Duration
	for _, m := range p.Metrics {
		if m.Outcomes != nil {
			w = max(w, m.Outcomes.Window)
		}
	}
	return w
}

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
}

// Objective is an absolute limit on a metric that every version must satisfy.
// Exactly one of Max and Min is set, in the metric's unit (for latency
// metrics: the share of requests over the limit).
type Objective struct {
	Metric string   `json:"metric"`
	Max    *float64 `json:"max,omitempty"`
	Min    *float64 `json:"min,omitempty"`
}

// Guardrail is a metric that a candidate must not worsen by more than a
// margin.
type Guardrail struct {
	Metric      string `json:"metric"`
	NoWorseThan Margin `json:"noWorseThan"`
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
)

// Analysis fixes the error rates before the start.
type Analysis struct {
	Method Method `json:"method"`
	// Alpha bounds the probability of "better" between identical versions
	// (D9), one-sided.
	Alpha float64 `json:"alpha"`
	// HarmAlpha bounds the probability of a false alarm over all harm tests
	// together; it is divided evenly among them.
	HarmAlpha float64 `json:"harmAlpha"`
	// Looks is the number of planned group-sequential looks.
	Looks int `json:"looks"`
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
// evenly among all objectives, guardrails and the reward of all candidates, or
// of the baseline where it is alone.
func (p *Plan) TestAlpha() float64 {
	tests := len(p.Objectives) + len(p.Guardrails)
	if p.Reward != nil {
		tests++
	}
	return p.Analysis.HarmAlpha / float64(max(1, tests*max(1, len(p.Versions)-1)))
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

// PlannedUnits is the same for units.
func (p *Plan) PlannedUnits() float64 {
	n := int64(0)
	for _, s := range p.Stages {
		if s.Split != nil {
			n = max(n, s.Split.Until.Units)
		}
	}
	if n == 0 {
		n = defaultPlannedUnits
	}
	return float64(n)
}
