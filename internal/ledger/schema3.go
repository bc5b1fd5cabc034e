// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"database/sql"
	"errors"
)

// schema3 adds what is kept by request, and what gateways hand over.
const schema3 = `
-- Outcomes by the window of their unit, so that those of one time lie together:
-- what is scattered costs a page to write for each.
CREATE TABLE windowed (
	experiment INTEGER NOT NULL,
	epoch      INTEGER NOT NULL,
	phase      INTEGER NOT NULL,
	window     INTEGER NOT NULL,
	seq        INTEGER NOT NULL,
	unit       INTEGER NOT NULL,
	event      TEXT    NOT NULL,
	value      REAL    NOT NULL,
	at         INTEGER NOT NULL,
	PRIMARY KEY (experiment, epoch, phase, window, seq)
) STRICT, WITHOUT ROWID;
INSERT INTO windowed (experiment, epoch, phase, window, seq, unit, event, value, at)
	SELECT o.experiment, o.epoch, o.phase, e.window, row_number() OVER (ORDER BY o.experiment, o.unit, o.epoch, o.phase, o.seq),
		o.unit, o.event, o.value, o.at
	FROM outcomes o JOIN exposures e ON e.experiment = o.experiment AND e.unit = o.unit AND e.epoch = o.epoch AND e.phase = o.phase;
DROP TABLE outcomes;
ALTER TABLE windowed RENAME TO outcomes;

-- Numbers that outlive a process: the last outcome's.
CREATE TABLE numbers (
	name  TEXT    PRIMARY KEY,
	value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO numbers (name, value) SELECT 'outcome', coalesce(max(seq), 0) FROM outcomes;

-- Keys of outcomes that are not yet in the table of keys, 16 bytes each.
CREATE TABLE key_log (
	id         INTEGER PRIMARY KEY,
	experiment INTEGER NOT NULL,
	expires    INTEGER NOT NULL,
	hashes     BLOB    NOT NULL
) STRICT;

-- Copies of requests, and how their answers compare (JSON).
CREATE TABLE pairs (
	experiment INTEGER NOT NULL,
	version    INTEGER NOT NULL,
	id         TEXT    NOT NULL,
	epoch      INTEGER NOT NULL,
	phase      INTEGER NOT NULL,
	window     INTEGER NOT NULL,
	unit       INTEGER NOT NULL,
	at         INTEGER NOT NULL,
	groups     INTEGER NOT NULL,
	failed     INTEGER NOT NULL,
	compared   TEXT    NOT NULL,
	PRIMARY KEY (experiment, version, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX pairs_by_window ON pairs (experiment, epoch, phase, window);

CREATE TABLE predictions (
	id         INTEGER PRIMARY KEY,
	experiment INTEGER NOT NULL,
	unit       INTEGER NOT NULL,
	at         INTEGER NOT NULL,
	request    INTEGER NOT NULL,
	epoch      INTEGER NOT NULL,
	phase      INTEGER NOT NULL,
	window     INTEGER NOT NULL,
	version    INTEGER NOT NULL,
	groups     INTEGER NOT NULL,
	class      TEXT    NOT NULL,
	score      REAL
) STRICT;
CREATE INDEX predictions_by_unit ON predictions (experiment, unit, at);
CREATE INDEX predictions_by_request ON predictions (experiment, request) WHERE request <> 0;
CREATE INDEX predictions_by_window ON predictions (experiment, epoch, phase, window);

-- The truth about predictions, by the event that told it.
CREATE TABLE labels (
	prediction INTEGER NOT NULL,
	event      TEXT    NOT NULL,
	label      TEXT    NOT NULL,
	at         INTEGER NOT NULL,
	PRIMARY KEY (prediction, event)
) STRICT, WITHOUT ROWID;

-- The last batch of each gateway.
CREATE TABLE gateways (
	gateway  TEXT    PRIMARY KEY,
	sequence INTEGER NOT NULL,
	seen     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX gateways_by_seen ON gateways (seen);

-- How far each gateway has sealed a phase, and when it was last heard of there.
CREATE TABLE gateway_phases (
	experiment INTEGER NOT NULL,
	epoch      INTEGER NOT NULL,
	phase      INTEGER NOT NULL,
	gateway    TEXT    NOT NULL,
	sealed     INTEGER NOT NULL,
	seen       INTEGER NOT NULL,
	left_out   INTEGER NOT NULL,
	PRIMARY KEY (experiment, epoch, phase, gateway)
) STRICT, WITHOUT ROWID;

-- Cells of gateways that wait for the other gateways', as JSON.
CREATE TABLE gateway_cells (
	experiment INTEGER NOT NULL,
	epoch      INTEGER NOT NULL,
	phase      INTEGER NOT NULL,
	window     INTEGER NOT NULL,
	gateway    TEXT    NOT NULL,
	cells      TEXT    NOT NULL,
	PRIMARY KEY (experiment, epoch, phase, window, gateway)
) STRICT, WITHOUT ROWID;

ALTER TABLE phases ADD COLUMN pairs INTEGER NOT NULL DEFAULT 0;
ALTER TABLE phases ADD COLUMN gateway INTEGER NOT NULL DEFAULT 0;
`

// prepared is a statement and where it goes.
type prepared struct {
	to  **sql.Stmt
	sql string
}

// pairStatements are of pairs.
func (s *statements) pairStatements() []prepared {
	return []prepared{
		// Sums of floating-point numbers depend on the order.
		{&s.joinPairs, `SELECT window, version, unit, groups, failed, compared FROM pairs
			WHERE experiment = ?1 AND epoch = ?2 AND phase = ?3 AND window >= ?4 AND window < ?5
			ORDER BY window, version, unit, id`},
		{&s.countPairs, `SELECT count(*) FROM pairs WHERE experiment = ?1`},
		{&s.oldestPairs, `SELECT epoch, phase, window, at FROM pairs
			WHERE experiment = ?1 ORDER BY epoch, phase, window LIMIT 1`},
		{&s.dropPairs, `DELETE FROM pairs WHERE experiment = ?1 AND (version, id) IN
			(SELECT version, id FROM pairs WHERE experiment = ?1 AND epoch = ?2 AND phase = ?3 AND window <= ?4
			ORDER BY window LIMIT ?5)`},
	}
}

// predictionStatements are of predictions and labels. What is found first is
// always the same: two requests of a unit in one millisecond share a token.
func (s *statements) predictionStatements() []prepared {
	const found = `SELECT p.id, p.epoch, p.phase, p.window, l.label FROM predictions p
		LEFT JOIN labels l ON l.prediction = p.id AND l.event = ?1 WHERE p.experiment = ?2 `
	const inOrder = `p.request, p.class, coalesce(p.score, 0), p.id LIMIT 1`
	const oldest = `(SELECT id FROM predictions WHERE experiment = ?1 AND epoch = ?2 AND phase = ?3 AND window <= ?4
		ORDER BY window, id LIMIT ?5)`
	return []prepared{
		{&s.byToken, found + `AND p.unit = ?3 AND p.at = ?4 AND p.epoch = ?5 AND p.phase = ?6 AND p.version = ?7 ORDER BY ` + inOrder},
		// A request may have been answered by several versions: the truth is
		// about all of them.
		{&s.byRequest, found + `AND p.request = ?3 AND p.request <> 0 ORDER BY p.at, p.version, p.id LIMIT 16`},
		{&s.byUnit, found + `AND p.unit = ?3 AND p.at <= ?4 ORDER BY p.at DESC, p.epoch DESC, p.phase DESC, ` + inOrder},

		{&s.joinLabels, `SELECT p.id, p.window, p.version, p.unit, p.at, p.groups, p.class, p.score,
				coalesce(l.event, ''), coalesce(l.label, ''), coalesce(l.at, 0)
			FROM predictions p
			LEFT JOIN labels l ON l.prediction = p.id
			LEFT JOIN exposures e ON e.experiment = p.experiment AND e.unit = p.unit AND e.epoch = p.epoch AND e.phase = p.phase
			WHERE p.experiment = ?1 AND p.epoch = ?2 AND p.phase = ?3 AND p.window >= ?4 AND p.window < ?5 AND coalesce(e.moved, 0) = 0
			ORDER BY p.window, p.version, p.unit, p.at, p.request, p.class, coalesce(p.score, 0), p.id, l.event`},
		{&s.countPredictions, `SELECT count(*) FROM predictions WHERE experiment = ?1`},
		{&s.oldestPredictions, `SELECT epoch, phase, window, at FROM predictions
			WHERE experiment = ?1 ORDER BY epoch, phase, window LIMIT 1`},
		{&s.dropLabels, `DELETE FROM labels WHERE prediction IN ` + oldest},
		{&s.dropPredictions, `DELETE FROM predictions WHERE id IN ` + oldest},
	}
}

// keyStatements are of the keys of outcomes.
func (s *statements) keyStatements() []prepared {
	return []prepared{
		// As many hashes as keysAtOnce.
		{&s.knownKeys, `SELECT hash FROM keys WHERE experiment = ?1 AND expires > ?2 AND hash IN
			(?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)`},
		{&s.purgeKeys, `DELETE FROM keys WHERE (experiment, hash) IN
			(SELECT experiment, hash FROM keys WHERE expires <= ?1 ORDER BY expires LIMIT ?2)`},
		{&s.keyLog, `SELECT experiment, expires, hashes FROM key_log ORDER BY id`},
		{&s.lastKeyLog, `SELECT coalesce(max(id), 0) FROM key_log`},
		{&s.addKeyLog, `INSERT INTO key_log (experiment, expires, hashes) VALUES (?1, ?2, ?3)`},
		{&s.dropKeyLog, `DELETE FROM key_log WHERE id <= ?1`},
	}
}

// batchStatements are of what gateways hand over.
func (s *statements) batchStatements() []prepared {
	return []prepared{
		{&s.gateway, `SELECT sequence FROM gateways WHERE gateway = ?1`},
		{&s.setGateway, `INSERT INTO gateways (gateway, sequence, seen) VALUES (?1, ?2, ?3)
			ON CONFLICT (gateway) DO UPDATE SET sequence = excluded.sequence, seen = excluded.seen`},
		{&s.purgeGateways, `DELETE FROM gateways WHERE seen < ?1`},
		{&s.gatewayPhases, `SELECT gateway, epoch, phase, sealed, seen, left_out FROM gateway_phases
			WHERE experiment = ?1 ORDER BY gateway, epoch, phase`},
		{&s.gatewaySealed, `SELECT sealed FROM gateway_phases
			WHERE experiment = ?1 AND epoch = ?2 AND phase = ?3 AND gateway = ?4`},
		{&s.setGatewayPhase, `INSERT INTO gateway_phases (experiment, epoch, phase, gateway, sealed, seen, left_out)
			VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0) ON CONFLICT (experiment, epoch, phase, gateway)
			DO UPDATE SET sealed = excluded.sealed, seen = excluded.seen, left_out = 0`},
		{&s.leaveOut, `UPDATE gateway_phases SET left_out = 1
			WHERE experiment = ?1 AND epoch = ?2 AND phase = ?3 AND gateway = ?4`},
		{&s.gatewayCells, `SELECT window, cells FROM gateway_cells
			WHERE experiment = ?1 AND epoch = ?2 AND phase = ?3 AND window >= ?4 AND window < ?5 ORDER BY window, gateway`},
		{&s.addGatewayCells, `INSERT INTO gateway_cells (experiment, epoch, phase, window, gateway, cells)
			VALUES (?1, ?2, ?3, ?4, ?5, ?6)`},
		{&s.dropGatewayCells, `DELETE FROM gateway_cells WHERE experiment = ?1 AND epoch = ?2 AND phase = ?3 AND window < ?4`},
		{&s.dropGatewayPhases, `DELETE FROM gateway_phases WHERE experiment = ?1 AND epoch = ?2 AND phase = ?3 AND sealed <= ?4`},
	}
}

// deleteStatements forget one unit, in this order.
func (s *statements) deleteStatements() []prepared {
	return []prepared{
		{&s.deleteLabels, `DELETE FROM labels WHERE prediction IN (SELECT id FROM predictions WHERE experiment = ?1 AND unit = ?2)`},
		{&s.deletePredictions, `DELETE FROM predictions WHERE experiment = ?1 AND unit = ?2`},
		{&s.deletePairs, `DELETE FROM pairs WHERE experiment = ?1 AND unit = ?2`},
		{&s.deleteOutcomes, `DELETE FROM outcomes WHERE experiment = ?1 AND unit = ?2`},
		{&s.deleteExposures, `DELETE FROM exposures WHERE experiment = ?1 AND unit = ?2`},
	}
}

// prepareRows prepares the statements that write many rows.
func (s *statements) prepareRows(ctx context.Context, conn *sql.Conn) error {
	for _, p := range []struct {
		to               **inserts
		what, into, then string
	}{
		{&s.outcomes, "outcomes", `outcomes (experiment, epoch, phase, window, seq, unit, event, value, at)`, ``},
		{&s.keys, "keys", `keys (experiment, hash, expires)`, `ON CONFLICT (experiment, hash) DO UPDATE SET expires = excluded.expires`},
		{&s.pairs, "pairs", `pairs (experiment, version, id, epoch, phase, window, unit, at, groups, failed, compared)`,
			`ON CONFLICT (experiment, version, id) DO NOTHING`},
		{&s.predictions, "predictions", `predictions (experiment, unit, at, request, epoch, phase, window, version, groups, class, score)`, ``},
		{&s.labels, "labels", `labels (prediction, event, label, at)`, ``},
	} {
		in, err := prepareInserts(ctx, conn, p.what, p.into, p.then)
		s.rows = append(s.rows, in)
		if err != nil {
			return err
		}
		*p.to = in
	}
	return nil
}

// clearRows forgets the rows that wait to be written.
func (s *statements) clearRows() {
	for _, in := range s.rows {
		in.clear()
	}
}

func (s *statements) closeRows() error {
	var errs []error
	for _, in := range s.rows {
		errs = append(errs, in.close())
	}
	return errors.Join(errs...)
}
