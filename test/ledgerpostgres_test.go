// SPDX-License-Identifier: Apache-2.0

package test

import (
	"database/sql"
	"errors"
	"os"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // The driver "pgx".

	"github.com/headgate-dev/headgate/internal/postgres/postgrestest"
)

// TestTheLedgerCountsOnceInPostgres is the same with PostgreSQL for a store,
// which is killed in its turn, where it is ours to kill. Its acknowledgements
// are on disk then.
func TestTheLedgerCountsOnceInPostgres(t *testing.T) { countsOnceInPostgres(t, keptRounds) }

// TestSoakTheLedgerCountsOnceInPostgres does so for a few minutes.
func TestSoakTheLedgerCountsOnceInPostgres(t *testing.T) {
	if os.Getenv("HEADGATE_SOAK") == "" {
		t.Skip("make soak runs it")
	}
	countsOnceInPostgres(t, keptSoak)
}

func countsOnceInPostgres(t *testing.T, rounds int) {
	server, err := postgrestest.Start(t.Context(), postgrestest.Options{Durable: true})
	if errors.Is(err, postgrestest.ErrNoServer) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	database := server.Database(t)
	k := newKept(t, database)
	kills := []func(){k.gateways[0].kill, k.gateways[1].kill, k.killLedger}
	if server.Ours() {
		kills = append(kills, func() { k.crash(server) })
	}
	k.killAll(rounds, kills...)
	k.proof()
	k.stopLedger()
	db, err := sql.Open("pgx", database)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	k.pairsIn(db, "headgate_ledger.pairs")
}

// crash kills the server and starts it anew; the ledger goes on by itself.
func (k *kept) crash(server *postgrestest.Server) {
	k.t.Helper()
	k.kills++
	before := k.healthy(0)
	if _, err := server.Crash(); err != nil {
		k.t.Fatal(err)
	}
	if err := server.Restart(k.t.Context()); err != nil {
		k.t.Fatal(err)
	}
	k.state(0, func(s pullState) bool {
		return s.Failing == "" && s.Gateway == before.Gateway && s.Sequence > before.Sequence+1
	})
	k.healthy(1)
}
