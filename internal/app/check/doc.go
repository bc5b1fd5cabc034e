// SPDX-License-Identifier: Apache-2.0

// Package check says whether a cluster is ready for Headgate, and an experiment
// ready for traffic, before either matters: what is installed and of which
// version, who may do what, whether the way back would work, whether the metrics
// tell of every version, and what would undo a kill. Everything is asked under
// the rights of the person who asks, and nothing is changed: what would be
// written is a dry run.
//
// A result is ok; or a warning, which deserves a reason; or failed, with what to
// do about it; or unknown, where it could not be found out from here. Codes are
// stable and never reused: docs/reference/checks.md.
package check
