// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/headgate-dev/headgate/internal/gateway/h1"
)

// answered gets an answer's head, from the version or from the baseline in its
// place.
func (x *fastExchange) answered(now time.Time) error {
	if err := x.keep(); err != nil {
		return err
	}
	err := x.enter(&x.ending, x)
	if err == nil {
		x.shared = x.resends && !x.hurried() && x.served() != baseline
		err = x.attempt(now)
	}
	why := x.replaceable(err)
	if why == causeNone {
		return err
	}
	x.dismiss(now, err)
	x.shared = false
	if err := x.replace(&x.ending, why, x); err != nil {
		return err
	}
	return x.attempt(now)
}

// keep takes the body in where it may be sent twice. One that is long, or of
// which nobody knows how long it is, goes through as it comes, once.
func (x *fastExchange) keep() error {
	if !x.route.idempotent || x.pinned {
		return nil
	}
	left := x.body.Left()
	if left < 0 || left > mostKept && !x.edit.found() {
		return nil
	}
	if _, _, err := x.prefix(left); err != nil {
		return errClientBody
	}
	x.resends = true
	return nil
}

// patience implements queuer.
func (x *fastExchange) patience() (until time.Time, done <-chan struct{}, left func() bool) {
	return x.queueUntil(), x.c.server.gateway.life.Done(), x.c.leaving
}

// leaving says whether the client leaves or is cut off while its exchange
// waits for a place.
func (c *fastConn) leaving() bool {
	if c.severed.Load() || c.ended() {
		c.gone.Store(true)
		return true
	}
	return false
}

// attempt sends the request to the version that is to serve, and reads the head
// of its answer.
func (x *fastExchange) attempt(now time.Time) error {
	err := x.send(now)
	if err == nil {
		err = x.receive()
	}
	if err != nil && x.again(err) {
		x.up = nil
		if err = x.send(now); err == nil {
			err = x.receive()
		}
	}
	return err
}

// connect finds or makes a connection to the version that is to serve.
func (x *fastExchange) connect(now time.Time) (err error) {
	pool := x.version0().pool
	if x.up = pool.get(now); x.up == nil {
		x.up, err = pool.dial(x.c.server.gateway.life, min(dialTimeout, x.timeout/2))
	}
	return err
}

// again says whether a request may be sent a second time: it went out on a
// connection that the version was about to close, nothing came back, and doing
// it twice does no harm (RFC 9110, section 9.2.2).
func (x *fastExchange) again(err error) bool {
	if x.pinned || x.up == nil || !x.up.reused || x.sending != nil || !x.body.Done() && x.body.Left() != 0 {
		return false
	}
	if !errors.Is(err, io.ErrUnexpectedEOF) && !isReset(err) || len(x.up.in.Buffered()) > 0 {
		return false
	}
	switch string(x.c.head.Method) {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPut, http.MethodDelete, http.MethodTrace:
	default:
		if !x.route.idempotent {
			return false
		}
	}
	if !x.c.waits.CompareAndSwap(x.up, nil) {
		return false
	}
	_ = x.up.conn.Close() // It is closed on the other side.
	return true
}

// replaceable says why the baseline answers after an attempt at the candidate:
// nothing was sent, or the request may be sent again and nothing of an answer
// went to the client yet.
func (x *fastExchange) replaceable(err error) cause {
	if x.version == baseline || x.fellBack || x.pinned || errors.Is(err, errClientBody) || err == errGone {
		return causeNone
	}
	why := failure(x.c.answer.Status, err)
	switch {
	case why == causeUnconnected:
		return why
	case !x.resends || x.hinted || x.sending != nil:
	case why == causeTimeout && !x.shared: // There is no time left.
	case x.c.gone.Load() || x.c.server.gateway.life.Err() != nil:
	default:
		return why
	}
	return causeNone
}

// dismiss lets go of a candidate that failed. Its connection goes on if its
// answer is here whole.
func (x *fastExchange) dismiss(now time.Time, err error) {
	c := x.c
	if x.up != nil {
		ours := c.waits.CompareAndSwap(x.up, nil)
		if ours && err == nil && x.passOver() {
			x.version0().pool.put(x.up, now)
		} else {
			_ = x.up.conn.Close() // Nobody knows what is left on it.
		}
		x.up = nil
	}
	c.answer.Fields = c.answer.Fields[:0]
}

// passOver takes an answer that nobody wants off its connection.
func (x *fastExchange) passOver() bool {
	var body h1.Body
	x.c.answer.Body(x.up.in, &body)
	left := body.Left()
	if x.c.answer.Close || left < 0 || left > int64(len(x.up.in.Buffered())) {
		return false
	}
	x.up.in.Discard(int(left))
	return true
}

// extend gives a candidate that has begun to answer all the time there is.
// Whoever cut it off meanwhile has done so still.
func (x *fastExchange) extend() {
	if !x.shared {
		return
	}
	bounded(x.up.conn.SetDeadline, &x.up.until, x.deadline, x.timeout)
	if x.c.waits.Load() != x.up {
		_ = x.up.conn.SetDeadline(time.Unix(1, 0)) // Fails on a closed connection, which is as well.
	}
}
