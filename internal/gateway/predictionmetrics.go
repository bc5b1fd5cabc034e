// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/prediction"
	"github.com/headgate-dev/headgate/stats"
	"github.com/headgate-dev/headgate/stats/paired"
)

const (
	// maxClassLabels is how many classes of an experiment have series of their
	// own: the first that came. The others share one.
	maxClassLabels = 20
	// driftBins is into how many bins scores are put for their drift.
	driftBins = 10
)

// predictionMetrics are the series of what answers say.
type predictionMetrics struct {
	results, classes *prometheus.CounterVec
	rowsDropped      prometheus.Counter

	mu sync.Mutex
	// labels are the classes of the last experiment that have series.
	experiment string
	labels     *classLabels
}

// classLabels are the classes that have series of their own.
type classLabels struct {
	mu    sync.Mutex
	known map[string]bool
}

// of is the label of a class.
func (c *classLabels) of(class string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.known[class] {
		if len(c.known) >= maxClassLabels {
			return stats.OtherCategory
		}
		c.known[class] = true
	}
	return class
}

// predictionSeries are the series of one version.
type predictionSeries struct {
	results map[string]prometheus.Counter
	classes *prometheus.CounterVec // by class
	labels  *classLabels
}

func newPredictionMetrics(byVersion []string) predictionMetrics {
	return predictionMetrics{
		results: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "headgate_gateway_predictions_total",
			Help: "Answers in the sample of predictions, by what came of reading them: read; invalid, not what the protocol says; empty, without a prediction; null, with one that is null or no number; unfit, of a kind that is not read; too_large; slow to read; dropped, too many at a time; late, after the window was sealed.",
		}, append(byVersion, "result")),
		classes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "headgate_gateway_predicted_class_total",
			Help: "Predictions by class; (other) are all but the first 20 classes that came.",
		}, append(byVersion, "class")),
		rowsDropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "headgate_gateway_prediction_rows_dropped_total", Help: "Predictions that nobody could take in time as rows.",
		}),
	}
}

// collectors are all series that are counted.
func (m *predictionMetrics) collectors() []prometheus.Collector {
	return []prometheus.Collector{m.results, m.classes, m.rowsDropped}
}

// version looks up the series of a version's predictions; nil where none are
// read.
func (m *predictionMetrics) version(id, version string, p *predicting) *predictionSeries {
	if p == nil || !p.reads {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.labels == nil || m.experiment != id {
		m.experiment, m.labels = id, &classLabels{known: make(map[string]bool)}
	}
	s := &predictionSeries{
		results: make(map[string]prometheus.Counter),
		classes: m.classes.MustCurryWith(prometheus.Labels{"experiment": id, "version": version}),
		labels:  m.labels,
	}
	for found := prediction.Read; found <= prediction.Null; found++ {
		s.results[found.String()] = m.results.WithLabelValues(id, version, found.String())
	}
	for f := findingUnfit; f < findings; f++ {
		s.results[f.String()] = m.results.WithLabelValues(id, version, f.String())
	}
	return s
}

// count counts what was read of an answer for people to look at. Kept says that
// it is evidence, too.
func (h *hearing) count(s *telling, sum float64, kept bool) {
	result := h.result().String()
	switch {
	case !kept:
		result = findingLate.String()
	case h.reading.Found != prediction.Unread:
		result = h.reading.Found.String()
	}
	h.series.results[result].Inc()
	if !kept {
		return
	}
	for i := range s.classes {
		c := &s.classes[i]
		h.series.classes.WithLabelValues(h.series.labels.of(c.Name)).Add(float64(c.N))
	}
	h.log.outputs[h.version].add(s, sum)
}

// outputMetrics tell at the moment of the scrape what the answers of the phase
// served say as a whole.
type outputMetrics struct {
	route        *atomic.Pointer[route]
	score, drift *prometheus.Desc
}

func newOutputMetrics(served *atomic.Pointer[route]) *outputMetrics {
	return &outputMetrics{
		route: served,
		score: prometheus.NewDesc("headgate_gateway_score", "Predicted scores since the phase began.", []string{"experiment", "version"}, nil),
		drift: prometheus.NewDesc("headgate_gateway_output_drift", "Distance of a candidate's outputs from the baseline's since the phase began: psi, js or ks, of class or score.", []string{"experiment", "version", "of", "by"}, nil),
	}
}

// Describe implements prometheus.Collector.
func (m *outputMetrics) Describe(out chan<- *prometheus.Desc) {
	out <- m.score
	out <- m.drift
}

// Collect implements prometheus.Collector.
func (m *outputMetrics) Collect(out chan<- prometheus.Metric) {
	r := m.route.Load()
	if r == nil || r.predictions == nil || !r.predictions.reads {
		return
	}
	var classes stats.Categories
	var scores stats.Scores
	for i := range r.log.outputs {
		version := r.versions[i].name
		c, s, sum := r.log.outputs[i].look()
		if n, _ := s.Total(); n > 0 {
			out <- prometheus.MustNewConstSummary(m.score, uint64(n), sum, scoreQuantiles(s, n), r.experiment, version)
		}
		if i == baseline {
			classes, scores = c, s
			continue
		}
		for _, d := range driftOf(classes, c, scores, s) {
			out <- prometheus.MustNewConstMetric(m.drift, prometheus.GaugeValue, d.value, r.experiment, version, string(d.of), string(d.by))
		}
	}
}

// scoreQuantiles are quantiles of n scores, on their grid.
func scoreQuantiles(s stats.Scores, n int64) map[float64]float64 {
	at := map[float64]float64{0.1: 0, 0.5: 0, 0.9: 0}
	for q := range at {
		seen := int64(0)
		for i := range s {
			if seen += s[i].Negative; float64(seen) >= q*float64(n) {
				at[q] = s[i].Score
				break
			}
		}
	}
	return at
}

// drift is one distance.
type drift struct {
	of    experiment.DriftOf
	by    experiment.Distance
	value float64
}

// driftOf are the distances of a candidate's classes and scores from the
// baseline's, as far as there are any.
func driftOf(baseClasses, classes stats.Categories, baseScores, scores stats.Scores) []drift {
	var out []drift
	add := func(of experiment.DriftOf, by experiment.Distance, value float64, err error) {
		if err == nil { // There is no distance without a sample on both sides.
			out = append(out, drift{of, by, value})
		}
	}
	if len(baseClasses) > 0 && len(classes) > 0 {
		a, b := paired.CategoryBins(baseClasses, classes)
		psi, err := paired.PSIEstimate(a, b)
		add(experiment.DriftOfClass, experiment.PSI, psi.Value, err)
		js, err := paired.JensenShannonEstimate(a, b)
		add(experiment.DriftOfClass, experiment.JS, js.Value, err)
	}
	if len(baseScores) > 0 && len(scores) > 0 {
		a, b := paired.ScoreBins(baseScores, scores, driftBins)
		psi, err := paired.PSIEstimate(a, b)
		add(experiment.DriftOfScore, experiment.PSI, psi.Value, err)
		js, err := paired.JensenShannonEstimate(a, b)
		add(experiment.DriftOfScore, experiment.JS, js.Value, err)
		ks, err := paired.KSCounts(paired.ScorePoints(baseScores, scores))
		add(experiment.DriftOfScore, experiment.KS, ks, err)
	}
	return out
}

var _ prometheus.Collector = (*outputMetrics)(nil)
