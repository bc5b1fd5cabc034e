// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// comparing are metrics of pairs by what they compare.
func comparing(kinds ...experiment.Comparison) (out []experiment.Metric) {
	for _, kind := range kinds {
		m := experiment.Metric{Name: string(kind), Pairs: &experiment.PairsMetric{Compare: kind}}
		if kind == experiment.CompareClass {
			m.Pairs.Value = ".class"
		}
		out = append(out, m)
	}
	return out
}

// tells answers with a status, a type and a body.
func tells(status int, kind, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", kind)
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

func TestAnswersAreCompared(t *testing.T) {
	const js, cat, dog = "application/json", `{"class":"cat","id":12345678901234567890}`, `{"class":"dog","id":1}`
	blank := experiment.Compared{Blank: true}
	agree, differ := experiment.Compared{Value: 1}, experiment.Compared{}
	all := comparing(experiment.CompareFailures, experiment.CompareClass, experiment.CompareText, experiment.CompareJSON)
	class := func(baseline, candidate string) experiment.Compared {
		c := experiment.Compared{Baseline: baseline, Candidate: candidate}
		if baseline == candidate {
			c.Value = 1
		}
		return c
	}
	for name, tc := range map[string]struct {
		baseline, candidate http.HandlerFunc
		want                []experiment.Compared
	}{
		"alike":  {tells(200, js, cat), tells(200, js, cat), []experiment.Compared{differ, class("cat", "cat"), agree, agree}},
		"unlike": {tells(200, js, cat), tells(200, js, dog), []experiment.Compared{differ, class("cat", "dog"), differ, differ}},
		"the order of keys": {
			tells(200, js, cat), tells(200, js, `{"id":12345678901234567890,"class":"cat"}`),
			[]experiment.Compared{differ, class("cat", "cat"), differ, agree},
		},
		"packed":      {tells(200, js, cat), tells(200, js, packed(t, cat), "Content-Encoding", "gzip"), []experiment.Compared{differ, class("cat", "cat"), agree, agree}},
		"both packed": {tells(200, js, packed(t, cat), "Content-Encoding", "gzip"), tells(200, js, packed(t, cat), "Content-Encoding", "x-gzip"), []experiment.Compared{differ, class("cat", "cat"), agree, agree}},
		"text":        {tells(200, "text/plain", "a cat"), tells(200, "text/plain", "a cat"), []experiment.Compared{differ, blank, agree, blank}},
		"a coding that is not read": {
			tells(200, js, cat), tells(200, js, cat, "Content-Encoding", "br"), []experiment.Compared{differ, blank, blank, blank},
		},
		"a bomb": {
			tells(200, js, cat), tells(200, js, packed(t, strings.Repeat(" ", 8<<20)), "Content-Encoding", "gzip"), []experiment.Compared{differ, blank, blank, blank},
		},
		"garbage": {
			tells(200, js, cat), tells(200, js, "\x1f\x8b{{", "Content-Encoding", "gzip"), []experiment.Compared{differ, blank, blank, blank},
		},
		"the candidate fails": {tells(200, js, cat), tells(500, js, cat), []experiment.Compared{{Value: 1}, blank, blank, blank}},
		"the baseline fails":  {tells(503, js, cat), tells(200, js, cat), []experiment.Compared{differ, blank, blank, blank}},
		"both fail":           {tells(503, js, cat), tells(500, js, cat), []experiment.Compared{blank, blank, blank, blank}},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMirrored(t, func(r *experiment.Route) { r.Mirror.Pairs = all }, backend(t, tc.baseline), backend(t, tc.candidate))
			m.ask(t, "POST", "/", "{}", "Accept-Encoding", "gzip, br")
			pairs := m.over()
			if len(pairs) != 1 || pairs[0].Failed {
				t.Fatalf("pairs %+v", pairs)
			}
			if diff := cmp.Diff(tc.want, pairs[0].Compared); diff != "" {
				t.Errorf("compared (-want +got):\n%s", diff)
			}
			if got := metric(t, m.reg, "headgate_gateway_pairs_total", "version", "v2", "result", "compared"); got != 1 {
				t.Errorf("%v compared, want 1", got)
			}
		})
	}
}

func TestWhatIsRedactedIsNotCompared(t *testing.T) {
	const js = "application/json"
	one, two := `{"class":"cat","user":"anna","trace":"a"}`, `{"class":"dog","user":"anna","trace":"b"}`
	metrics := []experiment.Metric{
		{Name: "user", Pairs: &experiment.PairsMetric{Compare: experiment.CompareClass, Value: ".user"}},
		{Name: "class", Pairs: &experiment.PairsMetric{Compare: experiment.CompareClass, Value: ".class"}},
		{Name: "trace", Pairs: &experiment.PairsMetric{Compare: experiment.CompareJSON, Value: ".trace"}},
		{Name: "text", Pairs: &experiment.PairsMetric{Compare: experiment.CompareText}},
	}
	redact := []experiment.Redaction{{Path: "$.user", How: experiment.RedactHash}, {Path: "$.class", How: experiment.RedactHash}, {Path: "$.trace", How: experiment.RedactRemove}}
	run := func(t *testing.T, one, two string) []experiment.Compared {
		m := newMirrored(t, func(r *experiment.Route) { r.Mirror.Pairs, r.Redact = metrics, redact }, backend(t, tells(200, js, one)), backend(t, tells(200, js, two)))
		m.ask(t, "POST", "/", "{}")
		pairs := m.over()
		if len(pairs) != 1 {
			t.Fatalf("%d pairs", len(pairs))
		}
		return pairs[0].Compared
	}
	got := run(t, one, two)
	if got[0].Value != 1 || got[0].Baseline != got[0].Candidate || !strings.HasPrefix(got[0].Baseline, "h:") {
		t.Errorf("the user is %+v, want equal hashes", got[0])
	}
	if got[1].Value != 0 || strings.Contains(got[1].Baseline+got[1].Candidate, "cat") || got[1].Baseline == got[1].Candidate {
		t.Errorf("the class is %+v, want two hashes", got[1])
	}
	if !got[2].Blank && got[2].Value != 1 {
		t.Errorf("what is removed is %+v", got[2])
	}
	if got := run(t, one, one); got[3].Value != 1 {
		t.Errorf("equal texts are %+v", got[3])
	}
	if got := run(t, "anna "+one, "anna "+one); !got[3].Blank {
		t.Errorf("of what cannot be redacted is said %+v", got[3])
	}
}

func TestTimesAreComparedFairly(t *testing.T) {
	for name, tc := range map[string]struct {
		baseline, candidate time.Duration
		want                float64
	}{
		"as fast":      {time.Second, time.Second, 0},
		"a bit slower": {time.Second, 1400 * time.Millisecond, 0},
		"slower":       {time.Second, 1600 * time.Millisecond, 1},
		"faster":       {time.Second, 100 * time.Millisecond, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				after := func(d time.Duration) http.HandlerFunc {
					return func(w http.ResponseWriter, r *http.Request) {
						io.Copy(io.Discard, r.Body)
						time.Sleep(d)
						io.WriteString(w, "{}")
					}
				}
				b, pairs, end := shaded(t, after(tc.baseline), after(tc.candidate), func(r *experiment.Route) {
					r.Mirror.Pairs = comparing(experiment.CompareLatency)
					r.Mirror.Pairs[0].Pairs.Tolerance = 0.5
				})
				defer end()
				// The client takes its time to send: that is not the baseline's.
				slow, w := io.Pipe()
				go func() {
					io.WriteString(w, "{")
					time.Sleep(3 * time.Second)
					io.WriteString(w, "}")
					w.Close()
				}()
				res, err := b.client.Do(b.request(t.Context(), "POST", slow))
				if err != nil {
					t.Fatal(err)
				}
				readAll(t, res)
				res.Body.Close()
				time.Sleep(5 * time.Second)
				synctest.Wait()
				if got := pairs(); len(got) != 1 || len(got[0].Compared) != 1 || got[0].Compared[0].Value != tc.want || got[0].Compared[0].Blank {
					t.Errorf("pairs %+v, want %v", got, tc.want)
				}
			})
		})
	}
}

// waitingPair is a copy that waits to be compared, and what compares it.
func waitingPair(t *testing.T, paired func(*experiment.Pair) bool) (*mirrored, func() task) {
	m := &mirrored{reg: prometheus.NewRegistry()}
	m.Gateway = testGateway(t, Options{Registry: m.reg, Paired: paired})
	m.shadows.comparers.running = mostReaders // Nobody compares until the test does.
	m.route = routeTo(experiment.Baseline(2), named(t, "one"), named(t, "two"))
	m.route.Mirror = &experiment.MirrorRoute{Share: experiment.Whole, Versions: []int{1}, Timeout: time.Minute, Pairs: comparing(experiment.CompareJSON)}
	swap(t, m.Gateway, m.route)
	m.url, m.client = serving(t, m.Gateway)
	return m, func() task {
		m.sent()
		c := &m.shadows.comparers
		c.mu.Lock()
		c.running++ // As if it had been started.
		c.mu.Unlock()
		return c.next()
	}
}

// sent waits until nobody sends copies.
func (m *mirrored) sent() {
	running := func(l *lane) bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.running > 0
	}
	for _, s := range m.Gateway.route.Load().mirror.shown {
		for running(s.lane) {
			runtime.Gosched()
		}
	}
}

func TestPairsThatAreNotTakenAreCounted(t *testing.T) {
	m, next := waitingPair(t, func(*experiment.Pair) bool { return false })
	for range 3 {
		m.ask(t, "POST", "/", "{}")
	}
	settled(m.client)
	taken, late, broken := next(), next(), next()
	taken.do(false)
	late.do(true)
	c := broken.(*shadowCopy)
	c.original.mirror.compare = nil // It breaks.
	broken.do(false)
	for result, want := range map[pairResult]float64{pairCompared: 0, pairUntaken: 1, pairDropped: 2} {
		if got := metric(t, m.reg, "headgate_gateway_pairs_total", "result", result.String()); got != want {
			t.Errorf("%v %s, want %v", got, result, want)
		}
	}
	m.idle()
}

func TestPairsBeyondTheQueueAreDropped(t *testing.T) {
	m, next := waitingPair(t, nil)
	m.ask(t, "POST", "/", "{}")
	settled(m.client)
	first := next()
	for range maxQueued {
		m.shadows.comparers.put(idleTask{})
	}
	m.ask(t, "POST", "/", "{}")
	settled(m.client)
	m.sent()
	if got := metric(t, m.reg, "headgate_gateway_pairs_total", "result", "dropped"); got != 1 {
		t.Errorf("%v dropped, want 1", got)
	}
	first.do(false)
	m.idle()
}

type idleTask struct{}

func (idleTask) begun() time.Time { return time.Now() }
func (idleTask) do(bool)          {}
