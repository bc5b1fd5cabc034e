// SPDX-License-Identifier: Apache-2.0

package prometheus

import (
	"sync"
	"time"
)

// longestBackoff is the longest time that an open breaker lets nothing through.
const longestBackoff = time.Minute

// breaker keeps readings from a server that does not answer: after a number of
// failures in a row it opens, and then lets one trial through at a time, ever
// more rarely.
type breaker struct {
	limit int
	first time.Duration

	mu       sync.Mutex
	failures int
	until    time.Time
	trying   bool
	last     string
}

// allow says whether a reading may begin; if it may, done must follow.
func (b *breaker) allow(now time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failures < b.limit {
		return nil
	}
	if now.Before(b.until) || b.trying {
		return unavailable("%s (failed %d times; tried again in %v)", b.last, b.failures, max(0, b.until.Sub(now)).Round(time.Second))
	}
	b.trying = true
	return nil
}

// open says whether nothing is let through but trials.
func (b *breaker) open() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.failures >= b.limit
}

// done tells how a reading ended: nil if the server answered, whatever it said.
func (b *breaker) done(failure error, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.trying = false
	if failure == nil {
		b.failures = 0
		return
	}
	b.failures++
	b.last = failure.Error()
	if over := b.failures - b.limit; over >= 0 {
		pause := b.first << min(over, 20)
		if pause <= 0 || pause > longestBackoff {
			pause = longestBackoff
		}
		b.until = now.Add(pause)
	}
}

// abandon ends a reading that says nothing of the server: its caller left.
func (b *breaker) abandon() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.trying = false
}
