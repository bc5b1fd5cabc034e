// SPDX-License-Identifier: Apache-2.0

package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
	"github.com/headgate-dev/headgate/stats/paired"
)

// instances are KServe bodies of one number each, from 0 to n-1.
func instances(n int) []Line {
	lines := make([]Line, n)
	for i := range lines {
		lines[i] = Line{i + 1, fmt.Appendf(nil, `{"instances":[[%d]]}`, i)}
	}
	return lines
}

// classifier answers as KServe does, by the first number of each instance; what
// it was asked is counted by body.
func classifier(asked *sync.Map, class func(x int) any) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if asked != nil {
			n, _ := asked.LoadOrStore(string(body), new(atomic.Int64))
			n.(*atomic.Int64).Add(1)
		}
		var in struct{ Instances [][]int }
		if err := json.Unmarshal(body, &in); err != nil {
			http.Error(w, `{"error":"no instances"}`, http.StatusBadRequest)
			return
		}
		out := []any{}
		for _, x := range in.Instances {
			out = append(out, class(x[0]))
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"predictions": out})
	}
}

const predictPath = "/v1/models/m:predict"

// mustPair compares to the end and holds the counts to their promises.
func mustPair(t *testing.T, o PairOptions) PairReport {
	t.Helper()
	r, err := RunPairs(t.Context(), o, nil)
	if err != nil {
		t.Fatal(err)
	}
	if r.Partial || r.Pairs != r.Planned || r.Planned != int64(len(o.Lines)) {
		t.Errorf("%d of %d pairs, partial %t", r.Pairs, r.Planned, r.Partial)
	}
	for who, e := range map[string]PairEnd{"baseline": r.Baseline, "candidate": r.Candidate} {
		sum, statuses := e.Answered, int64(0)
		for _, f := range e.Failures {
			sum += f.Count
		}
		for _, s := range e.Statuses {
			statuses += s.Count
		}
		if sum != r.Pairs || statuses != e.Answered {
			t.Errorf("%s: %d answers and failures of %d pairs, %d statuses of %d answers", who, sum, r.Pairs, statuses, e.Answered)
		}
	}
	for _, m := range r.Metrics {
		if m.Pairs+m.Blank != r.Pairs {
			t.Errorf("%s: %d pairs and %d blank are not %d", m.Metric, m.Pairs, m.Blank, r.Pairs)
		}
		if m.Mean != nil && !(0 <= *m.Low && *m.Low <= *m.Mean && *m.Mean <= *m.High && *m.High <= 1) {
			t.Errorf("%s: mean %g is not in [%g, %g]", m.Metric, *m.Mean, *m.Low, *m.High)
		}
	}
	return r
}

func metricOf(t *testing.T, r PairReport, name string) PairMean {
	t.Helper()
	i := slices.IndexFunc(r.Metrics, func(m PairMean) bool { return m.Metric == name })
	if i < 0 {
		t.Fatalf("no metric %s, left out: %v", name, r.LeftOut)
	}
	return r.Metrics[i]
}

// Every tenth answer differs, and all that is said of it is known beforehand.
func TestPairsSayHowAnswersAgree(t *testing.T) {
	var asked [2]sync.Map
	base := serve(t, classifier(&asked[0], func(x int) any { return x % 2 }))
	candidate := serve(t, classifier(&asked[1], func(x int) any {
		if x%10 == 0 {
			return 1 - x%2
		}
		return x % 2
	}))
	lines := instances(200)
	r := mustPair(t, PairOptions{Baseline: base + predictPath, Candidate: candidate + predictPath, Lines: lines, Show: 3})
	for i := range asked {
		for _, l := range lines {
			if n, ok := asked[i].Load(string(l.Body)); !ok || n.(*atomic.Int64).Load() != 1 {
				t.Fatalf("endpoint %d was not asked line %d once", i, l.Number)
			}
		}
	}
	class := metricOf(t, r, "class")
	want, err := stats.ClopperPearson(stats.Counts{N: 200, X: 180}, 0.95)
	if err != nil {
		t.Fatal(err)
	}
	if *class.Mean != 0.9 || *class.Low != want.Low || *class.High != want.High || class.Interval != "exact" {
		t.Errorf("class is %v, want 0.9 in %v", class.PairShare, want)
	}
	table := [][]int64{{80, 20}, {0, 100}}
	kappa, _, err := paired.Kappa(table)
	if err != nil {
		t.Fatal(err)
	}
	same := 0.9
	if d := cmp.Diff(&PairMatrix{Classes: []string{"0", "1"}, Counts: table, Pairs: 200, Same: &same, Kappa: &kappa}, class.Agreement); d != "" {
		t.Error(d)
	}
	if r.CandidateFirst != 100 || r.Answered != 200 || r.Accepted != 200 || r.Disagreeing != 20 {
		t.Errorf("candidate first in %d, answered %d, accepted %d, disagreeing %d", r.CandidateFirst, r.Answered, r.Accepted, r.Disagreeing)
	}
	var shown []string
	for _, d := range r.Shown {
		shown = append(shown, fmt.Sprint(d.Line, " ", d.Metrics[0].Baseline, d.Metrics[0].Candidate))
	}
	if d := cmp.Diff([]string{"1 01", "11 01", "21 01"}, shown); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"vector", "text", "json"}, r.LeftOut); d != "" {
		t.Errorf("left out: %s", d)
	}
	if r.Took == nil || r.Took.Ratio.Low > r.Took.Ratio.Value || r.Baseline.Latency.P50 <= 0 || r.Baseline.Latency.P90 > r.Baseline.Latency.Max {
		t.Errorf("took %+v, baseline %+v", r.Took, r.Baseline.Latency)
	}
}

// Of three rows one differs, and the last answer has a row too few.
func TestPairsOfBatches(t *testing.T) {
	base := serve(t, classifier(nil, func(x int) any { return fmt.Sprint("c", x) }))
	candidate := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		predictions := `["c1","x","c3"]`
		if strings.Contains(string(body), `"short"`) {
			predictions = `["c1","c2"]`
		}
		_, _ = fmt.Fprintf(w, `{"predictions":%s}`, predictions)
	})
	batch := []byte(`{"instances":[[1],[2],[3]]}`)
	lines := []Line{{1, batch}, {2, batch}, {3, batch}, {4, []byte(`{"instances":[[1],[2],[3]],"short":1}`)}}
	r := mustPair(t, PairOptions{Baseline: base + predictPath, Candidate: candidate + predictPath, Lines: lines, Show: 10})
	class := metricOf(t, r, "class")
	if math.Abs(*class.Mean-2.0/3) > 1e-12 || class.Interval != "binomial" {
		t.Errorf("mean %g by %s, want two thirds by binomial", *class.Mean, class.Interval)
	}
	if len(r.Shown) != 4 {
		t.Fatalf("%d requests are shown, want 4", len(r.Shown))
	}
	if d := cmp.Diff(Disagreeing{Metric: "class", Value: 2.0 / 3, Row: 2, Baseline: "c2", Candidate: "x"}, r.Shown[0].Metrics[0]); d != "" {
		t.Error(d)
	}
	if got := r.Shown[3].Metrics[0]; got.Baseline != "3 predictions" || got.Candidate != "2 predictions" {
		t.Errorf("a row too few is shown as %+v", got)
	}
}

// Whatever one side does, the counts add up and the other is heard.
func TestPairsWithACandidateThatIsWrong(t *testing.T) {
	base := serve(t, classifier(nil, func(x int) any { return x % 3 }))
	n := func(r *http.Request) int {
		var in struct{ Instances [][]int }
		_ = json.NewDecoder(r.Body).Decode(&in)
		return in.Instances[0][0]
	}
	trap := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("a redirect was followed") })
	big := `{"predictions":["` + strings.Repeat("x", maxAnswer) + `"]}`
	candidate := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch n(r) {
		case 0:
			_, _ = io.WriteString(w, "<html>garbage</html>")
		case 1:
			http.Error(w, `{"error":"broken"}`, http.StatusInternalServerError)
		case 2:
			panic(http.ErrAbortHandler)
		case 3:
			http.Redirect(w, r, trap, http.StatusFound)
		case 4:
			_, _ = io.WriteString(w, big)
		case 5:
			w.Header().Set("Content-Encoding", "br")
			_, _ = io.WriteString(w, `{"predictions":[2]}`)
		case 6: // Nothing at all.
		case 7:
			_, _ = io.WriteString(w, `{"predictions":[NaN]}`)
		case 8:
			_, _ = io.WriteString(w, `{"predictions":[[[[`)
		default:
			_, _ = io.WriteString(w, `{"predictions":[0]}`)
		}
	})
	r := mustPair(t, PairOptions{Baseline: base + predictPath, Candidate: candidate + predictPath, Lines: instances(10), Show: 10, Require: mustRequire(t, "class>=0")})
	if class := metricOf(t, r, "class"); class.Pairs != 1 || *class.Mean != 1 {
		t.Errorf("%d pairs of classes, want the last alone: %+v", class.Pairs, class.PairShare)
	}
	if f := metricOf(t, r, "failures"); f.Pairs != 10 || *f.Mean != 0.2 {
		t.Errorf("failures: %+v", f.PairShare)
	}
	c := r.Candidate
	if c.Failed != 2 || c.Answered != 9 || c.Oversize != 1 || c.Unread < 5 || r.Answered != 8 {
		t.Errorf("candidate %+v, answered by both %d", c, r.Answered)
	}
	var shown []string
	for _, d := range r.Shown {
		for _, m := range d.Metrics {
			if m.Metric == "failures" {
				shown = append(shown, fmt.Sprint(d.Line, " ", m.Baseline, ", ", m.Candidate))
			}
		}
	}
	if len(shown) != 2 || shown[0] != "2 status 200, status 500" || !strings.HasPrefix(shown[1], "3 status 200, ") {
		t.Errorf("failures are shown as %q", shown)
	}
}

func mustRequire(t *testing.T, limits ...string) []experiment.Objective {
	t.Helper()
	var out []experiment.Objective
	for _, s := range limits {
		g, err := ParseRequire(s)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, g)
	}
	return out
}

func TestPairsWithOneSideDown(t *testing.T) {
	up := serve(t, classifier(nil, func(int) any { return 1 }))
	for _, c := range []struct{ name, base, candidate string }{{"baseline", "127.0.0.1:1", up}, {"candidate", up, "127.0.0.1:1"}} {
		t.Run(c.name, func(t *testing.T) {
			r := mustPair(t, PairOptions{Baseline: c.base, Candidate: c.candidate, Lines: instances(5), Require: mustRequire(t, "class>=0.5", "failures<=50%")})
			down, lives := r.Baseline, r.Candidate
			if c.name == "candidate" {
				down, lives = lives, down
			}
			if down.Failed != 5 || len(down.Failures) != 1 || down.Failures[0].Kind != "refused" || lives.Failed != 0 || r.Answered != 0 || r.Took != nil || lives.Latency != nil {
				t.Errorf("down %+v, alive %+v, answered %d", down, lives, r.Answered)
			}
			if r.Gates[0].Status != experiment.Undecided {
				t.Errorf("a metric without pairs is %s", r.Gates[0].Status)
			}
		})
	}
}

// A candidate that hangs costs its time-out and no more.
func TestPairsTimeOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, stop := inBubble(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // Else the server does not see the client leave.
			if r.URL.Path == "/hangs" {
				<-r.Context().Done()
				return
			}
			_, _ = io.WriteString(w, `{"predictions":[1]}`)
		})
		began := time.Now()
		r, err := RunPairs(t.Context(), PairOptions{
			Baseline: "http://model/ok", Candidate: "http://model/hangs", Lines: instances(4), Concurrency: 2, Timeout: 3 * time.Second, dial: o.dial,
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != 6*time.Second {
			t.Errorf("took %s, want two rounds of 3s", took)
		}
		if f := r.Candidate.Failures; len(f) != 1 || f[0].Kind != "timeout" || f[0].Count != 4 || r.Baseline.Failed != 0 {
			t.Errorf("candidate %+v, baseline %+v", r.Candidate, r.Baseline)
		}
		stop()
	})
}

func TestInterruptedPairsAreNotCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, stop := inBubble(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			select {
			case <-time.After(time.Second):
			case <-r.Context().Done():
			}
			_, _ = io.WriteString(w, `{"predictions":[1]}`)
		})
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(2500*time.Millisecond, func() { cancel(errPulled) })
		var told []PairProgress
		r, err := RunPairs(ctx, PairOptions{Baseline: "model", Candidate: "model", Lines: instances(100), Concurrency: 3, dial: o.dial},
			func(p PairProgress) { told = append(told, p) })
		if !errors.Is(err, errPulled) || !r.Partial || r.Pairs != 6 || r.Baseline.Failed+r.Candidate.Failed != 0 {
			t.Errorf("error %v, %+v", err, r)
		}
		if last := told[len(told)-1]; last.Done != 6 || last.Planned != 100 || !strings.HasPrefix(last.Line(), "  6%  6 pairs  2.5/s  ") {
			t.Errorf("the last progress is %+v: %q", last, last.Line())
		}
		stop()
	})
}

// sender notes which endpoint's request leaves first.
type sender struct {
	mu   sync.Mutex
	sent map[string][]string
	http.RoundTripper
}

func (s *sender) RoundTrip(r *http.Request) (*http.Response, error) {
	body, _ := r.GetBody()
	text, _ := io.ReadAll(body)
	s.mu.Lock()
	s.sent[string(text)] = append(s.sent[string(text)], r.URL.Path)
	s.mu.Unlock()
	return s.RoundTripper.RoundTrip(r)
}

// Neither endpoint is always second, when caches are warm; and both are asked
// before either has answered.
func TestPairsTakeTurnsAndGoTogether(t *testing.T) {
	var waiting sync.Map
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mine, other := make(chan struct{}), any(nil)
		if c, loaded := waiting.LoadOrStore(string(body), mine); loaded {
			other = c
		}
		if c, ok := other.(chan struct{}); ok {
			close(c)
		} else {
			<-mine // Until the other endpoint has the same request.
		}
		_, _ = io.WriteString(w, `{"predictions":[1]}`)
	})
	lines := instances(20)
	r, err := newPairRun(PairOptions{Baseline: url + "/a", Candidate: url + "/b", Lines: lines, Concurrency: 4, Timeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	s := &sender{sent: map[string][]string{}, RoundTripper: r.ends[0].client.Transport}
	for _, e := range r.ends {
		defer e.client.CloseIdleConnections()
		e.client.Transport = s
	}
	r.send(t.Context())
	for i, l := range lines {
		want := []string{"/a", "/b"}
		if i%2 == 1 {
			want = []string{"/b", "/a"}
		}
		if d := cmp.Diff(want, s.sent[string(l.Body)]); d != "" {
			t.Errorf("line %d: %s", l.Number, d)
		}
	}
	if got := r.report(); got.Answered != 20 || r.ends[0].client.Transport.(*sender).RoundTripper == nil {
		t.Errorf("answered %d", got.Answered)
	}
	s.RoundTripper.(*http.Transport).CloseIdleConnections()
}

func TestPairsUnderWayAreCapped(t *testing.T) {
	var now, most [2]atomic.Int64
	handler := func(i int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			n := now[i].Add(1)
			for m := most[i].Load(); n > m && !most[i].CompareAndSwap(m, n); m = most[i].Load() {
			}
			_, _ = io.WriteString(w, `{"predictions":[1]}`)
			now[i].Add(-1)
		}
	}
	mustPair(t, PairOptions{Baseline: serve(t, handler(0)), Candidate: serve(t, handler(1)), Lines: instances(200), Concurrency: 3})
	for i := range most {
		if got := most[i].Load(); got < 1 || got > 3 {
			t.Errorf("endpoint %d had %d requests at the same time, want at most 3", i, got)
		}
	}
}

// A server that answers a new class each time fills no memory, and what is not
// counted is told.
func TestPairsOfManyClasses(t *testing.T) {
	url := serve(t, classifier(nil, func(x int) any { return fmt.Sprint("class ", x) }))
	r := mustPair(t, PairOptions{Baseline: url + predictPath, Candidate: url + predictPath, Lines: instances(maxClassPairs + 88)})
	m := metricOf(t, r, "class").Agreement
	if m.Pairs != maxClassPairs || m.Lost != 88 || len(m.Classes) != maxMatrix+1 || m.Classes[maxMatrix] != OtherClasses {
		t.Errorf("%d pairs, %d lost, %d classes", m.Pairs, m.Lost, len(m.Classes))
	}
	if got := m.Counts[maxMatrix][maxMatrix]; got != maxClassPairs-maxMatrix || *m.Same != 1 {
		t.Errorf("%d pairs of others, same %g", got, *m.Same)
	}
}

func TestUsualMetricsAreThoseOfTheAnswers(t *testing.T) {
	for _, c := range []struct {
		name, path, answer string
		want               []string
	}{
		{"classes", predictPath, `{"predictions":["cat"]}`, []string{"class"}},
		{"probabilities", predictPath, `{"predictions":[[0.25,0.75]]}`, []string{"class", "number", "vector"}},
		{"chat", "/v1/chat/completions", `{"choices":[{"message":{"content":"two words"}}],"id":"7"}`, []string{"text"}},
		{"any JSON", "/rank", `{"items":[{"id":1}]}`, []string{"json"}},
		{"plain text", "/score", `hello there`, []string{"text"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			url := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, c.answer) })
			r := mustPair(t, PairOptions{Baseline: url + c.path, Candidate: url + c.path, Lines: instances(3)})
			got := []string{}
			for _, m := range r.Metrics {
				got = append(got, m.Metric)
				if m.Metric != "failures" && m.Metric != "latency" && *m.Mean != 1 {
					t.Errorf("%s: equal answers agree by %g", m.Metric, *m.Mean)
				}
			}
			if d := cmp.Diff(append([]string{"failures", "latency"}, c.want...), got); d != "" {
				t.Error(d)
			}
		})
	}
}
