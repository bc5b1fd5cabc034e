// SPDX-License-Identifier: Apache-2.0

// Package iter8 says what the experiments of Iter8's users mean here. It turns an
// iter8.tools Experiment with its Metrics into a native experiment, and what
// became of that into the status, the text and the conditions that Iter8's users
// know. It computes and asks nobody: whoever holds the objects gives them.
//
// An Iter8 experiment runs strictly, by Iter8's own rules: versions are compared
// by point values and nothing else, and no error rate is claimed. One whose
// criteria.strength is an object in Headgate's words ({alpha: 5%, minimumEffect:
// {relative: 1%}}) is decided by statistics instead.
//
// What cannot be done as it is written is refused with a message and a hint, never
// done in another way in silence.
package iter8
