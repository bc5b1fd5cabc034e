// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/view"
	"github.com/headgate-dev/headgate/stats"
)

// running is a view as a run has it after its first minutes, with candidates
// beside the baseline.
func running(candidates int) view.Experiment {
	at := time.Date(2026, 3, 1, 12, 0, 0, 123_000_000, time.UTC)
	third := 1.0 / 3
	v := view.Experiment{
		APIVersion: view.APIVersion, Kind: view.Kind, Name: "ranker", Namespace: "search", Plan: "f35b86799041", At: at,
		Elapsed: 165.25, Condition: "running",
		Stage: view.Stage{Name: "ab", Kind: "split", Number: 2, Of: 2, Step: 1, Steps: 1, Progress: third, Elapsed: 5.5},
		Verdict: view.Verdict{
			Sentence: "KEEP GOING  v2 is undecided (+0.3 points); the reward is undecided with 1204 matured units: about 3000 units more until the horizon",
			Code:     "HG-D204", Reasons: []string{"the reward is undecided"},
		},
		Health:    view.Health{OK: true, Mismatch: 1},
		Decisions: []view.Decision{{At: at.Add(-time.Minute), Act: "advance", From: "100%/0%", To: "50%/50%", Code: "HG-D102"}},
	}
	for i := range candidates + 1 {
		v.Versions = append(v.Versions, view.Version{
			Name: fmt.Sprintf("v%d", i+1), Share: third, Seen: &third, Units: 181_204, Requests: 1_060_711,
		})
		estimate, limit := 0.00267722253, 0.03
		v.Findings = append(v.Findings, view.Finding{
			Version: v.Versions[i].Name, Role: "objective", Metric: "errors", Status: "met", Estimate: &estimate, Limit: &limit, Guarantee: "any time",
		})
		if i > 0 {
			v.Findings = append(v.Findings, view.Finding{
				Version: v.Versions[i].Name, Role: "reward", Metric: "click", Status: "undecided", Estimate: &estimate,
				Interval: &stats.Interval{Low: -0.103586676, High: 0.108941121}, N: 362_408, Guarantee: "any time",
			})
		}
	}
	return v
}

// changing is a source whose view a test changes.
type changing struct {
	atomic.Pointer[view.Experiment]
}

func (c *changing) View() view.Experiment { return *c.Load() }

// change makes a new view, a second later.
func (c *changing) change(f func(*view.Experiment)) {
	v := c.View()
	v.At = v.At.Add(time.Second)
	f(&v)
	c.Store(&v)
}

// pipes is a listener without a network, so that time can be the test's.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	select {
	case <-p.done:
	default:
		close(p.done)
	}
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

// streaming is a server with the limits that the API's server has, and a
// stream.
type streaming struct {
	t      *testing.T
	source changing
	stream *Stream
	pipes  *pipes
	server *http.Server
}

func startStreaming(t *testing.T, v view.Experiment) *streaming {
	t.Helper()
	s := &streaming{t: t, pipes: &pipes{conns: make(chan net.Conn), done: make(chan struct{})}}
	s.source.Store(&v)
	s.stream = NewStream(&s.source)
	s.server = &http.Server{Handler: s.stream, ReadTimeout: 30 * time.Second, WriteTimeout: 30 * time.Second}
	s.server.RegisterOnShutdown(s.stream.Stop)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := s.server.Serve(s.pipes); !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("serve: %v", err)
		}
	}()
	t.Cleanup(func() {
		_ = s.server.Close()
		<-done
	})
	return s
}

// event is one event, or one comment, as a subscriber reads it.
type event struct{ id, name, data, comment string }

// client is one subscriber.
type client struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
	http *http.Response
}

// subscribe opens a stream and reads the head of the answer.
func (s *streaming) subscribe(lastID string) *client {
	s.t.Helper()
	here, there := net.Pipe()
	s.pipes.conns <- there
	s.t.Cleanup(func() { _ = here.Close() })
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, "http://localhost/v1/experiment/events", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	if lastID != "" {
		r.Header.Set("Last-Event-ID", lastID)
	}
	if err := r.Write(here); err != nil {
		s.t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(here), r)
	if err != nil {
		s.t.Fatal(err)
	}
	return &client{t: s.t, conn: here, in: bufio.NewReader(answer.Body), http: answer}
}

// next reads one event; the retry line is not one.
func (c *client) next() event {
	c.t.Helper()
	for {
		var e event
		retry := false
		for {
			line, err := c.in.ReadString('\n')
			if err != nil {
				c.t.Fatalf("the stream ended: %v", err)
			}
			if line == "\n" {
				break
			}
			name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
			switch name {
			case "id":
				e.id = value
			case "event":
				e.name = value
			case "data":
				e.data = value
			case "retry":
				retry = true
			case "":
				e.comment = value
			}
		}
		if !retry {
			return e
		}
	}
}

// want reads one event of a name.
func (c *client) want(name string) event {
	c.t.Helper()
	e := c.next()
	if e.name != name {
		c.t.Fatalf("event %q with %s, want %q", e.name, e.data, name)
	}
	return e
}

func TestStreamBeginsWithTheWholeView(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startStreaming(t, running(1))
		c := s.subscribe("")
		for name, want := range map[string]string{"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"} {
			if got := c.http.Header.Get(name); got != want {
				t.Errorf("%s = %q, want %q", name, got, want)
			}
		}
		e := c.want("view")
		var got view.Experiment
		if err := json.Unmarshal([]byte(e.data), &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(s.source.View(), got); diff != "" {
			t.Errorf("the view differs (-want +got):\n%s", diff)
		}
		if e.id == "" {
			t.Error("it has no id")
		}
	})
}

func TestStreamTicksBetweenDecisions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startStreaming(t, running(1))
		c := s.subscribe("")
		whole := c.want("view")
		s.source.change(func(v *view.Experiment) {
			v.Stage.Progress = 0.123456
			v.Versions = slices.Clone(v.Versions)
			v.Versions[1].Units++
		})
		e := c.want("tick")
		const want = `{"at":1772366401123,"elapsed":165.2,"stage":5.5,"progress":0.1235,` +
			`"versions":[[0.3333,0.3333,181204,1060711],[0.3333,0.3333,181205,1060711]],"comparisons":[[0.002677,-0.1036,0.1089,362408]]}`
		if e.data != want {
			t.Errorf("tick is\n%s, want\n%s", e.data, want)
		}
		if structure, _, _ := strings.Cut(whole.id, "."); !strings.HasPrefix(e.id, structure+".") || e.id == whole.id {
			t.Errorf("ids are %s and %s, want one structure at two times", whole.id, e.id)
		}
		s.source.change(func(v *view.Experiment) { v.Verdict.Sentence = "KEEP GOING  more" })
		if e := c.want("tick"); !strings.HasSuffix(e.data, `"sentence":"KEEP GOING  more"}`) {
			t.Errorf("tick %s does not carry the new sentence", e.data)
		}
	})
}

// TestTicksAreSmall holds ticks to their limit, with the longest sentences and
// the largest numbers: what does not fit comes as a view.
func TestTicksAreSmall(t *testing.T) {
	for name, tc := range map[string]struct {
		candidates int
		sentence   bool
		want       string
	}{
		"two versions":                       {1, false, "tick"},
		"two versions with a new sentence":   {1, true, "tick"},
		"three versions":                     {2, false, "tick"},
		"eight versions":                     {7, false, "view"},
		"three versions with a new sentence": {2, true, "tick"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := startStreaming(t, running(tc.candidates))
				c := s.subscribe("")
				c.want("view")
				s.source.change(func(v *view.Experiment) {
					if tc.sentence {
						v.Verdict.Sentence = strings.Replace(v.Verdict.Sentence, "+0.3", "+0.4", 1)
					}
				})
				e := c.want(tc.want)
				if tc.want != "tick" {
					return
				}
				t.Logf("%d bytes", len(e.data))
				if len(e.data) > 400 {
					t.Errorf("the tick has %d bytes, want at most 400: %s", len(e.data), e.data)
				}
			})
		})
	}
}

func TestStreamSendsTheViewWhenItsStructureChanges(t *testing.T) {
	for name, change := range map[string]func(*view.Experiment){
		"a stage":       func(v *view.Experiment) { v.Stage.Number, v.Stage.Name = 3, "soak" },
		"a step":        func(v *view.Experiment) { v.Stage.Step++ },
		"shares":        func(v *view.Experiment) { v.Versions[0].Share, v.Versions[1].Share = 0.2, 0.8 },
		"a decision":    func(v *view.Experiment) { v.Decisions = append(v.Decisions, view.Decision{At: v.At, Act: "pause"}) },
		"a condition":   func(v *view.Experiment) { v.Condition = "paused" },
		"the outcome":   func(v *view.Experiment) { v.Verdict.Outcome = "promoted" },
		"the reason":    func(v *view.Experiment) { v.Verdict.Code = "HG-D201" },
		"a status":      func(v *view.Experiment) { v.Findings[0].Status = "violated" },
		"an interval":   func(v *view.Experiment) { v.Findings[2].Interval = nil },
		"a level":       func(v *view.Experiment) { v.Findings[2].Level = 0.9 },
		"a limit":       func(v *view.Experiment) { v.Findings[0].Limit = nil },
		"health":        func(v *view.Experiment) { v.Health.OK = false },
		"what is wrong": func(v *view.Experiment) { v.Health.Trouble = []string{"the source is down"} },
		"another plan":  func(v *view.Experiment) { v.Plan = "0" },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := startStreaming(t, running(1))
				c := s.subscribe("")
				c.want("view")
				s.source.change(func(v *view.Experiment) {
					// What the subscriber was sent must stay as it was.
					v.Versions = slices.Clone(v.Versions)
					v.Findings = slices.Clone(v.Findings)
					change(v)
				})
				c.want("view")
			})
		})
	}
}

func TestStreamSendsTheFiguresThatAreInNoTick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startStreaming(t, running(1))
		c := s.subscribe("")
		start := time.Now()
		c.want("view")
		s.source.change(func(v *view.Experiment) { v.Elapsed++ })
		c.want("tick")
		// Nothing changes any more, and yet objectives moved with that tick.
		c.want("view")
		if took := time.Since(start); took != wholeEvery {
			t.Errorf("the view came after %s, want %s", took, wholeEvery)
		}
	})
}

func TestStreamIsKeptAliveWhileNothingHappens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startStreaming(t, running(1))
		c := s.subscribe("")
		c.want("view")
		for range 10 {
			start := time.Now()
			if e := c.next(); e.comment == "" || e.name != "" {
				t.Fatalf("event %+v, want a comment", e)
			}
			if took := time.Since(start); took != heartbeatEvery {
				t.Errorf("a heartbeat after %s, want %s", took, heartbeatEvery)
			}
		}
		// That was longer than the server's limits for ordinary requests.
		s.source.change(func(v *view.Experiment) { v.Stage.Step++ })
		c.want("view")
	})
}

func TestStreamResumes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startStreaming(t, running(1))
		first := s.subscribe("")
		id := first.want("view").id
		_ = first.conn.Close()
		if e := s.subscribe(id).want("tick"); !strings.Contains(e.data, `"sentence":"KEEP GOING`) {
			t.Errorf("the tick of a resumed stream is %s, want the sentence in it", e.data)
		}
		s.source.change(func(v *view.Experiment) { v.Stage.Step++ })
		s.subscribe(id).want("view")
		s.subscribe("what another server said").want("view")
	})
}

func TestStreamEndsWithTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startStreaming(t, running(1))
		c := s.subscribe("")
		c.want("view")
		s.source.change(func(v *view.Experiment) { v.Verdict.Outcome, v.Condition = "promoted", "done" })
		stopped := make(chan error, 1)
		start := time.Now()
		go func() { stopped <- s.server.Shutdown(t.Context()) }()
		if e := c.want("view"); !strings.Contains(e.data, `"promoted"`) {
			t.Errorf("the last view is %s, want the newest", e.data)
		}
		c.want("end")
		if rest, err := io.ReadAll(c.in); err != nil || len(rest) > 0 {
			t.Errorf("after the end came %q, %v", rest, err)
		}
		if err := <-stopped; err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took > time.Second {
			t.Errorf("the server was held up for %s", took)
		}
	})
}

func TestStreamEndsWithItsRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startStreaming(t, running(1))
		c := s.subscribe("")
		c.want("view")
		if len(s.stream.places) != 1 {
			t.Fatalf("%d places are taken, want 1", len(s.stream.places))
		}
		_ = c.conn.Close()
		synctest.Wait()
		if len(s.stream.places) != 0 {
			t.Errorf("%d places are taken after the subscriber has gone", len(s.stream.places))
		}
	})
}

func TestStreamDropsWhoDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startStreaming(t, running(1))
		slow, quick := s.subscribe(""), s.subscribe("")
		slow.want("view")
		quick.want("view")
		s.source.change(func(v *view.Experiment) { v.Stage.Step++ })
		// The quick one is not held up; then there is nothing more to write to
		// the slow one than what it does not take.
		quick.want("view")
		time.Sleep(writeTimeout + lookEvery) // Fake time, see synctest.
		synctest.Wait()
		if n := len(s.stream.places); n != 1 {
			t.Errorf("%d places are taken, want that of the quick one", n)
		}
	})
}

func TestStreamIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startStreaming(t, running(1))
		for range MaxSubscribers {
			s.subscribe("").want("view")
		}
		c := s.subscribe("")
		if c.http.StatusCode != http.StatusServiceUnavailable || c.http.Header.Get("Retry-After") == "" {
			t.Errorf("subscriber %d got %d, Retry-After %q; want 503 and a time", MaxSubscribers+1, c.http.StatusCode, c.http.Header.Get("Retry-After"))
		}
	})
}

func TestStreamRefusesOtherMethods(t *testing.T) {
	r := from(t, "127.0.0.1:1", "localhost", "/v1/experiment/events")
	r.Method = http.MethodPost
	if w := serve(NewStream(&changing{}), r); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("answer %d, want 405", w.Code)
	}
}

func TestStreamNeedsAConnectionThatStreams(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	w := serve(NewStream(&changing{}), from(t, "127.0.0.1:1", "localhost", "/v1/experiment/events").WithContext(ctx))
	if w.Code != http.StatusInternalServerError {
		t.Errorf("answer %d, want 500", w.Code)
	}
}

// BenchmarkTick is what one subscriber costs a second.
func BenchmarkTick(b *testing.B) {
	v := running(1)
	for b.Loop() {
		structureOf(&v)
		if _, err := json.Marshal(tickOf(&v, v.Verdict.Sentence)); err != nil {
			b.Fatal(err)
		}
	}
}
