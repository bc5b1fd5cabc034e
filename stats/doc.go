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
//   - [Triple]: the same with a covariate, and [Shape]: moments up to the
//     third, which say when a mean behaves normally.
//   - [Winsorised]: moments with a cap and without.
//   - [AdaptiveSplit]: units under shares that the data chose.
//   - [Categories]: counts by name. [Scores]: counts of numbers by label, with the
//     area under the ROC curve.
//   - [Sketch]: quantiles of a positive quantity, to 1 %. Read-out only; no
//     guarantee is made from it.
//
// [Counts.Proportion], [Pair.Ratio] and [Pair.Mean] make an [Estimate] of them,
// and [Difference] or [Linearised] compare two.
//
// # Where to start
//
// [Compare] takes two versions' data, what is vouched for about them, and how
// they are looked at. It chooses the method, says which it was and when its
// statements hold, and warns of what would make them untrue. Everything below
// is what it is made of, for those who need the parts.
//
// # What is guaranteed, and when one may look
//
// At any time, as often as one likes, also if one stops because of what one
// saw. "With probability 1-alpha" covers all looks together:
//
//   - [BernoulliInterval], [BernoulliLogE], [BernoulliLogEGreater]: exact, for
//     one proportion and for a limit to it; [BetaBinomial] plans with them.
//   - [BernoulliDifferenceLogE]: exact, for two proportions and a margin
//     between them.
//   - [SRMLogE], [MultinomialLogE]: exact, for the split of units between
//     versions.
//   - [GammaExponential]: exact, for sums with large and rare summands.
//   - [Mixture]: for any estimate with a standard error. Asymptotic: it needs
//     about 100 units and 25 events per version before its first use.
//     [MixtureRadius] lists the names under which others know it.
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
//   - [Spender], the same for looks that come one by one.
//   - [ClassicalBoundaries], for looks that keep to equal steps.
//   - [RepeatedInterval] and [RepeatedP] at every look; [StagewiseP] and
//     [MedianUnbiased] once the test has stopped.
//
// At one look fixed in advance:
//
//   - Two proportions: [MiettinenNurminenZ] with its interval, [FisherExact],
//     [TwoProportionZ], [NewcombeInterval], [RiskRatio].
//   - Means and ratios: [Welch], [AbsoluteContrast], with [RelativeInterval] to
//     show; [RelativeContrast] and [LogRatioInterval] for other tools' readers.
//   - With more than the outcome: [Cuped] for covariates, [PostStratify] and
//     [MantelHaenszel] for slices and for phases with different shares.
//   - One proportion: [ClopperPearson], [WilsonInterval], [BinomialTestGreater].
//   - Validity, before any comparison: [SRMChiSquared], [SRMPhases],
//     [SRMAdaptive], [MissingOutcomes], [MultipleExposure], [PreExposureBalance].
//
// Before the experiment: [SampleSizeDifference], [SampleSizeT],
// [SampleSizeProportions], [SampleSizeNonInferiority], [DetectableEffect],
// [PowerDifference], [Inflation], [BoundaryInflation], [ExpectedSample],
// [MetricLevels] and [Traffic.Duration] assume that the variances given are the
// true ones. Half way: [Remaining], [ConditionalPower], [PredictivePower], which
// claim nothing.
//
// What no method here covers: units that influence each other, a hypothesis
// chosen after seeing the data, more than one metric at the same alpha, and
// skewed metrics in small versions, for which the normal approximation of a
// mean takes [UnitsForNormality].
//
// # The tree
//
//   - stats: what is above.
//   - stats/multiple: several metrics, versions or slices at one alpha.
//   - stats/quantile: quantiles from order statistics, sketches and buckets.
//   - stats/counter: evidence from counters and histograms alone.
//   - stats/bayes: posterior probabilities and expected losses, for reading.
//   - stats/paired: two versions that answered the same request.
//   - stats/delayed: outcomes that arrive late.
//   - stats/adaptive: estimates from traffic that the data steered.
//
// The packages below import this one, and never each other.
//
// # Errors
//
// Functions never return NaN or infinity and never panic on input. An
// [*InputError] names an argument outside its domain. [ErrNoData] says that
// there is not enough to go on yet: no trials, fewer than two units, a
// standard error of zero. [ErrImpossible] says that the data rule the
// hypothesis out entirely. The exceptions are functions without an error
// result, which behave as package math does: [NormalQuantile], [NormalCDF],
// [NormalSF], [StudentQuantile], [StudentSF], [BetaCDF], [Difference],
// [Linearised], [EvenLooks], [UnitsForNormality] and [FixedRadius].
//
// # Sources
//
// Armitage, McPherson, Rowe, JRSS A 132 (1969): repeated significance tests.
// Jennison, Turnbull, Group Sequential Methods (2000): classical boundaries,
// repeated intervals, stage-wise ordering. Welch, Biometrika 34 (1947). Hill,
// CACM 13 (1970): Student's t. Miettinen, Nurminen, Stat. Med. 4 (1985), and
// Newcombe, Stat. Med. 17 (1998): two proportions. Robins, Breslow, Greenland,
// Biometrics 42 (1986): common odds ratios. Deng, Xu, Kohavi, Walker, WSDM
// (2013), and Lin, Ann. Appl. Stat. 7 (2013): covariates. Kohavi, Deng,
// Longbotham, Xu, KDD (2014): skewness. Lindon, Ham, Tingley, Bojinov,
// arXiv:2210.08589: always-valid linear models.
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
