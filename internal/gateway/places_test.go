// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// crowd sends n requests, one millisecond after the other, and gives for each
// who answered, with what, and after how long.
func crowd(t *testing.T, f *flaky, n int) []string {
	t.Helper()
	out := make([]string, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			start := time.Now()
			version, status, _ := f.as(t, "anna", "")
			out[i] = fmt.Sprintf("%s %d %s", version, status, time.Since(start).Round(100*time.Millisecond))
		})
		time.Sleep(time.Millisecond)
	}
	all.Wait()
	return out
}

func slow(d time.Duration) http.HandlerFunc {
	return func(http.ResponseWriter, *http.Request) { time.Sleep(d) }
}

func TestCandidateHasSoManyPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFlaky(t, Options{}, experiment.GatewayRules{Concurrency: 1, Queue: 2})
		defer f.close()
		f.does(slow(2 * time.Second))
		go func() {
			time.Sleep(time.Second)
			if got := metric(t, f.reg, "headgate_gateway_queue_length", "version", "v2"); got != 2 {
				t.Errorf("queue length = %v, want 2", got)
			}
		}()
		got := crowd(t, f, 4)
		for i, want := range []string{"v2 200 2s", "v2 200 4s", "v2 200 6s", "v1 200 0s"} {
			if got[i] != want {
				t.Errorf("request %d: %s, want %s", i, got[i], want)
			}
		}
		if e, _ := f.cells(t); e.Counts != (stats.Counts{N: 4, X: 1}) {
			t.Errorf("cell = %+v, want the one without a place to be a failure", e.Counts)
		}
		for name, labels := range map[string][]string{
			"headgate_gateway_queue_refused_total": {"version", "v2"},
			"headgate_gateway_fallbacks_total":     {"version", "v2", "reason", "crowded"},
		} {
			if got := metric(t, f.reg, name, labels...); got != 1 {
				t.Errorf("%s = %v, want 1", name, got)
			}
		}
		if got := metric(t, f.reg, "headgate_gateway_queue_length", "version", "v2"); got != 0 {
			t.Errorf("queue length = %v at the end", got)
		}
	})
}

func TestTheWaitForAPlaceIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFlaky(t, Options{}, experiment.GatewayRules{Concurrency: 1})
		defer f.close()
		f.does(slow(29 * time.Second))
		got := crowd(t, f, 2)
		for i, want := range []string{"v2 200 29s", "v1 200 15s"} {
			if got[i] != want {
				t.Errorf("request %d: %s, want %s", i, got[i], want)
			}
		}
	})
}

func TestBaselineWithoutAPlaceAnswers503(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, Options{}, slow(2*time.Second))
		defer b.close()
		b.route.Phase, b.route.Slots = 2, experiment.SlotsOf(experiment.Baseline(2))
		b.route.Rules = experiment.GatewayRules{Concurrency: 1}
		swap(t, b.Gateway, b.route)
		statuses := make(map[int]int)
		var mu sync.Mutex
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() {
				res, err := b.client.Do(b.request(t.Context(), "GET", nil))
				if err != nil {
					t.Error(err)
					return
				}
				defer res.Body.Close()
				mu.Lock()
				defer mu.Unlock()
				statuses[res.StatusCode]++
				if res.StatusCode == 503 && (res.Header.Get("Retry-After") == "" || res.Header.Get(headerVersion) != "v1") {
					t.Errorf("header = %v", res.Header)
				}
			})
		}
		all.Wait()
		synctest.Wait()
		if statuses[200] != 2 || statuses[503] != 1 {
			t.Errorf("statuses = %v", statuses)
		}
		if got := count(sealAll(t, b.Gateway, b.route), 0, experiment.CellRequests).Counts; got != (stats.Counts{N: 3, X: 1}) {
			t.Errorf("cell = %+v", got)
		}
	})
}

func TestWhoLeavesTheLineGivesItsPlaceUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFlaky(t, Options{}, experiment.GatewayRules{Concurrency: 1, Queue: 1})
		defer f.close()
		var served atomic.Int64
		f.does(func(http.ResponseWriter, *http.Request) { served.Add(1); time.Sleep(5 * time.Second) })
		var all sync.WaitGroup
		all.Go(func() { f.as(t, "anna", "") })
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if res, err := f.client.Do(f.request(ctx, "GET", nil)); err == nil {
			res.Body.Close()
			t.Error("the client did not leave")
		}
		time.Sleep(3 * watchEvery)
		if version, _, _ := f.as(t, "anna", ""); version != "v2" {
			t.Errorf("answered by %s: the line is full still", version)
		}
		all.Wait()
		e, _ := f.cells(t)
		if served.Load() != 2 || e.Counts != (stats.Counts{N: 2}) {
			t.Errorf("%d reached the candidate, cell %+v, want 2 and no failure", served.Load(), e.Counts)
		}
	})
}

func TestCloseEmptiesTheLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFlaky(t, Options{}, experiment.GatewayRules{Concurrency: 1, Queue: 1})
		defer f.close()
		f.does(hang)
		start := time.Now()
		var all sync.WaitGroup
		for range 2 {
			all.Go(func() { f.status(t) })
		}
		synctest.Wait()
		f.server.Close()
		all.Wait()
		if took := time.Since(start); took > 2*watchEvery {
			t.Errorf("it took %s", took)
		}
	})
}

func TestBoundsMayChangeUnderWay(t *testing.T) {
	for name, tc := range map[string]struct {
		rules experiment.GatewayRules
		want  []string
	}{
		"more":    {experiment.GatewayRules{Concurrency: 2, Queue: 2}, []string{"v2 200 4s", "v2 200 5s", "v2 200 8s"}},
		"none":    {experiment.GatewayRules{}, []string{"v2 200 4s", "v2 200 5s", "v2 200 5s"}},
		"as were": {experiment.GatewayRules{Concurrency: 1, Queue: 2}, []string{"v2 200 4s", "v2 200 8s", "v2 200 12s"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFlaky(t, Options{}, experiment.GatewayRules{Concurrency: 1, Queue: 2})
				defer f.close()
				f.does(slow(4 * time.Second))
				go func() {
					time.Sleep(time.Second)
					f.route.Rules = tc.rules
					swap(t, f.Gateway, f.route)
				}()
				got := crowd(t, f, 3)
				for i, want := range tc.want {
					if got[i] != want {
						t.Errorf("request %d: %s, want %s", i, got[i], want)
					}
				}
				synctest.Wait()
				for i := range 2 {
					if p := &f.Gateway.route.Load().versions[i].health.places; p.taken != 0 || p.waiting() != 0 {
						t.Errorf("version %d: %d places taken, %d in line", i, p.taken, p.waiting())
					}
				}
			})
		})
	}
}

// TestPlacesHoldUnderLoad has many come and go: there are never more inside
// than there are places, and at the end none is lost.
func TestPlacesHoldUnderLoad(t *testing.T) {
	var inside, most atomic.Int64
	g := testGateway(t, Options{})
	r := routeTo(onlyCandidate(), named(t, "one"), backend(t, func(http.ResponseWriter, *http.Request) {
		n := inside.Add(1)
		defer inside.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
	}))
	r.Rules = experiment.GatewayRules{Concurrency: 3, Queue: 100}
	swap(t, g, r)
	url, client := serving(t, g)
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for range 50 {
				if a := ask(t, client, "GET", url, "", "X-User-Id", "anna"); a.Header.Get(headerVersion) != "v2" {
					t.Errorf("answered by %s", a.Header.Get(headerVersion))
				}
			}
		})
	}
	all.Wait()
	settled(client)
	if p := &g.route.Load().versions[1].health.places; most.Load() > 3 || p.taken != 0 || p.waiting() != 0 {
		t.Errorf("%d inside at most, %d places taken, %d in line", most.Load(), p.taken, p.waiting())
	}
}

// hasty is an exchange whose client has left by the time that it is its turn.
type hasty struct{}

func (hasty) patience() (time.Time, <-chan struct{}, func() bool) {
	return time.Now().Add(time.Hour), nil, func() bool { return true }
}

func TestTurnOfAClientThatLeftIsTheNexts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p places
		p.set(1, 2)
		if held, err := p.enter(nil); !held || err != nil {
			t.Fatalf("held %t, %v", held, err)
		}
		gone := make(chan error)
		go func() {
			_, err := p.enter(hasty{})
			gone <- err
		}()
		synctest.Wait()
		p.leave()
		if err := <-gone; err != errGone {
			t.Errorf("whoever left has %v", err)
		}
		if held, err := p.enter(nil); !held || err != nil || p.taken != 1 {
			t.Errorf("held %t, %v, %d taken", held, err, p.taken)
		}
	})
}

func TestRulesThatAreRefused(t *testing.T) {
	for name, rules := range map[string]experiment.GatewayRules{
		"negative concurrency":  {Concurrency: -1},
		"negative queue":        {Queue: -1},
		"probe of another host": {Probe: "http://other/"},
		"probe with a blank":    {Probe: "/a b"},
		"probe with an escape":  {Probe: "/%zz"},
		"probes too close":      {Probe: "/", ProbeEvery: time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			g := testGateway(t, Options{})
			r := routeTo(onlyCandidate(), "http://127.0.0.1:1", "http://127.0.0.1:2")
			r.Rules = rules
			if err := g.Swap(&experiment.Snapshot{Sequence: 1, Routes: []experiment.Route{r}}); err == nil || g.Snapshot() != nil {
				t.Errorf("served, %v", err)
			}
		})
	}
}
