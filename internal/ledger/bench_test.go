// SPDX-License-Identifier: Apache-2.0

//go:build unix

package ledger

import (
	"errors"
	"fmt"
	"math"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/postgres/postgrestest"
)

// BenchmarkOutcomes is outcomes by token, each with a key, over 10,000 units: of
// many callers with few each, and of few callers with many each; and each of a
// new unit. Beside the pace it tells the processor time of this process, whose
// callers are in it, and of the server's, which other load disturbs less.
func BenchmarkOutcomes(b *testing.B) {
	onEach(b, func(b *testing.B) {
		b.Run("64 callers of 10", func(b *testing.B) { benchmarkOutcomes(b, 64, 10, 10_000) })
		b.Run("16 callers of 200", func(b *testing.B) { benchmarkOutcomes(b, 16, 200, 10_000) })
		b.Run("new units", func(b *testing.B) { benchmarkOutcomes(b, 16, 200, math.MaxInt) })
	})
}

// onEach runs a benchmark on every kind of store, PostgreSQL with a server that
// waits for the disk.
func onEach(b *testing.B, f func(b *testing.B)) {
	b.Run("sqlite", f)
	b.Run("postgres", func(b *testing.B) {
		durable, err := postgrestest.Start(b.Context(), postgrestest.Options{Durable: true})
		if errors.Is(err, postgrestest.ErrNoServer) {
			b.Skip(err)
		}
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() {
			if err := durable.Stop(); err != nil {
				b.Error(err)
			}
		})
		quick := server
		server = durable
		defer func() { server = quick }()
		f(b)
	})
}

func benchmarkOutcomes(b *testing.B, callers, batch, units int) {
	l, c := newLedger(b, Options{Commit: defaultCommit})
	c.set(t0.Add(time.Minute))
	token := func(i int) string {
		e := exposure("", i%2, t0)
		e.Unit = uint64(i) * 0x9E3779B97F4A7C15
		return l.options.Key.Seal(&e)
	}
	var tokens []string
	for i := range min(units, 10_000) {
		tokens = append(tokens, token(i))
	}
	before := l.Stats()
	ours, theirs := ownTime(b), serverTime(b, l)
	b.ResetTimer()
	inParallel(b, callers, func(n int) {
		outcomes := make([]experiment.UnitOutcome, batch)
		for i := range outcomes {
			id := n*batch + i
			text := tokens[id*7919%len(tokens)]
			if units > len(tokens) {
				text = token(id)
			}
			outcomes[i] = experiment.UnitOutcome{Token: text, Event: "purchase", Value: 1, Key: fmt.Sprint(id)}
		}
		if r, err := l.Record(b.Context(), "search/ranker", outcomes); err != nil || r.Accepted != batch {
			b.Errorf("receipt = %+v, %v", r, err)
		}
	})
	b.StopTimer()
	total := float64(b.N * batch)
	b.ReportMetric(total/b.Elapsed().Seconds(), "outcomes/s")
	b.ReportMetric(float64((ownTime(b)-ours).Nanoseconds())/total/1000, "client-us/outcome")
	if onPostgres(b) {
		b.ReportMetric(float64((serverTime(b, l)-theirs).Nanoseconds())/total/1000, "server-us/outcome")
	}
	after := l.Stats()
	b.ReportMetric(float64(b.N)/float64(after.Commits-before.Commits), "calls/commit")
}

// ownTime is the processor time of this process.
func ownTime(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// serverTime is the processor time of the ledger's session at the server, 0
// where this system does not tell.
func serverTime(b *testing.B, l *Ledger) (used time.Duration) {
	b.Helper()
	if !onPostgres(b) {
		return 0
	}
	pid := query(b, l, `SELECT pg_backend_pid()`)
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/schedstat", pid))
	if err != nil {
		return 0
	}
	var ns int64
	if _, err := fmt.Sscan(string(text), &ns); err != nil {
		b.Fatal(err)
	}
	return time.Duration(ns)
}

// inParallel calls f with 1 to b.N, from several goroutines.
func inParallel(b *testing.B, callers int, f func(n int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for {
				n := int(next.Add(1))
				if n > b.N || b.Failed() {
					return
				}
				f(n)
			}
		})
	}
	wg.Wait()
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

// BenchmarkPairs is 16 callers with batches of 100 pairs of 10,000 units, by two
// metrics; BenchmarkLabels one label for each of as many predictions.
func BenchmarkPairs(b *testing.B) {
	const size = 100
	l, _ := newShadow(b, nil)
	b.ResetTimer()
	inParallel(b, 16, func(n int) {
		in := experiment.Batch{Gateway: fmt.Sprint("g", n), Sequence: 1, Pairs: make([]experiment.Pair, size)}
		for i := range in.Pairs {
			in.Pairs[i] = pair(fmt.Sprint(n, "/", i), "", t0, "cat", "dog", 1)
			in.Pairs[i].Unit = uint64((n*size+i)%10_000) * 0x9E3779B97F4A7C15
		}
		if fresh, err := l.Add(b.Context(), &in); err != nil || !fresh {
			b.Errorf("fresh = %t, %v", fresh, err)
		}
	})
	b.ReportMetric(float64(b.N*size)/b.Elapsed().Seconds(), "pairs/s")
}

func BenchmarkLabels(b *testing.B) {
	const size = 100
	l, c := newShadow(b, nil)
	c.set(t0.Add(time.Second))
	for n := range b.N + 1 {
		for i := range size {
			p := prediction(fmt.Sprint(n*size+i), fmt.Sprint(n*size+i), i%2, t0, "cat", .5)
			for !l.Predict(&p) {
				mustFlush(b, l)
			}
		}
	}
	mustFlush(b, l)
	b.ResetTimer()
	inParallel(b, 16, func(n int) {
		labels := make([]experiment.UnitOutcome, size)
		for i := range labels {
			id := fmt.Sprint(n*size + i)
			labels[i] = experiment.UnitOutcome{Request: id, Event: "truth", Label: "cat", Key: id}
		}
		if r, err := l.Record(b.Context(), "search/ranker", labels); err != nil || r.Accepted != size {
			b.Errorf("receipt = %+v, %v", r, err)
		}
	})
	b.ReportMetric(float64(b.N*size)/b.Elapsed().Seconds(), "labels/s")
}
