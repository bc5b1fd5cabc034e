// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"sync"
	"time"
)

// How a candidate that answers no copy in time is spared, and users with it.
const (
	// mostTimeouts is how many copies must time out, with no answer between them,
	// for a candidate to hang. No more are under way at first; an answer lets one
	// more go, a time-out one less.
	mostTimeouts = 8
	// firstPause is how long no copy is sent then; each one that is tried in vain
	// doubles it, up to longestPause.
	firstPause   = time.Second
	longestPause = 10 * time.Second
)

// breaker keeps copies from a candidate that hangs, but for one now and then: a
// copy that times out costs its connection, and copies that do so together make
// a burst of work beside the traffic. The first answer has all sent again.
type breaker struct {
	mu sync.Mutex
	// answers and timeouts are how many copies were answered since it last
	// began to hang, and timed out since the last answer.
	answers, timeouts int
	// hanging says that it hangs; then next is when a copy may be tried, trying
	// that one is, and pause how long the next pause is.
	hanging, trying bool
	next            time.Time
	pause           time.Duration
}

// most is how many copies may be under way, of limit. What times out is not
// replaced by what would do so together again.
func (b *breaker) most(limit int) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return max(1, min(limit, mostTimeouts+b.answers)-b.timeouts)
}

// hangs says that the candidate gets no more than a copy now and then.
func (b *breaker) hangs() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.hanging
}

// pauses says that no copy can be sent now.
func (b *breaker) pauses(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.paused(now)
}

func (b *breaker) paused(now time.Time) bool {
	return b.hanging && (b.trying || now.Before(b.next))
}

// take asks for a copy to be sent now. Whoever sends it tells how it ended; try
// is for telling.
func (b *breaker) take(now time.Time) (sends, try bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.paused(now) {
		return false, false
	}
	b.trying = b.hanging
	return true, b.trying
}

// ended takes in how a copy ended that take let go. An answer is one whenever
// its copy was sent; what failed at once, or was not the candidate's doing, is
// neither an answer nor a time-out.
func (b *breaker) ended(result copyResult, try bool, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case result == copyAnswered:
		b.answers = min(b.answers+1, mostCopies)
		b.timeouts, b.hanging, b.trying = 0, false, false
	case b.hanging && try:
		b.trying = false
		b.next, b.pause = now.Add(b.pause), min(2*b.pause, longestPause)
	case b.hanging || result != copyTimeout:
	default:
		if b.timeouts++; b.timeouts == mostTimeouts {
			b.answers, b.hanging, b.trying = 0, true, false
			b.next, b.pause = now.Add(firstPause), 2*firstPause
		}
	}
}

// hanging says that no candidate could be sent a copy now.
func (m *mirror) hanging(now time.Time) bool {
	for _, s := range m.shown {
		if !s.breaker.pauses(now) {
			return false
		}
	}
	return true
}

// Hanging names the candidates of an experiment that hang in the mirror that is
// served: each answered none of its last copies in time, and is sent one now and
// then.
func (g *Gateway) Hanging(experiment string) (names []string) {
	r := g.route.Load()
	if r == nil || r.experiment != experiment || r.mirror == nil {
		return nil
	}
	for _, s := range r.mirror.shown {
		if s.breaker.hangs() {
			names = append(names, s.version.name)
		}
	}
	return names
}
