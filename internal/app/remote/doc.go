// SPDX-License-Identifier: Apache-2.0

// Package remote runs experiments from a laptop whose traffic a cluster carries,
// with nothing of Headgate in that cluster: no controller, no CRD, no object of
// its own but the Lease that claims a route. It reads and writes the routes under
// the rights of the person who runs it.
//
// One experiment is run by the controller itself, of which it is the only one:
// its object is in the memory of this process, its record and its journal are in
// the data directory, and its wishes come over the control socket. So every
// promise of a controller holds: the way back is rehearsed before the first live
// share, the route is written by compare-and-swap, and what somebody else writes
// is corrected or left as the plan says.
//
// A process that ends leaves the route as it is. The next one in the same
// directory goes on where the record says; and a kill works without any, by what
// the directory knows of the cluster.
package remote
