// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/headgate-dev/headgate/internal/experiment"
)

const (
	// maxConns bounds a store's pool; pool_max_conns in the URL may say less.
	maxConns = 4
	// connectTimeout is per host, unless the URL has a connect_timeout.
	connectTimeout = 5 * time.Second
	// checkTimeout bounds the look at a schema when it is opened.
	checkTimeout = 30 * time.Second
	// migrateTimeout bounds one migration, with the wait for others'.
	migrateTimeout = 10 * time.Minute
	// closeTimeout is how long a session may take to say goodbye.
	closeTimeout = 5 * time.Second
)

// sessionSettings are every session's, where the URL does not say otherwise.
// Times without a unit are milliseconds, of keepalives seconds: a machine that
// vanished without a word is noticed after 10 + 3×5 seconds.
func sessionSettings(kind string) map[string]string {
	return map[string]string{
		"application_name":                    "headgate " + kind,
		"statement_timeout":                   "10000",
		"lock_timeout":                        "5000",
		"idle_in_transaction_session_timeout": "60000",
		"tcp_keepalives_idle":                 "10",
		"tcp_keepalives_interval":             "5",
		"tcp_keepalives_count":                "3",
	}
}

// durable undoes what a server's or role's settings may do to a session's
// promises: commits that are acknowledged before they are on disk, and sessions
// that end because they had nothing to do.
const durable = `SELECT set_config(name, CASE name WHEN 'synchronous_commit' THEN 'on' ELSE '0' END, false) FROM pg_settings
	WHERE (name = 'synchronous_commit' AND setting = 'off') OR (name = 'idle_session_timeout' AND setting <> '0')`

func makeDurable(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, durable)
	return err
}

// schemaName is what needs no quotes and leaves the system's own names alone.
var schemaName = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`)

// parse reads a URL. What the driver says of a bad one may hold any part of
// it, so it is not repeated.
func (k *Kind) parse(url string) (config *pgxpool.Config, schema string, err error) {
	const example = "postgres://user@host:5432/database?sslmode=verify-full"
	if !strings.HasPrefix(url, "postgres://") && !strings.HasPrefix(url, "postgresql://") {
		return nil, "", experiment.Errorf(experiment.CodeInvalid, "open %s: the database's URL does not begin with postgres://", k.Name).
			WithHint("write it like %s", example)
	}
	config, err = pgxpool.ParseConfig(url)
	if err != nil {
		if file, ok := errors.AsType[*fs.PathError](err); ok {
			return nil, "", experiment.Errorf(experiment.CodeInvalid, "open %s: a file that the database's URL names: %w", k.Name, file)
		}
		return nil, "", experiment.Errorf(experiment.CodeInvalid, "open %s: the database's URL cannot be read (it may hold a password and is not repeated)", k.Name).
			WithHint("write it like %s; a password's special characters are percent-encoded", example)
	}
	params := config.ConnConfig.RuntimeParams
	schema = "headgate_" + k.Name
	if name, ok := params["schema"]; ok {
		schema = name
		delete(params, "schema")
	}
	if !schemaName.MatchString(schema) || strings.HasPrefix(schema, "pg_") || schema == "information_schema" {
		return nil, "", experiment.Errorf(experiment.CodeInvalid, "open %s: schema %q: want lower-case letters, digits and _, at most 63, not beginning with a digit or pg_", k.Name, schema)
	}
	settings := sessionSettings(k.Name)
	maps.Copy(settings, params)
	settings["search_path"] = schema
	config.ConnConfig.RuntimeParams = settings
	if config.ConnConfig.ConnectTimeout == 0 {
		config.ConnConfig.ConnectTimeout = connectTimeout
	}
	config.MaxConns = min(config.MaxConns, maxConns)
	config.MinConns = min(config.MinConns, config.MaxConns)
	config.MinIdleConns = min(config.MinIdleConns, config.MaxConns)
	config.AfterConnect = makeDurable
	return config, schema, nil
}

// place is where a schema is, in words that hold no secret.
func place(c *pgx.ConnConfig, schema string) string {
	host := fmt.Sprintf("%s:%d", c.Host, c.Port)
	if strings.HasPrefix(c.Host, "/") {
		host = c.Host
	}
	return fmt.Sprintf("%s/%s schema %s", host, c.Database, schema)
}
