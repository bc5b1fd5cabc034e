// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// flaky is a bubble whose candidate does as it is told; its baseline is well.
type flaky struct {
	*bubble
	candidate atomic.Pointer[http.HandlerFunc]
}

func newFlaky(t *testing.T, o Options, rules experiment.GatewayRules) *flaky {
	t.Helper()
	f := &flaky{}
	f.does(func(http.ResponseWriter, *http.Request) {})
	f.bubble = newBubble(t, o, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get(headerVersion) == "v1" {
			body, _ := io.ReadAll(r.Body)
			w.Write(body)
			return
		}
		(*f.candidate.Load())(w, r)
	})
	f.route.Rules = rules
	swap(t, f.Gateway, f.route)
	return f
}

func (f *flaky) does(h http.HandlerFunc) { f.candidate.Store(&h) }

// as asks in the name of a unit and says who answered with what.
func (f *flaky) as(t *testing.T, unit, body string) (version string, status int, got string) {
	t.Helper()
	r := f.request(t.Context(), "POST", strings.NewReader(body))
	r.Header.Set("X-User-Id", unit)
	res, err := f.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.Header.Get(headerVersion), res.StatusCode, string(text)
}

// takers are the units of the first n that the candidate answers.
func (f *flaky) takers(t *testing.T, n int) map[string]bool {
	t.Helper()
	in := make(map[string]bool)
	for i := range n {
		unit := fmt.Sprintf("user-%d", i)
		if v, _, _ := f.as(t, unit, ""); v == "v2" {
			in[unit] = true
		}
	}
	return in
}

// fails has the candidate fail until it is ejected.
func (f *flaky) fails(t *testing.T) {
	t.Helper()
	f.does(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
	for range mostFailures {
		if v, status, _ := f.as(t, "anna", ""); v != "v2" || status != 500 {
			t.Errorf("before it is ejected: %s, %d", v, status)
		}
	}
	synctest.Wait()
	f.does(func(http.ResponseWriter, *http.Request) {})
}

func (f *flaky) ejected(t *testing.T) float64 {
	return metric(t, f.reg, "headgate_gateway_ejected", "version", "v2")
}

func TestCandidateThatFailsIsEjectedAndComesBackSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFlaky(t, Options{}, experiment.GatewayRules{})
		defer f.close()
		f.fails(t)
		if got := len(f.takers(t, 20)); got != 0 || f.ejected(t) != 1 {
			t.Errorf("while ejected: %d of 20 answered by the candidate, ejected %v", got, f.ejected(t))
		}
		swap(t, f.Gateway, f.route) // Another snapshot does not change how it fares.
		time.Sleep(firstEjection - time.Millisecond)
		if got := len(f.takers(t, 20)); got != 0 {
			t.Errorf("at the end of the ejection: %d of 20 answered by the candidate", got)
		}
		time.Sleep(time.Millisecond)
		last := map[string]bool{}
		const units = 400
		for step, want := range []float64{0.1, 0.55, 1} {
			in := f.takers(t, units)
			if got := float64(len(in)) / units; got < want-0.07 || got > want+0.07 {
				t.Errorf("step %d: the candidate answers %v of the units, want %v", step, got, want)
			}
			for unit := range last {
				if !in[unit] {
					t.Errorf("step %d: %s was let in and is out again", step, unit)
				}
			}
			last = in
			time.Sleep(slowStart / 2)
		}
		if f.ejected(t) != 0 {
			t.Error("ejected still")
		}
		e, _ := f.cells(t)
		fallbacks := metric(t, f.reg, "headgate_gateway_fallbacks_total", "version", "v2", "reason", "ejected")
		if e.Counts.N != mostFailures+40+3*units || e.Counts.X != mostFailures+int64(fallbacks) || fallbacks < 40 {
			t.Errorf("cell = %+v with %v fallbacks: want every one a failure", e.Counts, fallbacks)
		}
		if got := metric(t, f.reg, "headgate_gateway_ejections_total", "version", "v2", "cause", "failures"); got != 1 {
			t.Errorf("ejections = %v, want 1", got)
		}
	})
}

func TestEjectionsGrowUntilTheCandidateHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFlaky(t, Options{}, experiment.GatewayRules{})
		defer f.close()
		h := f.Gateway.route.Load().versions[1].health
		for i, want := range []time.Duration{1, 2, 4, 8, 12, 12} {
			f.fails(t)
			if got := time.Duration(h.opens.Load() - h.now()).Round(time.Second); got != want*firstEjection {
				t.Errorf("ejection %d: %s, want %s", i, got, want*firstEjection)
			}
			time.Sleep(want*firstEjection + slowStart)
		}
		time.Sleep(longestEjection + time.Second)
		f.fails(t)
		if got := time.Duration(h.opens.Load() - h.now()).Round(time.Second); got != firstEjection {
			t.Errorf("after it has held: %s, want %s", got, firstEjection)
		}
	})
}

func TestFailuresThatEjectNobody(t *testing.T) {
	for name, do := range map[string]func(t *testing.T, f *flaky){
		"with one success between": func(t *testing.T, f *flaky) {
			for i := range 4 * mostFailures {
				status := 500
				if i%mostFailures == 0 {
					status = 200
				}
				f.does(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
				f.as(t, "anna", "")
			}
		},
		"of the client": func(t *testing.T, f *flaky) {
			f.does(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(400) })
			for range 2 * mostFailures {
				f.as(t, "anna", "")
			}
		},
		"clients that leave": func(t *testing.T, f *flaky) {
			f.does(hang)
			for range 2 * mostFailures {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				if res, err := f.client.Do(f.request(ctx, "GET", nil)); err == nil {
					res.Body.Close()
				}
				cancel()
			}
		},
		"clients in a hurry": func(t *testing.T, f *flaky) {
			f.does(hang)
			for range 2 * mostFailures {
				r := f.request(t.Context(), "GET", nil)
				r.Header.Set(headerDeadline, "20")
				if res, err := f.client.Do(r); err == nil {
					res.Body.Close()
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFlaky(t, Options{}, experiment.GatewayRules{})
				defer f.close()
				do(t, f)
				time.Sleep(time.Second)
				f.does(func(http.ResponseWriter, *http.Request) {})
				if v, _, _ := f.as(t, "anna", ""); v != "v2" || f.ejected(t) != 0 {
					t.Errorf("answered by %s, ejected %v", v, f.ejected(t))
				}
			})
		})
	}
}

// TestTheBaselineIsNeverEjected has nobody else to answer.
func TestTheBaselineIsNeverEjected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, Options{}, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) })
		defer b.close()
		b.route.Phase, b.route.Slots = 2, experiment.SlotsOf(experiment.Baseline(2))
		swap(t, b.Gateway, b.route)
		for range 3 * mostFailures {
			if got := b.status(t); got != 503 {
				t.Fatalf("answered %d", got)
			}
		}
		synctest.Wait()
		if got := count(sealAll(t, b.Gateway, b.route), 0, experiment.CellRequests).Counts; got != (stats.Counts{N: 3 * mostFailures, X: 3 * mostFailures}) {
			t.Errorf("cell = %+v", got)
		}
	})
}

// TestWhatBeganBeforeAnEjectionTellsNothingAfterIt has requests that hang while
// the candidate is ejected and comes back.
func TestWhatBeganBeforeAnEjectionTellsNothingAfterIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFlaky(t, Options{}, experiment.GatewayRules{})
		defer f.close()
		f.does(hang)
		var stuck sync.WaitGroup
		for range 2 * mostFailures {
			stuck.Go(func() { f.as(t, "anna", "") })
		}
		synctest.Wait()
		f.fails(t)
		time.Sleep(firstEjection + slowStart)
		if v, _, _ := f.as(t, "anna", ""); v != "v2" {
			t.Errorf("before the time-outs: answered by %s", v)
		}
		stuck.Wait()
		f.does(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
		for range 2 {
			if v, _, _ := f.as(t, "anna", ""); v != "v2" {
				t.Errorf("after the time-outs: answered by %s", v)
			}
		}
	})
}

func TestCandidateThatDoesNotAnswerProbesIsEjected(t *testing.T) {
	for name, sick := range map[string]http.HandlerFunc{
		"503":   func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) },
		"hangs": hang,
		"302":   func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/", http.StatusFound) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFlaky(t, Options{}, experiment.GatewayRules{})
				defer f.close()
				synctest.Wait()
				f.memory.forget("upstream")
				var ill, asked atomic.Int64
				model := f.serve("upstream", func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path == "/ready" {
						asked.Add(1)
						if ill.Load() != 0 {
							sick(w, r)
						}
					}
				})
				defer model()
				f.route.Rules = experiment.GatewayRules{Probe: "/ready", ProbeEvery: time.Second}
				swap(t, f.Gateway, f.route)
				time.Sleep(5500 * time.Millisecond)
				if n := asked.Load(); n != 12 || f.ejected(t) != 0 {
					t.Errorf("%d probes in 5.5 s, ejected %v, want 6 of each version and none", n, f.ejected(t))
				}
				ill.Store(1)
				time.Sleep(3 * time.Second)
				if v, status, _ := f.as(t, "anna", ""); v != "v1" || status != 200 || f.ejected(t) != 1 {
					t.Errorf("while ill: %s, %d, ejected %v", v, status, f.ejected(t))
				}
				ill.Store(0)
				time.Sleep(2*time.Second + slowStart)
				if v, _, _ := f.as(t, "anna", ""); v != "v2" || f.ejected(t) != 0 {
					t.Errorf("when well again: %s", v)
				}
				f.route.Rules.Probe = ""
				swap(t, f.Gateway, f.route)
				synctest.Wait()
				n := asked.Load()
				time.Sleep(time.Minute)
				if asked.Load() != n {
					t.Error("it is probed after the rule is gone")
				}
				if e, _ := f.cells(t); e.Counts.N != 2 {
					t.Errorf("cell = %+v, want two requests: probes are no evidence", e.Counts)
				}
				if got := metric(t, f.reg, "headgate_gateway_ejections_total", "version", "v2", "cause", "probe"); got != 1 {
					t.Errorf("ejections = %v, want 1", got)
				}
			})
		})
	}
}

// TestProbesEndWithTheirVersion is a matter of goroutines: the bubble does not
// end while one is left.
func TestProbesEndWithTheirVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFlaky(t, Options{}, experiment.GatewayRules{Probe: "/ready", ProbeEvery: time.Second})
		defer f.close()
		var elsewhere atomic.Int64
		model := f.serve("other", func(_ http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/v2/ready" {
				elsewhere.Add(1)
			}
		})
		defer model()
		f.route.Versions[1].Backend = "http://other/v2/"
		swap(t, f.Gateway, f.route)
		time.Sleep(10500 * time.Millisecond)
		n := elsewhere.Load()
		if n != 11 {
			t.Errorf("%d probes in 10.5 s, want 11", n)
		}
		f.route.Versions[1].Backend = "http://upstream"
		swap(t, f.Gateway, f.route)
		time.Sleep(10 * time.Second)
		if elsewhere.Load() != n {
			t.Error("a version that is not served any more is probed")
		}
	})
}

func TestAHealthyVersionCostsNoAllocation(t *testing.T) {
	for name, rules := range map[string]experiment.GatewayRules{"no rules": {}, "places": {Concurrency: 1}} {
		t.Run(name, func(t *testing.T) {
			g := testGateway(t, Options{})
			r := routeTo(onlyCandidate(), "http://127.0.0.1:1", "http://127.0.0.1:2")
			r.Rules = rules
			swap(t, g, r)
			n := testing.AllocsPerRun(1000, func() {
				c := call{route: g.route.Load(), version: 1, hash: 1}
				var e ending
				if err := c.enter(&e, nil); err != nil || e.fellBack {
					t.Fatalf("%v, fell back %t", err, e.fellBack)
				}
				c.leave(true, false)
			})
			if n != 0 {
				t.Errorf("%v allocations", n)
			}
		})
	}
}

// BenchmarkEnterAndLeave is what a version's health and places add to a request.
func BenchmarkEnterAndLeave(b *testing.B) {
	for name, rules := range map[string]experiment.GatewayRules{"no rules": {}, "places": {Concurrency: 1}} {
		b.Run(name, func(b *testing.B) {
			g := testGateway(b, Options{})
			r := routeTo(onlyCandidate(), "http://127.0.0.1:1", "http://127.0.0.1:2")
			r.Rules = rules
			swap(b, g, r)
			c := call{route: g.route.Load(), version: 1, hash: 1}
			var e ending
			b.ReportAllocs()
			for b.Loop() {
				_ = c.enter(&e, nil)
				c.leave(true, false)
			}
		})
	}
}
