// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/headgate-dev/headgate/internal/sqlitefile"
)

// kind is what a ledger's file is. It is held exclusively: horizons and rows
// are cached in memory, and a second writer would make them lie.
func kind() sqlitefile.Kind {
	return sqlitefile.Kind{
		Name:        "ledger",
		Application: 0x48474c45, // "HGLE"
		Exclusive:   true,
		Migrations:  []string{schema1, schema2, schema3},
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

// statements are prepared once, on the writer's connection.
type statements struct {
	all []*sql.Stmt

	experiment, addExperiment                 *sql.Stmt
	row, newest, addRow, setRow               *sql.Stmt
	knownKeys, purgeKeys, moveOutcomes        *sql.Stmt
	keyLog, lastKeyLog, addKeyLog, dropKeyLog *sql.Stmt
	number, setNumber, dropOutcomes           *sql.Stmt
	phase, setPhase                           *sql.Stmt
	countExposures, joinOutcomes, moved       *sql.Stmt
	seals, addSeal                            *sql.Stmt
	pruneRows, pruneSeals                     *sql.Stmt
	early, newestPhase                        *sql.Stmt

	joinPairs, countPairs, oldestPairs, dropPairs                                 *sql.Stmt
	byToken, byRequest, byUnit, joinLabels                                        *sql.Stmt
	countPredictions, oldestPredictions, dropLabels, dropPredictions              *sql.Stmt
	gateway, setGateway, purgeGateways                                            *sql.Stmt
	gatewayPhases, gatewaySealed, setGatewayPhase, leaveOut, dropGatewayPhases    *sql.Stmt
	gatewayCells, addGatewayCells, dropGatewayCells                               *sql.Stmt
	deleteLabels, deletePredictions, deletePairs, deleteOutcomes, deleteExposures *sql.Stmt

	// rows lists what is written many rows at a time.
	rows                                       []*inserts
	outcomes, keys, pairs, predictions, labels *inserts
}

// prepare prepares all; what it returns must be closed, also after an error.
func prepare(ctx context.Context, conn *sql.Conn) (*statements, error) {
	s := &statements{}
	for _, p := range slices.Concat([]prepared{
		{&s.experiment, `SELECT id FROM experiments WHERE name = ?1`},
		{&s.addExperiment, `INSERT INTO experiments (name) VALUES (?1) ON CONFLICT DO NOTHING`},

		{&s.row, `SELECT window, version, at, moved, groups FROM exposures
			WHERE experiment = ?1 AND unit = ?2 AND epoch = ?3 AND phase = ?4`},
		{&s.newest, `SELECT epoch, phase FROM exposures
			WHERE experiment = ?1 AND unit = ?2 AND at <= ?3 ORDER BY at DESC, epoch DESC, phase DESC LIMIT 1`},
		{&s.addRow, `INSERT INTO exposures (experiment, unit, epoch, phase, window, version, at, moved, groups)
			VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)`},
		{&s.setRow, `UPDATE exposures SET window = ?5, version = ?6, at = ?7, moved = ?8, groups = ?9
			WHERE experiment = ?1 AND unit = ?2 AND epoch = ?3 AND phase = ?4`},

		{&s.number, `SELECT value FROM numbers WHERE name = ?1`},
		{&s.setNumber, `UPDATE numbers SET value = ?2 WHERE name = ?1`},
		{&s.dropOutcomes, `DELETE FROM outcomes WHERE experiment = ?1 AND epoch = ?2 AND phase = ?3 AND window >= ?4 AND window < ?5`},
		{&s.moveOutcomes, `UPDATE outcomes SET window = ?6 WHERE experiment = ?1 AND epoch = ?2 AND phase = ?3 AND window = ?4 AND unit = ?5`},

		{&s.phase, `SELECT exposures, outcomes, pruned, pairs, gateway FROM phases
			WHERE experiment = ?1 AND epoch = ?2 AND phase = ?3`},
		{&s.setPhase, `INSERT INTO phases (experiment, epoch, phase, exposures, outcomes, pruned, pairs, gateway)
			VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (experiment, epoch, phase)
			DO UPDATE SET exposures = excluded.exposures, outcomes = excluded.outcomes, pruned = excluded.pruned,
				pairs = excluded.pairs, gateway = excluded.gateway`},

		{&s.countExposures, `SELECT window, version, groups, count(*) FROM exposures INDEXED BY exposures_by_window
			WHERE experiment = ?1 AND epoch = ?2 AND phase = ?3 AND window >= ?4 AND window < ?5
			GROUP BY window, version, groups ORDER BY window`},
		// The order is part of the result: sums of floating-point numbers
		// depend on it.
		{&s.joinOutcomes, `SELECT window, unit, 0 AS kind, version, at, groups, '' AS event, 0.0 AS value FROM exposures INDEXED BY exposures_by_window
			WHERE experiment = ?1 AND epoch = ?2 AND phase = ?3 AND window >= ?4 AND window < ?5 AND moved = 0
			UNION ALL SELECT window, unit, 1, 0, at, 0, event, value FROM outcomes
			WHERE experiment = ?1 AND epoch = ?2 AND phase = ?3 AND window >= ?4 AND window < ?5
			ORDER BY 1, 2, 3, 5, 8`},
		{&s.newestPhase, `SELECT epoch, phase FROM exposures WHERE experiment = ?1 ORDER BY epoch DESC, phase DESC LIMIT 1`},
		// What early readings are made of: units, and outcomes of one event.
		{&s.early, `SELECT unit, 0 AS kind, version, at FROM exposures INDEXED BY exposures_by_window
			WHERE experiment = ?1 AND epoch = ?2 AND phase = ?3 AND window >= ?4 AND moved = 0
			UNION ALL SELECT unit, 1, 0, at FROM outcomes
			WHERE experiment = ?1 AND epoch = ?2 AND phase = ?3 AND window >= ?4 AND event = ?5
			ORDER BY 1, 2, 4`},
		{&s.moved, `SELECT count(*) FROM exposures INDEXED BY exposures_moved
			WHERE experiment = ?1 AND epoch = ?2 AND phase = ?3 AND moved = 1`},

		{&s.seals, `SELECT cells FROM seals
			WHERE experiment = ?1 AND epoch = ?2 AND phase = ?3 AND source = ?4 AND window >= ?5 AND window < ?6 ORDER BY window`},
		{&s.addSeal, `INSERT INTO seals (experiment, epoch, phase, source, window, cells) VALUES (?1, ?2, ?3, ?4, ?5, ?6)`},

		{&s.pruneRows, `DELETE FROM exposures WHERE experiment = ?1 AND epoch = ?2 AND phase = ?3 AND unit IN
			(SELECT unit FROM exposures INDEXED BY exposures_by_window
			WHERE experiment = ?1 AND epoch = ?2 AND phase = ?3 AND window < ?4 ORDER BY window, unit LIMIT ?5)`},
		{&s.pruneSeals, `DELETE FROM seals WHERE experiment = ?1 AND epoch = ?2 AND phase = ?3 AND window < ?4`},
	}, s.keyStatements(), s.pairStatements(), s.predictionStatements(), s.batchStatements(), s.deleteStatements()) {
		stmt, err := conn.PrepareContext(ctx, p.sql)
		if err != nil {
			return s, fmt.Errorf("prepare %q: %w", p.sql, err)
		}
		*p.to = stmt
		s.all = append(s.all, stmt)
	}
	return s, s.prepareRows(ctx, conn)
}

// close is needed because a statement that is open keeps its connection, and
// the lock on the file, alive behind database/sql's back.
func (s *statements) close() error {
	errs := []error{s.closeRows()}
	for _, stmt := range s.all {
		errs = append(errs, stmt.Close())
	}
	return errors.Join(errs...)
}
