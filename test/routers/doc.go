// SPDX-License-Identifier: Apache-2.0

// Package routers has what routers render carried by the real thing: every case
// of every router goes through a real API server with the definitions of the
// stack, istiod gives what a VirtualService says to clients that call by it and,
// read as an Envoy would, to proxies, and Traefik carries an HTTPRoute's
// requests. What was driven how is told by docs/reference/tested-with.md, which
// a test of this package writes.
//
// The tests want HEADGATE_E2E=1, as package servers says. Without HEADGATE_CRDS
// the cases of stacks that publish their definitions in no Go module are
// skipped.
package routers
