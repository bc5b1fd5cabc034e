// SPDX-License-Identifier: Apache-2.0

package sql

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/outbound"
	"github.com/headgate-dev/headgate/internal/source/remote"
)

// connection is one to PostgreSQL.
type connection struct {
	source *Source
	where  string
	hidden []string
	config *pgx.ConnConfig
	conn   *pgx.Conn
}

// openPostgres connects to the database of the secret's URL.
func (s *Source) openPostgres(ctx context.Context) (session, error) {
	text, err := s.options.Secrets(ctx, *s.options.Provider.Postgres)
	if err != nil {
		return nil, unavailable("read the database's URL: %w", err)
	}
	c, err := s.parse(strings.TrimSpace(text))
	if err != nil {
		return nil, err
	}
	if err := c.connect(ctx); err != nil {
		return nil, err
	}
	return c, nil
}

// parse reads a URL. What the driver says of a bad one may hold any part of it,
// so it is not repeated.
func (s *Source) parse(text string) (*connection, error) {
	const example = "postgres://user:password@host:5432/database?sslmode=verify-full"
	unreadable := invalid("the database's URL cannot be read (it may hold a password and is not repeated)").
		WithHint("write it like %s; a password's special characters are percent-encoded", example)
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return nil, unreadable
	}
	if s.options.Cluster {
		for _, name := range []string{"sslcert", "sslkey", "sslrootcert", "passfile", "service", "servicefile"} {
			if u.Query().Has(name) {
				return nil, invalid("the database's URL names a file by %s, and in a cluster there are none", name)
			}
		}
	}
	config, err := pgx.ParseConfig(text)
	if err != nil {
		return nil, unreadable
	}
	if _, given := u.User.Password(); s.options.Cluster && !given && !u.Query().Has("password") {
		config.Password = "" // That of this process's environment is for others.
	}
	for _, host := range hosts(config) {
		if s.options.Cluster && strings.HasPrefix(host, "/") {
			return nil, invalid("the database's URL names a socket, and in a cluster there are none")
		}
	}
	config.ConnectTimeout = s.timeout
	config.DialFunc = (&net.Dialer{Timeout: s.timeout, Control: outbound.Guard(!s.options.Cluster)}).DialContext
	config.DefaultQueryExecMode = pgx.QueryExecModeDescribeExec // Works with poolers.
	config.BuildFrontend = func(r io.Reader, w io.Writer) *pgproto3.Frontend {
		f := pgproto3.NewFrontend(r, w)
		f.SetMaxBodyLen(maxRow)
		return f
	}
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "headgate"
	}
	where := fmt.Sprintf("%s:%d/%s", config.Host, config.Port, config.Database)
	if strings.HasPrefix(config.Host, "/") {
		where = config.Host + "/" + config.Database
	}
	return &connection{source: s, where: where, hidden: []string{text, config.Password}, config: config}, nil
}

func hosts(c *pgx.ConnConfig) []string {
	out := []string{c.Host}
	for _, f := range c.Fallbacks {
		out = append(out, f.Host)
	}
	return out
}

func (c *connection) connect(ctx context.Context) error {
	conn, err := pgx.ConnectConfig(ctx, c.config)
	if _, long := errors.AsType[*pgproto3.ExceededMaxBodyLenErr](err); long {
		return unavailable("ask %s: what answers there is not PostgreSQL", c.where)
	}
	if err != nil {
		return c.failed(ctx, err)
	}
	c.conn = conn
	return nil
}

// query implements session.
func (c *connection) query(ctx context.Context, q *query, from, to time.Time, into rows) error {
	ctx, cancel := context.WithTimeout(ctx, c.source.timeout)
	defer cancel()
	if c.conn.IsClosed() { // By a query before that was not read to its end.
		if err := c.connect(ctx); err != nil {
			return err
		}
	}
	tx, err := c.conn.BeginTx(ctx, pgx.TxOptions{AccessMode: pgx.ReadOnly})
	if err != nil {
		return c.failed(ctx, err)
	}
	err = c.run(ctx, tx, q, from, to, into)
	if err != nil {
		// What is left of the answer is not waited for: it may be long.
		cancel()
		c.hangUp()
		return err
	}
	if err := tx.Rollback(ctx); err != nil {
		return c.failed(ctx, err)
	}
	return nil
}

func (c *connection) run(ctx context.Context, tx pgx.Tx, q *query, from, to time.Time, into rows) error {
	if _, err := tx.Exec(ctx, fmt.Sprintf("SET LOCAL statement_timeout = %d", max(1, c.source.timeout.Milliseconds()))); err != nil {
		return c.failed(ctx, err)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	got, err := tx.Query(ctx, q.numbered, q.arguments(from, to)...)
	if err != nil {
		return c.failed(ctx, err)
	}
	defer func() {
		stop() // Closing would read the rest.
		got.Close()
	}()
	var names []string
	for _, f := range got.FieldDescriptions() {
		names = append(names, f.Name)
	}
	if len(names) > 0 {
		if err := into.columns(names); err != nil {
			return err
		}
	}
	for got.Next() {
		values, err := got.Values()
		if err != nil {
			return c.failed(ctx, err)
		}
		if err := into.row(values); err != nil {
			return err
		}
	}
	if err := got.Err(); err != nil {
		return c.failed(ctx, err)
	}
	if len(names) == 0 {
		return invalid("ask %s: the query gives no rows to read", c.where).WithHint("it must be a SELECT")
	}
	return nil
}

// hangUp ends the connection without a word.
func (c *connection) hangUp() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = c.conn.Close(ctx)
}

func (c *connection) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = c.conn.Close(ctx)
}

// failed sorts what went wrong: what a person must mend, and what mends itself.
func (c *connection) failed(ctx context.Context, err error) error {
	if e, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		err = e.Unwrap() // It holds the configuration, and that the password.
	}
	code, hint, why := experiment.CodeUnavailable, "", ""
	at, told := errors.AsType[*pgconn.PgError](err)
	long, _ := errors.AsType[*pgproto3.ExceededMaxBodyLenErr](err)
	switch {
	case told:
		code, hint, why = explain(at)
	case long != nil:
		code, why = experiment.CodeInvalid, fmt.Sprintf("a row is larger than %d MiB", maxRow>>20)
	case late(ctx):
		why = fmt.Sprintf("no answer within %v", c.source.timeout)
	case errors.Is(err, outbound.ErrLinkLocal):
		code, why = experiment.CodeInvalid, err.Error()
	default:
		why = err.Error()
	}
	for _, secret := range c.hidden {
		if secret != "" {
			why = strings.ReplaceAll(why, secret, "[secret]")
		}
	}
	e := experiment.Errorf(code, "ask %s: %s", c.where, remote.Short(why))
	if hint != "" {
		return e.WithHint("%s", hint)
	}
	return e
}

// late says whether a call's time is over. Who dials is given the same time, and
// may be the first to notice.
func late(ctx context.Context) bool {
	end, limited := ctx.Deadline()
	return errors.Is(ctx.Err(), context.DeadlineExceeded) || limited && !time.Now().Before(end)
}

// explain sorts what the server says by the class of its code (PostgreSQL's
// manual, appendix A).
func explain(e *pgconn.PgError) (code experiment.Code, hint, why string) {
	class := e.Code[:min(2, len(e.Code))]
	switch {
	case e.Code == "57014":
		return experiment.CodeUnavailable, "make the query quicker, or the provider's timeout longer", "the query took too long"
	case e.Code == "25006":
		return experiment.CodeInvalid, "queries only read", "the query writes"
	case e.Code == "42501", class == "28":
		return experiment.CodeUnauthorized, "check the user, the password and what the role may read", e.Message
	case class == "22", class == "21": // The message may quote a row.
		return experiment.CodeInvalid, "try the query by hand", "the query fails on the data it reads (" + e.Code + ")"
	case class == "42", class == "0A", class == "3D", class == "3F":
		return experiment.CodeInvalid, "try the query by hand", e.Message
	}
	return experiment.CodeUnavailable, "", e.Message
}
