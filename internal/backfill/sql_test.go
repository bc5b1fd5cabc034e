// SPDX-License-Identifier: Apache-2.0

package backfill

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// store is a database with a table of decisions, of one kind.
type store struct {
	database string
	exec     func(statement string)
}

// decisions are the rows of a table whose times are of a type that the database
// has.
func (s *store) decisions(from, to int) {
	for i := from; i < to; i++ {
		s.exec(fmt.Sprintf(`INSERT INTO decisions (id, request, label, amount, fraud, decided_at) VALUES ('d%d', 'r%d', 'cat', %d.5, %t, '%s')`,
			i, i, i, i%2 == 0, t0.Add(time.Duration(i)*time.Millisecond).Format("2006-01-02 15:04:05.000")))
	}
}

func newSQLite(t *testing.T, timeType string) *store {
	t.Helper()
	path := filepath.Join(t.TempDir(), "labels.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return newStore(t, db, "sqlite:"+path, timeType)
}

func newPostgres(t *testing.T, timeType string) *store {
	t.Helper()
	at := server.Database(t)
	config, err := parsePostgres(at)
	if err != nil {
		t.Fatal(err)
	}
	config.RuntimeParams["timezone"] = "UTC"
	db := stdlib.OpenDB(*config)
	t.Cleanup(func() { _ = db.Close() })
	return newStore(t, db, at, timeType)
}

func newStore(t *testing.T, db *sql.DB, database, timeType string) *store {
	t.Helper()
	s := &store{database, func(statement string) {
		t.Helper()
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}}
	s.exec(`CREATE TABLE decisions (id text, request text, label text, amount numeric, fraud boolean, decided_at ` + timeType + `)`)
	return s
}

// eachStore runs a test on every kind of database and type of times.
func eachStore(t *testing.T, test func(t *testing.T, s *store)) {
	for _, timeType := range []string{"text", "datetime", "timestamp"} {
		t.Run("sqlite "+timeType, func(t *testing.T) { test(t, newSQLite(t, timeType)) })
	}
	for _, timeType := range []string{"timestamptz", "timestamp"} {
		t.Run("postgres "+timeType, func(t *testing.T) { test(t, newPostgres(t, timeType)) })
	}
}

func ask(ctx context.Context, q Query, c Columns) ([]Row, error) {
	s, err := OpenQuery(ctx, q, c)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	var rows []Row
	for {
		row, err := s.Next(ctx)
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return rows, err
		}
		rows = append(rows, row)
	}
}

const sinceQuery = `SELECT request, label, decided_at AS time, id AS key FROM decisions WHERE decided_at > $1 ORDER BY decided_at, id; `

// TestAQueryGoesOnWhereItEnded: the whole path, twice, with new rows between.
func TestAQueryGoesOnWhereItEnded(t *testing.T) {
	eachStore(t, func(t *testing.T, s *store) {
		s.exec("BEGIN")
		s.decisions(0, 2300)
		s.exec("COMMIT")
		g := newGate(t, 2500)
		since := NewSince(filepath.Join(t.TempDir(), "since"))
		run := func(begin string) Report {
			t.Helper()
			c := Columns{Event: "truth"}
			rows, err := OpenQuery(t.Context(), Query{Database: s.database, SQL: sinceQuery, Since: begin}, c)
			if err != nil {
				t.Fatal(err)
			}
			defer rows.Close()
			r, err := Run(t.Context(), rows, g, Options{Columns: c, Since: since})
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		// Later than the first 100 rows.
		r := run(t0.Add(99 * time.Millisecond).Format("2006-01-02 15:04:05.000"))
		mark, err := since.Read()
		if err != nil || mark == "" || mark != r.Since {
			t.Fatalf("remembered %q, %v; the report says %q", mark, err, r.Since)
		}
		r.Since = ""
		if diff := cmp.Diff(Report{Rows: 2200, Batches: 3, Sent: 2200, Accepted: 2200}, r); diff != "" {
			t.Errorf("first (-want +got):\n%s", diff)
		}
		if got := run(mark); got.Rows != 0 {
			t.Errorf("without new rows %d are sent", got.Rows)
		}
		s.decisions(2300, 2310)
		if got := run(mark); got.Rows != 10 || got.Accepted != 10 {
			t.Errorf("of ten new rows: %+v", got)
		}
	})
}

func TestQueriesGiveWhatTheyFind(t *testing.T) {
	eachStore(t, func(t *testing.T, s *store) {
		s.decisions(0, 2)
		rows, err := ask(t.Context(), Query{Database: s.database, SQL: "SELECT request, fraud AS label, amount AS value, decided_at AS time, 'x' AS note FROM decisions ORDER BY id -- all"}, Columns{Event: "e"})
		if err != nil {
			t.Fatal(err)
		}
		labels := []string{"true", "false"}
		if strings.HasPrefix(s.database, "sqlite:") {
			labels = []string{"1", "0"} // SQLite has no booleans.
		}
		for i, row := range rows {
			o := row.Outcome
			if o.Request != fmt.Sprint("r", i) || o.Label != labels[i] || o.Value != float64(i)+0.5 || !o.At.Equal(t0.Add(time.Duration(i)*time.Millisecond)) || row.Where != fmt.Sprint("row ", i+1) {
				t.Errorf("row %d is %+v", i, row)
			}
		}
		if len(rows) != 2 {
			t.Errorf("%d rows, want 2", len(rows))
		}
		s.exec(`INSERT INTO decisions (request, decided_at) VALUES ('r9', '2026-11-01 12:00:00')`)
		_, err = ask(t.Context(), Query{Database: s.database, SQL: "SELECT request, label FROM decisions ORDER BY request"}, Columns{Event: "e"})
		if b, ok := errors.AsType[*BadRow](err); !ok || b.Error() != "row 3, column label: is empty" {
			t.Errorf("a label that is NULL: %v", err)
		}
	})
}

func TestQueriesOnlyRead(t *testing.T) {
	eachStore(t, func(t *testing.T, s *store) {
		s.decisions(0, 1)
		for _, statement := range []string{
			"DELETE FROM decisions RETURNING request, label",
			"SELECT request, label FROM decisions; DELETE FROM decisions",
			"WITH gone AS (DELETE FROM decisions RETURNING request, label) SELECT * FROM gone",
			"nonsense",
		} {
			_, err := ask(t.Context(), Query{Database: s.database, SQL: statement}, Columns{Event: "e"})
			if experiment.CodeOf(err) != experiment.CodeInvalid || experiment.HintOf(err) == "" || !strings.HasPrefix(err.Error(), "--query: ") {
				t.Errorf("%s: error %v (%s), want a refusal", statement, err, experiment.CodeOf(err))
			}
		}
		rows, err := ask(t.Context(), Query{Database: s.database, SQL: "SELECT request, label FROM decisions"}, Columns{Event: "e"})
		if len(rows) != 1 || err != nil {
			t.Errorf("afterwards there are %d rows, %v", len(rows), err)
		}
	})
}

func TestAFunctionThatWritesIsRefused(t *testing.T) {
	s := newPostgres(t, "timestamptz")
	s.exec(`CREATE FUNCTION sneak() RETURNS text LANGUAGE sql AS $$INSERT INTO decisions (id) VALUES ('x') RETURNING id$$`)
	_, err := ask(t.Context(), Query{Database: s.database, SQL: "SELECT sneak() AS request, 'x' AS label"}, Columns{Event: "e"})
	if experiment.CodeOf(err) != experiment.CodeInvalid || !strings.Contains(err.Error(), "read-only") {
		t.Errorf("error %v, want that the transaction is read-only", err)
	}
}

func TestAQueryThatTakesTooLongIsEnded(t *testing.T) {
	slow := map[string]string{
		"sqlite":   "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT 'r' AS request, 'x' AS label FROM n WHERE i < 0",
		"postgres": "SELECT 'r' AS request, pg_sleep(60)::text AS label",
	}
	for kind, open := range map[string]func(*testing.T, string) *store{"sqlite": newSQLite, "postgres": newPostgres} {
		t.Run(kind, func(t *testing.T) {
			s := open(t, "timestamp")
			q := Query{Database: s.database, SQL: slow[kind], Timeout: 50 * time.Millisecond}
			began := time.Now()
			_, err := ask(t.Context(), q, Columns{Event: "e"})
			if experiment.CodeOf(err) != experiment.CodeUnavailable || !strings.HasPrefix(err.Error(), "the query took longer than") {
				t.Errorf("error %v", err)
			}
			if took := time.Since(began); took > 30*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}

func TestDatabasesThatCannotServeSayWhy(t *testing.T) {
	const secret = "s3cret-word"
	dir := t.TempDir()
	text := filepath.Join(dir, "labels.txt")
	if err := os.WriteFile(text, []byte(strings.Repeat("no database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	const query = "SELECT 'r' AS request, 'x' AS label"
	for name, tc := range map[string]struct {
		q    Query
		code experiment.Code
		want string
	}{
		"no kind that is known":    {Query{Database: "mysql://user:" + secret + "@host/db", SQL: query}, experiment.CodeInvalid, "--database: begins with neither"},
		"a URL that is broken":     {Query{Database: "postgres://user:" + secret + "%zz@host/db", SQL: query}, experiment.CodeInvalid, "--database: the URL cannot be read"},
		"nobody there":             {Query{Database: "postgres://user:" + secret + "@127.0.0.1:1/db", SQL: query}, experiment.CodeUnavailable, "query the database: "},
		"no file":                  {Query{Database: "sqlite:" + filepath.Join(dir, "none.db"), SQL: query}, experiment.CodeUnavailable, "--database: "},
		"a folder":                 {Query{Database: "file://" + dir, SQL: query}, experiment.CodeInvalid, "--database: "},
		"no database":              {Query{Database: "file:" + text, SQL: query}, experiment.CodeInvalid, "--query: file is not a database"},
		"parameters":               {Query{Database: "file:" + text + "?mode=rwc", SQL: query}, experiment.CodeInvalid, "--database: parameters"},
		"no query":                 {Query{Database: "file:" + text, SQL: " ; "}, experiment.CodeInvalid, "--query: is empty"},
		"a since that is missing":  {Query{Database: "file:" + text, SQL: query + " WHERE $1"}, experiment.CodeInvalid, "--query: has $1"},
		"a since of no use":        {Query{Database: "file:" + text, SQL: query, Since: "2026-11-01"}, experiment.CodeInvalid, "--since: is of no use"},
		"a since that is no time":  {Query{Database: "file:" + text, SQL: query + " WHERE $1", Since: "soon"}, experiment.CodeInvalid, `--since: "soon" is not a time`},
		"a certificate not there":  {Query{Database: "postgres://user:" + secret + "@host/db?sslmode=verify-full&sslrootcert=/none.pem", SQL: query}, experiment.CodeInvalid, "--database: "},
		"a word instead of a port": {Query{Database: "postgres://user:" + secret + "@host:" + secret + "/db", SQL: query}, experiment.CodeInvalid, "--database: the URL cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := OpenQuery(t.Context(), tc.q, Columns{Event: "e"})
			if err == nil || experiment.CodeOf(err) != tc.code || !strings.HasPrefix(err.Error(), tc.want) {
				t.Errorf("error %v (%s); want %s (%s)", err, experiment.CodeOf(err), tc.want, tc.code)
			}
			for e := err; e != nil; e = errors.Unwrap(e) {
				if strings.Contains(fmt.Sprintf("%v %+v %#v", e, e, e), secret) {
					t.Errorf("the password is in %#v", e)
				}
			}
		})
	}
}

func TestAWrongPasswordIsNotRepeated(t *testing.T) {
	const secret = "s3cret-word"
	s := newPostgres(t, "timestamptz")
	u, err := url.Parse(s.database)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword("nobody-here", secret)
	_, err = OpenQuery(t.Context(), Query{Database: u.String(), SQL: "SELECT 'r' AS request, 'x' AS label"}, Columns{Event: "e"})
	if experiment.CodeOf(err) != experiment.CodeUnavailable || strings.Contains(err.Error(), secret) || experiment.HintOf(err) == "" {
		t.Errorf("error %v, hint %q", err, experiment.HintOf(err))
	}
}
