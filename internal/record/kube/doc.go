// SPDX-License-Identifier: Apache-2.0

// Package kube keeps what must survive a restart (state, totals, monitors and
// the newest entries of the journal) in one ExperimentRecord object beside the
// Experiment that owns it. A record is written by compare-and-swap together
// with its journal entries or not at all, since it is one object.
//
// An object of a cluster is small, so the journal has a short memory: the last
// 200 entries, and fewer where the data would pass 512 KiB. The oldest go first
// and are counted, an entry is never cut, and what is being saved is never
// dropped: a record that does not fit is refused, and belongs in PostgreSQL.
//
// # The data
//
// Lines of JSON, compressed by gzip: gunzip and jq read them. The first line is
// the head: the format's version, the record, how many entries were dropped, and
// where the blocks of the journal lie. Each further line is an entry, in order.
// The head and each block are gzip members of their own, so that a save
// compresses only what is new. Whoever writes an object can write nonsense into
// it; what is read is bounded and checked, and a record that cannot be read is
// left as it is.
package kube
