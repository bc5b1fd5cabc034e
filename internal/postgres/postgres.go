// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Kind is what a schema must be.
type Kind struct {
	// Name is how errors call the store, and what tells kinds apart: "ledger".
	Name string
	// Migrations bring a schema from version i to i+1, each in one transaction.
	// They name their tables without a schema and are only ever appended to.
	Migrations []string
	// Exclusive lets only one process have the schema, on one session.
	Exclusive bool
}

// DB is an open schema. It is safe for concurrent use, except that what Owner
// gives is one connection.
type DB struct {
	kind   Kind
	schema string
	place  string
	config *pgx.ConnConfig
	pool   *pgxpool.Pool

	mu     sync.Mutex
	closed bool
	owner  *pgx.Conn
}

// Open opens the kind's schema in the database of a URL, postgres://…, creates
// it where it is missing and brings it up to date. Beside the driver's own
// parameters and the server's settings the URL takes schema, the schema's name,
// and pool_max_conns, at most 4. What the URL leaves out comes from the
// environment and files that every PostgreSQL client reads (PGPASSWORD,
// ~/.pgpass, …). Errors are CodeInvalid for a URL that cannot be read and a
// schema that is of another kind, of something else or newer, and
// CodeUnavailable where the server cannot be reached or somebody else owns the
// schema.
func Open(ctx context.Context, url string, k Kind) (*DB, error) {
	config, schema, err := k.parse(url)
	if err != nil {
		return nil, err
	}
	d := &DB{kind: k, schema: schema, place: place(config.ConnConfig, schema), config: config.ConnConfig.Copy()}
	// The pool's connections outlive the call, and come when they are needed.
	d.pool, err = pgxpool.NewWithConfig(context.WithoutCancel(ctx), config)
	if err != nil {
		return nil, d.explain(err)
	}
	if k.Exclusive {
		_, err = d.Owner(ctx)
	} else {
		err = d.pool.AcquireFunc(ctx, func(c *pgxpool.Conn) error { return d.prepare(ctx, c.Conn()) })
	}
	if err != nil {
		d.Close()
		return nil, d.explain(err)
	}
	return d, nil
}

// Pool is the schema's connections; a table needs no schema before its name.
// Of an exclusive kind they are for reading: nothing stops another process from
// having become the owner.
func (d *DB) Pool() *pgxpool.Pool { return d.pool }

// Close ends all sessions, and with them the ownership. It waits for
// connections that are in use.
func (d *DB) Close() {
	d.mu.Lock()
	d.closed = true
	d.dropOwner()
	d.mu.Unlock()
	d.pool.Close()
}
