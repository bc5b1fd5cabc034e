// SPDX-License-Identifier: Apache-2.0

// Package design says before an experiment runs what it can find out, how long
// that takes and what it costs. It uses the same tests and limits as judge, so
// that what is promised is what is done.
//
// Of makes the whole account from a plan and from what is assumed of the world:
// the sample that the smallest effect takes, the power of the plan as it is
// written, a timetable, costs, and sentences that say what can and what cannot
// be concluded. What would need an assumption that was not made is left out,
// and a sentence says which one.
//
// Benefit, Harm and Objective are the single promises behind it.
//
// Nothing here claims a power for bandits or the probability of any outcome
// under several stages together: that is what simulating is for.
package design
