// SPDX-License-Identifier: Apache-2.0

// Package controllerbench measures what a controller costs that runs a thousand
// experiments: `make bench-controller`. The API server is real; the provider of
// metrics is a stub that answers at once, so that only the controller is
// measured. Beside the controller's own figures the changes of the objects are
// counted as the cluster tells them.
package controllerbench
