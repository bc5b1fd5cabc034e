// SPDX-License-Identifier: Apache-2.0

// Package experiment holds the words of Headgate in plain Go: the plan of an
// experiment, the shares and slots that traffic is divided by, the cells and
// totals that evidence is kept in, verdicts, facts, decisions, the state they
// change, the snapshot a gateway serves and the journal that proves it all.
//
// Everything here is a value: no clock, no network, no goroutine. The rules
// (judge, decide) take these values and return new ones, adapters carry them
// in and out, faces show them. Because so much is built on them, the shapes of
// CellKey, Facts, Snapshot, Entry, Token and the reason codes are frozen: see
// docs/decisions.
//
// Invariants that code refers to by name:
//
//   - D1: a candidate that violates an objective or guardrail gains no share.
//   - D2: untrustworthy evidence raises no share and promotes nothing; it
//     never delays a rollback. No data is undecided, never a pass.
//   - D3: the way back has no preconditions.
//   - D4: shares always sum to the whole, and what was seen stands beside what
//     was asked for.
//   - D5: a provider that is down is not a bad model.
//   - D6: decisions are a pure function of plan, state, facts and time.
//   - D7: within an epoch a change of shares moves as few units as possible,
//     and only from versions that shrink to versions that grow.
//   - D8: a kill wins over everything and stays until a person lifts it.
//   - D9: between identical versions "better" is said with probability at
//     most alpha.
//   - D10: removal waits on no call to the candidate.
//   - D11: a shadow never reaches a user and never slows one.
package experiment
