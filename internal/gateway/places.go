// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// places bounds a version's exchanges under way, and the line of those that
// wait for one to end: first come, first served.
type places struct {
	// limit is 0 where there is none: then nobody takes a place.
	limit   atomic.Int64
	refused prometheus.Counter

	mu sync.Mutex
	// longest is how many may wait.
	longest int
	taken   int64
	line    []chan struct{}
}

// queuer is an exchange that may have to wait.
type queuer interface {
	// patience is until when it waits. Done ends that sooner, and so does left,
	// which is asked now and then; nil is never.
	patience() (until time.Time, done <-chan struct{}, left func() bool)
}

var (
	// errCrowded says that there was no place, errGone that nobody wants one
	// any more.
	errCrowded = errors.New("the version has no place for another request")
	errGone    = errors.New("the exchange ended while it waited for a place")
)

// set changes the bounds. Where more is allowed than before, those that wait
// go on.
func (p *places) set(limit, longest int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.limit.Store(int64(limit))
	p.longest = longest
	p.serve()
}

// enter takes a place, or waits for one. Held says that there is one to leave.
func (p *places) enter(q queuer) (held bool, err error) {
	if p.limit.Load() == 0 {
		return false, nil
	}
	p.mu.Lock()
	switch limit := p.limit.Load(); {
	case limit == 0:
		p.mu.Unlock()
		return false, nil
	case p.taken < limit && len(p.line) == 0:
		p.taken++
		p.mu.Unlock()
		return true, nil
	case len(p.line) >= p.longest:
		p.mu.Unlock()
		p.refused.Inc()
		return false, errCrowded
	}
	turn := make(chan struct{})
	p.line = append(p.line, turn)
	p.mu.Unlock()
	if err := await(turn, q); err != nil {
		p.giveUp(turn)
		if err == errCrowded {
			p.refused.Inc()
		}
		return false, err
	}
	return true, nil
}

// await waits for an exchange's turn.
func await(turn <-chan struct{}, q queuer) error {
	until, done, left := q.patience()
	timeout := time.NewTimer(time.Until(until))
	defer timeout.Stop()
	look := time.NewTicker(watchEvery)
	defer look.Stop()
	for {
		select {
		case <-turn:
			if left != nil && left() {
				return errGone
			}
			return nil
		case <-timeout.C:
			return errCrowded
		case <-done:
			return errGone
		case <-look.C:
			if left != nil && left() {
				return errGone
			}
		}
	}
}

// giveUp leaves the line, or the place if its turn has come meanwhile.
func (p *places) giveUp(turn chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.line, turn); i >= 0 {
		p.line = slices.Delete(p.line, i, i+1)
		return
	}
	p.taken--
	p.serve()
}

func (p *places) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken--
	p.serve()
}

// serve gives free places to those who wait longest.
func (p *places) serve() {
	limit := p.limit.Load()
	n := 0
	for n < len(p.line) && (limit == 0 || p.taken < limit) {
		p.taken++
		close(p.line[n])
		n++
	}
	p.line = slices.Delete(p.line, 0, n)
}

// waiting is how many wait now.
func (p *places) waiting() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.line)
}
