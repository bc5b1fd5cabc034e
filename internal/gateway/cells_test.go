// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// clocked is a gateway whose evidence runs on a clock that the test sets.
type clocked struct {
	*Gateway
	now time.Time
	reg *prometheus.Registry
}

func newClocked(t testing.TB) *clocked {
	c := &clocked{now: epochStart, reg: prometheus.NewRegistry()}
	c.Gateway = testGateway(t, Options{Now: func() time.Time { return c.now }, Registry: c.reg})
	return c
}

// at sets the clock.
func (c *clocked) at(d time.Duration) { c.now = epochStart.Add(d) }

// start admits a request of a unit.
func (c *clocked) start(t testing.TB) *call {
	t.Helper()
	var k call
	if refused := c.admit(&k, &fakeExchange{headers: "anna"}); refused != nil {
		t.Fatal(refused.message)
	}
	return &k
}

func (c *clocked) one(t testing.TB, e ending) {
	t.Helper()
	c.finish(c.start(t), e)
}

func measured() experiment.Route {
	r := routeTo(onlyCandidate(), "http://127.0.0.1:1", "http://127.0.0.1:2")
	r.Measures = []experiment.Measure{{Metric: "p50", Limit: 100 * time.Millisecond}, {Metric: "p99", Limit: time.Second}}
	return r
}

func (c *clocked) seal(t testing.TB, from int64) experiment.Seal {
	t.Helper()
	s, err := c.Seal("shop/ranker", 1, 1, from, c.now)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestCellsSayWhatBecameOfEveryRequest(t *testing.T) {
	counts := func(n, x int64) stats.Counts { return stats.Counts{N: n, X: x} }
	for name, tc := range map[string]struct {
		took               time.Duration
		end                ending
		requests, p50, p99 stats.Counts
		aborts             float64
	}{
		"fast answer":              {took: 100 * time.Millisecond, end: ending{status: 200}, requests: counts(1, 0), p50: counts(1, 0), p99: counts(1, 0)},
		"slow answer":              {took: 101 * time.Millisecond, end: ending{status: 200}, requests: counts(1, 0), p50: counts(1, 1), p99: counts(1, 0)},
		"client error":             {end: ending{status: 404}, requests: counts(1, 0), p50: counts(1, 0), p99: counts(1, 0)},
		"failure":                  {end: ending{status: 503, failed: true}, requests: counts(1, 1), p50: counts(1, 0), p99: counts(1, 0)},
		"broken answer":            {took: 2 * time.Second, end: ending{status: 200, failed: true}, requests: counts(1, 1), p50: counts(1, 1), p99: counts(1, 1)},
		"answer of the baseline":   {end: ending{status: 200, failed: true, fellBack: true, why: causeUnconnected}, requests: counts(1, 1), p50: counts(1, 0), p99: counts(1, 0)},
		"client left early":        {took: 50 * time.Millisecond, aborts: 1},
		"client left after a wait": {took: 500 * time.Millisecond, p50: counts(1, 1), aborts: 1},
		"gateway closed":           {took: time.Minute, end: ending{status: 503, cut: true}},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClocked(t)
			swap(t, c.Gateway, measured())
			c.at(15 * time.Second)
			k := c.start(t)
			c.at(15*time.Second + tc.took)
			c.finish(k, tc.end)
			c.at(time.Hour)
			var want []experiment.Cell
			for _, w := range []struct {
				metric string
				counts stats.Counts
			}{{experiment.CellRequests, tc.requests}, {"p50", tc.p50}, {"p99", tc.p99}} {
				if w.counts.N == 0 {
					continue
				}
				e := experiment.Evidence{Counts: w.counts}
				if w.metric == experiment.CellRequests {
					e.Sketch = new(stats.Sketch)
					e.Sketch.Add(tc.took.Seconds())
				}
				key := experiment.CellKey{Epoch: 1, Phase: 1, Window: 1, Version: 1, Metric: w.metric}
				want = append(want, experiment.Cell{CellKey: key, Evidence: e})
			}
			if diff := cmp.Diff(want, c.seal(t, 0).Cells); diff != "" {
				t.Errorf("cells (-want +got):\n%s", diff)
			}
			if got := metric(t, c.reg, "headgate_gateway_client_aborts_total", "version", "v2"); got != tc.aborts {
				t.Errorf("aborts = %v, want %v", got, tc.aborts)
			}
		})
	}
}

func TestWindowsSealWhenTheyAreOverAndEmpty(t *testing.T) {
	c := newClocked(t)
	swap(t, c.Gateway, measured())
	c.one(t, ending{status: 200})
	c.at(11 * time.Second)
	long := c.start(t)
	c.at(25 * time.Second)
	c.one(t, ending{status: 200})

	wantTo := func(from, to int64, cells int) experiment.Seal {
		t.Helper()
		s := c.seal(t, from)
		if s.From != from || s.To != to || len(s.Cells) != cells || s.Source != experiment.SourceGateway {
			t.Errorf("at %s: seal %d-%d with %d cells, want %d-%d with %d", c.now.Sub(epochStart), s.From, s.To, len(s.Cells), from, to, cells)
		}
		return s
	}
	c.at(12*time.Second - 1)
	wantTo(0, 0, 0)
	c.at(12 * time.Second)
	first := wantTo(0, 1, 3)
	c.at(time.Minute)
	wantTo(0, 1, 3) // A request of window 1 is still under way.
	c.finish(long, ending{status: 200})
	again := wantTo(0, 5, 9)
	if diff := cmp.Diff(first.Cells, again.Cells[:3]); diff != "" {
		t.Errorf("window 0 changed after it was sealed:\n%s", diff)
	}
	wantTo(2, 5, 3)
	wantTo(9, 9, 0)

	c.at(30 * time.Second) // A clock that goes back must not open a sealed window again.
	c.one(t, ending{status: 200})
	wantTo(0, 5, 9)
	c.at(time.Hour)
	if s := c.seal(t, 5); len(s.Cells) != 3 || s.Cells[0].Window != 5 {
		t.Errorf("late request is in %+v, want window 5", s.Cells)
	}

	c.Drop("shop/ranker", 1, 1, 2)
	if _, err := c.Seal("shop/ranker", 1, 1, 1, c.now); experiment.CodeOf(err) != experiment.CodeConflict {
		t.Errorf("seal of a dropped window: %v, want CodeConflict", err)
	}
	if s := c.seal(t, 2); s.From != 2 || len(s.Cells) != 6 {
		t.Errorf("after drop: %+v", s)
	}
	if _, err := c.Seal("shop/ranker", 1, 1, -1, c.now); experiment.CodeOf(err) != experiment.CodeInvalid {
		t.Errorf("seal from -1: %v, want CodeInvalid", err)
	}
}

func TestDropKeepsWhatIsNotSealed(t *testing.T) {
	c := newClocked(t)
	swap(t, c.Gateway, measured())
	c.one(t, ending{status: 200})
	c.Drop("shop/ranker", 1, 1, 100)
	c.Drop("shop/ranker", 1, 7, 100)
	c.at(time.Hour)
	if s := c.seal(t, 0); len(s.Cells) != 3 {
		t.Errorf("open window was dropped: %+v", s)
	}
}

func TestRequestBeforeThePhaseIsInItsFirstWindow(t *testing.T) {
	c := newClocked(t)
	swap(t, c.Gateway, measured())
	c.at(-time.Hour)
	c.one(t, ending{status: 200})
	c.at(time.Hour)
	if s := c.seal(t, 0); len(s.Cells) != 3 || s.Cells[0].Window != 0 {
		t.Errorf("cells = %+v, want window 0", s.Cells)
	}
}

func TestWindowsThatNobodyFoldsAreDroppedAndSaid(t *testing.T) {
	c := newClocked(t)
	r := measured()
	swap(t, c.Gateway, r)
	open := c.start(t)
	for i := range maxWindows + 2 {
		c.at(time.Duration(i) * r.Window)
		c.one(t, ending{status: 200})
	}
	if got := metric(t, c.reg, "headgate_gateway_windows_dropped_total"); got != 2 {
		t.Errorf("windows dropped = %v, want 2", got)
	}
	c.finish(open, ending{status: 200})
	if got := metric(t, c.reg, "headgate_gateway_late_requests_total"); got != 1 {
		t.Errorf("late = %v, want 1", got)
	}
	c.at(time.Duration(maxWindows+9) * r.Window)
	for from := range int64(2) {
		if _, err := c.Seal(r.Experiment, 1, 1, from, c.now); experiment.CodeOf(err) != experiment.CodeConflict {
			t.Errorf("seal from %d: %v, want CodeConflict", from, err)
		}
	}
	if s := c.seal(t, 2); len(s.Cells) != 3*maxWindows {
		t.Errorf("%d cells are left, want %d", len(s.Cells), 3*maxWindows)
	}
}

func TestOldestPhasesAreDroppedAndSaid(t *testing.T) {
	c := newClocked(t)
	r := measured()
	var first *call
	for phase := 1; phase <= maxPhases+1; phase++ {
		r.Phase = phase
		swap(t, c.Gateway, r)
		if k := c.start(t); phase == 1 {
			first = k
		} else {
			c.finish(k, ending{status: 200})
		}
	}
	c.finish(first, ending{status: 200})
	if got := metric(t, c.reg, "headgate_gateway_late_requests_total"); got != 1 {
		t.Errorf("late = %v, want 1", got)
	}
	if got := metric(t, c.reg, "headgate_gateway_windows_dropped_total"); got != 1 {
		t.Errorf("windows dropped = %v, want 1", got)
	}
	c.at(time.Hour)
	for phase := 1; phase <= maxPhases+2; phase++ {
		_, err := c.Seal(r.Experiment, 1, phase, 0, c.now)
		want := experiment.Code("")
		if phase == 1 || phase == maxPhases+2 {
			want = experiment.CodeConflict
		}
		if experiment.CodeOf(err) != want {
			t.Errorf("seal of phase %d: %v, want code %q", phase, err, want)
		}
	}
}

// TestRequestThatHeldADroppedPhaseIsCounted covers the request that loaded its
// route long before it asks for a window.
func TestRequestThatHeldADroppedPhaseIsCounted(t *testing.T) {
	c := newClocked(t)
	r := measured()
	swap(t, c.Gateway, r)
	old := c.route.Load()
	for r.Phase = 2; r.Phase <= maxPhases+1; r.Phase++ {
		swap(t, c.Gateway, r)
	}
	c.finish(&call{route: old, version: 1, window: old.log.begin(c.now), started: c.now}, ending{status: 200})
	if got := metric(t, c.reg, "headgate_gateway_late_requests_total"); got != 1 {
		t.Errorf("late = %v, want 1", got)
	}
}
