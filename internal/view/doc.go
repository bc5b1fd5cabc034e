// SPDX-License-Identifier: Apache-2.0

// Package view is the read model of an experiment: made once from the record,
// pure, and shown by every face in the same words. Verdict first, evidence
// second, data third.
//
// What it promises:
//
//   - Every face shows the same sentence and the same notices.
//   - What is not known is absent, never zero.
//   - While a plan of the method fixed hides its reward, no figure of the
//     reward is in the view, only how far it has come: neither a difference nor
//     a version's own estimate, nor a bandit's.
//   - An explanation is computed from the verdicts that decided: how far a
//     figure stands from the value at which the decision would have been
//     another.
package view
