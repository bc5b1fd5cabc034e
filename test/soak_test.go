// SPDX-License-Identifier: Apache-2.0

package test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// What the soak asks of the gateway.
const (
	// soakClients ask one request after the other for soakMeasure before each
	// round, to find out how many requests a second this machine holds while it
	// does what else it does. The round is under half of that.
	soakClients = 16
	soakMeasure = 2 * time.Second
	// soakLate is how late the load may be before it leaves requests out and
	// becomes less, down to soakLeast requests a second.
	soakLate  = 50 * time.Millisecond
	soakLeast = 200
	// soakPlaces and soakQueue bound what a candidate that hangs can hold up.
	soakPlaces  = 1200
	soakQueue   = 300
	soakUnder   = soakPlaces + soakQueue + 300
	soakTimeout = 3 * time.Second
	soakSwap    = 100 * time.Millisecond
	// soakRound is how long the load goes on between two looks at what the
	// process holds when it has nothing to do.
	soakRound = 6 * time.Second
	// soakIdle is how long the gateway keeps connections to versions that it
	// has no use for, and some.
	soakIdle = 5500 * time.Millisecond
	// soakHeap is how much the heap may grow, in bytes a minute; in short runs
	// it may differ by soakNoise from the first sample to the last. Go keeps
	// what describes a goroutine for the next one: 4 MiB after 9,000 at a time.
	soakHeap       = 1 << 20
	soakNoise      = 2 << 20
	soakGoroutines = 10
)

// TestSoakGateway puts a gateway under half of the load that it can hold while
// its candidate flaps and its snapshot is swapped ten times a second: a minute,
// or ten in make soak. Users see no error but answers that the candidate broke
// after their first byte; every request is counted exactly once; the process
// does not grow. It drives the program alone, since headgate-gateway follows its file
// twice a second and bounds exchanges by 30 s; what carries the traffic is the
// same.
func TestSoakGateway(t *testing.T) {
	length := time.Minute
	if os.Getenv("HEADGATE_SOAK") != "" {
		length = 10 * time.Minute
	}
	baseline := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err == nil {
			_, _ = io.WriteString(w, `{"model_name":"v1","outputs":[]}`)
		}
	}))
	defer baseline.Close()
	s := &soak{alone: newAlone(t, soakTimeout), candidate: newFlapper(t), baseline: baseline.URL, start: time.Now()}
	s.client = &http.Client{Timeout: 5 * soakTimeout, Transport: &http.Transport{MaxIdleConnsPerHost: 4000}}
	if err := s.serve(s.route(0)); err != nil {
		t.Fatal(err)
	}
	s.serves()
	s.before = s.process()
	ctx, cancel := context.WithTimeout(t.Context(), length)
	defer cancel()
	var all sync.WaitGroup
	all.Go(func() { s.swap(ctx) })
	heap := s.rounds(ctx)
	all.Wait()

	s.counts()
	if int64(s.skipped) > s.sent.Load() {
		t.Errorf("%d requests were left out and %d sent: this machine has too much else to do", s.skipped, s.sent.Load())
	}
	slope := slopeOf(heap)
	t.Logf("heap %+.2f MiB a minute over %d samples", slope/(1<<20), len(heap))
	if most := max(soakHeap, soakNoise/(heap[len(heap)-1].minutes-heap[0].minutes)); slope > most {
		t.Errorf("the heap grows by %.0f bytes a minute, want less than %.0f: %v", slope, most, heap)
	}
	s.ends()
}

// soak is a gateway under load.
type soak struct {
	*alone
	candidate *flapper
	baseline  string
	client    *http.Client
	start     time.Time
	before    held
	// skipped are the requests that were not sent in time.
	skipped int
	rate    float64

	sent, rejected atomic.Int64
	// broken counts the answers that the candidate broke after their first
	// byte; brokenUnassigned those of testers among them.
	broken, brokenUnassigned atomic.Int64
	wrong                    atomic.Int64
}

// route is the n-th snapshot's. A phase lasts five seconds. The candidate moves
// every three, and its health begins anew: otherwise it would be ejected for
// the most part.
func (s *soak) route(n int) experiment.Route {
	at := time.Duration(n) * soakSwap
	phase := int(at / (5 * time.Second))
	share := experiment.Share(4000 + 2000*(phase%2))
	return experiment.Route{
		Experiment: "team/soak",
		Assignment: experiment.Assignment{
			Unit:          experiment.Unit{Header: "x-user-id"},
			RejectMissing: n%2 == 1,
			Overrides:     []experiment.Override{{Header: "x-api-version", Value: "blue", Version: 1}},
			Exclude:       []experiment.Exclusion{{Header: "user-agent", Contains: []string{"bot"}}},
		},
		Versions: []experiment.Version{
			{Name: "v1", Backend: s.baseline},
			{Name: "v2", Backend: fmt.Sprintf("http://%s/r%d", s.candidate.addr, at/(3*time.Second))},
		},
		Rules: experiment.GatewayRules{
			Idempotent: true, Probe: "/ready", ProbeEvery: 200 * time.Millisecond, Concurrency: soakPlaces, Queue: soakQueue,
		},
		Epoch: 1, Phase: phase + 1, PhaseStart: s.start.Add(time.Duration(phase) * 5 * time.Second),
		Window: time.Second, Slots: experiment.SlotsOf(experiment.Shares{experiment.Whole - share, share}),
		Segments: []experiment.Segment{{Name: "tier", Header: "x-tier", Values: []string{"free", "internal"}}},
		Where:    experiment.Where{{Segment: "tier", Not: []string{"internal"}}},
	}
}

// capacity is how many requests a second are answered while the candidate is
// well, when clients send as soon as they have an answer. The second half
// counts: all is warm then.
func (s *soak) capacity(ctx context.Context) float64 {
	ctx, cancel := context.WithTimeout(ctx, soakMeasure)
	defer cancel()
	var all sync.WaitGroup
	for i := range soakClients {
		all.Go(func() {
			rng := rand.New(rand.NewPCG(2, uint64(i)))
			for ctx.Err() == nil {
				s.ask(rng.IntN(100), rng.IntN(5000))
			}
		})
	}
	time.Sleep(soakMeasure / 2)
	half, at := s.sent.Load(), time.Now()
	<-ctx.Done()
	n, took := s.sent.Load()-half, time.Since(at)
	all.Wait()
	return float64(n) / took.Seconds()
}

// swap swaps snapshots, from where the time is.
func (s *soak) swap(ctx context.Context) {
	tick := time.NewTicker(soakSwap)
	defer tick.Stop()
	for n := int(time.Since(s.start)/soakSwap) + 1; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := s.serve(s.route(n)); err != nil {
				s.t.Error(err)
				return
			}
		}
	}
}

// rounds puts it under load again and again, and looks at its heap after each
// round but the first, in which buffers and pools fill.
func (s *soak) rounds(ctx context.Context) (heap []sample) {
	rng := rand.New(rand.NewPCG(1, 1))
	for first := true; ctx.Err() == nil; first = false {
		most := s.capacity(ctx)
		s.rate = most / 2
		if ctx.Err() == nil {
			s.t.Logf("%.0f requests a second are held, so the round is under %.0f", most, s.rate)
			s.load(ctx, rng)
		}
		p := s.rest()
		if !first {
			heap = append(heap, sample{time.Since(s.start).Minutes(), p.Heap})
		}
	}
	return heap
}

// load sends requests at a constant rate, however long they take, for a round;
// then it waits for the last. Where the machine gives the load itself no time,
// or more wait than the candidate can be to blame for, it holds less than it
// did: what was due is left out, and the rate halves.
func (s *soak) load(ctx context.Context, rng *rand.Rand) {
	var all sync.WaitGroup
	defer all.Wait()
	flapping, calm := context.WithCancel(ctx)
	all.Go(func() { s.candidate.flap(flapping) })
	defer calm()
	var under atomic.Int64
	last, owed := time.Now(), 0.0
	for end := last.Add(soakRound); ctx.Err() == nil && last.Before(end); time.Sleep(2 * time.Millisecond) {
		now := time.Now()
		passed := now.Sub(last)
		last = now
		if passed > soakLate || under.Load() > soakUnder {
			s.skipped += int(passed.Seconds() * s.rate)
			s.rate = max(s.rate/2, soakLeast)
			continue
		}
		for owed += passed.Seconds() * s.rate; owed >= 1; owed-- {
			kind, unit := rng.IntN(100), rng.IntN(5000)
			under.Add(1)
			all.Go(func() {
				defer under.Add(-1)
				s.ask(kind, unit)
			})
		}
	}
}

var soakBody = bytes.Repeat([]byte("0123456789"), 20)

// ask sends one request: mostly a unit's, but some of testers, of bots, from
// outside, with a deadline or without a unit.
func (s *soak) ask(kind, unit int) {
	req, err := http.NewRequest(http.MethodPost, "http://"+s.traffic+"/v2/models/m/infer", bytes.NewReader(soakBody))
	if err != nil {
		s.fail("%v", err)
		return
	}
	req.Header.Set("X-User-Id", fmt.Sprintf("user-%d", unit))
	switch {
	case kind < 5:
		req.Header.Set("X-Api-Version", "blue")
	case kind < 10:
		req.Header.Set("User-Agent", "search-bot/1.0")
	case kind < 15:
		req.Header.Set("X-Tier", "internal")
	case kind < 20:
		req.Header.Del("X-User-Id")
	case kind < 25:
		req.Header.Set("X-Envoy-Expected-Rq-Timeout-Ms", "2500")
	}
	s.sent.Add(1)
	res, err := s.client.Do(req)
	if err != nil {
		s.fail("%v", err)
		return
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	version := res.Header.Get("X-Headgate-Version")
	switch {
	case res.StatusCode == http.StatusBadRequest && kind >= 15 && kind < 20 && err == nil:
		s.rejected.Add(1) // As the snapshot says.
	case res.StatusCode != http.StatusOK:
		s.fail("answered %s by %q: %s", res.Status, version, body)
	case err != nil && version == "v2":
		s.broken.Add(1)
		if res.Header.Get("X-Headgate-Exposure") == "" {
			s.brokenUnassigned.Add(1)
		}
	case err != nil || !strings.Contains(string(body), version):
		s.fail("%s answered %q, %v", version, body, err)
	}
}

// fail notes what a user must not see.
func (s *soak) fail(format string, args ...any) {
	if s.wrong.Add(1) <= 10 {
		s.t.Errorf(format, args...)
	}
}

// held is what a process holds.
type held struct {
	Heap       float64 `json:"heap"`
	Goroutines int     `json:"goroutines"`
}

func (s *soak) process() (p held) {
	s.t.Helper()
	s.into("/process", &p)
	return p
}

// sample is the heap at a time.
type sample struct{ minutes, bytes float64 }

// slopeOf is the least-squares slope of samples, in bytes a minute.
func slopeOf(samples []sample) float64 {
	var x, y float64
	for _, s := range samples {
		x += s.minutes / float64(len(samples))
		y += s.bytes / float64(len(samples))
	}
	var xx, xy float64
	for _, s := range samples {
		xx += (s.minutes - x) * (s.minutes - x)
		xy += (s.minutes - x) * (s.bytes - y)
	}
	return xy / xx
}

// counts wants every request counted once: by the metrics, and by the evidence.
func (s *soak) counts() {
	t := s.t
	t.Helper()
	m := s.metrics()
	assigned := m.sum("headgate_gateway_requests_total") + m.sum("headgate_gateway_client_aborts_total")
	unassigned, refused := m.sum("headgate_gateway_unassigned_total"), m.sum("headgate_gateway_refused_total")
	if sent := float64(s.sent.Load()); sent != assigned+unassigned+refused {
		t.Errorf("%v requests were sent; %v are counted as assigned, %v as not assigned, %v as refused", sent, assigned, unassigned, refused)
	}
	for _, why := range []string{"absent", "outside", "excluded", "overridden"} {
		if m.sum("headgate_gateway_unassigned_total", `"`+why+`"`) == 0 {
			t.Errorf("no request was unassigned as %s", why)
		}
	}
	fallbacks := m.sum("headgate_gateway_fallbacks_total")
	for _, why := range []string{"connect", "ejected", "5xx", "timeout", "broken"} {
		n := m.sum("headgate_gateway_fallbacks_total", `"`+why+`"`)
		t.Logf("fallbacks by %s: %v", why, n)
		if n == 0 {
			t.Errorf("the candidate was never replaced by %s", why)
		}
	}
	for _, cause := range []string{"failures", "probe"} {
		if m.sum("headgate_gateway_ejections_total", `"`+cause+`"`, `"v2"`) == 0 {
			t.Errorf("the candidate was never ejected by %s", cause)
		}
	}
	var evidence []struct{ N, X int64 }
	s.into("/evidence", &evidence)
	for i, version := range []string{"v1", "v2"} {
		if got, want := float64(evidence[i].N), m.sum("headgate_gateway_requests_total", `"`+version+`"`); got != want {
			t.Errorf("the evidence of %s has %v requests, the metrics %v", version, got, want)
		}
	}
	broken := s.broken.Load() - s.brokenUnassigned.Load()
	if want := int64(fallbacks) + broken; evidence[0].X != 0 || evidence[1].X != want || broken == 0 {
		t.Errorf("the evidence has %d failures of v1 and %d of v2: want none, and %v fallbacks with %d broken answers", evidence[0].X, evidence[1].X, fallbacks, broken)
	}
	t.Logf("%d requests: %v assigned, %v not (%d rejected), %v refused; %d answers broken after their first byte; %v snapshots; %d requests left out",
		s.sent.Load(), assigned, unassigned, s.rejected.Load(), refused, s.broken.Load(), s.sequence, s.skipped)
}

// rest ends what clients have open, and wants as many goroutines as before.
func (s *soak) rest() (p held) {
	s.t.Helper()
	s.client.CloseIdleConnections()
	time.Sleep(soakIdle)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		p = s.process()
		d := p.Goroutines - s.before.Goroutines
		if -soakGoroutines <= d && d <= soakGoroutines {
			return p
		}
		if time.Now().After(deadline) {
			s.t.Errorf("%d goroutines with nothing to do, at first %d", p.Goroutines, s.before.Goroutines)
			return p
		}
	}
}
