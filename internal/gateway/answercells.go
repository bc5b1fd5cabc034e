// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// heard is the evidence of one metric of answers: those that were looked at, of
// them those of which nothing could be read, and what the others told.
type heard struct {
	counts stats.Counts
	units  stats.Pair
}

// addReadings records what an answer of the window told: for everybody and for
// its group of every segment at once. It is false if the window is sealed or
// gone.
func (l *phaseLog) addReadings(w *window, version int, groups uint64, readings []reading) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed || w.gone {
		return false
	}
	t := &w.tallies[version]
	if t.heard == nil {
		t.heard = make([]heard, (1+len(l.slices))*len(l.answers))
	}
	for i := range readings {
		r := &readings[i]
		t.heard[r.metric].add(r)
		for s, first := range l.first {
			t.heard[(1+first+groupOf(groups, s))*len(l.answers)+r.metric].add(r)
		}
	}
	return true
}

func (h *heard) add(r *reading) {
	h.counts.N++
	if r.found != findingRead {
		h.counts.X++
		return
	}
	h.units.Add(r.sum, r.count)
}

// appendHeard appends the cells of answers of one version in one slice, row 0
// being everybody.
func (l *phaseLog) appendHeard(cells []experiment.Cell, key experiment.CellKey, t *tally, row int) []experiment.Cell {
	if t.heard == nil {
		return cells
	}
	for i := range l.answers {
		if h := &t.heard[row*len(l.answers)+i]; h.counts.N > 0 {
			key.Metric = l.answers[i].Metric
			cells = append(cells, experiment.Cell{CellKey: key, Evidence: experiment.Evidence{Counts: h.counts, Units: h.units}})
		}
	}
	return cells
}

// busy says that a window may still get evidence: of requests under way, or of
// answers that wait to be looked at, for which nobody waits longer than they
// do. The log's lock is held, so that no request begins meanwhile.
func (w *window) busy(now time.Time) bool {
	switch {
	case w.inFlight.Load() > 0:
		return true
	case w.answers.Load() == 0:
		return false
	case w.asked.IsZero():
		w.asked = now
	}
	return now.Sub(w.asked) < 2*answersWithin
}

// close takes no more readings, because the window is sealed.
func (w *window) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
}

func newAnswerCounts(byVersion []string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "headgate_gateway_answers_total",
		Help: "Answers in the sample of a metric, by what came of looking at them: read; invalid, no JSON or no number; unfit, not said to be JSON; too_large; slow to evaluate; dropped, too many at a time; late, after the window was sealed.",
	}, append(byVersion, "metric", "result"))
}

// answerCounts are the series of one version's answers and one metric.
type answerCounts [findings]prometheus.Counter

// heard looks up the series of a version's answers.
func (m *metrics) heard(id, version string, answers []experiment.Answer) []answerCounts {
	out := make([]answerCounts, len(answers))
	for i := range out {
		for f := range findings {
			out[i][f] = m.answers.WithLabelValues(id, version, answers[i].Metric, f.String())
		}
	}
	return out
}
