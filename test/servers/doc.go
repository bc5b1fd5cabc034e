// SPDX-License-Identifier: Apache-2.0

// Package servers runs the real programs that Headgate works with, for tests:
// the Kubernetes API server with etcd behind it, istiod, Traefik, Prometheus.
// Nothing is simulated and no cluster, image or installed program is needed:
// each program is built by Go from a module of its own below this folder,
// which pins it, and is kept in the user's cache by the hash of that module,
// so that only the first run pays. The definitions of the stacks' resources
// come out of Go modules too.
//
// What is started listens on loopback alone, on ports of its own, and ends with
// the test that asked for it. Three environment variables matter:
//
//   - HEADGATE_E2E=1 asks for real programs; without it the tests are skipped.
//   - HEADGATE_SERVERS=none says that the programs cannot be built: the same.
//   - HEADGATE_TEST_BIN is a folder with programs that are there already, by
//     their names; only what it lacks is built.
package servers
