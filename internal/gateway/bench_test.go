// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// hot is a gateway with everything that a request can touch.
func hot(t testing.TB) *Gateway {
	g := testGateway(t, Options{})
	r := routeTo(experiment.Shares{5000, 5000}, "http://127.0.0.1:1", "http://127.0.0.1:2")
	r.PhaseStart, r.Window = time.Now(), time.Hour
	r.Measures = []experiment.Measure{{Metric: "p50", Limit: 100 * time.Millisecond}, {Metric: "p99", Limit: time.Second}}
	swap(t, g, r)
	return g
}

func TestAssignmentAndRecordingDoNotAllocate(t *testing.T) {
	c := newClocked(t)
	swap(t, c.Gateway, measured())
	x := &fakeExchange{headers: "user-12345"}
	var k call
	n := testing.AllocsPerRun(1000, func() {
		k = call{}
		if c.admit(&k, x) != nil {
			t.Fatal("refused")
		}
		c.finish(&k, ending{status: 200})
	})
	if n != 0 {
		t.Errorf("%v allocations per request, want 0", n)
	}
}

func BenchmarkAssignAndRecord(b *testing.B) {
	g, x := hot(b), &fakeExchange{headers: "user-12345"}
	b.ReportAllocs()
	var k call
	for b.Loop() {
		k = call{}
		g.admit(&k, x)
		g.finish(&k, ending{status: 200})
	}
}

func BenchmarkAssignAndRecordParallel(b *testing.B) {
	g := hot(b)
	b.ReportAllocs()
	b.RunParallel(func(p *testing.PB) {
		x := &fakeExchange{headers: "user-12345"}
		var k call
		for p.Next() {
			k = call{}
			g.admit(&k, x)
			g.finish(&k, ending{status: 200})
		}
	})
}

func BenchmarkToken(b *testing.B) {
	g, x := hot(b), &fakeExchange{headers: "user-12345"}
	var k call
	g.admit(&k, x)
	defer g.finish(&k, ending{status: 200})
	b.ReportAllocs()
	for b.Loop() {
		g.token(&k)
	}
}

func BenchmarkUnitInBody(b *testing.B) {
	finder, err := newUnitFinder(experiment.Unit{JSONPath: "$.user.id"})
	if err != nil {
		b.Fatal(err)
	}
	x := &fakeExchange{body: []byte(padded(4 << 10)), whole: true}
	b.ReportAllocs()
	for b.Loop() {
		finder.find(x, 1<<20)
	}
}

// BenchmarkProxy compares a whole exchange over loopback with the same through
// a bare reverse proxy and with none.
func BenchmarkProxy(b *testing.B) {
	model := backend(b, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		io.WriteString(w, `{"predictions":[1]}`)
	})
	target, err := url.Parse(model)
	if err != nil {
		b.Fatal(err)
	}
	g := testGateway(b, Options{})
	r := routeTo(experiment.Shares{5000, 5000}, model, model)
	r.PhaseStart = time.Now()
	swap(b, g, r)
	tr := &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}
	b.Cleanup(tr.CloseIdleConnections)
	bare := &httputil.ReverseProxy{Transport: tr, Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(target); p.SetXForwarded() }}
	serve := func(h http.Handler) string {
		s := httptest.NewServer(h)
		b.Cleanup(s.Close)
		return s.URL
	}
	for name, address := range map[string]string{"direct": model, "reverseproxy": serve(bare), "gateway": serve(g.Handler())} {
		b.Run(name, func(b *testing.B) {
			c := &http.Transport{MaxIdleConnsPerHost: 64}
			defer c.CloseIdleConnections()
			b.ReportAllocs()
			for b.Loop() {
				req, _ := http.NewRequestWithContext(b.Context(), "POST", address, strings.NewReader(`{"instances":[[1,2,3]]}`))
				req.Header.Set("X-User-Id", "user-12345")
				res, err := c.RoundTrip(req)
				if err != nil || res.StatusCode != 200 {
					b.Fatal(err)
				}
				io.Copy(io.Discard, res.Body)
				res.Body.Close()
			}
		})
	}
}
