// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headgate-dev/headgate/internal/engine"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/translate"
	"github.com/headgate-dev/headgate/stats"
)

const rollout = `
apiVersion: headgate.dev/v1alpha1
kind: Experiment
metadata: {name: ranker, namespace: search}
spec:
  versions: [{name: v1, backend: "http://a:1"}, {name: v2, backend: "http://b:1"}]
  traffic: {gateway: {}}
  assignment: {unit: {header: x-user-id}}
  metrics:
  - {name: errors, from: {builtin: error-rate}}
  objectives: [{metric: errors, max: 5%}]
  stages:
  - {name: canary, ramp: {steps: [10%, 50%]}, hold: {requests: 1000, windows: 2}}
  evidence: {window: 1m, lag: 10s, stale: 3m}
`

// keeper hands windows over as a gateway does: what is not taken over waits, 60
// windows at most.
type keeper struct {
	name string

	mu      sync.Mutex
	away    bool
	uncut   bool // The last batch is one that nobody could ask for.
	number  uint64
	waiting []experiment.Batch
	sealed  int64
}

// serve seals windows of a phase, with so many requests of the candidate each.
func (k *keeper) serve(p *experiment.PhaseTotals, to, requests int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := experiment.Seal{Experiment: "search/ranker", Source: experiment.SourceGateway, Epoch: p.Epoch, Phase: p.Phase, From: k.sealed, To: to}
	if n := len(k.waiting); n > 0 && k.uncut && k.away { // Nobody asks, so no batch is cut.
		s.From = k.waiting[n-1].Seals[0].From
		k.waiting = k.waiting[:n-1]
		k.number--
	}
	k.uncut = k.away
	first := s.From
	if to-s.From > 60 && k.away {
		first = to - 60
		s.Gaps = []experiment.Gap{{From: s.From, To: first, Why: "a gateway let windows go that nobody took over in time"}}
	}
	for w := first; w < to; w++ {
		for v, n := range []int64{9 * requests, requests} {
			s.Cells = append(s.Cells, experiment.Cell{
				CellKey:  experiment.CellKey{Epoch: p.Epoch, Phase: p.Phase, Window: w, Version: v, Metric: experiment.CellRequests},
				Evidence: experiment.Evidence{Counts: stats.Counts{N: n}},
			})
		}
	}
	k.number++
	k.sealed = to
	k.waiting = append(k.waiting, experiment.Batch{Gateway: k.name, Sequence: k.number, Seals: []experiment.Seal{s}})
}

func (k *keeper) leave(away bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.away = away
}

func (k *keeper) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.away {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	after, _ := strconv.ParseUint(r.URL.Query().Get("after"), 10, 64) // Nothing is 0.
	k.waiting = slices.DeleteFunc(k.waiting, func(b experiment.Batch) bool { return b.Sequence <= after })
	if len(k.waiting) == 0 {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	_ = json.NewEncoder(w).Encode(&k.waiting[0]) // Whoever asked may have gone.
}

// TestAGatewayThatIsGoneIsInTheVerdict for longer than it keeps windows: nothing
// is raised on what the other one saw, and it goes on by itself once enough whole
// windows have come.
func TestAGatewayThatIsGoneIsInTheVerdict(t *testing.T) {
	plan, err := translate.Plan([]byte(rollout))
	if err != nil {
		t.Fatal(err)
	}
	s := newSite(t)
	a, b := &keeper{name: "a"}, &keeper{name: "b"}
	servers := []*httptest.Server{httptest.NewServer(a), httptest.NewServer(b)}
	for _, server := range servers {
		t.Cleanup(server.Close)
	}
	var clock atomic.Int64
	now := func() time.Time { return t0.Add(time.Duration(clock.Load())) }
	s.o.Plans, s.o.Gateways, s.o.now = []*experiment.Plan{plan}, []string{servers[0].URL, servers[1].URL}, now
	p := s.start()
	defer s.close(p)

	record := engine.Begin(plan, t0).Record
	// read asks for a source's windows of the running phase.
	read := func(source experiment.Source) (seal experiment.Seal) {
		t.Helper()
		phase := &record.Totals.Phases[len(record.Totals.Phases)-1]
		q := url.Values{
			"source": {string(source)}, "epoch": {strconv.Itoa(phase.Epoch)}, "phase": {strconv.Itoa(phase.Phase)},
			"start": {phase.Start.Format(time.RFC3339Nano)}, "from": {strconv.FormatInt(*phase.Folded.Of(source), 10)},
		}
		status, body := s.call(p, http.MethodGet, "/v1/seals?"+q.Encode(), "", token)
		if err := json.Unmarshal([]byte(body), &seal); err != nil || status != http.StatusOK {
			t.Fatalf("%d %s", status, body)
		}
		return seal
	}
	step := func(at time.Duration) experiment.Decision {
		t.Helper()
		clock.Store(int64(at))
		in := engine.Input{Now: now()}
		for _, source := range plan.Sources() {
			in.Seals = append(in.Seals, read(source))
		}
		out, err := engine.Step(plan, record, in)
		if err != nil {
			t.Fatal(err)
		}
		record = out.Record
		return out.Decision
	}
	// taken waits until the ledger has all that the gateways give.
	taken := func(gateways ...*keeper) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); ; {
			_, body := s.call(p, http.MethodGet, "/v1/gateways", "", "")
			var all []PullState
			if err := json.Unmarshal([]byte(body), &all); err != nil {
				t.Fatal(err)
			}
			done := 0
			for _, k := range gateways {
				k.mu.Lock()
				if slices.ContainsFunc(all, func(g PullState) bool { return g.Gateway == k.name && g.Sequence == k.number && g.Failing == "" }) {
					done++
				}
				k.mu.Unlock()
			}
			if done == len(gateways) {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("the gateways' states are %s", body)
			}
		}
	}
	phase := func() *experiment.PhaseTotals { return &record.Totals.Phases[len(record.Totals.Phases)-1] }
	windows := func(n int64) time.Duration {
		return phase().Start.Sub(t0) + time.Duration(n)*time.Minute + 15*time.Second
	}
	want := func(d experiment.Decision, act experiment.Act, code experiment.ReasonCode, says string) {
		t.Helper()
		i := slices.IndexFunc(d.Reasons, func(r experiment.Reason) bool { return r.Code == code })
		if d.Act != act || i < 0 || !strings.Contains(d.Reasons[i].String(), says) {
			t.Fatalf("%s: %s %v, want %s because of %s %q", now().Sub(t0), d.Act, d.Reasons, act, code, says)
		}
	}

	want(step(time.Second), experiment.ActAdvance, experiment.ReasonStageEntered, "")
	clock.Store(int64(windows(3)))
	a.serve(phase(), 3, 10)
	b.serve(phase(), 3, 10)
	taken(a, b)
	want(step(windows(3)), experiment.ActHold, experiment.ReasonNeedRequests, "60 of 1000")
	// b is gone: its windows are waited for, then counted without it.
	b.leave(true)
	a.serve(phase(), 5, 10)
	taken(a)
	want(step(windows(5)), experiment.ActHold, experiment.ReasonNeedRequests, "60 of 1000")
	for _, n := range []int64{40, 73} {
		clock.Store(int64(windows(n)))
		a.serve(phase(), n, 100)
		b.serve(phase(), n, 100)
		taken(a)
		d := step(windows(n))
		want(d, experiment.ActHold, experiment.ReasonIncomplete, strconv.FormatInt(n-3, 10)+" of "+strconv.FormatInt(n, 10)+" windows of gateway are not whole: the gateway at "+servers[1].URL+" was silent")
	}
	if got := phase().Get(1, experiment.CellRequests).Counts.N; got != 60+2*10+68*100 {
		t.Errorf("%d requests are counted, want a's beside those of before", got)
	}
	// It is back: what it kept comes too late, and later windows are whole.
	b.leave(false)
	for _, c := range []struct {
		windows int64
		says    string
	}{{75, "70 of 75"}, {80, "70 of 80"}, {279, "70 of 279"}} {
		a.serve(phase(), c.windows, 1)
		b.serve(phase(), c.windows, 1)
		taken(a, b)
		want(step(windows(c.windows)), experiment.ActHold, experiment.ReasonIncomplete, c.says)
	}
	a.serve(phase(), 280, 1)
	b.serve(phase(), 280, 1)
	taken(a, b)
	want(step(windows(280)), experiment.ActAdvance, experiment.ReasonStepHeld, "")
	if n := p.ledger.Stats().LateCells; n != 2*60 {
		t.Errorf("late cells = %d, want those of the 60 windows that were kept", n)
	}
}
