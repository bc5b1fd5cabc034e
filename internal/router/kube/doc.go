// SPDX-License-Identifier: Apache-2.0

// Package kube reads and writes the objects of a cluster that carry a split,
// once for all routers. What a router renders is written by compare-and-swap on
// the subtrees that the router owns: a JSON patch first tests that they are
// still as they were read and then changes nothing else, so that a person, a
// GitOps tool or another controller that wrote in between is never overwritten
// unseen, and fields that nobody here knows survive.
//
// The promises:
//
//   - What the objects say already is not written again.
//   - A conflict ends a change that gives a candidate traffic; the next decision
//     begins with what the objects say then. The way back (all traffic to the
//     baseline, D3) reads again and tries again, a bounded number of times, goes
//     on to the other objects when one is in the way, and never trusts a cache.
//   - Of several objects the ones that gain are written before the ones that
//     lose, so that no moment has less than the whole traffic.
//   - The way back can be rehearsed: a dry run under the same rights says what
//     would stop it, before a candidate has any traffic.
//   - A route belongs to one experiment at a time, by a Lease that names its
//     holder and has no time-out: the holder's existence decides. Only that of an
//     experiment which is no object of the cluster ends where it is not renewed.
//
// Errors are experiment.Error. A right that is missing is CodeInvalid with the
// rule to add, a kind that is not installed CodeInvalid, an object that is
// absent CodeNotFound, somebody else's write CodeConflict, and everything that
// may pass by itself CodeUnavailable.
package kube
