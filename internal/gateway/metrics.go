// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the gateway's own figures. They are for people and alerts;
// decisions are made of cells.
type metrics struct {
	registry   prometheus.Registerer
	collectors []prometheus.Collector

	requests  *prometheus.CounterVec
	seconds   *prometheus.HistogramVec
	fallbacks *prometheus.CounterVec
	aborts    *prometheus.CounterVec

	ejections    *prometheus.CounterVec
	probesFailed *prometheus.CounterVec
	crowded      *prometheus.CounterVec
	answers      *prometheus.CounterVec
	copies       *prometheus.CounterVec
	pairs        *prometheus.CounterVec
	predictions  predictionMetrics

	unassigned       map[string]prometheus.Counter
	feedback         *prometheus.CounterVec
	exposuresDropped prometheus.Counter
	late             prometheus.Counter
	windowsDropped   prometheus.Counter
	cut              prometheus.Counter
	// refused are the requests that nobody was asked for, because the gateway
	// is full or closed; refusedUnserved those before the first snapshot,
	// refusedUnfit those that a proxy cannot pass on.
	refused, refusedUnserved, refusedUnfit prometheus.Counter
}

// versionMetrics are the series of one version, looked up once per snapshot.
type versionMetrics struct {
	classes   [6]prometheus.Counter // by the first digit of the status
	seconds   prometheus.Observer
	fallbacks [causes]prometheus.Counter
	aborts    prometheus.Counter
}

func newMetrics(registry prometheus.Registerer, served *atomic.Pointer[route]) (*metrics, error) {
	byVersion := []string{"experiment", "version"}
	m := &metrics{
		registry: registry, answers: newAnswerCounts(byVersion), copies: newCopyCounts(byVersion), pairs: newPairCounts(byVersion), predictions: newPredictionMetrics(byVersion),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "headgate_gateway_requests_total",
			Help: "Assigned requests that ended, by assigned version and class of the status answered; none: no status.",
		}, append(byVersion, "code")),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "headgate_gateway_request_seconds",
			Help:    "Time from assignment to the end of the answer, by assigned version.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, byVersion),
		fallbacks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "headgate_gateway_fallbacks_total",
			Help: "Assigned requests that the baseline answered in the assigned version's place, by why.",
		}, append(byVersion, "reason")),
		ejections: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "headgate_gateway_ejections_total",
			Help: "How often a version was taken out of service for a time, by cause: failures of requests one after the other, or probes.",
		}, append(byVersion, "cause")),
		probesFailed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "headgate_gateway_probe_failures_total", Help: "Probes that a version did not answer with 2xx in time.",
		}, byVersion),
		crowded: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "headgate_gateway_queue_refused_total", Help: "Requests that found no place at a version: its queue was full, or they waited too long.",
		}, byVersion),
		aborts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "headgate_gateway_client_aborts_total",
			Help: "Assigned requests whose client left, broke off or gave less than a second, before the answer.",
		}, byVersion),
		feedback: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "headgate_gateway_feedback_total",
			Help: "Seldon feedback by the version that it goes to, and by what told that this version made the prediction; none: nothing did.",
		}, append(byVersion, "by")),
		exposuresDropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "headgate_gateway_exposures_dropped_total", Help: "Exposures that nobody could take in time.",
		}),
		late: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "headgate_gateway_late_requests_total", Help: "Requests that ended after their window was dropped.",
		}),
		windowsDropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "headgate_gateway_windows_dropped_total", Help: "Windows with evidence that were dropped because nobody folded them.",
		}),
		cut: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "headgate_gateway_cut_total", Help: "Assigned requests that the gateway's own end cut off; never evidence.",
		}),
	}
	refused := newRefused()
	m.refused, m.refusedUnserved, m.refusedUnfit = refused.WithLabelValues("busy"), refused.WithLabelValues("unserved"), refused.WithLabelValues("unfit")
	unassigned := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "headgate_gateway_unassigned_total", Help: "Requests that were not assigned, by why: testers' overrides, exclusions, outside of what the stage is limited to, what is wrong with their unit or cohort, or because they are feedback; never evidence.",
	}, []string{"reason"})
	m.unassigned = byReason(unassigned)
	return m, m.register(append(m.predictions.collectors(),
		m.requests, m.seconds, m.fallbacks, m.aborts, m.ejections, m.probesFailed, m.crowded, m.answers, m.copies, m.pairs, unassigned, m.feedback,
		m.exposuresDropped, m.late, m.windowsDropped, m.cut, refused, newServedMetrics(served), newOutputMetrics(served), newMirrorMetrics(served),
	)...)
}

// newRefused makes the series of requests that no version was asked for.
func newRefused() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "headgate_gateway_refused_total",
		Help: "Requests that no version was asked for, by why: busy, too many were under way or the gateway was closed; unserved, no snapshot yet; unfit, a message that a proxy cannot pass on.",
	}, []string{"reason"})
}

// byReason looks up the series of why requests were not assigned.
func byReason(unassigned *prometheus.CounterVec) map[string]prometheus.Counter {
	out := make(map[string]prometheus.Counter)
	for _, reason := range unassignedReasons {
		out[reason] = unassigned.WithLabelValues(reason)
	}
	return out
}

// register registers all or nothing.
func (m *metrics) register(list ...prometheus.Collector) error {
	for _, c := range list {
		if err := m.registry.Register(c); err != nil {
			m.unregister()
			return fmt.Errorf("register the gateway's metrics: %w", err)
		}
		m.collectors = append(m.collectors, c)
	}
	return nil
}

func (m *metrics) unregister() {
	for _, c := range m.collectors {
		m.registry.Unregister(c)
	}
	m.collectors = nil
}

// version looks up the series of a version.
func (m *metrics) version(experiment, version string) versionMetrics {
	v := versionMetrics{
		seconds: m.seconds.WithLabelValues(experiment, version),
		aborts:  m.aborts.WithLabelValues(experiment, version),
	}
	for why := causeUnconnected; why < causes; why++ {
		v.fallbacks[why] = m.fallbacks.WithLabelValues(experiment, version, why.String())
	}
	for i, code := range []string{"none", "1xx", "2xx", "3xx", "4xx", "5xx"} {
		v.classes[i] = m.requests.WithLabelValues(experiment, version, code)
	}
	return v
}

// health looks up the series of a version's health.
func (m *metrics) health(experiment, version string) healthMetrics {
	return healthMetrics{
		failing:      m.ejections.WithLabelValues(experiment, version, "failures"),
		unanswered:   m.ejections.WithLabelValues(experiment, version, "probe"),
		probesFailed: m.probesFailed.WithLabelValues(experiment, version),
		crowded:      m.crowded.WithLabelValues(experiment, version),
	}
}

// observe counts a request that ended with a status, 0 for none.
func (v *versionMetrics) observe(status int, took time.Duration) {
	class := status / 100
	if class >= len(v.classes) {
		class = 0
	}
	v.classes[class].Inc()
	v.seconds.Observe(took.Seconds())
}

// servedMetrics tell what is served at the moment of the scrape.
type servedMetrics struct {
	route           *atomic.Pointer[route]
	share, sequence *prometheus.Desc
	ejected, queue  *prometheus.Desc
}

func newServedMetrics(served *atomic.Pointer[route]) *servedMetrics {
	return &servedMetrics{
		route:    served,
		share:    prometheus.NewDesc("headgate_gateway_share", "Share of a version in the snapshot served, from 0 to 1; by slice where groups have shares of their own.", []string{"experiment", "version", "slice"}, nil),
		ejected:  prometheus.NewDesc("headgate_gateway_ejected", "Whether a candidate is ejected, 0 or 1: the baseline answers in its place.", []string{"experiment", "version"}, nil),
		queue:    prometheus.NewDesc("headgate_gateway_queue_length", "Requests that wait for a place at a version.", []string{"experiment", "version"}, nil),
		sequence: prometheus.NewDesc("headgate_gateway_snapshot_sequence", "Sequence of the snapshot served.", nil, nil),
	}
}

// Describe implements prometheus.Collector.
func (s *servedMetrics) Describe(out chan<- *prometheus.Desc) {
	out <- s.share
	out <- s.sequence
	out <- s.ejected
	out <- s.queue
}

// Collect implements prometheus.Collector.
func (s *servedMetrics) Collect(out chan<- prometheus.Metric) {
	r := s.route.Load()
	if r == nil {
		return
	}
	out <- prometheus.MustNewConstMetric(s.sequence, prometheus.GaugeValue, float64(r.snapshot.Sequence))
	for i := range r.versions {
		v := &r.versions[i]
		out <- prometheus.MustNewConstMetric(s.queue, prometheus.GaugeValue, float64(v.health.places.waiting()), r.experiment, v.name)
		if i == baseline {
			continue
		}
		ejected := 0.0
		if v.health.ejected() {
			ejected = 1
		}
		out <- prometheus.MustNewConstMetric(s.ejected, prometheus.GaugeValue, ejected, r.experiment, v.name)
	}
	for t := range r.tables {
		for i := range r.versions {
			out <- prometheus.MustNewConstMetric(s.share, prometheus.GaugeValue, r.tables[t].shares[i].Fraction(), r.experiment, r.versions[i].name, r.tables[t].slice)
		}
	}
}

var _ prometheus.Collector = (*servedMetrics)(nil)
