// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"crypto/tls"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Codes of the server's that something is done about (PostgreSQL's manual,
// appendix A).
const (
	lockNotAvailable = "55P03"
	queryCanceled    = "57014"
	forbidden        = "42501"
	noDatabase       = "3D000"
	wrongPassword    = "28P01"
	wrongUser        = "28000"
	tooManySessions  = "53300"
	unknownSetting   = "42704"
)

// State is the SQLSTATE that the server gave for an error, or nothing.
func State(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code
	}
	return ""
}

// Unavailable is an error of using the store: nothing could be read or written
// now. An error that has its class already keeps it.
func Unavailable(doing string, err error) error {
	if _, ok := errors.AsType[*experiment.Error](err); ok {
		return err
	}
	return experiment.Errorf(experiment.CodeUnavailable, "%s: %w", doing, stripped(err))
}

// plain is a driver's error on one line.
type plain struct{ err error }

func (p plain) Error() string { return strings.ReplaceAll(p.err.Error(), "\n", "; ") }
func (p plain) Unwrap() error { return p.err }

// stripped leaves out the driver's configuration, which holds the password,
// from the chain of an error.
func stripped(err error) error {
	if e, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		err = e.Unwrap()
	}
	return plain{err}
}

// explain gives an error of opening its class and the next thing to try.
func (d *DB) explain(err error) error {
	if _, ok := errors.AsType[*experiment.Error](err); ok {
		return err
	}
	err = stripped(err)
	code, hint := experiment.CodeUnavailable, ""
	switch State(err) {
	case forbidden:
		code = experiment.CodeInvalid
		hint = "let the role have a schema of its own: CREATE SCHEMA " + d.schema + " AUTHORIZATION its name"
	case noDatabase:
		code, hint = experiment.CodeInvalid, "create the database first"
	case unknownSetting:
		code, hint = experiment.CodeInvalid, "every parameter of the URL is the driver's or a setting of the server's; check its spelling"
	case wrongPassword, wrongUser:
		hint = "check the user, the password and the server's pg_hba.conf"
	case tooManySessions:
		hint = "the server has no session left; a store takes at most 5"
	case lockNotAvailable:
		hint = "somebody else holds a lock on the schema, perhaps to migrate it; try again"
	case "":
		if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
			hint = "sslrootcert=FILE in the URL names the authority that signed the server's certificate"
		} else {
			hint = "check that the server runs, and that host and port are right"
		}
	}
	e := experiment.Errorf(code, "open %s %s: %w", d.kind.Name, d.place, err)
	if hint == "" {
		return e
	}
	return e.WithHint("%s", hint)
}
