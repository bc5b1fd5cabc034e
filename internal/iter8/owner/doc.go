// SPDX-License-Identifier: Apache-2.0

// Package owner runs the iter8.tools Experiments of a cluster. Each owns a
// native Experiment of its own name and namespace, which does the work: spec is
// mapped down to it, and status up from it. Its promises:
//
//   - Of all experiments with one target one runs at a time, in the order in
//     which they were first seen; a target is held until its experiment has
//     completed or is gone.
//   - Metrics are read once, before the start, and kept in the status: a later
//     edit of one changes nothing. An edit of the experiment is passed on.
//   - A start action that has to fill in the versions is done once, and before
//     that: by a native experiment that does nothing else and then makes way.
//   - Stages only move forward, an experiment that has completed is over for
//     ever, and every change of a condition is an event, with Iter8's reasons and
//     messages.
//   - Nothing is assumed of the schema that the cluster has for these kinds:
//     Iter8's own does, and fields that this program does not know stay.
//   - An experiment that is deleted takes its native one with it, also where
//     nobody collects garbage.
package owner
