// SPDX-License-Identifier: Apache-2.0

// Package controller runs the Experiments of a cluster. One reconcile makes the
// same calls as a step of the local runner: read what sealed, judge and decide,
// record, act, show. Its promises:
//
//   - The way back comes first: a kill is routed before anything is read, also
//     where the spec is invalid or the record is lost; and before the first live
//     share the way back is rehearsed under the rights that a kill would have.
//   - Nothing is done that is not recorded. The record is one object, written by
//     compare-and-swap; a controller that dies at any instruction goes on where
//     the record says, and a stale one cannot write.
//   - The route is made what the state asks for at every reconcile, so that a
//     lost write, a restart or another writer changes nothing for long.
//   - What does not change is not written: no route write while asked = read, and
//     at most one status and one record a minute between decisions.
package controller
