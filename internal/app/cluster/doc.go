// SPDX-License-Identifier: Apache-2.0

// Package cluster is the command line's hand in a Kubernetes cluster: what a
// person asks of a running Headgate over its control socket, asked of the
// objects of a cluster instead, under that person's own rights.
//
//   - Views are made of the plan and the record that the controller keeps, by
//     the same rules as everywhere, so that every face shows the same whether an
//     experiment runs on a laptop or in a cluster. What only the cluster knows (a
//     controller that is stalled or away) is a notice, which all faces show.
//   - A verb is written into spec.control with an id of its own; the answer is
//     the decision in the journal that obeyed or refused it.
//   - A kill asks nobody: it marks the experiment and takes the traffic back
//     itself, both at once and each whatever becomes of the other (D3, D8).
package cluster
