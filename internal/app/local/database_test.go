// SPDX-License-Identifier: Apache-2.0

package local

import (
	"errors"
	"strings"
	"testing"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/postgres/postgrestest"
)

// TestRunsOnPostgreSQLGoOnAfterARestart runs two experiments on one database:
// both decide, are closed, and go on where they stood in another data directory,
// which holds nothing of them but the key.
func TestRunsOnPostgreSQLGoOnAfterARestart(t *testing.T) {
	server, err := postgrestest.Start(t.Context(), postgrestest.Options{})
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
	plans := []*experiment.Plan{plan(t, "one"), plan(t, "two")}
	o := Options{Data: t.TempDir(), Database: server.Database(t)}
	for _, p := range plans {
		o.Experiments = append(o.Experiments, Experiment{Plan: p})
	}
	start := func() *Host {
		h, err := Start(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	h := start()
	for _, r := range h.Runs() {
		until(t, r, "the canary's share", shared)
		_, token := ask(t, r, "anybody")
		if got, err := r.ledger.Record(t.Context(), r.ID(), []experiment.UnitOutcome{{Token: token, Event: "purchase", Value: 1, Key: "k"}}); err != nil || got.Accepted != 1 {
			t.Errorf("%+v %v", got, err)
		}
	}
	// A second process on the same database is refused, whatever its directory.
	other := o
	other.Data = t.TempDir()
	if second, err := Start(t.Context(), other); err == nil {
		_ = second.Close()
		t.Error("a second host has started on the database")
	} else if strings.Contains(err.Error(), "password") {
		t.Errorf("%v", err)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	h = start()
	defer h.Close()
	for i, r := range h.Runs() {
		until(t, r, "the canary's share again", shared)
		if r.ID() != plans[i].ID() || r.View().Condition != string(experiment.Running) {
			t.Errorf("%s is %s", r.ID(), r.View().Condition)
		}
		replays(t, r)
	}
}
