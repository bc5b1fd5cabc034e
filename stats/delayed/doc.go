// SPDX-License-Identifier: Apache-2.0

// Package delayed estimates how often something happens when it happens late:
// purchases after days, refunds after weeks, labels after months. "Not yet" is
// never counted as "never", which would make a version look bad for being
// young. It is pure arithmetic: it has no clock, ages are given.
//
//   - [Matured] counts only units that are old enough for their outcome to be
//     known, hits and misses alike. Nothing is assumed; it is what decides.
//   - [Weighted] uses young units too, weighted by the share of outcomes that
//     come by their age. It is earlier, and as right as the delays it is given.
//   - [CumulativeIncidence] is the share of units with an outcome by an age
//     (Kaplan and Meier), from [RiskTable]; [Curve.Delays] makes delays for
//     Weighted of it.
//   - [LogRank] compares how soon outcomes come between versions at equal age,
//     and [DelaysDiffer] only the delays, whatever their number: the check that
//     Weighted with common delays is fair. Below p = 0.01 use Matured.
//
// All tests and standard errors are for one look fixed in advance; an estimate
// may be watched at any time with stats.Mixture, as long as its delays were
// fixed before. Units must be independent. Ages, delays, windows and times may
// be in any unit, the same throughout.
//
// # Errors
//
// As in package stats: *stats.InputError for an argument outside its domain,
// stats.ErrNoData for "not enough to go on yet", stats.ErrImpossible for
// outcomes at an age at which there can be none. Nothing is ever NaN or
// infinite without an error.
//
// # Sources
//
// Kaplan, Meier, JASA 53 (1958). Greenwood (1926): its variance. Mantel,
// Cancer Chemother. Rep. 50 (1966): the log-rank test. Lagakos, Barraj, De
// Gruttola, Biometrika 75 (1988): right-truncated delays in reverse time.
// Robins, Rotnitzky (1992): weighting by the probability of being seen.
// Chapelle, KDD (2014): delayed feedback.
package delayed
