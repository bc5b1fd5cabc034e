// SPDX-License-Identifier: Apache-2.0

// Package pairing joins the answers that two versions gave to the same request,
// where somebody else mirrored it: model servers' loggers tell of each answer
// apart, by the request's id. It has no clock and no goroutine: times are given.
//
// What it promises:
//
//   - A pair is made once both answers are there, in whatever order they come
//     and however often they are told.
//   - Redaction comes before anything is kept.
//   - What is joined comes with what both answers say, so that it is read for
//     predictions: the baseline's once, however many candidates there are.
//   - Memory is bounded in answers, bytes and time: what finds no other half in
//     time, or no room, is let go and counted.
//
// What it cannot see: loggers tell of answers of status 200 only, so that a copy
// that failed looks like one that was never sent. Metrics of failures have
// nothing to go by here; the count of unpaired answers, which is by version, is
// what is left of it.
package pairing
