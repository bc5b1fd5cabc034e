// SPDX-License-Identifier: Apache-2.0

package load

import (
	"math"
	"runtime/metrics"
)

// busyAfter is how long 1 % of ready work may wait for a processor, in
// seconds, and busyShare what part of requests may be behind, before latencies
// are blamed on this machine.
const (
	busyAfter = 0.005
	busyShare = 0.01
)

// waits is how long goroutines that could run waited for a processor, as the
// Go runtime counts it.
type waits struct{ counts, edges []float64 }

// readWaits reads the histogram of now.
func readWaits() waits {
	s := []metrics.Sample{{Name: "/sched/latencies:seconds"}}
	metrics.Read(s)
	if s[0].Value.Kind() != metrics.KindFloat64Histogram {
		return waits{}
	}
	h := s[0].Value.Float64Histogram()
	w := waits{counts: make([]float64, len(h.Counts)), edges: h.Buckets}
	for i, n := range h.Counts {
		w.counts[i] = float64(n)
	}
	return w
}

// quantile of the waits since before, as the upper edge of its bucket; 0 where
// there were none.
func (w waits) quantile(q float64, before waits) float64 {
	total := 0.0
	since := make([]float64, len(w.counts))
	for i, n := range w.counts {
		since[i] = n
		if i < len(before.counts) {
			since[i] -= before.counts[i]
		}
		total += since[i]
	}
	seen := 0.0
	for i, n := range since {
		if seen += n; n > 0 && seen >= q*total {
			if high := w.edges[i+1]; !math.IsInf(high, 0) {
				return high
			}
			return w.edges[i]
		}
	}
	return 0
}

// judge fills in whether this machine kept up.
func (m *Machine) judge(r *Report, start waits) {
	m.SchedulingP99 = readWaits().quantile(0.99, start)
	m.Busy = m.SchedulingP99 > busyAfter || float64(r.Behind) > busyShare*float64(r.Sent)
}
