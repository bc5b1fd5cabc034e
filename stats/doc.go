// SPDX-License-Identifier: Apache-2.0

// Package stats draws conclusions from experiments on live traffic: is a
// candidate better or worse than a baseline, how sure is that, and does it stay
// true when somebody looks every minute? It is pure arithmetic: no clock, no
// input or output, no randomness; the same numbers in give the same numbers
// out. It knows nothing of the rest of Headgate and is useful alone.
//
// # What goes in
//
// Sufficient statistics, which merge in any order, so that windows, replicas
// and phases can be counted apart and added up:
//
//   - [Counts]: trials and hits. Assumes independent trials.
//   - [Moments] and [Pair]: centred moments per unit. The unit must be what
//     was randomised. A user who makes many requests is one observation with a
//     numerator and a denominator, and [Pair.Ratio] accounts for it; counting
//     the requests instead makes identical versions look different more than
//     twice as often as promised.
//   - [Sketch]: quantiles of a positive quantity, to 1 %. Read-out only; no
//     guarantee is made from it.
//
// [Counts.Proportion], [Pair.Ratio] and [Pair.Mean] make an [Estimate] of them,
// and [Difference] or [Linearised] compare two.
//
// # What is guaranteed, and when one may look
//
// At any time, as often as one likes, also if one stops because of what one
// saw. "With probability 1-alpha" covers all looks together:
//
//   - [BernoulliInterval], [BernoulliLogE]: exact, for one proportion.
//   - [SRMLogE]: exact, for the split of units between versions.
//   - [Mixture]: for any estimate with a standard error. Asymptotic: it needs
//     about 100 units and 25 events per version before its first use.
//
// These return logarithms of e-values. Under the hypothesis the expectation of
// an e-value is at most 1, and the probability that it ever reaches 1/alpha is
// at most alpha (Ville's inequality), so the test is logE >= ln(1/alpha).
// E-values of separate phases multiply, so their logarithms add.
//
// At looks that the data did not choose, and only there:
//
//   - [Boundaries] with [OBrienFleming], [Pocock] or [KimDeMets]. The
//     increments between looks must be independent and normal, which holds for
//     means, proportions and ratios of accumulating units. Needs 2 to 5 % more
//     data than a fixed test where any-time methods need 75 to 85 %.
//
// At one look fixed in advance:
//
//   - [SRMChiSquared], [ClopperPearson], [BinomialTestGreater],
//     [RelativeInterval] with a normal quantile.
//
// Before the experiment: [SampleSizeDifference], [SampleSizeProportions],
// [PowerDifference] and [Inflation] assume that the variances given are the
// true ones.
//
// What no method here covers: units that influence each other, a hypothesis
// chosen after seeing the data, more than one metric at the same alpha, and
// skewed metrics in small versions, for which the normal approximation of a
// mean takes about 355 skewness^2 units (Kohavi et al. 2014).
//
// # Errors
//
// Functions never return NaN or infinity and never panic on input. An
// [*InputError] names an argument outside its domain. [ErrNoData] says that
// there is not enough to go on yet: no trials, fewer than two units, a
// standard error of zero. [ErrImpossible] says that the data rule the
// hypothesis out entirely. The exceptions are functions without an error
// result, which behave as package math does: [NormalQuantile], [NormalCDF],
// [NormalSF], [Difference] and [Linearised].
//
// # Sources
//
// Armitage, McPherson, Rowe, JRSS A 132 (1969): repeated significance tests.
// Chan, Golub, LeVeque, Am. Stat. 37 (1983): merging moments. Lan, DeMets,
// Biometrika 70 (1983), and Kim, DeMets, Biometrika 74 (1987): alpha spending.
// Fieller, JRSS B 16 (1954): ratios. Deng, Knoblich, Lu, KDD (2018): delta
// method. Howard, Ramdas, McAuliffe, Sekhon, Ann. Stat. 49 (2021): confidence
// sequences. Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas, arXiv:2103.06476:
// asymptotic confidence sequences. Lindon, Malek, NeurIPS (2022): multinomial
// counts. Masson, Rim, Lee, VLDB (2019): DDSketch. Loader (2000): binomial
// probabilities. The tests hold the package to numbers from independent
// programs (testdata/vectors.jsonl names them), to identities that need no
// program, and to its promised error rates by simulation.
package stats
