// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// answerHead is the head of an answer in tests.
type answerHead map[string]string

func (a answerHead) header(name string) string { return a[name] }

var jsonHead = answerHead{"Content-Type": "application/json"}

// busyReaders has answers wait: nobody evaluates them until the test does.
func busyReaders(g *Gateway) { g.answers.running = mostReaders }

// work evaluates what waits.
func work(g *Gateway) {
	g.answers.running++ // As if it had been started.
	g.answers.work()
}

// inTime evaluates what waits, however long that takes on this machine.
func inTime(g *Gateway) {
	g.answers.running++
	for t := g.answers.next(); t != nil; t = g.answers.next() {
		t.do(false)
	}
}

// answered is an exchange of a unit with an answer.
func (c *clocked) answered(t testing.TB, body string) {
	t.Helper()
	k := c.start(t)
	c.hear(k, 200, int64(len(body)), jsonHead)
	k.heard.take([]byte(body))
	k.heard.done()
	c.finish(k, ending{status: 200})
}

func tokensRoute() experiment.Route {
	r := readingRoute("http://127.0.0.1:1", "http://127.0.0.1:2")
	r.Answers = r.Answers[2:]
	return r
}

func TestWindowWaitsForItsAnswers(t *testing.T) {
	c := newClocked(t)
	busyReaders(c.Gateway)
	swap(t, c.Gateway, tokensRoute())
	c.answered(t, `{"usage":{"tokens":7}}`)
	c.at(25 * time.Second)
	if s := c.seal(t, 0); s.To != 0 {
		t.Errorf("windows up to %d are sealed while an answer of the first waits", s.To)
	}
	work(c.Gateway)
	s := c.seal(t, 0)
	if got := count(s.Cells, 1, "tokens"); s.To != 2 || got.Units != pairOf(7, 1) || got.Counts != (stats.Counts{N: 1}) {
		t.Errorf("sealed up to %d with %+v", s.To, got)
	}
}

func TestWindowDoesNotWaitForEver(t *testing.T) {
	c := newClocked(t)
	busyReaders(c.Gateway)
	swap(t, c.Gateway, tokensRoute())
	c.answered(t, `{"usage":{"tokens":7}}`)
	c.at(20 * time.Second)
	if s := c.seal(t, 0); s.To != 0 {
		t.Fatalf("sealed up to %d at once", s.To)
	}
	c.at(20*time.Second + 2*answersWithin)
	s := c.seal(t, 0)
	if s.To == 0 {
		t.Fatal("the window waits still")
	}
	work(c.Gateway)
	if got := metric(t, c.reg, "headgate_gateway_answers_total", "result", "late"); got != 1 {
		t.Errorf("%v late, want 1", got)
	}
	if again := c.seal(t, 0); count(again.Cells, 1, "tokens").Counts.N != 0 {
		t.Errorf("something came into a sealed window: %+v", again.Cells)
	}
}

func TestAnswersThatFindNoRoomAreDroppedAndCounted(t *testing.T) {
	t.Run("in the queue", func(t *testing.T) {
		c := newClocked(t)
		busyReaders(c.Gateway)
		swap(t, c.Gateway, tokensRoute())
		for range maxQueued + 3 {
			c.answered(t, `{"usage":{"tokens":1}}`)
		}
		inTime(c.Gateway)
		c.at(time.Hour)
		got := count(c.seal(t, 0).Cells, 1, "tokens")
		if want := (stats.Counts{N: maxQueued + 3, X: 3}); got.Counts != want || got.Units.N != maxQueued {
			t.Errorf("%+v with %d units, want %+v", got.Counts, got.Units.N, want)
		}
		if got := metric(t, c.reg, "headgate_gateway_answers_total", "result", "dropped"); got != 3 {
			t.Errorf("%v dropped, want 3", got)
		}
	})
	t.Run("in memory", func(t *testing.T) {
		c := newClocked(t)
		busyReaders(c.Gateway)
		swap(t, c.Gateway, tokensRoute())
		body := `{"usage":{"tokens":1},"pad":"` + strings.Repeat("x", maxAnswerBody/2) + `"}`
		const n = maxHeard/(maxAnswerBody/2) + 5
		for range n {
			c.answered(t, body)
		}
		if held := c.answers.held.Load(); held > maxHeard {
			t.Errorf("%d bytes are held, want at most %d", held, maxHeard)
		}
		inTime(c.Gateway)
		c.at(time.Hour)
		got := count(c.seal(t, 0).Cells, 1, "tokens").Counts
		if got.N != n || got.X < 5 || got.X > 7 {
			t.Errorf("%+v of %d", got, n)
		}
		if held := c.answers.held.Load(); held != 0 {
			t.Errorf("%d bytes are still held", held)
		}
	})
	t.Run("in time", func(t *testing.T) {
		c := newClocked(t)
		busyReaders(c.Gateway)
		swap(t, c.Gateway, tokensRoute())
		c.answered(t, `{"usage":{"tokens":1}}`)
		c.answers.waiting[0].(*hearing).since = time.Now().Add(-answersWithin - time.Second)
		work(c.Gateway)
		c.at(time.Hour)
		if got := count(c.seal(t, 0).Cells, 1, "tokens").Counts; got != (stats.Counts{N: 1, X: 1}) {
			t.Errorf("%+v, want one that was not read", got)
		}
	})
	t.Run("at the end", func(t *testing.T) {
		c := newClocked(t)
		busyReaders(c.Gateway)
		swap(t, c.Gateway, tokensRoute())
		c.answered(t, `{"usage":{"tokens":1}}`)
		c.end()
		work(c.Gateway)
		c.at(time.Hour)
		if got := count(c.seal(t, 0).Cells, 1, "tokens").Counts; got != (stats.Counts{N: 1, X: 1}) {
			t.Errorf("%+v, want one that was not read", got)
		}
	})
}

// TestAnswersOfACutExchangeAreForgotten: nobody knows what they would have been.
func TestAnswersOfACutExchangeAreForgotten(t *testing.T) {
	for name, e := range map[string]ending{
		"cut off":     {status: 200, cut: true},
		"failed":      {status: 200, failed: true},
		"not given":   {status: 0},
		"not success": {status: 404},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClocked(t)
			swap(t, c.Gateway, tokensRoute())
			k := c.start(t)
			c.hear(k, 200, -1, jsonHead)
			k.heard.take([]byte(`{"usage":{"tokens":1}}`))
			k.heard.done()
			c.finish(k, e)
			allHeard(c.Gateway)
			c.at(time.Hour)
			if got := count(c.seal(t, 0).Cells, 1, "tokens"); got.Counts.N != 0 || c.answers.held.Load() != 0 {
				t.Errorf("%+v, and %d bytes held", got, c.answers.held.Load())
			}
		})
	}
}

// TestBrokenInterpreterBreaksNothing stands for an error in the interpreter.
func TestBrokenInterpreterBreaksNothing(t *testing.T) {
	r := answerReader{sideline: sideline{life: t.Context()}}
	h := r.hearing()
	h.metrics, h.wants = make([]answerMetric, 1), 1 // It has no expression.
	if got := h.evaluate(0, nil); got.found != findingInvalid {
		t.Errorf("%+v", got)
	}
}

func TestRequestsWhoseAnswersAreNotSampledAreNotTouched(t *testing.T) {
	c := newClocked(t)
	r := tokensRoute()
	r.Answers[0].Sample = 1
	swap(t, c.Gateway, r)
	heard := 0
	for i := range 2000 {
		c.at(time.Duration(i) * time.Microsecond)
		k := c.start(t)
		c.hear(k, 200, 2, jsonHead)
		if k.heard != nil {
			heard++
		}
		c.finish(k, ending{status: 200})
	}
	if heard > 5 {
		t.Errorf("%d of 2000 answers are touched for a sample of 0.01%%", heard)
	}
}

// BenchmarkHear is what the exchange itself pays for a metric of answers:
// without one, with one that does not have it in its sample, and with one that
// keeps it. Evaluation is apart, beside the traffic.
func BenchmarkHear(b *testing.B) {
	body := []byte(answerOf(120))
	for _, bc := range []struct {
		name   string
		change func(r *experiment.Route)
	}{
		{"none", func(r *experiment.Route) { r.Answers = nil }},
		{"not sampled", func(r *experiment.Route) { r.Answers[0].Sample = 1 }},
		{"sampled", func(*experiment.Route) {}},
	} {
		b.Run(bc.name, func(b *testing.B) {
			g := testGateway(b, Options{})
			busyReaders(g)
			r := hotRoute()
			r.Answers = tokensRoute().Answers
			bc.change(&r)
			swap(b, g, r)
			x := &fakeExchange{headers: "user-12345"}
			b.ReportAllocs()
			var k call
			for b.Loop() {
				k = call{}
				g.admit(&k, x)
				if k.route.answers != nil {
					g.hear(&k, 200, int64(len(body)), jsonHead)
				}
				k.heard.take(body)
				k.heard.done()
				g.finish(&k, ending{status: 200})
				if len(g.answers.waiting) > 0 { // Taken off, as a reader would.
					h := g.answers.waiting[0].(*hearing)
					g.answers.waiting = g.answers.waiting[:0]
					h.window.answers.Add(-1)
					g.answers.forget(h)
				}
			}
		})
	}
}

// answerOf is an answer of about n bytes.
func answerOf(n int) string {
	var b strings.Builder
	b.WriteString(`{"usage":{"tokens":12.5},"items":[`)
	for i := 0; b.Len() < n-30; i++ {
		fmt.Fprintf(&b, `{"id":%d,"premium":%t},`, i, i%3 == 0)
	}
	return b.String() + `{"id":9,"premium":true}]}`
}

// BenchmarkEvaluate is what a reader pays for one answer.
func BenchmarkEvaluate(b *testing.B) {
	metrics, err := newAnswers(readingRoute("", "").Answers[:1])
	if err != nil {
		b.Fatal(err)
	}
	for _, size := range []int{120, 4 << 10, 64 << 10} {
		b.Run(fmt.Sprintf("%d bytes", size), func(b *testing.B) {
			r := answerReader{sideline: sideline{life: context.Background()}}
			body := []byte(answerOf(size))
			b.ReportAllocs()
			for b.Loop() {
				h := r.hearing()
				h.metrics, h.wants = metrics, 1
				h.take(body)
				h.read()
				if h.readings[0].found != findingRead {
					b.Fatalf("%+v", h.readings[0])
				}
				r.forget(h)
			}
		})
	}
}

// BenchmarkExchangeWithAnswers is a whole exchange over loopback, with all that
// beside it looks at answers.
func BenchmarkExchangeWithAnswers(b *testing.B) {
	model := backend(b, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, answerOf(120))
	})
	for _, bc := range []struct {
		name   string
		answer []experiment.Answer
	}{
		{"none", nil},
		{"header", []experiment.Answer{{Metric: "queue", Header: "x-queue", Sample: experiment.Whole}}},
		{"jq 10%", []experiment.Answer{{Metric: "share", Sum: "[.items[]|select(.premium)]|length", Count: ".items|length", Sample: 1000}}},
		{"jq 100%", []experiment.Answer{{Metric: "share", Sum: "[.items[]|select(.premium)]|length", Count: ".items|length", Sample: experiment.Whole}}},
	} {
		b.Run(bc.name, func(b *testing.B) {
			g := testGateway(b, Options{})
			r := routeTo(experiment.Shares{5000, 5000}, model, model)
			r.PhaseStart, r.Answers = time.Now(), bc.answer
			swap(b, g, r)
			url, client := serving(b, g)
			b.ReportAllocs()
			for b.Loop() {
				req, _ := http.NewRequestWithContext(b.Context(), "POST", url, strings.NewReader(`{"instances":[[1,2,3]]}`))
				req.Header.Set("X-User-Id", "user-12345")
				res, err := client.Transport.RoundTrip(req)
				if err != nil || res.StatusCode != 200 {
					b.Fatal(err)
				}
				io.Copy(io.Discard, res.Body)
				res.Body.Close()
			}
		})
	}
}
