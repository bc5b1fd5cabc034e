// SPDX-License-Identifier: Apache-2.0

// Package sqlitefile opens one SQLite file the way Headgate's stores want it:
// readable by its owner only, durable at every commit, of the right kind and
// schema version. A file that is damaged, of another kind or newer than this
// program is refused before anything is written to it.
package sqlitefile

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Kind is what a file must be.
type Kind struct {
	// Name is how errors call the file: "ledger".
	Name string
	// Application is the file's application id; it tells kinds apart.
	Application int32
	// Migrations bring a file from schema version i to i+1, each in one
	// transaction. They are only ever appended to.
	Migrations []string
	// Exclusive lets only one process have the file open, on one connection.
	Exclusive bool
	// Verify checks the whole file for damage at opening; for small files.
	Verify bool
}

// busyMillis is how long a statement waits for another process's lock.
const busyMillis = 5000

// Open opens or creates the file. Errors are CodeInvalid for a file that is
// damaged, of another kind or newer, and CodeUnavailable when it cannot be
// reached or somebody else holds it.
func Open(ctx context.Context, path string, k Kind) (*sql.DB, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, experiment.Errorf(experiment.CodeInvalid, "open %s %s: %w", k.Name, path, err)
	}
	if err := create(abs); err != nil {
		return nil, experiment.Errorf(experiment.CodeUnavailable, "open %s %s: %w", k.Name, path, err).
			WithHint("name a file in a folder that exists and may be written to")
	}
	db, err := sql.Open("sqlite", dsn(abs, k.Exclusive))
	if err != nil {
		return nil, experiment.Errorf(experiment.CodeInvalid, "open %s %s: %w", k.Name, path, err)
	}
	if k.Exclusive {
		db.SetMaxOpenConns(1)
	} else {
		db.SetMaxOpenConns(4)
	}
	if err := k.prepare(ctx, db, abs); err != nil {
		return nil, errors.Join(k.explain(path, err), db.Close())
	}
	return db, nil
}

// create makes a missing file, so that it is private from its first byte.
// SQLite gives its companions (-wal, -shm) the same mode.
func create(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrExist) {
		info, err := os.Stat(path)
		if err == nil && !info.Mode().IsRegular() {
			err = errors.New("is not a regular file")
		}
		// Not opened and closed here: that would drop the locks that this
		// process may already hold on it.
		return err
	}
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	// The name must survive a power cut too, not only the contents.
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func dsn(abs string, exclusive bool) string {
	q := url.Values{}
	q.Set("_txlock", "immediate")
	q.Set("_dqs", "0")
	q.Set("_busy_timeout", strconv.Itoa(busyMillis))
	q.Set("_synchronous", "FULL")
	if exclusive {
		q.Add("_pragma", "locking_mode(EXCLUSIVE)")
	}
	u := url.URL{Scheme: "file", Path: abs, RawQuery: q.Encode()}
	return u.String()
}

// prepare checks before it writes: what is not ours stays as it was.
func (k *Kind) prepare(ctx context.Context, db *sql.DB, path string) error {
	var application, version, objects int
	if err := db.QueryRowContext(ctx, "PRAGMA application_id").Scan(&application); err != nil {
		return err
	}
	if err := db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	if err := db.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&objects); err != nil {
		return err
	}
	fresh := application == 0 && version == 0 && objects == 0
	if !fresh && application != int(k.Application) {
		return experiment.Errorf(experiment.CodeInvalid, "%s is a database, but not a Headgate %s", path, k.Name).
			WithHint("name another file; this one was left as it is")
	}
	if version > len(k.Migrations) {
		return experiment.Errorf(experiment.CodeInvalid, "%s %s has schema version %d: this program knows up to %d", k.Name, path, version, len(k.Migrations)).
			WithHint("run the newer Headgate that wrote it")
	}
	if k.Verify && !fresh {
		if err := verify(ctx, db); err != nil {
			return err
		}
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return err
	}
	var mode string
	if err := db.QueryRowContext(ctx, "PRAGMA journal_mode = WAL").Scan(&mode); err != nil {
		return err
	}
	if mode != "wal" {
		return fmt.Errorf("write-ahead logging is not possible here: journal mode stays %q", mode)
	}
	return k.migrate(ctx, db)
}

// errDamaged is what a failed check of the whole file comes to.
var errDamaged = errors.New("the file is damaged")

func verify(ctx context.Context, db *sql.DB) error {
	var result string
	if err := db.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&result); err != nil {
		return err
	}
	if result != "ok" {
		return fmt.Errorf("%w: %s", errDamaged, result)
	}
	return nil
}

// migrate runs each missing step in one transaction. The version is read again
// inside, because another process may have been quicker.
func (k *Kind) migrate(ctx context.Context, db *sql.DB) error {
	for {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		more, err := k.step(ctx, tx)
		if err != nil {
			return errors.Join(err, tx.Rollback())
		}
		if err := tx.Commit(); err != nil {
			return err
		}
		if !more {
			return nil
		}
	}
}

func (k *Kind) step(ctx context.Context, tx *sql.Tx) (more bool, err error) {
	var version int
	if err := tx.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return false, err
	}
	if version >= len(k.Migrations) {
		return false, nil
	}
	if _, err := tx.ExecContext(ctx, k.Migrations[version]); err != nil {
		return false, fmt.Errorf("migrate to schema version %d: %w", version+1, err)
	}
	// Pragmas take no parameters; both values are numbers of ours.
	stamp := fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d", k.Application, version+1)
	_, err = tx.ExecContext(ctx, stamp)
	return true, err
}

// explain gives an error of opening its class and the next thing to try.
func (k *Kind) explain(path string, err error) error {
	if _, ok := errors.AsType[*experiment.Error](err); ok {
		return err
	}
	code := Code(err)
	switch {
	case code == sqlite3.SQLITE_NOTADB || code == sqlite3.SQLITE_CORRUPT || errors.Is(err, errDamaged):
		return experiment.Errorf(experiment.CodeInvalid, "%s %s cannot be read: %w", k.Name, path, err).
			WithHint("it was left as it is; restore a copy, or name another file to begin anew")
	case code == sqlite3.SQLITE_BUSY || code == sqlite3.SQLITE_LOCKED:
		return experiment.Errorf(experiment.CodeUnavailable, "%s %s is in use by another process: %w", k.Name, path, err).
			WithHint("stop the other Headgate, or name another file")
	default:
		return experiment.Errorf(experiment.CodeUnavailable, "open %s %s: %w", k.Name, path, err)
	}
}

// Code is the primary SQLite result code of an error, or 0.
func Code(err error) int {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code() & 0xff
	}
	return 0
}
