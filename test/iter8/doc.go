// SPDX-License-Identifier: Apache-2.0

// Package iter8 runs Iter8's own kinds as its users have them: experiments of
// the four stacks (and Linkerd) on a real API server with RBAC, a real Prometheus
// that scrapes a traffic generator of ours, and the controller as it is
// released. The manifests name hosts of a cluster; a proxy of the test has them
// on loopback, so that no byte of a manifest is changed.
//
// The manifests in testdata are of our own making. The originals, where
// HEADGATE_SEEDS names a folder with them, are run too.
package iter8
