// SPDX-License-Identifier: Apache-2.0

package ledger

import "github.com/headgate-dev/headgate/internal/sqlitefile"

// kind is what a ledger's file is. It is held exclusively: horizons and rows
// are cached in memory, and a second writer would make them lie.
func kind() sqlitefile.Kind {
	return sqlitefile.Kind{
		Name:        "ledger",
		Application: 0x48474c45, // "HGLE"
		Exclusive:   true,
		Migrations:  []string{schema1, schema2, schema3, schema4},
	}
}

// Times are milliseconds since 1970, units their keyed hash as a signed
// number.
const schema1 = `
CREATE TABLE experiments (
	id   INTEGER PRIMARY KEY,
	name TEXT NOT NULL UNIQUE
) STRICT;

-- One row per unit and phase: its first exposure. moved is 1 once the unit met
-- another version in the same phase.
CREATE TABLE exposures (
	experiment INTEGER NOT NULL,
	unit       INTEGER NOT NULL,
	epoch      INTEGER NOT NULL,
	phase      INTEGER NOT NULL,
	window     INTEGER NOT NULL,
	version    INTEGER NOT NULL,
	at         INTEGER NOT NULL,
	moved      INTEGER NOT NULL,
	PRIMARY KEY (experiment, unit, epoch, phase)
) STRICT, WITHOUT ROWID;
CREATE INDEX exposures_by_window ON exposures (experiment, epoch, phase, window);
CREATE INDEX exposures_moved ON exposures (experiment, epoch, phase) WHERE moved = 1;

-- Outcomes that wait for their unit's window to be sealed.
CREATE TABLE outcomes (
	experiment INTEGER NOT NULL,
	unit       INTEGER NOT NULL,
	epoch      INTEGER NOT NULL,
	phase      INTEGER NOT NULL,
	seq        INTEGER NOT NULL,
	event      TEXT    NOT NULL,
	value      REAL    NOT NULL,
	at         INTEGER NOT NULL,
	PRIMARY KEY (experiment, unit, epoch, phase, seq)
) STRICT, WITHOUT ROWID;

-- Idempotency keys of accepted outcomes, as the first 16 bytes of SHA-256.
CREATE TABLE keys (
	experiment INTEGER NOT NULL,
	hash       BLOB    NOT NULL,
	expires    INTEGER NOT NULL,
	PRIMARY KEY (experiment, hash)
) STRICT, WITHOUT ROWID;
CREATE INDEX keys_by_expiry ON keys (expires);

-- How far each phase is sealed, by source, and pruned.
CREATE TABLE phases (
	experiment INTEGER NOT NULL,
	epoch      INTEGER NOT NULL,
	phase      INTEGER NOT NULL,
	exposures  INTEGER NOT NULL,
	outcomes   INTEGER NOT NULL,
	pruned     INTEGER NOT NULL,
	PRIMARY KEY (experiment, epoch, phase)
) STRICT, WITHOUT ROWID;

-- Sealed cells as JSON; a window without cells has no row.
CREATE TABLE seals (
	experiment INTEGER NOT NULL,
	epoch      INTEGER NOT NULL,
	phase      INTEGER NOT NULL,
	source     TEXT    NOT NULL,
	window     INTEGER NOT NULL,
	cells      TEXT    NOT NULL,
	PRIMARY KEY (experiment, epoch, phase, source, window)
) STRICT, WITHOUT ROWID;
`

// groups is what the unit's first exposure was in: byte i is the index of its
// group in the plan's i-th segment. All ones is not known, which is what files
// of before do not know of any unit.
const schema2 = `ALTER TABLE exposures ADD COLUMN groups INTEGER NOT NULL DEFAULT -1`
