// SPDX-License-Identifier: Apache-2.0

package postgrestest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"
)

// asProgram makes the test binary a program that starts a server, says where
// it is, and waits for its input to end.
const asProgram = "HEADGATE_TEST_POSTGRES_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		program()
		return
	}
	goleak.VerifyTestMain(m)
}

func start(t *testing.T, o Options) *Server {
	t.Helper()
	s, err := Start(t.Context(), o)
	if errors.Is(err, ErrNoServer) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if !s.Ours() {
		t.Skip("the server is not ours")
	}
	return s
}

func TestNothingIsStartedUnasked(t *testing.T) {
	t.Setenv(envURL, "")
	t.Setenv(envRun, "")
	if _, err := Start(t.Context(), Options{}); !errors.Is(err, ErrNoServer) || !strings.Contains(err.Error(), envRun) {
		t.Errorf("error = %v, want one that names %s", err, envRun)
	}
}

func TestServerKeepsWhatWasCommittedWhenItCrashes(t *testing.T) {
	s := start(t, Options{Durable: true, Settings: []string{"max_connections=11"}})
	dir := s.dir
	conn, err := pgx.Connect(t.Context(), s.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	var connections, addresses string
	if err := conn.QueryRow(t.Context(), `SELECT current_setting('max_connections'), current_setting('listen_addresses')`).Scan(&connections, &addresses); err != nil {
		t.Fatal(err)
	}
	if connections != "11" || addresses != "" {
		t.Errorf("max_connections %q, listen_addresses %q", connections, addresses)
	}
	if _, err := conn.Exec(t.Context(), `CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)`); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Crash(); err != nil {
		t.Fatal(err)
	}
	if err := conn.Ping(t.Context()); err == nil {
		t.Error("the server answers after it crashed")
	}
	_ = conn.Close(t.Context())
	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	conn, err = pgx.Connect(t.Context(), s.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	var n int
	if err := conn.QueryRow(t.Context(), `SELECT n FROM kept`).Scan(&n); err != nil || n != 7 {
		t.Errorf("kept %d, %v", n, err)
	}
	_ = conn.Close(t.Context())
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("files are left: %v", err)
	}
}

func TestServerThatCannotStartSaysWhy(t *testing.T) {
	s, err := Start(t.Context(), Options{Settings: []string{"no_such_setting=1"}})
	if errors.Is(err, ErrNoServer) {
		t.Skip(err)
	}
	if err == nil && !s.Ours() {
		t.Skip("the server is not ours")
	}
	if err == nil || !strings.Contains(err.Error(), "no_such_setting") {
		t.Errorf("error = %v, want the server's own words", err)
	}
}

// program prints the server's folder and waits to be killed.
func program() {
	s, err := Start(context.Background(), Options{})
	if err != nil {
		os.Stdout.WriteString("error: " + err.Error() + "\n")
		return
	}
	os.Stdout.WriteString(s.dir + "\n")
	select {}
}

// TestServerEndsWithKilledTests kills the process that started a server.
func TestServerEndsWithKilledTests(t *testing.T) {
	if os.Getenv(envRun) != "1" || os.Getenv(envURL) != "" {
		t.Skip(ErrNoServer)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), asProgram+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var line bytes.Buffer
	for one := make([]byte, 1); ; line.Write(one) {
		if _, err := out.Read(one); err != nil || one[0] == '\n' {
			break
		}
	}
	dir := line.String()
	if strings.HasPrefix(dir, "error") || dir == "" {
		t.Fatal(dir)
	}
	defer os.RemoveAll(dir)
	// A session of the server's, to see it end. It asks for TLS, which the
	// server refuses with a letter, so that it has begun.
	session, err := net.Dial("unix", dir+"/.s.PGSQL.5432")
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	if err := session.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := session.Write([]byte{0, 0, 0, 8, 4, 210, 22, 47}); err != nil {
		t.Fatal(err)
	}
	if _, err := session.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if _, err := io.ReadAll(session); err != nil {
		t.Errorf("the server still runs: %v", err)
	}
}
