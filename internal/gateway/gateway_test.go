// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// epochStart is when the phases of these tests begin.
var epochStart = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func testKey(t testing.TB) *experiment.Key {
	t.Helper()
	k, err := experiment.NewKey([]byte(strings.Repeat("k", experiment.KeySize)))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// testGateway is a gateway that is closed at the end of the test.
func testGateway(t testing.TB, o Options) *Gateway {
	t.Helper()
	if o.Key == nil {
		o.Key = testKey(t)
	}
	g, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Close() })
	// An answer is read, however busy the machine that tests is.
	g.answers.within, g.shadows.comparers.within = time.Minute, time.Minute
	return g
}

// routeTo is a route by header that gives the first backend share[0] slots,
// and so on.
func routeTo(shares experiment.Shares, backends ...string) experiment.Route {
	r := experiment.Route{
		Experiment: "shop/ranker",
		Assignment: experiment.Assignment{Unit: experiment.Unit{Header: "x-user-id"}},
		Epoch:      1,
		Phase:      1,
		PhaseStart: epochStart,
		Window:     10 * time.Second,
		Lag:        2 * time.Second,
		Slots:      experiment.SlotsOf(shares),
	}
	for i, b := range backends {
		r.Versions = append(r.Versions, experiment.Version{Name: "v" + string(rune('1'+i)), Backend: b})
	}
	return r
}

func onlyCandidate() experiment.Shares { return experiment.Shares{0, experiment.Whole} }

func swap(t testing.TB, g *Gateway, r experiment.Route) {
	t.Helper()
	s := &experiment.Snapshot{Sequence: 1, Routes: []experiment.Route{r}}
	if old := g.Snapshot(); old != nil {
		s.Sequence = old.Sequence + 1
	}
	if err := g.Swap(s); err != nil {
		t.Fatal(err)
	}
}

// engine is the engine that tests of behaviour run on: TestMain runs every test
// on both.
var engine string

func TestMain(m *testing.M) { goleak.VerifyTestMain(bothEngines{m}) }

type bothEngines struct{ *testing.M }

func (b bothEngines) Run() (code int) {
	flag.Parse()
	engines := []string{"fast", "full"}
	if flag.Lookup("test.fuzz").Value.String() != "" {
		engines = engines[:1] // What is fuzzed knows no engine.
	}
	for _, engine = range engines {
		if c := b.M.Run(); c != 0 {
			fmt.Printf("FAIL on the engine %s\n", engine)
			code = c
		}
	}
	return code
}

// serving is the gateway behind a real server, and a client of it.
func serving(t testing.TB, g *Gateway) (string, *http.Client) {
	t.Helper()
	tr := &tracked{Transport: &http.Transport{MaxIdleConnsPerHost: 64}, gateway: g}
	t.Cleanup(tr.CloseIdleConnections)
	if engine == "full" {
		s := httptest.NewUnstartedServer(nil)
		s.Config = g.fullServer()
		s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			tr.serving.Add(1)
			defer tr.serving.Done()
			g.Handler().ServeHTTP(w, r)
		})
		s.Start()
		t.Cleanup(s.Close)
		return s.URL, &http.Client{Transport: tr}
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := g.Server()
	done := make(chan error, 1)
	go func() { done <- s.Serve(ln) }()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := <-done; err != http.ErrServerClosed {
			t.Errorf("serve: %v", err)
		}
	})
	return "http://" + ln.Addr().String(), &http.Client{Transport: tr}
}

// tracked knows which of its requests the gateway is still busy with.
type tracked struct {
	*http.Transport
	gateway *Gateway
	serving sync.WaitGroup
}

// settled waits until the gateway is done: a client has its answer a moment
// before the exchange is recorded.
func settled(c *http.Client) {
	tr := c.Transport.(*tracked)
	tr.serving.Wait()
	for tr.gateway.gate.n.Load() > 0 {
		runtime.Gosched()
	}
}

func backend(t testing.TB, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// named answers its name and what it was sent.
func named(t testing.TB, name string) string {
	return backend(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Backend", name)
		w.Header().Set("X-Path", r.URL.RequestURI())
		w.Write(body)
	})
}

type answer struct {
	*http.Response
	body string
}

func ask(t testing.TB, c *http.Client, method, url, body string, header ...string) answer {
	t.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	r, err := http.NewRequestWithContext(t.Context(), method, url, reader)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	res, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res, string(b)}
}

// sealAll seals every window that can have had a request by now.
func sealAll(t testing.TB, g *Gateway, r experiment.Route) []experiment.Cell {
	t.Helper()
	s, err := g.Seal(r.Experiment, r.Epoch, r.Phase, 0, time.Now().Add(100*365*24*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return s.Cells
}

// count sums the cells of a version and metric.
func count(cells []experiment.Cell, version int, metric string) experiment.Evidence {
	var e experiment.Evidence
	for _, c := range cells {
		if c.Version == version && c.Metric == metric {
			e = e.Merge(c.Evidence)
		}
	}
	return e
}

// metric is the value of one series, or the sum of the counters that match;
// labels given as name, value, …
func metric(t testing.TB, reg *prometheus.Registry, name string, labels ...string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sum, counters := 0.0, false
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
	series:
		for _, m := range f.GetMetric() {
			have := make(map[string]string)
			for _, l := range m.GetLabel() {
				have[l.GetName()] = l.GetValue()
			}
			for i := 0; i < len(labels); i += 2 {
				if have[labels[i]] != labels[i+1] {
					continue series
				}
			}
			switch {
			case m.Counter != nil:
				sum, counters = sum+m.Counter.GetValue(), true
			case m.Histogram != nil:
				return float64(m.Histogram.GetSampleCount())
			default:
				return m.Gauge.GetValue()
			}
		}
	}
	if !counters {
		t.Fatalf("no series %s%v", name, labels)
	}
	return sum
}

// wantError checks that an answer is an error in JSON that names no backend.
func wantError(t testing.TB, a answer, status int, backends ...string) {
	t.Helper()
	if a.StatusCode != status {
		t.Errorf("status = %d, want %d", a.StatusCode, status)
	}
	var body struct {
		Error struct{ Code, Message string }
	}
	if err := json.NewDecoder(bytes.NewReader([]byte(a.body))).Decode(&body); err != nil || body.Error.Code == "" || body.Error.Message == "" {
		t.Errorf("body = %q, want an error in JSON", a.body)
	}
	for _, b := range backends {
		if host := strings.TrimPrefix(b, "http://"); strings.Contains(a.body, host) {
			t.Errorf("body %q names the backend %s", a.body, host)
		}
	}
}

func TestNewRefusesOptionsThatCannotWork(t *testing.T) {
	for name, o := range map[string]Options{
		"no key":           {},
		"negative timeout": {Key: testKey(t), Timeout: -1},
		"negative limit":   {Key: testKey(t), MaxUnitBody: -1},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := New(o); experiment.CodeOf(err) != experiment.CodeInvalid {
				t.Errorf("New = %v, want CodeInvalid", err)
			}
		})
	}
}

func TestSwap(t *testing.T) {
	good := routeTo(experiment.Shares{9000, 1000}, "http://127.0.0.1:1", "http://127.0.0.1:2")
	change := func(f func(r *experiment.Route)) *experiment.Snapshot {
		r := good
		r.Versions = append([]experiment.Version(nil), good.Versions...)
		f(&r)
		return &experiment.Snapshot{Sequence: 8, Routes: []experiment.Route{r}}
	}
	for name, tc := range map[string]struct {
		s    *experiment.Snapshot
		want experiment.Code
	}{
		"next sequence is served":          {change(func(r *experiment.Route) {}), ""},
		"moved backend is served":          {change(func(r *experiment.Route) { r.Versions[1].Backend = "http://127.0.0.1:3/base" }), ""},
		"new phase is served":              {change(func(r *experiment.Route) { r.Phase, r.Slots = 2, experiment.SlotsOf(experiment.Shares{5000, 5000}) }), ""},
		"nil is refused":                   {nil, experiment.CodeInvalid},
		"no route is refused":              {&experiment.Snapshot{Sequence: 8}, experiment.CodeInvalid},
		"two routes are refused":           {&experiment.Snapshot{Sequence: 8, Routes: []experiment.Route{good, good}}, experiment.CodeInvalid},
		"same sequence is refused":         {&experiment.Snapshot{Sequence: 7, Routes: []experiment.Route{good}}, experiment.CodeConflict},
		"lower sequence is refused":        {&experiment.Snapshot{Sequence: 3, Routes: []experiment.Route{good}}, experiment.CodeConflict},
		"half a slot table is refused":     {change(func(r *experiment.Route) { r.Slots = r.Slots[:1] }), experiment.CodeInvalid},
		"other shares in a phase refused":  {change(func(r *experiment.Route) { r.Slots = experiment.SlotsOf(experiment.Shares{5000, 5000}) }), experiment.CodeConflict},
		"other window in a phase refused":  {change(func(r *experiment.Route) { r.Window++ }), experiment.CodeConflict},
		"other names in a phase refused":   {change(func(r *experiment.Route) { r.Versions[1].Name = "v9" }), experiment.CodeConflict},
		"two versions of a name refused":   {change(func(r *experiment.Route) { r.Phase, r.Versions[1].Name = 2, "v1" }), experiment.CodeInvalid},
		"name that breaks headers refused": {change(func(r *experiment.Route) { r.Phase, r.Versions[1].Name = 2, "v\r\n2" }), experiment.CodeInvalid},
		"password in a backend refused":    {change(func(r *experiment.Route) { r.Versions[1].Backend = "http://me:secret@127.0.0.1:1" }), experiment.CodeInvalid},
		"query in a backend refused":       {change(func(r *experiment.Route) { r.Versions[1].Backend = "http://127.0.0.1:1?a=b" }), experiment.CodeInvalid},
		"no unit refused":                  {change(func(r *experiment.Route) { r.Assignment.Unit = experiment.Unit{} }), experiment.CodeInvalid},
		"two units refused":                {change(func(r *experiment.Route) { r.Assignment.Unit.Request = true }), experiment.CodeInvalid},
		"bad cookie name refused":          {change(func(r *experiment.Route) { r.Assignment.Unit = experiment.Unit{Cookie: "a;b"} }), experiment.CodeInvalid},
		"search by JSON path refused":      {change(func(r *experiment.Route) { r.Assignment.Unit = experiment.Unit{JSONPath: "$.users[0].id"} }), experiment.CodeInvalid},
		"hole in a JSON path refused":      {change(func(r *experiment.Route) { r.Assignment.Unit = experiment.Unit{JSONPath: "$..id"} }), experiment.CodeInvalid},
		"measure named requests refused":   {change(func(r *experiment.Route) { r.Measures = []experiment.Measure{{Metric: "requests", Limit: 1}} }), experiment.CodeInvalid},
		"measure without a limit refused":  {change(func(r *experiment.Route) { r.Measures = []experiment.Measure{{Metric: "p99"}} }), experiment.CodeInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			g := testGateway(t, Options{})
			first := &experiment.Snapshot{Sequence: 7, Routes: []experiment.Route{good}}
			if err := g.Swap(first); err != nil {
				t.Fatal(err)
			}
			err := g.Swap(tc.s)
			if experiment.CodeOf(err) != tc.want {
				t.Errorf("Swap = %v, want code %q", err, tc.want)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("error %q tells a secret", err)
			}
			want := tc.s
			if tc.want != "" {
				want = first
			}
			if g.Snapshot() != want {
				t.Errorf("serves %+v, want %+v", g.Snapshot(), want)
			}
		})
	}
}

func TestServesTheBaselineShareOfUnitsAndSaysSo(t *testing.T) {
	v1, v2 := named(t, "one"), named(t, "two")
	reg := prometheus.NewRegistry()
	g := testGateway(t, Options{Registry: reg})
	url, client := serving(t, g)

	wantError(t, ask(t, client, "GET", url, ""), 503)
	swap(t, g, routeTo(experiment.Baseline(2), v1, v2+"/base/"))
	if a := ask(t, client, "GET", url+"/x", "", "X-User-Id", "u"); a.Header.Get("X-Backend") != "one" {
		t.Errorf("baseline snapshot was served by %q", a.Header.Get("X-Backend"))
	}
	next := routeTo(onlyCandidate(), v1, v2+"/base/")
	next.Phase = 2
	swap(t, g, next)
	a := ask(t, client, "POST", url+"/v2/models/m%2Fn/infer?a=1;b=%zz", "payload", "X-User-Id", "u")
	if a.Header.Get("X-Backend") != "two" || a.Header.Get("X-Path") != "/base/v2/models/m%2Fn/infer?a=1;b=%zz" || a.body != "payload" {
		t.Errorf("candidate got %q from %q: %q", a.Header.Get("X-Path"), a.Header.Get("X-Backend"), a.body)
	}
	if got := metric(t, reg, "headgate_gateway_share", "version", "v2"); got != 1 {
		t.Errorf("share metric = %v, want 1", got)
	}
	if got := metric(t, reg, "headgate_gateway_snapshot_sequence"); got != 2 {
		t.Errorf("sequence metric = %v, want 2", got)
	}
	settled(client)
	for v, n := range map[string]float64{"v1": 1, "v2": 1} {
		if got := metric(t, reg, "headgate_gateway_requests_total", "version", v, "code", "2xx"); got != n {
			t.Errorf("requests of %s = %v, want %v", v, got, n)
		}
		if got := metric(t, reg, "headgate_gateway_request_seconds", "version", v); got != n {
			t.Errorf("request times of %s = %v, want %v", v, got, n)
		}
	}
}

func TestCloseRefusesAndUnregisters(t *testing.T) {
	reg := prometheus.NewRegistry()
	g := testGateway(t, Options{Registry: reg})
	if _, err := New(Options{Key: testKey(t), Registry: reg}); err == nil {
		t.Error("two gateways share a registry")
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	g.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if w.Code != 503 {
		t.Errorf("closed gateway answers %d, want 503", w.Code)
	}
	again, err := New(Options{Key: testKey(t), Registry: reg})
	if err != nil {
		t.Fatalf("registry is not free after Close: %v", err)
	}
	again.Close()
}

func TestTooManyExchangesAreRefused(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	v := backend(t, func(http.ResponseWriter, *http.Request) { entered <- struct{}{}; <-release })
	reg := prometheus.NewRegistry()
	g := testGateway(t, Options{MaxInFlight: 1, Registry: reg})
	swap(t, g, routeTo(experiment.Baseline(1), v))
	url, client := serving(t, g)
	done := make(chan int)
	go func() {
		res, err := client.Get(url)
		if err != nil {
			done <- 0
			return
		}
		res.Body.Close()
		done <- res.StatusCode
	}()
	<-entered
	a := ask(t, client, "GET", url, "")
	wantError(t, a, 503)
	if a.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	close(release)
	if got := <-done; got != 200 {
		t.Errorf("the first exchange got %d", got)
	}
	if got := metric(t, reg, "headgate_gateway_refused_total", "reason", "busy"); got != 1 {
		t.Errorf("refused = %v, want 1", got)
	}
}
