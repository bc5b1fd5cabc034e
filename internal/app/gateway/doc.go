// SPDX-License-Identifier: Apache-2.0

// Package gateway wires the process headgate-gateway: one gateway in front of
// the versions of a model, told what to serve by a file or by a ConfigMap. It links what carries
// requests and nothing else: no Kubernetes client, no PromQL, no SQL.
//
// What it promises:
//
//   - The file of the snapshot is followed: what is written to it, renamed over
//     it or linked into its place serves within a second. One that cannot be
//     read, fails its check or does not raise the sequence is refused, with its
//     reason in the log, in /v1/snapshot and in a metric, and the last good one
//     serves on.
//   - A ConfigMap is followed by a list and a watch over plain HTTP, with deadlines
//     and bounds: what is written to it serves within a second while the API
//     server answers. What the server does otherwise (it is away, says nonsense,
//     has no such object) changes nothing of what is served.
//   - Without any snapshot, followed or kept, the answer is 503, or that of the
//     baseline that was named for this.
//   - The last good snapshot is kept in the data directory and serves again
//     before anything else is up. So a kill outlives the process: an older
//     snapshot in the followed file does not lift it.
//   - SIGTERM stops listening, lets what is under way end, and ends within
//     Options.Drain.
//   - Sealed cells of the last KeepWindows windows can be asked for. What is gone
//     is a conflict that says where to go on, never a zero: windows that grew too
//     old, and those that a process before this one had counted in.
//   - Exposures are appended to a file, if one is given, through a bounded queue
//     that drops and counts.
//   - Exposures, pairs, predictions and sealed cells wait in numbered batches
//     until whoever keeps them has taken them over; a batch that is asked for
//     again is the same. What nobody takes is let go, the oldest first, and
//     counted.
//   - It listens on loopback unless told otherwise.
package gateway
