// SPDX-License-Identifier: Apache-2.0

// Package judge turns evidence into belief: (plan, totals, monitors) in,
// verdicts and monitors' out. It is the only rule that knows statistics.
//
// # What it promises
//
//   - Harm is watched at every look and may be looked at as often as one
//     likes: objectives and gates by confidence sequences for one version
//     against a limit, rewards and guardrails by one-sided e-values for two
//     versions, for everybody and in every slice that the plan names. The
//     plan's HarmAlpha is divided evenly among all of these tests of all
//     candidates. It is the same whatever the method.
//   - Benefit is said with probability at most Alpha between identical versions
//     (D9): at planned group-sequential looks (method sequential), at any time
//     (anytime), or at the horizon (fixed). Alpha is divided among candidates.
//     The methods threshold and bayesian promise nothing, and say so.
//   - "Not worse" has to hold for everybody and in every slice, which is harder
//     than each of them: each gets a candidate's whole alpha (intersection-union).
//   - No data is undecided (D2). A sample-ratio mismatch is reported beside the
//     verdicts, other doubts in Doubts, and verdicts that rest on what is in
//     doubt are untrustworthy, unless they are harm.
//
// # Units, requests, pairs
//
// The unit of analysis is the unit of randomisation: metrics of outcomes are
// ratios over units with a delta-method standard error. Request metrics of
// experiments that assign units treat requests as independent, which units that
// send many requests make too narrow; such verdicts carry BasisRequests. Pairs
// of a mirror say nothing of how users react, so they meet limits and are never
// compared. What a shadow predicts is compared like what versions with traffic
// do: labels tell of its answers what they would tell of any.
//
// Pairs of one unit are one observation; they agree or differ together, for all
// that is known while few differ.
//
// # Windows
//
// Of some metrics a provider tells one number for each window and version, and
// nothing of the spread inside. Windows are then the sample (BasisWindows), from
// twelve of each version on. Windows depend on those before, so that their error
// is that of batches of neighbours, widened for what still depends and for how
// few they are (stats.Batches). That is an estimate: what is said of such a metric
// is approximate, "any time" included. Versions are not paired by window; a
// window that one of them lacks is missing there alone. What else a provider
// tells are counts like any other.
//
// # Predictions and labels
//
// Ratios over labels are metrics of units, shares and means of predictions are
// metrics of requests. An area under the ROC curve is compared between versions
// as between independent samples (DeLong); it takes the predictions of one unit
// for independent. So it is with all that is told of predictions in a mirror,
// where both versions answer the same cases: the covariance would take both
// answers to a case, which cells do not keep. What versions get wrong together
// makes such intervals wider than they need be; only of versions that err on each
// other's right cases would they be too narrow. Drift is the distance of a candidate's outputs from the
// baseline's in the same phases, held against a limit; the baseline does not
// drift. Both are of everybody: they have no slices.
//
// A version whose answers name two artifacts within an epoch is two models judged
// as one: nothing that rests on it lets an experiment go on.
//
// # Phases and strata
//
// Evidence of phases is combined in one of two ways. Where every request is
// assigned anew, phases are independent and their e-values multiply. Where
// units persist from one phase into the next, what a unit is like counts in
// both, a product would count it twice, and so each phase stands on its own
// share of the error: phase j of 1, 2, … gets 1/(j(j+1)) of it (a union bound
// that holds under any dependence). See docs/decisions/0008.
//
// Inside a phase the difference for everybody is post-stratified where groups
// have shares of their own, or where a segment asks for it. With several such
// segments the first counts: there are no cells for combinations of groups.
package judge
