// SPDX-License-Identifier: Apache-2.0

package remote

import (
	"context"
	"sync"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// longestBackoff is the longest time that an open breaker lets nothing through.
const longestBackoff = time.Minute

// Breaker keeps readings from a server that does not answer: after a number of
// failures in a row it opens, and then lets one trial through at a time, ever
// more rarely.
type Breaker struct {
	limit int
	first time.Duration

	mu       sync.Mutex
	failures int
	until    time.Time
	trying   bool
	last     string
}

// NewBreaker makes a breaker that limit failures in a row open, for backoff at
// first, then twice as long with every failed trial, up to a minute. Zero values
// are 3 and a second.
func NewBreaker(limit int, backoff time.Duration) *Breaker {
	if limit <= 0 {
		limit = 3
	}
	if backoff <= 0 {
		backoff = time.Second
	}
	return &Breaker{limit: limit, first: backoff}
}

// Allow says whether a reading may begin; if it may, Conclude must follow.
func (b *Breaker) Allow(now time.Time) error {
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

// Open says whether nothing is let through but trials.
func (b *Breaker) Open() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.failures >= b.limit
}

// Conclude tells how a reading of ctx ended. Only what could not be had counts as
// a failure; a server that says no has answered, and a caller that left says
// nothing of the server.
func (b *Breaker) Conclude(ctx context.Context, err error, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.trying = false
	switch {
	case err == nil:
		b.failures = 0
		return
	case ctx.Err() != nil:
		return
	case experiment.CodeOf(err) != experiment.CodeUnavailable:
		b.failures = 0
		return
	}
	b.failures++
	b.last = err.Error()
	if over := b.failures - b.limit; over >= 0 {
		pause := b.first << min(over, 20)
		if pause <= 0 || pause > longestBackoff {
			pause = longestBackoff
		}
		b.until = now.Add(pause)
	}
}

func invalid(format string, args ...any) *experiment.Error {
	return experiment.Errorf(experiment.CodeInvalid, format, args...)
}

func unavailable(format string, args ...any) *experiment.Error {
	return experiment.Errorf(experiment.CodeUnavailable, format, args...)
}
