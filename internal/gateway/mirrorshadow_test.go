// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// talker is a candidate that does something of its own with each connection,
// until the test ends.
func talker(t testing.TB, talk func(c net.Conn)) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, c)
			mu.Unlock()
			wg.Go(func() {
				defer c.Close()
				talk(c)
			})
		}
	})
	t.Cleanup(func() {
		ln.Close()
		mu.Lock()
		for _, c := range conns {
			c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return "http://" + ln.Addr().String()
}

// hear1 reads what there is of a request.
func hear1(c net.Conn) { _, _ = c.Read(make([]byte, 64<<10)) }

// badShadows are all the ways in which a shadow can be bad, and what becomes of
// its copies; none is that they never end by themselves.
var badShadows = map[string]struct {
	talk func(c net.Conn)
	want copyResult
}{
	"hangs before it reads":   {func(c net.Conn) { _, _ = c.Write(nil); block(c) }, copyTimeout},
	"hangs before it answers": {func(c net.Conn) { hear1(c); block(c) }, copyTimeout},
	"hangs amid its answer": {func(c net.Conn) {
		hear1(c)
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{")
		block(c)
	}, copyTimeout},
	"says that much will come": {func(c net.Conn) {
		hear1(c)
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n{")
		block(c)
	}, copyTimeout},
	"floods":             {func(c net.Conn) { hear1(c); flood(c, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n[") }, copyFlooded},
	"floods with a head": {func(c net.Conn) { hear1(c); flood(c, "HTTP/1.1 200 OK\r\nX: ") }, copyFailed},
	"floods with hints":  {func(c net.Conn) { hear1(c); repeat(c, "HTTP/1.1 103 Early Hints\r\n\r\n") }, copyFailed},
	"answers garbage":    {func(c net.Conn) { hear1(c); io.WriteString(c, "\x00\x01garbage\r\n\r\n") }, copyFailed},
	"answers less than it said": {
		func(c net.Conn) { hear1(c); io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}") }, copyFailed,
	},
	"becomes something else": {
		func(c net.Conn) {
			hear1(c)
			io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
			block(c)
		}, copyFailed,
	},
	"hangs up":                 {hear1, copyFailed},
	"hangs up before it reads": {func(net.Conn) {}, copyFailed},
	"resets":                   {func(c net.Conn) { hear1(c); c.(*net.TCPConn).SetLinger(0) }, copyFailed},
	"answers garbage for JSON": {
		func(c net.Conn) {
			hear1(c)
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n\x1f\x8b\xff{{{")
		}, copyAnswered,
	},
}

// block waits until the other side hangs up.
func block(c net.Conn) { _, _ = io.Copy(io.Discard, c) }

// flood never ends, but by the other side.
func flood(c net.Conn, head string) {
	_, _ = io.WriteString(c, head)
	repeat(c, strings.Repeat("0,", 8<<10))
}

func repeat(c net.Conn, text string) {
	for {
		if _, err := io.WriteString(c, text); err != nil {
			return
		}
	}
}

// TestBadShadowChangesNothingOnThePrimaryPath is D11: the same requests are
// answered alike, without a failure and without waiting, whatever the shadow
// does; what it costs is bounded; windows seal meanwhile.
func TestBadShadowChangesNothingOnThePrimaryPath(t *testing.T) {
	for name, bad := range badShadows {
		t.Run(name, func(t *testing.T) {
			m := newMirrored(t, func(r *experiment.Route) {
				if bad.want == copyTimeout {
					r.Mirror.Timeout = 200 * time.Millisecond
				}
			}, named(t, "one"), talker(t, bad.talk))
			const n = mostTimeouts // Further ones are not sent to a shadow that hangs.
			for i := range n {
				body := fmt.Sprintf(`{"n":%d}`, i)
				a := m.ask(t, "POST", "/x", body)
				if a.StatusCode != 200 || a.body != body || a.Header.Get("X-Backend") != "one" || a.Header.Get(headerVersion) != "v1" {
					t.Fatalf("request %d got %d %q from %q", i, a.StatusCode, a.body, a.Header.Get("X-Backend"))
				}
				if h := m.shadows.heard.held.Load(); h > maxShadowAnswers {
					t.Fatalf("%d bytes of the shadow's answers are held", h)
				}
			}
			settled(m.client)
			cells := sealAll(t, m.Gateway, m.route) // While the shadow goes on.
			if got := count(cells, 0, experiment.CellRequests).Counts; got != (stats.Counts{N: n}) {
				t.Errorf("the baseline has %+v, want %d", got, n)
			}
			if got := count(cells, 1, experiment.CellRequests).Counts; got != (stats.Counts{}) {
				t.Errorf("the candidate has %+v of users", got)
			}
			pairs := m.over()
			if got := m.copies(t, bad.want); got != n || len(pairs) != n {
				t.Errorf("%d %s, and %d pairs, want %d", got, bad.want, len(pairs), n)
			}
			for _, p := range pairs {
				if p.Failed != (bad.want != copyAnswered) {
					t.Errorf("pair %+v", p)
				}
			}
			if h := m.route; !m.healthy(1) {
				t.Errorf("copies ejected %s", h.Versions[1].Name)
			}
		})
	}
}

func (g *Gateway) healthy(version int) bool {
	return !g.route.Load().versions[version].health.ejected()
}

func TestNobodyAtTheShadowIsAFailedCopy(t *testing.T) {
	m := newMirrored(t, nil, named(t, "one"), closedPort(t))
	if a := m.ask(t, "POST", "/", "{}"); a.StatusCode != 200 {
		t.Errorf("answered %d", a.StatusCode)
	}
	if pairs := m.over(); len(pairs) != 1 || !pairs[0].Failed || pairs[0].Compared != nil || m.copies(t, copyFailed) != 1 {
		t.Errorf("pairs %+v", pairs)
	}
}

// TestCopiesAreSentOnce has a candidate hang up on connections that it has kept
// open, which net/http answers by sending what is harmless again.
func TestCopiesAreSentOnce(t *testing.T) {
	for _, method := range []string{"GET", "HEAD", "OPTIONS", "POST", "PUT"} {
		t.Run(method, func(t *testing.T) {
			var got atomic.Int64
			var hangsUp atomic.Bool
			candidate := talker(t, func(c net.Conn) {
				for in := bufio.NewReader(c); ; {
					r, err := http.ReadRequest(in)
					if err != nil {
						return
					}
					io.Copy(io.Discard, r.Body)
					got.Add(1)
					if hangsUp.Load() {
						return
					}
					io.WriteString(c, "HTTP/1.1 204 No Content\r\n\r\n")
				}
			})
			m := newMirrored(t, nil, named(t, "one"), candidate)
			m.ask(t, method, "/", "")
			m.over()
			hangsUp.Store(true)
			m.ask(t, method, "/", "")
			if pairs := m.over(); len(pairs) != 2 || pairs[0].Failed || !pairs[1].Failed || got.Load() != 2 {
				t.Errorf("%d copies came, pairs %+v", got.Load(), pairs)
			}
		})
	}
}

func TestWhatIsNotCopiedIsCounted(t *testing.T) {
	long := strings.Repeat("x", maxBodyCopy+1)
	stream := func(kind string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Type", kind)
			io.WriteString(w, "data: 1\n\n")
		}
	}
	says := func(length bool) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			if length {
				w.Header().Set("Content-Length", fmt.Sprint(len(long)))
			}
			io.WriteString(w, long)
		}
	}
	breaks := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "10")
		io.WriteString(w, "{")
	}
	echo := func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) }
	for name, tc := range map[string]struct {
		primary http.HandlerFunc
		body    string
		chunked bool
		header  []string
		want    copyResult
	}{
		"a long request":           {primary: func(w http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) }, body: long, want: copyTooLarge},
		"a long request in chunks": {primary: func(w http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) }, body: long, chunked: true, want: copyTooLarge},
		"a long answer":            {primary: says(true), body: "{}", want: copyTooLarge},
		"a long answer in chunks":  {primary: says(false), body: "{}", want: copyTooLarge},
		"events":                   {primary: stream("text/event-stream; charset=utf-8"), body: "{}", want: copyUnfit},
		"gRPC":                     {primary: echo, body: "{}", header: []string{"Content-Type", "application/grpc+proto"}, want: copyUnfit},
		"an answer like any":       {primary: stream("text/plain"), body: "{}", want: copyAnswered},
		"half an answer":           {primary: breaks, body: "{}", want: copyAnswered}, // The baseline failed, which is something to compare with.
		"an error":                 {primary: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, body: "{}", want: copyAnswered},
		"as long as can be":        {primary: echo, body: long[1:], want: copyAnswered},
	} {
		t.Run(name, func(t *testing.T) {
			candidate, copies := recording(t, "{}")
			m := newMirrored(t, nil, backend(t, tc.primary), candidate)
			header := append([]string{"X-User-Id", "anna"}, tc.header...)
			switch {
			case tc.chunked:
				askInChunks(t, m.client, m.url, tc.body, header...)
			case name == "half an answer":
				r, _ := http.NewRequestWithContext(t.Context(), "POST", m.url, strings.NewReader(tc.body))
				r.Header.Set("X-User-Id", "anna")
				res, err := m.client.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				if b, err := io.ReadAll(res.Body); err == nil {
					t.Errorf("the answer is whole: %q", b)
				}
				res.Body.Close()
			default:
				ask(t, m.client, "POST", m.url, tc.body, header...)
			}
			pairs := m.over()
			sent := tc.want == copyAnswered
			if m.copies(t, tc.want) != 1 || sent != (len(copies()) == 1) || sent != (len(pairs) == 1) {
				t.Errorf("%d %s, %d copies, %d pairs", m.copies(t, tc.want), tc.want, len(copies()), len(pairs))
			}
		})
	}
}

func TestClientsThatLeaveAreNotCopied(t *testing.T) {
	candidate, copies := recording(t, "{}")
	m := newMirrored(t, nil, backend(t, func(w http.ResponseWriter, r *http.Request) {
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}), candidate)
	r, _ := http.NewRequestWithContext(t.Context(), "POST", m.url, strings.NewReader("{}"))
	r.Header.Set("X-User-Id", "anna")
	res, err := m.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if pairs := m.over(); len(pairs) != 0 || len(copies()) != 0 || m.copies(t, copyUnanswered) != 1 {
		t.Errorf("%d pairs of %d copies, %d unanswered", len(pairs), len(copies()), m.copies(t, copyUnanswered))
	}
}

func TestBrokenRequestsAreNotCopied(t *testing.T) {
	came := make(chan struct{}, 1)
	candidate, copies := recording(t, "{}")
	m := newMirrored(t, nil, talker(t, func(c net.Conn) {
		hear1(c)
		came <- struct{}{}
		block(c)
	}), candidate)
	conn, err := net.Dial("tcp", strings.TrimPrefix(m.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nX-User-Id: anna\r\nContent-Length: 100\r\n\r\n{")
	<-came
	conn.Close()
	m.over()
	if got := m.copies(t, copyIncomplete) + m.copies(t, copyUnanswered); got != 1 || len(copies()) != 0 {
		t.Errorf("%d were incomplete, %d copies", got, len(copies()))
	}
}

func TestHalfARequestIsNotCopiedWhateverIsAnswered(t *testing.T) {
	c := newClocked(t)
	r := routeTo(experiment.Baseline(2), "http://127.0.0.1:1", "http://127.0.0.1:2")
	r.Mirror = &experiment.MirrorRoute{Share: experiment.Whole, Versions: []int{1}, Timeout: time.Second}
	swap(t, c.Gateway, r)
	var k call
	if c.admit(&k, requestOf(t, "X-User-Id", "anna")) != nil || k.original == nil {
		t.Fatal("it was not captured")
	}
	k.original.depart("/", http.Header{"A": {"b"}})
	k.copy.take([]byte("half"))
	k.original.answers(200, 2, jsonHead)
	k.original.take([]byte("{}"))
	k.original.done()
	c.finish(&k, ending{status: 200})
	if got := metric(t, c.reg, "headgate_gateway_copies_total", "result", "incomplete"); got != 1 {
		t.Errorf("%v incomplete, want 1", got)
	}
	if n, m := c.shadows.kept.held.Load(), c.copies.held.Load(); n != 0 || m != 0 {
		t.Errorf("%d and %d bytes are held", n, m)
	}
}

// shaded is a bubble whose baseline's requests are copied to one candidate.
func shaded(t *testing.T, baseline, candidate http.HandlerFunc, change func(r *experiment.Route)) (b *bubble, pairs func() []experiment.Pair, end func()) {
	t.Helper()
	var mu sync.Mutex
	var all []experiment.Pair
	b = newBubble(t, Options{Paired: func(p *experiment.Pair) bool {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, *p)
		return true
	}}, baseline)
	b.shadows.transport.DialContext = b.dial
	ended := b.serve("shadow", candidate)
	b.route.Phase, b.route.Slots = 2, experiment.SlotsOf(experiment.Baseline(2))
	b.route.Versions[1].Backend = "http://shadow"
	b.route.Mirror = &experiment.MirrorRoute{Share: experiment.Whole, Rate: anyRate, Versions: []int{1}, Timeout: 4 * time.Second}
	if change != nil {
		change(&b.route)
	}
	swap(t, b.Gateway, b.route)
	pairs = func() []experiment.Pair {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(all)
	}
	return b, pairs, func() {
		b.close()
		ended()
	}
}

// send sends n requests one after the other.
func (b *bubble) send(t *testing.T, n int) {
	t.Helper()
	for range n {
		res, err := b.client.Do(b.request(t.Context(), "POST", strings.NewReader("{}")))
		if err != nil {
			t.Fatal(err)
		}
		if body := readAll(t, res); res.StatusCode != 200 {
			t.Fatalf("answered %d %q", res.StatusCode, body)
		}
		res.Body.Close()
	}
}

// stuck takes the request and hangs until its client leaves, which net/http only
// tells once the request was read.
func stuck(w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	hang(w, r)
}

func fine(w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	io.WriteString(w, "{}")
}

func TestShadowThatHangsTakesNoTimeOfUsers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, pairs, end := shaded(t, fine, stuck, func(r *experiment.Route) { r.Mirror.Concurrency = 3 })
		defer end()
		start := time.Now()
		b.send(t, 100)
		if took := time.Since(start); took != 0 {
			t.Errorf("100 requests took %s with a shadow that hangs, want no time at all", took)
		}
		synctest.Wait()
		s, err := b.Seal(b.route.Experiment, 1, 2, 0, time.Now().Add(b.route.Window+b.route.Lag))
		if err != nil || s.To != 1 || count(s.Cells, 0, experiment.CellRequests).Counts.N != 100 {
			t.Errorf("sealed up to %d (%v) while copies are under way", s.To, err)
		}
		time.Sleep(4 * time.Second)
		synctest.Wait()
		failed := pairs()
		if len(failed) != 3 || !failed[0].Failed {
			t.Errorf("after the time-out there are %d pairs", len(failed))
		}
		// What waited meanwhile would come too late.
		got := func(r copyResult) float64 {
			return metric(t, b.reg, "headgate_gateway_copies_total", "result", r.String())
		}
		if got(copyTimeout) != 3 || got(copyLate) != 97 {
			t.Errorf("%v timed out, %v late", got(copyTimeout), got(copyLate))
		}
		if n := b.shadows.kept.held.Load() + b.shadows.heard.held.Load(); n != 0 {
			t.Errorf("%d bytes are held", n)
		}
	})
}

func TestCopiesUnderWayAreBounded(t *testing.T) {
	for limit, want := range map[int]int64{1: 1, 5: 5, 0: defaultCopies, 1000: mostCopies} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var now, most atomic.Int64
				b, _, end := shaded(t, fine, func(w http.ResponseWriter, r *http.Request) {
					if n := now.Add(1); n > most.Load() {
						most.Store(n)
					}
					time.Sleep(100 * time.Millisecond)
					now.Add(-1)
				}, func(r *experiment.Route) { r.Mirror.Concurrency = limit })
				defer end()
				for range mostCopies { // It proves that it answers.
					b.send(t, 1)
					time.Sleep(time.Second)
				}
				b.send(t, 100)
				synctest.Wait()
				if now.Load() != want {
					t.Errorf("%d under way, want %d", now.Load(), want)
				}
				time.Sleep(10 * time.Second)
				synctest.Wait()
				if most.Load() != want || b.shadows.kept.held.Load() != 0 {
					t.Errorf("at most %d were under way, want %d; %d bytes are held", most.Load(), want, b.shadows.kept.held.Load())
				}
			})
		})
	}
}

func TestCandidateThatHangsDoesNotDelayAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, pairs, end := shaded(t, fine, stuck, func(r *experiment.Route) {
			r.Versions = append(r.Versions, experiment.Version{Name: "v3", Backend: "http://other"})
			r.Slots, r.Mirror.Versions, r.Mirror.Concurrency = experiment.SlotsOf(experiment.Baseline(3)), []int{1, 2}, 4
		})
		defer end()
		defer b.serve("other", fine)()
		b.send(t, 20)
		synctest.Wait()
		if got := pairs(); len(got) != 20 || slices.ContainsFunc(got, func(p experiment.Pair) bool { return p.Failed || p.Version != 2 }) {
			t.Errorf("%d pairs of the one that does not hang, want 20", len(got))
		}
	})
}

func TestCopiesPerSecondAreBounded(t *testing.T) {
	for name, c := range map[string]struct {
		rate  float64
		every time.Duration
		// want are the copies of ten seconds in which 50 requests come at once every
		// so often.
		want int
	}{
		"a low rate at once":          {5, time.Second, 50},
		"a higher one not at once":    {100, time.Second, 10 * 20},
		"but over the second":         {100, time.Second / 10, 20 + 99*10},
		"one by default":              {0, time.Second / 10, 20 + 99*5},
		"a tenth of a second's, more": {300, time.Second, 10 * 30},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, pairs, end := shaded(t, fine, fine, func(r *experiment.Route) { r.Mirror.Rate = c.rate })
				defer end()
				asked := 0
				for since := time.Now(); time.Since(since) < 10*time.Second; time.Sleep(c.every) {
					b.send(t, 50)
					asked += 50
				}
				synctest.Wait()
				if n := len(pairs()); n != c.want {
					t.Errorf("%d copies in 10 s, want %d", n, c.want)
				}
				if got := metric(t, b.reg, "headgate_gateway_copies_total", "result", "dropped_rate"); int(got) != asked-c.want {
					t.Errorf("%v over the rate, want %d", got, asked-c.want)
				}
			})
		})
	}
}

func TestCopiesThatFindNoRoomAreDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _, end := shaded(t, fine, stuck, func(r *experiment.Route) { r.Mirror.Concurrency = 1 })
		defer end()
		body := strings.Repeat("x", 512<<10)
		for range 30 {
			r := b.request(t.Context(), "POST", strings.NewReader(body))
			r.Close = true
			res, err := b.client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			readAll(t, res)
			res.Body.Close()
			if n := b.shadows.kept.held.Load(); n > maxOriginals {
				t.Fatalf("%d bytes are held, want at most %d", n, maxOriginals)
			}
		}
		synctest.Wait()
		if got := metric(t, b.reg, "headgate_gateway_copies_total", "result", "dropped_full"); got < 14 || got > 16 {
			t.Errorf("%v of 30 were dropped, want about 15: half a MiB each, and room for 8", got)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		b, _, end := shaded(t, fine, stuck, func(r *experiment.Route) { r.Mirror.Concurrency, r.Mirror.Rate = 1, 1e6 })
		defer end()
		b.send(t, mostWaiting+11)
		synctest.Wait()
		if got := metric(t, b.reg, "headgate_gateway_copies_total", "result", "dropped_full"); got != 10 {
			t.Errorf("%v were dropped, want 10", got)
		}
	})
}

func TestKillEndsCopiesAtOnce(t *testing.T) {
	for name, tc := range map[string]struct {
		next func(r experiment.Route) experiment.Route
		ends bool
	}{
		"killed":        {func(r experiment.Route) experiment.Route { return r.Killed(time.Now()) }, true},
		"no mirror":     {func(r experiment.Route) experiment.Route { r.Mirror = nil; return r }, true},
		"another phase": {func(r experiment.Route) experiment.Route { r.Phase++; return r }, true},
		"moved": {func(r experiment.Route) experiment.Route {
			r.Versions = slices.Clone(r.Versions)
			r.Versions[1].Backend = "http://other"
			return r
		}, true},
		"the same again": {func(r experiment.Route) experiment.Route { m := *r.Mirror; r.Mirror = &m; return r }, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var came, left atomic.Int64
				b, pairs, end := shaded(t, fine, func(w http.ResponseWriter, r *http.Request) {
					came.Add(1)
					stuck(w, r)
					left.Add(1)
				}, func(r *experiment.Route) { r.Mirror.Concurrency = 2 })
				defer end()
				b.send(t, 10)
				synctest.Wait()
				swap(t, b.Gateway, tc.next(b.route))
				synctest.Wait()
				held := b.shadows.kept.held.Load()
				got := metric(t, b.reg, "headgate_gateway_copies_total", "result", "dropped_unserved")
				if tc.ends && (came.Load() != 2 || left.Load() != 2 || held != 0 || got != 10 || len(pairs()) != 0) {
					t.Errorf("%d copies came and %d were cut off, %v dropped, %d bytes held, %d pairs", came.Load(), left.Load(), got, held, len(pairs()))
				}
				if !tc.ends && (left.Load() != 0 || got != 0 || held == 0) {
					t.Errorf("%d were cut off, %v dropped", left.Load(), got)
				}
			})
		})
	}
}

func TestRequestUnderWayAtAKillIsNotCopied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var came atomic.Int64
		b, _, end := shaded(t, func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Second)
			fine(w, r)
		}, func(http.ResponseWriter, *http.Request) { came.Add(1) }, nil)
		defer end()
		done := make(chan struct{})
		go func() { defer close(done); b.send(t, 1) }()
		synctest.Wait()
		swap(t, b.Gateway, b.route.Killed(time.Now()))
		<-done
		synctest.Wait()
		if came.Load() != 0 || b.shadows.kept.held.Load() != 0 {
			t.Errorf("%d copies came after a kill", came.Load())
		}
	})
}

func TestCloseEndsCopiesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, pairs, end := shaded(t, fine, stuck, func(r *experiment.Route) { r.Mirror.Concurrency = 2 })
		b.send(t, 10)
		start := time.Now()
		end()
		if took := time.Since(start); took != 0 {
			t.Errorf("Close took %s", took)
		}
		if b.shadows.kept.held.Load() != 0 || len(pairs()) != 0 {
			t.Errorf("%d bytes are held, %d pairs", b.shadows.kept.held.Load(), len(pairs()))
		}
	})
}

func TestADryBucketSaysSoWithoutBeingAsked(t *testing.T) {
	b := bucket{perSecond: 10, most: 2}
	now := epochStart
	if b.dry(now) || !b.take(2, now) || b.dry(now) {
		t.Fatal("a full bucket is dry")
	}
	if b.take(2, now) || !b.dry(now) || !b.dry(now.Add(199*time.Millisecond)) {
		t.Error("an empty bucket is not dry")
	}
	if b.dry(now.Add(-time.Hour)) {
		t.Error("a clock that was put back is believed")
	}
	if later := now.Add(201 * time.Millisecond); b.dry(later) || !b.take(2, later) {
		t.Error("a bucket that has filled up is dry")
	}
}

func TestFloodsAreHeldBack(t *testing.T) {
	b := bucket{perSecond: 100, most: 50}
	now := epochStart
	for i, step := range []struct {
		after time.Duration
		n     int
		want  time.Duration
	}{
		{0, 50, 0}, {0, 100, time.Second}, {0, 100, 2 * time.Second}, {2 * time.Second, 10, 100 * time.Millisecond}, {time.Hour, 50, 0}, {0, 1, 10 * time.Millisecond},
	} {
		now = now.Add(step.after)
		if got := b.owe(step.n, now); got != step.want {
			t.Errorf("step %d waits %s, want %s", i, got, step.want)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		long := strings.Repeat("x", maxMirroredAnswer)
		metrics := comparing(experiment.CompareLatency, experiment.CompareText)
		b, pairs, end := shaded(t, func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			io.WriteString(w, long[:len(long)/timesAnswer])
		}, func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			io.WriteString(w, long)
		}, func(r *experiment.Route) { r.Mirror.Pairs = metrics })
		defer end()
		start := time.Now()
		b.send(t, 9) // The first is free, eight share what half a second brings.
		synctest.Wait()
		if took := time.Since(start); took != 0 {
			t.Errorf("users waited %s", took)
		}
		time.Sleep(600 * time.Millisecond)
		synctest.Wait()
		got := pairs()
		if len(got) != 9 {
			t.Fatalf("%d pairs, want 9", len(got))
		}
		for _, p := range got {
			if p.Failed || p.Compared[1].Blank {
				t.Errorf("pair %+v", p)
			}
		}
		if last := got[8].Compared[0]; !last.Blank {
			t.Errorf("the time of an answer that was held back is compared: %+v", last)
		}
	})
}
