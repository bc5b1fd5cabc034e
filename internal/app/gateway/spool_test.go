// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// batch asks for a batch; nil is that there is none.
func (s *site) batch(p *Process, query string) *experiment.Batch {
	s.t.Helper()
	status, body := s.admin(p, "/v1/batches?"+query)
	if status == 204 {
		return nil
	}
	var b experiment.Batch
	if err := json.Unmarshal([]byte(body), &b); status != 200 || err != nil {
		s.t.Fatalf("%d %s: %v", status, body, err)
	}
	return &b
}

func TestBatchesAreGivenUntilTheyAreTaken(t *testing.T) {
	s := newSite(t)
	s.o.Drain = 50 * time.Millisecond // Nobody takes the last batch.
	write(t, s.o.Snapshot, text(t, s.snapshot(1, 1)))
	p := s.start()
	if b := s.batch(p, ""); b != nil {
		t.Fatalf("before any request: %+v", b)
	}
	s.served(p)
	s.served(p)
	first := s.batch(p, "")
	if first == nil || first.Sequence != 1 || len(first.Exposures) != 2 || len(first.Seals) != 0 {
		t.Fatalf("%+v", first)
	}
	s.served(p)
	if diff := cmp.Diff(first, s.batch(p, "")); diff != "" {
		t.Errorf("asked for again it is another (-first +again):\n%s", diff)
	}
	after := fmt.Sprintf("gateway=%s&after=", first.Gateway)
	second := s.batch(p, after+"1")
	if second == nil || second.Sequence != 2 || len(second.Exposures) != 1 {
		t.Fatalf("%+v", second)
	}
	if got := s.batch(p, "gateway=another&after=99"); got == nil || got.Sequence != 2 {
		t.Errorf("who knows another gateway gets %+v", got)
	}
	s.wait(time.Minute + 11*time.Second)
	if _, failure := s.sealed(p, "epoch=1&phase=1", 1); failure != "" {
		t.Fatal(failure)
	}
	third := s.batch(p, after+"2")
	if third == nil || len(third.Seals) != 1 || third.Seals[0].From != 0 || third.Seals[0].To != 1 {
		t.Fatalf("%+v", third)
	}
	if diff := cmp.Diff(map[int64]int64{0: 3}, counted(third.Seals[0])); diff != "" {
		t.Errorf("requests by window (-want +got):\n%s", diff)
	}
	if b := s.batch(p, after+"3"); b != nil {
		t.Errorf("there is more: %+v", b)
	}
	if got := s.metric(p, "headgate_gateway_spool_rows"); got != "0" {
		t.Errorf("%s rows wait", got)
	}
	if status, body := s.admin(p, "/v1/batches?"+after+"x"); status != 400 {
		t.Errorf("%d %s", status, body)
	}
}

// TestTheEndWaitsForWhoeverTakesRows: what waits is handed over before the
// process ends, where somebody takes it, and nothing waits where nobody does.
func TestTheEndWaitsForWhoeverTakesRows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry := prometheus.NewRegistry()
		s := newSpool(100, newWindows(nil, time.Now, registry), registry)
		s.expose(experiment.Exposure{}, 0)
		start := time.Now()
		if left := s.drain(t.Context()); left != 1 || time.Since(start) != 0 {
			t.Errorf("%d rows that nobody takes are left after %s", left, time.Since(start))
		}
		first := s.next(0)
		go func() {
			time.Sleep(time.Second)
			s.next(first.Sequence)
		}()
		if left := s.drain(t.Context()); left != 0 || time.Since(start) < time.Second {
			t.Errorf("%d rows are left after %s", left, time.Since(start))
		}
		s.expose(experiment.Exposure{}, 0)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if left := s.drain(ctx); left != 1 || ctx.Err() == nil {
			t.Errorf("%d rows are left, %v", left, ctx.Err())
		}
	})
}

// TestASpoolIsBounded fills it far beyond its bound: the oldest rows go and are
// counted, the numbers tell of the gap, and no cell is lost.
func TestASpoolIsBounded(t *testing.T) {
	registry := prometheus.NewRegistry()
	s := newSpool(3*batchRows, newWindows(nil, time.Now, registry), registry)
	const rows = 10*batchRows + 7
	s.filling.Seals = []experiment.Seal{{Source: experiment.SourceGateway, To: 5}}
	for i := range rows {
		kept := s.expose(experiment.Exposure{Window: int64(i)}, 0)
		if i%2 == 1 {
			kept = s.pair(&experiment.Pair{ID: fmt.Sprint(i)}) && s.predict(&experiment.Prediction{}) && kept
		}
		if !kept {
			t.Fatal("a row was refused")
		}
	}
	var got, batches int
	last := uint64(0)
	for b := s.next(0); b != nil; b = s.next(last) {
		if last == 0 {
			if b.Sequence == 1 || len(b.Seals) != 4 || b.Seals[0].Source != experiment.SourceGateway {
				t.Errorf("the first that is left is %d with %+v", b.Sequence, b.Seals)
			}
			first := b.Exposures[0].Window // All before it are gone, and told as one.
			want := []experiment.Seal{
				{Source: experiment.SourceExposures, To: first, Gaps: []experiment.Gap{{To: first, Why: whyDropped}}},
				{Source: experiment.SourcePairs, To: 1, Gaps: []experiment.Gap{{To: 1, Why: whyDropped}}},
				{Source: experiment.SourceOutcomes, To: 1, Gaps: []experiment.Gap{{To: 1, Why: whyDropped}}},
			}
			if diff := cmp.Diff(want, b.Seals[1:]); diff != "" {
				t.Errorf("what is told of the rows that went (-want +got):\n%s", diff)
			}
		}
		if last > 0 && b.Sequence != last+1 {
			t.Errorf("batch %d follows %d", b.Sequence, last)
		}
		got, batches, last = got+rowsOf(b), batches+1, b.Sequence
	}
	lost := count(t, registry, "headgate_gateway_spool_dropped_total")
	taken := count(t, registry, "headgate_gateway_spool_taken_total")
	if total := rows + 2*(rows/2); got+lost != total || taken != got || s.rows != 0 {
		t.Errorf("%d were given, %d taken, %d lost, %d left; %d came", got, taken, lost, s.rows, total)
	}
	if got > 4*batchRows || batches > 5 {
		t.Errorf("%d rows in %d batches were kept", got, batches)
	}
}

func count(t *testing.T, registry *prometheus.Registry, name string) int {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return int(f.GetMetric()[0].GetCounter().GetValue())
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}
