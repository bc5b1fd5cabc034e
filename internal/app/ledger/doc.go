// SPDX-License-Identifier: Apache-2.0

// Package ledger wires the process that keeps what several gateways have seen:
// it takes their rows and cells over in numbered batches, takes outcomes from
// applications, and gives sealed windows to whoever decides.
//
// What it promises:
//
//   - A batch is stored once, in one commit, however often it is taken over; a
//     gateway lets it go only when the next one is asked for.
//   - An outcome is acknowledged once it is stored, and counted once under its
//     key.
//   - Either side may be killed at any moment: what was acknowledged is counted
//     exactly once, and what a killed gateway had not handed over is lost: its
//     windows are a gap that decisions know of.
//   - It listens on loopback unless told otherwise.
package ledger
