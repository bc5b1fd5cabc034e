// SPDX-License-Identifier: Apache-2.0

package backfill

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/postgres"
)

// connectTimeout is per host, unless the URL has a connect_timeout.
const connectTimeout = 10 * time.Second

// postgresCursor is a cursor in a transaction that can only read, so that the
// server holds the rows, and no statement lasts as long as the sending does.
type postgresCursor struct {
	db      *sql.DB
	tx      *sql.Tx
	timeout time.Duration
	names   []string
}

// cursorSettings hold for the transaction. They are set in it, and not when the
// session begins, which poolers refuse. It may stand idle while a batch waits
// for Headgate.
const cursorSettings = `SELECT set_config('statement_timeout', $1, true), set_config('lock_timeout', '10000', true),
	set_config('idle_in_transaction_session_timeout', '3600000', true)`

// openPostgres begins the transaction under life, and opens the cursor before
// opening ends.
func openPostgres(life, opening context.Context, q Query, args []any) (cursor, error) {
	config, err := parsePostgres(q.Database)
	if err != nil {
		return nil, err
	}
	c := &postgresCursor{db: stdlib.OpenDB(*config), timeout: q.Timeout}
	if err := c.open(life, opening, q.SQL, args); err != nil {
		err = c.explain(opening, err, true)
		closeCursor(life, c)
		return nil, err
	}
	return c, nil
}

// parsePostgres reads a URL. What the driver says of a bad one may hold any part
// of it, so it is not repeated.
func parsePostgres(url string) (*pgx.ConnConfig, error) {
	config, err := pgx.ParseConfig(url)
	if err == nil {
		if config.ConnectTimeout == 0 {
			config.ConnectTimeout = connectTimeout
		}
		if config.RuntimeParams["application_name"] == "" {
			config.RuntimeParams["application_name"] = "headgate outcomes"
		}
		return config, nil
	}
	if file, ok := errors.AsType[*fs.PathError](err); ok {
		return nil, invalid("", "--database: a file that the URL names: %w", file)
	}
	return nil, invalid("write it like postgres://user@host:5432/database?sslmode=verify-full; a password's special characters are percent-encoded",
		"--database: the URL cannot be read (it may hold a password and is not repeated)")
}

func (c *postgresCursor) open(life, opening context.Context, query string, args []any) error {
	c.db.SetMaxOpenConns(1)
	if err := c.db.PingContext(opening); err != nil {
		return err
	}
	var err error
	if c.tx, err = c.db.BeginTx(life, &sql.TxOptions{ReadOnly: true}); err != nil {
		return err
	}
	limit := strconv.FormatInt(max(c.timeout.Milliseconds(), 1), 10)
	if _, err := c.tx.ExecContext(opening, cursorSettings, limit); err != nil {
		return err
	}
	if _, err := c.tx.ExecContext(opening, "DECLARE headgate_rows NO SCROLL CURSOR FOR "+query, args...); err != nil {
		return err
	}
	rows, err := c.tx.QueryContext(opening, "FETCH 0 FROM headgate_rows")
	if err != nil {
		return err
	}
	c.names, err = rows.Columns()
	return errors.Join(err, rows.Close(), rows.Err())
}

func (c *postgresCursor) columns() []string { return c.names }

func (c *postgresCursor) page(ctx context.Context, take func([]any)) error {
	rows, err := c.tx.QueryContext(ctx, fmt.Sprint("FETCH ", pageRows, " FROM headgate_rows"))
	if err != nil {
		return c.explain(ctx, err, false)
	}
	// One more Next than rows, so that the server's last word is heard.
	_, err = scanPage(rows, len(c.names), take)
	if err = errors.Join(err, rows.Close(), rows.Err()); err != nil {
		return c.explain(ctx, err, false)
	}
	return nil
}

func (c *postgresCursor) close(context.Context) {
	if c.tx != nil {
		_ = c.tx.Rollback() // It only read.
	}
	_ = c.db.Close()
}

// explain gives an error of the server's its class. The classes of SQLSTATE are
// in PostgreSQL's manual, appendix A.
func (c *postgresCursor) explain(ctx context.Context, err error, opening bool) error {
	state := postgres.State(err)
	err = postgres.Unavailable("query the database", err)
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return ctx.Err()
	case state == "57014" || timedOut(ctx):
		return tooSlow(c.timeout, err)
	case state == "25006":
		return invalid("the query may only read", "--query: %w", err)
	case strings.HasPrefix(state, "42") && state != "42501" || strings.HasPrefix(state, "22") || strings.HasPrefix(state, "0A"):
		return invalid("want one SELECT that the server understands; casts such as $1::timestamptz help", "--query: %w", err)
	case strings.HasPrefix(state, "28") || state == "42501" || state == "3D000":
		return experiment.Errorf(experiment.CodeUnavailable, "%w", err).WithHint("check user, password, database and what the role may read")
	case opening && state == "":
		return experiment.Errorf(experiment.CodeUnavailable, "%w", err).WithHint("check that the server runs, and that host and port are right")
	}
	return err
}
