// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/headgate-dev/headgate/examples/digits"
)

const (
	readTimeout    = 10 * time.Second
	writeTimeout   = 20 * time.Second // for reading the body too; a fault comes on top
	idleTimeout    = time.Minute
	maxHeaderBytes = 16 << 10
	grace          = 3 * time.Second // for requests under way when a server closes
)

// Server is a model server that listens. Close it.
type Server struct {
	url     string
	http    *http.Server
	grace   time.Duration      // see the constant
	cancel  context.CancelFunc // ends every request
	unwatch func() bool        // stops waiting for the end of Start's context
	served  chan error         // what http.Serve returned, once
	once    sync.Once
	err     error
}

// Start serves model at addr, which is an IP address of the loopback interface
// and a port, "127.0.0.1:0" for any free one. When it returns without an error,
// requests are answered.
//
// The end of ctx ends all requests and closes the server; Close must be called
// nevertheless, and waits for that.
func Start(ctx context.Context, addr string, model *digits.Model, faults Faults) (*Server, error) {
	handler, err := NewHandler(model, faults)
	if err != nil {
		return nil, fmt.Errorf("serve %s: %w", modelName, err)
	}
	at, err := netip.ParseAddrPort(addr)
	if err != nil || !at.Addr().IsLoopback() {
		return nil, fmt.Errorf("serve %s: %q is not an address of the loopback interface with a port, as 127.0.0.1:0 is", modelName, addr)
	}
	var listen net.ListenConfig
	listener, err := listen.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("serve %s: %w", modelName, err)
	}
	requests, cancel := context.WithCancel(ctx)
	s := &Server{
		url: "http://" + listener.Addr().String(),
		http: &http.Server{
			Handler:           handler,
			BaseContext:       func(net.Listener) context.Context { return requests },
			ReadHeaderTimeout: readTimeout,
			ReadTimeout:       readTimeout,
			WriteTimeout:      writeTimeout + faults.SlowBy,
			IdleTimeout:       idleTimeout,
			MaxHeaderBytes:    maxHeaderBytes,
			ErrorLog:          log.New(io.Discard, "", 0), // Clients that misbehave are no news.
		},
		grace:  grace,
		cancel: cancel,
		served: make(chan error, 1),
	}
	go func() { s.served <- s.http.Serve(listener) }()
	s.unwatch = context.AfterFunc(ctx, s.shut)
	return s, nil
}

// URL is where the server answers, such as "http://127.0.0.1:40123", without a
// slash at the end.
func (s *Server) URL() string { return s.url }

// Close stops listening, gives the requests under way 3 seconds, ends those
// that are still slow and returns when all is over. Closing again does
// nothing. An error says that the server had ended for another reason.
func (s *Server) Close() error {
	s.unwatch()
	s.shut()
	return s.err
}

// shut closes the server once; every caller waits for the end.
func (s *Server) shut() {
	s.once.Do(func() {
		ctx, done := context.WithTimeout(context.Background(), s.grace+time.Second)
		defer done()
		impatience := time.AfterFunc(s.grace, s.cancel)
		defer impatience.Stop()
		// The error is of no use: the connections that it speaks of, idle ones
		// that never sent a request among them, are closed next.
		_ = s.http.Shutdown(ctx)
		s.cancel()
		_ = s.http.Close()
		if err := <-s.served; !errors.Is(err, http.ErrServerClosed) {
			s.err = fmt.Errorf("serve %s: %w", modelName, err)
		}
	})
}
