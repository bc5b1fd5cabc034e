// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// predictingRoute reads all that there is to read, in every answer.
func predictingRoute(backends ...string) experiment.Route {
	r := routeTo(onlyCandidate(), backends...)
	r.Predictions = &experiment.PredictionsRoute{
		Predictions: experiment.Predictions{Sample: experiment.Whole, Features: []string{"age"}, Digests: []string{"X-Model-Hash"}},
		Classes:     true, Scores: true, Rows: true,
	}
	for _, kind := range []experiment.PredictionKind{
		experiment.InvalidOutput, experiment.EmptyOutput, experiment.NullOutput, experiment.AbsentFeatures, experiment.NullFeatures,
		experiment.FailedExplanations, experiment.OutputSize, experiment.MeanScore, experiment.ExplanationTime,
	} {
		r.Predictions.Metrics = append(r.Predictions.Metrics, experiment.PredictionAsk{Metric: string(kind), Kind: kind})
	}
	return r
}

// rows takes predictions.
type rows struct {
	mu  sync.Mutex
	all []experiment.Prediction
}

func (r *rows) take(p *experiment.Prediction) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, *p)
	return true
}

// byTime are the rows in the order of their requests.
func (r *rows) byTime() []experiment.Prediction {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.SortedStableFunc(slices.Values(r.all), func(a, b experiment.Prediction) int { return a.At.Compare(b.At) })
}

// predicted is what came of one answer.
type predicted struct {
	result  string // as the series have it; empty is that nothing was counted
	classes map[string]int64
	scores  stats.Scores
	mean    *float64
	// absent and null say what the request lacks, unread that nobody knows.
	absent, null, unread bool
	rows                 int
	class                string
	score                *float64
	digest               string // (none) if empty
}

func ptr(v float64) *float64 { return &v }

func negatives(values ...float64) stats.Scores {
	var s stats.Scores
	for _, v := range values {
		s.Add(v, false)
	}
	return s
}

const (
	oipPath    = "/v2/models/m/infer"
	kservePath = "/v1/models/m:predict"
	seldonPath = "/api/v1.0/predictions"
	chatPath   = "/v1/chat/completions"
)

func TestPredictionsAreRead(t *testing.T) {
	oipAsk := `{"inputs":[{"name":"age","shape":[1],"datatype":"FP32","data":[41]}]}`
	oip := `{"model_name":"m","outputs":[{"name":"label","shape":[1],"datatype":"BYTES","data":["cat"]},{"name":"score","shape":[1],"datatype":"FP32","data":[0.75]}]}`
	chunk := func(content string) string {
		return `data: {"choices":[{"index":0,"delta":{"content":"` + content + `"},"finish_reason":null}]}` + "\n\n"
	}
	for name, tc := range map[string]struct {
		path, ask, body, kind, coding, digest string
		method                                string
		status, pieces                        int
		change                                func(p *experiment.PredictionsRoute)
		want                                  predicted
	}{
		"OIP": {path: oipPath, ask: oipAsk, body: oip, digest: "sha256:1", want: predicted{
			result: "read", classes: map[string]int64{"cat": 1}, scores: negatives(0.75), mean: ptr(0.75), rows: 1, class: "cat", score: ptr(0.75), digest: "sha256:1",
		}},
		"OIP in pieces": {path: oipPath, ask: oipAsk, body: oip, pieces: 5, want: predicted{
			result: "read", classes: map[string]int64{"cat": 1}, scores: negatives(0.75), mean: ptr(0.75), rows: 1, class: "cat", score: ptr(0.75),
		}},
		"OIP packed": {path: oipPath, ask: oipAsk, body: packed(t, oip), coding: "gzip", want: predicted{
			result: "read", classes: map[string]int64{"cat": 1}, scores: negatives(0.75), mean: ptr(0.75), rows: 1, class: "cat", score: ptr(0.75),
		}},
		"KServe with three rows": {path: kservePath, ask: `{"instances":[{"age":1},{"age":2},{"age":3}]}`, body: `{"predictions":["a","b","a"]}`, want: predicted{
			result: "read", classes: map[string]int64{"a": 2, "b": 1}, rows: 1, class: "a",
		}},
		"KServe with scores": {path: kservePath, ask: `{"instances":[{"age":1},{"age":2}]}`, body: `{"predictions":[0.25,0.75]}`, want: predicted{
			result: "read", scores: negatives(0.25, 0.75), mean: ptr(0.5), rows: 1, score: ptr(0.25),
		}},
		"a feature is absent": {path: kservePath, ask: `{"instances":[{"size":1}]}`, body: `{"predictions":["a"]}`, want: predicted{
			result: "read", classes: map[string]int64{"a": 1}, rows: 1, class: "a", absent: true,
		}},
		"a feature is null": {path: kservePath, ask: `{"instances":[{"age":null}]}`, body: `{"predictions":["a"]}`, want: predicted{
			result: "read", classes: map[string]int64{"a": 1}, rows: 1, class: "a", null: true,
		}},
		"a request that is no JSON": {path: kservePath, ask: `age=3`, body: `{"predictions":["a"]}`, want: predicted{
			result: "read", classes: map[string]int64{"a": 1}, rows: 1, class: "a", unread: true,
		}},
		"a request too long to be read": {path: kservePath, ask: `{"instances":[{"age":1}],"pad":"` + strings.Repeat("x", maxBodyCopy) + `"}`, body: `{"predictions":["a"]}`, want: predicted{
			result: "read", classes: map[string]int64{"a": 1}, rows: 1, class: "a", unread: true,
		}},
		"Seldon": {path: seldonPath, ask: `{"data":{"names":["age"],"ndarray":[[3]]}}`, body: `{"data":{"names":["no","yes"],"ndarray":[[0.2,0.8]]},"meta":{"puid":"p-1"}}`, want: predicted{
			result: "read", classes: map[string]int64{"yes": 1}, scores: negatives(0.8), mean: ptr(0.8), rows: 1, class: "yes", score: ptr(0.8),
		}},
		"by expressions": {
			path: "/score", ask: `{"age":1}`, body: `{"out":[{"l":"x","p":0.5},{"l":"y","p":0.25}]}`,
			change: func(p *experiment.PredictionsRoute) {
				p.Protocol, p.Class, p.Score = experiment.ProtocolJSON, ".out[].l", ".out[].p"
			}, want: predicted{
				result: "read", classes: map[string]int64{"x": 1, "y": 1}, scores: negatives(0.25, 0.5), mean: ptr(0.375), rows: 1, class: "x", score: ptr(0.5),
			},
		},
		"OpenAI":           {path: chatPath, ask: `{"age":1}`, body: `{"choices":[{"index":0,"message":{"role":"assistant","content":"Hello"},"finish_reason":"stop"}],"usage":{"total_tokens":3}}`, want: predicted{result: "read", rows: 1}},
		"OpenAI in events": {path: chatPath, ask: `{"age":1}`, kind: "text/event-stream", pieces: 3, body: chunk("Hel") + chunk("lo") + "data: [DONE]\n\n", want: predicted{result: "read", rows: 1}},
		"OpenAI says nothing, in events": {path: chatPath, ask: `{"age":1}`, kind: "text/event-stream", body: chunk("") + "data: [DONE]\n\n", want: predicted{
			result: "empty",
		}},
		"events that are no JSON": {path: chatPath, ask: `{"age":1}`, kind: "text/event-stream", body: "data: {\n\n", want: predicted{result: "invalid"}},
		"nothing predicted":       {path: kservePath, ask: `{"instances":[{"age":1}]}`, body: `{"predictions":[]}`, want: predicted{result: "empty"}},
		"no body":                 {path: kservePath, ask: `{"instances":[{"age":1}]}`, status: 204, want: predicted{result: "empty"}},
		"null":                    {path: kservePath, ask: `{"instances":[{"age":1}]}`, body: `{"predictions":[null]}`, want: predicted{result: "null"}},
		"no number":               {path: kservePath, ask: `{"instances":[{"age":1}]}`, body: `{"predictions":[NaN]}`, want: predicted{result: "null"}},
		"not what it should be":   {path: kservePath, ask: `{"instances":[{"age":1}]}`, body: `{"detail":"model is loading"}`, want: predicted{result: "invalid"}},
		"garbage":                 {path: kservePath, ask: `{"instances":[{"age":1}]}`, body: `{"predictions":`, want: predicted{result: "invalid"}},
		"a page":                  {path: kservePath, ask: `{"instances":[{"age":1}]}`, body: `<html>`, kind: "text/html", want: predicted{result: "invalid"}},
		"no pack":                 {path: kservePath, ask: `{"instances":[{"age":1}]}`, body: `{"predictions":["a"]}`, coding: "gzip", want: predicted{result: "invalid"}},
		"tensors":                 {path: oipPath, ask: oipAsk, body: "\x00\x01", kind: "application/octet-stream", want: predicted{result: "unfit"}},
		"another coding":          {path: oipPath, ask: oipAsk, body: "\x00\x01", coding: "br", want: predicted{result: "unfit"}},
		"too large":               {path: kservePath, ask: `{"instances":[{"age":1}]}`, body: `{"predictions":["a"]}` + strings.Repeat(" ", maxAnswerBody), want: predicted{result: "too_large"}},
		"too large unpacked": {path: kservePath, ask: `{"instances":[{"age":1}]}`, body: packed(t, `{"predictions":["a"]}`+strings.Repeat(" ", maxAnswerBody)), coding: "gzip", want: predicted{
			result: "too_large",
		}},
		"failed":                  {path: kservePath, ask: `{"instances":[{"age":1}]}`, status: 500, body: `{}`},
		"not there":               {path: kservePath, ask: `{"instances":[{"age":1}]}`, status: 404, body: `{}`},
		"not asked for":           {path: "/v1/models/m", method: "GET", body: `{"name":"m","ready":true}`},
		"asked for by its header": {path: "/v1/models/m", method: "HEAD"},
	} {
		t.Run(name, func(t *testing.T) {
			model := backend(t, func(w http.ResponseWriter, r *http.Request) {
				io.Copy(io.Discard, r.Body)
				h := w.Header()
				h.Set("Content-Type", cmp.Or(tc.kind, "application/json"))
				if tc.coding != "" {
					h.Set("Content-Encoding", tc.coding)
				}
				if tc.digest != "" {
					h.Set("X-Model-Hash", tc.digest)
				}
				if tc.pieces == 0 && tc.status != 204 {
					h.Set("Content-Length", strconv.Itoa(len(tc.body)))
				}
				w.WriteHeader(cmp.Or(tc.status, 200))
				body := tc.body
				for range tc.pieces {
					n := len(body) / tc.pieces
					io.WriteString(w, body[:n])
					w.(http.Flusher).Flush()
					body = body[n:]
				}
				io.WriteString(w, body)
			})
			var got rows
			reg := prometheus.NewRegistry()
			g := testGateway(t, Options{Registry: reg, Predicted: got.take})
			r := predictingRoute(model, model)
			if tc.change != nil {
				tc.change(r.Predictions)
			}
			swap(t, g, r)
			url, client := serving(t, g)
			client.Transport.(*tracked).DisableCompression = true
			a := ask(t, client, cmp.Or(tc.method, "POST"), url+tc.path, tc.ask, "X-User-Id", "anna", "X-Request-Id", "r-1", "Content-Type", "application/json")
			if a.body != tc.body {
				t.Errorf("the client got %d bytes, want the %d of the model", len(a.body), len(tc.body))
			}
			settled(client)
			allHeard(g)
			cells := sealAll(t, g, r)
			checkPredicted(t, g, cells, &tc.want, len(tc.body), tc.status >= 300)
			checkRows(t, g, got.byTime(), &tc.want, a)
			for _, result := range []string{"read", "invalid", "empty", "null", "unfit", "invalid", "too_large", "slow", "dropped", "late"} {
				want := 0.0
				if result == tc.want.result {
					want = 1
				}
				if got := metric(t, reg, "headgate_gateway_predictions_total", "version", "v2", "result", result); got != want {
					t.Errorf("%v are %s, want %v", got, result, want)
				}
			}
			if held := g.answers.held.Load() + g.copies.held.Load(); held != 0 {
				t.Errorf("%d bytes are still held", held)
			}
		})
	}
}

// checkPredicted checks the cells of one answer.
func checkPredicted(t *testing.T, g *Gateway, cells []experiment.Cell, want *predicted, size int, failed bool) {
	t.Helper()
	share := func(kind experiment.PredictionKind, counted, hit bool) {
		var c stats.Counts
		if counted {
			c.N = 1
		}
		if counted && hit {
			c.X = 1
		}
		if diff := gocmp.Diff(experiment.Evidence{Counts: c}, count(cells, 1, string(kind))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", kind, diff)
		}
	}
	predicts := want.result != ""
	told := predicts && want.result != "unfit" && want.result != "too_large"
	share(experiment.InvalidOutput, told, want.result == "invalid")
	share(experiment.EmptyOutput, told, want.result == "empty")
	share(experiment.NullOutput, told, want.result == "null")
	share(experiment.AbsentFeatures, predicts && !want.unread, want.absent)
	share(experiment.NullFeatures, predicts && !want.unread, want.null)
	share(experiment.FailedExplanations, false, false)
	share(experiment.ExplanationTime, false, false)
	mean := func(kind experiment.PredictionKind, value *float64) {
		var e experiment.Evidence
		switch {
		case predicts && value != nil:
			e = experiment.Evidence{Counts: stats.Counts{N: 1}, Units: pairOf(*value, 1)}
		case predicts:
			e.Counts = stats.Counts{N: 1, X: 1}
		}
		if diff := gocmp.Diff(e, count(cells, 1, string(kind))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", kind, diff)
		}
	}
	mean(experiment.OutputSize, ptr(float64(size)))
	mean(experiment.MeanScore, want.mean)
	digests := stats.CategoriesOf(map[string]int64{cmp.Or(want.digest, "(none)"): 1})
	if failed {
		digests = nil
	}
	for name, e := range map[string]experiment.Evidence{
		experiment.CellClasses:                 {Categories: stats.CategoriesOf(want.classes)},
		experiment.CellScores:                  {Scores: want.scores},
		experiment.CellDigest + "x-model-hash": {Categories: digests},
	} {
		if diff := gocmp.Diff(e, count(cells, 1, name)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	for _, c := range cells {
		if c.Version == 0 {
			t.Errorf("the baseline has %+v", c)
		}
	}
}

// checkRows checks that a row says what the answer does, under the exposure that
// its token names.
func checkRows(t *testing.T, g *Gateway, got []experiment.Prediction, want *predicted, a answer) {
	t.Helper()
	if len(got) != want.rows {
		t.Fatalf("%d rows, want %d", len(got), want.rows)
	}
	if want.rows == 0 {
		return
	}
	e, err := g.options.Key.Open("shop/ranker", a.Header.Get(headerExposure))
	if err != nil {
		t.Fatal(err)
	}
	row := experiment.Prediction{Exposure: e, Request: g.options.Key.HashUnit("r-1"), Class: want.class, Score: want.score}
	if diff := gocmp.Diff([]experiment.Prediction{row}, got); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

// TestPredictionsInSlicesSumToTheWhole sends answers of every kind, and counts
// them by hand.
func TestPredictionsInSlicesSumToTheWhole(t *testing.T) {
	model := backend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Model-Hash", "m"+r.Header.Get("X-Hash"))
		io.WriteString(w, r.Header.Get("X-Answer"))
	})
	var got rows
	reg := prometheus.NewRegistry()
	g := testGateway(t, Options{Registry: reg, Predicted: got.take})
	r := predictingRoute(model, model)
	r.Slots = experiment.SlotsOf(experiment.Shares{5000, 5000})
	r.Segments = twoSegments()
	swap(t, g, r)
	url, client := serving(t, g)
	type key struct {
		version       int
		metric, slice string
	}
	want := make(map[key]stats.Counts)
	classes := make([]map[string]int64, 2)
	digests := make([]map[string]int64, 2)
	tokens := make(map[experiment.Exposure]bool)
	answers := []string{`{"predictions":["a"]}`, `{"predictions":["b"]}`, `{"predictions":[]}`, `{"predictions":[null]}`, `{"detail":1}`}
	for i := range 120 {
		tier, class := []string{"free", "plus", "premium"}[i%3], i%len(answers)
		a := ask(t, client, "POST", url+kservePath, `{"instances":[{"age":1}]}`, "X-User-Id", fmt.Sprint(i), "X-Tier", tier, "X-Sessions", "3", "X-Answer", answers[class], "X-Hash", fmt.Sprint(i%2))
		v := int(a.Header.Get(headerVersion)[1] - '1')
		if classes[v] == nil {
			classes[v], digests[v] = make(map[string]int64), make(map[string]int64)
		}
		digests[v][fmt.Sprintf("m%d", i%2)]++
		if class < 2 {
			classes[v][string(rune('a'+class))]++
			e, err := g.options.Key.Open("shop/ranker", a.Header.Get(headerExposure))
			if err != nil {
				t.Fatal(err)
			}
			tokens[e] = true
		}
		for _, slice := range []string{"", "tier=" + tier, "sessions=1..10"} {
			for metric, hit := range map[string]bool{"empty": class == 2, "null": class == 3, "invalid": class == 4, "absent-features": false} {
				c := want[key{v, metric, slice}]
				c.N++
				if hit {
					c.X++
				}
				want[key{v, metric, slice}] = c
			}
		}
	}
	settled(client)
	allHeard(g)
	cells := sealAll(t, g, r)
	counted := make(map[key]stats.Counts)
	for _, c := range cells {
		k := key{c.Version, c.Metric, c.Slice}
		if _, ok := want[k]; ok {
			counted[k] = counted[k].Merge(c.Counts)
		}
		if c.Slice != "" && (c.Categories != nil || c.Scores != nil) {
			t.Errorf("%s of the slice %s", c.Metric, c.Slice)
		}
	}
	if diff := gocmp.Diff(want, counted); diff != "" {
		t.Errorf("cells (-want +got):\n%s", diff)
	}
	for v := range 2 {
		if diff := gocmp.Diff(stats.CategoriesOf(classes[v]), count(cells, v, experiment.CellClasses).Categories); diff != "" {
			t.Errorf("classes of version %d (-want +got):\n%s", v, diff)
		}
		if diff := gocmp.Diff(stats.CategoriesOf(digests[v]), count(cells, v, experiment.CellDigest+"x-model-hash").Categories); diff != "" {
			t.Errorf("digests of version %d (-want +got):\n%s", v, diff)
		}
		if a := metric(t, reg, "headgate_gateway_predicted_class_total", "version", fmt.Sprintf("v%d", v+1), "class", "a"); a != float64(classes[v]["a"]) {
			t.Errorf("the series has %v of class a, want %d", a, classes[v]["a"])
		}
	}
	exposed := make(map[experiment.Exposure]bool)
	for _, row := range got.byTime() {
		exposed[row.Exposure] = true
	}
	if diff := gocmp.Diff(tokens, exposed); diff != "" {
		t.Errorf("the rows are not of the exposures that tokens name (-want +got):\n%s", diff)
	}
}

func TestExplanationsAreCountedApart(t *testing.T) {
	model := backend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		code, _ := strconv.Atoi(r.Header.Get("X-Code"))
		w.WriteHeader(code)
		io.WriteString(w, `{"explanations":[]}`)
	})
	var got rows
	now := epochStart
	var mu sync.Mutex
	g := testGateway(t, Options{Predicted: got.take, Now: func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(250 * time.Millisecond) // Between admission and end.
		return now
	}})
	r := predictingRoute(model, model)
	swap(t, g, r)
	url, client := serving(t, g)
	for _, code := range []int{200, 200, 500, 501, 404} {
		ask(t, client, "POST", url+"/v1/models/m:explain", `{"instances":[{}]}`, "X-User-Id", "anna", "X-Code", strconv.Itoa(code))
		settled(client)
	}
	allHeard(g)
	cells := sealAll(t, g, r)
	if got := count(cells, 1, "failed-explanations"); got.Counts != (stats.Counts{N: 5, X: 3}) || got.Units.N != 0 {
		t.Errorf("failed explanations: %+v", got)
	}
	if got := count(cells, 1, "explanation-time"); got.Counts != (stats.Counts{N: 5, X: 3}) || got.Units.N != 2 || got.Units.MeanY != 0.25 {
		t.Errorf("time of explanations: %+v", got)
	}
	for _, kind := range []string{"invalid", "empty", "null", "absent-features", "null-features", "size", "score", experiment.CellClasses, experiment.CellScores} {
		if got := count(cells, 1, kind); !gocmp.Equal(got, experiment.Evidence{}) {
			t.Errorf("%s: %+v", kind, got)
		}
	}
	if all := got.byTime(); len(all) != 0 {
		t.Errorf("%d rows", len(all))
	}
}

// TestExplanationOfAVersionThatIsGone is a failure, although the baseline
// answers.
func TestExplanationOfAVersionThatIsGone(t *testing.T) {
	model := backend(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"explanations":[]}`)
	})
	g := testGateway(t, Options{})
	r := predictingRoute(model, closedPort(t))
	swap(t, g, r)
	url, client := serving(t, g)
	if a := ask(t, client, "POST", url+"/v1/models/m:explain", `{}`, "X-User-Id", "anna"); a.StatusCode != 200 {
		t.Fatalf("status %d", a.StatusCode)
	}
	ask(t, client, "POST", url+"/v1/models/m:predict", `{}`, "X-User-Id", "anna")
	settled(client)
	allHeard(g)
	cells := sealAll(t, g, r)
	if got := count(cells, 1, "failed-explanations").Counts; got != (stats.Counts{N: 1, X: 1}) {
		t.Errorf("failed explanations: %+v", got)
	}
	for v := range 2 {
		if got := count(cells, v, "invalid").Counts; got.N != 0 {
			t.Errorf("version %d: %+v of an answer in its place", v, got)
		}
		if got := count(cells, v, experiment.CellDigest+"x-model-hash").Categories; got != nil {
			t.Errorf("version %d has digests %v of an answer in its place", v, got)
		}
	}
}
