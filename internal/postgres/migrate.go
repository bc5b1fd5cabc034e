// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// oldest is the oldest server that is known to work, as server_version_num.
const oldest = 130000

// stamp is the table that tells what a schema is: one row.
const stamp = `CREATE TABLE headgate_schema (
	one     boolean PRIMARY KEY DEFAULT true CHECK (one),
	kind    text    NOT NULL,
	version integer NOT NULL
)`

// found is what a schema turned out to be.
type found struct {
	exists  bool
	version int
}

// prepare checks before it writes: what is not ours stays as it was. A schema
// that is up to date is not written to.
func (d *DB) prepare(ctx context.Context, conn *pgx.Conn) error {
	looking, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	if err := d.checkServer(looking, conn); err != nil {
		return err
	}
	f, err := d.look(looking, conn)
	if err != nil {
		return err
	}
	for f.version < len(d.kind.Migrations) {
		if f, err = d.step(ctx, conn); err != nil {
			return err
		}
	}
	return nil
}

func (d *DB) checkServer(ctx context.Context, conn *pgx.Conn) error {
	var version int
	var encoding string
	var standby bool
	err := conn.QueryRow(ctx, `SELECT current_setting('server_version_num')::int, current_setting('server_encoding'), pg_is_in_recovery()`).
		Scan(&version, &encoding, &standby)
	switch {
	case err != nil:
		return err
	case version < oldest:
		return experiment.Errorf(experiment.CodeInvalid, "open %s %s: the server is PostgreSQL %d: want %d or newer", d.kind.Name, d.place, version/10000, oldest/10000)
	case encoding != "UTF8":
		return experiment.Errorf(experiment.CodeInvalid, "open %s %s: the database's encoding is %s: want UTF8", d.kind.Name, d.place, encoding).
			WithHint("CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0")
	case standby:
		return experiment.Errorf(experiment.CodeUnavailable, "open %s %s: the server is a standby and takes no writes", d.kind.Name, d.place).
			WithHint("name the primary, or all servers with target_session_attrs=read-write")
	}
	return nil
}

// reader is a connection or a transaction.
type reader interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// look finds out what the schema is, and refuses what is not ours.
func (d *DB) look(ctx context.Context, q reader) (f found, err error) {
	var objects int
	var stamped bool
	err = q.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1), count(*), coalesce(bool_or(relname = 'headgate_schema'), false)
		FROM pg_class WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1)`, d.schema).Scan(&f.exists, &objects, &stamped)
	switch {
	case err != nil:
		return f, err
	case objects == 0:
		return f, nil
	case !stamped:
		return f, experiment.Errorf(experiment.CodeInvalid, "%s is in use, but not by a Headgate %s", d.place, d.kind.Name).
			WithHint("name another schema; this one was left as it is")
	}
	var kind string
	if err := q.QueryRow(ctx, `SELECT kind, version FROM `+pgx.Identifier{d.schema, "headgate_schema"}.Sanitize()).Scan(&kind, &f.version); err != nil {
		return f, err
	}
	if kind != d.kind.Name {
		return f, experiment.Errorf(experiment.CodeInvalid, "%s is a Headgate %s, not a %s", d.place, kind, d.kind.Name).
			WithHint("name another schema; this one was left as it is")
	}
	if f.version > len(d.kind.Migrations) {
		return f, experiment.Errorf(experiment.CodeInvalid, "%s %s has schema version %d: this program knows up to %d", d.kind.Name, d.place, f.version, len(d.kind.Migrations)).
			WithHint("run the newer Headgate that wrote it")
	}
	return f, nil
}

// step runs the next migration in one transaction. The schema is looked at
// again inside, because another process may have been quicker.
func (d *DB) step(ctx context.Context, conn *pgx.Conn) (found, error) {
	ctx, cancel := context.WithTimeout(ctx, migrateTimeout)
	defer cancel()
	var f found
	err := pgx.BeginTxFunc(ctx, conn, ReadWrite(), func(tx pgx.Tx) (err error) {
		if _, err := tx.Exec(ctx, fmt.Sprintf(`SET LOCAL statement_timeout = %d; SET LOCAL lock_timeout = 60000`, migrateTimeout.Milliseconds())); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, lockKey("migrate", d.schema)); err != nil {
			return err
		}
		if f, err = d.look(ctx, tx); err != nil || f.version >= len(d.kind.Migrations) {
			return err
		}
		return d.migrate(ctx, tx, &f)
	})
	return f, err
}

func (d *DB) migrate(ctx context.Context, tx pgx.Tx, f *found) error {
	if !f.exists {
		if _, err := tx.Exec(ctx, `CREATE SCHEMA `+pgx.Identifier{d.schema}.Sanitize()); err != nil {
			return fmt.Errorf("create the schema: %w", err)
		}
		f.exists = true
	}
	if f.version == 0 {
		if _, err := tx.Exec(ctx, stamp); err != nil {
			return fmt.Errorf("create the schema's stamp: %w", err)
		}
		if _, err := tx.Exec(ctx, `INSERT INTO headgate_schema (kind, version) VALUES ($1, 0)`, d.kind.Name); err != nil {
			return fmt.Errorf("stamp the schema: %w", err)
		}
	}
	// Without arguments: a migration is several statements.
	if _, err := tx.Exec(ctx, d.kind.Migrations[f.version]); err != nil {
		return fmt.Errorf("migrate to schema version %d: %w", f.version+1, err)
	}
	f.version++
	if _, err := tx.Exec(ctx, `UPDATE headgate_schema SET version = $1`, f.version); err != nil {
		return fmt.Errorf("stamp the schema: %w", err)
	}
	return nil
}

// ReadWrite is how a store's transactions begin, whatever the defaults of a
// server or role are: what others commit is seen by the next statement, and
// writing is allowed.
func ReadWrite() pgx.TxOptions {
	return pgx.TxOptions{IsoLevel: pgx.ReadCommitted, AccessMode: pgx.ReadWrite}
}
