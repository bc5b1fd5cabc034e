// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// reading is a route with a metric of each kind, all answers looked at.
func readingRoute(backends ...string) experiment.Route {
	r := routeTo(onlyCandidate(), backends...)
	r.Answers = []experiment.Answer{
		{Metric: "share", Sum: "[.items[]|select(.premium)]|length", Count: ".items|length", Sample: experiment.Whole},
		{Metric: "queue", Header: "x-queue", Sample: experiment.Whole},
		{Metric: "tokens", Sum: ".usage.tokens", Sample: experiment.Whole},
	}
	return r
}

// allHeard waits until no answer waits to be evaluated.
func allHeard(g *Gateway) {
	for {
		g.answers.mu.Lock()
		left := g.answers.running + len(g.answers.waiting)
		g.answers.mu.Unlock()
		if left == 0 {
			return
		}
		runtime.Gosched()
	}
}

func packed(t testing.TB, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func pairOf(sum, count float64) stats.Pair {
	var p stats.Pair
	p.Add(sum, count)
	return p
}

func TestAnswersAreRead(t *testing.T) {
	const good = `{"items":[{"premium":true},{"premium":false},{}],"usage":{"tokens":12.5}}`
	all := "read"
	for name, tc := range map[string]struct {
		method string
		status int
		kind   string // application/json if empty
		coding string
		queue  string
		body   string
		pieces int // flushes in between: chunked
		// found is what came of the metrics of bodies, "" for no answer at all;
		// share and tokens overrule it.
		found, share, tokens, inHeader string
	}{
		"plain":                             {body: good, queue: "0.25", found: all, inHeader: all},
		"with a charset":                    {body: good, kind: "application/json; charset=utf-8", found: all, inHeader: "invalid"},
		"of a suffix":                       {body: good, kind: "application/problem+json", found: all, inHeader: "invalid"},
		"created":                           {status: 201, body: good, found: all, inHeader: "invalid"},
		"in pieces":                         {body: good, pieces: 7, found: all, inHeader: "invalid"},
		"packed":                            {body: packed(t, good), coding: "gzip", found: all, inHeader: "invalid"},
		"packed in pieces":                  {body: packed(t, good), coding: "X-Gzip", pieces: 5, found: all, inHeader: "invalid"},
		"said to be plain":                  {body: good, coding: "identity", found: all, inHeader: "invalid"},
		"long":                              {body: good + strings.Repeat(" ", maxAnswerBody-len(good)), found: all, inHeader: "invalid"},
		"header is no number":               {body: good, queue: "soon", found: all, inHeader: "invalid"},
		"header is not finite":              {body: good, queue: "inf", found: all, inHeader: "invalid"},
		"header with blanks":                {body: good, queue: " 1 ", found: all, inHeader: all},
		"no number":                         {body: `{"items":[],"usage":{"tokens":"many"}}`, share: all, tokens: "invalid", inHeader: "invalid"},
		"something else":                    {body: `[1,2]`, found: "invalid", inHeader: "invalid"},
		"no JSON":                           {body: `{"items"`, found: "invalid", inHeader: "invalid"},
		"two values":                        {body: good + good, found: "invalid", inHeader: "invalid"},
		"deep":                              {body: strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000), found: "invalid", inHeader: "invalid"},
		"half a pack":                       {body: packed(t, good)[:30], coding: "gzip", found: "invalid", inHeader: "invalid"},
		"no pack":                           {body: good, coding: "gzip", found: "invalid", inHeader: "invalid"},
		"too large":                         {body: good + strings.Repeat(" ", maxAnswerBody), queue: "1", found: "too_large", inHeader: all},
		"too large in pieces":               {body: good + strings.Repeat(" ", maxAnswerBody), pieces: 3, found: "too_large", inHeader: "invalid"},
		"too large unpacked":                {body: packed(t, good+strings.Repeat(" ", maxAnswerBody)), coding: "gzip", found: "too_large", inHeader: "invalid"},
		"text":                              {body: good, kind: "text/plain", queue: "2", found: "unfit", inHeader: all},
		"another coding":                    {body: good, coding: "br", found: "unfit", inHeader: "invalid"},
		"a stream":                          {body: "data: {}\n\n", kind: "text/event-stream", pieces: 2, share: "invalid", tokens: "unfit", inHeader: "invalid"},
		"a stream that ends with the usage": {body: "data: {\"items\":[]}\n\ndata: " + good + "\n\ndata: [DONE]\n\n", kind: "text/event-stream; charset=utf-8", pieces: 4, found: all, inHeader: "invalid"},
		"nothing":                           {status: 204, found: "unfit", inHeader: "invalid"},
		"to HEAD":                           {method: "HEAD", queue: "2", found: "unfit", inHeader: all},
		"not there":                         {status: 404, body: good, queue: "1"},
		"failed":                            {status: 500, body: good, queue: "1"},
		"elsewhere":                         {status: 302, body: good, queue: "1"},
		"not what it came to be":            {status: 200, body: good, found: all, inHeader: "invalid", queue: "1e101"},
	} {
		t.Run(name, func(t *testing.T) {
			model := backend(t, func(w http.ResponseWriter, _ *http.Request) {
				h := w.Header()
				h.Set("Content-Type", tc.kind)
				if tc.kind == "" {
					h.Set("Content-Type", "application/json")
				}
				if tc.coding != "" {
					h.Set("Content-Encoding", tc.coding)
				}
				if tc.queue != "" {
					h.Set("X-Queue", tc.queue)
				}
				if tc.pieces == 0 && tc.status != 204 {
					h.Set("Content-Length", strconv.Itoa(len(tc.body)))
				}
				if tc.status != 0 {
					w.WriteHeader(tc.status)
				}
				body := tc.body
				for range tc.pieces {
					n := len(body) / tc.pieces
					io.WriteString(w, body[:n])
					w.(http.Flusher).Flush()
					body = body[n:]
				}
				io.WriteString(w, body)
			})
			reg := prometheus.NewRegistry()
			g := testGateway(t, Options{Registry: reg})
			r := readingRoute(model, model)
			swap(t, g, r)
			url, client := serving(t, g)
			client.Transport.(*tracked).DisableCompression = true
			method := "POST"
			if tc.method != "" {
				method = tc.method
			}
			client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
			if got := ask(t, client, method, url, "{}", "X-User-Id", "anna"); got.body != tc.body && method != "HEAD" {
				t.Errorf("the client got %d bytes, want the %d of the model", len(got.body), len(tc.body))
			}
			settled(client)
			allHeard(g)
			queue, _ := strconv.ParseFloat(strings.TrimSpace(tc.queue), 64)
			cells := sealAll(t, g, r)
			for _, m := range []struct {
				name, found, own string
				value            stats.Pair
			}{{"share", tc.share, tc.found, shareOf(tc.body)}, {"tokens", tc.tokens, tc.found, pairOf(12.5, 1)}, {"queue", tc.inHeader, "", pairOf(queue, 1)}} {
				found := m.found
				if found == "" {
					found = m.own
				}
				var want experiment.Evidence
				switch found {
				case "":
				case all:
					want = experiment.Evidence{Counts: stats.Counts{N: 1}, Units: m.value}
				default:
					want = experiment.Evidence{Counts: stats.Counts{N: 1, X: 1}}
				}
				if diff := cmp.Diff(want, count(cells, 1, m.name)); diff != "" {
					t.Errorf("%s (-want +got):\n%s", m.name, diff)
				}
				for f := range findings {
					want := 0.0
					if f.String() == found {
						want = 1
					}
					if got := metric(t, reg, "headgate_gateway_answers_total", "metric", m.name, "version", "v2", "result", f.String()); got != want {
						t.Errorf("%s: %v %s, want %v", m.name, got, f, want)
					}
				}
			}
			if got := count(cells, 0, "share"); got.Counts.N != 0 {
				t.Errorf("the baseline has %+v", got)
			}
			if held := g.answers.held.Load(); held != 0 {
				t.Errorf("%d bytes are still held", held)
			}
		})
	}
}

// shareOf is what the metric share is of the answers above.
func shareOf(body string) stats.Pair {
	if strings.HasPrefix(body, `{"items":[],`) {
		return pairOf(0, 0)
	}
	return pairOf(1, 3)
}

func TestAnswersAreReadInSlices(t *testing.T) {
	model := backend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Queue", r.Header.Get("X-Ask"))
		fmt.Fprintf(w, `{"usage":{"tokens":%s},"items":[{}]}`, r.Header.Get("X-Ask"))
	})
	g := testGateway(t, Options{})
	r := readingRoute(model, model)
	r.Segments = twoSegments()
	swap(t, g, r)
	url, client := serving(t, g)
	want := make(map[string]*stats.Pair)
	for i := range 60 {
		tier := []string{"free", "plus", "premium", "odd"}[i%4]
		n := strconv.Itoa(i)
		ask(t, client, "POST", url, "{}", "X-User-Id", n, "X-Tier", tier, "X-Sessions", n, "X-Ask", n)
		group := "sessions=>=10"
		switch {
		case i < 1:
			group = "sessions=<1"
		case i < 10:
			group = "sessions=1..10"
		}
		if tier == "odd" {
			tier = "other"
		}
		for _, slice := range []string{"", "tier=" + tier, group} {
			if want[slice] == nil {
				want[slice] = new(stats.Pair)
			}
			want[slice].Add(float64(i), 1)
		}
	}
	settled(client)
	allHeard(g)
	for _, name := range []string{"tokens", "queue"} {
		got := make(map[string]*stats.Pair)
		for _, c := range sealAll(t, g, r) {
			if c.Metric != name {
				continue
			}
			if c.Counts.N != c.Units.N || c.Counts.X != 0 {
				t.Errorf("%s of %q: %+v with %d units", name, c.Slice, c.Counts, c.Units.N)
			}
			if got[c.Slice] == nil {
				got[c.Slice] = new(stats.Pair)
			}
			*got[c.Slice] = got[c.Slice].Merge(c.Units)
		}
		near := cmp.Comparer(func(a, b float64) bool { return a == b || (a-b)*(a-b) < 1e-12*(a*a+b*b) })
		if diff := cmp.Diff(want, got, near); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestHalfAnAnswerIsNone: the request failed, and what came of its answer
// tells nothing of the model's answers.
func TestHalfAnAnswerIsNone(t *testing.T) {
	model := backend(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Queue", "1")
		w.Header().Set("Content-Length", "100")
		io.WriteString(w, `{"usage":{"tokens":1}}`)
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	g := testGateway(t, Options{})
	r := readingRoute(model, model)
	swap(t, g, r)
	url, client := serving(t, g)
	req, _ := http.NewRequestWithContext(t.Context(), "POST", url, strings.NewReader("{}"))
	req.Header.Set("X-User-Id", "anna")
	res, err := client.Do(req)
	if err == nil {
		_, err = io.ReadAll(res.Body)
		res.Body.Close()
	}
	if err == nil {
		t.Fatal("the answer is whole")
	}
	settled(client)
	allHeard(g)
	cells := sealAll(t, g, r)
	if got := count(cells, 1, experiment.CellRequests).Counts; got != (stats.Counts{N: 1, X: 1}) {
		t.Errorf("requests = %+v, want one that failed", got)
	}
	for _, m := range r.Answers {
		if got := count(cells, 1, m.Metric); got.Counts.N != 0 {
			t.Errorf("%s = %+v, want nothing", m.Metric, got)
		}
	}
	if held := g.answers.held.Load(); held != 0 {
		t.Errorf("%d bytes are still held", held)
	}
}

// TestAnswerInAnothersPlaceIsNone: what the baseline answers for a candidate
// is the candidate's failure and nobody's answer.
func TestAnswerInAnothersPlaceIsNone(t *testing.T) {
	model := backend(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"usage":{"tokens":1},"items":[]}`)
	})
	g := testGateway(t, Options{})
	r := readingRoute(model, closedPort(t))
	swap(t, g, r)
	url, client := serving(t, g)
	if got := ask(t, client, "POST", url, "{}", "X-User-Id", "anna"); got.StatusCode != 200 {
		t.Fatalf("status %d", got.StatusCode)
	}
	settled(client)
	allHeard(g)
	cells := sealAll(t, g, r)
	if got := count(cells, 1, experiment.CellRequests).Counts.X; got != 1 {
		t.Errorf("%d requests failed, want 1", got)
	}
	for v := range 2 {
		if got := count(cells, v, "tokens"); got.Counts.N != 0 {
			t.Errorf("version %d has %+v", v, got)
		}
	}
}

func TestSlowExpressionIsStopped(t *testing.T) {
	reg := prometheus.NewRegistry()
	g := testGateway(t, Options{Registry: reg})
	g.answers.within = evaluateWithin // As it is outside of tests.
	busyReaders(g)
	model := backend(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"n":3}`)
	})
	r := readingRoute(model, model)
	r.Answers = []experiment.Answer{
		{Metric: "slow", Sum: "last(repeat(.n))", Sample: experiment.Whole},
		{Metric: "quick", Sum: ".n", Sample: experiment.Whole},
	}
	swap(t, g, r)
	url, client := serving(t, g)
	ask(t, client, "POST", url, "{}", "X-User-Id", "anna")
	settled(client)
	if n := len(g.answers.waiting); n != 1 { // The client has its answer, whoever is slow.
		t.Errorf("%d answers wait to be evaluated, want 1", n)
	}
	inTime(g)
	cells := sealAll(t, g, r)
	if got := count(cells, 1, "slow"); got.Counts != (stats.Counts{N: 1, X: 1}) || got.Units.N != 0 {
		t.Errorf("slow = %+v", got)
	}
	if got := count(cells, 1, "quick"); got.Counts != (stats.Counts{N: 1}) || got.Units != pairOf(3, 1) {
		t.Errorf("quick = %+v", got)
	}
	if got := metric(t, reg, "headgate_gateway_answers_total", "result", "slow"); got != 1 {
		t.Errorf("%v slow, want 1", got)
	}
}

func TestSampleKnowsNothingOfTheVersion(t *testing.T) {
	a := []experiment.Answer{{Metric: "a", Sum: ".", Sample: 1000}, {Metric: "b", Sum: ".", Sample: 5000}, {Metric: "c", Sum: ".", Sample: experiment.Whole}}
	metrics, err := newAnswers(a)
	if err != nil {
		t.Fatal(err)
	}
	const n = 40_000
	var by [3]float64
	var bySlot [2]float64
	for i := range n {
		c := call{route: &route{answers: metrics}, hash: mix(uint64(i % 5000)), started: epochStart.Add(time.Duration(i) * time.Microsecond)}
		wants := c.sampled()
		c.version = 1
		if again := c.sampled(); again != wants {
			t.Fatalf("the sample depends on the version: %b and %b", wants, again)
		}
		if wants&1 != 0 && wants&2 == 0 || wants&4 == 0 {
			t.Fatalf("samples are not part of each other: %b", wants)
		}
		for m := range by {
			by[m] += float64(wants >> m & 1)
		}
		bySlot[c.hash>>63] += float64(wants >> 1 & 1)
	}
	for m, want := range []float64{0.1, 0.5, 1} {
		if got := by[m] / n; got < want-0.01 || got > want+0.01 {
			t.Errorf("metric %d samples %v, want %v", m, got, want)
		}
	}
	if d := (bySlot[0] - bySlot[1]) / n; d < -0.01 || d > 0.01 {
		t.Errorf("the sample leans towards a half of the slots by %v", d)
	}
}

func TestAnswersThatCannotBeReadAreRefused(t *testing.T) {
	good := experiment.Answer{Metric: "a", Sum: ".x", Sample: 1}
	for name, tc := range map[string]struct {
		answers []experiment.Answer
		want    string
	}{
		"no sum":           {[]experiment.Answer{{Metric: "a", Sample: 1}}, "want either"},
		"sum and header":   {[]experiment.Answer{{Metric: "a", Sum: ".", Header: "x", Sample: 1}}, "want either"},
		"count of headers": {[]experiment.Answer{{Metric: "a", Header: "x", Count: ".", Sample: 1}}, "want either"},
		"no sample":        {[]experiment.Answer{{Metric: "a", Sum: "."}}, "sample of more than 0"},
		"no expression":    {[]experiment.Answer{{Metric: "a", Sum: "]", Sample: 1}}, "jq"},
		"the clock":        {[]experiment.Answer{{Metric: "a", Sum: ".", Count: "now", Sample: 1}}, "uses now"},
		"no header":        {[]experiment.Answer{{Metric: "a", Header: "x y", Sample: 1}}, "no name of a header"},
		"twice":            {[]experiment.Answer{good, good}, "name of its own"},
		"a taken name":     {[]experiment.Answer{{Metric: "requests", Sum: ".", Sample: 1}}, "name of its own"},
		"without a name":   {[]experiment.Answer{{Sum: ".", Sample: 1}}, "name of its own"},
	} {
		t.Run(name, func(t *testing.T) {
			g := testGateway(t, Options{})
			r := readingRoute("http://127.0.0.1:1", "http://127.0.0.1:2")
			r.Answers = tc.answers
			err := g.Swap(&experiment.Snapshot{Sequence: 1, Routes: []experiment.Route{r}})
			if experiment.CodeOf(err) != experiment.CodeInvalid || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%v, want CodeInvalid with %q", err, tc.want)
			}
		})
	}
	t.Run("another expression in the same phase", func(t *testing.T) {
		g := testGateway(t, Options{})
		r := readingRoute("http://127.0.0.1:1", "http://127.0.0.1:2")
		swap(t, g, r)
		swap(t, g, r)
		r.Answers = append([]experiment.Answer{good}, r.Answers[1:]...)
		err := g.Swap(&experiment.Snapshot{Sequence: 9, Routes: []experiment.Route{r}})
		if experiment.CodeOf(err) != experiment.CodeConflict {
			t.Errorf("%v, want CodeConflict", err)
		}
	})
}

// FuzzAnswer checks that no body breaks the reading, and none is read beyond its
// bounds.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`{"items":[{"premium":true}],"usage":{"tokens":1}}`), false)
	f.Add([]byte(`{"items":null}`), false)
	f.Add([]byte(packed(f, `{"items":[1]}`)), true)
	f.Add([]byte(packed(f, "")), true)
	f.Add([]byte("\x1f\x8b"), true)
	f.Add([]byte(`1e999`), false)
	metrics, err := newAnswers(readingRoute("", "").Answers)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte, isPacked bool) {
		r := answerReader{sideline: sideline{life: t.Context()}}
		h := r.hearing()
		h.metrics, h.wants, h.packed = metrics, 1|1<<2, isPacked
		h.take(body)
		h.read()
		for _, got := range h.readings {
			if got.found == findingRead && (got.count < 0 || got.sum != got.sum) {
				t.Errorf("%+v of %q", got, body)
			}
		}
		r.forget(h)
		if r.held.Load() != 0 {
			t.Errorf("%d bytes are held", r.held.Load())
		}
	})
}
