// SPDX-License-Identifier: Apache-2.0

package postgrestest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Main runs a package's tests with one server. Without one the tests run too,
// and those that ask for a database are skipped. It is for TestMain, and what
// goleak.VerifyTestMain takes.
type Main struct {
	// Tests is TestMain's argument.
	Tests interface{ Run() int }
	// Server takes the server.
	Server **Server
	// Options are how the server runs.
	Options Options
}

// Run is called once.
func (m Main) Run() int {
	s, err := Start(context.Background(), m.Options)
	switch {
	case errors.Is(err, ErrNoServer):
		*m.Server = &Server{missing: err}
		return m.Tests.Run()
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	*m.Server = s
	code := m.Tests.Run()
	if err := s.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// URL is the address of a database, as the server's superuser or, with
// HEADGATE_POSTGRES, as the user named there.
func (s *Server) URL(database string) string {
	if s.remote != nil {
		u := *s.remote
		u.Path = "/" + database
		return u.String()
	}
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(superuser, s.password), Path: "/" + database,
		RawQuery: url.Values{"host": {s.dir}, "port": {strconv.Itoa(s.port)}}.Encode(),
	}
	return u.String()
}

// LoopbackURL is the same by TCP, for a server with a certificate. It says
// nothing of TLS yet.
func (s *Server) LoopbackURL(database string) string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword(superuser, s.password), Host: fmt.Sprintf("127.0.0.1:%d", s.port), Path: "/" + database}
	return u.String()
}

// Ours says whether the server was started here, so that it may be crashed and
// its roles changed.
func (s *Server) Ours() bool { return s.remote == nil }

// Database makes an empty database for the test and gives its URL. It is
// dropped when the test ends. Without a server the test is skipped.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	if s.missing != nil {
		t.Skip(s.missing)
	}
	s.mu.Lock()
	s.next++
	name := fmt.Sprintf("headgate_test_%d_%d", os.Getpid(), s.next)
	s.mu.Unlock()
	quoted := pgx.Identifier{name}.Sanitize()
	if err := s.administer(t.Context(), `CREATE DATABASE `+quoted+` ENCODING 'UTF8' TEMPLATE template0`); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// Whatever a failed test still has open is closed by force.
		if err := s.administer(context.Background(), `DROP DATABASE `+quoted+` WITH (FORCE)`); err != nil {
			t.Error(err)
		}
	})
	return s.URL(name)
}

// administer runs one statement outside the tests' databases.
func (s *Server) administer(ctx context.Context, statement string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	at := s.URL("postgres")
	if s.remote != nil {
		at = s.remote.String()
	}
	conn, err := pgx.Connect(ctx, at)
	if err != nil {
		return fmt.Errorf("connect to the test server: %w", err)
	}
	_, err = conn.Exec(ctx, statement)
	return errors.Join(err, conn.Close(ctx))
}

// Program is a command of PostgreSQL's, such as pg_dump, of the server's
// version where the server is ours. It gets the environment to reach a
// database, and no password among its arguments.
func (s *Server) Program(ctx context.Context, name, database string, args ...string) (*exec.Cmd, error) {
	c, err := pgx.ParseConfig(database)
	if err != nil {
		return nil, errors.New("the database's URL cannot be read")
	}
	path := filepath.Join(s.bin, name)
	if !s.Ours() {
		if path, err = exec.LookPath(name); err != nil {
			return nil, fmt.Errorf("%w: no %s in the PATH", ErrNoServer, name)
		}
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.WaitDelay = 5 * time.Second
	cmd.Env = append(environment(), "PGHOST="+c.Host, fmt.Sprintf("PGPORT=%d", c.Port), "PGUSER="+c.User, "PGPASSWORD="+c.Password, "PGDATABASE="+c.Database)
	return cmd, nil
}
