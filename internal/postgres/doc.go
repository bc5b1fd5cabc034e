// SPDX-License-Identifier: Apache-2.0

// Package postgres opens a PostgreSQL database the way Headgate's stores want
// it: with few connections, a deadline on whatever may wait, commits that are
// durable, and a schema of the right kind and version.
//
// What it promises:
//
//   - A store has a schema of its own, headgate_ledger or headgate_record, or
//     whatever the URL's parameter schema says. A schema that is of another
//     kind, of something else, or newer than this program is refused before
//     anything is written to it.
//   - Migrations run forward only, one process at a time, each in one
//     transaction.
//   - Where a kind is exclusive, one session owns the schema. It is the session
//     that writes, so whoever has lost the ownership can no longer write. A
//     second process is refused until the first one's session has ended, which
//     the server notices within half a minute where a whole machine is lost.
//   - A password never reaches an error.
//   - TLS is as the URL says: sslmode=verify-full with sslrootcert is the one
//     that cannot be fooled; the driver's default, prefer, encrypts where it
//     can and checks nothing.
//
// Sessions matter here (their settings, their locks), so a pooler between must
// pool sessions, not transactions. PostgreSQL 13 or newer is needed.
package postgres
