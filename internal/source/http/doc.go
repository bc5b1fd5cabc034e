// SPDX-License-Identifier: Apache-2.0

// Package http reads evidence from any server that answers with JSON: New Relic,
// Sysdig, Elasticsearch, a service of one's own.
//
// Each window and version is one question for each metric, asked a while after
// the window's end; jq expressions find the numbers in the answer. What they come
// to depends on what the provider knows: exact counts, the moments of independent
// units, or one number, of which windows then become the sample.
//
// What it promises:
//
//   - Windows are cut at whole seconds and add up: the second in which a phase
//     begins or ends belongs to no window.
//   - An answer without the number that was asked for, or with numbers that
//     cannot be, is a gap of that window, which says so, and never a zero. A
//     server that does not answer is an error of code unavailable, and what was
//     read before it stands (D5).
//   - Points, which strict plans compare, tell an answer that is no number from
//     no answer.
//
// The way to the server, its deadlines and bounds and what is told of it are
// those of package remote.
package http
