// SPDX-License-Identifier: Apache-2.0

package test

import (
	"context"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headgate-dev/headgate/test/servers"
)

// The moods of a candidate that flaps.
const (
	well int32 = iota
	failing
	hanging
	resetting
	// breaking and stalling end an answer that they have begun.
	breaking
	stalling
	unready
	refusing
	moods
)

// flapper is a candidate that flaps.
type flapper struct {
	t    *testing.T
	addr string
	mood atomic.Int32
	rng  *rand.Rand
	next []int // moods to come

	mu     sync.Mutex
	server *http.Server
}

func newFlapper(t *testing.T) *flapper {
	f := &flapper{t: t, addr: servers.FreeAddr(t), rng: rand.New(rand.NewPCG(6, 6))}
	f.listen()
	t.Cleanup(f.refuse)
	return f
}

// listen takes connections, again.
func (f *flapper) listen() {
	f.mu.Lock()
	defer f.mu.Unlock()
	ln, err := net.Listen("tcp", f.addr)
	if err != nil {
		f.t.Error(err)
		return
	}
	f.server = &http.Server{Handler: f}
	go func(s *http.Server) { _ = s.Serve(ln) }(f.server) // Ends with refuse.
}

// refuse cuts all connections and takes no more.
func (f *flapper) refuse() {
	f.mu.Lock()
	defer f.mu.Unlock()
	_ = f.server.Close() // Nobody is left to be told.
}

// flap changes its mood until ctx ends, and is well then.
func (f *flapper) flap(ctx context.Context) {
	for ctx.Err() == nil {
		if len(f.next) == 0 {
			f.next = f.rng.Perm(int(moods))
		}
		mood := int32(f.next[0])
		f.next = f.next[1:]
		f.feel(ctx, mood, time.Duration(200+f.rng.IntN(600))*time.Millisecond)
		f.feel(ctx, well, 300*time.Millisecond)
	}
}

func (f *flapper) feel(ctx context.Context, mood int32, d time.Duration) {
	if mood == hanging {
		d = 2500 * time.Millisecond // Long enough for its places to be taken.
	}
	if mood == unready || mood == refusing {
		d = max(d, 600*time.Millisecond) // Two probes must miss it.
	}
	f.mood.Store(mood)
	if mood == refusing {
		f.refuse()
		defer f.listen()
	}
	defer f.mood.Store(well)
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// ServeHTTP implements http.Handler.
func (f *flapper) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	mood := f.mood.Load()
	if strings.HasSuffix(r.URL.Path, "/ready") {
		if mood == unready {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		return
	}
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return
	}
	switch mood {
	case failing:
		http.Error(w, "the model is out of memory", http.StatusInternalServerError)
	case hanging:
		<-r.Context().Done()
	case resetting, breaking:
		f.reset(w, mood == breaking)
	case stalling:
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	default:
		_, _ = io.WriteString(w, `{"model_name":"v2","outputs":[]}`)
	}
}

// reset resets a connection, with half an answer on its way.
func (f *flapper) reset(w http.ResponseWriter, half bool) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	if half {
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
		time.Sleep(5 * time.Millisecond) // A reset takes away what was not read.
	}
	_ = conn.(*net.TCPConn).SetLinger(0)
	_ = conn.Close()
}
