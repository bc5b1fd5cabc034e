// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"errors"
	"io"
	"net"
	"net/http"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/headgate-dev/headgate/internal/gateway/h1"
)

// Buffers of a client's connection: a head and a small body fit.
const (
	clientBuffer = 4 << 10
	outBuffer    = 4 << 10
	// mostKept is how large a buffer may have grown to be kept for the next
	// exchange.
	mostKept = 64 << 10
)

// fastConn is a client's connection in the engine fast. One goroutine serves
// it; the fields below the line are for others too.
type fastConn struct {
	server *Server
	conn   net.Conn
	ended  func() bool
	ip     []byte // the client's, for X-Forwarded-For
	in     *h1.Reader
	head   h1.Head
	answer h1.Head
	out    []byte
	x      fastExchange
	// readBy and writeBy are the deadlines that are set.
	readBy, writeBy time.Time
	handed          bool

	// ----

	// idle says that it waits for a request.
	idle atomic.Bool
	// waits is the version's connection that an exchange waits for, since is
	// the watch's tick when it began to; gone says that the client left.
	waits atomic.Pointer[upConn]
	since atomic.Int64
	gone  atomic.Bool
	// severed says that the connection is cut off.
	severed atomic.Bool
}

func newFastConn(s *Server, conn net.Conn) *fastConn {
	conn = directly(conn)
	c := &fastConn{
		server: s, conn: conn, ended: endedOf(conn),
		in: h1.NewReader(conn, clientBuffer), out: make([]byte, 0, outBuffer),
	}
	if host, _, err := net.SplitHostPort(conn.RemoteAddr().String()); err == nil {
		c.ip = []byte(host)
	}
	return c
}

// endedOf tells whether the other side of a connection has ended it, without
// reading: some connections know by themselves, of the others the system does.
func endedOf(conn net.Conn) func() bool {
	if knows, ok := conn.(interface{ Ended() bool }); ok {
		return knows.Ended
	}
	raw := rawConn(conn)
	return func() bool {
		_, ended := peek(raw)
		return ended
	}
}

// serve carries the connection's exchanges one after the other.
func (c *fastConn) serve() {
	defer func() {
		if broken := recover(); broken != nil {
			c.server.gateway.options.ErrorLog.Printf("panic in an exchange: %v\n%s", broken, debug.Stack())
		}
		if !c.handed {
			_ = c.conn.Close() // It is done with.
		}
	}()
	for c.next() && c.x.carry(c) {
		if cap(c.out) > mostKept {
			c.out = make([]byte, 0, outBuffer)
		}
	}
}

// next waits for a request and reads its head; false ends the connection.
func (c *fastConn) next() bool {
	g := c.server.gateway
	c.idle.Store(true)
	if c.server.draining.Load() && len(c.in.Buffered()) == 0 {
		return false
	}
	bounded(c.conn.SetReadDeadline, &c.readBy, time.Now().Add(idleTimeout), idleTimeout)
	if c.in.Await() != nil {
		return false
	}
	c.idle.Store(false)
	if !c.in.HasHead() {
		c.readWithin(readHeaderTimeout)
	}
	err := c.head.ReadRequest(c.in, g.options.MaxHeaderBytes)
	switch {
	case err == nil && c.head.Upgrade && isWebSocketOffer(&c.head):
		return c.handOver()
	case err == nil:
		return true
	case errors.Is(err, h1.ErrVersion) && string(c.head.Method) == "PRI":
		return c.handOver() // The preface of HTTP/2.
	}
	if refused := unreadable(err); refused != nil {
		g.metrics.refusedUnfit.Inc()
		c.refuse(refused, false)
		c.linger()
	}
	return false
}

// readWithin sets a read deadline that is met exactly.
func (c *fastConn) readWithin(d time.Duration) {
	c.readBy = time.Now().Add(d)
	_ = c.conn.SetReadDeadline(c.readBy) // Fails on a closed connection, which the next read tells.
}

// unreadable is the answer to a head that cannot be read; nil where the
// connection is no more.
func unreadable(err error) *refusal {
	switch {
	case errors.Is(err, h1.ErrMalformed):
		return &refusedMessage
	case errors.Is(err, h1.ErrTooLarge):
		return &refusedHead
	case errors.Is(err, h1.ErrUnsupported):
		return &refusedCoding
	case errors.Is(err, h1.ErrVersion):
		return &refusedVersion
	}
	return nil
}

func isWebSocketOffer(h *h1.Head) bool {
	return h1.EqualFold(h.Get("upgrade"), []byte("websocket"))
}

// handOver gives the connection to the engine full, with all that was read.
func (c *fastConn) handOver() bool {
	again := append(append([]byte(nil), c.head.Raw...), c.in.Buffered()...)
	c.in.Unread(again)
	_ = c.conn.SetDeadline(time.Time{}) // The engine full sets its own.
	c.handed = c.server.handed.give(&unread{Conn: plain(c.conn), in: c.in})
	return false
}

// refuse answers in the gateway's own name. Kept says that the connection goes
// on.
func (c *fastConn) refuse(r *refusal, kept bool) {
	body := r.body()
	c.out = appendStatus(c.out[:0], r.status, nil)
	c.out = append(c.out, "Content-Type: application/json\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"...)
	if r.status == http.StatusServiceUnavailable {
		c.out = append(c.out, "Retry-After: 1\r\n"...)
	}
	c.out = c.x.appendMarks(c.out)
	c.out = appendLength(c.out, int64(len(body)))
	c.out = c.appendConnection(c.out, kept)
	c.out = append(c.out, "\r\n"...)
	if !c.x.toHEAD {
		c.out = append(c.out, body...)
	}
	_, _ = c.write(c.out) // A client that is gone needs no answer.
}

// appendConnection says how the connection goes on, where that is not
// understood.
func (c *fastConn) appendConnection(out []byte, kept bool) []byte {
	switch {
	case !kept:
		return append(out, "Connection: close\r\n"...)
	case c.head.Minor == 0:
		return append(out, "Connection: keep-alive\r\n"...)
	}
	return out
}

// write writes within the exchange's time and a little grace.
func (c *fastConn) write(b []byte) (int, error) {
	by := c.x.deadline
	if by.IsZero() {
		by = time.Now()
	}
	bounded(c.conn.SetWriteDeadline, &c.writeBy, by.Add(grace), c.server.gateway.options.Timeout)
	return c.conn.Write(b)
}

// lingerFor and lingerBytes bound what is read of a client that still sends
// when its connection ends: closing at once would reset it, and take the answer
// away from it.
const (
	lingerFor   = 500 * time.Millisecond
	lingerBytes = 256 << 10
)

func (c *fastConn) linger() {
	half, ok := c.conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	c.readWithin(lingerFor)
	_, _ = io.CopyN(io.Discard, c.in, lingerBytes) // Whatever it is, nobody wants it.
}

// endIdle ends the connection if it waits for a request.
func (c *fastConn) endIdle() {
	if c.idle.Load() {
		_ = c.conn.SetReadDeadline(time.Unix(1, 0)) // Fails on a closed connection, which is as well.
	}
}

// cutOff ends the connection whatever it does.
func (c *fastConn) cutOff() {
	c.severed.Store(true)
	_ = c.conn.SetDeadline(time.Unix(1, 0)) // As in endIdle.
	c.cutExchange()
}

// cutExchange ends what a version is busy with; the client is answered.
func (c *fastConn) cutExchange() {
	if up := c.waits.Swap(nil); up != nil {
		_ = up.conn.SetDeadline(time.Unix(1, 0)) // As in endIdle.
	}
}

// look notices a client that left while its exchange waits for a version.
func (c *fastConn) look(tick int64) {
	up := c.waits.Load()
	if up == nil || tick-c.since.Load() < 2 {
		return
	}
	if !c.ended() {
		return
	}
	c.gone.Store(true)
	// Whoever takes the version's connection out of waits has it: the exchange,
	// to use it again, or this, to end it.
	if c.waits.CompareAndSwap(up, nil) {
		_ = up.conn.SetDeadline(time.Unix(1, 0))
	}
}
