// SPDX-License-Identifier: Apache-2.0

// Package counter compares versions by what monitoring has counted: requests,
// errors and sums of latencies in windows of time, without knowing whose
// requests they were. It turns samples of counters into windows, and windows
// into estimates and evidence whose error rates hold although requests come in
// bursts and both versions share a bad minute.
//
// # What counters can and cannot say
//
// They support rates, ratios of counters, means from sum and count, and the
// share of values beyond a bucket's bound, compared between versions that run
// side by side. They know nothing of units: no effect per user, no sticky
// assignment. Results are per request and not adjusted for users who make many
// requests; say so where they are shown.
//
// # From samples to windows
//
// [Series.Windows] takes increases between raw samples, across resets, without
// the extrapolation of PromQL's increase. A gap in the samples makes its windows
// incomplete. They are reported and left out, never counted as zero: no data is
// not good news. [Sum] adds the series of a version's replicas.
//
// # Which comparison to use
//
//   - [LogE], [LogEGreater] and [RatioInterval]: counts of errors of two
//     versions, at any time of looking and with changing shares. Given that an
//     error has occurred, which version it came from does not depend on how
//     many there are at the time, so nobody has to assume that the rate is
//     constant (Lindon and Malek 2022). Errors must be independent; a burst of
//     retries is not. Count windows with an error where they come in bursts.
//   - [PairedLogRatio]: windows of both versions side by side, at one look.
//     What hits both at once cancels. The best choice at 20 windows or more.
//   - [QuasiPoisson]: rates whose windows scatter more than independent events
//     would, at one look.
//   - [RatioOfSums]: a mean from sum and count, or any ratio of two counters,
//     with windows as clusters; [Difference] compares two.
//   - [RateRatioP], [RateRatioInterval] and [LogRateRatio]: two Poisson rates,
//     exact, and only for independent events. With a dispersion of 5 the usual
//     5 % test is wrong in 38 % of cases.
//
// # Errors
//
// Functions never return NaN or infinity and never panic on input. A
// [*stats.InputError] names an argument outside its domain. [stats.ErrNoData]
// says that there is not enough to go on yet, and [stats.ErrImpossible] that a
// version without any share has events.
//
// # Sources
//
// Lindon, Malek, NeurIPS (2022): multinomial counts. Clopper, Pearson,
// Biometrika 26 (1934), and Przyborowski, Wilenski, Biometrika 31 (1940):
// conditional tests of two Poisson counts. McCullagh, Nelder, Generalized
// Linear Models (1989), section 9.2: dispersion. Newey, West, Econometrica 55
// (1987), with the lag of Review of Economic Studies 61 (1994).
package counter
