// SPDX-License-Identifier: Apache-2.0

package sql

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/source/remote"
)

// file is an SQLite file that is open for reading.
type file struct {
	path    string
	db      *sql.DB
	conn    *sql.Conn
	timeout time.Duration
}

// openSQLite opens the file. What is not there is not made.
func (s *Source) openSQLite(ctx context.Context) (session, error) {
	f := &file{path: s.options.Provider.SQLite, timeout: s.timeout}
	abs, err := filepath.Abs(f.path)
	if err == nil {
		_, err = os.Stat(abs)
	}
	if err != nil {
		if at, ok := errors.AsType[*fs.PathError](err); ok {
			err = at.Err
		}
		return nil, unavailable("open %s: %w", f.path, err)
	}
	query := url.Values{"mode": {"ro"}, "_dqs": {"0"}, "_busy_timeout": {"1000"}, "_pragma": {"query_only(1)"}}
	u := url.URL{Scheme: "file", Path: abs, RawQuery: query.Encode()}
	if f.db, err = sql.Open("sqlite", u.String()); err != nil {
		return nil, f.failed(ctx, "open", err)
	}
	f.conn, err = f.db.Conn(ctx)
	if err == nil {
		_, err = sqlite.Limit(f.conn, sqlite3.SQLITE_LIMIT_LENGTH, maxRow)
	}
	if err != nil {
		f.close()
		return nil, f.failed(ctx, "open", err)
	}
	return f, nil
}

// query implements session.
func (f *file) query(ctx context.Context, q *query, from, to time.Time, into rows) (err error) {
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	tx, err := f.conn.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return f.failed(ctx, "ask", err)
	}
	defer func() { _ = tx.Rollback() }()
	got, err := tx.QueryContext(ctx, q.text, sql.Named("from", unix(from)), sql.Named("to", unix(to)))
	if err != nil {
		return f.failed(ctx, "ask", err)
	}
	defer func() { _ = got.Close() }()
	names, err := got.Columns()
	if err != nil {
		return f.failed(ctx, "ask", err)
	}
	if err := into.columns(names); err != nil {
		return err
	}
	values, places := make([]any, len(names)), make([]any, len(names))
	for i := range values {
		places[i] = &values[i]
	}
	for got.Next() {
		if err := got.Scan(places...); err != nil {
			return f.failed(ctx, "ask", err)
		}
		if err := into.row(values); err != nil {
			return err
		}
	}
	if err := got.Err(); err != nil {
		return f.failed(ctx, "ask", err)
	}
	return nil
}

// unix is a time in seconds; milliseconds are as fine as windows are cut.
func unix(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

func (f *file) close() {
	if f.conn != nil {
		_ = f.conn.Close()
	}
	_ = f.db.Close()
}

// failed sorts what went wrong: what a person must mend, and what mends itself.
func (f *file) failed(ctx context.Context, doing string, err error) error {
	if late(ctx) {
		return unavailable("%s %s: no answer within %v", doing, f.path, f.timeout)
	}
	code := experiment.CodeInvalid
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		switch e.Code() & 0xff {
		case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOMEM:
			code = experiment.CodeUnavailable
		case sqlite3.SQLITE_TOOBIG:
			return invalid("%s %s: a value is larger than %d MiB", doing, f.path, maxRow>>20)
		}
	}
	return experiment.Errorf(code, "%s %s: %s", doing, f.path, remote.Short(err.Error()))
}
