// SPDX-License-Identifier: Apache-2.0

// Package backfill brings outcomes and labels that lie in a file or a database
// to Headgate: rows come in, batches go out, in the rows' order, and sending the
// same rows again counts them once.
//
// What it promises:
//
//   - Memory is bounded: rows are streamed, and one batch is held.
//   - Every outcome that leaves has a key. A row without one gets a key made of
//     what it says (see keyOf), so that whoever is interrupted begins anew.
//   - A row that is wrong is named by its line or number and its column. It never
//     becomes another outcome than it says: an empty label is no label, and a
//     column whose name is nearly right is refused. Tokens and units are never
//     repeated in errors.
//   - A query runs in a transaction that can only read, and none of its steps may
//     take longer than it is given. The database's address, which may hold a
//     password, is never repeated.
//   - What Since remembers lies never behind a row that was not acknowledged, so
//     a run that is cut short loses nothing.
package backfill
