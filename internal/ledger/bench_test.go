// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// BenchmarkOutcomes is 64 concurrent callers of 10 keyed outcomes by token,
// over 10,000 units.
func BenchmarkOutcomes(b *testing.B) {
	const callers, batch, units = 64, 10, 10_000
	l, c := newLedger(b, Options{Commit: defaultCommit})
	c.set(t0.Add(time.Minute))
	tokens := make([]string, units)
	for i := range tokens {
		e := exposure(fmt.Sprint(i), i%2, t0)
		tokens[i] = l.options.Key.Seal(&e)
	}
	var next atomic.Int64
	before := l.Stats()
	b.ResetTimer()
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for {
				n := int(next.Add(1))
				if n > b.N {
					return
				}
				outcomes := make([]experiment.UnitOutcome, batch)
				for i := range outcomes {
					id := n*batch + i
					outcomes[i] = experiment.UnitOutcome{Token: tokens[id*7919%units], Event: "purchase", Value: 1, Key: fmt.Sprint(id)}
				}
				if r, err := l.Record(b.Context(), "search/ranker", outcomes); err != nil || r.Accepted != batch {
					b.Errorf("receipt = %+v, %v", r, err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N*batch)/b.Elapsed().Seconds(), "outcomes/s")
	after := l.Stats()
	b.ReportMetric(float64(b.N)/float64(after.Commits-before.Commits), "calls/commit")
}

// BenchmarkExposures is how fast exposures reach the file: of new units, and of
// units that come again.
func BenchmarkExposures(b *testing.B) {
	for name, units := range map[string]int{"new units": 1 << 62, "1,000 units": 1000} {
		b.Run(name, func(b *testing.B) {
			l, _ := newLedger(b, Options{})
			e := exposure("", 0, t0)
			n := 0
			for b.Loop() {
				e.Unit = uint64(n%units) * 0x9E3779B97F4A7C15
				for !l.Expose(e, 0) {
					// The queue is full: wait until the writer has emptied it.
					if _, err := l.Moved(b.Context(), "search/ranker", 1, 1); err != nil {
						b.Fatal(err)
					}
				}
				n++
			}
			if _, err := l.Moved(b.Context(), "search/ranker", 1, 1); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "exposures/s")
		})
	}
}

// BenchmarkSeal is one window of 50,000 units with an outcome each, without
// segments and with two.
func BenchmarkSeal(b *testing.B) {
	b.Run("no segments", func(b *testing.B) { benchmarkSeal(b, func() *Ledger { l, _ := newLedger(b, Options{}); return l }) })
	b.Run("two segments", func(b *testing.B) { benchmarkSeal(b, func() *Ledger { return newSegmented(b) }) })
}

func benchmarkSeal(b *testing.B, open func() *Ledger) {
	const units = 50_000
	for b.Loop() {
		b.StopTimer()
		l := open()
		for first := 0; first < units; first += experiment.MaxOutcomes {
			outcomes := make([]experiment.UnitOutcome, experiment.MaxOutcomes)
			for i := range outcomes {
				e := exposure(fmt.Sprint(first+i), i%2, t0)
				outcomes[i] = experiment.UnitOutcome{Token: l.options.Key.Seal(&e), Event: "purchase", Value: 1}
			}
			mustRecord(b, l, outcomes...)
		}
		b.StartTimer()
		mustSeal(b, l, experiment.SourceOutcomes, 0, t0.Add(time.Hour))
	}
}

// BenchmarkMoved is what a step pays to know how many units moved, of 100,000
// units of which a tenth did.
func BenchmarkMoved(b *testing.B) {
	l, _ := newLedger(b, Options{Queue: 1 << 18})
	for i := range 100_000 {
		e := exposure("", 0, t0)
		e.Unit = uint64(i) * 0x9E3779B97F4A7C15
		l.Expose(e, 0)
		if i%10 == 0 {
			e.Version = 1
			l.Expose(e, 0)
		}
	}
	if _, err := l.Moved(b.Context(), "search/ranker", 1, 1); err != nil { // What is queued is written first.
		b.Fatal(err)
	}
	for b.Loop() {
		if n, err := l.Moved(b.Context(), "search/ranker", 1, 1); err != nil || n != 10_000 {
			b.Fatal(n, err)
		}
	}
}
