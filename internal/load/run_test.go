// SPDX-License-Identifier: Apache-2.0

package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/stats"
)

// arrivals runs a paced load in a bubble against a server that takes its time,
// and returns when its requests reached it.
func arrivals(t *testing.T, slow time.Duration, change func(*Options)) (at []time.Duration, r Report) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var mu sync.Mutex
		o, stop := inBubble(func(http.ResponseWriter, *http.Request) {
			mu.Lock()
			at = append(at, time.Since(began))
			mu.Unlock()
			time.Sleep(slow)
		})
		defer stop()
		o.N, o.Rate, o.Concurrency, o.Timeout, o.Seed = 400, 50, 10_000, time.Minute, 7
		change(&o)
		r = mustRun(t, o)
	})
	return at, r
}

func TestSlowServerDoesNotSlowTheSending(t *testing.T) {
	same := func(*Options) {}
	fast, fastReport := arrivals(t, 0, same)
	slow, slowReport := arrivals(t, 20*time.Second, same)
	if diff := cmp.Diff(fast, slow); diff != "" {
		t.Errorf("requests reached the slow server at other times (-fast +slow):\n%s", diff)
	}
	if fastReport.Sending != slowReport.Sending || slowReport.Skipped != 0 || slowReport.Behind != 0 {
		t.Errorf("sending took %gs and %gs, %d skipped, %d behind", fastReport.Sending, slowReport.Sending, slowReport.Skipped, slowReport.Behind)
	}
	if got := slowReport.Latency; got.Max != 20 || math.Abs(got.P50-20) > 0.2 {
		t.Errorf("latency = %+v, want 20 s", *got)
	}
	if got := slowReport.Elapsed - slowReport.Sending; got != 20 {
		t.Errorf("the last answer came %gs after the last request, want 20", got)
	}
}

func TestRequestsLeaveAsAPoissonProcess(t *testing.T) {
	at, r := arrivals(t, 0, func(o *Options) { o.N = 20_000 })
	var gaps stats.Moments
	for i := 1; i < len(at); i++ {
		gaps.Add((at[i] - at[i-1]).Seconds())
	}
	variance, err := gaps.Variance()
	if err != nil {
		t.Fatal(err)
	}
	// Mean and standard deviation of an exponential are equal; five standard
	// errors of each are allowed.
	mean, sd := gaps.Mean, math.Sqrt(variance)
	if n := math.Sqrt(20_000); math.Abs(mean*50-1) > 5/n || math.Abs(sd*50-1) > 5*math.Sqrt2/n {
		t.Errorf("gaps have mean %g and standard deviation %g, want both 0.02", mean, sd)
	}
	if math.Abs(r.Rate-50) > 2 {
		t.Errorf("rate = %g, want 50", r.Rate)
	}
}

func TestFullCapSkipsAndCounts(t *testing.T) {
	at, r := arrivals(t, time.Minute/2, func(o *Options) { o.Concurrency = 3 })
	if len(at) != 3 || r.Sent != 3 || r.Skipped != 397 {
		t.Errorf("%d reached the server, sent %d, skipped %d, want 3, 3, 397", len(at), r.Sent, r.Skipped)
	}
}

func TestDurationBounds(t *testing.T) {
	at, r := arrivals(t, time.Second, func(o *Options) { o.N, o.Duration = 0, 10*time.Second })
	if r.Sending != 10 || at[len(at)-1] > 10*time.Second {
		t.Errorf("sending took %gs, the last request came at %s, want 10 s", r.Sending, at[len(at)-1])
	}
	if r.Offered < 400 || r.Offered > 600 {
		t.Errorf("offered %d at 50/s in 10 s", r.Offered)
	}
	at, r = arrivals(t, time.Second, func(o *Options) { o.N, o.Duration, o.Rate, o.Concurrency = 0, 9500*time.Millisecond, 0, 4 })
	if len(at) != 40 || r.Sent != 40 || r.Sending != 9.5 {
		t.Errorf("four at a time, a second each, for 9.5 s: %d sent in %gs, want 40", r.Sent, r.Sending)
	}
}

func TestCountsAddUpWhenInterrupted(t *testing.T) {
	for name, rate := range map[string]float64{"paced": 200, "as fast as possible": 0} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o, stop := inBubble(func(_ http.ResponseWriter, r *http.Request) {
					select {
					case <-r.Context().Done():
					case <-time.After(700 * time.Millisecond):
					}
				})
				defer stop()
				o.N, o.Rate, o.Concurrency = 1_000_000, rate, 100
				ctx, cancel := context.WithCancelCause(t.Context())
				defer time.AfterFunc(5*time.Second+time.Millisecond, func() { cancel(errPulled) }).Stop()
				r, err := Run(ctx, o, nil)
				if !errors.Is(err, errPulled) || !r.Partial {
					t.Fatalf("error %v, partial %t, want the cause and true", err, r.Partial)
				}
				checkSums(t, r)
				if r.Answered == 0 || len(r.Failures) != 1 || r.Failures[0].Kind != "interrupted" {
					t.Errorf("answered %d, failures %+v, want some answers and only interruptions", r.Answered, r.Failures)
				}
			})
		})
	}
}

func TestTimeoutIsAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, stop := inBubble(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		defer stop()
		o.N, o.Rate, o.Timeout = 30, 100, 2*time.Second
		r := mustRun(t, o)
		if r.Answered != 0 || r.Failures[0].Kind != "timeout" || r.Failed != 30 {
			t.Errorf("answered %d, failures %+v", r.Answered, r.Failures)
		}
	})
}

func TestLatencyRunsFromTheIntendedTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, stop := inBubble(func(http.ResponseWriter, *http.Request) { time.Sleep(time.Second) })
		defer stop()
		if err := o.complete(); err != nil {
			t.Fatal(err)
		}
		r := &run{o: o, tally: newTally(&o), client: newClient(&o)}
		defer r.client.CloseIdleConnections()
		r.tally.do(func(p *Report) { p.Offered = 2 })
		r.ask(t.Context(), job{due: time.Now().Add(-3 * time.Second), unit: -1})
		r.ask(t.Context(), job{due: time.Now(), unit: -1})
		got := r.tally.report()
		checkSums(t, got)
		if got.Latency.Max != 4 || got.FromSent.Max != 1 || got.Behind != 1 || got.Machine.MaxLag != 3 {
			t.Errorf("from the intended time %g, from the actual %g, %d behind by at most %g; want 4, 1, 1, 3",
				got.Latency.Max, got.FromSent.Max, got.Behind, got.Machine.MaxLag)
		}
	})
}

func TestUnitsAreDrawnUniformlyAndByTheSeed(t *testing.T) {
	seen := func(seed uint64) map[string]int64 {
		var mu sync.Mutex
		counts := make(map[string]int64)
		url := serve(t, func(_ http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			counts[r.Header.Get("X-Account")]++
		})
		mustRun(t, Options{URL: url, N: 4000, Units: 20, UnitHeader: "x-account", Seed: seed})
		return counts
	}
	first := seen(1)
	var observed []int64
	var weights []float64
	for i := range 20 {
		observed = append(observed, first[fmt.Sprintf("unit-%d", i)])
		weights = append(weights, 1)
	}
	_, p, err := stats.SRMChiSquared(observed, weights)
	if err != nil || p < 1e-4 || len(first) != 20 {
		t.Errorf("%d units, uniform with p = %g (%v): %v", len(first), p, err, observed)
	}
	if !maps.Equal(first, seen(1)) {
		t.Error("the same seed drew other units")
	}
	if maps.Equal(first, seen(2)) {
		t.Error("another seed drew the same units")
	}
}

func TestRequestIsWhatWasAskedFor(t *testing.T) {
	type seen struct{ Method, Target, Host, Unit, Type, Agent, Custom, Body string }
	for name, tc := range map[string]struct {
		o    Options
		want seen
	}{
		"plain": {Options{}, seen{Method: "GET", Agent: "headgate-load"}},
		"JSON": {
			Options{Bodies: [][]byte{[]byte(`{"a":1}`)}, Units: 1},
			seen{Method: "POST", Unit: "unit-0", Type: "application/json", Agent: "headgate-load", Body: `{"a":1}`},
		},
		"form": {
			Options{Bodies: [][]byte{[]byte(`a=1`)}, Method: "PUT"},
			seen{Method: "PUT", Type: "application/x-www-form-urlencoded", Agent: "headgate-load", Body: `a=1`},
		},
		"own headers win": {
			Options{
				Header: http.Header{"host": {"model.example"}, "User-Agent": {""}, "x-user-id": {"me"}, "Content-Type": {"a/b"}, "X-Custom": {"c"}},
				Bodies: [][]byte{[]byte(`1`)}, Units: 9,
			},
			seen{Method: "POST", Host: "model.example", Unit: "me", Type: "a/b", Custom: "c", Body: "1"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got seen
			url := serve(t, func(_ http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				h := r.Header
				got = seen{r.Method, r.RequestURI, r.Host, strings.Join(h.Values("X-User-Id"), ","), h.Get("Content-Type"), h.Get("User-Agent"), h.Get("X-Custom"), string(body)}
			})
			tc.o.URL, tc.o.N, tc.want.Target = strings.TrimPrefix(url, "http://")+"/a%2Fb?q=1#no", 1, "/a%2Fb?q=1"
			if tc.want.Host == "" {
				tc.want.Host = strings.TrimPrefix(url, "http://")
			}
			mustRun(t, tc.o)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("request (-want +got):\n%s", diff)
			}
		})
	}
}

func TestBodiesGoInTurnOrAreDrawn(t *testing.T) {
	bodies := [][]byte{[]byte("0"), []byte("1"), []byte("2")}
	seen := func(draw bool) []string {
		var got []string
		url := serve(t, func(_ http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			got = append(got, string(b))
		})
		mustRun(t, Options{URL: url, N: 9, Concurrency: 1, Bodies: bodies, Draw: draw, Seed: 5})
		return got
	}
	if got := strings.Join(seen(false), ""); got != "012012012" {
		t.Errorf("in turn: %s", got)
	}
	if got := seen(true); len(got) != 9 || strings.Join(got, "") == "012012012" || !slices.Equal(got, seen(true)) {
		t.Errorf("drawn: %v, want another order, and the same each time", got)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	var strayed atomic.Int64
	other := serve(t, func(http.ResponseWriter, *http.Request) { strayed.Add(1) })
	url := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other, http.StatusFound) })
	r := mustRun(t, Options{URL: url, N: 5})
	if strayed.Load() != 0 || r.Statuses[0] != (Status{302, 5}) {
		t.Errorf("%d requests followed; statuses %v", strayed.Load(), r.Statuses)
	}
}

func TestProxyOfTheEnvironmentIsNotUsed(t *testing.T) {
	o := Options{URL: "http://model.example"}
	if err := o.complete(); err != nil {
		t.Fatal(err)
	}
	tr, ok := newClient(&o).Transport.(*http.Transport)
	if !ok || tr.Proxy != nil {
		t.Error("the client asks for a proxy")
	}
}

func TestProgressIsConsistentAndEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, stop := inBubble(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Headgate-Version", "v1")
			time.Sleep(50 * time.Millisecond)
		})
		defer stop()
		o.Rate, o.Duration, o.Units = 100, 4*time.Second, 10
		var shown []Report
		last, err := Run(t.Context(), o, func(r Report) { shown = append(shown, r) })
		if err != nil {
			t.Fatal(err)
		}
		if len(shown) < 18 || len(shown) > 21 {
			t.Errorf("shown %d times in 4 s, want five a second", len(shown))
		}
		for i := 1; i < len(shown); i++ {
			if a, b := shown[i-1], shown[i]; b.Sent < a.Sent || b.Answered < a.Answered || b.Elapsed <= a.Elapsed || b.Sent < b.Answered {
				t.Fatalf("progress went back: %+v then %+v", a, b)
			}
		}
		if got := shown[len(shown)-1]; got.Sent > last.Sent {
			t.Errorf("progress showed %d sent, the report %d", got.Sent, last.Sent)
		}
	})
}

// BenchmarkRun is the cost of a request against a server in the same process,
// as fast as it goes.
func BenchmarkRun(b *testing.B) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Headgate-Version", "v1")
	}))
	defer s.Close()
	b.ReportAllocs()
	r, err := Run(b.Context(), Options{URL: s.URL, N: int64(b.N), Units: 1000}, nil)
	if err != nil || r.Answered != int64(b.N) {
		b.Fatalf("answered %d of %d: %v", r.Answered, b.N, err)
	}
	b.ReportMetric(r.Rate, "req/s")
}
