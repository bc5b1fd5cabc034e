// SPDX-License-Identifier: Apache-2.0

// Package sql reads evidence from a PostgreSQL or SQLite database.
//
// One query for each metric and window tells of all versions. It has the window's
// ends as :from and :to, to be read as from <= time < to: in PostgreSQL they are
// timestamptz, in SQLite Unix seconds as a number, with fractions. Its columns
// are found by name; which there must be is the query's form:
//
//	units    version, unit, value [, weight]   one row for each unit
//	moments  version, n, sum, squares          one row for each version
//	counts   version, events, total            one row for each version
//	value    version, value                    one row for each version
//
// A unit must lie in one window only, by the time at which it was assigned or
// first seen: units of a phase are taken to be independent of each other.
//
// What it promises:
//
//   - A query can only read: it is one statement in a read-only transaction, with
//     a deadline, at most 100,000 rows and rows of at most a MiB. What is beyond
//     is not read.
//   - NULL and NaN are no numbers, and a window in which they stand is a gap, which
//     says so. So is a window of the form value without a row for a version that
//     has traffic; in the other forms no row means that there was nothing.
//   - Rows of versions that the plan does not have are left out. If there are no
//     others, that is an error.
//   - A database that does not answer is an error of code unavailable, and what
//     was read before it stands (D5).
//   - No error holds a password, a row or a unit.
//
// A connection is made for each reading and ended with it, so a changed secret
// counts at once. PostgreSQL's TLS is what the URL says: sslmode=verify-full is
// the one that cannot be fooled.
package sql
