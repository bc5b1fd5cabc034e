// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// site is a gateway's files, its two model servers and its clock.
type site struct {
	t      *testing.T
	o      Options
	log    *lockedBuffer
	models [2]string
	client *http.Client

	mu  sync.Mutex
	now time.Time
}

// begin is when the phases of the tests begin.
var begin = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{t: t, log: &lockedBuffer{}, now: begin}
	dir := t.TempDir()
	s.o = Options{
		Listen: "127.0.0.1:0", Admin: "127.0.0.1:0", Snapshot: filepath.Join(dir, "snapshot.json"), Data: filepath.Join(dir, "data"),
		Drain: 5 * time.Second, Log: slog.New(slog.NewTextHandler(s.log, nil)),
		now:   s.clock,
		every: time.Hour, // Tests look themselves.
	}
	for i, name := range []string{"v1", "v2"} {
		m := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, name) }))
		t.Cleanup(m.Close)
		s.models[i] = m.URL
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	s.client = &http.Client{Transport: transport, Timeout: time.Minute}
	return s
}

func (s *site) clock() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *site) wait(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(d)
}

// snapshot gives everything to one of the two versions, in a phase of the same
// number as the sequence.
func (s *site) snapshot(sequence, version int) *experiment.Snapshot {
	shares := make(experiment.Shares, 2)
	shares[version] = experiment.Whole
	return &experiment.Snapshot{Sequence: uint64(sequence), Routes: []experiment.Route{{
		Experiment: "team/models",
		Assignment: experiment.Assignment{Unit: experiment.Unit{Header: "x-user-id"}},
		Versions:   []experiment.Version{{Name: "v1", Backend: s.models[0]}, {Name: "v2", Backend: s.models[1]}},
		Epoch:      1, Phase: sequence, PhaseStart: begin, Window: time.Minute, Lag: 10 * time.Second,
		Slots: experiment.SlotsOf(shares),
	}}}
}

func text(t *testing.T, snapshot *experiment.Snapshot) string {
	t.Helper()
	b, err := json.Marshal(snapshot)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// start starts a process that ends with the test.
func (s *site) start() *Process {
	s.t.Helper()
	p, err := Start(s.t.Context(), s.o)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = p.Close() }) // Where the test has not.
	return p
}

// served asks for a unit's answer: the version that answered, or the status.
func (s *site) served(p *Process) string {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, p.TrafficURL(), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("X-User-Id", "anna")
	res, err := s.client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Sprint(res.StatusCode)
	}
	return string(body)
}

// admin asks the admin's address, and gives the status and the body.
func (s *site) admin(p *Process, path string) (int, string) {
	s.t.Helper()
	res, err := s.client.Get(p.AdminURL() + path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

// metric is the value of a series as /metrics writes it.
func (s *site) metric(p *Process, series string) string {
	s.t.Helper()
	_, body := s.admin(p, "/metrics")
	for line := range strings.Lines(body) {
		if value, ok := strings.CutPrefix(line, series+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	s.t.Fatalf("there is no metric %s", series)
	return ""
}

// lockedBuffer is a log that can be read while it is written.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func TestWithoutASnapshotItIsAliveAndNotReady(t *testing.T) {
	s := newSite(t)
	p := s.start()
	if got := s.served(p); got != "503" {
		t.Errorf("traffic is answered %s, want 503", got)
	}
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 503, "/v1/snapshot": 200} {
		if got, body := s.admin(p, path); got != want {
			t.Errorf("%s is %d %s, want %d", path, got, body, want)
		}
	}
	write(t, s.o.Snapshot, text(t, s.snapshot(1, 1)))
	p.follower.look(time.Now())
	if got, body := s.admin(p, "/readyz"); got != 200 {
		t.Errorf("/readyz with a snapshot is %d %s", got, body)
	}
	if got := s.served(p); got != "v2" {
		t.Errorf("%s serves, want v2", got)
	}
}

func TestStartFailsAndLeavesNothing(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	for name, tc := range map[string]struct {
		change func(o *Options)
		want   string
	}{
		"traffic's address is taken":     {func(o *Options) { o.Listen = taken.Addr().String() }, "listen for traffic on"},
		"admin's address is taken":       {func(o *Options) { o.Admin = taken.Addr().String() }, "listen for admin on"},
		"exposures cannot be opened":     {func(o *Options) { o.Exposures = filepath.Join(o.Data, "none", "x") }, "open the file of exposures"},
		"data directory cannot be made":  {func(o *Options) { o.Data = filepath.Join("/dev/null", "x") }, "make the data directory"},
		"time to drain is below nothing": {func(o *Options) { o.Drain = -1 }, "want 0 or more"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			good := s.o
			tc.change(&s.o)
			if _, err := Start(t.Context(), s.o); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("error %v, want %q in it", err, tc.want)
			}
			s.o = good
			s.start() // The lock of the data directory is free again.
		})
	}
	t.Run("data directory is in use", func(t *testing.T) {
		s := newSite(t)
		s.start()
		if _, err := Start(t.Context(), s.o); experiment.CodeOf(err) != experiment.CodeConflict {
			t.Errorf("error %v, want a conflict", err)
		}
	})
}

// TestDrain closes a process while a model computes: the listener is gone, the
// request is answered, and what takes too long is cut off.
func TestDrain(t *testing.T) {
	for name, tc := range map[string]struct {
		drain  time.Duration
		finish bool
		want   string
	}{
		"what is under way is answered": {time.Minute, true, "200 late"},
		"what never ends is cut off":    {time.Millisecond, false, "broken off"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.o.Drain = tc.drain
			begun, finish := make(chan struct{}), make(chan struct{})
			model := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				close(begun)
				select {
				case <-finish:
					_, _ = io.WriteString(w, "late")
				case <-r.Context().Done():
				}
			}))
			t.Cleanup(model.Close)
			s.models[1] = model.URL
			write(t, s.o.Snapshot, text(t, s.snapshot(1, 1)))
			p := s.start()
			answered := make(chan string, 1)
			go func() { answered <- askRaw(p.trafficAt.Addr().String()) }()
			<-begun
			closed := make(chan error, 1)
			go func() { closed <- p.Close() }()
			refusesConnections(t, p.trafficAt.Addr().String())
			if tc.finish {
				if status, _ := s.admin(p, "/readyz"); status != http.StatusServiceUnavailable {
					t.Errorf("/readyz is %d while it drains", status)
				}
				close(finish)
			}
			if got := <-answered; !strings.HasPrefix(got, tc.want) {
				t.Errorf("the request under way ended with %q, want %q", got, tc.want)
			}
			if err := <-closed; err != nil {
				t.Errorf("close: %v", err)
			}
		})
	}
}

// askRaw sends one request and gives status and body, or "broken off"; what the
// gateway says itself is broken off, too.
func askRaw(address string) string {
	req, err := http.NewRequest(http.MethodGet, "http://"+address, nil)
	if err != nil {
		return err.Error()
	}
	req.Header.Set("X-User-Id", "anna")
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		return "broken off: " + err.Error()
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode >= 500 {
		return "broken off: " + res.Status
	}
	return fmt.Sprintf("%d %s", res.StatusCode, body)
}

func refusesConnections(t *testing.T, address string) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return
		}
		_ = conn.Close()
		if time.Now().After(deadline) {
			t.Fatal("it still takes connections")
		}
	}
}
