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
	default:
		return p.Lag
	}
}

// PartOfWhole reports whether the metric's true value lies from 0 to 1, whatever
// a normal interval says of it.
func (m *Metric) PartOfWhole() bool {
	switch {
	case m.Pairs != nil, m.Builtin != nil:
		return true
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
