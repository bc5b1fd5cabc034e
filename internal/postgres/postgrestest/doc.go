// SPDX-License-Identifier: Apache-2.0

// Package postgrestest gives tests a real PostgreSQL server: one that the
// machine has the programs of, started in a temporary folder and reached by a
// unix socket in it alone, or a running one that HEADGATE_POSTGRES names by its
// URL (postgres://…; its user must be allowed to create databases).
//
// Tests that need a server are skipped unless HEADGATE_POSTGRES or
// HEADGATE_E2E=1 is set, so that plain tests start nothing foreign, and where
// no server is installed. The server ends with the tests, also when they are
// killed.
package postgrestest
