// SPDX-License-Identifier: Apache-2.0

// Package simulate plays a plan in synthetic worlds, with the real engine: what
// it shows before a single request moves is what the plan would do. How often
// does it promote what is better, and how often what is the same (D9)? How long
// does that take, how many users meet the worse version meanwhile, and what does
// it cost?
//
// There are two worlds. A World draws every request of every unit and assigns it
// by the real assignment. A Fast world draws what the evidence is made of, the
// counts of a window, and plays thousands of experiments in seconds. In both the
// engine folds, judges and decides; only time is compressed. In a Fast world the
// rules of other tools can be played too, on the same arrivals.
//
// The model of a Fast world:
//
//   - Requests arrive as a Poisson process. Without a population each request is
//     another unit's; with one, each unit asks at random times, and counts in a
//     phase from its first request in it. Shares divide units binomially.
//   - A unit's reward is 0 or 1 with the probability that is assumed, or a normal
//     number. It is drawn anew in each phase. Metrics are independent of each
//     other, but for ratios: refunds per purchase happen to the purchases drawn.
//   - Outcomes come after an exponential delay; what comes after the metric's
//     window is lost. Evidence counts when its window seals, as it does outside.
//   - Failures and slow answers are binomial in the requests, agreement of
//     mirrored answers in the pairs. All versions are ready, no source is down.
//   - A unit has one prediction, and a label of it or none. Scores of cases are
//     binormal; outputs drift by a share that moves between two classes.
//   - A shadow predicts what it is assumed to predict of the requests that are
//     copied, and has labels like others. Where the baseline errs tells nothing of
//     where its shadow does.
//   - Groups of different segments are independent of each other.
//
// Everything is a function of the seed: a run's numbers are drawn by seed and
// window, so that two rules that ask for the same shares see the same counts.
package simulate
