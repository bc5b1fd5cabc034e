// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/postgres/postgrestest"
)

// server is what tests on PostgreSQL have their databases in.
var server *postgrestest.Server

func TestMain(m *testing.M) {
	if path := os.Getenv(crashFile); path != "" {
		crashChild(path, os.Getenv(crashRound))
	}
	goleak.VerifyTestMain(postgrestest.Main{Tests: m, Server: &server})
}

// eachStore runs a test on every kind of store: f's ledgers are where where says.
func eachStore(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	t.Run("sqlite", f)
	t.Run("postgres", func(t *testing.T) {
		home.url, home.schemas = server.Database(t), 0 // Skipped where there is none.
		defer func() { home.url = "" }()
		f(t)
	})
}

// home is the database of the test that runs, in which each ledger has a schema:
// that is made sooner than a database.
var home struct {
	url     string
	schemas int
}

// where is a place for a ledger on the store that the test runs on: the path of
// a file, or the URL of an empty schema.
func where(tb testing.TB) string {
	tb.Helper()
	switch {
	case onPostgres(tb) && home.url == "":
		return server.Database(tb)
	case onPostgres(tb):
		home.schemas++
		return fmt.Sprintf("%s&schema=ledger_%d", home.url, home.schemas)
	}
	return filepath.Join(tb.TempDir(), "ledger.db")
}

func onPostgres(tb testing.TB) bool { return strings.Contains(tb.Name(), "/postgres") }

// openAt opens a ledger where where says.
func openAt(ctx context.Context, place string, o Options) (*Ledger, error) {
	if strings.HasPrefix(place, "postgres://") {
		return OpenPostgres(ctx, place, o)
	}
	return Open(ctx, place, o)
}

// orderly is a store whose session a test may use between two transactions: what
// it did within one that fails would be undone with that.
type orderly struct {
	store
	session *sync.Mutex
	within  *bool // Of the writer alone.
}

func (s orderly) begin(ctx context.Context, solo bool) (fresh bool, err error) {
	if !*s.within {
		s.session.Lock()
		*s.within = true
	}
	if fresh, err = s.store.begin(ctx, solo); err != nil {
		s.end()
	}
	return fresh, err
}

func (s orderly) commit(ctx context.Context) error {
	err := s.store.commit(ctx)
	if err == nil {
		s.end()
	}
	return err
}

func (s orderly) rollback(ctx context.Context) {
	s.store.rollback(ctx)
	s.end()
}

func (s orderly) end() {
	if *s.within {
		*s.within = false
		s.session.Unlock()
	}
}

// breakTable makes every insert into a table fail, until repair is called.
func breakTable(tb testing.TB, l *Ledger, table string) (repair func()) {
	tb.Helper()
	var s orderly
	if err := l.do(tb.Context(), &job{solo: true, run: func(w *writer) error {
		var broken bool
		if s, broken = w.store.(orderly); !broken {
			s = orderly{w.store, new(sync.Mutex), new(bool)}
			w.store = s
		}
		return nil
	}}); err != nil {
		tb.Fatal(err)
	}
	run := func(file, database string) {
		tb.Helper()
		s.session.Lock() // The writer tries again all the time.
		defer s.session.Unlock()
		var err error
		switch s := s.store.(type) { // Not through the writer, which is to fail.
		case *fileStore:
			_, err = s.conn.ExecContext(tb.Context(), file)
		case *pgStore:
			_, err = s.db.Pool().Exec(tb.Context(), database)
		}
		if err != nil {
			tb.Fatal(err)
		}
	}
	run(`CREATE TEMP TRIGGER fail_`+table+` BEFORE INSERT ON `+table+` BEGIN SELECT RAISE(ABORT, 'no space'); END`,
		`DO $do$ BEGIN
			CREATE OR REPLACE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no space'; END $$;
			CREATE TRIGGER fail_`+table+` BEFORE INSERT ON `+table+` EXECUTE FUNCTION fail();
		END $do$`)
	return func() {
		tb.Helper()
		run(`DROP TRIGGER fail_`+table, `DROP TRIGGER fail_`+table+` ON `+table)
	}
}

func TestWhatNoStoreCanKeepIsRefused(t *testing.T) {
	eachStore(t, func(t *testing.T) {
		l, _ := newShadow(t, nil)
		far := exposure("a", 0, t0)
		far.Epoch = 1 << 40
		if l.Expose(far, 0) {
			t.Error("took an exposure of an epoch beyond all numbers")
		}
		b := experiment.Batch{Gateway: "g\x00", Sequence: 1}
		if _, err := l.Add(t.Context(), &b); experiment.CodeOf(err) != experiment.CodeInvalid {
			t.Errorf("a gateway's name with NUL: %v, want invalid", err)
		}
		// Texts from outside are made to fit: what they belong to counts.
		p, same := pair("a\x00\xff", "a", t0, "cat", "\xff", 1), pair("a\x00\xff", "a", t0, "cat", "\xff", 1)
		q := prediction("a", "r", 1, t0, "c\x00\xfft", .5)
		if !l.Pair(&p) || !l.Pair(&same) || !l.Predict(&q) {
			t.Fatal("dropped")
		}
		long := strings.Repeat("é", experiment.MaxClass/2) + "é" // Cut in the middle where MaxClass is odd.
		wantReceipt(t, mustRecord(t, l,
			experiment.UnitOutcome{Request: "r", Event: "truth", Label: "x" + long[:experiment.MaxClass-1]},
		), experiment.Receipt{Accepted: 1})
		if s := l.Stats(); s.Pairs != 1 || s.DuplicatePairs != 1 || s.Predictions != 1 || s.Failures > 0 {
			t.Errorf("stats = %+v, want a pair, a duplicate and a prediction", s)
		}
	})
}

func TestCommitsAreBounded(t *testing.T) {
	of := func(size int) *job { return &job{size: size} }
	solo := &job{solo: true}
	sizes := func(jobs ...*job) (out [][]int) {
		for _, portion := range portions(jobs) {
			var n []int
			for _, j := range portion {
				n = append(n, j.size)
			}
			out = append(out, n)
		}
		return out
	}
	const half = maxShared / 2
	for name, tc := range map[string]struct{ got, want [][]int }{
		"nothing to do is a commit of exposures": {sizes(solo), [][]int{nil}},
		"what fits goes together":                {sizes(of(half), solo, of(half)), [][]int{{half, half}}},
		"what does not waits for the next":       {sizes(of(half), of(half), of(1), of(2)), [][]int{{half, half}, {1, 2}}},
		"what is too large goes alone":           {sizes(of(3*half), of(1)), [][]int{{3 * half}, {1}}},
	} {
		if diff := cmp.Diff(tc.want, tc.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// tripping counts how often a store is waited for.
type tripping struct {
	store
	trips *int
}

func (s tripping) ask(ctx context.Context, want *wants) (*answers, error) {
	*s.trips++
	return s.store.ask(ctx, want)
}

func (s tripping) query(ctx context.Context, q statement, args ...any) (lines, error) {
	*s.trips++
	return s.store.query(ctx, q, args...)
}

func (s tripping) exec(ctx context.Context, q statement, args ...any) (int64, error) {
	*s.trips++
	return s.store.exec(ctx, q, args...)
}

func (s tripping) insert(ctx context.Context, t *table, values []any) (int64, error) {
	*s.trips++
	return s.store.insert(ctx, t, values)
}

func (s tripping) commit(ctx context.Context) error {
	*s.trips++
	return s.store.commit(ctx)
}

// TestCommitsAskOnceAndWriteOnce is about what a database far away costs.
func TestCommitsAskOnceAndWriteOnce(t *testing.T) {
	eachStore(t, func(t *testing.T) {
		l, c := newShadow(t, nil)
		var outcomes, labels []experiment.UnitOutcome
		for i := range 20 {
			unit := fmt.Sprint(i)
			p := prediction(unit, unit, 1, t0, "cat", .5)
			if !l.Predict(&p) {
				t.Fatal("the prediction was dropped")
			}
			e := exposure(unit, 1, t0)
			outcomes = append(outcomes,
				experiment.UnitOutcome{Token: l.options.Key.Seal(&e), Event: "purchase", Value: 1, Key: "token " + unit},
				experiment.UnitOutcome{Unit: unit, Event: "purchase", Value: 1, Key: "unit " + unit, At: t0.Add(time.Second)})
			labels = append(labels, experiment.UnitOutcome{Request: unit, Event: "truth", Label: "cat", Key: "label " + unit})
		}
		c.set(t0.Add(2 * time.Second))
		mustRecord(t, l, outcomes[:2]...) // What is learnt once: the log of keys, the phase.
		trips := 0
		if err := l.do(t.Context(), &job{solo: true, run: func(w *writer) error {
			w.store = tripping{w.store, &trips}
			return nil
		}}); err != nil {
			t.Fatal(err)
		}
		for name, batch := range map[string][]experiment.UnitOutcome{"outcomes": outcomes[2:], "labels": labels} {
			trips = 0
			wantReceipt(t, mustRecord(t, l, batch...), experiment.Receipt{Accepted: len(batch)})
			if trips > 2 {
				t.Errorf("%s: the store was waited for %d times, want 2", name, trips)
			}
		}
	})
}
