// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// ownerOf makes the test binary a process that owns the schema of that URL
// until it is killed.
const ownerOf = "HEADGATE_TEST_POSTGRES_OWNER"

func ownUntilKilled(at string) {
	k := owned()
	if _, err := Open(context.Background(), at, k); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("mine")
	select {}
}

func owned() Kind {
	k := thing()
	k.Exclusive = true
	return k
}

func TestOneProcessOwnsASchema(t *testing.T) {
	at := with(t, server.Database(t), nil, "lock_timeout", "100ms")
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), ownerOf+"="+at)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "mine\n" {
		t.Fatalf("the child said %q, %v", line, err)
	}
	wantRefused(t, at, owned(), experiment.CodeUnavailable, "in use by another process", "since")
	// Another schema of the database is free.
	mustOpen(t, with(t, at, nil, "schema", "free"), owned())
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // Killed, as it should be.
	// Its session ends when the server notices, which the time-out allows for.
	d := mustOpen(t, with(t, at, nil, "lock_timeout", "30s"), owned())
	if _, err := d.Owner(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestOwnerThatLostItsSessionCannotWrite ends the owner's session behind its
// back, as a failing network does, and lets another process become the owner.
func TestOwnerThatLostItsSessionCannotWrite(t *testing.T) {
	at := with(t, server.Database(t), nil, "lock_timeout", "100ms")
	first := mustOpen(t, at, owned())
	old, err := first.Owner(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	again, err := first.Owner(t.Context())
	if err != nil || again != old {
		t.Errorf("the owner's session is another at the second call: %v", err)
	}
	terminate(t, at, old)
	second := mustOpen(t, with(t, at, nil, "lock_timeout", "30s"), owned())
	if _, err := old.Exec(t.Context(), `INSERT INTO things VALUES (1)`); err == nil {
		t.Error("who is no longer the owner could write")
	}
	if _, err := first.Owner(t.Context()); experiment.CodeOf(err) != experiment.CodeUnavailable {
		t.Errorf("owner while another is: %v, want unavailable", err)
	}
	second.Close()
	// Closing says goodbye; the lock is free once the server has heard it.
	admin := direct(t, with(t, at, nil, "lock_timeout", "30s"))
	mustExec(t, admin, `SELECT pg_advisory_lock($1)`, lockKey("own", "headgate_thing"))
	mustExec(t, admin, `SELECT pg_advisory_unlock($1)`, lockKey("own", "headgate_thing"))
	renewed, err := first.Owner(t.Context())
	if err != nil || renewed == old {
		t.Fatalf("after the other has gone: the same session %t, %v", renewed == old, err)
	}
	mustExec(t, renewed, `INSERT INTO things VALUES (1)`)
}

// terminate ends a session and waits until it has.
func terminate(t *testing.T, at string, conn *pgx.Conn) {
	t.Helper()
	var ended bool
	if err := direct(t, at).QueryRow(t.Context(), `SELECT pg_terminate_backend($1, 30000)`, int32(conn.PgConn().PID())).Scan(&ended); err != nil || !ended {
		t.Fatalf("the session did not end: %v", err)
	}
}

// TestOwnerLooksAgainAfterALoss lets a newer program migrate the schema while
// the owner is away.
func TestOwnerLooksAgainAfterALoss(t *testing.T) {
	at := server.Database(t)
	d := mustOpen(t, at, owned())
	old, err := d.Owner(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	terminate(t, at, old)
	newer := owned()
	newer.Migrations = append(newer.Migrations, `SELECT 1`)
	other, err := Open(t.Context(), at, newer)
	if err != nil {
		t.Fatal(err)
	}
	other.Close()
	_ = old.Ping(t.Context()) // It notices.
	if _, err := d.Owner(t.Context()); experiment.CodeOf(err) != experiment.CodeInvalid {
		t.Errorf("owner of a newer schema: %v, want invalid", err)
	}
}
