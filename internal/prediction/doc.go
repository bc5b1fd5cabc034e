// SPDX-License-Identifier: Apache-2.0

// Package prediction reads what a model predicted out of the answers that model
// servers give, and takes out of requests and answers what must not be kept.
//
// A Reader knows how five protocols lay predictions out: the Open Inference
// Protocol v2, KServe v1 (and TensorFlow Serving), Seldon v1, OpenAI, and plain
// JSON, of which only jq expressions tell anything. Which one an answer follows
// is declared, or else told by the request's path, or else by the answer's
// shape. Whatever it holds, an answer is read within the bounds below and never
// breaks the reader: an answer that is not what its protocol says is Invalid,
// which is a finding and not an error.
//
// # One prediction
//
// An answer holds one prediction per row of its batch. A row has any of:
//
//   - a class: what is written as a text, a whole number or a boolean (in OIP
//     also by its data type), or else the name of the greatest score of a
//     vector of at least two. Without names that is its index, from 0;
//   - a score: a number; of a vector of one, that one; of a vector of two, the
//     second, which is the positive class where classifiers list their classes
//     in order; of a longer one, that of the predicted class;
//   - scores: a vector, with the names of its components if the answer tells
//     them. Those of an object come in the order of their names;
//   - a ranking: a list of texts, or in OIP of whole numbers, or of objects with
//     ids, best first;
//   - a text: generated, or any other that stands for itself.
//
// The expressions Class and Score of a plan take the place of the protocol's own
// reading. Each gives one value per prediction, in order (.items[].label).
//
// # Bounds
//
// At most MaxRows predictions of an answer are read, and rows until their
// vectors and rankings hold MaxComponents together: a row is read whole or not
// at all, and what is not read is counted in Rows alone. What an expression may
// take is bounded by the context and by package jq.
package prediction
