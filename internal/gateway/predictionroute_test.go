// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// predictOnce sends one request through a gateway that predicts.
func predictOnce(t *testing.T, r experiment.Route, o Options, path, body string, header ...string) (a answer, cells []experiment.Cell, got []experiment.Prediction) {
	t.Helper()
	var taken rows
	if o.Predicted == nil {
		o.Predicted = taken.take
	}
	g := testGateway(t, o)
	swap(t, g, r)
	url, client := serving(t, g)
	a = ask(t, client, "POST", url+path, body, header...)
	settled(client)
	allHeard(g)
	return a, sealAll(t, g, r), taken.byTime()
}

// saying is a model that answers one thing, with headers given as name, value, …
func saying(t *testing.T, body string, header ...string) string {
	t.Helper()
	return backend(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		io.WriteString(w, body)
	})
}

func TestRowsNameTheirRequest(t *testing.T) {
	const inBody = `{"data":{"ndarray":["a"]},"meta":{"puid":"body"}}`
	const plain = `{"data":{"ndarray":["a"]}}`
	long := strings.Repeat("x", experiment.MaxOutcomeText+1)
	for name, tc := range map[string]struct {
		body        string
		asks, tells []string
		want        string
	}{
		"by its id":               {inBody, []string{"Ce-Id", "ce", "X-Request-Id", "id", "Seldon-Puid", "p"}, nil, "id"},
		"by its event":            {inBody, []string{"Ce-Id", "ce", "Seldon-Puid", "p"}, nil, "ce"},
		"by its puid":             {inBody, []string{"Seldon-Puid", "p"}, []string{"Seldon-Puid", "other"}, "p"},
		"by the answer's puid":    {inBody, nil, []string{"Seldon-Puid", "head"}, "head"},
		"by the puid in the body": {inBody, nil, nil, "body"},
		"not at all":              {plain, nil, nil, ""},
		"by an id too long":       {plain, []string{"X-Request-Id", long}, nil, ""},
		"by what is not too long": {plain, []string{"X-Request-Id", long, "Ce-Id", "ce"}, nil, "ce"},
	} {
		t.Run(name, func(t *testing.T) {
			model := saying(t, tc.body, tc.tells...)
			_, _, got := predictOnce(t, predictingRoute(model, model), Options{}, seldonPath, `{}`, append(tc.asks, "X-User-Id", "anna")...)
			if len(got) != 1 {
				t.Fatalf("%d rows, want 1", len(got))
			}
			want := uint64(0)
			if tc.want != "" {
				want = testKey(t).HashUnit(tc.want)
			}
			if got[0].Request != want {
				t.Errorf("request %x, want that of %q, %x", got[0].Request, tc.want, want)
			}
		})
	}
}

func TestRowsOfUnitsThatAreNoUsers(t *testing.T) {
	model := saying(t, `{"predictions":["a"]}`)
	for name, tc := range map[string]struct {
		change func(r *experiment.Route)
		unit   string // empty: that of the token
		none   bool
	}{
		"each request is a unit":  {change: func(r *experiment.Route) { r.Assignment.Unit = experiment.Unit{Request: true} }},
		"a unit of a cookie":      {change: func(r *experiment.Route) { r.Assignment.Unit = experiment.Unit{Cookie: "uid"} }},
		"the application assigns": {change: func(r *experiment.Route) { r.Assignment.Cohort = "x-model" }, unit: "anna"},
		"the application assigns by cookie": {change: func(r *experiment.Route) {
			r.Assignment.Cohort, r.Assignment.Unit = "x-model", experiment.Unit{Cookie: "uid"}
		}, unit: "berta"},
		"the application assigns by a field": {change: func(r *experiment.Route) {
			r.Assignment.Cohort, r.Assignment.Unit = "x-model", experiment.Unit{JSONPath: "id"}
		}, none: true},
	} {
		t.Run(name, func(t *testing.T) {
			r := predictingRoute(model, model)
			r.Segments = twoSegments()
			tc.change(&r)
			a, _, got := predictOnce(t, r, Options{}, kservePath, `{"id":"anna"}`, "X-User-Id", "anna", "Cookie", "uid=berta", "X-Model", "v2", "X-Tier", "plus")
			if len(got) != 1 {
				t.Fatalf("%d rows, want 1", len(got))
			}
			e := got[0].Exposure
			if e.Experiment != r.Experiment || e.Epoch != 1 || e.Phase != 1 || e.Version != 1 || e.Propensity != experiment.Whole || e.At.Nanosecond()%int(time.Millisecond) != 0 {
				t.Errorf("exposure %+v", e)
			}
			if want := int64(e.At.Sub(epochStart) / r.Window); e.Window != want {
				t.Errorf("window %d, want %d", e.Window, want)
			}
			if groupOf(got[0].Groups, 0) != 1 {
				t.Errorf("groups %x", got[0].Groups)
			}
			want := uint64(0)
			switch {
			case tc.unit != "":
				want = testKey(t).HashUnit(tc.unit)
			case !tc.none:
				told, err := testKey(t).Open(r.Experiment, a.Header.Get(headerExposure))
				if err != nil {
					t.Fatal(err)
				}
				if diff := gocmp.Diff(told, e); diff != "" {
					t.Errorf("not what the token says (-token +row):\n%s", diff)
				}
				want = told.Unit
			}
			if e.Unit != want {
				t.Errorf("unit %x, want %x", e.Unit, want)
			}
		})
	}
}

func TestRowsThatNobodyTakesAreCounted(t *testing.T) {
	model := saying(t, `{"predictions":["a"]}`)
	reg := prometheus.NewRegistry()
	_, cells, _ := predictOnce(t, predictingRoute(model, model), Options{Registry: reg, Predicted: func(*experiment.Prediction) bool { return false }}, kservePath, `{}`, "X-User-Id", "anna")
	if got := metric(t, reg, "headgate_gateway_prediction_rows_dropped_total"); got != 1 {
		t.Errorf("%v dropped, want 1", got)
	}
	if got := count(cells, 1, experiment.CellClasses).Categories; got.Of("a") != 1 {
		t.Errorf("classes %v: the cells do not depend on the rows", got)
	}
}

func TestRedactionComesFirst(t *testing.T) {
	model := saying(t, `{"label":"secret","n":3,"usage":{"total_tokens":5}}`)
	r := predictingRoute(model, model)
	r.Predictions.Protocol, r.Predictions.Class, r.Predictions.Score = experiment.ProtocolJSON, ".label", ".n"
	r.Redact = []experiment.Redaction{
		{Path: "$.label", How: experiment.RedactHash}, {Path: "$.n", How: experiment.RedactRemove}, {Path: "$.age", How: experiment.RedactRemove},
	}
	r.Answers = []experiment.Answer{{Metric: "n", Sum: ".n", Sample: experiment.Whole}, {Metric: experiment.CellTokens, Sum: ".usage.total_tokens // 0", Sample: experiment.Whole}}
	_, cells, got := predictOnce(t, r, Options{}, "/score", `{"age":3}`, "X-User-Id", "anna")
	classes := count(cells, 1, experiment.CellClasses).Categories
	if len(classes) != 1 || !strings.HasPrefix(classes[0].Name, "h:") || len(classes[0].Name) != 18 {
		t.Errorf("classes %v, want one hash", classes)
	}
	if s := count(cells, 1, experiment.CellScores).Scores; s != nil {
		t.Errorf("scores %v of what is removed", s)
	}
	if c := count(cells, 1, "absent-features").Counts; c != (stats.Counts{N: 1, X: 1}) {
		t.Errorf("absent features %+v, want one: it is removed", c)
	}
	if c := count(cells, 1, "n").Counts; c != (stats.Counts{N: 1, X: 1}) {
		t.Errorf("n %+v, want one that gives no number: it is removed", c)
	}
	if e := count(cells, 1, experiment.CellTokens); e.Units != pairOf(5, 1) {
		t.Errorf("tokens %+v", e)
	}
	if len(got) == 1 && got[0].Class == "secret" {
		t.Error("the row says the secret")
	}
}

// TestStreamsStreamWhileTheyAreRead lets the model answer each piece of a
// request only when it is there, and the client send the next one only then.
func TestStreamsStreamWhileTheyAreRead(t *testing.T) {
	pieces := []string{`{"instances":`, `[{"age":`, `1}]}`}
	there := make(chan struct{})
	model := backend(t, func(w http.ResponseWriter, r *http.Request) {
		for _, p := range pieces {
			b := make([]byte, len(p))
			if _, err := io.ReadFull(r.Body, b); err != nil || string(b) != p {
				t.Errorf("%q, %v, want %q", b, err, p)
			}
			there <- struct{}{}
		}
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		for _, p := range []string{`{"predictions"`, `:["a"]}`} {
			io.WriteString(w, p)
			w.(http.Flusher).Flush()
			there <- struct{}{}
		}
	})
	var got rows
	g := testGateway(t, Options{Predicted: got.take})
	r := predictingRoute(model, model)
	swap(t, g, r)
	url, client := serving(t, g)
	body, write := io.Pipe()
	var sending sync.WaitGroup
	sending.Go(func() {
		for _, p := range pieces {
			io.WriteString(write, p)
			<-there
		}
		write.Close()
	})
	req, _ := http.NewRequestWithContext(t.Context(), "POST", url+kservePath, body)
	req.Header.Set("X-User-Id", "anna")
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	sending.Wait()
	for _, want := range []string{`{"predictions"`, `:["a"]}`} {
		b := make([]byte, len(want))
		if _, err := io.ReadFull(res.Body, b); err != nil || string(b) != want {
			t.Errorf("%q, %v, want %q", b, err, want)
		}
		<-there
	}
	io.Copy(io.Discard, res.Body)
	settled(client)
	allHeard(g)
	cells := sealAll(t, g, r)
	if c := count(cells, 1, "absent-features").Counts; c != (stats.Counts{N: 1}) {
		t.Errorf("absent features %+v, want one that has them", c)
	}
	if c := count(cells, 1, experiment.CellClasses).Categories; c.Of("a") != 1 {
		t.Errorf("classes %v", c)
	}
}

// TestHalfARequestTellsNothing: nobody knows the features of a request of which
// the answer came before its end, that broke off or was too long.
func TestHalfARequestTellsNothing(t *testing.T) {
	for name, tc := range map[string]struct {
		fill func(b *bodyCopy)
		want stats.Counts
	}{
		"whole":              {func(b *bodyCopy) { b.takeAll([]byte(`{"instances":`), []byte(`[{"age":1}]}`)) }, stats.Counts{N: 1}},
		"of a length":        {func(b *bodyCopy) { b.expect(12); b.take([]byte(`{"inst`)); b.take([]byte(`":[]}}`)) }, stats.Counts{}},
		"of a length, whole": {func(b *bodyCopy) { b.expect(15); b.take([]byte(`{"instan`)); b.take([]byte(`ces":1}`)) }, stats.Counts{N: 1, X: 1}},
		"half of it":         {func(b *bodyCopy) { b.take([]byte(`{"instances":[`)) }, stats.Counts{}},
		"less than it said":  {func(b *bodyCopy) { b.expect(99); b.take([]byte(`{}`)) }, stats.Counts{}},
		"too long":           {func(b *bodyCopy) { b.takeAll(make([]byte, maxBodyCopy), []byte(" ")) }, stats.Counts{}},
		"said to be too long": {func(b *bodyCopy) {
			b.expect(maxBodyCopy + 1)
			b.take([]byte(`{"instances":[{"age":1}]}`))
		}, stats.Counts{}},
		"no room": {func(b *bodyCopy) {
			b.all.held.Add(maxBodyCopies - 5)
			b.takeAll([]byte(`{"instances":[{"age":1}]}`))
			b.all.held.Add(5 - maxBodyCopies)
		}, stats.Counts{}},
		"more came": {func(b *bodyCopy) { b.takeAll([]byte(`{"instances":[{"age":1}]}`)); b.takeAll([]byte("again")) }, stats.Counts{N: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClocked(t)
			r := predictingRoute("http://127.0.0.1:1", "http://127.0.0.1:2")
			r.Predictions.Protocol = experiment.ProtocolKServe
			swap(t, c.Gateway, r)
			k := c.start(t)
			tc.fill(k.copy)
			c.hear(k, 200, 2, jsonHead)
			k.heard.take([]byte("{}"))
			k.heard.done()
			c.finish(k, ending{status: 200})
			k.copy.take([]byte("late")) // As a transport may do that still reads.
			allHeard(c.Gateway)
			c.at(time.Hour)
			if got := count(c.seal(t, 0).Cells, 1, "absent-features").Counts; got != tc.want {
				t.Errorf("absent features %+v, want %+v", got, tc.want)
			}
			if held := c.answers.held.Load() + c.copies.held.Load(); held != 0 {
				t.Errorf("%d bytes are still held", held)
			}
		})
	}
}

// TestBodiesAreTouchedOnlyIfAsked: digests and sizes need none.
func TestBodiesAreTouchedOnlyIfAsked(t *testing.T) {
	for name, tc := range map[string]struct {
		change              func(p *experiment.PredictionsRoute)
		asks, heard, copies bool
	}{
		"nothing": {func(p *experiment.PredictionsRoute) { *p = experiment.PredictionsRoute{} }, false, false, false},
		"digests": {func(p *experiment.PredictionsRoute) {
			p.Metrics, p.Classes, p.Scores, p.Rows = nil, false, false, false
		}, false, true, false},
		"sizes": {func(p *experiment.PredictionsRoute) {
			p.Metrics, p.Classes, p.Scores, p.Rows = p.Metrics[6:7], false, false, false
		}, true, true, false},
		"features": {func(p *experiment.PredictionsRoute) {
			p.Metrics, p.Classes, p.Scores, p.Rows = p.Metrics[3:4], false, false, false
		}, true, true, true},
		"classes":            {func(p *experiment.PredictionsRoute) { p.Metrics, p.Digests, p.Scores, p.Rows = nil, nil, false, false }, true, true, false},
		"classes, no sample": {func(p *experiment.PredictionsRoute) { p.Metrics, p.Digests, p.Sample = nil, nil, 1 }, false, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClocked(t)
			r := predictingRoute("http://127.0.0.1:1", "http://127.0.0.1:2")
			tc.change(r.Predictions)
			swap(t, c.Gateway, r)
			k := c.start(t)
			if (k.question != nil) != tc.asks || (k.copy != nil) != tc.copies {
				t.Errorf("question %v, copy %v", k.question != nil, k.copy != nil)
			}
			c.hear(k, 200, 3, jsonHead)
			if (k.heard != nil) != tc.heard {
				t.Fatalf("heard: %v", k.heard != nil)
			}
			k.heard.take([]byte("[1]"))
			if k.heard != nil && (k.heard.body != nil) != (name == "classes") {
				t.Errorf("the body kept is %q", k.heard.body)
			}
			k.heard.done()
			c.finish(k, ending{status: 200})
			allHeard(c.Gateway)
			if held := c.answers.held.Load() + c.copies.held.Load(); held != 0 {
				t.Errorf("%d bytes are still held", held)
			}
		})
	}
}

func TestReadingPredictionsDoesNotAllocateOnTheWay(t *testing.T) {
	for name, change := range map[string]func(r *experiment.Route){
		"nothing asked": func(r *experiment.Route) {
			r.Predictions = &experiment.PredictionsRoute{Predictions: r.Predictions.Predictions}
			r.Predictions.Digests = nil
		},
		"digests": func(r *experiment.Route) {
			r.Predictions = &experiment.PredictionsRoute{Predictions: r.Predictions.Predictions}
		},
		"not in sample": func(r *experiment.Route) { r.Predictions.Sample, r.Predictions.Digests = 1, nil },
	} {
		t.Run(name, func(t *testing.T) {
			c := newClocked(t)
			r := predictingRoute("http://127.0.0.1:1", "http://127.0.0.1:2")
			change(&r)
			swap(t, c.Gateway, r)
			x := requestOf(t, "X-User-Id", "user-12345")
			head := answerHead{"Content-Type": "application/json", "X-Model-Hash": "sha256:0123456789"}
			var k call
			n := testing.AllocsPerRun(1000, func() {
				k = call{}
				if c.admit(&k, x) != nil {
					t.Fatal("refused")
				}
				c.hear(&k, 200, 3, head)
				k.heard.take([]byte("[1]"))
				k.heard.done()
				c.finish(&k, ending{status: 200})
			})
			if n != 0 {
				t.Errorf("%v allocations per request, want 0", n)
			}
		})
	}
}

func TestPredictionsThatCannotBeReadAreRefused(t *testing.T) {
	many := func(n int) (out []string) {
		for i := range n {
			out = append(out, fmt.Sprintf("x-%d", i))
		}
		return out
	}
	for name, tc := range map[string]struct {
		change func(r *experiment.Route)
		want   string
	}{
		"no sample":             {func(r *experiment.Route) { r.Predictions.Sample = 0 }, "sample is 0"},
		"more than all":         {func(r *experiment.Route) { r.Predictions.Sample = experiment.Whole + 1 }, "sample is 10001"},
		"33 features":           {func(r *experiment.Route) { r.Predictions.Features = many(33) }, "33 features"},
		"nine digests":          {func(r *experiment.Route) { r.Predictions.Digests = many(9) }, "9 digests"},
		"a digest twice":        {func(r *experiment.Route) { r.Predictions.Digests = []string{"x-a", "X-A"} }, "there twice"},
		"a digest of nothing":   {func(r *experiment.Route) { r.Predictions.Digests = []string{"x a"} }, "no name of a header"},
		"features undeclared":   {func(r *experiment.Route) { r.Predictions.Features = nil }, "none is declared"},
		"a class that is no jq": {func(r *experiment.Route) { r.Predictions.Class = "]" }, "class"},
		"a score by the clock":  {func(r *experiment.Route) { r.Predictions.Score = "now" }, "score"},
		"an unknown kind":       {func(r *experiment.Route) { r.Predictions.Metrics[0].Kind = "other" }, `"other"`},
		"no name":               {func(r *experiment.Route) { r.Predictions.Metrics[0].Metric = "" }, "name of its own"},
		"one name for two":      {func(r *experiment.Route) { r.Predictions.Metrics[0].Metric = "null" }, "name of its own"},
		"the name of a cell":    {func(r *experiment.Route) { r.Predictions.Metrics[0].Metric = "digest:x" }, "name of its own"},
		"an answer's name":      {func(r *experiment.Route) { r.Answers = []experiment.Answer{{Metric: "classes", Sum: ".", Sample: 1}} }, "name of its own"},
		"a path of nothing": {func(r *experiment.Route) {
			r.Redact = []experiment.Redaction{{Path: "x", How: experiment.RedactRemove}}
		}, "x"},
	} {
		t.Run(name, func(t *testing.T) {
			g := testGateway(t, Options{})
			r := predictingRoute("http://127.0.0.1:1", "http://127.0.0.1:2")
			tc.change(&r)
			err := g.Swap(&experiment.Snapshot{Sequence: 1, Routes: []experiment.Route{r}})
			if experiment.CodeOf(err) != experiment.CodeInvalid || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%v, want CodeInvalid with %q", err, tc.want)
			}
			if g.Snapshot() != nil {
				t.Error("a refused snapshot is served")
			}
		})
	}
}

func TestPredictionsBelongToThePhase(t *testing.T) {
	for name, change := range map[string]func(r *experiment.Route){
		"none":            func(r *experiment.Route) { r.Predictions = nil },
		"another sample":  func(r *experiment.Route) { r.Predictions.Sample = 1 },
		"another class":   func(r *experiment.Route) { r.Predictions.Class = ".x" },
		"no rows":         func(r *experiment.Route) { r.Predictions.Rows = false },
		"another digest":  func(r *experiment.Route) { r.Predictions.Digests = []string{"x-other"} },
		"another feature": func(r *experiment.Route) { r.Predictions.Features = []string{"size"} },
		"fewer metrics":   func(r *experiment.Route) { r.Predictions.Metrics = r.Predictions.Metrics[1:] },
		"a redaction": func(r *experiment.Route) {
			r.Redact = []experiment.Redaction{{Path: "$.a", How: experiment.RedactRemove}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := testGateway(t, Options{})
			swap(t, g, predictingRoute("http://127.0.0.1:1", "http://127.0.0.1:2"))
			swap(t, g, predictingRoute("http://127.0.0.1:1", "http://127.0.0.1:2"))
			r := predictingRoute("http://127.0.0.1:1", "http://127.0.0.1:2")
			change(&r)
			if err := g.Swap(&experiment.Snapshot{Sequence: 9, Routes: []experiment.Route{r}}); experiment.CodeOf(err) != experiment.CodeConflict {
				t.Errorf("%v, want CodeConflict", err)
			}
		})
	}
}

// TestPredictionsWaitForNobody: what is looked at too late, or not at all, is
// said and counted, and no window waits for ever.
func TestPredictionsWaitForNobody(t *testing.T) {
	answered := func(c *clocked, t *testing.T) {
		k := c.start(t)
		c.hear(k, 200, -1, jsonHead)
		k.heard.take([]byte(`{"predictions":["a"]}`))
		k.heard.done()
		c.finish(k, ending{status: 200})
	}
	begin := func(t *testing.T) *clocked {
		c := newClocked(t)
		busyReaders(c.Gateway)
		r := predictingRoute("http://127.0.0.1:1", "http://127.0.0.1:2")
		r.Predictions.Protocol = experiment.ProtocolKServe
		r.Predictions.Features, r.Predictions.Metrics = nil, append(r.Predictions.Metrics[:3:3], r.Predictions.Metrics[5:]...)
		swap(t, c.Gateway, r)
		answered(c, t)
		return c
	}
	t.Run("a window waits for its answers", func(t *testing.T) {
		c := begin(t)
		c.at(25 * time.Second)
		if s := c.seal(t, 0); s.To != 0 {
			t.Errorf("windows up to %d are sealed", s.To)
		}
		work(c.Gateway)
		if s := c.seal(t, 0); s.To != 2 || count(s.Cells, 1, experiment.CellClasses).Categories.Of("a") != 1 {
			t.Errorf("sealed up to %d: %+v", s.To, s.Cells)
		}
	})
	t.Run("but not for ever", func(t *testing.T) {
		c := begin(t)
		c.at(20 * time.Second)
		c.seal(t, 0)
		c.at(20*time.Second + 2*answersWithin)
		before := c.seal(t, 0)
		work(c.Gateway)
		if got := metric(t, c.reg, "headgate_gateway_predictions_total", "version", "v2", "result", "late"); got != 1 {
			t.Errorf("%v late, want 1", got)
		}
		if diff := gocmp.Diff(before.Cells, c.seal(t, 0).Cells, gocmp.AllowUnexported(stats.Sketch{})); diff != "" {
			t.Errorf("a sealed window changed (-before +after):\n%s", diff)
		}
	})
	t.Run("the queue is bounded", func(t *testing.T) {
		c := begin(t)
		for range maxQueued + 2 {
			answered(c, t)
		}
		inTime(c.Gateway)
		c.at(time.Hour)
		cells := c.seal(t, 0).Cells
		if got := metric(t, c.reg, "headgate_gateway_predictions_total", "version", "v2", "result", "dropped"); got != 3 {
			t.Errorf("%v dropped, want 3", got)
		}
		if got := count(cells, 1, "invalid").Counts; got != (stats.Counts{N: maxQueued}) {
			t.Errorf("%+v read, want %d", got, maxQueued)
		}
		if got := count(cells, 1, "score").Counts; got.N != maxQueued+3 {
			t.Errorf("%+v looked at, want %d", got, maxQueued+3)
		}
		if got := count(cells, 1, "size"); got.Units.N != maxQueued+3 || got.Counts.X != 0 {
			t.Errorf("sizes of %d are known, want of all", got.Units.N)
		}
	})
}

// TestSeriesOfOutputs checks the series that dashboards show, and what they are
// bounded by.
func TestSeriesOfOutputs(t *testing.T) {
	model := func(scores ...string) string {
		i := 0
		var mu sync.Mutex
		return backend(t, func(w http.ResponseWriter, _ *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"out":[{"l":"class %d","p":%s}]}`, i, scores[i%len(scores)])
			i++
		})
	}
	reg := prometheus.NewRegistry()
	g := testGateway(t, Options{Registry: reg})
	r := predictingRoute(model("0.1", "0.2", "0.3", "0.4"), model("0.6", "0.7", "0.8", "0.9"))
	r.Slots = experiment.SlotsOf(experiment.Shares{5000, 5000})
	r.Predictions.Protocol, r.Predictions.Class, r.Predictions.Score = experiment.ProtocolJSON, ".out[].l", ".out[].p"
	swap(t, g, r)
	url, client := serving(t, g)
	asked := make(map[string]int)
	for i := range 200 {
		asked[ask(t, client, "POST", url, `{}`, "X-User-Id", fmt.Sprint(i)).Header.Get(headerVersion)]++
	}
	settled(client)
	allHeard(g)
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	classes, labels := 0.0, make(map[string]bool)
	drifts := make(map[string]float64)
	quantiles := make(map[string][]float64)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			by := make(map[string]string)
			for _, l := range m.GetLabel() {
				by[l.GetName()] = l.GetValue()
			}
			switch f.GetName() {
			case "headgate_gateway_predicted_class_total":
				classes += m.Counter.GetValue()
				labels[by["class"]] = true
			case "headgate_gateway_output_drift":
				drifts[by["version"]+" "+by["of"]+" "+by["by"]] = m.Gauge.GetValue()
			case "headgate_gateway_score":
				if int(m.Summary.GetSampleCount()) != asked[by["version"]] {
					t.Errorf("%d scores of %s, want %d", m.Summary.GetSampleCount(), by["version"], asked[by["version"]])
				}
				for _, q := range m.Summary.GetQuantile() {
					quantiles[by["version"]] = append(quantiles[by["version"]], q.GetValue())
				}
			}
		}
	}
	if classes != 200 || len(labels) != maxClassLabels+1 || !labels[stats.OtherCategory] {
		t.Errorf("%v classes in %d series, want 200 in %d", classes, len(labels), maxClassLabels+1)
	}
	if diff := gocmp.Diff(map[string][]float64{"v1": {0.1, 0.2, 0.4}, "v2": {0.6, 0.7, 0.9}}, quantiles); diff != "" {
		t.Errorf("quantiles (-want +got):\n%s", diff)
	}
	if len(drifts) != 5 {
		t.Errorf("drifts %v, want five of the candidate", drifts)
	}
	if drifts["v2 score ks"] != 1 || drifts["v2 score psi"] < 1 || drifts["v2 score js"] < 0.5 || math.Abs(drifts["v2 class js"]) > 1 {
		t.Errorf("drifts %v", drifts)
	}
}

func TestShortened(t *testing.T) {
	for in, want := range map[string]string{"": "", "abc": "abc", "abcdef": "abcd", "abcé": "abc", "abé": "abé", "ab\xff\xfe": "ab?", "日本": "日"} {
		if got := shortened(in, 4); got != want {
			t.Errorf("shortened(%q) = %q, want %q", in, got, want)
		}
	}
}

// FuzzPrediction checks that no answer breaks the reading of predictions, and
// that what is counted of one adds up.
func FuzzPrediction(f *testing.F) {
	f.Add([]byte(`{"predictions":["a",1,null]}`), []byte(`{"instances":[{"age":1}]}`), kservePath, uint8(0))
	f.Add([]byte(`{"outputs":[{"name":"x","shape":[2],"datatype":"FP32","data":[0.1,0.9]}]}`), []byte(`{}`), oipPath, uint8(0))
	f.Add([]byte("data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n"), []byte(``), chatPath, uint8(1))
	f.Add([]byte(packed(f, `{"data":{"ndarray":[[0.2,0.8]]}}`)), []byte(`[]`), seldonPath, uint8(2))
	f.Fuzz(func(t *testing.T, body, request []byte, path string, how uint8) {
		c := newClocked(t)
		var got rows
		c.answers.predicted = got.take
		r := predictingRoute("http://127.0.0.1:1", "http://127.0.0.1:2")
		r.Segments = twoSegments()
		swap(t, c.Gateway, r)
		k := c.start(t)
		k.question.path = path
		k.copy.takeAll(request)
		head := answerHead{"Content-Type": []string{"application/json", "text/event-stream", "text/plain"}[how/2%3], "X-Model-Hash": string(request)}
		if how&1 == 1 {
			head["Content-Encoding"] = "gzip"
		}
		c.hear(k, 200, -1, head)
		k.heard.take(body)
		k.heard.done()
		c.finish(k, ending{status: 200})
		allHeard(c.Gateway)
		c.at(time.Hour)
		cells := c.seal(t, 0).Cells
		var hits, n int64
		for _, kind := range []string{"invalid", "empty", "null"} {
			e := count(cells, 1, kind).Counts
			hits, n = hits+e.X, max(n, e.N)
		}
		if hits > 3*n || n > 3 { // Everybody and two slices.
			t.Errorf("%d hits of %d", hits, n)
		}
		if d := count(cells, 1, experiment.CellDigest+"x-model-hash").Categories; d.Total() != 1 || len(d[0].Name) > maxDigest {
			t.Errorf("digests %v", d)
		}
		for _, row := range got.byTime() {
			if len(row.Class) > experiment.MaxClass || row.Score != nil && (math.IsNaN(*row.Score) || math.IsInf(*row.Score, 0)) {
				t.Errorf("row %+v", row)
			}
		}
		slicesSumToTheWhole(t, r.Segments, slices.DeleteFunc(cells, func(c experiment.Cell) bool { return c.Categories != nil || c.Scores != nil }))
		if held := c.answers.held.Load() + c.copies.held.Load(); held != 0 {
			t.Errorf("%d bytes are still held", held)
		}
	})
}

// BenchmarkPredict is what the exchange itself pays for predictions: for
// digests alone, for an answer out of the sample, and for one whose body, and
// whose request's, are kept. Then what a reader pays for it, beside the traffic.
func BenchmarkPredict(b *testing.B) {
	answer, request := []byte(`{"predictions":[[0.25,0.75]]}`), []byte(`{"instances":[{"age":41,"size":3.5}]}`)
	head := answerHead{"Content-Type": "application/json", "X-Model-Hash": "sha256:0123456789"}
	for _, bc := range []struct {
		name   string
		change func(p *experiment.PredictionsRoute)
		reads  bool
	}{
		{"digests", func(p *experiment.PredictionsRoute) {
			p.Metrics, p.Classes, p.Scores, p.Rows = nil, false, false, false
		}, false},
		{"not sampled", func(p *experiment.PredictionsRoute) { p.Sample, p.Digests = 1, nil }, false},
		{"sampled", func(*experiment.PredictionsRoute) {}, false},
		{"sampled and read", func(*experiment.PredictionsRoute) {}, true},
	} {
		b.Run(bc.name, func(b *testing.B) {
			g := testGateway(b, Options{})
			busyReaders(g)
			r := hotRoute()
			r.Predictions = predictingRoute("", "").Predictions
			bc.change(r.Predictions)
			swap(b, g, r)
			x := &pathExchange{fakeExchange{headers: "user-12345"}}
			b.ReportAllocs()
			var k call
			for b.Loop() {
				k = call{}
				g.admit(&k, x)
				k.copy.takeAll(request)
				g.hear(&k, 200, int64(len(answer)), head)
				k.heard.take(answer)
				k.heard.done()
				g.finish(&k, ending{status: 200})
				for t := g.answers.next(); t != nil; t = g.answers.next() {
					h := t.(*hearing)
					if bc.reads {
						h.do(false)
					} else {
						h.window.answers.Add(-1)
						g.answers.forget(h)
					}
				}
				g.answers.running++
			}
		})
	}
}

// pathExchange asks KServe for a prediction.
type pathExchange struct{ fakeExchange }

func (*pathExchange) target() string { return kservePath }
