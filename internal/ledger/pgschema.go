// SPDX-License-Identifier: Apache-2.0

package ledger

import "github.com/headgate-dev/headgate/internal/postgres"

// postgresKind is what a ledger's schema is. It is held exclusively, for the
// same reason as a file.
func postgresKind() postgres.Kind {
	return postgres.Kind{Name: "ledger", Exclusive: true, Migrations: []string{postgresSchema1, postgresSchema2}}
}

// postgresSchema1 has the tables of the file's schema 3; what they are for is
// said there. Texts are in the order of their bytes, as in a file: cells depend
// on it. Tables that are emptied in bulk are cleaned up more often than the
// server would by itself.
const postgresSchema1 = `
CREATE TABLE experiments (
	id   integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	name text COLLATE "C" NOT NULL UNIQUE
);

CREATE TABLE exposures (
	unit       bigint   NOT NULL,
	"window"   bigint   NOT NULL,
	at         bigint   NOT NULL,
	groups     bigint   NOT NULL,
	experiment integer  NOT NULL,
	epoch      integer  NOT NULL,
	phase      integer  NOT NULL,
	version    smallint NOT NULL,
	moved      smallint NOT NULL,
	PRIMARY KEY (unit, experiment, epoch, phase)
) WITH (fillfactor = 90);
CREATE INDEX exposures_by_window ON exposures (experiment, epoch, phase, "window");
CREATE INDEX exposures_moved ON exposures (experiment, epoch, phase) WHERE moved = 1;

CREATE TABLE outcomes (
	"window"   bigint  NOT NULL,
	seq        bigint  NOT NULL,
	unit       bigint  NOT NULL,
	value      double precision NOT NULL,
	at         bigint  NOT NULL,
	experiment integer NOT NULL,
	epoch      integer NOT NULL,
	phase      integer NOT NULL,
	event      text COLLATE "C" NOT NULL,
	PRIMARY KEY (experiment, epoch, phase, "window", seq)
) WITH (autovacuum_vacuum_scale_factor = 0.02);

CREATE TABLE numbers (
	name  text COLLATE "C" PRIMARY KEY,
	value bigint NOT NULL
);
INSERT INTO numbers (name, value) VALUES ('outcome', 0);

-- Keys are hashes of 16 bytes, for which uuid is the type that costs least.
CREATE TABLE keys (
	hash       uuid    NOT NULL,
	expires    bigint  NOT NULL,
	experiment integer NOT NULL,
	PRIMARY KEY (hash, experiment)
) WITH (autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX keys_by_expiry ON keys (expires);

CREATE TABLE key_log (
	id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	experiment integer NOT NULL,
	expires    bigint  NOT NULL,
	hashes     bytea   NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.02);

CREATE TABLE phases (
	experiment integer NOT NULL,
	epoch      integer NOT NULL,
	phase      integer NOT NULL,
	exposures  bigint  NOT NULL,
	outcomes   bigint  NOT NULL,
	pruned     bigint  NOT NULL,
	pairs      bigint  NOT NULL,
	gateway    bigint  NOT NULL,
	PRIMARY KEY (experiment, epoch, phase)
);

CREATE TABLE seals (
	experiment integer NOT NULL,
	epoch      integer NOT NULL,
	phase      integer NOT NULL,
	source     text COLLATE "C" NOT NULL,
	"window"   bigint  NOT NULL,
	cells      text COLLATE "C" NOT NULL,
	PRIMARY KEY (experiment, epoch, phase, source, "window")
);

CREATE TABLE pairs (
	"window"   bigint   NOT NULL,
	unit       bigint   NOT NULL,
	at         bigint   NOT NULL,
	groups     bigint   NOT NULL,
	experiment integer  NOT NULL,
	epoch      integer  NOT NULL,
	phase      integer  NOT NULL,
	version    smallint NOT NULL,
	failed     smallint NOT NULL,
	id         text COLLATE "C" NOT NULL,
	compared   text COLLATE "C" NOT NULL,
	PRIMARY KEY (experiment, version, id)
) WITH (autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX pairs_by_window ON pairs (experiment, epoch, phase, "window");

CREATE TABLE predictions (
	id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	unit       bigint   NOT NULL,
	at         bigint   NOT NULL,
	request    bigint   NOT NULL,
	"window"   bigint   NOT NULL,
	groups     bigint   NOT NULL,
	score      double precision,
	experiment integer  NOT NULL,
	epoch      integer  NOT NULL,
	phase      integer  NOT NULL,
	version    smallint NOT NULL,
	class      text COLLATE "C" NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX predictions_by_unit ON predictions (unit, at);
CREATE INDEX predictions_by_request ON predictions (experiment, request) WHERE request <> 0;
CREATE INDEX predictions_by_window ON predictions (experiment, epoch, phase, "window");

CREATE TABLE labels (
	prediction bigint NOT NULL,
	at         bigint NOT NULL,
	event      text COLLATE "C" NOT NULL,
	label      text COLLATE "C" NOT NULL,
	PRIMARY KEY (prediction, event)
) WITH (autovacuum_vacuum_scale_factor = 0.02);

CREATE TABLE gateways (
	gateway  text COLLATE "C" PRIMARY KEY,
	sequence bigint NOT NULL,
	seen     bigint NOT NULL
);
CREATE INDEX gateways_by_seen ON gateways (seen);

CREATE TABLE gateway_phases (
	experiment integer  NOT NULL,
	epoch      integer  NOT NULL,
	phase      integer  NOT NULL,
	gateway    text COLLATE "C" NOT NULL,
	sealed     bigint   NOT NULL,
	seen       bigint   NOT NULL,
	left_out   smallint NOT NULL,
	PRIMARY KEY (experiment, epoch, phase, gateway)
);

CREATE TABLE gateway_cells (
	experiment integer NOT NULL,
	epoch      integer NOT NULL,
	phase      integer NOT NULL,
	"window"   bigint  NOT NULL,
	gateway    text COLLATE "C" NOT NULL,
	cells      text COLLATE "C" NOT NULL,
	PRIMARY KEY (experiment, epoch, phase, "window", gateway)
);
`
