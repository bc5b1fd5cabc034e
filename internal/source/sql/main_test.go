// SPDX-License-Identifier: Apache-2.0

package sql

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/headgate-dev/headgate/internal/postgres/postgrestest"
)

// server is a real PostgreSQL; without one the tests that want it are skipped.
var server *postgrestest.Server

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(postgrestest.Main{Tests: m, Server: &server})
}
