// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"strconv"
	"time"
)

// headerDeadline is how long the client waits, in milliseconds. It is the field
// by which Envoy, and so the meshes made of it, tell the next hop; HTTP itself
// has none.
const headerDeadline = "X-Envoy-Expected-Rq-Timeout-Ms"

// hurry is the least time that a client must give before a version that did not
// answer in it has failed. With less, nobody can tell a slow version from a
// hasty client, who could fail versions at will; it counts as one that left.
const hurry = time.Second

// span is an exchange's time.
type span struct {
	timeout  time.Duration
	deadline time.Time
	// asked says that the client set it.
	asked bool
	// shared says that a candidate may have only a part of it, so that enough
	// is left for the baseline.
	shared bool
}

// newSpan is the time of an exchange that begins now: the gateway's time-out,
// or less where the client says so.
func newSpan(now time.Time, timeout time.Duration, said string) span {
	s := span{timeout: timeout}
	if said != "" {
		if d := milliseconds(said); d > 0 && d < timeout {
			s.timeout, s.asked = d, true
		}
	}
	s.deadline = now.Add(s.timeout)
	return s
}

// milliseconds reads a number of at most nine digits; 0 is that it is none.
func milliseconds(s string) time.Duration {
	if len(s) > 9 {
		return 0
	}
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return 0
	}
	return time.Duration(n) * time.Millisecond
}

// hurried says that the client gave too little time to blame anybody.
func (s *span) hurried() bool { return s.asked && s.timeout < hurry }

// until is when the version must have begun its answer: a candidate whose place
// the baseline can take has two thirds of the time.
func (s *span) until() time.Time {
	if s.shared {
		return s.deadline.Add(-s.timeout / 3)
	}
	return s.deadline
}

// queueUntil is how long an exchange waits for a place: beyond half of its
// time, what is left is better spent elsewhere.
func (s *span) queueUntil() time.Time { return s.deadline.Add(-s.timeout / 2) }

// left is what the version is told: the milliseconds that it has.
func (s *span) left() int64 { return max(1, time.Until(s.until()).Milliseconds()) }
