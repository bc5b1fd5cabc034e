// SPDX-License-Identifier: Apache-2.0

package experiment

import "time"

// Pairs is how many pairs a cell of a metric of pairs compared: those counted
// less those that hold nothing to compare. Units may be fewer: pairs of one unit
// are one observation.
func (e Evidence) Pairs() int64 {
	if e.Counts.N == 0 {
		return e.Units.N // One observation for each.
	}
	return e.Counts.N - e.Counts.X
}

// Floor is the least share of a version's matured units or predictions that must
// have been heard of; 0 where the metric asks for none.
func (m *Metric) Floor() float64 {
	switch {
	case m.Outcomes != nil:
		return m.Outcomes.Joined
	case m.Labels != nil:
		return m.Labels.Joined
	}
	return 0
}

// Hold is how long after its end a source seals a window. What it has read is
// old only beyond that.
func (p *Plan) Hold(s Source) time.Duration {
	switch s {
	case SourceOutcomes:
		return p.OutcomeWindow() + p.Lag
	case SourcePairs:
		return p.PairsHold()
	case SourceMetrics:
		return p.MetricsHold()
	case SourceGateway:
		switch {
		case p.Router.Kind() == RouterGateway:
		case p.Hears():
			return max(p.MetricsHold(), p.Lag) // Its windows are the pack's and the loggers' together.
		default:
			return p.MetricsHold() // Its pack reads a provider.
		}
	}
	return p.Lag
}

// PartOfWhole reports whether the metric's true value lies from 0 to 1, whatever
// a normal interval says of it.
func (m *Metric) PartOfWhole() bool {
	switch {
	case m.Pairs != nil:
		return true
	case m.Builtin != nil:
		return !m.Windowed()
	case m.Provider != nil:
		return m.Provider.Counted()
	case m.Labels != nil:
		return m.Unit() == ""
	case m.Prediction != nil:
		return !m.Prediction.Kind.Mean()
	}
	return false
}

// Unit is what a metric's values are in, where they are not best read as percent:
// "bytes", "seconds" or, of numbers that are no part of a whole, "number".
// Otherwise it is empty.
func (m *Metric) Unit() string {
	switch {
	case m.Builtin != nil && m.Builtin.Kind == MeanLatency:
		return "seconds"
	case m.Windowed(), m.Provider != nil && m.Provider.Units():
		return "number"
	case m.Prediction != nil && m.Prediction.Kind == OutputSize:
		return "bytes"
	case m.Prediction != nil && m.Prediction.Kind == ExplanationTime:
		return "seconds"
	case m.Prediction != nil && m.Prediction.Kind == MeanScore, m.Drift != nil:
		return "number"
	case m.Labels != nil && (m.Labels.Of == LogLoss || m.Labels.Of == Brier || m.Labels.Of == Calibration):
		return "number"
	}
	return ""
}

// NoDigest is what the cells of a digest count where an answer does not have its
// header.
const NoDigest = "(none)"

// Bounds of the windows that a metric of windows is judged by.
const (
	// LeastWindows is how many windows, or batches of them, of each version there
	// must be before such a metric says anything.
	LeastWindows = 12
	// SteadyWindows is how many windows of the very same number there must be
	// before a gauge is taken for one that stands still.
	SteadyWindows = 16

	defaultPlannedWindows = 100
	mostPlannedWindows    = 4000
)

// PlannedWindows is the number of windows, of both versions, that always-valid
// intervals of metrics of windows are tuned to.
func (p *Plan) PlannedWindows() float64 {
	n := int64(defaultPlannedWindows)
	for i := range p.Stages {
		switch s := &p.Stages[i]; {
		case s.Ramp != nil:
			n = max(n, 2*int64(s.Ramp.Hold.Windows))
		case s.Split != nil, s.Bandit != nil:
			n = max(n, 2*int64(s.AtMost()/max(1, p.Window)))
		}
	}
	return float64(min(n, mostPlannedWindows))
}
