// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
)

// insertRows is how many rows one statement writes: most of what a row costs is
// the statement around it.
const insertRows = 32

// inserts are rows of one table that wait to be written by few statements. They
// are written before their transaction ends, and before anybody reads the table.
type inserts struct {
	what    string
	columns int
	// many writes insertRows rows, one writes what is left.
	many, one *sql.Stmt
	// args are the rows that wait, one after the other.
	args []any
}

// prepareInserts prepares INSERT INTO into VALUES (…), …, then. Into names the
// table and its columns.
func prepareInserts(ctx context.Context, conn *sql.Conn, what, into, then string) (*inserts, error) {
	in := &inserts{what: what, columns: 1 + strings.Count(into, ",")}
	var err error
	if in.many, err = conn.PrepareContext(ctx, insertSQL(into, in.columns, insertRows, then)); err != nil {
		return in, fmt.Errorf("prepare to write %s: %w", what, err)
	}
	if in.one, err = conn.PrepareContext(ctx, insertSQL(into, in.columns, 1, then)); err != nil {
		return in, fmt.Errorf("prepare to write %s: %w", what, err)
	}
	return in, nil
}

func insertSQL(into string, columns, rows int, then string) string {
	var b strings.Builder
	b.WriteString("INSERT INTO " + into + " VALUES ")
	for i := range rows * columns {
		switch {
		case i == 0:
			b.WriteString("(")
		case i%columns == 0:
			b.WriteString("), (")
		default:
			b.WriteString(", ")
		}
		b.WriteString("?") // Numbered ones cost a search for each.
	}
	b.WriteString(") " + then)
	return b.String()
}

func (in *inserts) add(row ...any) { in.args = append(in.args, row...) }

// waiting is how many rows wait.
func (in *inserts) waiting() int { return len(in.args) / in.columns }

// flush writes what waits and returns how many rows were new.
func (in *inserts) flush(ctx context.Context) (written int64, err error) {
	for args := in.args; len(args) > 0; {
		stmt, n := in.one, in.columns
		if len(args) >= insertRows*in.columns {
			stmt, n = in.many, insertRows*in.columns
		}
		done, err := stmt.ExecContext(ctx, args[:n]...)
		if err != nil {
			return written, fmt.Errorf("write %s: %w", in.what, err)
		}
		rows, err := done.RowsAffected()
		if err != nil {
			return written, fmt.Errorf("write %s: %w", in.what, err)
		}
		written += rows
		args = args[n:]
	}
	in.clear()
	return written, nil
}

// clear forgets what waits.
func (in *inserts) clear() {
	clear(in.args)
	in.args = in.args[:0]
}

// close is harmless where something was not prepared.
func (in *inserts) close() error {
	var errs []error
	for _, stmt := range []*sql.Stmt{in.many, in.one} {
		if stmt != nil {
			errs = append(errs, stmt.Close())
		}
	}
	return errors.Join(errs...)
}
