// SPDX-License-Identifier: Apache-2.0

package experiment

import "time"

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
	Pairs    *PairsMetric    `json:"pairs,omitempty"`
	Output   *OutputMetric   `json:"output,omitempty"`
	Response *ResponseMetric `json:"response,omitempty"`
	Provider *ProviderMetric `json:"provider,omitempty"`
	// Prediction, Drift and Labels are of what Plan.Predictions reads.
	Prediction *PredictionMetric `json:"prediction,omitempty"`
	Drift      *DriftMetric      `json:"drift,omitempty"`
	Labels     *LabelsMetric     `json:"labels,omitempty"`
	// Trusted says that a metric which the version reports about itself may
	// satisfy a promotion, or that a provider's is not the version's own (D10).
	Trusted bool `json:"trusted,omitempty"`
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
	// ErrorRate and Latency are shares of requests: Counts.
	ErrorRate BuiltinKind = "error-rate"
	Latency   BuiltinKind = "latency"
	// What follows comes from a provider, by the pack of a router of the cluster.
	// MeanLatency is the mean in seconds, RequestRate the requests per second,
	// ReadyReplicas how many replicas of the version's workload are ready: one
	// number for each window (WindowEvidence).
	MeanLatency   BuiltinKind = "mean-latency"
	RequestRate   BuiltinKind = "requests"
	ReadyReplicas BuiltinKind = "ready-replicas"
	// Restarts is the share of windows in which a container of the version's
	// workload restarted: Counts, one trial for each window.
	Restarts BuiltinKind = "restarts"
)

// Windowed reports whether the metric is one number for each window.
func (k BuiltinKind) Windowed() bool {
	return k == MeanLatency || k == RequestRate || k == ReadyReplicas
}

// OfWorkload reports whether the metric is of a version's Deployment.
func (k BuiltinKind) OfWorkload() bool { return k == ReadyReplicas || k == Restarts }

// OfCluster reports whether only routers of a cluster give it.
func (k BuiltinKind) OfCluster() bool { return k.Windowed() || k == Restarts }

// OutcomesMetric is a ratio over units: the sum of Event's values divided by
// the number of Per events, or by the number of units when Per is empty.
type OutcomesMetric struct {
	Event string `json:"event"`
	Per   string `json:"per,omitempty"`
	// Window is how long after its first exposure a unit's outcomes count.
	Window time.Duration `json:"window"`
	// Joined is the least share of a version's matured units that must have
	// been heard of, 0 where units may stay silent. A unit was heard of when
	// it has an outcome of Per or, without Per, of Event. Below it, or where
	// versions differ in it, the metric is untrustworthy.
	Joined float64 `json:"joined,omitempty"`
}

// PairsMetric is the mean over pairs of how a candidate's answer compares to
// the baseline's answer to the same request: 1 is full agreement, 0 none. For
// latency it is the share of pairs in which the candidate took more than
// 1+Tolerance times as long; for failures the share in which the candidate
// alone failed.
type PairsMetric struct {
	Compare Comparison `json:"compare"`
	// Value is a jq expression that picks from each answer what is compared;
	// empty is the prediction as its protocol has it, or for text and JSON the
	// whole answer.
	Value string `json:"value,omitempty"`
	// K is how many places of a ranking count.
	K int `json:"k,omitempty"`
	// By is how rankings are compared; empty is Overlap.
	By Similarity `json:"by,omitempty"`
	// Tolerance is the relative difference up to which numbers agree, and the
	// absolute one for the components of vectors.
	Tolerance float64 `json:"tolerance,omitempty"`
}

// Similarity is how alike two rankings are, from 0 to 1.
type Similarity string

// The similarities of the first K places of two rankings: the share of places
// that both have (overlap at K); rank-biased overlap with p = 0.9, extrapolated
// (Webber, Moffat, Zobel 2010); Kendall's tau-b over what both rank, as
// (1 + tau) / 2.
const (
	Overlap Similarity = "overlap"
	RBO     Similarity = "rbo"
	Tau     Similarity = "tau"
)

// OutputMetric is a ratio over answers: the sum of what Sum finds in each
// answer's JSON body divided by the sum of Count, or by the number of answers
// where Count is empty. Both are jq expressions that give one number; an answer
// in which one does not is invalid and counted apart. What Headgate sees of
// answers is observation, not report.
type OutputMetric struct {
	Sum   string `json:"sum"`
	Count string `json:"count,omitempty"`
	// Sample is the share of answers that is looked at.
	Sample Share `json:"sample"`
}

// ResponseMetric is the mean over answers of a number that the model server
// reports about itself: in a header, or at a jq expression of the body. It is
// self-reported (D10).
type ResponseMetric struct {
	Header string `json:"header,omitempty"`
	Value  string `json:"value,omitempty"`
	Sample Share  `json:"sample"`
}

// SelfReported reports whether the metric is a version's own word, or may be: of
// what a provider has only the plan's author knows who counted it (D10).
func (m *Metric) SelfReported() bool {
	return (m.Response != nil || m.Provider != nil) && !m.Trusted
}

// OfAnswers reports whether the metric is made of numbers that stand in answers.
func (m *Metric) OfAnswers() bool {
	return m.Output != nil || m.Response != nil || m.Prediction != nil && m.Prediction.Kind.Mean()
}

// Sample is the share of answers that a metric of answers looks at, else 0.
func (m *Metric) Sample() Share {
	a, _ := m.answer()
	return a.Sample
}

// answer is what the metric asks of answers; false if nothing.
func (m *Metric) answer() (Answer, bool) {
	switch {
	case m.Output != nil:
		return Answer{Metric: m.Name, Sum: m.Output.Sum, Count: m.Output.Count, Sample: m.Output.Sample}, true
	case m.Response != nil:
		return Answer{Metric: m.Name, Sum: m.Response.Value, Header: m.Response.Header, Sample: m.Response.Sample}, true
	}
	return Answer{}, false
}

// Comparison names a way to compare two answers.
type Comparison string

// The comparisons.
const (
	CompareFailures Comparison = "failures"
	CompareLatency  Comparison = "latency"
	CompareClass    Comparison = "class"
	CompareNumber   Comparison = "number"
	CompareVector   Comparison = "vector"
	CompareRanking  Comparison = "ranking"
	CompareText     Comparison = "text"
	CompareJSON     Comparison = "json"
)

// Cell is the name that the metric's cells carry. Error rates are read from
// the requests' own cells, which always exist.
func (m *Metric) Cell() string {
	switch {
	case m.Builtin != nil && m.Builtin.Kind == ErrorRate:
		return CellRequests
	case m.Drift != nil && m.Drift.Of == DriftOfClass:
		return CellClasses
	case m.Drift != nil:
		return CellScores
	}
	return m.Name
}

// ByUnit reports whether the metric's cells are ratios over units or pairs
// (true), those of outputs over answers, those over windows, or counts of
// requests. Drift and AUC are neither: WholeSample.
func (m *Metric) ByUnit() bool {
	return m.Windowed() || m.Provider != nil && m.Provider.Units() || m.Outcomes != nil || m.Pairs != nil || m.Output != nil || m.Response != nil ||
		m.Prediction != nil && m.Prediction.Kind.Mean() || m.Labels != nil && m.Labels.Of != AUC
}

// WholeSample reports whether the metric is made of a distribution, for which
// there are no cells by slice.
func (m *Metric) WholeSample() bool {
	return m.Drift != nil || m.Labels != nil && m.Labels.Of == AUC
}

// Windowed reports whether nothing is known of the metric but one number for each
// window and version, so that windows are the sample.
func (m *Metric) Windowed() bool {
	return m.Builtin != nil && m.Builtin.Kind.Windowed() || m.Provider != nil && m.Provider.Windowed()
}

// Telemetry reports whether the metric is of everybody and of whole windows,
// because a provider tells it: there are no cells by slice.
func (m *Metric) Telemetry() bool {
	return m.Provider != nil || m.Builtin != nil && m.Builtin.Kind.OfCluster()
}

// Basis says what the metric's sample is made of.
func (m *Metric) Basis() Basis {
	switch {
	case m.Pairs != nil:
		return BasisPairs
	case m.Outcomes != nil, m.Labels != nil, m.Provider != nil && m.Provider.Units():
		return BasisUnits
	case m.Windowed(), m.Builtin != nil && m.Builtin.Kind == Restarts:
		return BasisWindows
	default:
		return BasisRequests
	}
}

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
		if m.Labels != nil {
			w = max(w, m.Labels.Window)
		}
	}
	return w
}
