// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// TestCellsAreExactUnderLoadAndSwaps sends real requests from several clients
// while snapshots are swapped every millisecond, phases change, windows seal
// and are dropped: every request must be in exactly one cell.
func TestCellsAreExactUnderLoadAndSwaps(t *testing.T) {
	const (
		clients  = 6
		requests = 2000 // at least, however long they take
		perPhase = 50   // swaps
	)
	serve := func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Fail") != "" {
			w.WriteHeader(500)
		}
		io.WriteString(w, "ok")
	}
	g := testGateway(t, Options{})
	r := routeTo(experiment.Shares{7000, 3000}, backend(t, serve), backend(t, serve))
	r.PhaseStart, r.Window, r.Lag = time.Now(), 7*time.Millisecond, time.Millisecond
	r.Measures = []experiment.Measure{{Metric: "any", Limit: 1}}
	r.Segments = []experiment.Segment{
		{Name: "client", Header: "x-client", Values: []string{"0", "1", "2"}},
		{Name: "fails", Header: "x-fail", Bins: []float64{1}},
	}
	swap(t, g, r)
	url, client := serving(t, g)

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var sent [2]struct{ n, x atomic.Int64 }
	enough := func() bool {
		return sent[0].n.Load()+sent[1].n.Load() >= requests && sent[0].x.Load() > 0 && sent[1].x.Load() > 0
	}
	var load sync.WaitGroup
	for c := range clients {
		load.Go(func() {
			// Failures are one client's, and between two of them the candidate
			// succeeds: otherwise it may be ejected, and the baseline answers.
			mayFail := c == 0
			for i := 0; ctx.Err() == nil; i++ {
				req, _ := http.NewRequestWithContext(t.Context(), "GET", url, nil)
				req.Header.Set("X-User-Id", fmt.Sprintf("%d-%d", c, i))
				req.Header.Set("X-Client", fmt.Sprint(c))
				if mayFail {
					req.Header.Set("X-Fail", "1")
				}
				res, err := client.Do(req)
				if err != nil {
					t.Error(err)
					return
				}
				io.Copy(io.Discard, res.Body)
				res.Body.Close()
				version := res.Header.Get(headerVersion)[1] - '1'
				v := &sent[version]
				v.n.Add(1)
				switch failed := res.StatusCode == 500; {
				case failed:
					v.x.Add(1)
					mayFail = false
				case version == 1:
					mayFail = c == 0
				}
			}
		})
	}

	totals := map[string]stats.Counts{}
	var latencies int64
	var all []experiment.Cell
	folded := make(map[int]int64)
	fold := func(phase int, now time.Time) {
		s, err := g.Seal(r.Experiment, 1, phase, folded[phase], now)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, s.Cells...)
		for _, cell := range s.Cells {
			key := fmt.Sprintf("%s %d%s", cell.Metric, cell.Version, cell.Slice)
			totals[key] = totals[key].Merge(cell.Counts)
			if cell.Sketch != nil {
				latencies += cell.Sketch.Count()
			}
		}
		folded[phase] = s.To
		g.Drop(r.Experiment, 1, phase, s.To)
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	swaps := 1
	for ; !t.Failed() && (r.Phase < maxPhases || !enough()); swaps++ {
		<-tick.C
		if swaps%perPhase == 0 && r.Phase < maxPhases {
			r.Phase++
			r.PhaseStart = time.Now()
			r.Slots = experiment.SlotsOf(experiment.Shares{experiment.Share(7000 - 500*r.Phase), experiment.Share(3000 + 500*r.Phase)})
		}
		swap(t, g, r)
		if swaps%5 == 0 {
			for phase := 1; phase <= r.Phase; phase++ {
				fold(phase, time.Now())
			}
		}
	}
	stop()
	load.Wait()
	settled(client)
	for phase := 1; phase <= r.Phase; phase++ {
		fold(phase, time.Now().Add(time.Hour))
	}

	slicesSumToTheWhole(t, r.Segments, all)
	for v := range sent {
		n, x := sent[v].n.Load(), sent[v].x.Load()
		if n == 0 || x == 0 {
			t.Errorf("version %d had %d requests, %d failed: nothing was tested", v, n, x)
		}
		if got, want := totals[fmt.Sprintf("requests %d", v)], (stats.Counts{N: n, X: x}); got != want {
			t.Errorf("version %d: cells say %+v, clients %+v", v, got, want)
		}
		if got, want := totals[fmt.Sprintf("requests %dfails=>=1", v)], (stats.Counts{N: x, X: x}); got != want {
			t.Errorf("version %d: the slice that fails says %+v, want %+v", v, got, want)
		}
		if got, want := totals[fmt.Sprintf("any %d", v)], (stats.Counts{N: n, X: n}); got != want {
			t.Errorf("version %d: measures say %+v, want %+v", v, got, want)
		}
	}
	if want := sent[0].n.Load() + sent[1].n.Load(); latencies != want {
		t.Errorf("%d latencies, want %d", latencies, want)
	}
	t.Logf("%d requests, %d swaps, %d phases", latencies, swaps, r.Phase)
}
