// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// How much is made of looking at answers: it never takes more than a part of
// the machine, and what does not find room is dropped and counted.
const (
	// maxQueued is how many answers wait to be evaluated.
	maxQueued = 1024
	// mostReaders is how many are evaluated at the same time. A reader works
	// stretches of stint and rests as long after each.
	mostReaders = 4
	stint       = 5 * time.Millisecond
	// evaluateWithin bounds each evaluation, answersWithin the time that an
	// answer waits for it and that a window waits for its answers.
	evaluateWithin = 250 * time.Millisecond
	answersWithin  = 5 * time.Second
	// closeWithin bounds how long Close waits for an evaluation that cannot be
	// stopped in the middle of a step.
	closeWithin = time.Second
)

// answerReader evaluates answers beside the traffic. It has no goroutines while
// there is nothing to do.
type answerReader struct {
	life context.Context
	// held is how many bytes of answers are kept.
	held atomic.Int64
	pool sync.Pool

	mu      sync.Mutex
	waiting []*hearing
	running int
	readers sync.WaitGroup
}

// hearing lends what an answer is kept in.
func (r *answerReader) hearing() *hearing {
	h, ok := r.pool.Get().(*hearing)
	if !ok {
		h = new(hearing)
	}
	h.reader = r
	return h
}

// forget takes it back.
func (r *answerReader) forget(h *hearing) {
	r.held.Add(-h.held)
	body, readings := h.body[:0], h.readings[:0]
	if cap(body) > mostHeardKept {
		body = nil
	}
	*h = hearing{body: body, readings: readings}
	r.pool.Put(h)
}

// queue has an answer evaluated some time soon. It never waits. The answer's
// window stays open until then.
func (r *answerReader) queue(h *hearing) {
	h.since = time.Now()
	r.mu.Lock()
	full := len(r.waiting) >= maxQueued
	if !full {
		h.window.answers.Add(1)
		r.waiting = append(r.waiting, h)
		if r.running < min(mostReaders, max(1, runtime.GOMAXPROCS(0)/2)) {
			r.running++
			r.readers.Go(r.work)
		}
	}
	r.mu.Unlock()
	if full {
		h.found = findingDropped
		h.record()
		r.forget(h)
	}
}

// next is the answer that has waited longest, nil if there is none: then the
// caller ends.
func (r *answerReader) next() *hearing {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.waiting) == 0 {
		r.waiting = nil // It was consumed from the front.
		r.running--
		return nil
	}
	h := r.waiting[0]
	r.waiting[0] = nil
	r.waiting = r.waiting[1:]
	return h
}

// work evaluates answers until none is left, half of the time.
func (r *answerReader) work() {
	began := time.Now()
	for h := r.next(); h != nil; h = r.next() {
		if worked := time.Since(began); worked > stint {
			r.rest(worked)
			began = time.Now()
		}
		if r.life.Err() != nil || time.Since(h.since) > answersWithin {
			h.found = findingDropped
		} else {
			h.read()
		}
		w := h.window
		h.record()
		r.forget(h)
		w.answers.Add(-1)
	}
}

// rest leaves the machine to the traffic for a while.
func (r *answerReader) rest(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-r.life.Done():
	}
}

// close waits for what is being evaluated, when no more answers come.
func (r *answerReader) close() {
	done := make(chan struct{})
	go func() { r.readers.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(closeWithin):
	}
}

// read evaluates the metrics that the body is to tell.
func (h *hearing) read() {
	value, found := h.decode()
	if found != findingRead {
		h.found = found
		return
	}
	for i := range h.metrics {
		if h.wants>>i&1 != 0 {
			h.readings = append(h.readings, h.evaluate(i, value))
		}
	}
}

// decode gives the value that the body is.
func (h *hearing) decode() (any, finding) {
	body := h.body
	if h.packed {
		unpacked, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil {
			return nil, findingInvalid
		}
		body, err = io.ReadAll(io.LimitReader(unpacked, maxAnswerBody+1))
		switch {
		case err != nil:
			return nil, findingInvalid
		case len(body) > maxAnswerBody:
			return nil, findingTooLarge
		}
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber() // Long ids stay what they are.
	var value any
	if d.Decode(&value) != nil {
		return nil, findingInvalid
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, findingInvalid
	}
	return value, findingRead
}

// evaluate reads one metric.
func (h *hearing) evaluate(metric int, value any) (out reading) {
	out = reading{metric: metric, count: 1}
	defer func() {
		// An expression that breaks its interpreter must not break the gateway.
		if recover() != nil {
			out.found = findingInvalid
		}
	}()
	ctx, cancel := context.WithTimeout(h.reader.life, evaluateWithin)
	defer cancel()
	m := &h.metrics[metric]
	var err error
	if out.sum, err = m.sum.Number(ctx, value); err == nil && m.count != nil {
		out.count, err = m.count.Number(ctx, value)
	}
	switch {
	case err == nil && out.count >= 0:
	case errors.Is(err, context.DeadlineExceeded):
		out.found = findingSlow
	case errors.Is(err, context.Canceled):
		out.found = findingDropped
	default:
		out.found = findingInvalid
	}
	return out
}
