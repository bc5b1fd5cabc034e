// SPDX-License-Identifier: Apache-2.0

package ledger

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
