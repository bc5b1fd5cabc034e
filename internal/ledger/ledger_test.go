// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/headgate-dev/headgate/internal/experiment"
)

var t0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func testKey(tb testing.TB) *experiment.Key {
	tb.Helper()
	key, err := experiment.NewKey(bytes.Repeat([]byte{7}, experiment.KeySize))
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

func testPlan() *experiment.Plan {
	return &experiment.Plan{
		Namespace: "search", Name: "ranker",
		Versions: []experiment.Version{{Name: "v1"}, {Name: "v2"}},
		Metrics: []experiment.Metric{
			{Name: "revenue", Outcomes: &experiment.OutcomesMetric{Event: "purchase", Window: 3 * time.Minute}},
			{Name: "error-rate", Builtin: &experiment.BuiltinMetric{Kind: experiment.ErrorRate}},
			{Name: "refund", Outcomes: &experiment.OutcomesMetric{Event: "refund", Per: "purchase", Window: 5 * time.Minute}},
		},
		Window: time.Minute, Lag: 10 * time.Second,
	}
}

// clock is a time that tests set.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = t
}

const quick = 100 * time.Microsecond

func open(tb testing.TB, path string, o Options) *Ledger {
	tb.Helper()
	o.Key = testKey(tb)
	if o.Commit == 0 {
		o.Commit = quick
	}
	l, err := openAt(context.Background(), path, o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := l.Close(); err != nil {
			tb.Error(err)
		}
	})
	if err := l.Register(testPlan()); err != nil {
		tb.Fatal(err)
	}
	return l
}

func newLedger(tb testing.TB, o Options) (*Ledger, *clock) {
	tb.Helper()
	c := &clock{now: t0}
	if o.Now == nil {
		o.Now = c.Now
	}
	return open(tb, where(tb), o), c
}

func exposure(unit string, version int, at time.Time) experiment.Exposure {
	key, err := experiment.NewKey(bytes.Repeat([]byte{7}, experiment.KeySize))
	if err != nil {
		panic(err)
	}
	return experiment.Exposure{
		Experiment: "search/ranker", Epoch: 1, Phase: 1, Version: version, Propensity: 5000,
		Window: int64(at.Sub(t0) / time.Minute), Unit: key.HashUnit(unit), At: at,
	}
}

func mustRecord(tb testing.TB, l *Ledger, outcomes ...experiment.UnitOutcome) experiment.Receipt {
	tb.Helper()
	r, err := l.Record(tb.Context(), "search/ranker", outcomes)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

func mustSeal(tb testing.TB, l *Ledger, s experiment.Source, from int64, now time.Time) experiment.Seal {
	tb.Helper()
	seal, err := l.Seal(tb.Context(), s, "search/ranker", 1, 1, t0, from, now)
	if err != nil {
		tb.Fatal(err)
	}
	return seal
}

// query reads one number from the file, on the writer's connection.
func query(tb testing.TB, l *Ledger, q string, args ...any) (n int64) {
	tb.Helper()
	err := l.do(tb.Context(), &job{solo: true, run: func(w *writer) error {
		_, err := w.one(statement(q), args, &n)
		return err
	}})
	if err != nil {
		tb.Fatal(err)
	}
	return n
}

func wantReceipt(tb testing.TB, got, want experiment.Receipt) {
	tb.Helper()
	if got != want {
		tb.Errorf("receipt = %+v, want %+v", got, want)
	}
}

func TestOutcomesJoin(t *testing.T) {
	eachStore(t, func(t *testing.T) {
		l, c := newLedger(t, Options{})
		for _, e := range []experiment.Exposure{exposure("a", 0, t0), exposure("b", 1, t0), exposure("c", 1, t0.Add(time.Second))} {
			if !l.Expose(e, 0) {
				t.Fatal("exposure was dropped")
			}
		}
		c.set(t0.Add(time.Minute))
		wantReceipt(t, mustRecord(t, l,
			experiment.UnitOutcome{Unit: "a", Event: "purchase", Value: 5},
			experiment.UnitOutcome{Unit: "a", Event: "purchase", Value: 2, At: t0.Add(4 * time.Minute)}, // too late for revenue
			experiment.UnitOutcome{Unit: "b", Event: "refund", Value: 1},
			experiment.UnitOutcome{Unit: "b", Event: "purchase", Value: 1},
			experiment.UnitOutcome{Unit: "stranger", Event: "purchase", Value: 1},
			experiment.UnitOutcome{Unit: "a", Event: "purchase", Value: 9, At: t0.Add(-time.Second)}, // before its exposure
			experiment.UnitOutcome{Unit: "a", Event: "click", Value: 1},
		), experiment.Receipt{Accepted: 4, Unmatched: 3})
		if s := l.Stats(); s.Unmatched != 2 || s.Unknown != 1 || s.Accepted != 4 {
			t.Errorf("stats = %+v, want 4 accepted, 2 unmatched, 1 unknown", s)
		}

		now := t0.Add(time.Minute + 10*time.Second)
		seal := mustSeal(t, l, experiment.SourceExposures, 0, now)
		if seal.To != 1 || len(seal.Cells) != 2 || seal.Cells[0].Counts.N != 1 || seal.Cells[1].Counts.N != 2 {
			t.Errorf("exposures = %+v, want one window with 1 and 2 units", seal)
		}
		if seal := mustSeal(t, l, experiment.SourceOutcomes, 0, now); seal.To != 0 {
			t.Errorf("outcomes sealed up to %d before their window has passed", seal.To)
		}
		seal = mustSeal(t, l, experiment.SourceOutcomes, 0, now.Add(5*time.Minute))
		type cell struct {
			Version int
			Metric  string
			N       int64
			Y, X    float64
		}
		var got []cell
		for _, k := range seal.Cells {
			n := float64(k.Units.N)
			got = append(got, cell{k.Version, k.Metric, k.Units.N, k.Units.MeanY * n, k.Units.MeanX * n})
		}
		want := []cell{{0, "refund", 1, 0, 2}, {0, "revenue", 1, 5, 1}, {1, "refund", 2, 1, 1}, {1, "revenue", 2, 1, 2}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("cells (-want +got):\n%s", diff)
		}
	})
}

func TestOutcomeWindowsIncludeTheirEnds(t *testing.T) {
	eachStore(t, func(t *testing.T) {
		l, _ := newLedger(t, Options{})
		e := exposure("a", 0, t0)
		at := func(d time.Duration, value float64) experiment.UnitOutcome {
			return experiment.UnitOutcome{Token: l.options.Key.Seal(&e), Event: "purchase", Value: value, At: t0.Add(d)}
		}
		mustRecord(t, l, at(-time.Millisecond, 1), at(0, 10), at(3*time.Minute, 100), at(3*time.Minute+time.Millisecond, 1000))
		cells := mustSeal(t, l, experiment.SourceOutcomes, 0, t0.Add(time.Hour)).Cells
		if len(cells) != 2 || cells[1].Metric != "revenue" || cells[1].Units.MeanY != 110 {
			t.Errorf("cells = %+v, want revenue 110: both ends, nothing beyond", cells)
		}
	})
}

func TestCellsDoNotDependOnTheOrderOfArrival(t *testing.T) {
	eachStore(t, func(t *testing.T) {
		// Added in turn these sum to 0, 1 or 2 in floating point.
		values := []float64{1e16, 1, 1, -1e16}
		var first []experiment.Cell
		for _, order := range [][]int{{0, 1, 2, 3}, {3, 2, 1, 0}, {1, 0, 3, 2}, {2, 3, 0, 1}, {0, 3, 1, 2}} {
			l, _ := newLedger(t, Options{})
			e := exposure("a", 0, t0)
			for _, i := range order {
				mustRecord(t, l, experiment.UnitOutcome{Token: l.options.Key.Seal(&e), Event: "purchase", Value: values[i], At: t0.Add(time.Duration(i) * time.Second)})
			}
			cells := mustSeal(t, l, experiment.SourceOutcomes, 0, t0.Add(time.Hour)).Cells
			if first == nil {
				first = cells
			}
			if diff := cmp.Diff(first, cells); diff != "" {
				t.Errorf("order %v (-first +this):\n%s", order, diff)
			}
		}
	})
}

func TestTokenNeedsNoStoredExposure(t *testing.T) {
	eachStore(t, func(t *testing.T) {
		l, c := newLedger(t, Options{})
		c.set(t0.Add(2 * time.Minute))
		second := exposure("a", 1, t0.Add(70*time.Second))
		wantReceipt(t, mustRecord(t, l, experiment.UnitOutcome{Token: l.options.Key.Seal(&second), Event: "purchase", Value: 3, At: t0.Add(200 * time.Second)}),
			experiment.Receipt{Accepted: 1})
		// The stored exposure was first: the unit belongs to window 0, where the
		// outcome at 200 s is still within revenue's three minutes of 50 s.
		l.Expose(exposure("a", 1, t0.Add(50*time.Second)), 0)
		seal := mustSeal(t, l, experiment.SourceOutcomes, 0, t0.Add(time.Hour))
		if len(seal.Cells) != 2 || seal.Cells[1].Window != 0 || seal.Cells[1].Units.MeanY != 3 {
			t.Errorf("cells = %+v, want revenue 3 in window 0", seal.Cells)
		}
		if n := query(t, l, `SELECT count(*) FROM outcomes`); n != 0 {
			t.Errorf("%d outcomes are kept after sealing", n)
		}
	})
}

func TestMovedUnitsLeaveUnitCells(t *testing.T) {
	eachStore(t, func(t *testing.T) {
		l, _ := newLedger(t, Options{})
		l.Expose(exposure("a", 0, t0), 0)
		l.Expose(exposure("a", 1, t0.Add(time.Second)), 0)
		l.Expose(exposure("b", 0, t0), 0)
		mustRecord(t, l, experiment.UnitOutcome{Unit: "a", Event: "purchase", Value: 1, At: t0.Add(time.Second)})
		n, err := l.Moved(t.Context(), "search/ranker", 1, 1)
		if err != nil || n != 1 {
			t.Errorf("moved = %d, %v; want 1", n, err)
		}
		if s := mustSeal(t, l, experiment.SourceExposures, 0, t0.Add(time.Hour)); len(s.Cells) != 1 || s.Cells[0].Counts.N != 2 {
			t.Errorf("exposures = %+v, want both units by their first version", s.Cells)
		}
		for _, k := range mustSeal(t, l, experiment.SourceOutcomes, 0, t0.Add(time.Hour)).Cells {
			if k.Version != 0 || k.Units.N != 1 {
				t.Errorf("cell %+v holds a moved unit", k)
			}
		}
	})
}

func TestSealedWindowsNeverChange(t *testing.T) {
	eachStore(t, func(t *testing.T) {
		l, c := newLedger(t, Options{})
		l.Expose(exposure("a", 0, t0), 0)
		l.Expose(exposure("b", 0, t0.Add(61*time.Second)), 0)
		now := t0.Add(7*time.Minute + 10*time.Second)
		c.set(now)
		before := mustSeal(t, l, experiment.SourceOutcomes, 0, now)
		if before.To != 2 {
			t.Fatalf("sealed to %d, want 2", before.To)
		}
		e := exposure("new", 1, t0)
		l.Expose(e, 0)
		wantReceipt(t, mustRecord(t, l,
			experiment.UnitOutcome{Unit: "a", Event: "purchase", Value: 1, Key: "k"},
			experiment.UnitOutcome{Unit: "a", Event: "purchase", Value: 1, Key: "k"}, // late outcomes take no key
			experiment.UnitOutcome{Token: l.options.Key.Seal(&e), Event: "purchase", Value: 1},
		), experiment.Receipt{Late: 3})
		if s := l.Stats(); s.LateExposures != 1 || s.Late != 3 {
			t.Errorf("stats = %+v, want 1 late exposure and 3 late outcomes", s)
		}
		if diff := cmp.Diff(before, mustSeal(t, l, experiment.SourceOutcomes, 0, now)); diff != "" {
			t.Errorf("asking again (-first +again):\n%s", diff)
		}
		part := mustSeal(t, l, experiment.SourceOutcomes, 1, now)
		if part.From != 1 || part.To != 2 || len(part.Cells) != 2 || part.Cells[0].Window != 1 {
			t.Errorf("windows from 1 = %+v", part)
		}
	})
}

func TestBadBatchesAreRefusedWhole(t *testing.T) {
	eachStore(t, func(t *testing.T) {
		l, _ := newLedger(t, Options{})
		key := l.options.Key
		token := func(change func(*experiment.Exposure)) string {
			e := exposure("a", 0, t0)
			change(&e)
			return key.Seal(&e)
		}
		keep := func(*experiment.Exposure) {}
		other, err := experiment.NewKey(bytes.Repeat([]byte{8}, experiment.KeySize))
		if err != nil {
			t.Fatal(err)
		}
		forged := exposure("a", 0, t0)
		good := experiment.UnitOutcome{Token: token(keep), Event: "purchase", Value: 1, Key: "good"}
		long := strings.Repeat("x", experiment.MaxOutcomeText+1)
		for name, tc := range map[string]struct {
			bad  experiment.UnitOutcome
			path string
			says string
		}{
			"NaN":                         {experiment.UnitOutcome{Unit: "a", Event: "purchase", Value: math.NaN()}, "value", "NaN"},
			"infinite":                    {experiment.UnitOutcome{Unit: "a", Event: "purchase", Value: math.Inf(-1)}, "value", "-Inf"},
			"beyond sums":                 {experiment.UnitOutcome{Unit: "a", Event: "purchase", Value: 1e200}, "value", "1e+200"},
			"no event":                    {experiment.UnitOutcome{Unit: "a", Value: 1}, "event", "missing"},
			"neither token nor unit":      {experiment.UnitOutcome{Event: "purchase"}, "token", "missing"},
			"both token and unit":         {experiment.UnitOutcome{Token: token(keep), Unit: "a", Event: "purchase"}, "unit", "beside token"},
			"not a token":                 {experiment.UnitOutcome{Token: "hello", Event: "purchase"}, "token", "not one of ours"},
			"forged token":                {experiment.UnitOutcome{Token: other.Seal(&forged), Event: "purchase"}, "token", "signature"},
			"token of another experiment": {experiment.UnitOutcome{Token: token(func(e *experiment.Exposure) { e.Experiment = "other" }), Event: "purchase"}, "token", "another experiment"},
			"expired token":               {experiment.UnitOutcome{Token: token(func(e *experiment.Exposure) { e.At = t0.Add(-24*time.Hour - 6*time.Minute) }), Event: "purchase"}, "token", "expired"},
			"token of tomorrow":           {experiment.UnitOutcome{Token: token(func(e *experiment.Exposure) { e.At = t0.Add(6 * time.Minute) }), Event: "purchase"}, "token", "future"},
			"token of no version":         {experiment.UnitOutcome{Token: token(func(e *experiment.Exposure) { e.Version = 2 }), Event: "purchase"}, "token", "version 2 of 2"},
			"outcome of tomorrow":         {experiment.UnitOutcome{Unit: "a", Event: "purchase", At: t0.Add(6 * time.Minute)}, "time", "future"},
			"long event":                  {experiment.UnitOutcome{Unit: "a", Event: long}, "event", "257 bytes"},
			"long unit":                   {experiment.UnitOutcome{Unit: long, Event: "purchase"}, "unit", "257 bytes"},
			"long key":                    {experiment.UnitOutcome{Unit: "a", Event: "purchase", Key: long}, "key", "257 bytes"},
		} {
			t.Run(name, func(t *testing.T) {
				_, err := l.Record(t.Context(), "search/ranker", []experiment.UnitOutcome{good, tc.bad})
				if experiment.CodeOf(err) != experiment.CodeInvalid || experiment.PathOf(err) != "outcomes[1]."+tc.path || !strings.Contains(err.Error(), tc.says) {
					t.Errorf("error = %v at %q, want one at outcomes[1].%s about %q", err, experiment.PathOf(err), tc.path, tc.says)
				}
				if tc.bad.Token != "" && strings.Contains(err.Error(), tc.bad.Token) {
					t.Errorf("error repeats the token: %v", err)
				}
			})
		}
		t.Run("too many", func(t *testing.T) {
			_, err := l.Record(t.Context(), "search/ranker", make([]experiment.UnitOutcome, experiment.MaxOutcomes+1))
			if experiment.CodeOf(err) != experiment.CodeInvalid || experiment.PathOf(err) != "outcomes" {
				t.Errorf("error = %v", err)
			}
		})
		t.Run("unknown experiment", func(t *testing.T) {
			_, err := l.Record(t.Context(), "other", []experiment.UnitOutcome{good})
			if experiment.CodeOf(err) != experiment.CodeNotFound {
				t.Errorf("error = %v", err)
			}
		})
		if n := query(t, l, `SELECT (SELECT count(*) FROM outcomes) + (SELECT count(*) FROM keys) + (SELECT count(*) FROM exposures)`); n != 0 {
			t.Errorf("refused batches left %d rows", n)
		}
		wantReceipt(t, mustRecord(t, l, good), experiment.Receipt{Accepted: 1})
	})
}

func TestKeysAreRememberedAndForgotten(t *testing.T) {
	eachStore(t, func(t *testing.T) {
		path := where(t)
		c := &clock{now: t0}
		o := experiment.UnitOutcome{Unit: "a", Event: "purchase", Value: 1, Key: "order-1"}
		l := open(t, path, Options{Now: c.Now})
		l.Expose(exposure("a", 0, t0), 0)
		wantReceipt(t, mustRecord(t, l, o, o), experiment.Receipt{Accepted: 1, Duplicates: 1})
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		c.set(t0.Add(24*time.Hour + 5*time.Minute - time.Millisecond))
		l = open(t, path, Options{Now: c.Now})
		wantReceipt(t, mustRecord(t, l, o), experiment.Receipt{Duplicates: 1})
		c.set(t0.Add(24*time.Hour + 5*time.Minute))
		wantReceipt(t, mustRecord(t, l, o), experiment.Receipt{Accepted: 1})
		c.set(t0.Add(48*time.Hour + 10*time.Minute))
		mustRecord(t, l, experiment.UnitOutcome{Unit: "a", Event: "purchase"})
		if n := query(t, l, `SELECT count(*) FROM keys`); n != 0 {
			t.Errorf("%d keys are kept beyond their time", n)
		}
		if onPostgres(t) {
			return
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("file mode = %v, %v; want 0600", info.Mode(), err)
		}
	})
}

func TestExposeNeverBlocks(t *testing.T) {
	eachStore(t, func(t *testing.T) {
		l, _ := newLedger(t, Options{Queue: 3})
		entered, leave := make(chan struct{}), make(chan struct{})
		blocked := make(chan error, 1)
		go func() {
			blocked <- l.do(context.Background(), &job{solo: true, run: func(*writer) error {
				close(entered)
				<-leave
				return nil
			}})
		}()
		<-entered // The writer is busy: nobody takes from the queue.
		for i := range 3 {
			if !l.Expose(exposure(fmt.Sprint(i), 0, t0), 0) {
				t.Fatalf("exposure %d was dropped", i)
			}
		}
		if l.Expose(exposure("x", 0, t0), 0) {
			t.Error("a full queue took an exposure")
		}
		if s := l.Stats(); s.Dropped != 1 || s.Queued != 3 {
			t.Errorf("stats = %+v, want 1 dropped, 3 queued", s)
		}
		close(leave)
		if err := <-blocked; err != nil {
			t.Fatal(err)
		}
		if n := query(t, l, `SELECT count(*) FROM exposures`); n != 3 {
			t.Errorf("%d exposures stored, want 3", n)
		}
		e := exposure("a", 2, t0)
		if l.Expose(e, 0) {
			t.Error("took an exposure to a version that is not")
		}
		e.Experiment = "other"
		if l.Expose(e, 0) {
			t.Error("took an exposure of an unknown experiment")
		}
	})
}

func TestCallersShareCommits(t *testing.T) {
	eachStore(t, func(t *testing.T) {
		l, _ := newLedger(t, Options{Commit: maxCommit})
		l.Expose(exposure("a", 0, t0), 0)
		query(t, l, `SELECT 1`)
		before := l.Stats()
		entered, leave := make(chan struct{}), make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			_ = l.do(context.Background(), &job{solo: true, run: func(*writer) error {
				close(entered)
				<-leave
				return nil
			}})
		})
		<-entered
		const callers = 50
		for range callers {
			wg.Go(func() {
				if _, err := l.Record(t.Context(), "search/ranker", []experiment.UnitOutcome{{Unit: "a", Event: "purchase", Value: 1}}); err != nil {
					t.Error(err)
				}
			})
		}
		for len(l.jobs) < callers {
			select {
			case <-t.Context().Done():
				t.Fatal("callers do not queue")
			default:
				runtime.Gosched()
			}
		}
		close(leave)
		wg.Wait()
		after := l.Stats()
		if calls, commits := after.Calls-before.Calls, after.Commits-before.Commits; calls != callers || commits != 2 {
			t.Errorf("%d calls took %d commits, want %d in 1 and the blocker's own", calls, commits, callers)
		}
		if n := query(t, l, `SELECT count(*) FROM outcomes`); n != callers {
			t.Errorf("%d outcomes stored, want %d", n, callers)
		}
	})
}

func TestPruneForgetsSealedWindowsOnly(t *testing.T) {
	eachStore(t, func(t *testing.T) {
		l, c := newLedger(t, Options{})
		for i := range pruneBatch + 10 {
			l.Expose(exposure(fmt.Sprint(i), i%2, t0), 0)
		}
		l.Expose(exposure("late", 0, t0.Add(5*time.Minute)), 0)
		now := t0.Add(7*time.Minute + 10*time.Second)
		c.set(now)
		mustSeal(t, l, experiment.SourceExposures, 0, now)
		mustSeal(t, l, experiment.SourceOutcomes, 0, now)
		if err := l.Prune(t.Context(), "search/ranker", 1, 1, 100); err != nil {
			t.Fatal(err)
		}
		if n := query(t, l, `SELECT count(*) FROM exposures`); n != 1 {
			t.Errorf("%d units left, want the one whose window is not sealed", n)
		}
		if n := query(t, l, `SELECT count(*) FROM seals WHERE "window" < 2`); n != 0 {
			t.Errorf("%d windows of cells left, want 0", n)
		}
		_, err := l.Seal(t.Context(), experiment.SourceOutcomes, "search/ranker", 1, 1, t0, 0, now)
		if experiment.CodeOf(err) != experiment.CodeNotFound {
			t.Errorf("sealing pruned windows: error = %v, want not found", err)
		}
		back := exposure("0", 0, t0.Add(6*time.Minute))
		wantReceipt(t, mustRecord(t, l,
			experiment.UnitOutcome{Token: l.options.Key.Seal(&back), Event: "purchase", Value: 1},
			experiment.UnitOutcome{Unit: "late", Event: "purchase", Value: 1},
		), experiment.Receipt{Late: 1, Accepted: 1})
	})
}

func TestOpenRefuses(t *testing.T) {
	file := func(t *testing.T) string { return where(t) }
	ours := func(t *testing.T, statement string) string {
		path := file(t)
		l, err := Open(t.Context(), path, Options{Key: testKey(t)})
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		db, err := sql.Open("sqlite", path)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if _, err := db.Exec(statement); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, tc := range map[string]struct {
		path func(*testing.T) string
		code experiment.Code
		says string
	}{
		"a newer schema": {func(t *testing.T) string { return ours(t, "PRAGMA user_version = 99") }, experiment.CodeInvalid, "schema version 99"},
		"another kind":   {func(t *testing.T) string { return ours(t, "PRAGMA application_id = 1") }, experiment.CodeInvalid, "not a Headgate ledger"},
		"no folder":      {func(t *testing.T) string { return filepath.Join(t.TempDir(), "none", "ledger.db") }, experiment.CodeUnavailable, "no such file"},
		"a folder":       {func(t *testing.T) string { return t.TempDir() }, experiment.CodeUnavailable, "not a regular file"},
		"what is no database": {func(t *testing.T) string {
			path := file(t)
			if err := os.WriteFile(path, bytes.Repeat([]byte("no database "), 1000), 0o600); err != nil {
				t.Fatal(err)
			}
			return path
		}, experiment.CodeInvalid, "cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			path := tc.path(t)
			before, _ := os.ReadFile(path)
			_, err := Open(t.Context(), path, Options{Key: testKey(t)})
			if experiment.CodeOf(err) != tc.code || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("error = %v, want %s about %q", err, tc.code, tc.says)
			}
			if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
				t.Error("the file was touched")
			}
		})
	}
	t.Run("options", func(t *testing.T) {
		for _, o := range []Options{{}, {Key: testKey(t), Queue: -1}, {Key: testKey(t), Commit: time.Second}} {
			if _, err := Open(t.Context(), file(t), o); experiment.CodeOf(err) != experiment.CodeInvalid {
				t.Errorf("Open(%+v) = %v, want invalid", o, err)
			}
		}
	})
}

func TestStoreFailure(t *testing.T) {
	eachStore(t, func(t *testing.T) {
		l, _ := newLedger(t, Options{})
		l.Expose(exposure("a", 0, t0), 0)
		query(t, l, `SELECT 1`)
		o := experiment.UnitOutcome{Unit: "a", Event: "purchase", Value: 1, Key: "k"}
		outcomes, exposures := breakTable(t, l, "outcomes"), breakTable(t, l, "exposures")
		_, err := l.Record(t.Context(), "search/ranker", []experiment.UnitOutcome{o})
		if experiment.CodeOf(err) != experiment.CodeUnavailable || experiment.HintOf(err) == "" {
			t.Errorf("error = %v, want unavailable with a hint", err)
		}
		// Exposures wait for the store to come back.
		l.Expose(exposure("b", 0, t0), 0)
		if _, err := l.Seal(t.Context(), experiment.SourceExposures, "search/ranker", 1, 1, t0, 0, t0.Add(time.Hour)); experiment.CodeOf(err) != experiment.CodeUnavailable {
			t.Errorf("sealed without the exposures: %v", err)
		}
		if s := l.Stats(); s.Failures < 2 || s.Accepted != 0 {
			t.Errorf("stats = %+v, want failures and nothing accepted", s)
		}
		exposures()
		outcomes()
		wantReceipt(t, mustRecord(t, l, o), experiment.Receipt{Accepted: 1})
		if n := query(t, l, `SELECT count(*) FROM exposures`); n != 2 {
			t.Errorf("%d exposures stored after the failure, want 2", n)
		}
	})
}

func TestRolledBackWorkIsForgotten(t *testing.T) {
	eachStore(t, func(t *testing.T) {
		l, _ := newLedger(t, Options{})
		// The row of the token's unit is written before the outcome fails.
		repair := breakTable(t, l, "outcomes")
		e := exposure("a", 0, t0)
		o := experiment.UnitOutcome{Token: l.options.Key.Seal(&e), Event: "purchase", Value: 1, Key: "k"}
		if _, err := l.Record(t.Context(), "search/ranker", []experiment.UnitOutcome{o}); experiment.CodeOf(err) != experiment.CodeUnavailable {
			t.Errorf("error = %v, want unavailable", err)
		}
		repair()
		wantReceipt(t, mustRecord(t, l, o), experiment.Receipt{Accepted: 1})
		if n := query(t, l, `SELECT count(*) FROM exposures`); n != 1 {
			t.Errorf("%d units stored, want 1", n)
		}
	})
}

func TestMetrics(t *testing.T) {
	eachStore(t, func(t *testing.T) {
		registry := prometheus.NewPedanticRegistry()
		l, _ := newLedger(t, Options{Registry: registry})
		l.Expose(exposure("a", 0, t0), 0)
		mustRecord(t, l, experiment.UnitOutcome{Unit: "a", Event: "purchase"}, experiment.UnitOutcome{Unit: "a", Event: "click"})
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]float64{}
		for _, f := range families {
			for _, m := range f.GetMetric() {
				name := f.GetName()
				for _, p := range m.GetLabel() {
					name += "/" + p.GetValue()
				}
				got[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
		for name, want := range map[string]float64{"headgate_ledger_calls_total": 1, "headgate_ledger_outcomes_total/accepted": 1, "headgate_ledger_outcomes_total/unknown-event": 1, "headgate_ledger_outcomes_total/late": 0} {
			if v, ok := got[name]; !ok || v != want {
				t.Errorf("%s = %v (%v), want %v", name, v, ok, want)
			}
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if families, err := registry.Gather(); err != nil || len(families) > 0 {
			t.Errorf("a closed ledger leaves %d metrics, %v", len(families), err)
		}
	})
}

func TestClosed(t *testing.T) {
	eachStore(t, func(t *testing.T) {
		l, _ := newLedger(t, Options{})
		l.Expose(exposure("a", 0, t0), 0)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if l.Expose(exposure("b", 0, t0), 0) {
			t.Error("a closed ledger took an exposure")
		}
		_, err := l.Record(t.Context(), "search/ranker", []experiment.UnitOutcome{{Unit: "a", Event: "purchase"}})
		if experiment.CodeOf(err) != experiment.CodeUnavailable {
			t.Errorf("error = %v, want unavailable", err)
		}
		if err := l.Close(); err != nil {
			t.Errorf("closing again: %v", err)
		}
	})
}

func TestContextEnds(t *testing.T) {
	eachStore(t, func(t *testing.T) {
		l, _ := newLedger(t, Options{})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := l.Record(ctx, "search/ranker", []experiment.UnitOutcome{{Unit: "a", Event: "purchase"}})
		if err != nil && experiment.CodeOf(err) != experiment.CodeUnavailable {
			t.Errorf("error = %v, want unavailable", err)
		}
	})
}

func TestRegister(t *testing.T) {
	eachStore(t, func(t *testing.T) {
		l, _ := newLedger(t, Options{})
		if err := l.Register(testPlan()); err != nil {
			t.Errorf("registering the same again: %v", err)
		}
		p := testPlan()
		p.Metrics[0].Outcomes.Window = time.Hour
		if err := l.Register(p); experiment.CodeOf(err) != experiment.CodeConflict {
			t.Errorf("registering otherwise: %v, want conflict", err)
		}
		p = testPlan()
		p.Name, p.Window = "other", 0
		if err := l.Register(p); experiment.CodeOf(err) != experiment.CodeInvalid {
			t.Errorf("registering without a window: %v, want invalid", err)
		}
	})
}
