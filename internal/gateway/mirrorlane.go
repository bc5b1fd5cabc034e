// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// What waits is bounded, so that a shadow that hangs costs memory that was
// meant for it, and no more.
const (
	// mostWaiting is how many copies wait to be sent, of all candidates of a
	// route, and copyWaits how long: a copy that comes late is a request that
	// nobody has sent then.
	mostWaiting = 1024
	copyWaits   = time.Second
	// maxOriginals is how many bytes of requests and baseline's answers are
	// kept at a time, maxShadowAnswers how many of candidates' answers.
	maxOriginals     = 8 << 20
	maxShadowAnswers = 16 << 20
	// maxShadowHeader bounds the head of a candidate's answer to a copy.
	maxShadowHeader = 64 << 10
	// failedRest is how long whoever sent a copy that failed rests: a shadow
	// that floods, or that is not there, costs little.
	failedRest = 500 * time.Millisecond
	// flowFreely is how much of a candidate's answer is read as fast as it comes;
	// of what comes after that, no more than flowPerSecond of one lane's: a
	// flood is held back where it comes from.
	flowFreely    = 64 << 10
	flowPerSecond = 16 << 20
	// shadowBuffer is how much of a flood the system may keep for a connection.
	shadowBuffer = 256 << 10
	// comparesRest is how much longer than it compares pairs a comparer rests.
	comparesRest = 3
)

// shadows is what all mirrors of a gateway share, apart from all that primary
// requests use: connections, room and time.
type shadows struct {
	transport *http.Transport
	// kept is the room for originals, heard that for candidates' answers.
	kept, heard room
	// workers send copies, comparers compare them.
	workers   sync.WaitGroup
	comparers sideline
	// paired takes the pairs, answers what candidates predict.
	paired  func(*experiment.Pair) bool
	answers *answerReader
}

// open makes the shadows ready.
func (s *shadows) open(life context.Context, paired func(*experiment.Pair) bool, answers *answerReader) {
	dialer := net.Dialer{Timeout: dialTimeout}
	s.kept.most, s.heard.most = maxOriginals, maxShadowAnswers
	s.comparers.life, s.comparers.rests = life, comparesRest
	s.paired, s.answers = paired, answers
	s.transport = &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			if tcp, ok := conn.(*net.TCPConn); ok {
				_ = tcp.SetReadBuffer(shadowBuffer) // Without it, it is only larger.
			}
			return directly(conn), nil
		},
		DisableCompression:     true,
		MaxConnsPerHost:        mostCopies,
		MaxIdleConnsPerHost:    defaultCopies,
		MaxIdleConns:           mostCopies,
		IdleConnTimeout:        upstreamIdle,
		TLSHandshakeTimeout:    dialTimeout,
		MaxResponseHeaderBytes: maxShadowHeader,
	}
}

// close waits for what was cut off to end, when no more copies come.
func (s *shadows) close() {
	awaited(&s.workers)
	s.comparers.close()
	s.transport.CloseIdleConnections()
}

// room is a number of bytes that can be taken and given back.
type room struct {
	most int64
	held atomic.Int64
}

// take takes n bytes; false is that there are not as many.
func (r *room) take(n int64) bool {
	if r.held.Add(n) > r.most {
		r.held.Add(-n)
		return false
	}
	return true
}

func (r *room) give(n int64) { r.held.Add(-n) }

// full says that there is hardly any left, for one more of the largest.
func (r *room) full() bool { return r.held.Load() > r.most-maxMirroredAnswer }

// lane is where copies wait for one candidate, so that one that hangs delays no
// other. It has no goroutines while none waits.
type lane struct {
	// limit is how many are sent at a time, most how many wait.
	limit, most int
	// flow bounds what is read of long answers.
	flow bucket

	mu      sync.Mutex
	waiting []*shadowCopy
	running int
	// ended says that nothing is sent any more.
	ended bool
}

// newLanes makes a lane for each of n candidates, which send no more than limit
// copies at a time together. Where that is less than one each, they share.
func newLanes(limit, n int) []*lane {
	lanes := make([]*lane, min(limit, n))
	for i := range lanes {
		l := &lane{limit: limit / len(lanes), most: mostWaiting / len(lanes)}
		l.flow.perSecond, l.flow.most = flowPerSecond, maxMirroredAnswer
		if i < limit%len(lanes) {
			l.limit++
		}
		lanes[i] = l
	}
	return lanes
}

// put has a copy sent some time soon. It never waits; what it gives instead of
// copyAnswered is why the copy is not sent.
func (l *lane) put(c *shadowCopy) copyResult {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.ended:
		return copyUnserved
	case len(l.waiting) >= l.most:
		return copyCrowded
	case c.shadow.breaker.pauses(time.Now()):
		return copyHanging
	}
	l.waiting = append(l.waiting, c)
	if l.running < c.shadow.breaker.most(l.limit) {
		l.running++
		c.original.mirror.shadows.workers.Go(l.work)
	}
	return copyAnswered
}

// next is the copy that has waited longest, nil if there is none, or if more are
// under way than the candidate of the last one may have: then the caller ends.
func (l *lane) next(last *shadowCopy) *shadowCopy {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiting) == 0 {
		l.waiting = nil // It was consumed from the front.
		l.running--
		return nil
	}
	if last != nil && l.running > last.shadow.breaker.most(l.limit) {
		l.running-- // There are others, who go on.
		return nil
	}
	c := l.waiting[0]
	l.waiting[0] = nil
	l.waiting = l.waiting[1:]
	return c
}

// work sends copies until none is left.
func (l *lane) work() {
	for c := l.next(nil); c != nil; c = l.next(c) {
		life := c.original.mirror.life
		if result := c.send(); result == copyFailed || result == copyFlooded {
			rest(life, failedRest)
		}
	}
}

// empty ends the lane and gives what waited.
func (l *lane) empty() []*shadowCopy {
	l.mu.Lock()
	defer l.mu.Unlock()
	waiting := l.waiting
	l.ended, l.waiting = true, nil
	return waiting
}
