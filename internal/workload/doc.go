// SPDX-License-Identifier: Apache-2.0

// Package workload does with a version's Deployment what an experiment asks for:
// it says whether the version is ready, copies the winner over the baseline,
// retires what lost, and puts the baseline back where it was.
//
// The promises:
//
//   - Nothing here moves traffic, and the way back waits for nothing here.
//   - An action is done once, by its Key. What was done for it stands in
//     annotations of the Deployment, written together with the change itself, so
//     that a controller that died in between, or another one, goes on and does
//     not do it again: a Deployment that somebody scaled up later stays up.
//   - What is written is the Deployment as it was just read; who wrote in
//     between is never overwritten unseen, and fields that nobody here knows
//     survive.
//   - A copy is complete when every replica is of the winner's pod template and
//     available; until then Copy says what is missing.
//   - What a copy replaces is kept beside it, and is put back only while the copy
//     is still what stands there.
//
// A copy takes the whole spec of the winner's pods (containers, images,
// commands, environment, resources, volumes, scheduling, service account) and
// their annotations. It leaves the labels of the baseline's pods as they are:
// they are what its selector, Services and DestinationRules find them by, and
// what tells the versions apart. It leaves the Deployment's own settings
// (strategy, progress deadline, minimum ready time) too, and raises its replicas
// to the winner's where they are fewer.
//
// Errors are experiment.Error, with the right that is missing or what to do.
package workload
