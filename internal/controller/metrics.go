// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"

	"github.com/headgate-dev/headgate/api/kube"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// Metrics are the controller's own figures: whether it keeps its promises.
type Metrics struct {
	timeToSafe  prometheus.Histogram
	lateness    prometheus.Histogram
	writes      prometheus.Counter
	drift       prometheus.Counter
	evidenceAge *prometheus.GaugeVec
	recordSize  *prometheus.GaugeVec
	stalled     *prometheus.GaugeVec
	share       *prometheus.GaugeVec
	statuses    prometheus.Counter
	records     prometheus.Counter
}

// NewMetrics registers the metrics.
func NewMetrics(registry prometheus.Registerer) (*Metrics, error) {
	byExperiment := []string{"namespace", "experiment"}
	m := &Metrics{
		timeToSafe: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "headgate_time_to_safe_seconds", Help: "Time from the wish or decision to take all traffic back until the route says so.",
			Buckets: []float64{.01, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300},
		}),
		lateness: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "headgate_tick_lateness_seconds", Help: "How much later than due the rules were asked.",
			Buckets: []float64{.01, .05, .1, .25, .5, 1, 2, 5, 10, 30, 60},
		}),
		writes:      prometheus.NewCounter(prometheus.CounterOpts{Name: "headgate_route_writes_total", Help: "Routes written."}),
		drift:       prometheus.NewCounter(prometheus.CounterOpts{Name: "headgate_route_drift_total", Help: "Turns that found shares which somebody else wrote."}),
		statuses:    prometheus.NewCounter(prometheus.CounterOpts{Name: "headgate_status_writes_total", Help: "Statuses written."}),
		records:     prometheus.NewCounter(prometheus.CounterOpts{Name: "headgate_record_writes_total", Help: "Records written."}),
		evidenceAge: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "headgate_evidence_age_seconds", Help: "Age of the newest evidence of the slowest source, beyond what it must wait for."}, byExperiment),
		recordSize:  prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "headgate_record_size_bytes", Help: "Size of the stored record."}, byExperiment),
		stalled:     prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "headgate_experiment_stalled", Help: "1 where an experiment cannot go on until somebody does something."}, byExperiment),
	}
	m.share = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "headgate_share", Help: "Share of a version, 0 to 1: asked for, and seen as far as it is known.",
	}, []string{"namespace", "experiment", "version", "kind"})
	for _, c := range []prometheus.Collector{m.share, m.timeToSafe, m.lateness, m.writes, m.drift, m.statuses, m.records, m.evidenceAge, m.recordSize, m.stalled} {
		if err := registry.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *Metrics) safe(d time.Duration) { m.timeToSafe.Observe(d.Seconds()) }
func (m *Metrics) wrote()               { m.writes.Inc() }
func (m *Metrics) drifted()             { m.drift.Inc() }
func (m *Metrics) recorded()            { m.records.Inc() }

// late observes how late a turn is. The first of a run was never due.
func (m *Metrics) late(now, due time.Time) {
	if !due.IsZero() {
		m.lateness.Observe(max(0, now.Sub(due).Seconds()))
	}
}

// forget drops the figures of an experiment that is gone.
func (m *Metrics) forget(name types.NamespacedName) {
	of := prometheus.Labels{"namespace": name.Namespace, "experiment": name.Name}
	for _, v := range []*prometheus.GaugeVec{m.evidenceAge, m.recordSize, m.stalled, m.share} {
		v.DeletePartialMatch(of)
	}
}

// turned shows how an experiment stands after a turn.
func (m *Metrics) turned(name types.NamespacedName, stalled bool, versions []kube.VersionStatus) {
	on := 0.
	if stalled {
		on = 1
	}
	m.stalled.WithLabelValues(name.Namespace, name.Name).Set(on)
	for _, v := range versions {
		for kind, text := range map[string]string{"asked": v.Share, "seen": v.Seen} {
			f, err := strconv.ParseFloat(strings.TrimSuffix(text, "%"), 64)
			if err != nil { // Nobody knows any more.
				m.share.DeleteLabelValues(name.Namespace, name.Name, v.Name, kind)
				continue
			}
			m.share.WithLabelValues(name.Namespace, name.Name, v.Name, kind).Set(f / 100)
		}
	}
}

// read shows how old the evidence of the slowest source is, beyond what it must
// wait for.
func (m *Metrics) read(name types.NamespacedName, sources []experiment.SourceHealth, now time.Time) {
	age := time.Duration(-1)
	for _, s := range sources {
		if !s.Newest.IsZero() {
			age = max(age, now.Sub(s.Newest))
		}
	}
	if age >= 0 {
		m.evidenceAge.WithLabelValues(name.Namespace, name.Name).Set(age.Seconds())
	}
}

// Stored shows the size of a record in bytes.
func (m *Metrics) Stored(name types.NamespacedName, bytes int) {
	m.recordSize.WithLabelValues(name.Namespace, name.Name).Set(float64(bytes))
}

// showed counts a status.
func (m *Metrics) showed() { m.statuses.Inc() }
