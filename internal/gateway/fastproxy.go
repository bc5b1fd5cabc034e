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

	c    *fastConn
	body h1.Body
	// before is what was read of the body and must be sent before the rest.
	before []byte
	// awaited says that the client holds its body back until it is told to go
	// on; spoiled that its body did not arrive.
	awaited, spoiled bool
	// toHEAD says that the answer has no body. Of the request's head only
	// numbers are good once its body is being read.
	toHEAD   bool
	deadline time.Time
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
	x.deadline = now.Add(g.options.Timeout)
	if left := x.body.Left(); left < 0 || left > int64(len(c.in.Buffered())) {
		c.readWithin(g.options.Timeout)
	}
	if refused := c.vet(); refused != nil {
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
	h.Host, h.Target = rest[:i], rest[i:]
	if h.Target[0] == '?' {
		h.Target = append([]byte("/"), h.Target...)
	}
	return nil
}

// pass sends the request to its version and the answer to the client.
func (x *fastExchange) pass(now time.Time) bool {
	c := x.c
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
	if err != nil {
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

// connect finds or makes a connection to the version, or to the baseline in
// its place: nothing was sent yet, so the body is as the client sent it.
func (x *fastExchange) connect(now time.Time) error {
	g := x.c.server.gateway
	for {
		v := x.version0()
		if x.up = v.pool.get(now); x.up != nil {
			return nil
		}
		var err error
		if x.up, err = v.pool.dial(g.life, min(dialTimeout, g.options.Timeout/2)); err == nil {
			return nil
		}
		if x.version == baseline || x.fellBack {
			return err
		}
		x.fellBack = true
	}
}

// again says whether a request may be sent a second time: it went out on a
// connection that the version was about to close, nothing came back, and doing
// it twice does no harm (RFC 9110, section 9.2.2).
func (x *fastExchange) again(err error) bool {
	if x.up == nil || !x.up.reused || x.sending != nil || !x.body.Done() && x.body.Left() != 0 {
		return false
	}
	if !errors.Is(err, io.ErrUnexpectedEOF) && !isReset(err) || len(x.up.in.Buffered()) > 0 {
		return false
	}
	switch string(x.c.head.Method) {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPut, http.MethodDelete, http.MethodTrace:
	default:
		return false
	}
	if !x.c.waits.CompareAndSwap(x.up, nil) {
		return false
	}
	_ = x.up.conn.Close() // It is closed on the other side.
	return true
}

// send writes the request: at once where the whole body is here already, else
// the head and then the body beside the answer, which may come before its end.
func (x *fastExchange) send(now time.Time) error {
	c := x.c
	if err := x.connect(now); err != nil {
		return err
	}
	timeout := c.server.gateway.options.Timeout
	bounded(x.up.conn.SetDeadline, &x.up.until, x.deadline, timeout)
	c.gone.Store(false)
	c.since.Store(c.server.tick.Load())
	left := x.body.Left()
	whole := left >= 0 && left <= int64(len(c.in.Buffered()))
	c.out = x.appendRequest(c.out[:0])
	if whole && left <= mostKept {
		c.out = append(c.out, x.before...)
		c.out = append(c.out, c.in.Buffered()[:left]...)
		c.waits.Store(x.up)
		_, err := x.up.conn.Write(c.out)
		if err == nil {
			c.in.Discard(int(left))
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
			if err := w.write(buf, n); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return w.end(x.body.Trailers)
		}
		if err != nil {
			_ = x.up.conn.SetDeadline(time.Unix(1, 0))
			return errClientBody
		}
	}
}

// endSending waits for the body's end; false if it was cut short, because the
// answer came first.
func (x *fastExchange) endSending() bool {
	if x.sending == nil {
		return true
	}
	select {
	case err := <-x.sending:
		return err == nil
	default:
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
	case errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) && !isUnsent(err):
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
	case x.c.server.gateway.life.Err() != nil:
		x.cut = true
	default:
		x.failed = true
	}
}

// header implements exchange.
func (x *fastExchange) header(name string) string { return text(x.c.head.Get(name)) }

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
