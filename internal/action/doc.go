// SPDX-License-Identifier: Apache-2.0

// Package action does what a plan's actions say: patch, apply, delete or scale
// an object of the cluster, call a webhook, tell Slack, run a command, wait for
// objects to be ready, commit to a repository, or make load.
//
// What it promises:
//
//   - Asking how actions stand never waits for one. Each is done in the
//     background, of each owner one at a time in the order of the list, tried
//     again with growing pauses, and given up after as many tries as it says.
//   - Nothing is done that is not listed any more: it is stopped at once, and
//     what it left running in the cluster is taken away.
//   - An action is done at least once. After a restart it is done again under
//     the same key, which webhooks, commits, Jobs and JSON patches carry, so that
//     whoever takes them can tell.
//   - In a cluster an action has the rights of the service account that the
//     experiment names, in its own namespace, and none of the controller's. On a
//     laptop it has those of the user.
//   - No secret is in an error, and no more of an answer than a line.
//   - Requests have deadlines, answers and texts bounds, and link-local
//     addresses, where clouds keep credentials, are asked for nothing.
package action
