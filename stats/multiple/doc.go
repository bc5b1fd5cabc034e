// SPDX-License-Identifier: Apache-2.0

// Package multiple keeps error rates honest where an experiment asks more than
// one question: several candidates, several metrics, several slices, several
// experiments at once. It says how strict each answer must be so that the
// whole stays within one alpha, and whether slices differ by more than chance.
// It is pure arithmetic on p-values, e-values and estimates that packages such
// as stats have made.
//
// # Which one to use
//
// "At most alpha to state anything false" (family-wise):
//
//   - [Holm] for any p-values, however they depend on each other; and for
//     always-valid ones: exp(-logE), cut at 1, is a p-value at any time.
//   - [Hochberg] gains a little where tests are independent or positively
//     dependent, as for slices that share no unit.
//   - [Dunnett] for several candidates against one baseline: sharper than
//     Holm, because it knows how comparisons with a shared baseline depend.
//   - [PreferentialBonferroni] divides alpha in advance, most of it to the
//     metric that matters, so that watching more metrics costs that one
//     nothing. The only one here that yields a level per question before the
//     data, which boundaries and confidence sequences need.
//
// "At most alpha of what is stated is false, on average" (false discovery):
//
//   - [BenjaminiHochberg] for p-values that are independent or positively
//     dependent, at one look.
//   - [EBenjaminiHochberg] for e-values: any dependence, and any time of
//     looking, so also across experiments that overlap and peek.
//
// # What needs no correction
//
// A release that requires *all* guardrails to be shown harmless is an
// intersection-union test: it errs only if one of them is truly harmful and
// still passes, which happens with probability alpha, not with the sum over
// guardrails. Every guardrail is tested at the full alpha; [IntersectionUnion]
// gives the p-value of the whole. What suffers is power, since all must pass:
// plan each with a probability of missing of beta/(guardrails+1). Only "any of
// these suffices" spends alpha, so success metrics share it.
//
// # Slices
//
// [Compare] tests whether slices differ (Cochran's Q) and how much (I², the
// DerSimonian–Laird variance); [Heterogeneity.Shrink] gives what to display,
// because the extreme one of ten slices is extreme by luck; [GailSimon] tests
// for a qualitative interaction: helped here, harmed there.
//
// # Errors
//
// Functions never return NaN or infinity and never panic on input. A
// [*stats.InputError] names an argument outside its domain; an error that wraps
// [stats.ErrNoData] says that there is nothing to decide on.
//
// # Sources
//
// Holm, Scand. J. Stat. 6 (1979). Hochberg, Biometrika 75 (1988). Benjamini,
// Hochberg, JRSS B 57 (1995). Wang, Ramdas, JRSS B 84 (2022): e-BH. Dunnett,
// JASA 50 (1955), and Biometrics 20 (1964). Berger, Technometrics 24 (1982):
// intersection-union tests. Cochran, Biometrics 10 (1954). Higgins, Thompson,
// Stat. Med. 21 (2002): I². DerSimonian, Laird, Controlled Clin. Trials 7
// (1986). Morris, JASA 78 (1983): empirical Bayes. Gail, Simon, Biometrics 41
// (1985).
package multiple
