// SPDX-License-Identifier: Apache-2.0

package ledger

// statement is SQL in words that both stores understand: window is a key
// word of PostgreSQL's. INDEXED BY is SQLite's alone and left out elsewhere. A
// plus keeps a column out of the choice of an index: of two that could do,
// PostgreSQL takes the wrong one when it knows too little of a table. For
// the same reason some joins are written as subqueries: for each line one look.
type statement string

// Experiments, units and their outcomes.
const (
	sqlExperiment    statement = `SELECT id FROM experiments WHERE name = ?1`
	sqlAddExperiment statement = `INSERT INTO experiments (name) VALUES (?1) ON CONFLICT DO NOTHING`
	sqlRow           statement = `SELECT "window", version, at, moved, groups FROM exposures
		WHERE experiment = ?1 AND unit = ?2 AND epoch = ?3 AND phase = ?4`
	// All rows of a unit, of whatever phase.
	sqlUnit         statement = `SELECT epoch, phase, "window", version, at, moved, groups FROM exposures WHERE experiment = ?1 AND unit = ?2`
	sqlNumber       statement = `SELECT value FROM numbers WHERE name = ?1`
	sqlSetNumber    statement = `UPDATE numbers SET value = ?2 WHERE name = ?1`
	sqlDropOutcomes statement = `DELETE FROM outcomes WHERE experiment = ?1 AND epoch = ?2 AND phase = ?3 AND "window" >= ?4 AND "window" < ?5`
	sqlMoveOutcomes statement = `UPDATE outcomes SET "window" = ?6 WHERE experiment = ?1 AND epoch = ?2 AND phase = ?3 AND "window" = ?4 AND unit = ?5`
	sqlPhase        statement = `SELECT exposures, outcomes, pruned, pairs, gateway FROM phases
		WHERE experiment = ?1 AND epoch = ?2 AND phase = ?3`
	sqlSetPhase statement = `INSERT INTO phases (experiment, epoch, phase, exposures, outcomes, pruned, pairs, gateway)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (experiment, epoch, phase)
		DO UPDATE SET exposures = excluded.exposures, outcomes = excluded.outcomes, pruned = excluded.pruned,
			pairs = excluded.pairs, gateway = excluded.gateway`
	sqlCountExposures statement = `SELECT "window", version, groups, count(*) FROM exposures INDEXED BY exposures_by_window
		WHERE experiment = ?1 AND epoch = ?2 AND phase = ?3 AND "window" >= ?4 AND "window" < ?5
		GROUP BY "window", version, groups ORDER BY "window"`
	// The order is part of the result: sums of floating-point numbers
	// depend on it.
	sqlJoinOutcomes statement = `SELECT "window", unit, 0 AS kind, version, at, groups, '' AS event, 0.0 AS value FROM exposures INDEXED BY exposures_by_window
		WHERE experiment = ?1 AND epoch = ?2 AND phase = ?3 AND "window" >= ?4 AND "window" < ?5 AND moved = 0
		UNION ALL SELECT "window", unit, 1, 0, at, 0, event, value FROM outcomes
		WHERE experiment = ?1 AND epoch = ?2 AND phase = ?3 AND "window" >= ?4 AND "window" < ?5
		ORDER BY 1, 2, 3, 5, 8`
	sqlNewestPhase statement = `SELECT epoch, phase FROM exposures WHERE experiment = ?1 ORDER BY epoch DESC, phase DESC LIMIT 1`
	// What early readings are made of: units, and outcomes of one event.
	sqlEarly statement = `SELECT unit, 0 AS kind, version, at FROM exposures INDEXED BY exposures_by_window
		WHERE experiment = ?1 AND epoch = ?2 AND phase = ?3 AND "window" >= ?4 AND moved = 0
		UNION ALL SELECT unit, 1, 0, at FROM outcomes
		WHERE experiment = ?1 AND epoch = ?2 AND phase = ?3 AND "window" >= ?4 AND event = ?5
		ORDER BY 1, 2, 4`
	sqlMoved statement = `SELECT count(*) FROM exposures INDEXED BY exposures_moved
		WHERE experiment = ?1 AND epoch = ?2 AND phase = ?3 AND moved = 1`
	sqlSeals statement = `SELECT cells FROM seals
		WHERE experiment = ?1 AND epoch = ?2 AND phase = ?3 AND source = ?4 AND "window" >= ?5 AND "window" < ?6 ORDER BY "window"`
	sqlAddSeal   statement = `INSERT INTO seals (experiment, epoch, phase, source, "window", cells) VALUES (?1, ?2, ?3, ?4, ?5, ?6)`
	sqlPruneRows statement = `DELETE FROM exposures WHERE experiment = ?1 AND +epoch = ?2 AND +phase = ?3 AND unit IN
		(SELECT unit FROM exposures INDEXED BY exposures_by_window
		WHERE experiment = ?1 AND epoch = ?2 AND phase = ?3 AND "window" < ?4 ORDER BY "window", unit LIMIT ?5)`
	sqlPruneSeals statement = `DELETE FROM seals WHERE experiment = ?1 AND epoch = ?2 AND phase = ?3 AND "window" < ?4`
)

// Keys of outcomes.
const (
	// As many hashes as keysAtOnce.
	sqlKnownKeys statement = `SELECT hash FROM keys WHERE experiment = ?1 AND expires > ?2 AND hash IN
		(?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)`
	sqlPurgeKeys statement = `DELETE FROM keys WHERE (experiment, hash) IN
		(SELECT experiment, hash FROM keys WHERE expires <= ?1 ORDER BY expires LIMIT ?2)`
	sqlKeyLog     statement = `SELECT experiment, expires, hashes FROM key_log ORDER BY id`
	sqlLastKeyLog statement = `SELECT coalesce(max(id), 0) FROM key_log`
	sqlAddKeyLog  statement = `INSERT INTO key_log (experiment, expires, hashes) VALUES (?1, ?2, ?3)`
	sqlDropKeyLog statement = `DELETE FROM key_log WHERE id <= ?1`
)

// Pairs.
const (
	// Sums of floating-point numbers depend on the order.
	sqlJoinPairs statement = `SELECT "window", version, unit, groups, failed, compared FROM pairs
		WHERE experiment = ?1 AND epoch = ?2 AND phase = ?3 AND "window" >= ?4 AND "window" < ?5
		ORDER BY "window", version, unit, id`
	sqlCountPairs  statement = `SELECT count(*) FROM pairs WHERE experiment = ?1`
	sqlOldestPairs statement = `SELECT epoch, phase, "window", at FROM pairs
		WHERE experiment = ?1 ORDER BY epoch, phase, "window" LIMIT 1`
	sqlDropPairs statement = `DELETE FROM pairs WHERE experiment = ?1 AND (version, id) IN
		(SELECT version, id FROM pairs WHERE experiment = ?1 AND epoch = ?2 AND phase = ?3 AND "window" <= ?4
		ORDER BY "window" LIMIT ?5)`
)

// Predictions and labels. What is found first is always the same: two requests
// of a unit in one millisecond share a token.
const (
	foundPrediction = `SELECT p.id, p.epoch, p.phase, p."window", p.version, p.at, p.request,
		(SELECT l.label FROM labels l WHERE l.prediction = p.id AND l.event = ?1) FROM predictions p WHERE p.experiment = ?2 `
	inRequestOrder    = `p.request, p.class, coalesce(p.score, 0), p.id LIMIT 64`
	predictionsToDrop = `(SELECT id FROM predictions WHERE experiment = ?1 AND epoch = ?2 AND phase = ?3 AND "window" <= ?4
		ORDER BY "window", id LIMIT ?5)`

	// Where the request was mirrored, the answers to its copies come with it; what
	// is of other requests, firstOf leaves out.
	sqlByToken statement = foundPrediction + `AND p.unit = ?3 AND p.at = ?4 AND +p.epoch = ?5 AND +p.phase = ?6
		ORDER BY CASE WHEN p.version = ?7 THEN 0 ELSE 1 END, ` + inRequestOrder
	// A request may have been answered by several versions: the truth is
	// about all of them.
	sqlByRequest statement = foundPrediction + `AND p.request = ?3 AND p.request <> 0 ORDER BY p.at, p.version, p.id LIMIT 16`
	sqlByUnit    statement = foundPrediction + `AND p.unit = ?3
		AND p.at = (SELECT max(n.at) FROM predictions n WHERE n.experiment = ?2 AND n.unit = ?3 AND n.at <= ?4)
		ORDER BY p.epoch DESC, p.phase DESC, ` + inRequestOrder
	sqlJoinLabels statement = `SELECT p.id, p."window", p.version, p.unit, p.at, p.groups, p.class, p.score,
			coalesce(l.event, ''), coalesce(l.label, ''), coalesce(l.at, 0)
		FROM predictions p
		LEFT JOIN labels l ON l.prediction = p.id
		WHERE p.experiment = ?1 AND p.epoch = ?2 AND p.phase = ?3 AND p."window" >= ?4 AND p."window" < ?5
			AND coalesce((SELECT e.moved FROM exposures e
				WHERE e.experiment = p.experiment AND e.unit = p.unit AND +e.epoch = p.epoch AND +e.phase = p.phase), 0) = 0
		ORDER BY p."window", p.version, p.unit, p.at, p.request, p.class, coalesce(p.score, 0), p.id, l.event`
	// A copy that is answered after its original had its label has it too.
	sqlShareLabels statement = `INSERT INTO labels (prediction, event, label, at)
		SELECT m.id, l.event, l.label, l.at FROM predictions m
		JOIN predictions p ON +p.experiment = +m.experiment AND p.unit = +m.unit AND p.at = +m.at
			AND +p.epoch = +m.epoch AND +p.phase = +m.phase AND +p.request = +m.request AND +p.version = 0
		JOIN labels l ON l.prediction = +p.id
		WHERE m.id > ?1 AND +m.version <> 0
		ON CONFLICT DO NOTHING`
	sqlLastPrediction    statement = `SELECT coalesce(max(id), 0) FROM predictions`
	sqlCountPredictions  statement = `SELECT count(*) FROM predictions WHERE experiment = ?1`
	sqlOldestPredictions statement = `SELECT epoch, phase, "window", at FROM predictions
		WHERE experiment = ?1 ORDER BY epoch, phase, "window" LIMIT 1`
	sqlDropLabels      statement = `DELETE FROM labels WHERE prediction IN ` + predictionsToDrop
	sqlDropPredictions statement = `DELETE FROM predictions WHERE id IN ` + predictionsToDrop
)

// What gateways hand over.
const (
	sqlGateway    statement = `SELECT sequence FROM gateways WHERE gateway = ?1`
	sqlSetGateway statement = `INSERT INTO gateways (gateway, sequence, seen, origin) VALUES (?1, ?2, ?3, ?4)
		ON CONFLICT (gateway) DO UPDATE SET sequence = excluded.sequence, seen = excluded.seen, origin = excluded.origin`
	// Whoever is reached where another was has taken its place.
	sqlEndEarlier    statement = `UPDATE gateways SET ended = ?3, lost = 1 WHERE origin = ?2 AND gateway <> ?1 AND ended = 0`
	sqlEndGateway    statement = `UPDATE gateways SET ended = ?2, lost = 0 WHERE gateway = ?1 AND ended = 0`
	sqlPurgeGateways statement = `DELETE FROM gateways WHERE seen < ?1
		AND NOT EXISTS (SELECT * FROM gateway_phases p WHERE p.gateway = gateways.gateway)`
	sqlGatewayPhases statement = `SELECT p.gateway, p.epoch, p.phase, p.sealed, p.seen, p.left_out, g.origin, g.ended, g.lost
		FROM gateway_phases p JOIN gateways g ON g.gateway = p.gateway
		WHERE p.experiment = ?1 ORDER BY p.gateway, p.epoch, p.phase`
	// The most that gateways reached in the same place have sealed of a phase.
	sqlEarlierSealed statement = `SELECT coalesce(max(p.sealed), -1) FROM gateways g
		JOIN gateway_phases p ON p.gateway = g.gateway AND p.experiment = ?1 AND p.epoch = ?2 AND p.phase = ?3
		WHERE g.origin = ?5 AND g.gateway <> ?4`
	sqlGatewaySealed statement = `SELECT sealed FROM gateway_phases
		WHERE experiment = ?1 AND epoch = ?2 AND phase = ?3 AND gateway = ?4`
	sqlSetGatewayPhase statement = `INSERT INTO gateway_phases (experiment, epoch, phase, gateway, sealed, seen, left_out)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0) ON CONFLICT (experiment, epoch, phase, gateway)
		DO UPDATE SET sealed = excluded.sealed, seen = excluded.seen, left_out = 0`
	sqlLeaveOut statement = `UPDATE gateway_phases SET left_out = 1
		WHERE experiment = ?1 AND epoch = ?2 AND phase = ?3 AND gateway = ?4`
	sqlGatewayCells statement = `SELECT "window", cells FROM gateway_cells
		WHERE experiment = ?1 AND epoch = ?2 AND phase = ?3 AND "window" >= ?4 AND "window" < ?5 ORDER BY "window", gateway`
	sqlAddGatewayCells statement = `INSERT INTO gateway_cells (experiment, epoch, phase, "window", gateway, cells)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6)`
	sqlDropGatewayCells  statement = `DELETE FROM gateway_cells WHERE experiment = ?1 AND epoch = ?2 AND phase = ?3 AND "window" < ?4`
	sqlDropGatewayPhases statement = `DELETE FROM gateway_phases WHERE experiment = ?1 AND epoch = ?2 AND phase = ?3 AND sealed <= ?4`
)

// Windows that are not whole.
const (
	sqlExtendGap statement = `UPDATE gaps SET upto = ?6
		WHERE experiment = ?1 AND epoch = ?2 AND phase = ?3 AND source = ?4 AND why = ?7 AND first < ?5 AND upto = ?5`
	sqlAddGap statement = `INSERT INTO gaps (experiment, epoch, phase, source, first, upto, why) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
		ON CONFLICT (experiment, epoch, phase, source, first, why) DO UPDATE SET upto = CASE WHEN excluded.upto > gaps.upto THEN excluded.upto ELSE gaps.upto END`
	sqlGaps statement = `SELECT first, upto, why FROM gaps
		WHERE experiment = ?1 AND epoch = ?2 AND phase = ?3 AND source = ?4 AND first < ?6 AND upto > ?5 ORDER BY first, upto, why`
	sqlPruneGaps statement = `DELETE FROM gaps WHERE experiment = ?1 AND epoch = ?2 AND phase = ?3 AND upto <= ?4`
)

// Which commits were made.
const (
	sqlCommitted statement = `SELECT number FROM commits WHERE writer = ?1`
	sqlSetCommit statement = `INSERT INTO commits (writer, number, at) VALUES (?1, ?2, ?3)
		ON CONFLICT (writer) DO UPDATE SET number = excluded.number, at = excluded.at`
	sqlPurgeCommits statement = `DELETE FROM commits WHERE at < ?1`
)

// What forgets one unit.
const (
	sqlDeleteLabels      statement = `DELETE FROM labels WHERE prediction IN (SELECT id FROM predictions WHERE experiment = ?1 AND unit = ?2)`
	sqlDeletePredictions statement = `DELETE FROM predictions WHERE experiment = ?1 AND unit = ?2`
	sqlDeletePairs       statement = `DELETE FROM pairs WHERE experiment = ?1 AND unit = ?2`
	sqlDeleteOutcomes    statement = `DELETE FROM outcomes WHERE experiment = ?1 AND unit = ?2`
	sqlDeleteExposures   statement = `DELETE FROM exposures WHERE experiment = ?1 AND unit = ?2`
)
