// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// copyResult is what became of one copy.
type copyResult uint8

// The results. Only the first four were sent.
const (
	// copyAnswered: the candidate answered, whatever status.
	copyAnswered copyResult = iota
	// copyFailed: it could not be reached, broke off, or answered what is not
	// HTTP.
	copyFailed
	// copyTimeout: it did not answer whole in time.
	copyTimeout
	// copyFlooded: its answer is longer than what is kept of answers.
	copyFlooded
	// copyTooLarge: the request, or the baseline's answer, is.
	copyTooLarge
	// copyIncomplete: the request did not come whole.
	copyIncomplete
	// copyUnanswered: the baseline's answer did not reach its end.
	copyUnanswered
	// copyUnfit: it is a stream, an upgrade or a copy itself.
	copyUnfit
	// copyOverRate: there were more than the rate allows.
	copyOverRate
	// copyCrowded: too many waited, in number or in bytes.
	copyCrowded
	// copyLate: it waited too long to be sent.
	copyLate
	// copyHanging: the candidate hangs, and it was not the copy to try.
	copyHanging
	// copyUnserved: its route is not served any more.
	copyUnserved
	copyResults
)

// String is the result as metrics name it.
func (r copyResult) String() string {
	return [copyResults]string{
		"answered", "failed", "timeout", "flooded",
		"too_large", "incomplete", "unanswered", "unfit",
		"dropped_rate", "dropped_full", "dropped_late", "dropped_hanging", "dropped_unserved",
	}[r]
}

// sent says that the candidate got the copy and had its time.
func (r copyResult) sent() bool { return r <= copyFlooded }

// pairResult is what became of a copy that was sent, as a pair.
type pairResult uint8

// The results.
const (
	// pairCompared and pairFailed were handed on: compared, or as the copy's
	// failure.
	pairCompared pairResult = iota
	pairFailed
	// pairDropped found no room or time to be compared.
	pairDropped
	// pairUntaken was handed on, and nobody took it.
	pairUntaken
	pairResults
)

// String is the result as metrics name it.
func (r pairResult) String() string {
	return [pairResults]string{"compared", "failed", "dropped", "untaken"}[r]
}

// shadowMetrics are the series of one candidate's copies.
type shadowMetrics struct {
	copies [copyResults]prometheus.Counter
	pairs  [pairResults]prometheus.Counter
}

func newCopyCounts(byVersion []string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "headgate_gateway_copies_total",
		Help: "Copies of requests for a candidate, by what became of them. Sent: answered, failed, timeout, flooded. Not sent: too_large, incomplete or unanswered as far as the baseline goes, unfit (streams, upgrades), dropped_ for the rate, a full queue, a long wait, a candidate that hangs, or a route that is served no more.",
	}, append(byVersion, "result"))
}

func newPairCounts(byVersion []string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "headgate_gateway_pairs_total",
		Help: "Copies that were sent, by what became of their pairs: compared; failed, handed on as the copy's failure; dropped, too many to compare; untaken, handed on but not taken.",
	}, append(byVersion, "result"))
}

// shadow looks up the series of a candidate's copies.
func (m *metrics) shadow(id, version string) (s shadowMetrics) {
	for r := range copyResults {
		s.copies[r] = m.copies.WithLabelValues(id, version, r.String())
	}
	for r := range pairResults {
		s.pairs[r] = m.pairs.WithLabelValues(id, version, r.String())
	}
	return s
}

// mirrorMetrics tell of the mirror that is served at the moment of the scrape.
type mirrorMetrics struct {
	route   *atomic.Pointer[route]
	hanging *prometheus.Desc
}

func newMirrorMetrics(served *atomic.Pointer[route]) *mirrorMetrics {
	return &mirrorMetrics{served, prometheus.NewDesc(
		"headgate_gateway_shadow_hanging",
		"Whether a candidate that is mirrored to hangs, 0 or 1: it answered none of its last copies in time, and is sent one now and then.",
		[]string{"experiment", "version"}, nil,
	)}
}

// Describe implements prometheus.Collector.
func (m *mirrorMetrics) Describe(out chan<- *prometheus.Desc) { out <- m.hanging }

// Collect implements prometheus.Collector.
func (m *mirrorMetrics) Collect(out chan<- prometheus.Metric) {
	r := m.route.Load()
	if r == nil || r.mirror == nil {
		return
	}
	for _, s := range r.mirror.shown {
		hanging := 0.0
		if s.breaker.hangs() {
			hanging = 1
		}
		out <- prometheus.MustNewConstMetric(m.hanging, prometheus.GaugeValue, hanging, r.experiment, s.version.name)
	}
}

var _ prometheus.Collector = (*mirrorMetrics)(nil)
