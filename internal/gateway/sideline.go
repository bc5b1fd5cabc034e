// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"cmp"
	"context"
	"runtime"
	"sync"
	"time"
)

// sideline does work beside the traffic: it never takes more than a part of the
// machine, and what finds no room or waits too long is left undone. It has no
// goroutines while there is nothing to do.
type sideline struct {
	life context.Context
	// rests is how much longer than a stretch of work the rest after it is: at 1
	// a reader works half of the time. 0 is 1.
	rests time.Duration
	// within bounds each evaluation that a task makes. 0 is evaluateWithin.
	within time.Duration

	mu      sync.Mutex
	waiting []task
	running int
	readers sync.WaitGroup
}

// task is a piece of work. It is done once, or left undone.
type task interface {
	// begun is since when it waits.
	begun() time.Time
	// do does the work, within evaluateWithin or so. Late says that it waited too
	// long or that the gateway ends: then it is only noted.
	do(late bool)
}

// put has a task done some time soon, and never waits. False says that too many
// wait: then it is not done.
func (s *sideline) put(t task) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting) >= maxQueued {
		return false
	}
	s.waiting = append(s.waiting, t)
	if s.running < min(mostReaders, max(1, runtime.GOMAXPROCS(0)/2)) {
		s.running++
		s.readers.Go(s.work)
	}
	return true
}

// next is the task that has waited longest, nil if there is none: then the
// caller ends.
func (s *sideline) next() task {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting) == 0 {
		s.waiting = nil // It was consumed from the front.
		s.running--
		return nil
	}
	t := s.waiting[0]
	s.waiting[0] = nil
	s.waiting = s.waiting[1:]
	return t
}

// work does tasks until none is left, a part of the time.
func (s *sideline) work() {
	began := time.Now()
	for t := s.next(); t != nil; t = s.next() {
		if worked := time.Since(began); worked > stint {
			rest(s.life, worked*max(1, s.rests))
			began = time.Now()
		}
		t.do(s.life.Err() != nil || time.Since(t.begun()) > answersWithin)
	}
}

// evaluating is the time of an evaluation that begins now.
func (s *sideline) evaluating() (context.Context, context.CancelFunc) {
	return context.WithTimeout(s.life, cmp.Or(s.within, evaluateWithin))
}

// rest leaves the machine to the traffic for a while, or until life ends.
func rest(life context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-life.Done():
	}
}

// close waits for what is being done, when nothing more comes.
func (s *sideline) close() { awaited(&s.readers) }

// awaited waits for work that is about to end, but not for ever.
func awaited(work *sync.WaitGroup) {
	done := make(chan struct{})
	go func() { work.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(closeWithin):
	}
}
