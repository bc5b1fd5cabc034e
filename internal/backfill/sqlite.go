// SPDX-License-Identifier: Apache-2.0

package backfill

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/sqlitefile" // And with it the driver.
)

// sqliteCursor is a query in an SQLite file that is opened for reading only.
type sqliteCursor struct {
	db    *sql.DB
	rows  *sql.Rows
	stop  context.CancelFunc
	limit Query
	names []string
	ended bool
}

func openSQLite(life, opening context.Context, q Query, args []any) (cursor, error) {
	path, err := sqlitePath(q.Database)
	if err != nil {
		return nil, err
	}
	at := url.URL{Scheme: "file", Path: path, RawQuery: url.Values{
		"mode": {"ro"}, "_pragma": {"query_only(1)", "busy_timeout(5000)"}, "_dqs": {"0"},
	}.Encode()}
	db, err := sql.Open("sqlite", at.String())
	if err != nil {
		return nil, experiment.Errorf(experiment.CodeUnavailable, "open the database: %w", err)
	}
	db.SetMaxOpenConns(1)
	c := &sqliteCursor{db: db, limit: q}
	if err := c.open(life, opening, args); err != nil {
		err = c.explain(opening, err)
		closeCursor(life, c)
		return nil, err
	}
	return c, nil
}

// sqlitePath is the file that sqlite:PATH, file:PATH or file:///PATH names.
func sqlitePath(database string) (string, error) {
	path, ok := strings.CutPrefix(database, "sqlite:")
	if !ok {
		path, ok = strings.CutPrefix(database, "file:")
	}
	path = strings.TrimPrefix(path, "//")
	switch {
	case !ok:
		return "", invalid("want postgres://user@host/database, or sqlite:PATH", "--database: begins with neither postgres://, sqlite: nor file: (it may hold a password and is not repeated)")
	case strings.Contains(path, "?"):
		return "", invalid("name the file alone: it is opened for reading", "--database: parameters of SQLite files are not taken")
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", experiment.Errorf(experiment.CodeUnavailable, "--database: %w", err).WithHint("name an SQLite file that exists")
	}
	if !info.Mode().IsRegular() {
		return "", invalid("name an SQLite file", "--database: %s is no file", path)
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", invalid("", "--database: %w", err)
	}
	return abs, nil
}

// open asks twice: first for the names of the columns, then for their plain
// values. The plus before a name keeps the driver from making times of texts: they
// go into $1 again as they are, because SQLite compares them as texts.
func (c *sqliteCursor) open(life, opening context.Context, args []any) error {
	// The brackets leave no room for a second statement.
	inner := " FROM (\n" + c.limit.SQL + "\n)"
	names, err := c.db.QueryContext(opening, "SELECT *"+inner+" LIMIT 0", args...)
	if err != nil {
		return err
	}
	c.names, err = names.Columns()
	if err = errors.Join(err, names.Close(), names.Err()); err != nil {
		return err
	}
	plain := make([]string, len(c.names))
	for i, n := range c.names {
		quoted := `"` + strings.ReplaceAll(n, `"`, `""`) + `"`
		plain[i] = "+" + quoted + " AS " + quoted
	}
	life, c.stop = context.WithCancel(life)
	defer context.AfterFunc(opening, c.stop)()
	c.rows, err = c.db.QueryContext(life, "SELECT "+strings.Join(plain, ", ")+inner, args...)
	return err
}

func (c *sqliteCursor) columns() []string { return c.names }

func (c *sqliteCursor) page(ctx context.Context, take func([]any)) error {
	if c.ended {
		return nil
	}
	defer context.AfterFunc(ctx, c.stop)()
	n, err := scanPage(c.rows, len(c.names), take)
	c.ended = n < pageRows
	if err != nil {
		return c.explain(ctx, err)
	}
	return nil
}

func (c *sqliteCursor) close(context.Context) {
	if c.rows != nil {
		_ = c.rows.Close()
	}
	if c.stop != nil {
		c.stop()
	}
	_ = c.db.Close()
}

func (c *sqliteCursor) explain(ctx context.Context, err error) error {
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return ctx.Err()
	case timedOut(ctx):
		return tooSlow(c.limit.Timeout, err)
	}
	switch sqlitefile.Code(err) {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN:
		return experiment.Errorf(experiment.CodeUnavailable, "query the database: %w", err).
			WithHint("is it in use, and may it be read, with the folder that it is in?")
	}
	return invalid("want one SELECT that only reads, on an SQLite database", "--query: %w", err)
}
