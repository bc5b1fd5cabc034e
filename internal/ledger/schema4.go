// SPDX-License-Identifier: Apache-2.0

package ledger

// schema4 adds what is known of windows that are not whole, and which commits
// were made.
const schema4 = `
-- Where a gateway is reached, when its process ended (0: it lives, as far as is
-- known), and whether something was lost with it.
ALTER TABLE gateways ADD COLUMN origin TEXT NOT NULL DEFAULT '';
ALTER TABLE gateways ADD COLUMN ended INTEGER NOT NULL DEFAULT 0;
ALTER TABLE gateways ADD COLUMN lost INTEGER NOT NULL DEFAULT 0;

-- Windows, from first up to but excluding upto, that are not whole.
CREATE TABLE gaps (
	experiment INTEGER NOT NULL,
	epoch      INTEGER NOT NULL,
	phase      INTEGER NOT NULL,
	source     TEXT    NOT NULL,
	first      INTEGER NOT NULL,
	upto       INTEGER NOT NULL,
	why        TEXT    NOT NULL,
	PRIMARY KEY (experiment, epoch, phase, source, first, why)
) STRICT, WITHOUT ROWID;

-- The last commit of each process: whoever does not know whether a commit was
-- made finds it here.
CREATE TABLE commits (
	writer INTEGER PRIMARY KEY,
	number INTEGER NOT NULL,
	at     INTEGER NOT NULL
) STRICT;
`

// postgresSchema2 is the same for PostgreSQL. The only row of a writer is
// written at every commit, in place as long as there is room on its page.
const postgresSchema2 = `
ALTER TABLE gateways ADD COLUMN origin text COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE gateways ADD COLUMN ended bigint NOT NULL DEFAULT 0;
ALTER TABLE gateways ADD COLUMN lost smallint NOT NULL DEFAULT 0;

CREATE TABLE gaps (
	experiment integer NOT NULL,
	epoch      integer NOT NULL,
	phase      integer NOT NULL,
	source     text COLLATE "C" NOT NULL,
	first      bigint  NOT NULL,
	upto       bigint  NOT NULL,
	why        text COLLATE "C" NOT NULL,
	PRIMARY KEY (experiment, epoch, phase, source, first, why)
);

CREATE TABLE commits (
	writer bigint PRIMARY KEY,
	number bigint NOT NULL,
	at     bigint NOT NULL
) WITH (fillfactor = 10);
`
