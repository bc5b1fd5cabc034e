// SPDX-License-Identifier: Apache-2.0

// Package compare says how far a candidate's answer agrees with the baseline's
// answer to the same request, by each metric of pairs.
//
// What is compared is what the metric's jq expression picks from each answer,
// or without one what package prediction reads of it: the class (or a score that
// is a whole number), the score, the vector, the ranking (or else the classes by
// falling score), the texts if either answer predicts texts and else the whole
// answer; for JSON always the whole answer.
//
// # Batches
//
// An answer to a batch holds several predictions, and an expression may give
// several values. They are compared one by one in their order, and the metric's
// value is the mean. A row in which either side has nothing to compare is left
// out; rows that only one side has count 0. Only the rows that package
// prediction reads are compared. For vectors and rankings an expression gives a
// list for each prediction; numbers or texts that it gives one by one are one
// vector or ranking.
//
// # Blanks
//
// There is nothing to compare, and the result is Blank, where both answers
// failed; where one did, but for failures; where the time of either is not known
// (latency); where a body is not known or too large, holds no prediction, or
// time ran out; where two rankings share fewer than two items, or tie all that
// they share (tau). JSON that is null on both sides is taken for missing.
package compare
