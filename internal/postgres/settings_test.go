// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/headgate-dev/headgate/internal/experiment"
)

const secret = "hunter2/x"

func thing() Kind { return Kind{Name: "thing", Migrations: []string{"CREATE TABLE things (n int)"}} }

// forget unsets what PostgreSQL's clients read from the environment.
func forget(t *testing.T) {
	t.Helper()
	for _, pair := range os.Environ() {
		if name, _, _ := strings.Cut(pair, "="); strings.HasPrefix(name, "PG") {
			t.Setenv(name, "")
			os.Unsetenv(name)
		}
	}
	t.Setenv("HOME", t.TempDir())
}

func TestURLIsRefused(t *testing.T) {
	forget(t)
	missing := filepath.Join(t.TempDir(), "ca.pem")
	for name, tc := range map[string]struct{ url, want string }{
		"no URL":             {"host=h password=" + secret, "does not begin with postgres://"},
		"nothing":            {"", "does not begin with postgres://"},
		"another database's": {"mysql://u:" + secret + "@h/d", "does not begin with postgres://"},
		"raw slash":          {"postgres://u:" + secret + "@h:5432/d", "cannot be read"},
		"bad port":           {"postgres://u:hunter2@h:port/d", "cannot be read"},
		"bad sslmode":        {"postgres://u:hunter2@h/d?sslmode=yes", "cannot be read"},
		"bad pool":           {"postgres://u:hunter2@h/d?pool_max_conns=many", "cannot be read"},
		"missing CA":         {"postgres://u:hunter2@h/d?sslmode=verify-full&sslrootcert=" + missing, missing},
		"quoted schema":      {"postgres://u:hunter2@h/d?schema=a%22b", `schema "a\"b"`},
		"system's schema":    {"postgres://u:hunter2@h/d?schema=pg_catalog", `schema "pg_catalog"`},
		"upper case":         {"postgres://u:hunter2@h/d?schema=Team", `schema "Team"`},
		"long schema":        {"postgres://u:hunter2@h/d?schema=" + strings.Repeat("a", 64), "at most 63"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Open(t.Context(), tc.url, thing())
			if experiment.CodeOf(err) != experiment.CodeInvalid || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), "thing") {
				t.Errorf("error = %v, want invalid with %q and the kind", err, tc.want)
			}
			wantNoSecret(t, err)
		})
	}
}

// wantNoSecret looks through all that an error holds, also what its text does
// not show.
func wantNoSecret(t *testing.T, err error) {
	t.Helper()
	var all func(error) string
	all = func(err error) string {
		if err == nil {
			return ""
		}
		text := fmt.Sprintf("%s\n%+v\n", err, err)
		if many, ok := err.(interface{ Unwrap() []error }); ok {
			for _, e := range many.Unwrap() {
				text += all(e)
			}
		}
		return text + all(errors.Unwrap(err))
	}
	if text := all(err) + experiment.HintOf(err); strings.Contains(text, "hunter2") {
		t.Errorf("the password is in the error: %s", text)
	}
	if e, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		t.Errorf("the error holds the driver's configuration: %v", e)
	}
	if e, ok := errors.AsType[*pgconn.ParseConfigError](err); ok {
		t.Errorf("the error holds the driver's configuration: %v", e)
	}
}

func TestURLSettlesTheSession(t *testing.T) {
	forget(t)
	k := thing()
	c, schema, err := k.parse("postgres://u@h/d")
	if err != nil {
		t.Fatal(err)
	}
	if schema != "headgate_thing" || c.ConnConfig.RuntimeParams["search_path"] != schema {
		t.Errorf("schema %q, search_path %q", schema, c.ConnConfig.RuntimeParams["search_path"])
	}
	if c.ConnConfig.ConnectTimeout != connectTimeout || c.MaxConns > maxConns || c.MaxConns < 1 {
		t.Errorf("connect time-out %s, %d connections", c.ConnConfig.ConnectTimeout, c.MaxConns)
	}
	for name, want := range sessionSettings("thing") {
		if got := c.ConnConfig.RuntimeParams[name]; got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}

	c, schema, err = k.parse("postgresql://u@h/d?schema=team_a&search_path=public&pool_max_conns=2&connect_timeout=9&statement_timeout=70s&sslmode=verify-full")
	if err != nil {
		t.Fatal(err)
	}
	if _, left := c.ConnConfig.RuntimeParams["schema"]; left || schema != "team_a" || c.ConnConfig.RuntimeParams["search_path"] != schema {
		t.Errorf("schema %q, parameters %v", schema, c.ConnConfig.RuntimeParams)
	}
	if c.ConnConfig.ConnectTimeout != 9*time.Second || c.MaxConns != 2 || c.ConnConfig.RuntimeParams["statement_timeout"] != "70s" {
		t.Errorf("connect time-out %s, %d connections, statement_timeout %s", c.ConnConfig.ConnectTimeout, c.MaxConns, c.ConnConfig.RuntimeParams["statement_timeout"])
	}
	if tls := c.ConnConfig.TLSConfig; tls == nil || tls.ServerName != "h" || tls.InsecureSkipVerify || len(c.ConnConfig.Fallbacks) != 0 {
		t.Errorf("verify-full is not kept: %+v, fallbacks %v", tls, c.ConnConfig.Fallbacks)
	}
	if c, _, err = k.parse("postgres://u@h/d?pool_max_conns=500"); err != nil || c.MaxConns != maxConns {
		t.Errorf("%d connections, %v; want at most %d", c.MaxConns, err, maxConns)
	}
}

func TestNobodyThereIsUnavailable(t *testing.T) {
	forget(t)
	at := "postgres://u:hunter2@localhost/d?host=" + t.TempDir()
	_, err := Open(t.Context(), at, thing())
	if experiment.CodeOf(err) != experiment.CodeUnavailable || experiment.HintOf(err) == "" || strings.Contains(err.Error(), "\n") {
		t.Errorf("error = %v (hint %q), want unavailable on one line, with a hint", err, experiment.HintOf(err))
	}
	wantNoSecret(t, err)
}
