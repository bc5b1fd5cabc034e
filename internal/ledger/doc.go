// SPDX-License-Identifier: Apache-2.0

// Package ledger remembers which unit met which version, joins what came of it
// later, and gives the result as sealed cells. It lives in one SQLite file, or
// in a schema of a PostgreSQL database; what follows holds for both.
//
// What it promises:
//
//   - An acknowledged outcome is on disk (synchronous=FULL, synchronous_commit)
//     and counts exactly once, whatever crashes afterwards. Commits are shared
//     by all callers that arrive within Options.Commit.
//   - One process writes. In PostgreSQL it owns the schema by its session: one
//     that has lost it cannot write any more, and forgets what it remembered
//     when it has it again.
//   - A unit belongs to the window of its first exposure in a phase, in
//     whatever order exposures and outcomes come in. A unit that met two
//     versions in one phase has moved: it leaves unit-level cells.
//   - Cells are kept for everybody and for each group of each segment. A unit is
//     in the groups of its first exposure in the phase, so that the slices of a
//     segment sum to the whole. Where only a token tells of the exposure, they
//     are not known and the unit is in the group other.
//   - A sealed window never changes. What comes for it later is counted as
//     late, not added. Asking again gives the same cells.
//   - Recording an exposure, a pair or a prediction never blocks; when the
//     queue is full it is dropped and counted.
//   - Pairs and predictions are rows by request, of the request's own window and
//     groups. A pair counts once by its version and id, a prediction takes one
//     label of each event, a gateway's batch is stored once by its number.
//   - Rows by request are bounded in number and age by the plan's Retention:
//     the oldest go first, and only once they are in sealed cells, unless there
//     are twice as many as that.
//   - Cells depend on what was recorded, not on the order in which it came:
//     units are summed in the order of their hashes (as signed numbers), a
//     unit's outcomes by time and value.
//
// Raw unit ids and idempotency keys are never stored, only hashes. Outcomes
// are kept until their window is sealed, units until their phase is pruned.
// DeleteUnit forgets a unit's rows.
package ledger
