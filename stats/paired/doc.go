// SPDX-License-Identifier: Apache-2.0

// Package paired compares two versions that answered the same requests, as a
// shadow does: each pair is its own control, so that the difference is seen in
// far fewer requests than with two groups of users. It says whether answers
// agree, whether one version is right more often, whether a number such as a
// score or a cost differs or is equivalent, whether a ranking of cases is
// better, and whether outputs have drifted. It is pure arithmetic: no
// randomness, the same numbers in give the same numbers out.
//
// What pairs cannot show is what users would have done: they only ever met one
// of the two answers. Nothing here may be read as a lift of such an outcome.
//
// # What is guaranteed, and when one may look
//
// At any time, as often as one likes, also if one stops because of what one
// saw: [Discordance.LogE], exact, for right and wrong answers.
//
// At one look fixed in advance:
//
//   - right and wrong, yes and no: [Discordance.McNemar] for large counts,
//     [Discordance.Exact] for any, [Discordance.Interval] for the difference;
//   - numbers: [Difference] and [ClusteredDifference] (Student's t, the second
//     for several pairs of one user), [Mean.Equivalence] (TOST), and
//     [SignedRanks] with [HodgesLehmann] where outliers would rule the mean;
//   - a score's power to tell cases apart: [CompareAUC] (DeLong);
//   - agreement beyond chance: [Kappa], an estimate without a test.
//
// Distributions of two sets of outputs, as wholes: [KolmogorovSmirnov] with its
// exact and asymptotic p-values, [PSI] with its [PSIThreshold],
// [JensenShannon] and [TotalVariation]. The Kolmogorov-Smirnov test takes the
// sets for independent; for outputs of the same requests, which agree more than
// that, it is conservative. [PSIEstimate] and [JensenShannonEstimate] have standard
// errors, [WatchedRadius] bounds the Kolmogorov-Smirnov distance at any time;
// [CategoryBins] and [ScoreBins] make bins of two samples for them.
//
// Pairs must be independent of each other, or summed up per cluster first. A
// pair that one side left unanswered is missing for a reason; count such pairs
// and show them beside any result.
//
// # Errors
//
// As in package stats: *stats.InputError for an argument outside its domain,
// stats.ErrNoData for "not enough to go on yet", stats.ErrImpossible where the
// data rule the hypothesis out entirely. Nothing is ever NaN or infinite
// without an error.
//
// # Sources
//
// McNemar, Psychometrika 12 (1947). Fagerland, Lydersen, Laake, BMC Med. Res.
// Meth. 13 (2013): the mid-p test. Lindon, Malek, NeurIPS (2022): the any-time
// e-value. Wilcoxon, Biometrics Bull. 1 (1945). Hodges, Lehmann, Ann. Math.
// Stat. 34 (1963). Schuirmann, J. Pharmacokin. Biopharm. 15 (1987): TOST.
// Cohen, Educ. Psych. Meas. 20 (1960): kappa. Marsaglia, Tsang, Wang, J. Stat.
// Softw. 8 (2003) and Hodges, Ark. Mat. 3 (1958): Kolmogorov-Smirnov. Yurdakul,
// Naranjo, J. Risk Model Valid. 14 (2020): the null distribution of PSI. Lin,
// IEEE Trans. Inf. Theory 37 (1991): Jensen-Shannon. DeLong, DeLong,
// Clarke-Pearson, Biometrics 44 (1988); Sun, Xu, IEEE Sig. Proc. Lett. 21
// (2014): the same by ranks. Massart, Ann. Prob. 18 (1990): the constant of
// Dvoretzky, Kiefer and Wolfowitz. Howard, Ramdas, Bernoulli 28 (2022): stitching
// of bounds on empirical distributions.
package paired
