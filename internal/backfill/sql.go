// SPDX-License-Identifier: Apache-2.0

package backfill

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Query is what is asked of a database.
type Query struct {
	// Database is postgres://… or postgresql://…, or file:PATH or sqlite:PATH.
	Database string
	// SQL is one SELECT. $1 in it is Since.
	SQL string
	// Since is a time, as the database writes it or in RFC 3339; empty for none.
	Since string
	// Timeout bounds the start of the query, and each thousand rows of it.
	Timeout time.Duration
}

const (
	// pageRows is how many rows of a query are in memory.
	pageRows = 1000
	// DefaultQueryTimeout is what a Query has unless it says otherwise.
	DefaultQueryTimeout = 2 * time.Minute
	// grace is how much longer than a server we wait, so that it is the one to
	// say what happened.
	grace = 10 * time.Second
	// goodbye bounds closing.
	goodbye = 5 * time.Second
)

// cursor is a query that is open in a database of one kind.
type cursor interface {
	// columns are known once it is open.
	columns() []string
	// page gives up to pageRows rows, none at the end. It takes each row as it
	// comes, or fails.
	page(ctx context.Context, take func(values []any)) error
	close(ctx context.Context)
}

// sqlRows reads the rows of a query.
type sqlRows struct {
	columns Columns
	cursor  cursor
	// wait bounds the reading of a page.
	wait time.Duration
	*layout
	page  []found
	next  int
	count int64
	ended bool
}

// found is a row, or what is wrong with it.
type found struct {
	row Row
	bad *BadRow
}

// OpenQuery asks a database. Errors are CodeInvalid for what is wrong with the
// query, and CodeUnavailable where the database cannot be reached or says no.
func OpenQuery(ctx context.Context, q Query, c Columns) (Source, error) {
	if q.Timeout == 0 {
		q.Timeout = DefaultQueryTimeout
	}
	args, err := q.arguments()
	if err != nil {
		return nil, err
	}
	open, wait := openSQLite, q.Timeout
	if isPostgres(q.Database) {
		open, wait = openPostgres, q.Timeout+grace
	}
	opening, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	cur, err := open(ctx, opening, q, args)
	if err != nil {
		return nil, err
	}
	l, p := c.lay(cur.columns())
	if p != nil {
		closeCursor(ctx, cur)
		return nil, fatal(p.at("the query"))
	}
	return &sqlRows{columns: c, cursor: cur, wait: wait, layout: l}, nil
}

func isPostgres(database string) bool {
	return strings.HasPrefix(database, "postgres://") || strings.HasPrefix(database, "postgresql://")
}

// arguments checks the query and reads what $1 is.
func (q *Query) arguments() ([]any, error) {
	q.SQL = strings.TrimRight(strings.TrimSpace(q.SQL), "; \t\r\n")
	wants := strings.Contains(q.SQL, "$1")
	switch {
	case q.SQL == "":
		return nil, invalid("want one SELECT, or @FILE with one", "--query: is empty")
	case wants && q.Since == "":
		return nil, invalid("say it with --since, or keep it with --since-file", "--query: has $1, and nothing says what it is")
	case !wants && q.Since != "":
		return nil, invalid("add WHERE … > $1 to the query", "--since: is of no use, because the query has no $1")
	case !wants:
		return nil, nil
	}
	t, err := parseTime(q.Since)
	if err != nil {
		return nil, invalid("write it like 2026-01-31T12:00:00Z", "--since: %s %w", quote(q.Since), err)
	}
	if n, err := strconv.ParseInt(q.Since, 10, 64); err == nil {
		return []any{n}, nil
	}
	if isPostgres(q.Database) {
		return []any{t}, nil
	}
	return []any{q.Since}, nil // SQLite compares texts.
}

// Next reads a row.
func (r *sqlRows) Next(ctx context.Context) (Row, error) {
	if r.next == len(r.page) && !r.ended {
		if err := r.fill(ctx); err != nil {
			return Row{}, err
		}
	}
	if r.next == len(r.page) {
		return Row{}, io.EOF
	}
	f := r.page[r.next]
	r.next++
	if f.bad != nil {
		return Row{}, f.bad
	}
	return f.row, nil
}

func (r *sqlRows) fill(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.wait)
	defer cancel()
	r.page, r.next = r.page[:0], 0
	err := r.cursor.page(ctx, func(values []any) {
		r.count++
		r.page = append(r.page, r.read(values))
	})
	if err != nil {
		r.page = r.page[:0]
		return err
	}
	r.ended = len(r.page) < pageRows
	return nil
}

func (r *sqlRows) read(values []any) found {
	where := fmt.Sprint("row ", r.count)
	var x cells
	for i, fields := range r.fields {
		for _, f := range fields {
			c, p := sqlCell(f, values[i])
			if p != nil {
				p.column = r.columns.column(f)
				return found{bad: p.at(where)}
			}
			x[f] = c
		}
	}
	row, p := r.columns.outcome(&x, &r.has, origin{}, r.count)
	if p != nil {
		return found{bad: p.at(where)}
	}
	row.Where = where
	return found{row: row}
}

// Unused are the columns that were passed over.
func (r *sqlRows) Unused() []string { return r.unused }

// Close ends the query and the session.
func (r *sqlRows) Close() { closeCursor(context.Background(), r.cursor) }

func closeCursor(ctx context.Context, c cursor) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbye)
	defer cancel()
	c.close(ctx)
}

// sqlCell reads a value of a field. Nothing in it belongs to the driver.
func sqlCell(f field, v any) (cell, *problem) {
	switch v := v.(type) {
	case nil:
		return cell{}, nil
	case string:
		return cell{has: v != "", text: strings.Clone(v)}, nil
	case []byte:
		return cell{has: len(v) > 0, text: string(v)}, nil
	case int64:
		return cell{has: true, text: strconv.FormatInt(v, 10)}, nil
	case float64:
		return cell{has: true, text: strconv.FormatFloat(v+0, 'f', -1, 64)}, nil
	case bool:
		if f == value {
			return cell{has: true, text: map[bool]string{true: "1", false: "0"}[v]}, nil
		}
		return cell{has: true, text: strconv.FormatBool(v)}, nil
	case time.Time:
		if f == at {
			return cell{has: true, at: v}, nil
		}
		return cell{has: true, text: v.UTC().Format(time.RFC3339Nano)}, nil
	default:
		return cell{}, &problem{text: fmt.Sprintf("is of a type that is not understood (%T)", v), hint: "cast it in the query"}
	}
}

// scanPage reads the next rows, up to a page.
func scanPage(rows *sql.Rows, width int, take func([]any)) (n int, err error) {
	values, into := make([]any, width), make([]any, width)
	for i := range values {
		into[i] = &values[i]
	}
	for n < pageRows && rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return n, err
		}
		n++
		take(values)
	}
	return n, rows.Err()
}

// tooSlow is the error of a statement that took longer than it may.
func tooSlow(limit time.Duration, err error) error {
	return experiment.Errorf(experiment.CodeUnavailable, "the query took longer than %s: %w", limit, err).
		WithHint("an index on the time column helps; --query-timeout gives it longer")
}

// timedOut says whether a deadline of ours, and nobody's interrupt, ended a call.
func timedOut(ctx context.Context) bool { return errors.Is(ctx.Err(), context.DeadlineExceeded) }
