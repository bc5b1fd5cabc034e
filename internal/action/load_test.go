// SPDX-License-Identifier: Apache-2.0

package action

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

func TestLoadCountsWhatIsAnswered(t *testing.T) {
	var atOnce, most atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for n := atOnce.Add(1); ; {
			m := most.Load()
			if n <= m || most.CompareAndSwap(m, n) {
				break
			}
		}
		defer atOnce.Add(-1)
		if r.Method != http.MethodPost || r.Header.Get("X-Model") != "v2" || r.Header.Get("Content-Type") != "text/plain" {
			w.WriteHeader(http.StatusTeapot)
		}
	}))
	defer s.Close()
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }))
	defer broken.Close()
	header := []experiment.NameValue{{Name: "X-Model", Value: "{{.name}}"}}
	res, err := run(t, newRunner(t, Options{}), Owner{}, experiment.Action{Load: &experiment.LoadAction{
		Requests: 40, Concurrency: 3, Body: "hello", ContentType: "text/plain",
		Targets: []experiment.LoadTarget{
			{Version: 0, URL: s.URL, Headers: header},
			{Version: 1, URL: broken.URL},
			{Version: 2, URL: "http://127.0.0.1:1/"},
			{Version: -1, URL: s.URL, Headers: header},
		},
	}})
	if err != nil || len(res.loaded) != 3 || res.why != "160 requests" {
		t.Fatalf("%+v, %v", res, err)
	}
	for i, want := range []struct{ errors, answers int64 }{{0, 40}, {40, 40}, {40, 0}} {
		l := res.loaded[i]
		answers, over := int64(0), 0.0
		for _, b := range l.Buckets {
			if b.Over < over || b.Upto <= b.Over {
				t.Errorf("target %d: bucket %+v after %g", i, b, over)
			}
			answers, over = answers+b.Count, b.Upto
		}
		if l.Version != i || l.Requests != 40 || l.Errors != want.errors || answers != want.answers {
			t.Errorf("target %d: %+v, %d answers", i, l, answers)
		}
		if l.Seconds < l.Longest || (l.Longest > 0) != (answers > 0) {
			t.Errorf("target %d: %g s, longest %g s", i, l.Seconds, l.Longest)
		}
	}
	if most.Load() > 6 { // Two targets are of this server.
		t.Errorf("%d requests at once", most.Load())
	}
}

func TestLoadThatIsDiscardedIsNoEvidence(t *testing.T) {
	s, last := server(t, 200, nil, "")
	res, err := run(t, newRunner(t, Options{}), Owner{}, experiment.Action{Load: &experiment.LoadAction{
		Requests: 2, Discard: true, Targets: []experiment.LoadTarget{{URL: s.URL}},
	}})
	if err != nil || len(res.loaded) != 0 || last.method != http.MethodGet {
		t.Errorf("%+v, %v, %s", res, err, last.method)
	}
}

func TestLoadPostsWhatStandsElsewhere(t *testing.T) {
	payload, _ := server(t, 200, nil, `{"x":1}`)
	s, last := server(t, 200, nil, "")
	a := &experiment.LoadAction{Requests: 1, BodyURL: payload.URL, Targets: []experiment.LoadTarget{{URL: s.URL}}}
	if _, err := run(t, newRunner(t, Options{}), Owner{}, experiment.Action{Load: a}); err != nil || last.body != `{"x":1}` || last.header.Get("Content-Type") != "application/json" {
		t.Errorf("%+v, %v", last, err)
	}
	a.BodyURL = "http://127.0.0.1:1/x"
	if _, err := run(t, newRunner(t, Options{}), Owner{}, experiment.Action{Load: a}); fate(err) != "again" {
		t.Error(err)
	}
}

// answering is a transport that answers after a while, in its bubble's time.
type answering time.Duration

func (a answering) RoundTrip(r *http.Request) (*http.Response, error) {
	select {
	case <-time.After(time.Duration(a)):
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r}, nil
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

func TestLoadKeepsItsRateAndItsEnd(t *testing.T) {
	for name, c := range map[string]struct {
		load     experiment.LoadAction
		after    time.Duration
		requests int64
		took     time.Duration
	}{
		"so many at a rate":      {experiment.LoadAction{Requests: 5, Rate: 10, Concurrency: 1}, 0, 5, 400 * time.Millisecond},
		"for a time at a rate":   {experiment.LoadAction{For: 1100 * time.Millisecond, Rate: 4, Concurrency: 1}, 0, 5, 1100 * time.Millisecond},
		"for a time, one by one": {experiment.LoadAction{For: time.Second, Concurrency: 1}, 300 * time.Millisecond, 3, time.Second},
		"by default a hundred":   {experiment.LoadAction{}, time.Millisecond, 100, 100 * time.Millisecond},
		"slower than its rate":   {experiment.LoadAction{Requests: 4, Rate: 100, Concurrency: 2}, time.Second, 4, 2010 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var y tally
				start := time.Now()
				y.run(t.Context(), &http.Client{Transport: answering(c.after)}, &c.load, &experiment.LoadTarget{URL: "http://h/"}, "")
				if took := time.Since(start); took != c.took || y.loaded.Requests != c.requests || y.loaded.Errors != 0 {
					t.Errorf("%+v in %s, want %d in %s", y.loaded, took, c.requests, c.took)
				}
			})
		})
	}
}

func TestBucketsRiseByQuarters(t *testing.T) {
	if !slices.IsSorted(bounds[:]) || bounds[0] != 100 || bounds[59] != 80_000_000 {
		t.Fatalf("%v", bounds)
	}
	for i := 1; i < len(bounds); i++ {
		if ratio := float64(bounds[i]) / float64(bounds[i-1]); ratio < 1.24 || ratio > 1.29 {
			t.Errorf("%d after %d", bounds[i], bounds[i-1])
		}
	}
	var y tally
	for _, took := range []time.Duration{50 * time.Microsecond, 100 * time.Microsecond, 100*time.Microsecond + 1, 3 * time.Millisecond, 200 * time.Second} {
		y.count(took, false, true)
	}
	want := []experiment.LoadBucket{{Over: 0, Upto: 0.0001, Count: 2}, {Over: 0.0001, Upto: 0.000125, Count: 1}, {Over: 0.0025, Upto: 0.00315, Count: 1}, {Over: 80, Upto: 200, Count: 1}}
	if got := y.told().Buckets; !slices.Equal(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestATryOfLoadHasTheTimeThatItTakes(t *testing.T) {
	for want, a := range map[time.Duration]experiment.LoadAction{
		40 * time.Second: {Requests: 80, Rate: 8}, 75 * time.Second: {For: 45 * time.Second}, 30 * time.Second: {Requests: 1000}, 42500 * time.Millisecond: {Rate: 8},
	} {
		if got := (&job{task: Task{Action: experiment.Action{Timeout: 30 * time.Second, Load: &a}}}).timeout(); got != want {
			t.Errorf("%+v: %s, want %s", a, got, want)
		}
	}
}
