// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"time"
	"unsafe"

	"github.com/headgate-dev/headgate/internal/gateway/h1"
)

// fastExchange is an exchange in the engine fast.
type fastExchange struct {
	call
	ending
	span

	c    *fastConn
	body h1.Body
	// before is what was read of the body and must be sent before the rest.
	before []byte
	// awaited says that the client holds its body back until it is told to go
	// on; spoiled that its body did not arrive.
	awaited, spoiled bool
	// toHEAD says that the answer has no body. Of the request's head only
	// numbers are good once its body is being read.
	toHEAD bool
	// resends says that the request can be sent again: sent is what of its body
	// was taken from the client already. hinted says that the client was given
	// something of an answer.
	resends, hinted bool
	sent            []byte
	// up carries the exchange; sending ends when the rest of the body is sent.
	up      *upConn
	sending chan error
}

// carry serves the request whose head was read; false ends the connection.
func (x *fastExchange) carry(c *fastConn) bool {
	g := c.server.gateway
	*x = fastExchange{c: c, awaited: c.head.Expect, toHEAD: string(c.head.Method) == http.MethodHead}
	c.answer.Fields = c.answer.Fields[:0]
	c.head.Body(c.in, &x.body)
	if !g.gate.enter() {
		g.metrics.refused.Inc()
		return x.decline(&refusedBusy)
	}
	defer g.gate.leave()
	now := time.Now()
	x.span = newSpan(now, g.options.Timeout, x.header(headerDeadline))
	if left := x.body.Left(); left < 0 || left > int64(len(c.in.Buffered())) {
		c.readWithin(x.timeout)
	}
	if refused := c.vet(); refused != nil {
		g.metrics.refusedUnfit.Inc()
		c.head.Close = true // What comes after it may have been meant for somebody else.
		return x.decline(refused)
	}
	defer func() { g.finish(&x.call, x.ending) }()
	if refused := g.admit(&x.call, x); refused != nil {
		return x.decline(refused)
	}
	return x.pass(now)
}

// vet refuses what a reverse proxy cannot pass on, and takes the host off a
// target in absolute form.
func (c *fastConn) vet() *refusal {
	h := &c.head
	if string(h.Method) == http.MethodConnect {
		return &refusedMethod
	}
	if h.Expect && !h1.EqualFold(h.Get("expect"), []byte("100-continue")) {
		return &refusedExpectation
	}
	if h.Target[0] == '/' || string(h.Target) == "*" && string(h.Method) == http.MethodOptions {
		return nil
	}
	rest, ok := bytes.CutPrefix(h.Target, []byte("http://"))
	if !ok || len(rest) == 0 {
		return &refusedMessage
	}
	i := bytes.IndexAny(rest, "/?")
	if i < 0 {
		h.Host, h.Target = rest, []byte("/")
		return nil
	}
	if i == 0 {
		return &refusedMessage // It names nobody.
	}
	h.Host, h.Target = rest[:i], rest[i:]
	if h.Target[0] == '?' {
		h.Target = append([]byte("/"), h.Target...)
	}
	return nil
}

// pass sends the request to its version and the answer to the client.
func (x *fastExchange) pass(now time.Time) bool {
	c := x.c
	if x.original != nil {
		x.departed()
	}
	if err := x.answered(now); err != nil {
		return x.fail(err)
	}
	kept, err := x.relay()
	sent := x.endSending()
	ours := c.waits.CompareAndSwap(x.up, nil)
	if err == nil && ours && sent && !c.answer.Close {
		x.version0().pool.put(x.up, now)
	} else {
		_ = x.up.conn.Close() // Nobody knows what is left on it.
	}
	x.conclude(err)
	return kept && sent && err == nil
}

// served is the index of the version that answers.
func (x *fastExchange) served() int {
	if x.fellBack {
		return baseline
	}
	return x.version
}

func (x *fastExchange) version0() *version { return &x.route.versions[x.served()] }

// send writes the request: at once where the whole body is here already, else
// the head and then the body beside the answer, which may come before its end.
func (x *fastExchange) send(now time.Time) error {
	c := x.c
	if err := x.connect(now); err != nil {
		return err
	}
	bounded(x.up.conn.SetDeadline, &x.up.until, x.until(), x.timeout)
	c.gone.Store(false)
	c.since.Store(c.server.tick.Load())
	left := x.body.Left()
	whole := left >= 0 && left <= int64(len(c.in.Buffered()))
	c.out = x.appendRequest(c.out[:0])
	if whole && (left <= mostKept || x.edit.found()) {
		c.out = x.appendBody(c.out, left)
		x.copy.takeAll(x.before, x.sent, c.in.Buffered()[:left])
		c.waits.Store(x.up)
		if c.severed.Load() {
			c.cutExchange() // Whoever severed it may have come too early to do so.
		}
		err := together(x.up.conn, c.out) // With the read of the answer's head.
		if err == nil && left > 0 {
			x.sent = c.in.Buffered()[:left]
			c.in.Discard(int(left))
		}
		if err == nil {
			x.body.End()
		}
		return err
	}
	if err := x.goOn(); err != nil {
		return errClientBody
	}
	if _, err := x.up.conn.Write(c.out); err != nil {
		return err
	}
	x.sending = make(chan error, 1)
	go func() { x.sending <- x.sendBody() }()
	return nil
}

// appendBody writes a body that is here whole, left bytes of it still buffered.
func (x *fastExchange) appendBody(out []byte, left int64) []byte {
	if x.edit.found() {
		return x.edit.appendBody(out, x.version0())
	}
	out = append(append(out, x.before...), x.sent...)
	return append(out, x.c.in.Buffered()[:left]...)
}

// errClientBody says that the client did not send what it said it would.
var errClientBody = errors.New("the client's body did not arrive")

// goOn tells a client that waits for it to send its body.
func (x *fastExchange) goOn() error {
	if !x.awaited {
		return nil
	}
	x.awaited = false
	_, err := x.c.write([]byte("HTTP/1.1 100 Continue\r\n\r\n"))
	return err
}

// sendBody copies the body to the version. If the client breaks off, the
// version's connection ends: half a request is none.
func (x *fastExchange) sendBody() error {
	buf := bodies.Get()
	defer bodies.Put(buf)
	w := framer{to: x.up.conn, chunked: x.body.Left() < 0}
	src := io.MultiReader(bytes.NewReader(x.before), &x.body)
	for {
		n, err := src.Read(buf[chunkHead : len(buf)-chunkTail])
		if n > 0 {
			x.copy.take(buf[chunkHead : chunkHead+n])
			if err := w.write(buf, n); err != nil {
				return err
			}
		}
		if err == io.EOF {
			x.copy.end()
			return w.end(x.body.Trailers)
		}
		if err != nil {
			_ = x.up.conn.SetDeadline(time.Unix(1, 0))
			return errClientBody
		}
	}
}

// sentWithin is how long after the answer's end the body may still end: an
// answer to a whole body can overtake the news that it is whole.
const sentWithin = 100 * time.Millisecond

// endSending waits for the body's end; false if it was cut short, because the
// answer came first. The client has its answer by then.
func (x *fastExchange) endSending() bool {
	if x.sending == nil {
		return true
	}
	select {
	case err := <-x.sending:
		return err == nil
	default:
	}
	patience := time.NewTimer(sentWithin)
	defer patience.Stop()
	select {
	case err := <-x.sending:
		return err == nil
	case <-patience.C:
	}
	_ = x.c.conn.SetReadDeadline(time.Unix(1, 0))
	_ = x.up.conn.SetDeadline(time.Unix(1, 0))
	<-x.sending
	return false
}

// receive reads the head of the answer; interim ones are passed on.
func (x *fastExchange) receive() error {
	c := x.c
	for {
		if err := c.answer.ReadResponse(x.up.in, maxAnswerHeader, x.toHEAD); err != nil {
			return err
		}
		switch s := c.answer.Status; {
		case s >= 200:
			return nil
		case s == http.StatusContinue: // It was told already.
		case s == http.StatusSwitchingProtocols:
			return h1.ErrMalformed // Nobody asked for it.
		case c.head.Minor == 1:
			x.hinted = true
			c.out = append(x.appendAnswerFields(appendStatus(c.out[:0], s, c.answer.Reason)), "\r\n"...)
			if _, err := c.write(c.out); err != nil {
				return err
			}
		}
	}
}

// fail answers where no version did. What the error says stays here: it names
// backends.
func (x *fastExchange) fail(err error) bool {
	c := x.c
	if x.up != nil {
		c.waits.CompareAndSwap(x.up, nil)
		_ = x.up.conn.Close() // Nobody knows what is left on it.
	}
	if x.sending != nil {
		_ = c.conn.SetReadDeadline(time.Unix(1, 0))
		x.spoiled = errors.Is(<-x.sending, errClientBody)
	}
	x.spoiled = x.spoiled || errors.Is(err, errClientBody)
	life := c.server.gateway.life
	switch {
	case life.Err() != nil:
		x.cut = true
		return x.decline(&refusedBusy)
	case c.gone.Load():
		return false // Nobody reads what is answered.
	case x.spoiled:
		return x.decline(&refusedBody)
	case errors.Is(err, errCrowded):
		return x.answerFor(&refusedBusy)
	case errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) && !isUnsent(err):
		if x.hurried() {
			return x.decline(&failedTimeout)
		}
		return x.answerFor(&failedTimeout)
	}
	return x.answerFor(&failedGateway)
}

func isUnsent(err error) bool {
	_, unsent := errors.AsType[*dialError](err)
	return unsent
}

// answerFor answers in the version's place.
func (x *fastExchange) answerFor(r *refusal) bool {
	x.status, x.failed = r.status, true
	return x.decline(r)
}

// decline answers in the gateway's own name. The connection goes on if nothing
// of the request is left to come.
func (x *fastExchange) decline(r *refusal) bool {
	c := x.c
	left := x.body.Left()
	kept := !c.head.Close && !x.cut && x.sending == nil && left >= 0 && left <= int64(len(c.in.Buffered())) && !c.server.draining.Load()
	c.refuse(r, kept)
	if kept {
		c.in.Discard(int(left))
	} else if left != 0 {
		c.linger()
	}
	return kept
}

// conclude makes up how the exchange went; err is why the answer broke off.
func (x *fastExchange) conclude(err error) {
	x.failed = x.failed || x.fellBack || x.status >= http.StatusInternalServerError
	switch {
	case err == nil || errors.Is(err, errClientLeft) || x.c.gone.Load():
	case x.hurried() && errors.Is(err, os.ErrDeadlineExceeded):
	case x.c.server.gateway.life.Err() != nil:
		x.cut = true
	default:
		x.failed = true
	}
}

// header implements exchange.
func (x *fastExchange) header(name string) string { return text(x.c.head.Get(name)) }

// method implements exchange.
func (x *fastExchange) method() string { return text(x.c.head.Method) }

// target implements exchange.
func (x *fastExchange) target() string { return text(x.c.head.Target) }

// cookie implements exchange.
func (x *fastExchange) cookie(name string) string {
	for _, f := range x.c.head.Fields {
		if len(f.Name) == len("cookie") && h1.EqualFold(f.Name, []byte("cookie")) {
			line := [1]string{text(f.Value)}
			if v := cookieValue(line[:], name); v != "" {
				return v
			}
		}
	}
	return ""
}

// prefix implements exchange.
func (x *fastExchange) prefix(limit int64) ([]byte, bool, error) {
	left := x.body.Left()
	if left == 0 {
		return nil, true, nil
	}
	if left > limit {
		return nil, false, nil
	}
	if err := x.goOn(); err != nil {
		return nil, false, err
	}
	if left > 0 {
		b, err := x.c.in.Prefix(int(left))
		return b, true, err
	}
	x.c.in.Detach() // The head is still to be sent.
	b, err := io.ReadAll(io.LimitReader(&x.body, limit+1))
	x.before = b
	return b, int64(len(b)) <= limit, err
}

// text is a string over bytes of the connection's buffer. It is read before
// anything more is, and kept by nobody.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
