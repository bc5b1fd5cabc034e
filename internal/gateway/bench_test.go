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
	swap(t, g, hotRoute())
	return g
}

func hotRoute() experiment.Route {
	r := routeTo(experiment.Shares{5000, 5000}, "http://127.0.0.1:1", "http://127.0.0.1:2")
	r.PhaseStart, r.Window = time.Now(), time.Hour
	r.Measures = []experiment.Measure{{Metric: "p50", Limit: 100 * time.Millisecond}, {Metric: "p99", Limit: time.Second}}
	return r
}

// twoSegments are a segment by values and one by bins, in headers.
func twoSegments() []experiment.Segment {
	return []experiment.Segment{
		{Name: "tier", Header: "x-tier", Values: []string{"free", "plus", "premium"}},
		{Name: "sessions", Header: "x-sessions", Bins: []float64{1, 10}},
	}
}

func TestAssignmentAndRecordingDoNotAllocate(t *testing.T) {
	inCookies := []experiment.Segment{
		{Name: "tier", Cookie: "tier", Values: []string{"free", "premium"}},
		{Name: "sessions", Cookie: "sessions", Bins: []float64{1, 10}},
	}
	halves := experiment.SlotsOf(experiment.Shares{5000, 5000})
	for name, change := range map[string]func(r *experiment.Route){
		"without segments":  func(*experiment.Route) {},
		"header segments":   func(r *experiment.Route) { r.Segments = twoSegments() },
		"cookie segments":   func(r *experiment.Route) { r.Segments = inCookies },
		"a unit in cookies": func(r *experiment.Route) { r.Assignment.Unit = experiment.Unit{Cookie: "uid"} },
		"absent segments": func(r *experiment.Route) {
			r.Segments = []experiment.Segment{{Name: "a", Header: "x-a", Values: []string{"b"}}, {Name: "c", Cookie: "c", Bins: []float64{1}}}
		},
		"where": func(r *experiment.Route) {
			r.Segments, r.Where = twoSegments(), experiment.Where{{Segment: "tier", In: []string{"premium"}}}
		},
		"outside of where": func(r *experiment.Route) {
			r.Segments, r.Where = twoSegments(), experiment.Where{{Segment: "tier", Not: []string{"premium"}}}
		},
		"a table per group": func(r *experiment.Route) {
			r.Segments = twoSegments()
			for _, slice := range r.Segments[1].Slices() {
				r.Tables = append(r.Tables, experiment.GroupTable{Slice: slice, Slots: halves})
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClocked(t)
			r := measured()
			change(&r)
			swap(t, c.Gateway, r)
			x := requestOf(t, "X-User-Id", "user-12345", "X-Tier", "premium", "X-Sessions", "3", "Cookie", "a=b; tier=premium; sessions=12; uid=user-12345")
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
		})
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

// BenchmarkAssignAndRecordSegments is the same with the headers of a real
// request: without segments, with two by header, and with a table per group.
func BenchmarkAssignAndRecordSegments(b *testing.B) {
	halves := experiment.SlotsOf(experiment.Shares{5000, 5000})
	var tables []experiment.GroupTable
	for _, slice := range twoSegments()[0].Slices() {
		tables = append(tables, experiment.GroupTable{Slice: slice, Slots: halves})
	}
	for _, bc := range []struct {
		name   string
		change func(r *experiment.Route)
	}{
		{"none", func(*experiment.Route) {}},
		{"two headers", func(r *experiment.Route) { r.Segments = twoSegments() }},
		{"two headers and where", func(r *experiment.Route) {
			r.Segments, r.Where = twoSegments(), experiment.Where{{Segment: "tier", Not: []string{"free"}}}
		}},
		{"two headers and tables", func(r *experiment.Route) { r.Segments, r.Tables = twoSegments(), tables }},
	} {
		b.Run(bc.name, func(b *testing.B) {
			g := testGateway(b, Options{})
			r := hotRoute()
			bc.change(&r)
			swap(b, g, r)
			x := requestOf(b, "X-User-Id", "user-12345", "X-Tier", "premium", "X-Sessions", "3")
			b.ReportAllocs()
			var k call
			for b.Loop() {
				k = call{}
				g.admit(&k, x)
				g.finish(&k, ending{status: 200})
			}
		})
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
		finder.find(&lookup{exchange: x, maxBody: 1 << 20})
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
