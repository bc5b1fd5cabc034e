// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

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

// breakTable makes every insert into a table fail, until repair is called.
func breakTable(tb testing.TB, l *Ledger, table string) (repair func()) {
	tb.Helper()
	var s store
	if err := l.do(tb.Context(), &job{solo: true, run: func(w *writer) error { s = w.store; return nil }}); err != nil {
		tb.Fatal(err)
	}
	run := func(file, database string) {
		tb.Helper()
		var err error
		switch s := s.(type) { // Not through the writer, which is to fail.
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
