// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"fmt"
	"hash/fnv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Owner is the session that owns an exclusive schema; all writing must go
// through it. It is the same connection at every call, until it breaks: then a
// new one is made, which waits lock_timeout for whoever owns the schema by
// then. A connection other than before means that somebody else may have
// written in between, so nothing that was remembered holds any more. Errors are
// those of Open.
func (d *DB) Owner(ctx context.Context) (*pgx.Conn, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.closed:
		return nil, experiment.Errorf(experiment.CodeUnavailable, "%s %s is closed", d.kind.Name, d.place)
	case !d.kind.Exclusive:
		return nil, experiment.Errorf(experiment.CodeInternal, "%s %s has no owner", d.kind.Name, d.place)
	case d.owner != nil && !d.owner.IsClosed():
		return d.owner, nil
	}
	conn, err := pgx.ConnectConfig(ctx, d.config.Copy())
	if err != nil {
		return nil, d.explain(err)
	}
	d.owner = conn
	if err := d.claim(ctx, conn); err != nil {
		d.dropOwner()
		return nil, d.explain(err)
	}
	return conn, nil
}

// claim makes the session the schema's owner. The lock comes first: nobody may
// migrate what somebody else is writing.
func (d *DB) claim(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, migrateTimeout)
	defer cancel()
	if err := makeDurable(ctx, conn); err != nil {
		return err
	}
	key := lockKey("own", d.schema)
	if _, err := conn.Exec(ctx, `SELECT pg_advisory_lock($1)`, key); err != nil {
		if State(err) != lockNotAvailable && State(err) != queryCanceled {
			return err
		}
		return experiment.Errorf(experiment.CodeUnavailable, "%s %s is in use by another process%s", d.kind.Name, d.place, holder(ctx, conn, key)).
			WithHint("stop the other Headgate, or name another schema; when it is gone this works again by itself")
	}
	return d.prepare(ctx, conn)
}

// holder says who holds a lock, as far as the server tells.
func holder(ctx context.Context, conn *pgx.Conn, key int64) string {
	var from string
	var since time.Time
	err := conn.QueryRow(ctx, `SELECT coalesce(host(a.client_addr), 'this machine'), a.backend_start
		FROM pg_locks l JOIN pg_stat_activity a USING (pid) JOIN pg_database d ON d.oid = l.database AND d.datname = current_database()
		WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND l.classid::bigint = $1 AND l.objid::bigint = $2`,
		int64(uint64(key)>>32), int64(uint32(key))).Scan(&from, &since)
	if err != nil {
		return "" // It may be gone by now, or not be ours to see.
	}
	return fmt.Sprintf(", connected from %s since %s", from, since.UTC().Format(time.RFC3339))
}

// lockKey is an advisory lock's number. Such locks are a database's, so the
// schema tells stores apart.
func lockKey(purpose, schema string) int64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte("headgate " + purpose + " " + schema)) // A hash takes everything.
	return int64(h.Sum64())
}

// dropOwner ends the owner's session.
func (d *DB) dropOwner() {
	if d.owner == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	_ = d.owner.Close(ctx) // Whatever it says, the session is no longer used.
	d.owner = nil
}
