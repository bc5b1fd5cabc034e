// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// memory is a network inside a synctest bubble.
type memory struct {
	mu    sync.Mutex
	hosts map[string]*memoryListener
}

type memoryListener struct {
	name  string
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (m *memory) listen(name string) *memoryListener {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := &memoryListener{name: name, conns: make(chan net.Conn), done: make(chan struct{})}
	if m.hosts == nil {
		m.hosts = make(map[string]*memoryListener)
	}
	m.hosts[name+":80"] = l
	return l
}

// forget has nobody listen under a name.
func (m *memory) forget(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hosts[name+":80"].Close()
	delete(m.hosts, name+":80")
}

// serve serves under a name, until it is called.
func (m *memory) serve(name string, h http.HandlerFunc) (end func()) {
	s := &http.Server{Handler: h}
	ln := m.listen(name)
	var serving sync.WaitGroup
	serving.Go(func() { s.Serve(ln) })
	return func() {
		s.Close()
		serving.Wait()
	}
}

func (m *memory) dial(ctx context.Context, _, address string) (net.Conn, error) {
	m.mu.Lock()
	l := m.hosts[address]
	m.mu.Unlock()
	if l == nil {
		return nil, &dialError{errors.New("connection refused")}
	}
	client, server := net.Pipe()
	left := new(atomic.Bool)
	here := leaver{client, left}
	select {
	case l.conns <- served{server, left}:
		return here, nil
	case <-l.done:
	case <-ctx.Done():
	}
	here.Close()
	return nil, &dialError{errors.New("connection refused")}
}

// leaver is a client's end of a connection; served the server's, which knows
// when the client has closed its own.
type leaver struct {
	net.Conn
	left *atomic.Bool
}

func (l leaver) Close() error {
	l.left.Store(true)
	return l.Conn.Close()
}

type served struct {
	net.Conn
	left *atomic.Bool
}

func (l served) Ended() bool { return l.left.Load() }

func (l *memoryListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *memoryListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *memoryListener) Addr() net.Addr { return memoryAddr(l.name) }

type memoryAddr string

func (memoryAddr) Network() string  { return "memory" }
func (a memoryAddr) String() string { return string(a) }

// bubble is a gateway with a candidate, all within one synctest bubble.
type bubble struct {
	*Gateway
	memory
	server interface {
		io.Closer
		Shutdown(ctx context.Context) error
	}
	client *http.Client
	reg    *prometheus.Registry
	route  experiment.Route
	close  func()
}

func newBubble(t *testing.T, o Options, candidate http.HandlerFunc) *bubble {
	t.Helper()
	b := &bubble{reg: prometheus.NewRegistry()}
	o.Key, o.Registry = testKey(t), b.reg
	g, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	b.Gateway = g
	g.full.transport.DialContext = b.dial
	g.pools.dial = b.dial
	model := &http.Server{Handler: candidate}
	var serving sync.WaitGroup
	upstream := b.listen("upstream") // Before anybody asks for it.
	serving.Go(func() { model.Serve(upstream) })
	if ln := b.listen("gateway"); engine == "fast" {
		s := g.Server()
		b.server = s
		serving.Go(func() { s.Serve(ln) })
	} else {
		s := g.fullServer()
		b.server = s
		serving.Go(func() { s.Serve(ln) })
	}
	tr := &http.Transport{DialContext: b.dial}
	b.client = &http.Client{Transport: tr}
	b.route = routeTo(onlyCandidate(), "http://upstream", "http://upstream")
	b.route.PhaseStart = time.Now()
	b.route.Measures = []experiment.Measure{{Metric: "slow", Limit: 2 * time.Second}}
	swap(t, g, b.route)
	b.close = func() {
		tr.CloseIdleConnections()
		b.server.Close()
		g.Close()
		model.Close()
		serving.Wait()
	}
	return b
}

func (b *bubble) request(ctx context.Context, method string, body io.Reader) *http.Request {
	r, _ := http.NewRequestWithContext(ctx, method, "http://gateway/", body)
	r.Header.Set("X-User-Id", "anna")
	return r
}

// cells waits until the exchange is over and gives the requests' and the
// measure's counts.
func (b *bubble) cells(t *testing.T) (requests experiment.Evidence, slow stats.Counts) {
	t.Helper()
	if engine == "fast" {
		time.Sleep(3 * watchEvery) // It looks after clients that left now and then.
	}
	synctest.Wait()
	if n := b.gate.n.Load(); n != 0 {
		t.Errorf("%d exchanges are under way", n)
	}
	cells := sealAll(t, b.Gateway, b.route)
	return count(cells, 1, experiment.CellRequests), count(cells, 1, "slow").Counts
}

func hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

func TestTimeOutIsAnsweredAndTheVersionsFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		left := make(chan struct{}, 1)
		b := newBubble(t, Options{}, func(w http.ResponseWriter, r *http.Request) { hang(w, r); left <- struct{}{} })
		defer b.close()
		start := time.Now()
		res, err := b.client.Do(b.request(t.Context(), "GET", nil))
		if err != nil {
			t.Fatal(err)
		}
		wantError(t, answer{res, readAll(t, res)}, 504, "upstream")
		if took := time.Since(start); took != defaultTimeout {
			t.Errorf("answered after %s, want %s", took, defaultTimeout)
		}
		<-left
		if res.Header.Get(headerVersion) != "v2" || res.Header.Get(headerExposure) == "" {
			t.Errorf("header = %v", res.Header)
		}
		res.Body.Close()
		e, slow := b.cells(t)
		if e.Counts != (stats.Counts{N: 1, X: 1}) || slow != (stats.Counts{N: 1, X: 1}) {
			t.Errorf("cells = %+v, %+v", e.Counts, slow)
		}
		if q, err := e.Sketch.Quantile(0.5); err != nil || q < 29.7 || q > 30.3 {
			t.Errorf("latency = %v s, %v, want 30 within 1%%", q, err)
		}
	})
}

func TestTimeOutCutsAStreamAndIsAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, Options{Timeout: time.Second}, func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "data: 1\n\n")
			http.NewResponseController(w).Flush()
			hang(w, r)
		})
		defer b.close()
		res, err := b.client.Do(b.request(t.Context(), "GET", nil))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if body, err := io.ReadAll(res.Body); err == nil || string(body) != "data: 1\n\n" {
			t.Errorf("stream = %q, %v, want it cut", body, err)
		}
		if e, _ := b.cells(t); e.Counts != (stats.Counts{N: 1, X: 1}) {
			t.Errorf("cell = %+v", e.Counts)
		}
	})
}

func TestLatencyRunsToTheEndOfTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, Options{}, func(w http.ResponseWriter, _ *http.Request) {
			http.NewResponseController(w).Flush()
			time.Sleep(5 * time.Second)
			io.WriteString(w, "end")
		})
		defer b.close()
		res, err := b.client.Do(b.request(t.Context(), "GET", nil))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if s, err := b.Seal(b.route.Experiment, 1, 1, 0, time.Now().Add(time.Hour)); err != nil || s.To != 0 {
			t.Errorf("amid the answer: sealed up to %d, %v", s.To, err)
		}
		readAll(t, res)
		e, slow := b.cells(t)
		if q, err := e.Sketch.Quantile(1); err != nil || q < 4.95 || q > 5.05 || slow != (stats.Counts{N: 1, X: 1}) {
			t.Errorf("latency = %v s, %v, slow %+v, want 5 s", q, err, slow)
		}
	})
}

func TestClientsThatLeaveAreNotFailures(t *testing.T) {
	for wait, slow := range map[time.Duration]stats.Counts{
		time.Second:     {},
		3 * time.Second: {N: 1, X: 1}, // It is known to have been slower than 2 s.
	} {
		t.Run(wait.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var noticed time.Time
				b := newBubble(t, Options{}, func(w http.ResponseWriter, r *http.Request) { hang(w, r); noticed = time.Now() })
				defer b.close()
				ctx, cancel := context.WithTimeout(t.Context(), wait)
				defer cancel()
				start := time.Now()
				if res, err := b.client.Do(b.request(ctx, "GET", nil)); err == nil {
					res.Body.Close()
					t.Fatal("the client did not leave")
				}
				e, gotSlow := b.cells(t)
				late := time.Duration(0)
				if engine == "fast" {
					late = 2 * watchEvery
				}
				if d := noticed.Sub(start); d < wait || d > wait+late {
					t.Errorf("the model noticed after %s, want %s", d, wait)
				}
				if e.Counts.N != 0 || gotSlow != slow {
					t.Errorf("cells = %+v, %+v, want none, %+v", e.Counts, gotSlow, slow)
				}
				if got := metric(t, b.reg, "headgate_gateway_client_aborts_total", "version", "v2"); got != 1 {
					t.Errorf("aborts = %v, want 1", got)
				}
			})
		})
	}
}

func TestClientThatLeavesAmidTheAnswerGotAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, Options{}, func(w http.ResponseWriter, r *http.Request) {
			http.NewResponseController(w).Flush()
			hang(w, r)
		})
		defer b.close()
		ctx, cancel := context.WithCancel(t.Context())
		res, err := b.client.Do(b.request(ctx, "GET", nil))
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		res.Body.Close()
		if e, _ := b.cells(t); e.Counts != (stats.Counts{N: 1}) {
			t.Errorf("cell = %+v, want one request and no failure", e.Counts)
		}
	})
}

// TestSlowClientsAreBoundedAndNotFailures has clients that stop sending.
func TestSlowClientsAreBoundedAndNotFailures(t *testing.T) {
	for name, unit := range map[string]experiment.Unit{"body goes through": {Header: "X-User-Id"}, "body is searched": {JSONPath: "id"}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBubble(t, Options{}, func(_ http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) })
				defer b.close()
				b.route.Assignment.Unit = unit
				swap(t, b.Gateway, b.route)
				conn, err := b.dial(t.Context(), "", "gateway:80")
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				start := time.Now()
				fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: h\r\nX-User-Id: anna\r\nContent-Length: 9\r\n\r\n{\"id\"")
				reply, _ := io.ReadAll(conn)
				if took := time.Since(start); took != defaultTimeout || !strings.HasPrefix(string(reply), "HTTP/1.1 400 ") {
					t.Errorf("after %s: %q, want 400 after %s", took, reply, defaultTimeout)
				}
				if e, _ := b.cells(t); e.Counts.N != 0 {
					t.Errorf("cell = %+v, want none", e.Counts)
				}
			})
		})
	}
}

// TestClientThatStopsReadingDoesNotHoldItsWindow has a client that reads the
// head of an answer and nothing more.
func TestClientThatStopsReadingDoesNotHoldItsWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, Options{}, func(w http.ResponseWriter, _ *http.Request) {
			http.NewResponseController(w).Flush()
			time.Sleep(time.Second)
			for range 1000 {
				if _, err := w.Write(make([]byte, 1<<10)); err != nil {
					return
				}
			}
		})
		defer b.close()
		conn, err := b.dial(t.Context(), "", "gateway:80")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		io.WriteString(conn, "GET / HTTP/1.1\r\nHost: h\r\nX-User-Id: anna\r\n\r\n")
		if _, err := conn.Read(make([]byte, 4096)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(defaultTimeout)
		if s, err := b.Seal(b.route.Experiment, 1, 1, 0, time.Now().Add(time.Hour)); err != nil || s.To != 0 {
			t.Errorf("while the client may still read: sealed up to %d, %v", s.To, err)
		}
		time.Sleep(grace)
		if e, _ := b.cells(t); e.Counts.N != 1 {
			t.Errorf("cell = %+v, want one request", e.Counts)
		}
	})
}

func TestHeadMustArriveInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, Options{}, hang)
		defer b.close()
		conn, err := b.dial(t.Context(), "", "gateway:80")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		start := time.Now()
		io.WriteString(conn, "GET / HTTP/1.1\r\nHost")
		if _, err := io.ReadAll(conn); err != nil || time.Since(start) != readHeaderTimeout {
			t.Errorf("connection ended after %s with %v, want %s", time.Since(start), err, readHeaderTimeout)
		}
	})
}

func TestShutdownDrainsAndCloseCutsOff(t *testing.T) {
	t.Run("shutdown waits for the answer", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBubble(t, Options{}, func(http.ResponseWriter, *http.Request) { time.Sleep(3 * time.Second) })
			defer b.close()
			done := make(chan int)
			go func() { done <- b.status(t) }()
			synctest.Wait()
			start := time.Now()
			drained := make(chan error, 1)
			go func() { drained <- b.server.Shutdown(t.Context()) }()
			if got := <-done; got != 200 || time.Since(start) != 3*time.Second {
				t.Errorf("drained exchange: %d after %s", got, time.Since(start))
			}
			if err := <-drained; err != nil {
				t.Error(err)
			}
			if e, _ := b.cells(t); e.Counts != (stats.Counts{N: 1}) {
				t.Errorf("cell = %+v", e.Counts)
			}
		})
	})
	t.Run("close cuts off and counts nothing", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBubble(t, Options{}, hang)
			defer b.close()
			done := make(chan int)
			go func() { done <- b.status(t) }()
			synctest.Wait()
			start := time.Now()
			go b.Close()
			if got := <-done; got != 503 || time.Since(start) != 0 {
				t.Errorf("cut exchange: %d after %s, want 503 at once", got, time.Since(start))
			}
			if e, slow := b.cells(t); e.Counts.N != 0 || slow.N != 0 {
				t.Errorf("cells = %+v, %+v, want none", e.Counts, slow)
			}
		})
	})
}

// status sends a request and gives the answer's status, 0 for none.
func (b *bubble) status(t *testing.T) int {
	res, err := b.client.Do(b.request(t.Context(), "GET", nil))
	if err != nil {
		return 0
	}
	res.Body.Close()
	return res.StatusCode
}
