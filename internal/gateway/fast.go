// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/headgate-dev/headgate/internal/gateway/h1"
)

// Server serves a gateway's traffic. Every connection begins in the engine
// fast, which speaks HTTP/1.1; one that turns out to be HTTP/2, or asks to
// become a WebSocket, is handed to the engine full, unread bytes and all.
type Server struct {
	gateway *Gateway
	full    *http.Server
	handed  *handover

	mu        sync.Mutex
	listeners []net.Listener
	conns     map[*fastConn]struct{}
	started   bool

	// draining says that connections end after the exchange they are in.
	draining atomic.Bool
	// tick counts the rounds of watch.
	tick atomic.Int64
	stop chan struct{}
	wg   sync.WaitGroup
	// released lets go of the gateway's life.
	released func() bool
}

// Server makes a server of the gateway's traffic, with limits on everything a
// client sends or leaves unsent. Whole exchanges are bounded by
// Options.Timeout. It must be closed before the gateway is.
func (g *Gateway) Server() *Server {
	return &Server{
		gateway: g,
		full:    g.fullServer(),
		handed:  newHandover(),
		conns:   make(map[*fastConn]struct{}),
		stop:    make(chan struct{}),
	}
}

// Serve accepts connections until the listener fails or the server is closed,
// which is http.ErrServerClosed.
func (s *Server) Serve(ln net.Listener) error {
	if !s.listen(ln) {
		_ = ln.Close()
		return http.ErrServerClosed
	}
	wait := time.Millisecond
	for {
		conn, err := ln.Accept()
		var temporary net.Error
		switch {
		case err == nil:
			wait = time.Millisecond
			s.begin(conn)
		case s.draining.Load():
			return http.ErrServerClosed
		case errors.As(err, &temporary) && temporary.Timeout() || outOfFiles(err):
			// The machine is short of descriptors: those under way free some.
			select {
			case <-s.stop:
			case <-time.After(wait):
			}
			wait = min(2*wait, time.Second)
		default:
			return err
		}
	}
}

// listen notes a listener, and starts what all listeners share.
func (s *Server) listen(ln net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining.Load() {
		return false
	}
	s.listeners = append(s.listeners, ln)
	if !s.started {
		s.started = true
		s.wg.Go(func() { _ = s.full.Serve(s.handed) }) // Ends with the handover.
		s.wg.Go(s.watch)
		s.released = context.AfterFunc(s.gateway.life, s.cutExchanges)
	}
	return true
}

func (s *Server) begin(conn net.Conn) {
	c := newFastConn(s, conn)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining.Load() {
		_ = conn.Close()
		return
	}
	s.conns[c] = struct{}{}
	s.wg.Go(func() {
		defer s.forget(c)
		c.serve()
	})
}

func (s *Server) forget(c *fastConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
}

// Shutdown stops listening, lets exchanges end and closes idle connections,
// until all are gone or ctx is done.
func (s *Server) Shutdown(ctx context.Context) error {
	s.drain()
	err := s.full.Shutdown(ctx)
	for {
		s.mu.Lock()
		left := len(s.conns)
		for c := range s.conns {
			c.endIdle()
		}
		s.mu.Unlock()
		if left == 0 {
			return errors.Join(err, s.Close())
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// Close cuts every connection.
func (s *Server) Close() error {
	s.drain()
	err := s.full.Close()
	s.mu.Lock()
	for c := range s.conns {
		c.cutOff()
	}
	s.mu.Unlock()
	s.wg.Wait()
	return err
}

// cutExchanges ends what versions are busy with, when the gateway closes.
func (s *Server) cutExchanges() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.cutExchange()
	}
}

// drain stops listening, once.
func (s *Server) drain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining.Swap(true) {
		return
	}
	close(s.stop)
	if s.released != nil {
		defer s.released()
	}
	for _, ln := range s.listeners {
		_ = ln.Close() // What Accept says is passed on.
	}
	_ = s.handed.Close()
}

// watchEvery is how often exchanges that wait for a version are looked at.
const watchEvery = 100 * time.Millisecond

// watch notices clients that left while a version computes, so that it can
// stop: a look every tenth of a second instead of a goroutine for each request.
func (s *Server) watch() {
	t := time.NewTicker(watchEvery)
	defer t.Stop()
	for {
		select {
		case <-s.stop:
			return
		case now := <-t.C:
			tick := s.tick.Add(1)
			s.mu.Lock()
			for c := range s.conns {
				c.look(tick)
			}
			s.mu.Unlock()
			if tick%10 == 0 {
				s.gateway.pools.reap(now)
			}
		}
	}
}

// handover is the listener through which the engine full gets connections.
type handover struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newHandover() *handover {
	return &handover{conns: make(chan net.Conn), done: make(chan struct{})}
}

// Accept implements net.Listener.
func (h *handover) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (h *handover) Close() error {
	h.once.Do(func() { close(h.done) })
	return nil
}

// Addr implements net.Listener.
func (h *handover) Addr() net.Addr { return &net.TCPAddr{} }

// give passes a connection on; false if nobody takes it any more.
func (h *handover) give(c net.Conn) bool {
	select {
	case h.conns <- c:
		return true
	case <-h.done:
		return false
	}
}

// unread is a connection of which something was read already.
type unread struct {
	net.Conn
	in *h1.Reader
}

// Read implements net.Conn.
func (u *unread) Read(p []byte) (int, error) { return u.in.Read(p) }
