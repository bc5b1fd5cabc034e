// SPDX-License-Identifier: Apache-2.0

// Package sqlite keeps what must survive a restart (state, totals, monitors
// and journal) in one SQLite file. A record is written by compare-and-swap on
// its revision, together with its journal entries or not at all; a journal is
// only ever appended to, which the file itself enforces.
package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"iter"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/sqlitefile"
)

func kind() sqlitefile.Kind {
	return sqlitefile.Kind{
		Name:        "record",
		Application: 0x48475245, // "HGRE"
		Migrations:  []string{schema1},
		Verify:      true,
	}
}

const schema1 = `
CREATE TABLE records (
	id       TEXT PRIMARY KEY,
	revision INTEGER NOT NULL CHECK (revision > 0),
	entries  INTEGER NOT NULL CHECK (entries >= 0),
	record   TEXT    NOT NULL CHECK (json_valid(record))
) STRICT, WITHOUT ROWID;

CREATE TABLE journal (
	id    TEXT    NOT NULL REFERENCES records (id),
	seq   INTEGER NOT NULL CHECK (seq >= 0),
	entry TEXT    NOT NULL CHECK (json_valid(entry)),
	PRIMARY KEY (id, seq)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER journal_no_update BEFORE UPDATE ON journal BEGIN
	SELECT RAISE(ABORT, 'the journal is append-only');
END;
CREATE TRIGGER journal_no_delete BEFORE DELETE ON journal BEGIN
	SELECT RAISE(ABORT, 'the journal is append-only');
END;
CREATE TRIGGER journal_no_gap BEFORE INSERT ON journal
WHEN NEW.seq <> (SELECT coalesce(max(seq) + 1, 0) FROM journal WHERE id = NEW.id) BEGIN
	SELECT RAISE(ABORT, 'the journal is append-only and has no gaps');
END;
`

// Store is one file of records and their journals. It is safe for concurrent
// use, also by several processes.
type Store struct{ db *sql.DB }

// Open opens or creates the file. Errors are CodeInvalid (damaged, another
// kind, a newer schema; the file is left as it is) or CodeUnavailable.
func Open(ctx context.Context, path string) (*Store, error) {
	db, err := sqlitefile.Open(ctx, path, kind())
	if err != nil {
		return nil, err
	}
	return &Store{db: db}, nil
}

// Close closes the file.
func (s *Store) Close() error { return s.db.Close() }

// Load reads an experiment's record; CodeNotFound when none was ever saved.
func (s *Store) Load(ctx context.Context, id string) (experiment.Record, error) {
	var rec experiment.Record
	var text []byte
	err := s.db.QueryRowContext(ctx, `SELECT revision, entries, record FROM records WHERE id = ?1`, id).
		Scan(&rec.Revision, &rec.Entries, &text)
	if errors.Is(err, sql.ErrNoRows) {
		return experiment.Record{}, notFound(id)
	}
	if err != nil {
		return experiment.Record{}, unavailable("load record of "+id, err)
	}
	revision, entries := rec.Revision, rec.Entries
	if err := json.Unmarshal(text, &rec); err != nil {
		return experiment.Record{}, experiment.Errorf(experiment.CodeInternal, "load record of %s: %w", id, err)
	}
	rec.Revision, rec.Entries = revision, entries
	return rec, nil
}

func notFound(id string) error {
	return experiment.Errorf(experiment.CodeNotFound, "no record of experiment %q", id)
}

func unavailable(doing string, err error) error {
	return experiment.Errorf(experiment.CodeUnavailable, "%s: %w", doing, err)
}

// Save writes a record and appends entries to its journal, in one transaction.
// rec.Revision and rec.Entries are those that were read, 0 for a new record;
// entries are numbered from rec.Entries on. It returns the record as it now
// stands: the next revision, entries counted. CodeConflict when somebody else
// has written since, CodeInvalid when the entries' numbers leave a gap or
// rewrite. After CodeUnavailable the record is unchanged, unless ctx ended
// during the commit: load it to know.
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
	lines := make([]string, len(entries))
	for i := range entries {
		line, err := json.Marshal(&entries[i])
		if err != nil {
			return experiment.Record{}, experiment.Errorf(experiment.CodeInternal, "save journal entry %d of %s: %w", entries[i].Seq, id, err)
		}
		lines[i] = string(line)
	}
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return experiment.Record{}, unavailable("save record of "+id, err)
	}
	defer tx.Rollback() //nolint:errcheck // After a commit there is nothing to undo.
	if err := swap(ctx, tx, id, &rec, &next, string(text)); err != nil {
		return experiment.Record{}, err
	}
	for i, line := range lines {
		if _, err := tx.ExecContext(ctx, `INSERT INTO journal (id, seq, entry) VALUES (?1, ?2, ?3)`, id, entries[i].Seq, line); err != nil {
			return experiment.Record{}, unavailable(fmt.Sprintf("save journal entry %d of %s", entries[i].Seq, id), err)
		}
	}
	if err := tx.Commit(); err != nil {
		return experiment.Record{}, unavailable("save record of "+id, err)
	}
	return next, nil
}

func check(id string, rec *experiment.Record, entries []experiment.Entry) error {
	switch {
	case id == "":
		return experiment.Errorf(experiment.CodeInvalid, "save record: experiment id is missing")
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

// swap replaces the record where it still is what was read.
func swap(ctx context.Context, tx *sql.Tx, id string, old, next *experiment.Record, text string) error {
	var revision, entries int64
	err := tx.QueryRowContext(ctx, `SELECT revision, entries FROM records WHERE id = ?1`, id).Scan(&revision, &entries)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return unavailable("save record of "+id, err)
	}
	if revision != old.Revision {
		return experiment.Errorf(experiment.CodeConflict, "save record of %s: revision %d was read, %d is stored", id, old.Revision, revision).
			WithHint("load it again and decide anew")
	}
	if entries != old.Entries {
		return experiment.Errorf(experiment.CodeInvalid, "save record of %s: %d journal entries were given, %d are stored", id, old.Entries, entries)
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO records (id, revision, entries, record) VALUES (?1, ?2, ?3, ?4)
		ON CONFLICT (id) DO UPDATE SET revision = excluded.revision, entries = excluded.entries, record = excluded.record`,
		id, next.Revision, next.Entries, text)
	if err != nil {
		return unavailable("save record of "+id, err)
	}
	return nil
}

// List gives the ids that have a record, sorted.
func (s *Store) List(ctx context.Context) ([]string, error) {
	rows, err := s.db.QueryContext(ctx, `SELECT id FROM records ORDER BY id`)
	if err != nil {
		return nil, unavailable("list records", err)
	}
	defer rows.Close()
	var ids []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, unavailable("list records", err)
		}
		ids = append(ids, id)
	}
	if err := rows.Err(); err != nil {
		return nil, unavailable("list records", err)
	}
	return ids, nil
}

// journalPage is how many entries are read at once, so that a slow reader
// holds no lock and little memory.
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
	var found bool
	if err := s.db.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM records WHERE id = ?1)`, id).Scan(&found); err != nil {
		return unavailable("read journal of "+id, err)
	}
	if !found {
		return notFound(id)
	}
	return nil
}

func (s *Store) page(ctx context.Context, id string, from int64) ([]experiment.Entry, error) {
	doing := "read journal of " + id
	rows, err := s.db.QueryContext(ctx, `SELECT seq, entry FROM journal WHERE id = ?1 AND seq >= ?2 ORDER BY seq LIMIT ?3`, id, from, journalPage)
	if err != nil {
		return nil, unavailable(doing, err)
	}
	defer rows.Close()
	var page []experiment.Entry
	for rows.Next() {
		var seq int64
		var text []byte
		if err := rows.Scan(&seq, &text); err != nil {
			return page, unavailable(doing, err)
		}
		var e experiment.Entry
		if err := json.Unmarshal(text, &e); err != nil {
			return page, experiment.Errorf(experiment.CodeInternal, "read journal entry %d of %s: %w", seq, id, err)
		}
		page = append(page, e)
	}
	if err := rows.Err(); err != nil {
		return page, unavailable(doing, err)
	}
	return page, nil
}
