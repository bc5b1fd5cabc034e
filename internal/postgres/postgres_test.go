// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"errors"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/postgres/postgrestest"
)

var server *postgrestest.Server

func TestMain(m *testing.M) {
	if at := os.Getenv(ownerOf); at != "" {
		ownUntilKilled(at)
		return
	}
	goleak.VerifyTestMain(postgrestest.Main{Tests: m, Server: &server})
}

func mustOpen(t *testing.T, at string, k Kind) *DB {
	t.Helper()
	d, err := Open(t.Context(), at, k)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

// direct is a session of nobody's.
func direct(t *testing.T, at string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func mustExec(t *testing.T, conn *pgx.Conn, statement string, args ...any) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// with is a URL with other parameters.
func with(t *testing.T, at string, user *url.Userinfo, pairs ...string) string {
	t.Helper()
	u, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	if user != nil {
		u.User = user
	}
	q := u.Query()
	for i := 0; i < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	u.RawQuery = q.Encode()
	return u.String()
}

func wantRefused(t *testing.T, at string, k Kind, code experiment.Code, words ...string) {
	t.Helper()
	d, err := Open(t.Context(), at, k)
	if err == nil {
		d.Close()
		t.Fatal("opened, want a refusal")
	}
	if experiment.CodeOf(err) != code || experiment.HintOf(err) == "" {
		t.Errorf("error = %v (%s, hint %q), want %s with a hint", err, experiment.CodeOf(err), experiment.HintOf(err), code)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("error = %v, want %q in it", err, word)
		}
	}
	wantNoSecret(t, err)
}

func TestMigrationsRunForwardOnce(t *testing.T) {
	at := server.Database(t)
	k := thing()
	first := mustOpen(t, at, k)
	if _, err := first.Pool().Exec(t.Context(), `INSERT INTO things VALUES (7)`); err != nil {
		t.Fatal(err)
	}
	k.Migrations = append(k.Migrations, `ALTER TABLE things ADD COLUMN m int NOT NULL DEFAULT 3; CREATE INDEX ON things (m)`, `UPDATE things SET m = m + n`)
	second := mustOpen(t, at, k)
	mustOpen(t, at, k) // Again: nothing is left to do.
	var sum, version int
	var in string
	if err := second.Pool().QueryRow(t.Context(), `SELECT m, version, current_schema() FROM things, headgate_schema`).Scan(&sum, &version, &in); err != nil {
		t.Fatal(err)
	}
	if sum != 10 || version != 3 || in != "headgate_thing" {
		t.Errorf("m = %d, version = %d in schema %s; want 10, 3 in headgate_thing", sum, version, in)
	}
}

func TestProcessesMigrateOneAtATime(t *testing.T) {
	at := server.Database(t)
	k := thing()
	for range 9 {
		k.Migrations = append(k.Migrations, `INSERT INTO things VALUES (1)`)
	}
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			d, err := Open(t.Context(), at, k)
			if err != nil {
				t.Error(err)
				return
			}
			d.Close()
		})
	}
	wg.Wait()
	var n int
	if err := mustOpen(t, at, k).Pool().QueryRow(t.Context(), `SELECT count(*) FROM things`).Scan(&n); err != nil || n != 9 {
		t.Errorf("%d migrations ran, %v; want each of 9 once", n, err)
	}
}

func TestFailedMigrationLeavesNothing(t *testing.T) {
	at := server.Database(t)
	k := thing()
	k.Migrations = []string{`CREATE TABLE things (n int); SELECT 1/0`}
	wantError(t, at, k, "migrate to schema version 1", "division by zero")
	var exists bool
	if err := direct(t, at).QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'headgate_thing')`).Scan(&exists); err != nil || exists {
		t.Errorf("the schema exists: %t, %v", exists, err)
	}
	mustOpen(t, at, thing())
}

func wantError(t *testing.T, at string, k Kind, words ...string) {
	t.Helper()
	_, err := Open(t.Context(), at, k)
	for _, word := range words {
		if err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("error = %v, want %q in it", err, word)
		}
	}
}

func TestForeignSchemasAreLeftAlone(t *testing.T) {
	at := server.Database(t)
	conn := direct(t, at)
	other := thing()
	other.Name = "other"
	mustOpen(t, with(t, at, nil, "schema", "taken"), other)
	newer := thing()
	newer.Migrations = append(newer.Migrations, `SELECT 1`)
	mustOpen(t, with(t, at, nil, "schema", "newer"), newer)
	mustExec(t, conn, `CREATE SCHEMA somebodys; CREATE TABLE somebodys.cellar (wine int)`)

	wantRefused(t, with(t, at, nil, "schema", "taken"), thing(), experiment.CodeInvalid, "schema taken is a Headgate other, not a thing")
	wantRefused(t, with(t, at, nil, "schema", "newer"), thing(), experiment.CodeInvalid, "schema version 2", "up to 1")
	wantRefused(t, with(t, at, nil, "schema", "somebodys"), thing(), experiment.CodeInvalid, "not by a Headgate thing")
	var objects string
	err := conn.QueryRow(t.Context(), `SELECT string_agg(nspname || '.' || relname, ' ' ORDER BY nspname, relname) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
		WHERE nspname IN ('taken', 'newer', 'somebodys') AND relkind = 'r'`).Scan(&objects)
	if want := "newer.headgate_schema newer.things somebodys.cellar taken.headgate_schema taken.things"; err != nil || objects != want {
		t.Errorf("tables are %s, %v; want %s", objects, err, want)
	}
	// A schema that was made for us and is empty is ours.
	mustExec(t, conn, `CREATE SCHEMA prepared`)
	mustOpen(t, with(t, at, nil, "schema", "prepared"), thing())
}

func TestServerRefuses(t *testing.T) {
	at := server.Database(t)
	if !server.Ours() {
		t.Skip("the server is not ours to make roles on")
	}
	conn := direct(t, at)
	role := "hg_" + strings.ToLower(t.Name())
	mustExec(t, conn, `CREATE ROLE `+role+` LOGIN PASSWORD 'hunter2'`)
	t.Cleanup(func() {
		_, err := conn.Exec(context.Background(), `DROP OWNED BY `+role+`; DROP ROLE `+role)
		if err != nil {
			t.Error(err)
		}
	})
	as := with(t, at, url.UserPassword(role, "hunter2"))
	t.Run("a wrong password is unavailable", func(t *testing.T) {
		wantRefused(t, with(t, at, url.UserPassword(role, "hunter2wrong")), thing(), experiment.CodeUnavailable, "28P01")
	})
	t.Run("a missing database is invalid", func(t *testing.T) {
		u, err := url.Parse(as)
		if err != nil {
			t.Fatal(err)
		}
		u.Path = "/none"
		wantRefused(t, u.String(), thing(), experiment.CodeInvalid, "3D000")
	})
	t.Run("a role without rights is invalid", func(t *testing.T) {
		wantRefused(t, as, thing(), experiment.CodeInvalid, "42501")
	})
	t.Run("an unknown parameter is invalid", func(t *testing.T) {
		wantRefused(t, with(t, as, nil, "shema", "x"), thing(), experiment.CodeInvalid, "shema")
	})
	t.Run("a schema of the role's own is enough", func(t *testing.T) {
		mustExec(t, conn, `CREATE SCHEMA headgate_thing AUTHORIZATION `+role)
		mustOpen(t, as, thing())
	})
}

// TestSessionsKeepTheirPromises gives the role settings that break them.
func TestSessionsKeepTheirPromises(t *testing.T) {
	at := server.Database(t)
	conn := direct(t, at)
	var database string
	if err := conn.QueryRow(t.Context(), `SELECT current_database()`).Scan(&database); err != nil {
		t.Fatal(err)
	}
	for _, setting := range []string{"synchronous_commit = off", "default_transaction_read_only = on", "default_transaction_isolation = 'serializable'"} {
		mustExec(t, conn, `ALTER DATABASE `+pgx.Identifier{database}.Sanitize()+` SET `+setting)
	}
	k := thing()
	k.Exclusive = true
	// Long enough for whatever opening asks, on a busy machine too.
	d := mustOpen(t, with(t, at, nil, "statement_timeout", "5000"), k)
	owner, err := d.Owner(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	pooled, err := d.Pool().Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer pooled.Release()
	var endless sync.WaitGroup
	defer endless.Wait()
	for name, conn := range map[string]*pgx.Conn{"owner": owner, "pool": pooled.Conn()} {
		var commit, isolation, readOnly string
		err := pgx.BeginTxFunc(t.Context(), conn, ReadWrite(), func(tx pgx.Tx) error {
			return tx.QueryRow(t.Context(), `SELECT current_setting('synchronous_commit'), current_setting('transaction_isolation'), current_setting('transaction_read_only')`).Scan(&commit, &isolation, &readOnly)
		})
		if err != nil || commit != "on" || isolation != "read committed" || readOnly != "off" {
			t.Errorf("%s: synchronous_commit %s, isolation %s, read only %s, %v", name, commit, isolation, readOnly, err)
		}
		endless.Go(func() { // Both at once: each takes as long as a statement may.
			if _, err := conn.Exec(t.Context(), `SELECT pg_sleep(60)`); State(err) != queryCanceled {
				t.Errorf("%s: a statement without end: %v", name, err)
			}
		})
	}
}

func TestCallsAfterCloseAreUnavailable(t *testing.T) {
	k := thing()
	k.Exclusive = true
	at := server.Database(t)
	d, err := Open(t.Context(), at, k)
	if err != nil {
		t.Fatal(err)
	}
	d.Close()
	if _, err := d.Owner(t.Context()); experiment.CodeOf(err) != experiment.CodeUnavailable {
		t.Errorf("owner: %v, want unavailable", err)
	}
	_, err = d.Pool().Exec(t.Context(), `SELECT 1`)
	if err = Unavailable("ask", err); experiment.CodeOf(err) != experiment.CodeUnavailable {
		t.Errorf("pool: %v, want unavailable", err)
	}
	shared := mustOpen(t, with(t, at, nil, "schema", "shared"), thing())
	if _, err := shared.Owner(t.Context()); experiment.CodeOf(err) != experiment.CodeInternal {
		t.Errorf("owner of what nobody owns: %v", err)
	}
}

func TestContextEndsOpening(t *testing.T) {
	at := server.Database(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Open(ctx, at, thing())
	if experiment.CodeOf(err) != experiment.CodeUnavailable || !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want unavailable for the context's end", err)
	}
	// Another migration that does not end is waited for no longer than that.
	conn := direct(t, at)
	mustExec(t, conn, `SELECT pg_advisory_lock($1)`, lockKey("migrate", "headgate_thing"))
	ctx, cancel = context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err = Open(ctx, at, thing())
	if experiment.CodeOf(err) != experiment.CodeUnavailable || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error = %v, want unavailable for the deadline", err)
	}
}
