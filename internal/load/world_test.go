// SPDX-License-Identifier: Apache-2.0

package load

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pipes is a network in memory, so that real servers and clients can live in a
// bubble of synctest: waiting for it does not stop the bubble's clock.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes", Net: "pipe"} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case p.conns <- there:
		return here, nil
	case <-p.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// inBubble serves a handler in memory; stop must be called before the bubble
// ends.
func inBubble(h http.HandlerFunc) (o Options, stop func()) {
	p := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
	s := &http.Server{Handler: h}
	var serving sync.WaitGroup
	serving.Go(func() { _ = s.Serve(p) })
	return Options{URL: "http://model", dial: p.dial}, func() {
		_ = s.Close()
		serving.Wait()
	}
}

// serve starts a real server on loopback.
func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// mustRun runs a load to its end and holds its counts to their promises.
func mustRun(t *testing.T, o Options) Report {
	t.Helper()
	r, err := Run(t.Context(), o, nil)
	if err != nil {
		t.Fatal(err)
	}
	if r.Partial {
		t.Error("partial, though nothing interrupted")
	}
	if o.N > 0 && o.Duration == 0 && r.Offered != o.N {
		t.Errorf("offered %d, want %d", r.Offered, o.N)
	}
	checkSums(t, r)
	return r
}

// checkSums wants every count to add up, as doc.go promises.
func checkSums(t *testing.T, r Report) {
	t.Helper()
	var failures, statuses, buckets, versions, errs, units int64
	for _, f := range r.Failures {
		failures += f.Count
	}
	for _, s := range r.Statuses {
		statuses += s.Count
	}
	for _, b := range r.Histogram {
		buckets += b.Count
	}
	for _, v := range r.Versions {
		versions += v.Answers
		errs += v.Errors
		units += v.Units
		if s := v.Share; !(0 <= s.Low && s.Low <= s.Value && s.Value <= s.High && s.High <= 1) {
			t.Errorf("share of %q = %+v is out of order", v.Name, s)
		}
	}
	for what, pair := range map[string][2]int64{
		"offered = sent + skipped":             {r.Offered, r.Sent + r.Skipped},
		"sent = answered + failed":             {r.Sent, r.Answered + r.Failed},
		"failed = sum of kinds":                {r.Failed, failures},
		"answered = sum of status codes":       {r.Answered, statuses},
		"answered = sum of latency buckets":    {r.Answered, buckets},
		"answered = sum of versions":           {r.Answered, versions},
		"errors = sum of errors of versions":   {r.Errors, errs},
		"units seen = sum of units, by first":  {r.UnitsSeen, units},
		"there is latency if there is answer":  {min(1, r.Answered), one(r.Latency != nil)},
		"and from the actual sending likewise": {min(1, r.Answered), one(r.FromSent != nil)},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s: %d and %d", what, pair[0], pair[1])
		}
	}
	if x := r.Outcomes; x != nil && x.Due != x.Accepted+x.Duplicates+x.Late+x.Unmatched+x.Failed+x.Unexposed+x.Dropped {
		t.Errorf("outcomes do not add up: %+v", *x)
	}
}

func one(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// errPulled ends contexts in tests of interruption.
var errPulled = errors.New("pulled")
