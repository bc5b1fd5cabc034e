// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/postgres"
)

const (
	// ownPatience is how long a transaction waits for the session that owns the
	// schema: to connect, and for whoever owns it to be gone.
	ownPatience = 20 * time.Second
	// patience is how long a round trip may take, soloPatience one of a solo
	// transaction, which may read all of a phase.
	patience     = 15 * time.Second
	soloPatience = 6 * time.Minute
	// undoPatience is how long a rollback may take.
	undoPatience = 5 * time.Second
)

// begun begins transactions, whatever the defaults of a server or role are.
const begun = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"

// soloTimeout leaves the server a little less than soloPatience.
const soloTimeout = "SET LOCAL statement_timeout = 300000"

// pinned keeps plans to indexes. Tables here grow fast, so the planner's
// statistics are always of another time, and what runs at every commit would now
// and then be planned as a scan of a whole table: 30 times as much. Where there
// are two indexes to choose from, statements leave one of them out.
const pinned = `SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off;
	SET enable_material = off; SET jit = off; SET work_mem = '32MB'`

// pgStore is a store in a schema of PostgreSQL's. What it is told to write
// waits, so that a commit takes one round trip; another one asks.
type pgStore struct {
	db *postgres.DB
	// conn is the session of the transaction under way, or of the last one.
	conn  *pgx.Conn
	batch *pgx.Batch
	// sent says that the server has heard of the transaction.
	sent     bool
	patience time.Duration

	statements map[statement]string
	into       map[string]string
}

// openDatabase opens a ledger's schema and becomes its owner.
func openDatabase(ctx context.Context, url string) (*pgStore, error) {
	db, err := postgres.Open(ctx, url, postgresKind())
	if err != nil {
		return nil, err
	}
	return &pgStore{db: db, batch: &pgx.Batch{}, statements: map[statement]string{}, into: map[string]string{}}, nil
}

func (s *pgStore) close() error {
	s.db.Close()
	return nil
}

// begin needs no round trip while the session is the same.
func (s *pgStore) begin(ctx context.Context, solo bool) (fresh bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, ownPatience)
	defer cancel()
	conn, err := s.db.Owner(ctx)
	if err != nil {
		// Whatever it is, it was well when the ledger was opened.
		return false, experiment.Errorf(experiment.CodeUnavailable, "%w", err)
	}
	if fresh = conn != s.conn; fresh {
		if _, err := conn.Exec(ctx, pinned); err != nil {
			return false, fmt.Errorf("prepare the session: %w", err)
		}
	}
	s.conn, s.batch, s.sent, s.patience = conn, &pgx.Batch{}, false, patience
	s.batch.Queue(begun)
	if solo {
		s.batch.Queue(soloTimeout)
		s.patience = soloPatience
	}
	return fresh, nil
}

// send does what waits, in one round trip.
func (s *pgStore) send(ctx context.Context) error {
	if s.batch.Len() == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	batch := s.batch
	s.batch, s.sent = &pgx.Batch{}, true
	return s.conn.SendBatch(ctx, batch).Close()
}

func (s *pgStore) commit(ctx context.Context) error {
	s.batch.Queue("COMMIT").Exec(func(done pgconn.CommandTag) error {
		if done.String() != "COMMIT" {
			return fmt.Errorf("the server answered COMMIT with %s", done)
		}
		return nil
	})
	if err := s.send(ctx); err != nil {
		return fmt.Errorf("COMMIT: %w", err)
	}
	s.sent = false
	return nil
}

// rollback ends the session where it cannot end the transaction.
func (s *pgStore) rollback(ctx context.Context) {
	s.batch = &pgx.Batch{}
	if !s.sent || s.conn == nil || s.conn.IsClosed() {
		return
	}
	s.sent = false
	ctx, cancel := context.WithTimeout(ctx, undoPatience)
	defer cancel()
	if _, err := s.conn.Exec(ctx, "ROLLBACK"); err != nil {
		_ = s.conn.Close(ctx) // Whatever it says, the session is no longer used.
	}
}

// text is the statement as PostgreSQL has it.
func (s *pgStore) text(q statement) string {
	known, ok := s.statements[q]
	if !ok {
		known = strings.ReplaceAll(string(q), "?", "$")
		for _, index := range []string{"exposures_by_window", "exposures_moved"} {
			known = strings.ReplaceAll(known, " INDEXED BY "+index, "")
		}
		s.statements[q] = known
	}
	return known
}

// pgLines are lines whose time is limited.
type pgLines struct {
	rows   pgx.Rows
	cancel context.CancelFunc
}

func (l pgLines) Next() bool           { return l.rows.Next() }
func (l pgLines) Scan(to ...any) error { return l.rows.Scan(to...) }
func (l pgLines) Err() error           { return l.rows.Err() }

func (l pgLines) Close() error {
	defer l.cancel()
	l.rows.Close()
	return l.rows.Err()
}

func (s *pgStore) query(ctx context.Context, q statement, args ...any) (lines, error) {
	if err := s.send(ctx); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.patience)
	rows, err := s.conn.Query(ctx, s.text(q), args...)
	if err != nil {
		cancel()
		return nil, err
	}
	return pgLines{rows, cancel}, nil
}

func (s *pgStore) exec(ctx context.Context, q statement, args ...any) (n int64, err error) {
	s.batch.Queue(s.text(q), args...).Exec(func(done pgconn.CommandTag) error {
		n = done.RowsAffected()
		return nil
	})
	return n, s.send(ctx)
}

func (s *pgStore) later(_ context.Context, q statement, args ...any) error {
	s.batch.Queue(s.text(q), args...)
	return nil
}

func (s *pgStore) insert(ctx context.Context, t *table, values []any) (n int64, err error) {
	text, columns, err := s.columns(t, values)
	if err != nil {
		return 0, err
	}
	s.batch.Queue(text, columns...).Exec(func(done pgconn.CommandTag) error {
		n = done.RowsAffected()
		return nil
	})
	err = s.send(ctx)
	return n, err
}

func (s *pgStore) insertLater(_ context.Context, t *table, values []any) error {
	text, columns, err := s.columns(t, values)
	if err != nil {
		return err
	}
	s.batch.Queue(text, columns...)
	return nil
}

// columns is the statement that writes rows of a table, however many, and its
// arguments: one array for each column.
func (s *pgStore) columns(t *table, values []any) (text string, columns []any, err error) {
	text, ok := s.into[t.name]
	if !ok {
		text = unnestSQL(t)
		s.into[t.name] = text
	}
	for i, c := range t.columns {
		var column any
		switch c.kind {
		case asText:
			column, err = arrayOf(values, i, len(t.columns), as[string])
		case asReal:
			column, err = arrayOf(values, i, len(t.columns), as[float64])
		case asScore:
			column, err = arrayOf(values, i, len(t.columns), func(v any) (pgtype.Float8, bool) {
				score, ok := v.(sql.NullFloat64)
				return pgtype.Float8(score), ok
			})
		case asDigest:
			column, err = arrayOf(values, i, len(t.columns), func(v any) (id pgtype.UUID, ok bool) {
				hash, ok := v.([]byte)
				id.Valid = copy(id.Bytes[:], hash) == len(id.Bytes)
				return id, ok && id.Valid
			})
		default:
			column, err = arrayOf(values, i, len(t.columns), func(v any) (int64, bool) {
				if n, ok := v.(int); ok {
					return int64(n), true
				}
				n, ok := v.(int64)
				return n, ok
			})
		}
		if err != nil {
			return "", nil, fmt.Errorf("column %s: %w", c.name, err)
		}
		columns = append(columns, column)
	}
	return text, columns, nil
}

func as[T any](v any) (T, bool) {
	t, ok := v.(T)
	return t, ok
}

// arrayOf is every step-th value from the first on.
func arrayOf[T any](values []any, first, step int, of func(any) (T, bool)) ([]T, error) {
	column := make([]T, 0, len(values)/step)
	for i := first; i < len(values); i += step {
		v, ok := of(values[i])
		if !ok {
			return nil, experiment.Errorf(experiment.CodeInternal, "no such value: %T", values[i])
		}
		column = append(column, v)
	}
	return column, nil
}

func unnestSQL(t *table) string {
	types := map[columnKind]string{asWhole: "bigint[]", asText: "text[]", asReal: "float8[]", asScore: "float8[]", asDigest: "uuid[]"}
	names, arrays := make([]string, len(t.columns)), make([]string, len(t.columns))
	for i, c := range t.columns {
		names[i], arrays[i] = c.name, fmt.Sprintf("$%d::%s", i+1, types[c.kind])
	}
	return "INSERT INTO " + t.name + " (" + strings.Join(names, ", ") + ") SELECT * FROM unnest(" + strings.Join(arrays, ", ") + ") " + t.then
}

// What ask looks up, many at a time. A plus keeps a column out of the choice of
// an index, as in other statements.
const (
	pgRows = `SELECT unit, epoch, phase, "window", version, at, moved, groups FROM exposures
		WHERE unit = ANY($4::bigint[]) AND +experiment = $1 AND +epoch = $2 AND +phase = $3`
	pgUnits = `SELECT unit, epoch, phase, "window", version, at, moved, groups FROM exposures
		WHERE unit = ANY($2::bigint[]) AND +experiment = $1`
	pgKeys = `SELECT hash FROM keys WHERE hash = ANY($3::uuid[]) AND +experiment = $1 AND +expires > $2`
)

// ask asks everything in one round trip.
func (s *pgStore) ask(ctx context.Context, want *wants) (*answers, error) {
	got := answers{labels: make([][]judged, len(want.labels))}
	for k, units := range want.rows {
		s.batch.Queue(pgRows, k.experiment, k.epoch, k.phase, units).Query(readRows(k.experiment, &got.rows))
	}
	for experiment, units := range want.units {
		s.batch.Queue(pgUnits, experiment, units).Query(readRows(experiment, &got.units))
	}
	for experiment, hashes := range want.keys {
		ids := make([]pgtype.UUID, len(hashes))
		for i, hash := range hashes {
			ids[i].Valid = copy(ids[i].Bytes[:], hash) > 0
		}
		s.batch.Queue(pgKeys, experiment, want.now, ids).Query(func(rows pgx.Rows) error {
			for rows.Next() {
				id := keyID{experiment: experiment}
				if err := rows.Scan(&id.hash); err != nil {
					return err
				}
				got.keys = append(got.keys, id)
			}
			return rows.Err()
		})
	}
	for i := range want.labels {
		q, args := want.labels[i].sql()
		s.batch.Queue(s.text(q), args...).Query(func(rows pgx.Rows) (err error) {
			got.labels[i], err = readJudged(pgLines{rows, func() {}}, &want.labels[i])
			return err
		})
	}
	if err := s.send(ctx); err != nil {
		return nil, fmt.Errorf("look up rows and keys: %w", err)
	}
	return &got, nil
}

func readRows(experiment int64, to *[]foundRow) func(pgx.Rows) error {
	return func(rows pgx.Rows) error {
		for rows.Next() {
			found := foundRow{rowKey: rowKey{phaseKey: phaseKey{experiment: experiment}}}
			var moved, groups int64
			if err := rows.Scan(&found.unit, &found.epoch, &found.phase, &found.window, &found.version, &found.at, &moved, &groups); err != nil {
				return err
			}
			found.moved, found.groups = moved != 0, uint64(groups)
			*to = append(*to, found)
		}
		return rows.Err()
	}
}
