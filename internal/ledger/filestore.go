// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/sqlitefile"
)

// tuning keeps what statements of many rows would undo, and the pages of one
// commit, in memory: 64 MiB at most. So much may also wait in the log beside the
// file: units are hashes, and pages that are written back seldom are written
// back for many of them.
const tuning = `PRAGMA temp_store = MEMORY; PRAGMA cache_size = -65536; PRAGMA wal_autocheckpoint = 16384`

const (
	// insertRows is how many rows one statement writes: most of what a row costs
	// is the statement around it.
	insertRows = 32
	// keysAtOnce is how many keys one statement looks up.
	keysAtOnce = 16
)

// fileStore is a store in a SQLite file. Nothing of it travels, so it does
// everything at once.
type fileStore struct {
	db       *sql.DB
	conn     *sql.Conn
	prepared map[statement]*sql.Stmt
	// into are the statements of tables: of insertRows rows, and of one.
	into map[string][2]statement
}

// openFile opens a ledger's file, which is held exclusively: horizons and rows
// are cached in memory, and a second writer would make them lie.
func openFile(ctx context.Context, path string) (*fileStore, error) {
	db, err := sqlitefile.Open(ctx, path, kind())
	if err != nil {
		return nil, err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		_ = db.Close() // The first error is the one to tell.
		return nil, experiment.Errorf(experiment.CodeUnavailable, "open ledger %s: %w", path, err)
	}
	s := &fileStore{db: db, conn: conn, prepared: map[statement]*sql.Stmt{}, into: map[string][2]statement{}}
	if _, err := conn.ExecContext(ctx, tuning); err != nil {
		_ = s.close()
		return nil, experiment.Errorf(experiment.CodeUnavailable, "open ledger %s: %w", path, err)
	}
	return s, nil
}

func (s *fileStore) begin(ctx context.Context, _ bool) (fresh bool, err error) {
	return false, s.run(ctx, "BEGIN IMMEDIATE")
}

func (s *fileStore) commit(ctx context.Context) error { return s.run(ctx, "COMMIT") }

// rollback fails harmlessly where SQLite has rolled back by itself.
func (s *fileStore) rollback(ctx context.Context) { _ = s.run(ctx, "ROLLBACK") }

func (s *fileStore) run(ctx context.Context, command string) error {
	if _, err := s.conn.ExecContext(ctx, command); err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	return nil
}

// prepare prepares a statement when it is first used.
func (s *fileStore) prepare(ctx context.Context, q statement) (*sql.Stmt, error) {
	if stmt := s.prepared[q]; stmt != nil {
		return stmt, nil
	}
	stmt, err := s.conn.PrepareContext(ctx, string(q))
	if err != nil {
		return nil, fmt.Errorf("prepare %q: %w", q, err)
	}
	s.prepared[q] = stmt
	return stmt, nil
}

func (s *fileStore) query(ctx context.Context, q statement, args ...any) (lines, error) {
	stmt, err := s.prepare(ctx, q)
	if err != nil {
		return nil, err
	}
	return stmt.QueryContext(ctx, args...)
}

func (s *fileStore) exec(ctx context.Context, q statement, args ...any) (int64, error) {
	stmt, err := s.prepare(ctx, q)
	if err != nil {
		return 0, err
	}
	done, err := stmt.ExecContext(ctx, args...)
	if err != nil {
		return 0, err
	}
	return done.RowsAffected()
}

func (s *fileStore) later(ctx context.Context, q statement, args ...any) error {
	_, err := s.exec(ctx, q, args...)
	return err
}

func (s *fileStore) insertLater(ctx context.Context, t *table, values []any) error {
	_, err := s.insert(ctx, t, values)
	return err
}

func (s *fileStore) insert(ctx context.Context, t *table, values []any) (written int64, err error) {
	into, known := s.into[t.name]
	if !known {
		into = [2]statement{insertSQL(t, insertRows), insertSQL(t, 1)}
		s.into[t.name] = into
	}
	columns := len(t.columns)
	for len(values) > 0 {
		q, n := into[1], columns
		if len(values) >= insertRows*columns {
			q, n = into[0], insertRows*columns
		}
		rows, err := s.exec(ctx, q, values[:n]...)
		if err != nil {
			return written, err
		}
		written += rows
		values = values[n:]
	}
	return written, nil
}

func insertSQL(t *table, rows int) statement {
	names := make([]string, len(t.columns))
	for i := range t.columns {
		names[i] = t.columns[i].name
	}
	// Numbered placeholders cost a search for each.
	row := "(" + strings.Repeat("?, ", len(names)-1) + "?)"
	return statement("INSERT INTO " + t.name + " (" + strings.Join(names, ", ") + ") VALUES " +
		strings.Repeat(row+", ", rows-1) + row + " " + t.then)
}

// ask looks each thing up by itself.
func (s *fileStore) ask(ctx context.Context, want *wants) (*answers, error) {
	var got answers
	for k, units := range want.rows {
		if err := s.askRows(ctx, &got, k, units); err != nil {
			return nil, fmt.Errorf("read exposures: %w", err)
		}
	}
	for experiment, units := range want.units {
		for _, unit := range units {
			if err := s.askUnit(ctx, &got, experiment, unit); err != nil {
				return nil, fmt.Errorf("read a unit: %w", err)
			}
		}
	}
	for experiment, hashes := range want.keys {
		if err := s.askKeys(ctx, &got, experiment, hashes, want.now); err != nil {
			return nil, fmt.Errorf("read keys: %w", err)
		}
	}
	for i := range want.labels {
		q, args := want.labels[i].sql()
		rows, err := s.query(ctx, q, args...)
		if err != nil {
			return nil, fmt.Errorf("find predictions: %w", err)
		}
		found, err := readJudged(rows, &want.labels[i])
		if err = errors.Join(err, rows.Close()); err != nil {
			return nil, fmt.Errorf("find predictions: %w", err)
		}
		got.labels = append(got.labels, found)
	}
	return &got, nil
}

func (s *fileStore) askRows(ctx context.Context, got *answers, k phaseKey, units []int64) error {
	stmt, err := s.prepare(ctx, sqlRow)
	if err != nil {
		return err
	}
	slices.Sort(units) // Neighbours are on one page.
	for _, unit := range units {
		found := foundRow{rowKey: rowKey{k, unit}}
		var groups int64
		err := stmt.QueryRowContext(ctx, k.experiment, unit, k.epoch, k.phase).
			Scan(&found.window, &found.version, &found.at, &found.moved, &groups)
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err != nil {
			return err
		}
		found.groups = uint64(groups)
		got.rows = append(got.rows, found)
	}
	return nil
}

func (s *fileStore) askUnit(ctx context.Context, got *answers, experiment, unit int64) error {
	rows, err := s.query(ctx, sqlUnit, experiment, unit)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		found := foundRow{rowKey: rowKey{phaseKey{experiment: experiment}, unit}}
		var groups int64
		if err := rows.Scan(&found.epoch, &found.phase, &found.window, &found.version, &found.at, &found.moved, &groups); err != nil {
			return err
		}
		found.groups = uint64(groups)
		got.units = append(got.units, found)
	}
	return rows.Err()
}

func (s *fileStore) askKeys(ctx context.Context, got *answers, experiment int64, hashes [][]byte, now int64) error {
	args := make([]any, 2+keysAtOnce)
	args[0], args[1] = experiment, now
	for part := range slices.Chunk(hashes, keysAtOnce) {
		for i := range keysAtOnce {
			args[2+i] = part[min(i, len(part)-1)]
		}
		rows, err := s.query(ctx, sqlKnownKeys, args...)
		if err != nil {
			return err
		}
		for rows.Next() {
			var hash []byte
			if err := rows.Scan(&hash); err != nil {
				return errors.Join(err, rows.Close())
			}
			id := keyID{experiment: experiment}
			copy(id.hash[:], hash)
			got.keys = append(got.keys, id)
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return err
		}
	}
	return nil
}

// close closes the statements too: one that is open keeps its connection, and
// the lock on the file, alive behind database/sql's back.
func (s *fileStore) close() error {
	var errs []error
	for _, stmt := range s.prepared {
		errs = append(errs, stmt.Close())
	}
	return errors.Join(append(errs, s.conn.Close(), s.db.Close())...)
}
