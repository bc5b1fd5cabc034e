// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// administer runs a statement on a session of its own.
func administer(tb testing.TB, url, query string) (said string) {
	tb.Helper()
	conn, err := pgx.Connect(tb.Context(), url)
	if err != nil {
		tb.Fatal(err)
	}
	defer conn.Close(context.Background())
	if err := conn.QueryRow(tb.Context(), query).Scan(&said); err != nil {
		tb.Fatal(err)
	}
	return said
}

func recordCode(tb testing.TB, l *Ledger, o experiment.UnitOutcome) experiment.Code {
	tb.Helper()
	_, err := l.Record(tb.Context(), "search/ranker", []experiment.UnitOutcome{o})
	return experiment.CodeOf(err)
}

func TestPostgresHasOneLedger(t *testing.T) {
	url := server.Database(t)
	now := func() time.Time { return t0 }
	first := open(t, url, Options{Now: now})
	a, b := exposure("a", 0, t0), exposure("b", 0, t0)
	one := experiment.UnitOutcome{Token: first.options.Key.Seal(&a), Event: "purchase", Value: 1, Key: "one"}
	two := experiment.UnitOutcome{Token: first.options.Key.Seal(&b), Event: "purchase", Value: 2, Key: "two"}
	wantReceipt(t, mustRecord(t, first, one), experiment.Receipt{Accepted: 1})
	impatient := url + "&lock_timeout=100"
	if _, err := OpenPostgres(t.Context(), impatient, Options{Key: testKey(t)}); experiment.CodeOf(err) != experiment.CodeUnavailable || !strings.Contains(err.Error(), "in use") {
		t.Fatalf("a second ledger: %v, want that it is in use", err)
	}
	wantReceipt(t, mustRecord(t, first, one), experiment.Receipt{Duplicates: 1})

	// The first one's session ends; the second takes over before it notices.
	administer(t, url, `SELECT count(pg_terminate_backend(l.pid, 30000))::text FROM pg_locks l JOIN pg_database d ON d.oid = l.database
		WHERE l.locktype = 'advisory' AND d.datname = current_database()`)
	second := open(t, impatient, Options{Now: now})
	wantReceipt(t, mustRecord(t, second, one, two), experiment.Receipt{Accepted: 1, Duplicates: 1})
	moved := exposure("a", 1, t0.Add(time.Second))
	second.Expose(moved, 0)
	for range 2 { // The broken session, and somebody else's lock.
		if code := recordCode(t, first, two); code != experiment.CodeUnavailable {
			t.Errorf("the first ledger says %q while the second has the database", code)
		}
	}
	if n, err := second.Moved(t.Context(), "search/ranker", 1, 1); err != nil || n != 1 {
		t.Errorf("moved = %d, %v; want 1", n, err)
	}
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	// It goes on by itself, and knows what the second has done.
	wantReceipt(t, mustRecord(t, first, one, two), experiment.Receipt{Duplicates: 2})
	if n, err := first.Moved(t.Context(), "search/ranker", 1, 1); err != nil || n != 1 {
		t.Errorf("moved = %d, %v; want 1", n, err)
	}
	if n := query(t, first, `SELECT count(*) FROM outcomes`); n != 2 {
		t.Errorf("%d outcomes are stored, want 2", n)
	}
}

// TestServerCrashesUnderLoad crashes the server while outcomes and batches are
// written; whoever was told no tries again.
func TestServerCrashesUnderLoad(t *testing.T) {
	url := server.Database(t)
	if !server.Ours() {
		t.Skip("the server is not ours to crash")
	}
	l := openShadow(t, url, nil, func() time.Time { return t0 })
	e := exposure("unit", 1, t0)
	token := l.options.Key.Seal(&e)
	total := 0
	stop, done := make(chan struct{}), make(chan error, 1)
	progress := make(chan int)
	go func() {
		defer close(progress)
		for n := 0; ; n++ {
			o := experiment.UnitOutcome{Token: token, Event: "purchase", Value: float64(n), Key: fmt.Sprint(n)}
			for {
				r, err := l.Record(context.Background(), "search/ranker", []experiment.UnitOutcome{o})
				if err == nil && r.Accepted+r.Duplicates == 1 {
					break
				}
				if experiment.CodeOf(err) != experiment.CodeUnavailable {
					done <- fmt.Errorf("outcome %d: %+v, %w", n, r, err)
					return
				}
			}
			l.Expose(exposure(fmt.Sprint("crash ", n), 0, t0), 0)
			total = n + 1
			select {
			case progress <- total:
			case <-stop:
				done <- nil
				return
			}
		}
	}()
	wait := func(more int) {
		for range more {
			if _, going := <-progress; !going {
				t.Fatal(<-done)
			}
		}
	}
	for range 2 {
		wait(50)
		if _, err := server.Crash(); err != nil {
			t.Fatal(err)
		}
		// Nobody but this call is sure to come while there is no server.
		if code := recordCode(t, l, experiment.UnitOutcome{Token: token, Event: "purchase", Value: -1, Key: "in vain"}); code != experiment.CodeUnavailable {
			t.Errorf("code %q without a server, want unavailable", code)
		}
		if err := server.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		wait(50)
	}
	close(stop)
	for range progress { // One may have been on its way.
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	query(t, l, `SELECT 1`)
	if n := query(t, l, `SELECT count(*) FROM outcomes`); n != int64(total) {
		t.Errorf("%d outcomes are stored, %d were acknowledged", n, total)
	}
	if n := query(t, l, `SELECT count(*) FROM exposures`); n != int64(total)+1 {
		t.Errorf("%d units are stored of %d", n, total+1)
	}
	if s := l.Stats(); s.Failures == 0 || s.Dropped > 0 {
		t.Errorf("stats = %+v: want failures, and nothing dropped", s)
	}
}

// history records a little of everything, and seals what came first.
func history(tb testing.TB, l *Ledger) {
	tb.Helper()
	random := rand.New(rand.NewPCG(3, 4))
	var batch experiment.Batch
	batch.Gateway, batch.Sequence = "g", 1
	var outcomes []experiment.UnitOutcome
	for i := range 300 {
		unit := fmt.Sprint("unit ", random.IntN(120))
		e := exposure(unit, random.IntN(2), t0.Add(time.Duration(random.IntN(180_000))*time.Millisecond))
		l.Expose(e, random.Uint64N(3)|random.Uint64N(4)<<8)
		at := e.At.Add(time.Duration(random.IntN(200)) * time.Second)
		outcomes = append(outcomes, experiment.UnitOutcome{
			Token: l.options.Key.Seal(&e), At: at, Key: fmt.Sprint("key ", i),
			Event: []string{"purchase", "refund"}[random.IntN(2)], Value: math.Exp(3 * random.NormFloat64()),
		})
		batch.Pairs = append(batch.Pairs, pair(fmt.Sprint("é", i, "\x00\xff"), unit, e.At, "cat", []string{"cat", "dog"}[random.IntN(2)], random.Float64()))
		p := prediction(unit, fmt.Sprint("request ", i), random.IntN(2), e.At, []string{"cat", "dog"}[random.IntN(2)], random.Float64())
		batch.Predictions = append(batch.Predictions, p)
		outcomes = append(outcomes, experiment.UnitOutcome{Request: fmt.Sprint("request ", i), At: at, Event: "truth", Label: []string{"cat", "bird"}[random.IntN(2)]})
	}
	if fresh, err := l.Add(tb.Context(), &batch); err != nil || !fresh {
		tb.Fatal(fresh, err)
	}
	mustRecord(tb, l, outcomes...)
	mustSeal(tb, l, experiment.SourceOutcomes, 0, t0.Add(8*time.Minute))
}

// sealedText is all cells as they are sent.
func sealedText(tb testing.TB, l *Ledger) string {
	tb.Helper()
	var all []experiment.Seal
	for _, s := range []experiment.Source{experiment.SourceExposures, experiment.SourceOutcomes, experiment.SourcePairs} {
		seal := mustSeal(tb, l, s, 0, t0.Add(time.Hour))
		if len(seal.Cells) < 10 {
			tb.Fatalf("%s: only %d cells", s, len(seal.Cells))
		}
		all = append(all, seal)
	}
	text, err := json.MarshalIndent(all, "", " ")
	if err != nil {
		tb.Fatal(err)
	}
	return string(text)
}

func TestStoresGiveTheSameCells(t *testing.T) {
	url := server.Database(t)
	now := func() time.Time { return t0.Add(8 * time.Minute) }
	file := openShadow(t, filepath.Join(t.TempDir(), "ledger.db"), nil, now)
	database := openShadow(t, url, nil, now)
	history(t, file)
	history(t, database)
	if diff := cmp.Diff(strings.Split(sealedText(t, file), "\n"), strings.Split(sealedText(t, database), "\n")); diff != "" {
		t.Errorf("cells (-sqlite +postgres):\n%s", diff)
	}
}

// TestRestoredDatabaseGoesOn dumps a ledger with windows that are open, restores
// it elsewhere, and goes on with both.
func TestRestoredDatabaseGoesOn(t *testing.T) {
	from, to := server.Database(t), server.Database(t)
	now := func() time.Time { return t0.Add(8 * time.Minute) }
	l := openShadow(t, from, nil, now)
	history(t, l)
	dump := filepath.Join(t.TempDir(), "dump")
	for _, program := range [][]string{{"pg_dump", from, "--format=custom", "--file=" + dump}, {"pg_restore", to, "--exit-on-error", "--dbname=" + strings.TrimPrefix(mustParse(t, to).Database, "/"), dump}} {
		cmd, err := server.Program(t.Context(), program[0], program[1], program[2:]...)
		if err != nil {
			t.Skip(err)
		}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", program[0], err, out)
		}
	}
	if info, err := os.Stat(dump); err != nil || info.Size() == 0 {
		t.Fatal("nothing was dumped", err)
	}
	restored := openShadow(t, to, nil, now)
	more := func(l *Ledger) string {
		p := prediction("late", "late", 1, t0.Add(3*time.Minute), "cat", .5)
		if !l.Predict(&p) {
			t.Fatal("the prediction was dropped")
		}
		wantReceipt(t, mustRecord(t, l,
			experiment.UnitOutcome{Request: "late", Event: "truth", Label: "cat", Key: "late"},
			experiment.UnitOutcome{Request: "late", Event: "truth", Label: "cat", Key: "late"},
			experiment.UnitOutcome{Request: "late", Event: "truth", Label: "cat", Key: "key 0"},
		), experiment.Receipt{Accepted: 1, Duplicates: 2})
		return sealedText(t, l)
	}
	if diff := cmp.Diff(strings.Split(more(l), "\n"), strings.Split(more(restored), "\n")); diff != "" {
		t.Errorf("cells (-original +restored):\n%s", diff)
	}
}

func mustParse(tb testing.TB, url string) *pgx.ConnConfig {
	tb.Helper()
	c, err := pgx.ParseConfig(url)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// TestPlansDoNotDependOnStatistics looks at how the server does what every
// commit asks for, in tables that have grown since it last looked.
func TestPlansDoNotDependOnStatistics(t *testing.T) {
	l := openShadow(t, server.Database(t), nil, func() time.Time { return t0 })
	const rows = 50_000
	fill := func(text string) {
		t.Helper()
		if err := l.do(t.Context(), &job{solo: true, run: func(w *writer) error { return w.store.later(w.ctx, statement(text)) }}); err != nil {
			t.Fatal(err)
		}
	}
	for _, table := range []string{"keys", "exposures", "predictions", "pairs", "labels"} {
		fill(`ALTER TABLE ` + table + ` SET (autovacuum_enabled = false)`)
	}
	fill(fmt.Sprintf(`INSERT INTO keys (experiment, hash, expires) SELECT 1, gen_random_uuid(), n FROM generate_series(1, %d) n`, rows))
	fill(fmt.Sprintf(`INSERT INTO exposures (experiment, unit, epoch, phase, "window", version, at, moved, groups)
		SELECT 1, n * 7919, 1, 1, n / 100, 0, n, 0, 0 FROM generate_series(1, %d) n`, rows))
	fill(fmt.Sprintf(`INSERT INTO predictions (experiment, unit, at, request, epoch, phase, "window", version, groups, class)
		SELECT 1, n * 7919, n, n, 1, 1, n / 100, 0, 0, 'cat' FROM generate_series(1, %d) n`, rows))
	fill(fmt.Sprintf(`INSERT INTO pairs (experiment, version, id, epoch, phase, "window", unit, at, groups, failed, compared)
		SELECT 1, 1, n::text, 1, 1, n / 100, n, n, 0, 0, '' FROM generate_series(1, %d) n`, rows))
	units := make([]int64, 1000)
	hashes := make([][16]byte, 1000)
	for i := range units {
		units[i] = int64(i) * 7919
		hashes[i][0] = byte(i)
	}
	s := &pgStore{statements: map[statement]string{}}
	at := t0.UnixMilli()
	type want struct {
		text string
		args []any
		// has must be in the plan: the conditions that an index answers.
		has []string
	}
	wants := map[string]want{
		"rows":               {pgRows, []any{1, 1, 1, units}, []string{"Index Cond: (unit = ANY"}},
		"units":              {pgUnits, []any{1, units}, []string{"Index Cond: (unit = ANY"}},
		"keys":               {pgKeys, []any{1, 0, hashes}, []string{"Index Cond: (hash = ANY"}},
		"expired keys":       {s.text(sqlPurgeKeys), []any{at, purgeBatch}, []string{"Index Cond: (expires <=", "Index Cond: ((hash = "}},
		"by token":           {s.text(sqlByToken), []any{"truth", 1, 7919, 1, 1, 1, 0}, []string{"Index Cond: ((unit = ", "AND (at = "}},
		"by request":         {s.text(sqlByRequest), []any{"truth", 1, 7}, []string{"AND (request = "}},
		"by unit":            {s.text(sqlByUnit), []any{"truth", 1, 7919, at}, []string{"Index Cond: ((unit = ", "AND (at <= "}},
		"share labels":       {s.text(sqlShareLabels), []any{rows - 10}, []string{"using predictions_pkey", "Index Cond: ((unit = ", "using labels_pkey"}},
		"oldest pairs":       {s.text(sqlOldestPairs), []any{1}, []string{"using pairs_by_window"}},
		"oldest predictions": {s.text(sqlOldestPredictions), []any{1}, []string{"using predictions_by_window"}},
		"drop pairs":         {s.text(sqlDropPairs), []any{1, 1, 1, 10, 100}, []string{"using pairs_by_window", "using pairs_pkey"}},
		"drop predictions":   {s.text(sqlDropPredictions), []any{1, 1, 1, 10, 100}, []string{"using predictions_by_window", "using predictions_pkey"}},
		"drop units":         {s.text(sqlPruneRows), []any{1, 1, 1, 10, 100}, []string{"using exposures_by_window", "Index Cond: ((unit = "}},
		"units of a window":  {s.text(sqlJoinOutcomes), []any{1, 1, 1, 0, 10}, []string{"using exposures_by_window", "using outcomes_pkey"}},
		"labels of a window": {s.text(sqlJoinLabels), []any{1, 1, 1, 0, 10}, []string{"using predictions_by_window", "using labels_pkey", "Index Cond: ((unit = "}},
	}
	for _, known := range []string{"no statistics", "statistics"} {
		if known == "statistics" {
			fill(`ANALYZE`)
		}
		for name, q := range wants {
			t.Run(name+" with "+known, func(t *testing.T) {
				plan := explain(t, l, q.text, q.args)
				for _, bad := range []string{"Seq Scan", "Bitmap", "Hash Join", "Hash Semi Join", "Merge", "Join Filter"} {
					if strings.Contains(plan, bad) {
						t.Errorf("%s:\n%.2000s", bad, plan)
					}
				}
				for _, has := range q.has {
					if !strings.Contains(plan, has) {
						t.Errorf("no %s:\n%.2000s", has, plan)
					}
				}
			})
		}
	}
}

// explain is the plan of a statement on the writer's session.
func explain(t *testing.T, l *Ledger, text string, args []any) string {
	t.Helper()
	var plan strings.Builder
	err := l.do(t.Context(), &job{solo: true, run: func(w *writer) error {
		w.store.(*pgStore).statements[statement("EXPLAIN "+text)] = "EXPLAIN " + text
		rows, err := w.store.query(w.ctx, statement("EXPLAIN "+text), args...)
		if err != nil {
			return err
		}
		for rows.Next() {
			var line string
			if err := rows.Scan(&line); err != nil {
				return err
			}
			plan.WriteString(line + "\n")
		}
		return rows.Close()
	}})
	if err != nil {
		t.Fatal(err)
	}
	return plan.String()
}

func TestOpenPostgresRefuses(t *testing.T) {
	key := testKey(t)
	for name, tc := range map[string]struct {
		url  string
		o    Options
		code experiment.Code
	}{
		"no key":           {"postgres://127.0.0.1:1/db", Options{}, experiment.CodeInvalid},
		"another database": {"mysql://u:secret@127.0.0.1/db", Options{Key: key}, experiment.CodeInvalid},
		"a bad schema":     {"postgres://u:secret@127.0.0.1:1/db?schema=Pg-1", Options{Key: key}, experiment.CodeInvalid},
		"nobody listening": {"postgres://u:secret@127.0.0.1:1/db?sslmode=disable", Options{Key: key}, experiment.CodeUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := OpenPostgres(t.Context(), tc.url, tc.o)
			if experiment.CodeOf(err) != tc.code || strings.Contains(fmt.Sprint(err), "secret") {
				t.Errorf("error = %v, want %s without the password", err, tc.code)
			}
		})
	}
}

// TestDatabaseMayBeAwayForLong takes the server down, and brings it back after
// calls were refused; what was exposed meanwhile is not lost.
func TestDatabaseMayBeAwayForLong(t *testing.T) {
	url := server.Database(t)
	if !server.Ours() {
		t.Skip("the server is not ours to crash")
	}
	l := open(t, url, Options{Now: func() time.Time { return t0.Add(time.Minute) }})
	l.Expose(exposure("before", 0, t0), 0)
	query(t, l, `SELECT 1`)
	if _, err := server.Crash(); err != nil {
		t.Fatal(err)
	}
	o := experiment.UnitOutcome{Unit: "meanwhile", Event: "purchase", Value: 1, Key: "k"}
	l.Expose(exposure("meanwhile", 1, t0), 0)
	for range 3 {
		_, err := l.Record(t.Context(), "search/ranker", []experiment.UnitOutcome{o})
		if experiment.CodeOf(err) != experiment.CodeUnavailable || experiment.HintOf(err) == "" {
			t.Errorf("error = %v, want unavailable with a hint", err)
		}
	}
	if _, err := l.Seal(t.Context(), experiment.SourceExposures, "search/ranker", 1, 1, t0, 0, t0.Add(time.Hour)); experiment.CodeOf(err) != experiment.CodeUnavailable {
		t.Errorf("sealed while the database was away: %v", err)
	}
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantReceipt(t, mustRecord(t, l, o, o), experiment.Receipt{Accepted: 1, Duplicates: 1})
	s := mustSeal(t, l, experiment.SourceExposures, 0, t0.Add(time.Hour))
	if a, b := evidence(t, s, 0, 0, experiment.CellExposures, "").Counts.N, evidence(t, s, 0, 1, experiment.CellExposures, "").Counts.N; a != 1 || b != 1 {
		t.Errorf("%d and %d units, want 1 and 1", a, b)
	}
}
