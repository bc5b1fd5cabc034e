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

	unassigned       map[string]prometheus.Counter
	exposuresDropped prometheus.Counter
	late             prometheus.Counter
	windowsDropped   prometheus.Counter
	refused          prometheus.Counter
}

// versionMetrics are the series of one version, looked up once per snapshot.
type versionMetrics struct {
	classes   [6]prometheus.Counter // by the first digit of the status
	seconds   prometheus.Observer
	fallbacks prometheus.Counter
	aborts    prometheus.Counter
}

func newMetrics(registry prometheus.Registerer, served *atomic.Pointer[route]) (*metrics, error) {
	byVersion := []string{"experiment", "version"}
	m := &metrics{
		registry: registry,
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
			Help: "Requests that the baseline answered because no connection to the assigned version could be made.",
		}, byVersion),
		aborts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "headgate_gateway_client_aborts_total",
			Help: "Assigned requests whose client left or broke off before the answer.",
		}, byVersion),
		exposuresDropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "headgate_gateway_exposures_dropped_total", Help: "Exposures that nobody could take in time.",
		}),
		late: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "headgate_gateway_late_requests_total", Help: "Requests that ended after their window was dropped.",
		}),
		windowsDropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "headgate_gateway_windows_dropped_total", Help: "Windows with evidence that were dropped because nobody folded them.",
		}),
		refused: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "headgate_gateway_refused_total", Help: "Requests answered 503 because too many were under way or the gateway was closed.",
		}),
	}
	unassigned := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "headgate_gateway_unassigned_total", Help: "Requests that were not assigned: outside of what the stage is limited to, or by what is wrong with their unit; never evidence.",
	}, []string{"reason"})
	m.unassigned = make(map[string]prometheus.Counter)
	for _, reason := range []string{reasonAbsent, reasonInvalid, reasonBodySize, reasonBody, reasonOutside} {
		m.unassigned[reason] = unassigned.WithLabelValues(reason)
	}
	return m, m.register(
		m.requests, m.seconds, m.fallbacks, m.aborts, unassigned,
		m.exposuresDropped, m.late, m.windowsDropped, m.refused, newServedMetrics(served),
	)
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
		seconds:   m.seconds.WithLabelValues(experiment, version),
		fallbacks: m.fallbacks.WithLabelValues(experiment, version),
		aborts:    m.aborts.WithLabelValues(experiment, version),
	}
	for i, code := range []string{"none", "1xx", "2xx", "3xx", "4xx", "5xx"} {
		v.classes[i] = m.requests.WithLabelValues(experiment, version, code)
	}
	return v
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
}

func newServedMetrics(served *atomic.Pointer[route]) *servedMetrics {
	return &servedMetrics{
		route:    served,
		share:    prometheus.NewDesc("headgate_gateway_share", "Share of a version in the snapshot served, from 0 to 1; by slice where groups have shares of their own.", []string{"experiment", "version", "slice"}, nil),
		sequence: prometheus.NewDesc("headgate_gateway_snapshot_sequence", "Sequence of the snapshot served.", nil, nil),
	}
}

// Describe implements prometheus.Collector.
func (s *servedMetrics) Describe(out chan<- *prometheus.Desc) {
	out <- s.share
	out <- s.sequence
}

// Collect implements prometheus.Collector.
func (s *servedMetrics) Collect(out chan<- prometheus.Metric) {
	r := s.route.Load()
	if r == nil {
		return
	}
	out <- prometheus.MustNewConstMetric(s.sequence, prometheus.GaugeValue, float64(r.snapshot.Sequence))
	for t := range r.tables {
		for i := range r.versions {
			out <- prometheus.MustNewConstMetric(s.share, prometheus.GaugeValue, r.tables[t].shares[i].Fraction(), r.experiment, r.versions[i].name, r.tables[t].slice)
		}
	}
}

var _ prometheus.Collector = (*servedMetrics)(nil)
