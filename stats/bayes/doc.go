// SPDX-License-Identifier: Apache-2.0

// Package bayes says what to believe about versions, given a prior and the
// data: how likely one is better than another or the best of all, how much is
// lost by choosing it if it is not, and between which limits its rate or its
// effect lies. It is pure arithmetic: no randomness, the same numbers in give
// the same numbers out.
//
// # This does not license peeking
//
// The probabilities here are statements about what to believe, not about how
// often a rule errs. Whoever looks every day and stops as soon as one version
// is better with a probability of 95 % will, between identical versions and
// with a flat prior, sooner or later stop at nearly the rate at which naive
// repeated testing does: the error grows with the number of looks, without
// bound. No function here has an alpha, and none may be given one. To look at
// any time and keep an error rate, use the e-values and confidence sequences
// of package stats; read this package beside them, or at a time fixed in
// advance.
//
// # What goes in and what comes out
//
//   - A proportion: [Beta], a prior such as [Jeffreys] updated with counts.
//     Trials must be independent.
//   - A mean with unknown variance: [NormalInverseGamma], updated with
//     moments; the mean then follows a [Student] distribution.
//   - An effect with a standard error, from any estimate that is roughly
//     normal: [Normal], from [Flat] or by updating a prior.
//
// [RankBetas], [RankNormals] and [RankStudents] compare versions, two or many:
// P(best) and expected loss. [DifferenceInterval] is about two proportions.
// Larger is better; for a metric that should fall, swap A and B of a Beta, or
// negate the means.
//
// # How it is computed
//
// By composite Gauss-Legendre quadrature, never by simulation, on panels that
// follow every version's own location and width. One rule for all of them, or
// nodes that suit a single width (Gauss-Hermite), are wrong in the second digit
// where widths differ much. Proportions are integrated over the logit, in which
// no posterior has a singularity, whatever the prior. Two things are asserted
// within each call: that every density has the mass 1 and that the
// probabilities of being best add up to 1, both to 1e-9; panels are halved
// until they do, and [ErrPrecision] is returned if they never do.
//
// # Errors
//
// As in package stats: *stats.InputError for an argument outside its domain,
// stats.ErrNoData for "not enough to go on yet", and nothing is ever NaN or
// infinite without an error.
//
// # Sources
//
// Gelman, Carlin, Stern, Dunson, Vehtari, Rubin, Bayesian Data Analysis, 3rd
// ed. (2013), sections 2.4, 2.5 and 3.3: the conjugate updates. Kruschke,
// Adv. Meth. Pract. Psych. Sci. 1 (2018): region of practical equivalence.
// Armitage, McPherson, Rowe, JRSS A 132 (1969): what peeking costs.
package bayes
