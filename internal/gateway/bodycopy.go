// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"sync"
	"sync/atomic"
	"time"
)

// What is kept of requests is bounded.
const (
	// maxBodyCopy is the longest body of a request that is kept.
	maxBodyCopy = 1 << 20
	// maxBodyCopies is how many bytes of requests are kept at a time.
	maxBodyCopies = 16 << 20
)

// bodyCopies lends the room for what is kept of requests.
type bodyCopies struct{ held atomic.Int64 }

// bodyCopy keeps a request's body while it goes to its version, for whoever
// looks at it beside the traffic. Both engines fill it on the way; streams
// stream on. A nil copy takes nothing and has nothing.
type bodyCopy struct {
	all *bodyCopies
	// users are those that hold it; the last one frees its room.
	users atomic.Int32

	mu   sync.Mutex
	body []byte
	// length is how long the body is said to be, -1 if nobody knows.
	length, held int64
	// ended says that nothing more is taken, whole that all of it was, long that
	// it is too long; at is when it was whole.
	ended, whole, long bool
	at                 time.Time
}

// keepBody has the body of a call kept, once, whoever asks; each must release
// it. It must be asked for at admission, before anything is sent.
func (g *Gateway) keepBody(c *call) *bodyCopy {
	if c.copy == nil {
		c.copy = &bodyCopy{all: &g.copies, length: -1}
		c.copy.retain() // The call itself does, until it is finished.
	}
	c.copy.retain()
	return c.copy
}

func (b *bodyCopy) retain() { b.users.Add(1) }

// release lets go of the copy: its bytes are no longer in use by this user.
func (b *bodyCopy) release() {
	if b != nil && b.users.Add(-1) == 0 {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.spoil()
	}
}

// expect says how long the body will be, 0 or more.
func (b *bodyCopy) expect(length int64) {
	if b == nil || length < 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.length = length
	switch {
	case b.ended:
	case length > maxBodyCopy:
		b.long = true
		b.spoil()
	default:
		b.complete()
	}
}

// take keeps a piece of the body.
func (b *bodyCopy) take(p []byte) {
	if b == nil || len(p) == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended {
		return
	}
	n := int64(len(b.body) + len(p))
	b.long = n > maxBodyCopy
	if b.long || n > b.held && !b.reserve(max(n, min(b.length, maxBodyCopy))-b.held) {
		b.spoil()
		return
	}
	if b.body == nil {
		b.body = make([]byte, 0, max(b.held, n))
	}
	b.body = append(b.body, p...)
	b.complete()
}

// reserve takes n more bytes of what may be kept.
func (b *bodyCopy) reserve(n int64) bool {
	if b.all.held.Add(n) > maxBodyCopies {
		b.all.held.Add(-n)
		return false
	}
	b.held += n
	return true
}

// complete ends a body that is as long as it was said to be.
func (b *bodyCopy) complete() {
	if int64(len(b.body)) == b.length {
		b.ended, b.whole, b.at = true, true, time.Now()
	}
}

// spoil keeps nothing of the body.
func (b *bodyCopy) spoil() {
	b.ended, b.whole, b.body = true, false, nil
	b.all.held.Add(-b.held)
	b.held = 0
}

// end says that the body is complete.
func (b *bodyCopy) end() {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.ended {
		b.ended, b.whole, b.at = true, true, time.Now()
	}
}

// takeAll keeps a body that is here whole, in pieces.
func (b *bodyCopy) takeAll(pieces ...[]byte) {
	if b == nil {
		return
	}
	for _, p := range pieces {
		b.take(p)
	}
	b.end()
}

// bytes is the body, which nobody may change; false if it is not here whole:
// too long, too many at a time, or broken off.
func (b *bodyCopy) bytes() ([]byte, bool) {
	if b == nil {
		return nil, false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.body, b.whole
}

// tooLong says that a body is not here because it is too long.
func (b *bodyCopy) tooLong() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.long
}

// completed is when the body was here whole.
func (b *bodyCopy) completed() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.at
}
