// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// closedPort is an address that refuses connections. It is bound and never
// listens, so that nobody else gets it while the test runs: a gateway that did
// would be its own backend.
func closedPort(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	at, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("http://127.0.0.1:%d", at.(*syscall.SockaddrInet4).Port)
}

func TestOnlyTheGatewaySetsItsHeaders(t *testing.T) {
	var upstream http.Header
	var host string
	v := backend(t, func(w http.ResponseWriter, r *http.Request) {
		upstream, host = r.Header.Clone(), r.Host
		w.Header().Set("X-Headgate-Version", "forged")
		w.Header().Set("X-Headgate-Exposure", "forged")
		w.Header().Set("Keep-Alive", "timeout=5")
		w.Header().Set("X-Keep", "yes")
	})
	g := testGateway(t, Options{})
	swap(t, g, routeTo(onlyCandidate(), v, v))
	url, client := serving(t, g)
	for unit, exposed := range map[string]bool{"anna": true, "": false} {
		a := ask(t, client, "GET", url, "", "X-User-Id", unit,
			"X-Headgate-Experiment", "forged", "x-headgate-version", "forged", "X-Headgate-Exposure", "forged",
			"X_Headgate_Version", "forged", "X-Headgate-Anything", "forged",
			"X-Forwarded-For", "9.9.9.9", "X-Forwarded-Proto", "https", "Forwarded", "for=9.9.9.9",
			"Connection", "X-Hop", "X-Hop", "1", "Proxy-Authorization", "secret", "X-Keep", "yes", "Accept-Encoding", "zstd")
		version := "v1"
		if exposed {
			version = "v2"
		}
		for name, want := range map[string][]string{
			"X-Headgate-Experiment": {"shop/ranker"}, "X-Headgate-Version": {version}, "X-Headgate-Exposure": nil,
			"X_headgate_version": nil, "X-Headgate-Anything": nil,
			"X-Forwarded-For": {"127.0.0.1"}, "X-Forwarded-Proto": {"http"}, "Forwarded": nil,
			"X-Hop": nil, "Connection": nil, "Proxy-Authorization": nil, "X-Keep": {"yes"}, "Accept-Encoding": {"zstd"},
		} {
			if diff := cmp.Diff(want, upstream[name]); diff != "" {
				t.Errorf("upstream header %s (-want +got):\n%s", name, diff)
			}
		}
		if want := strings.TrimPrefix(v, "http://"); host != want {
			t.Errorf("upstream host %q, want %q", host, want)
		}
		if diff := cmp.Diff([]string{version}, a.Header.Values(headerVersion)); diff != "" {
			t.Errorf("answered version (-want +got):\n%s", diff)
		}
		tokens := a.Header.Values(headerExposure)
		if exposed {
			if _, err := g.options.Key.Open("shop/ranker", strings.Join(tokens, "|")); err != nil {
				t.Errorf("exposure %q: %v", tokens, err)
			}
		} else if len(tokens) != 0 {
			t.Errorf("exposure %q without a unit", tokens)
		}
		if a.Header.Get("Keep-Alive") != "" || a.Header.Get("X-Keep") != "yes" {
			t.Errorf("answer headers = %v", a.Header)
		}
	}
}

func TestBytesPassAsTheyAre(t *testing.T) {
	const packed = "\x1f\x8b not really packed"
	v := backend(t, func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Values("Accept-Encoding"); len(got) != 0 {
			t.Errorf("the model is asked for %q, the client asked for nothing", got)
		}
		if got, ok := r.Header["User-Agent"]; ok {
			t.Errorf("the model sees agent %q, the client named none", got)
		}
		w.Header().Set("Content-Encoding", "gzip")
		io.WriteString(w, packed)
	})
	g := testGateway(t, Options{})
	swap(t, g, routeTo(experiment.Baseline(1), v))
	url, client := serving(t, g)
	client.Transport.(*tracked).DisableCompression = true
	a := ask(t, client, "GET", url, "", "X-User-Id", "anna", "User-Agent", "")
	if a.body != packed || a.Header.Get("Content-Encoding") != "gzip" {
		t.Errorf("answer %q with %v", a.body, a.Header)
	}
}

func TestFailuresAreTheVersions(t *testing.T) {
	hangUp := backend(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	halfway := backend(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		io.WriteString(w, "half")
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	status := func(code int) string {
		return backend(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) })
	}
	protocol := backend(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")
	})
	for name, tc := range map[string]struct {
		backend string
		status  int
		counts  stats.Counts
		class   string
		broken  bool
	}{
		"200 is none":                {status(200), 200, stats.Counts{N: 1}, "2xx", false},
		"404 is none":                {status(404), 404, stats.Counts{N: 1}, "4xx", false},
		"302 is not followed":        {status(302), 302, stats.Counts{N: 1}, "3xx", false},
		"500 is one":                 {status(500), 500, stats.Counts{N: 1, X: 1}, "5xx", false},
		"hanging up is one":          {hangUp, 502, stats.Counts{N: 1, X: 1}, "5xx", false},
		"half an answer is one":      {halfway, 200, stats.Counts{N: 1, X: 1}, "2xx", true},
		"unasked protocol is one":    {protocol, 502, stats.Counts{N: 1, X: 1}, "5xx", false},
		"nobody listening there one": {"", 502, stats.Counts{N: 1, X: 1}, "5xx", false},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.backend == "" {
				tc.backend = closedPort(t)
			}
			reg := prometheus.NewRegistry()
			g := testGateway(t, Options{Registry: reg})
			r := routeTo(experiment.Baseline(1), tc.backend)
			swap(t, g, r)
			url, client := serving(t, g)
			client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
			req, _ := http.NewRequestWithContext(t.Context(), "GET", url, nil)
			req.Header.Set("X-User-Id", "anna")
			res, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			body, err := io.ReadAll(res.Body)
			if (err != nil) != tc.broken {
				t.Errorf("reading the answer: %v, want broken=%v", err, tc.broken)
			}
			if tc.status == 502 {
				wantError(t, answer{res, string(body)}, 502, tc.backend)
			}
			if res.StatusCode != tc.status || res.Header.Get(headerVersion) != "v1" || res.Header.Get(headerExposure) == "" {
				t.Errorf("answer %d, %v, want %d marked v1 with an exposure", res.StatusCode, res.Header, tc.status)
			}
			settled(client)
			e := count(sealAll(t, g, r), 0, experiment.CellRequests)
			if e.Counts != tc.counts || e.Sketch.Count() != tc.counts.N {
				t.Errorf("cell = %+v with %d latencies, want %+v", e.Counts, e.Sketch.Count(), tc.counts)
			}
			if got := metric(t, reg, "headgate_gateway_requests_total", "code", tc.class); got != 1 {
				t.Errorf("requests{%s} = %v, want 1", tc.class, got)
			}
		})
	}
}

// TestFallsBackWhereNothingWasSent also proves that a failed dial leaves the
// body alone: the baseline gets every byte of it.
func TestFallsBackWhereNothingWasSent(t *testing.T) {
	var calls atomic.Int64
	baselineURL := backend(t, func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		h := sha256.New()
		n, _ := io.Copy(h, r.Body)
		fmt.Fprintf(w, "%s %s %s %d %x", r.Header.Get(headerVersion), r.Header.Get(headerExperiment), r.URL.Path, n, h.Sum(nil))
	})
	body := strings.Repeat("0123456789abcdef", 1<<16)
	for _, unit := range []experiment.Unit{{Header: "X-User-Id"}, {JSONPath: "id"}} {
		for _, chunked := range []bool{false, true} {
			t.Run(fmt.Sprintf("%+v/chunked=%v", unit, chunked), func(t *testing.T) {
				calls.Store(0)
				reg := prometheus.NewRegistry()
				g := testGateway(t, Options{Registry: reg, MaxUnitBody: 2 << 20})
				r := routeTo(onlyCandidate(), baselineURL, closedPort(t)+"/candidate")
				r.Assignment.Unit = unit
				swap(t, g, r)
				url, client := serving(t, g)
				sent := body
				if unit.JSONPath != "" {
					sent = `{"id":"anna","pad":"` + body + `"}`
				}
				req, _ := http.NewRequestWithContext(t.Context(), "POST", url+"/p", strings.NewReader(sent))
				if chunked {
					req.Body, req.ContentLength = io.NopCloser(strings.NewReader(sent)), -1
				}
				req.Header.Set("X-User-Id", "anna")
				res, err := client.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				defer res.Body.Close()
				got := readAll(t, res)
				if want := fmt.Sprintf("v1 shop/ranker /p %d %x", len(sent), sha256.Sum256([]byte(sent))); got != want || res.StatusCode != 200 {
					t.Errorf("answer %d %q, want %q", res.StatusCode, got, want)
				}
				if v := res.Header.Get(headerVersion); v != "v1" {
					t.Errorf("answer is marked %q, want v1, which served", v)
				}
				if e, err := g.options.Key.Open(r.Experiment, res.Header.Get(headerExposure)); err != nil || e.Version != 1 {
					t.Errorf("exposure = %+v, %v, want the assigned version 1", e, err)
				}
				settled(client)
				cells := sealAll(t, g, r)
				if got := count(cells, 1, experiment.CellRequests).Counts; got != (stats.Counts{N: 1, X: 1}) {
					t.Errorf("assigned version's cell = %+v, want one failure", got)
				}
				if got := count(cells, 0, experiment.CellRequests).Counts; got.N != 0 {
					t.Errorf("baseline's cell = %+v, want none", got)
				}
				if got := metric(t, reg, "headgate_gateway_fallbacks_total", "version", "v2"); got != 1 || calls.Load() != 1 {
					t.Errorf("fallbacks = %v, calls of the baseline = %d, want 1 each", got, calls.Load())
				}
			})
		}
	}
	t.Run("both are down", func(t *testing.T) {
		g := testGateway(t, Options{})
		r := routeTo(onlyCandidate(), closedPort(t), closedPort(t))
		swap(t, g, r)
		url, client := serving(t, g)
		a := ask(t, client, "POST", url, "x", "X-User-Id", "anna")
		wantError(t, a, 502, r.Versions[0].Backend, r.Versions[1].Backend)
	})
}

func TestNoFallbackOnceSomethingWasSent(t *testing.T) {
	var calls atomic.Int64
	baselineURL := backend(t, func(http.ResponseWriter, *http.Request) { calls.Add(1) })
	hangUp := backend(t, func(_ http.ResponseWriter, r *http.Request) {
		io.CopyN(io.Discard, r.Body, 1)
		panic(http.ErrAbortHandler)
	})
	g := testGateway(t, Options{})
	swap(t, g, routeTo(onlyCandidate(), baselineURL, hangUp))
	url, client := serving(t, g)
	for _, method := range []string{"POST", "PUT"} {
		a := ask(t, client, method, url, strings.Repeat("x", 100), "X-User-Id", "anna")
		wantError(t, a, 502)
		if v := a.Header.Get(headerVersion); v != "v2" {
			t.Errorf("answer is marked %q, want v2", v)
		}
	}
	if n := calls.Load(); n != 0 {
		t.Errorf("baseline was called %d times", n)
	}
}

// TestNoFallbackWithATouchedBody puts the rule itself to the test: net/http
// does not read a body before it has a connection, but if it did, half a body
// must not go to the baseline.
func TestNoFallbackWithATouchedBody(t *testing.T) {
	for name, tc := range map[string]struct {
		read int
		want bool
	}{"untouched body": {0, true}, "touched body": {1, false}} {
		t.Run(name, func(t *testing.T) {
			g := testGateway(t, Options{})
			swap(t, g, routeTo(onlyCandidate(), named(t, "one"), closedPort(t)))
			x := &fullExchange{engine: g.full, in: httptest.NewRequest("POST", "/", nil), call: call{route: g.route.Load(), version: 1}}
			x.body.reader = strings.NewReader("body")
			io.CopyN(io.Discard, &x.body, int64(tc.read))
			out := x.in.Clone(t.Context())
			out.Body, out.RequestURI = &x.body, ""
			x.direct(out, 1)
			res, err := x.RoundTrip(out)
			if err == nil {
				defer res.Body.Close()
			}
			if (err == nil) != tc.want || x.fellBack != tc.want {
				t.Errorf("RoundTrip = %v, fell back %v, want %v", err, x.fellBack, tc.want)
			}
		})
	}
}

func TestWebSocketIsUpgradedAndNothingElse(t *testing.T) {
	v := backend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "" {
			io.WriteString(w, "plain")
			return
		}
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "+r.Header.Get("Upgrade")+"\r\n\r\n")
		line, _ := rw.ReadString('\n')
		io.WriteString(conn, "echo "+line)
	})
	g := testGateway(t, Options{})
	r := routeTo(onlyCandidate(), v, v)
	swap(t, g, r)
	url, client := serving(t, g)
	talk := func(upgrade string) (*http.Response, *bufio.Reader, net.Conn) {
		conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: h\r\nX-User-Id: anna\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n", upgrade)
		br := bufio.NewReader(conn)
		res, err := http.ReadResponse(br, nil)
		if err != nil {
			t.Fatal(err)
		}
		return res, br, conn
	}
	res, br, conn := talk("websocket")
	if res.StatusCode != 101 || res.Header.Get(headerVersion) != "v2" || res.Header.Get(headerExposure) == "" {
		t.Fatalf("upgrade: %d %v", res.StatusCode, res.Header)
	}
	io.WriteString(conn, "hello\n")
	if line, err := br.ReadString('\n'); line != "echo hello\n" {
		t.Errorf("over the upgraded connection: %q, %v", line, err)
	}
	conn.Close()

	res, _, _ = talk("h2c")
	if body := readAll(t, res); res.StatusCode != 200 || body != "plain" {
		t.Errorf("h2c upgrade: %d %q, want a plain answer", res.StatusCode, body)
	}
	settled(client)
	if got := count(sealAll(t, g, r), 1, experiment.CellRequests).Counts; got != (stats.Counts{N: 2}) {
		t.Errorf("cell = %+v, want two requests", got)
	}
}

func TestCleartextHTTP2(t *testing.T) {
	g := testGateway(t, Options{})
	r := routeTo(onlyCandidate(), named(t, "one"), named(t, "two"))
	swap(t, g, r)
	url, client := serving(t, g)
	var p http.Protocols
	p.SetUnencryptedHTTP2(true)
	client.Transport.(*tracked).Protocols = &p
	a := ask(t, client, "POST", url, "body", "X-User-Id", "anna")
	if a.ProtoMajor != 2 || a.body != "body" || a.Header.Get(headerVersion) != "v2" {
		t.Errorf("answer over HTTP/%d: %q %v", a.ProtoMajor, a.body, a.Header)
	}
	settled(client)
	if got := count(sealAll(t, g, r), 1, experiment.CellRequests).Counts; got != (stats.Counts{N: 1}) {
		t.Errorf("cell = %+v, want one request", got)
	}
}

func TestTrailersAndEarlyHintsPass(t *testing.T) {
	v := backend(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</a>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Set("Trailer", "X-Sum")
		io.WriteString(w, "body")
		w.Header().Set("X-Sum", "42")
	})
	g := testGateway(t, Options{})
	swap(t, g, routeTo(experiment.Baseline(1), v))
	url, client := serving(t, g)
	a := ask(t, client, "GET", url, "", "X-User-Id", "anna")
	if a.Trailer.Get("X-Sum") != "42" || a.Header.Get(headerVersion) != "v1" || a.Header.Get(headerExposure) == "" {
		t.Errorf("trailer %v, header %v", a.Trailer, a.Header)
	}
}

func TestPanicsKillOneExchangeOnly(t *testing.T) {
	calls := 0
	g := testGateway(t, Options{Expose: func(experiment.Exposure, uint64) bool {
		if calls++; calls == 1 {
			panic("broken sink")
		}
		return false
	}})
	r := routeTo(experiment.Baseline(1), named(t, "one"))
	swap(t, g, r)
	url, client := serving(t, g)
	req, _ := http.NewRequestWithContext(t.Context(), "POST", url, bytes.NewReader(nil))
	req.Header.Set("X-User-Id", "anna")
	if res, err := client.Do(req); err == nil {
		res.Body.Close()
		t.Errorf("panicked exchange was answered %d", res.StatusCode)
	}
	if a := ask(t, client, "GET", url, "", "X-User-Id", "anna"); a.StatusCode != 200 {
		t.Errorf("next exchange: %d", a.StatusCode)
	}
	settled(client)
	if got := count(sealAll(t, g, r), 0, experiment.CellRequests).Counts; got != (stats.Counts{N: 1}) {
		t.Errorf("cell = %+v, want the second request, and the window sealed", got)
	}
}
