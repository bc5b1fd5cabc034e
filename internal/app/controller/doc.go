// SPDX-License-Identifier: Apache-2.0

// Package controller wires the controller of a cluster: a manager of
// controller-runtime that watches Experiments and the routes they have, the
// adapters that read and write them, the sources of evidence, the admission
// webhook, health and metrics. There is no rule in here.
//
// Several controllers may run: one of each shard leads, by a Lease. Everything
// listens on loopback unless told otherwise.
package controller
