// SPDX-License-Identifier: Apache-2.0

package simulate

import (
	"math"
	"slices"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
	"github.com/headgate-dev/headgate/stats/paired"
)

// What is assumed of predictions and their labels:
//
//   - A unit has one prediction. A ratio over labels has the labelled units as
//     its denominator, whatever it is a ratio of.
//   - Scores for an area under the ROC curve are binormal: half of the cases are
//     positive, and theirs lie so far higher that the area is the one assumed.
//   - Outputs drift by a share that moves from one of two classes, or scores, to
//     the other; the baseline has as many of both. Of several drift metrics of
//     classes, or of scores, the first says how far.

// scoreCells is in how many steps scores of cases are drawn.
const scoreCells = 50

// Scores that two equally frequent predictions have.
const (
	lowScore, highScore     = 0.25, 0.75
	usualClass, otherClass  = "a", "b"
	nearlyHalf              = 0.5 - 1e-9
	leastArea, greatestArea = 0.001, 0.999
)

// sampleOf is the share of the answers that a metric looks at.
func sampleOf(p *experiment.Plan, m *experiment.Metric) float64 {
	switch {
	case m.Prediction == nil && m.Drift == nil:
		return m.Sample().Fraction()
	case p.Predictions == nil:
		return 0
	default:
		return p.Predictions.Sample.Fraction()
	}
}

// isArea reports whether the metric is an area under the ROC curve.
func isArea(m *experiment.Metric) bool { return m.Labels != nil && m.WholeSample() }

// separation are the shares of the score cells among negative and positive cases.
type separation struct {
	negative, positive [scoreCells]float64
}

// separate spreads cells evenly over the middle of both kinds, so that few fall
// into one cell and the area is hardly less than the one asked for.
func separate(area float64) separation {
	d := math.Sqrt2 * stats.NormalQuantile(min(max(area, leastArea), greatestArea))
	width := 1 + math.Abs(d)/2
	var s separation
	lowNegative, lowPositive := 0.0, 0.0
	for k := range scoreCells {
		highNegative, highPositive := 1.0, 1.0
		if k < scoreCells-1 {
			x := d/2 + width*stats.NormalQuantile(float64(k+1)/scoreCells)
			highNegative, highPositive = stats.NormalCDF(x), stats.NormalCDF(x-d)
		}
		s.negative[k], s.positive[k] = highNegative-lowNegative, highPositive-lowPositive
		lowNegative, lowPositive = highNegative, highPositive
	}
	return s
}

// shiftOf is the share that must move between two halves for a distance.
func shiftOf(by experiment.Distance, value float64) float64 {
	if by == experiment.KS {
		return min(max(value, 0), 0.5)
	}
	apart := func(shift float64) float64 {
		if by == experiment.JS {
			bits, err := paired.JensenShannon([]float64{.5, .5}, []float64{.5 - shift, .5 + shift})
			if err != nil {
				return 0
			}
			return bits
		}
		return shift * (math.Log(.5+shift) - math.Log(.5-shift))
	}
	low, high := 0.0, nearlyHalf
	for range 60 {
		if mid := (low + high) / 2; apart(mid) < value {
			low = mid
		} else {
			high = mid
		}
	}
	return low
}

// layPredictions works out what is drawn of areas and drifts.
func (d *drawn) layPredictions(m *experiment.Metric) {
	for _, x := range d.values {
		switch {
		case isArea(m):
			d.separated = append(d.separated, separate(x))
		case m.Drift != nil:
			d.shifts = append(d.shifts, shiftOf(m.Drift.By, x))
		}
	}
}

// drawsDrift reports whether a metric is the first drift of its kind: both would
// fill the same cells.
func (w *Fast) drawsDrift(metric int) bool {
	of := w.plan.Metrics[metric].Drift.Of
	return metric == slices.IndexFunc(w.plan.Metrics, func(m experiment.Metric) bool { return m.Drift != nil && m.Drift.Of == of })
}

// labelled draws a metric of labels of the units that are being drawn.
func (f *flow) labelled(metric int, law *drawn, version int) measured {
	m := &f.w.plan.Metrics[metric]
	if !isArea(m) {
		return f.outcomes(metric, law, version, true)
	}
	n := f.one.units
	heard := f.dice.binomial(n, law.heard)
	positive := f.dice.binomial(heard, 0.5)
	s := &law.separated[version]
	return measured{read: n, silent: n - heard, scores: f.scores(s, heard-positive, positive)}
}

// scores draws the scores of cases.
func (f *flow) scores(s *separation, negative, positive int64) stats.Scores {
	var out stats.Scores
	leftNegative, leftPositive := 1.0, 1.0
	for k := range scoreCells {
		c := stats.ScoreCount{Score: stats.ScoreGrid((float64(k) + .5) / scoreCells), Negative: negative, Positive: positive}
		if k < scoreCells-1 {
			c.Negative = f.dice.binomial(negative, s.negative[k]/leftNegative)
			c.Positive = f.dice.binomial(positive, s.positive[k]/leftPositive)
		}
		negative, positive = negative-c.Negative, positive-c.Positive
		leftNegative, leftPositive = leftNegative-s.negative[k], leftPositive-s.positive[k]
		if c.Negative+c.Positive > 0 {
			out = append(out, c)
		}
	}
	return out
}

// predicted draws what is read in the predictions of the requests that are being
// drawn.
func (f *flow) predicted(metric int, law *drawn, version int) measured {
	m := &f.w.plan.Metrics[metric]
	read := f.dice.binomial(f.one.requests, sampleOf(f.w.plan, m))
	switch {
	case m.Prediction != nil && m.Prediction.Kind.Mean():
		return measured{pair: f.pair(read, read, law.values[version], law.sd, false)}
	case m.Prediction != nil:
		return measured{read: read, slow: f.dice.binomial(read, law.values[version])}
	case read == 0 || !f.w.drawsDrift(metric):
		return measured{}
	}
	other := f.dice.binomial(read, .5+law.shifts[version])
	if m.Drift.Of == experiment.DriftOfClass {
		return measured{classes: stats.CategoriesOf(map[string]int64{usualClass: read - other, otherClass: other})}
	}
	return measured{scores: stats.Scores{{Score: lowScore, Negative: read - other}, {Score: highScore, Negative: other}}}
}

// merge adds what was drawn elsewhere.
func (m *measured) merge(x *measured) {
	m.slow += x.slow
	m.read += x.read
	m.silent += x.silent
	m.pair = m.pair.Merge(x.pair)
	m.classes = m.classes.Merge(x.classes)
	m.scores = m.scores.Merge(x.scores)
}

// predictionCell is a metric's evidence that a gateway counts of predictions.
// Distributions have cells for everybody only.
func predictionCell(m *experiment.Metric, x *measured, slice string) (experiment.Evidence, bool) {
	switch {
	case m.Prediction != nil && !m.Prediction.Kind.Mean():
		return experiment.Evidence{Counts: stats.Counts{N: x.read, X: x.slow}}, x.read > 0
	case m.Drift != nil:
		return experiment.Evidence{Categories: x.classes, Scores: x.scores}, slice == "" && len(x.classes)+len(x.scores) > 0
	}
	return experiment.Evidence{}, false
}

// outcomeCell is a metric's evidence of outcomes or labels.
func outcomeCell(m *experiment.Metric, x *measured, slice string) (experiment.Evidence, bool) {
	switch {
	case isArea(m):
		return experiment.Evidence{Scores: x.scores, Counts: stats.Counts{N: x.read, X: x.silent}}, slice == "" && x.read > 0
	case m.Outcomes != nil || m.Labels != nil:
		return experiment.Evidence{Units: x.pair, Counts: stats.Counts{N: x.pair.N, X: x.silent}}, x.pair.N > 0
	}
	return experiment.Evidence{}, false
}
