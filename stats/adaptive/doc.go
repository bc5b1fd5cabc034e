// SPDX-License-Identifier: Apache-2.0

// Package adaptive says how good versions are when the shares of traffic were
// chosen by looking at the results, as a bandit does. The plain mean of such
// data is biased: a version that is unlucky early gets less traffic and never
// has the luck to make up for it, so means come out too low, and intervals
// around them miss the truth too often. It is pure arithmetic: no randomness,
// the same numbers in give the same numbers out.
//
//   - [WeightedMean] is a version's mean with every unit weighted by how likely
//     it was to meet the version, so that the bias cancels, and periods with
//     little traffic do not rule the error (Hadad et al. 2021).
//   - [BatchedOLS] tests a difference between two versions period by period,
//     within which shares were constant (Zhang, Janson and Murphy 2020).
//   - [Stratify] compares any number of versions on the same mix of periods, so
//     that a rate that drifts while shares move does not look like an effect.
//     It does not cure the bias of adaptivity within strata.
//
// Raw means are returned beside all of these, in fields that say that they are
// biased: for show, never for a decision.
//
// What goes in are periods of constant shares with moments per version; a
// period may be a single unit. Shares must be those that really assigned the
// units, above 0 for the version in question, and be chosen from earlier
// periods alone. Units must be independent and, unless Stratify is used, rates
// must not drift. All standard errors are for one look fixed in advance; they
// are asymptotic, and need shares that do not vanish (keep 1 % or more).
//
// # Errors
//
// As in package stats: *stats.InputError for an argument outside its domain,
// stats.ErrNoData for "not enough to go on yet". Nothing is ever NaN or infinite
// without an error.
//
// # Sources
//
// Nie, Tian, Taylor, Zou, AISTATS (2018): the bias. Hadad, Hirshberg, Zhan,
// Wager, Athey, PNAS 118 (2021): adaptively weighted estimates. Zhang, Janson,
// Murphy, NeurIPS (2020): batched OLS.
package adaptive
