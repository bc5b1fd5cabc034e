// SPDX-License-Identifier: Apache-2.0

// Package postgres keeps what must survive a restart (state, totals, monitors
// and journal) in a schema of a PostgreSQL database. A record is written by
// compare-and-swap on its revision, together with its journal entries or not at
// all; a journal is only ever appended to, which the database itself enforces.
// It behaves as its sister on SQLite does, for processes on several machines.
package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/postgres"
)

func kind() postgres.Kind {
	return postgres.Kind{Name: "record", Migrations: []string{schema1}}
}

// Records and entries are json, not jsonb: they come back as they were written,
// byte for byte, and can still be asked about. Ids compare as bytes, so that no
// change of a language's rules can disturb their order. Each entry but the
// first refers to the one before, so there is no gap.
const schema1 = `
CREATE TABLE records (
	id       text COLLATE "C" PRIMARY KEY,
	revision bigint NOT NULL CHECK (revision > 0),
	entries  bigint NOT NULL CHECK (entries >= 0),
	record   json   NOT NULL
);

CREATE TABLE journal (
	id     text COLLATE "C" NOT NULL REFERENCES records (id),
	seq    bigint NOT NULL CHECK (seq >= 0),
	before bigint GENERATED ALWAYS AS (nullif(seq, 0) - 1) STORED,
	entry  json   NOT NULL,
	PRIMARY KEY (id, seq),
	CONSTRAINT journal_has_no_gap FOREIGN KEY (id, before) REFERENCES journal (id, seq)
);

CREATE FUNCTION journal_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION 'the journal is append-only';
END $$;
CREATE TRIGGER journal_no_change BEFORE UPDATE OR DELETE ON journal
	FOR EACH ROW EXECUTE FUNCTION journal_append_only();
CREATE TRIGGER journal_no_truncate BEFORE TRUNCATE ON journal
	FOR EACH STATEMENT EXECUTE FUNCTION journal_append_only();
`

// callTimeout bounds a call whose context has a later deadline or none: a
// server may vanish without a word.
const callTimeout = 15 * time.Second

// Store is a schema of records and their journals. It is safe for concurrent
// use, also by several processes.
type Store struct{ db *postgres.DB }

// Open opens or creates the schema in the database of a URL, as
// postgres.Open of internal/postgres says. Errors are CodeInvalid (the URL, a
// schema of another kind or newer; it is left as it is) or CodeUnavailable.
func Open(ctx context.Context, url string) (*Store, error) {
	db, err := postgres.Open(ctx, url, kind())
	if err != nil {
		return nil, err
	}
	return &Store{db: db}, nil
}

// Close ends the store's sessions.
func (s *Store) Close() error {
	s.db.Close()
	return nil
}

// Load reads an experiment's record; CodeNotFound when none was ever saved.
func (s *Store) Load(ctx context.Context, id string) (experiment.Record, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if !storable(id) {
		return experiment.Record{}, notFound(id)
	}
	var rec experiment.Record
	var text []byte
	var revision, entries int64
	err := s.db.Pool().QueryRow(ctx, `SELECT revision, entries, record::text FROM records WHERE id = $1`, id).Scan(&revision, &entries, &text)
	if errors.Is(err, pgx.ErrNoRows) {
		return experiment.Record{}, notFound(id)
	}
	if err != nil {
		return experiment.Record{}, postgres.Unavailable("load record of "+id, err)
	}
	if err := json.Unmarshal(text, &rec); err != nil {
		return experiment.Record{}, experiment.Errorf(experiment.CodeInternal, "load record of %s: %w", id, err)
	}
	rec.Revision, rec.Entries = revision, entries
	return rec, nil
}

func notFound(id string) error {
	return experiment.Errorf(experiment.CodeNotFound, "no record of experiment %q", id)
}

// storable says whether the database can hold an id at all.
func storable(id string) bool { return utf8.ValidString(id) && !strings.ContainsRune(id, 0) }

// Save writes a record and appends entries to its journal, in one transaction.
// rec.Revision and rec.Entries are those that were read, 0 for a new record;
// entries are numbered from rec.Entries on. It returns the record as it now
// stands: the next revision, entries counted. CodeConflict when somebody else
// has written since, CodeInvalid when the entries' numbers leave a gap or
// rewrite. After CodeUnavailable the record is unchanged, unless ctx ended or
// the connection broke during the commit: load it to know.
func (s *Store) Save(ctx context.Context, id string, rec experiment.Record, entries ...experiment.Entry) (experiment.Record, error) {
	if err := check(id, &rec, entries); err != nil {
		return experiment.Record{}, err
	}
	next := rec
	next.Revision++
	next.Entries += int64(len(entries))
	text, err := json.Marshal(next)
	if err != nil {
		return experiment.Record{}, experiment.Errorf(experiment.CodeInternal, "save record of %s: %w", id, err)
	}
	seqs, lines := make([]int64, len(entries)), make([]string, len(entries))
	for i := range entries {
		line, err := json.Marshal(&entries[i])
		if err != nil {
			return experiment.Record{}, experiment.Errorf(experiment.CodeInternal, "save journal entry %d of %s: %w", entries[i].Seq, id, err)
		}
		seqs[i], lines[i] = entries[i].Seq, string(line)
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	err = pgx.BeginTxFunc(ctx, s.db.Pool(), postgres.ReadWrite(), func(tx pgx.Tx) error {
		if err := swap(ctx, tx, id, &rec, &next, string(text)); err != nil || len(entries) == 0 {
			return err
		}
		_, err := tx.Exec(ctx, `INSERT INTO journal (id, seq, entry) SELECT $1, seq, entry::json FROM unnest($2::bigint[], $3::text[]) AS new (seq, entry)`, id, seqs, lines)
		return err
	})
	if err != nil {
		return experiment.Record{}, postgres.Unavailable("save record of "+id, err)
	}
	return next, nil
}

func check(id string, rec *experiment.Record, entries []experiment.Entry) error {
	switch {
	case id == "":
		return experiment.Errorf(experiment.CodeInvalid, "save record: experiment id is missing")
	case !storable(id):
		return experiment.Errorf(experiment.CodeInvalid, "save record of %q: the id is not text", id)
	case rec.Revision < 0 || rec.Entries < 0:
		return experiment.Errorf(experiment.CodeInvalid, "save record of %s: revision %d and entries %d: want 0 or more", id, rec.Revision, rec.Entries)
	}
	for i := range entries {
		if want := rec.Entries + int64(i); entries[i].Seq != want {
			return experiment.Errorf(experiment.CodeInvalid, "save record of %s: journal entry %d where %d comes next", id, entries[i].Seq, want)
		}
	}
	return nil
}

// swap replaces the record where it still is what was read. Whoever comes
// second waits for the first one's commit, and then finds another revision.
func swap(ctx context.Context, tx pgx.Tx, id string, old, next *experiment.Record, text string) error {
	statement := `UPDATE records SET revision = $3, entries = $5, record = $6 WHERE id = $1 AND revision = $2 AND entries = $4`
	if old.Revision == 0 {
		// $2 and $4 are both 0, which is what a record has that is not there.
		statement = `INSERT INTO records (id, revision, entries, record) SELECT $1, $3::bigint, $5::bigint, $6::json
			WHERE $2::bigint = 0 AND $4::bigint = 0 ON CONFLICT (id) DO NOTHING`
	}
	done, err := tx.Exec(ctx, statement, id, old.Revision, next.Revision, old.Entries, next.Entries, text)
	if err != nil || done.RowsAffected() == 1 {
		return err
	}
	var revision, entries int64
	err = tx.QueryRow(ctx, `SELECT revision, entries FROM records WHERE id = $1`, id).Scan(&revision, &entries)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return err
	}
	if revision == old.Revision {
		return experiment.Errorf(experiment.CodeInvalid, "save record of %s: %d journal entries were given, %d are stored", id, old.Entries, entries)
	}
	return experiment.Errorf(experiment.CodeConflict, "save record of %s: revision %d was read, %d is stored", id, old.Revision, revision).
		WithHint("load it again and decide anew")
}

// List gives the ids that have a record, sorted.
func (s *Store) List(ctx context.Context) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	rows, err := s.db.Pool().Query(ctx, `SELECT id FROM records ORDER BY id`)
	if err != nil {
		return nil, postgres.Unavailable("list records", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, postgres.Unavailable("list records", err)
	}
	return ids, nil
}

// journalPage is how many entries are read at once, so that a slow reader
// holds no connection and little memory.
const journalPage = 32

// Journal reads an experiment's journal from entry from on. It ends at the
// first error: CodeNotFound when there is no such record.
func (s *Store) Journal(ctx context.Context, id string, from int64) iter.Seq2[experiment.Entry, error] {
	return func(yield func(experiment.Entry, error) bool) {
		if err := s.exists(ctx, id); err != nil {
			yield(experiment.Entry{}, err)
			return
		}
		for {
			page, err := s.page(ctx, id, from)
			for i := range page {
				if !yield(page[i], nil) {
					return
				}
			}
			if err != nil {
				yield(experiment.Entry{}, err)
				return
			}
			if len(page) < journalPage {
				return
			}
			from = page[len(page)-1].Seq + 1
		}
	}
}

func (s *Store) exists(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if !storable(id) {
		return notFound(id)
	}
	var found bool
	if err := s.db.Pool().QueryRow(ctx, `SELECT EXISTS (SELECT FROM records WHERE id = $1)`, id).Scan(&found); err != nil {
		return postgres.Unavailable("read journal of "+id, err)
	}
	if !found {
		return notFound(id)
	}
	return nil
}

func (s *Store) page(ctx context.Context, id string, from int64) ([]experiment.Entry, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	doing := "read journal of " + id
	rows, err := s.db.Pool().Query(ctx, `SELECT seq, entry::text FROM journal WHERE id = $1 AND seq >= $2 ORDER BY seq LIMIT $3`, id, from, journalPage)
	if err != nil {
		return nil, postgres.Unavailable(doing, err)
	}
	defer rows.Close()
	var page []experiment.Entry
	for rows.Next() {
		var seq int64
		var text []byte
		if err := rows.Scan(&seq, &text); err != nil {
			return page, postgres.Unavailable(doing, err)
		}
		var e experiment.Entry
		if err := json.Unmarshal(text, &e); err != nil {
			return page, experiment.Errorf(experiment.CodeInternal, "read journal entry %d of %s: %w", seq, id, err)
		}
		page = append(page, e)
	}
	if err := rows.Err(); err != nil {
		return page, postgres.Unavailable(doing, err)
	}
	return page, nil
}
