// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"sync/atomic"
	"time"
)

// What a gateway bounds where its options say nothing.
const (
	defaultTimeout        = 30 * time.Second
	defaultMaxHeaderBytes = 64 << 10
	defaultMaxUnitBody    = 1 << 20
	defaultMaxInFlight    = 4096
)

// What every gateway bounds.
const (
	// readHeaderTimeout bounds the arrival of a request's head.
	readHeaderTimeout = 5 * time.Second
	// idleTimeout is how long a client's connection may wait for its next
	// request.
	idleTimeout = 2 * time.Minute
	// grace is how much longer than an exchange its connection may be written:
	// there is time to answer that it took too long.
	grace = time.Second
	// dialTimeout bounds a connection's making, so that there is time left to
	// fall back.
	dialTimeout = 2 * time.Second
	// upstreamIdle is below the five seconds after which common model servers
	// close an idle connection: a request sent into such a close would be
	// lost, and counted against the version.
	upstreamIdle = 4 * time.Second
	// maxIdlePerHost and maxIdle bound idle connections to the versions.
	maxIdlePerHost = 256
	maxIdle        = 1024
	// maxAnswerHeader bounds the head of a version's answer.
	maxAnswerHeader = 1 << 20
	// maxUnit is the greatest length of a unit id, in bytes.
	maxUnit = 256
	// maxSegments and maxGroups, in all segments together, bound the cells of
	// one request. Plans have at most half the groups.
	maxSegments = 8
	maxGroups   = 64
	// maxGroupValue is the greatest length of a value that can name a group,
	// in bytes.
	maxGroupValue = 256
	// maxWindows and maxPhases bound the evidence that waits to be folded.
	maxWindows = 600
	maxPhases  = 8
)

// gate counts the exchanges under way, up to a limit, until it is closed.
type gate struct {
	limit  int64
	n      atomic.Int64
	closed atomic.Bool
	// empty is told when the last exchange of a closed gate has left.
	empty chan struct{}
}

func newGate(limit int) gate {
	return gate{limit: int64(limit), empty: make(chan struct{}, 1)}
}

// enter lets an exchange in; every exchange let in must leave.
func (g *gate) enter() bool {
	if g.n.Add(1) > g.limit || g.closed.Load() {
		g.leave()
		return false
	}
	return true
}

func (g *gate) leave() {
	if g.n.Add(-1) == 0 && g.closed.Load() {
		select {
		case g.empty <- struct{}{}:
		default:
		}
	}
}

// close lets nobody in any more and waits until all have left.
func (g *gate) close() {
	g.closed.Store(true)
	for g.n.Load() > 0 {
		<-g.empty
	}
	select { // Whoever else waits may go on too.
	case g.empty <- struct{}{}:
	default:
	}
}
