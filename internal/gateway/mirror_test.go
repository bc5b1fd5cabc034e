// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// mirrored is a gateway whose baseline's requests are copied, behind a real
// server.
type mirrored struct {
	*Gateway
	reg    *prometheus.Registry
	route  experiment.Route
	url    string
	client *http.Client

	mu    sync.Mutex
	pairs []experiment.Pair
	// predicted are the predictions, of all versions.
	predicted rows
}

// anyRate is a rate of copies that no test reaches.
const anyRate = 10_000

// newMirrored mirrors everything from the first backend to the others.
func newMirrored(t testing.TB, change func(r *experiment.Route), backends ...string) *mirrored {
	t.Helper()
	m := &mirrored{reg: prometheus.NewRegistry()}
	m.Gateway = testGateway(t, Options{Registry: m.reg, Paired: m.paired, Predicted: m.predicted.take})
	m.route = routeTo(experiment.Baseline(len(backends)), backends...)
	m.route.PhaseStart = time.Now()
	m.route.Mirror = &experiment.MirrorRoute{Share: experiment.Whole, Rate: anyRate, Timeout: 10 * time.Second}
	for v := 1; v < len(backends); v++ {
		m.route.Mirror.Versions = append(m.route.Mirror.Versions, v)
	}
	if change != nil {
		change(&m.route)
	}
	swap(t, m.Gateway, m.route)
	m.url, m.client = serving(t, m.Gateway)
	return m
}

func (m *mirrored) paired(p *experiment.Pair) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pairs = append(m.pairs, *p)
	return true
}

// ask sends a request of a unit.
func (m *mirrored) ask(t testing.TB, method, path, body string, header ...string) answer {
	t.Helper()
	return ask(t, m.client, method, m.url+path, body, append(header, "X-User-Id", "anna")...)
}

// over waits until all copies are done, and gives the pairs.
func (m *mirrored) over() []experiment.Pair {
	settled(m.client)
	m.idle()
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.pairs
}

// idle waits until nothing is held for copies.
func (g *Gateway) idle() {
	for g.shadows.kept.held.Load() > 0 || g.shadows.heard.held.Load() > 0 {
		runtime.Gosched()
	}
}

// copies is how many copies ended so.
func (m *mirrored) copies(t testing.TB, result copyResult) int {
	t.Helper()
	return int(metric(t, m.reg, "headgate_gateway_copies_total", "result", result.String()))
}

// shadowRequest is what came to a candidate.
type shadowRequest struct {
	method, target, body string
	header               http.Header
}

// recording is a candidate that keeps what comes to it.
func recording(t testing.TB, answer string) (url string, got func() []shadowRequest) {
	var mu sync.Mutex
	var all []shadowRequest
	url = backend(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		all = append(all, shadowRequest{r.Method, r.URL.RequestURI(), string(body), r.Header.Clone()})
		mu.Unlock()
		http.SetCookie(w, &http.Cookie{Name: "shadow", Value: "yes"})
		io.WriteString(w, answer)
	})
	return url, func() []shadowRequest {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(all)
	}
}

func TestCandidateBehindTLSGetsCopies(t *testing.T) {
	long := strings.Repeat("0123456789", 5_000) // More than one record, and one read.
	echo := func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Write(body)
	}
	secure := httptest.NewTLSServer(http.HandlerFunc(echo))
	defer secure.Close()
	m := newMirrored(t, nil, backend(t, echo), backend(t, echo))
	trusted := x509.NewCertPool()
	trusted.AddCert(secure.Certificate())
	m.shadows.transport.TLSClientConfig = &tls.Config{RootCAs: trusted}
	mirror := *m.route.Mirror
	mirror.Pairs = comparing(experiment.CompareText)
	m.route.Mirror, m.route.Versions = &mirror, slices.Clone(m.route.Versions) // A served route never changes.
	m.route.Versions[1].Backend = secure.URL
	swap(t, m.Gateway, m.route)
	m.url, m.client = serving(t, m.Gateway)
	for range 20 {
		if res := m.ask(t, "POST", "/v1/x", long); res.StatusCode != 200 || res.body != long {
			t.Fatalf("answered %d with %d bytes", res.StatusCode, len(res.body))
		}
	}
	pairs := m.over()
	if len(pairs) != 20 || m.copies(t, copyAnswered) != 20 {
		t.Fatalf("%d pairs, %d copies answered, want 20", len(pairs), m.copies(t, copyAnswered))
	}
	for _, p := range pairs {
		if p.Failed || len(p.Compared) != 1 || p.Compared[0].Value != 1 {
			t.Errorf("the same text compares as %+v", p)
		}
	}
}

func TestCandidateGetsWhatTheBaselineGot(t *testing.T) {
	const chat = "/v1/chat/completions"
	long := strings.Repeat("0123456789", 20_000)
	for name, tc := range map[string]struct {
		method, path, body string
		chunked            bool
		change             func(r *experiment.Route)
		wantPath, wantBody string // the same where empty
	}{
		"a GET":              {method: "GET", path: "/v2/models/a?b=%2F;c&d"},
		"a POST":             {method: "POST", path: "/v2/models/a/infer", body: `{"a":1}`},
		"an empty POST":      {method: "POST", path: "/a%2Fb"},
		"a PUT in chunks":    {method: "PUT", path: "/", body: `{"a":1}`, chunked: true},
		"a long body":        {method: "POST", path: "/", body: long},
		"a long one, chunks": {method: "POST", path: "/", body: long, chunked: true},
		"a unit in the body": {
			method: "POST", path: "/", body: `{"user":"anna"}`, chunked: true,
			change: func(r *experiment.Route) { r.Assignment.Unit = experiment.Unit{JSONPath: "$.user"} },
		},
		"a body that may be sent twice": {
			method: "POST", path: "/", body: `{"a":1}`,
			change: func(r *experiment.Route) { r.Rules.Idempotent = true },
		},
		"a model in the path": {
			method: "POST", path: "/v2/models/ranker/infer?x", body: `{}`, wantPath: "/v2/models/r2/infer?x",
			change: func(r *experiment.Route) { r.Versions[1].Model = "r2" },
		},
		"another path": {
			method: "POST", path: "/ranker/infer", body: `{}`, wantPath: "/r2/infer",
			change: func(r *experiment.Route) {
				r.Versions[1].Path = &experiment.PathRewrite{From: "/ranker", To: "/r2"}
			},
		},
		"a model in the body": {
			method: "POST", path: chat, body: `{"model":"gpt","n":1}`, wantBody: `{"model":"r2","n":1}`,
			change: func(r *experiment.Route) { r.Versions[0].Model, r.Versions[1].Model = "r1", "r2" },
		},
		"a model in a body in chunks": {
			method: "POST", path: chat, body: `{"model":"gpt","n":1}`, chunked: true, wantBody: `{"model":"r2","n":1}`,
			change: func(r *experiment.Route) { r.Versions[0].Model, r.Versions[1].Model = "r1", "r2" },
		},
	} {
		t.Run(name, func(t *testing.T) {
			candidate, got := recording(t, "{}")
			m := newMirrored(t, tc.change, named(t, "one"), candidate+"/base")
			header := []string{
				"X-User-Id", "anna", "Cookie", "a=b", "X-Request-Id", "r-1", "Ce-Id", "c-1", "Seldon-Puid", "p-1", "Accept-Encoding", "gzip",
				"X-Headgate-Version", "forged", "X-Headgate-Other", "forged", "X-Envoy-Expected-Rq-Timeout-Ms", "9000", "X-Hop", "1", "Connection", "X-Hop",
			}
			if tc.chunked {
				askInChunks(t, m.client, m.url+tc.path, tc.body, header...)
				tc.method = "POST"
			} else {
				ask(t, m.client, tc.method, m.url+tc.path, tc.body, header...)
			}
			pairs, copies := m.over(), got()
			if len(copies) != 1 || len(pairs) != 1 {
				t.Fatalf("%d copies and %d pairs, want 1", len(copies), len(pairs))
			}
			c := copies[0]
			wantPath, wantBody := tc.wantPath, tc.wantBody
			if wantPath == "" {
				wantPath = tc.path
			}
			if wantBody == "" {
				wantBody = tc.body
			}
			if c.method != tc.method || c.target != "/base"+wantPath || c.body != wantBody {
				t.Errorf("copy is %s %s with %d bytes, want %s %s with %d", c.method, c.target, len(c.body), tc.method, wantPath, len(wantBody))
			}
			for name, want := range map[string]string{
				"X-Headgate-Shadow": "true", "X-Headgate-Experiment": "shop/ranker", "X-Headgate-Version": "v2", "X-Headgate-Other": "",
				"X-User-Id": "anna", "Cookie": "a=b", "X-Request-Id": "r-1", "Ce-Id": "c-1", "Seldon-Puid": "p-1", "Accept-Encoding": "gzip",
				"X-Hop": "", "X-Envoy-Expected-Rq-Timeout-Ms": "", "X-Forwarded-For": "127.0.0.1",
			} {
				if got := c.header.Get(name); got != want {
					t.Errorf("%s is %q, want %q", name, got, want)
				}
			}
		})
	}
}

func TestNobodyElseMarksCopies(t *testing.T) {
	primary, got := recording(t, "{}")
	candidate, copies := recording(t, "{}")
	m := newMirrored(t, nil, primary, candidate)
	a := m.ask(t, "POST", "/", "{}", "X-Headgate-Shadow", "true")
	m.over()
	if h := got()[0].header; h.Get(headerShadow) != "" {
		t.Errorf("the baseline got a mark: %v", h)
	}
	if len(copies()) != 0 || m.copies(t, copyUnfit) != 1 {
		t.Errorf("a request that is said to be a copy was copied: %d", len(copies()))
	}
	if a.Header.Get(headerShadow) != "" {
		t.Errorf("the client got a mark: %v", a.Header)
	}
}

func TestUsersNeverMeetTheShadow(t *testing.T) {
	release, inside := make(chan struct{}), make(chan struct{})
	primary := backend(t, func(w http.ResponseWriter, _ *http.Request) {
		close(inside)
		<-release
		http.SetCookie(w, &http.Cookie{Name: "primary", Value: "yes"})
		io.WriteString(w, `{"from":"primary"}`)
	})
	candidate, copies := recording(t, `{"from":"shadow"}`)
	m := newMirrored(t, nil, primary, candidate)
	done := make(chan answer)
	go func() { done <- m.ask(t, "POST", "/", "{}") }()
	<-inside
	if n := len(copies()); n != 0 || m.shadows.kept.held.Load() == 0 {
		t.Errorf("%d copies were sent before the answer", n)
	}
	close(release)
	a := <-done
	if a.body != `{"from":"primary"}` || a.Header.Get(headerVersion) != "v1" || len(a.Cookies()) != 1 || a.Cookies()[0].Name != "primary" {
		t.Errorf("the client got %q and %v", a.body, a.Header)
	}
	if pairs := m.over(); len(pairs) != 1 || len(copies()) != 1 {
		t.Errorf("%d pairs of %d copies, want 1", len(pairs), len(copies()))
	}
}

func TestOnlyWhatBelongsToTheExperimentIsCopied(t *testing.T) {
	segments := func(r *experiment.Route) {
		r.Segments = twoSegments()
		r.Where = experiment.Where{{Segment: "tier", In: []string{"premium"}}}
	}
	for name, tc := range map[string]struct {
		change func(r *experiment.Route)
		header []string
		want   int
	}{
		"in where":         {segments, []string{"X-User-Id", "u", "X-Tier", "premium"}, 1},
		"outside":          {segments, []string{"X-User-Id", "u", "X-Tier", "free"}, 0},
		"without a unit":   {func(*experiment.Route) {}, nil, 0},
		"share of none":    {func(r *experiment.Route) { r.Mirror.Share = 0 }, []string{"X-User-Id", "u"}, 0},
		"copied by others": {func(r *experiment.Route) { r.Mirror.ByEvents = true }, []string{"X-User-Id", "u"}, 0},
		"no candidate":     {func(r *experiment.Route) { r.Mirror.Versions = nil }, []string{"X-User-Id", "u"}, 0},
		"a candidate's":    {func(r *experiment.Route) { r.Slots = experiment.SlotsOf(onlyCandidate()) }, []string{"X-User-Id", "u"}, 0},
		"chosen by the client": {
			func(r *experiment.Route) { r.Assignment.Cohort = "x-cohort" },
			[]string{"X-Cohort", "v1"},
			1,
		},
		"a tester's": {
			func(r *experiment.Route) {
				r.Assignment.Overrides = []experiment.Override{{Header: "x-test", Value: "1", Version: 0}}
			}, []string{"X-User-Id", "u", "X-Test", "1"}, 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			candidate, _ := recording(t, "{}")
			m := newMirrored(t, tc.change, named(t, "one"), candidate)
			ask(t, m.client, "POST", m.url, "{}", tc.header...)
			if got := m.over(); len(got) != tc.want {
				t.Errorf("%d pairs, want %d", len(got), tc.want)
			}
		})
	}
}

func TestFallenBackRequestsMakeNoPair(t *testing.T) {
	candidate, copies := recording(t, "{}")
	m := newMirrored(t, func(r *experiment.Route) {
		r.Slots = experiment.SlotsOf(experiment.Shares{0, experiment.Whole, 0})
		r.Mirror.Versions = []int{2}
	}, named(t, "one"), closedPort(t), candidate)
	if a := m.ask(t, "POST", "/", "{}"); a.Header.Get("X-Backend") != "one" {
		t.Fatalf("answered by %q", a.Header.Get("X-Backend"))
	}
	if got := m.over(); len(got) != 0 || len(copies()) != 0 {
		t.Errorf("%d pairs of %d copies, want none", len(got), len(copies()))
	}
}

func TestEveryCandidateGetsEachRequestUnderOneID(t *testing.T) {
	two, gotTwo := recording(t, "{}")
	three, gotThree := recording(t, "{}")
	m := newMirrored(t, func(r *experiment.Route) { r.Segments = twoSegments() }, named(t, "one"), two, three)
	long := strings.Repeat("r", experiment.MaxPairID)
	for _, header := range [][]string{
		{"X-Request-Id", "r-1", "X-Tier", "premium"},
		{"X-Request-Id", "r-1"},
		{"Ce-Id", "c-1", "Seldon-Puid", "p"},
		{"Seldon-Puid", "p-1"},
		{"X-Request-Id", long},
		{"X-Request-Id", long + "r"},
		{"X-Request-Id", "a b"},
		nil,
	} {
		m.ask(t, "POST", "/", "{}", header...)
	}
	pairs := m.over()
	if len(gotTwo()) != 8 || len(gotThree()) != 8 || len(pairs) != 16 {
		t.Fatalf("%d and %d copies, %d pairs", len(gotTwo()), len(gotThree()), len(pairs))
	}
	of := make(map[string][]int)
	prefixes := make(map[string]int)
	for _, p := range pairs {
		of[p.ID] = append(of[p.ID], p.Version)
		if len(p.ID) > experiment.MaxPairID || !headerValue(p.ID) {
			t.Errorf("id %q", p.ID)
		}
		prefix, _, _ := strings.Cut(p.ID, ".")
		prefixes[prefix]++
		want := experiment.Pair{
			Experiment: "shop/ranker", Epoch: 1, Phase: 1, Version: p.Version, ID: p.ID, At: p.At,
			Unit: testKey(t).HashUnit("anna"), Groups: p.Groups, Compared: []experiment.Compared{},
		}
		if diff := cmp.Diff(want, p); diff != "" || p.At.IsZero() {
			t.Errorf("pair (-want +got):\n%s", diff)
		}
		if premium := groupOf(p.Groups, 0) == 2; premium && prefix != "r-1" {
			t.Errorf("groups of %s are %x", p.ID, p.Groups)
		}
	}
	for id, versions := range of {
		if slices.Sort(versions); !slices.Equal(versions, []int{1, 2}) {
			t.Errorf("%s is of versions %v", id, versions)
		}
	}
	if len(of) != 8 || prefixes["r-1"] != 4 || prefixes["c-1"] != 2 || prefixes["p-1"] != 2 || prefixes[long[:51]] != 2 {
		t.Errorf("ids begin with %v", prefixes)
	}
}

func TestShareIsDrawnByUnitAndMoment(t *testing.T) {
	const n = 20_000
	drawn := func(share experiment.Share) map[int]bool {
		m := &mirror{share: share}
		out := make(map[int]bool)
		for i := range n {
			c := call{hash: mix(uint64(i % 100)), started: epochStart.Add(time.Duration(i) * time.Millisecond)}
			if m.draws(&c) {
				out[i] = true
			}
		}
		return out
	}
	tenth, half := drawn(1000), drawn(5000)
	for i := range tenth {
		if !half[i] {
			t.Fatalf("request %d is in a tenth and not in a half", i)
		}
	}
	for _, tc := range []struct {
		share float64
		got   int
	}{{0.1, len(tenth)}, {0.5, len(half)}} {
		if d := math.Abs(float64(tc.got) - n*tc.share); d > 5*math.Sqrt(n*tc.share*(1-tc.share)) {
			t.Errorf("share %v drew %d of %d", tc.share, tc.got, n)
		}
	}
	if len(drawn(0)) != 0 || len(drawn(experiment.Whole)) != n {
		t.Error("nothing or everything is not what it says")
	}
}

func TestMirrorsThatCannotBeAreRefused(t *testing.T) {
	pairs := func(m experiment.Metric) func(m *experiment.MirrorRoute) {
		return func(r *experiment.MirrorRoute) { r.Pairs = []experiment.Metric{m} }
	}
	for name, tc := range map[string]struct {
		change func(m *experiment.MirrorRoute)
		says   string // empty: it is served
	}{
		"a good one":          {func(*experiment.MirrorRoute) {}, ""},
		"no time-out":         {func(m *experiment.MirrorRoute) { m.Timeout = 0 }, ""},
		"a negative share":    {func(m *experiment.MirrorRoute) { m.Share = -1 }, "share -1"},
		"more than the whole": {func(m *experiment.MirrorRoute) { m.Share = experiment.Whole + 1 }, "share 10001"},
		"the baseline":        {func(m *experiment.MirrorRoute) { m.Versions = []int{0} }, "version 0 of 2"},
		"one that is not":     {func(m *experiment.MirrorRoute) { m.Versions = []int{2} }, "version 2 of 2"},
		"one twice":           {func(m *experiment.MirrorRoute) { m.Versions = []int{1, 1} }, "each once"},
		"a negative rate":     {func(m *experiment.MirrorRoute) { m.Rate = -1 }, "rate -1"},
		"no rate at all":      {func(m *experiment.MirrorRoute) { m.Rate = math.NaN() }, "rate NaN"},
		"negative copies":     {func(m *experiment.MirrorRoute) { m.Concurrency = -1 }, "concurrency -1"},
		"a negative time-out": {func(m *experiment.MirrorRoute) { m.Timeout = -1 }, "time-out -1"},
		"another metric":      {pairs(experiment.Metric{Name: "clicks"}), "not of pairs"},
		"an expression":       {pairs(experiment.Metric{Name: "same", Pairs: &experiment.PairsMetric{Compare: experiment.CompareJSON, Value: ".["}}), "same"},
	} {
		t.Run(name, func(t *testing.T) {
			g := testGateway(t, Options{})
			r := routeTo(experiment.Baseline(2), "http://127.0.0.1:1", "http://127.0.0.1:2")
			r.Mirror = &experiment.MirrorRoute{Share: 100, Versions: []int{1}, Timeout: time.Second}
			tc.change(r.Mirror)
			err := g.Swap(&experiment.Snapshot{Sequence: 1, Routes: []experiment.Route{r}})
			if tc.says == "" && err != nil || tc.says != "" && (experiment.CodeOf(err) != experiment.CodeInvalid || !strings.Contains(fmt.Sprint(err), tc.says)) {
				t.Errorf("Swap = %v, want %q", err, tc.says)
			}
		})
	}
	if !slices.Contains(Capabilities(), experiment.CapMirror) {
		t.Error("the gateway does not say that it mirrors")
	}
}

func TestRequestsOutsideOfTheShareDoNotAllocate(t *testing.T) {
	c := newClocked(t)
	r := measured()
	r.Slots = experiment.SlotsOf(experiment.Baseline(2))
	r.Mirror = &experiment.MirrorRoute{Share: 1, Versions: []int{1}, Timeout: time.Second}
	swap(t, c.Gateway, r)
	x := requestOf(t, "X-User-Id", "user-12345")
	c.at(12_345 * time.Microsecond) // One of the 9,999 moments of 10,000.
	var k call
	if n := testing.AllocsPerRun(1000, func() {
		k = call{}
		c.admit(&k, x)
		c.finish(&k, ending{status: 200})
	}); n != 0 || k.original != nil {
		t.Errorf("%v allocations per request, want 0 (copied: %t)", n, k.original != nil)
	}
}
