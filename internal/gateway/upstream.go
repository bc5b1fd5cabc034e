// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"crypto/tls"
	"net"
	"net/url"
	"sync"
	"syscall"
	"time"

	"github.com/headgate-dev/headgate/internal/gateway/h1"
)

// pools keeps the connections of the engine fast to the versions, by address.
type pools struct {
	// dial makes connections.
	dial func(ctx context.Context, network, address string) (net.Conn, error)

	mu     sync.Mutex
	byHost map[string]*pool
}

// of gives the pool of a backend.
func (p *pools) of(target *url.URL) *pool {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := target.Scheme + "://" + target.Host
	if found := p.byHost[key]; found != nil {
		return found
	}
	made := &pool{address: hostPort(target), dialer: p.dial}
	if target.Scheme == "https" {
		made.tls = &tls.Config{ServerName: target.Hostname(), MinVersion: tls.VersionTLS12}
	}
	if p.byHost == nil {
		p.byHost = make(map[string]*pool)
	}
	p.byHost[key] = made
	return made
}

// hostPort is the address to dial.
func hostPort(target *url.URL) string {
	if port := target.Port(); port != "" {
		return net.JoinHostPort(target.Hostname(), port)
	}
	if target.Scheme == "https" {
		return net.JoinHostPort(target.Hostname(), "443")
	}
	return net.JoinHostPort(target.Hostname(), "80")
}

// reap closes connections that idle too long, and forgets pools that have none
// left: whoever still holds such a pool goes on using it.
func (p *pools) reap(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for key, pool := range p.byHost {
		if pool.reap(now.Add(-upstreamIdle)) == 0 {
			delete(p.byHost, key)
		}
	}
}

// pool is the idle connections to one backend, the last used on top.
type pool struct {
	dialer  func(ctx context.Context, network, address string) (net.Conn, error)
	address string
	tls     *tls.Config

	mu   sync.Mutex
	idle []*upConn
}

// upConn is a connection to a version.
type upConn struct {
	conn net.Conn
	raw  syscall.RawConn
	in   *h1.Reader
	// until is the deadline that is set, used when the connection was last
	// put back.
	until, used time.Time
	// reused says that it has carried an exchange before.
	reused bool
}

// upBuffer is the size of a version connection's read buffer: the head and all
// of a small answer.
const upBuffer = 4 << 10

// unchecked is how long an idle connection is trusted without a look: model
// servers close theirs after seconds.
const unchecked = 10 * time.Millisecond

// get gives an idle connection that its server has not closed, or nil.
func (p *pool) get(now time.Time) *upConn {
	for {
		p.mu.Lock()
		n := len(p.idle)
		if n == 0 {
			p.mu.Unlock()
			return nil
		}
		u := p.idle[n-1]
		p.idle[n-1] = nil
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		idle := now.Sub(u.used)
		if idle < upstreamIdle && (idle < unchecked || quiet(u.raw)) {
			return u
		}
		_ = u.conn.Close() // It was of no more use.
	}
}

// put keeps a connection for another exchange, unless something is left on it:
// that would be taken for the next one's answer.
func (p *pool) put(u *upConn, now time.Time) {
	u.used, u.reused = now, true
	p.mu.Lock()
	if len(p.idle) < maxIdlePerHost && len(u.in.Buffered()) == 0 {
		p.idle = append(p.idle, u)
		u = nil
	}
	p.mu.Unlock()
	if u != nil {
		_ = u.conn.Close()
	}
}

// dial makes a connection. The error is a *dialError: nothing was sent.
func (p *pool) dial(ctx context.Context, within time.Duration) (*upConn, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	conn, err := p.dialer(ctx, "tcp", p.address)
	if err != nil {
		return nil, &dialError{err}
	}
	u := &upConn{conn: directly(conn), raw: rawConn(conn)}
	if p.tls != nil {
		secure := tls.Client(conn, p.tls)
		if err := secure.HandshakeContext(ctx); err != nil {
			_ = conn.Close()
			return nil, &dialError{err}
		}
		u.conn = secure
	}
	u.in = h1.NewReader(u.conn, upBuffer)
	return u, nil
}

// reap closes connections unused since a time and counts those that stay.
func (p *pool) reap(since time.Time) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for n < len(p.idle) && p.idle[n].used.Before(since) {
		_ = p.idle[n].conn.Close()
		n++
	}
	p.idle = append(p.idle[:0], p.idle[n:]...)
	return len(p.idle)
}

// rawConn gives the descriptor behind a TCP connection, or nil.
func rawConn(c net.Conn) syscall.RawConn {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

// bounded moves a deadline only where it matters: a deadline that is off by a
// thirtieth of the time-out does as well, and setting one costs more than
// assigning a unit.
func bounded(set func(time.Time) error, have *time.Time, want time.Time, timeout time.Duration) {
	if d := want.Sub(*have); d > timeout/32 || d < -timeout/32 {
		*have = want
		_ = set(want) // Fails on a closed connection, which the next read tells.
	}
}

// quiet reports whether an idle connection is still open.
func quiet(raw syscall.RawConn) bool {
	quiet, _ := peek(raw)
	return quiet
}
