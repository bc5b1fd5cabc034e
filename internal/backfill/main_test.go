// SPDX-License-Identifier: Apache-2.0

package backfill

import (
	"bytes"
	"context"
	"fmt"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/headgate-dev/headgate/internal/apiclient"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/httpapi"
	"github.com/headgate-dev/headgate/internal/ledger"
	"github.com/headgate-dev/headgate/internal/postgres/postgrestest"
)

var server *postgrestest.Server

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(postgrestest.Main{Tests: m, Server: &server})
}

var t0 = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// gate is a ledger behind the API, and a client of it.
type gate struct {
	*apiclient.Outcomes
	ledger *ledger.Ledger
	key    *experiment.Key

	mu sync.Mutex
	// got are the outcomes of each call that was stored.
	got [][]experiment.UnitOutcome
}

func (g *gate) Record(ctx context.Context, id string, outcomes []experiment.UnitOutcome) (experiment.Receipt, error) {
	receipt, err := g.ledger.Record(ctx, id, outcomes)
	g.mu.Lock()
	defer g.mu.Unlock()
	if err == nil {
		g.got = append(g.got, outcomes)
	}
	return receipt, err
}

// newGate serves an experiment with a metric of outcomes, purchase, and one of
// labels, truth, whose clock stands still a minute after t0. The units u0 … and
// the requests r0 … of n predictions of t0 are known to it.
func newGate(t *testing.T, n int) *gate {
	t.Helper()
	key, err := experiment.NewKey(bytes.Repeat([]byte{7}, experiment.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	l, err := ledger.Open(t.Context(), filepath.Join(t.TempDir(), "ledger.db"), ledger.Options{
		Key: key, Now: func() time.Time { return t0.Add(time.Minute) }, Commit: 100 * time.Microsecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	plan := &experiment.Plan{
		Namespace: "search", Name: "ranker",
		Versions: []experiment.Version{{Name: "v1"}, {Name: "v2"}},
		Metrics: []experiment.Metric{
			{Name: "revenue", Outcomes: &experiment.OutcomesMetric{Event: "purchase", Window: time.Hour}},
			{Name: "right", Labels: &experiment.LabelsMetric{Event: "truth", Of: experiment.Accuracy, Window: time.Hour}},
		},
		Window: time.Minute, Lag: time.Second, Retention: experiment.Retention{For: 24 * time.Hour, Rows: 1 << 20},
	}
	if err := l.Register(plan); err != nil {
		t.Fatal(err)
	}
	g := &gate{ledger: l, key: key}
	for i := range n {
		e := g.exposure(i)
		p := experiment.Prediction{Exposure: e, Class: "cat", Request: key.HashUnit(fmt.Sprint("r", i))}
		if !l.Expose(e, 0) || !l.Predict(&p) {
			t.Fatalf("prediction %d was dropped", i)
		}
	}
	s := httptest.NewServer(httpapi.Bearer("a token of some length", httpapi.Outcomes(g, func() []string { return []string{"search/ranker"} })))
	t.Cleanup(s.Close)
	g.Outcomes, err = apiclient.NewOutcomes(apiclient.OutcomesOptions{URL: s.URL, Token: "a token of some length"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	return g
}

func (g *gate) exposure(i int) experiment.Exposure {
	return experiment.Exposure{
		Experiment: "search/ranker", Epoch: 1, Phase: 1, Version: i % 2, Propensity: 5000, Unit: g.key.HashUnit(fmt.Sprint("u", i)), At: t0,
	}
}

// Close drops the client's connections; the ledger goes with the test.
func (g *gate) Close() { g.Outcomes.Close() }
