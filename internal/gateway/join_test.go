// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/ledger"
	"github.com/headgate-dev/headgate/stats"
)

// TestGroupsReachTheLedger sends real requests through a gateway whose
// exposures a real ledger takes, and asks the ledger for its slices; with
// units that come again in another tier, and with requests that are units.
func TestGroupsReachTheLedger(t *testing.T) {
	n := func(n, silent int64) stats.Counts { return stats.Counts{N: n, X: silent} }
	for name, tc := range map[string]struct {
		unit experiment.Unit
		want map[string]stats.Counts // of the metric: units, and those never heard of
	}{
		"units are where they were first": {experiment.Unit{Header: "x-user-id"}, map[string]stats.Counts{
			"": n(20, 10), "tier=free": n(10, 0), "tier=premium": n(10, 10), "age=<18": n(10, 5), "age=other": n(10, 5),
		}},
		"requests are where they are": {experiment.Unit{Request: true}, map[string]stats.Counts{
			"": n(40, 20), "tier=free": n(20, 0), "tier=premium": n(20, 20), "age=<18": n(20, 10), "age=other": n(20, 10),
		}},
	} {
		t.Run(name, func(t *testing.T) {
			p := &experiment.Plan{
				Namespace: "shop", Name: "ranker",
				Versions: []experiment.Version{{Name: "v1", Backend: named(t, "one")}, {Name: "v2", Backend: named(t, "two")}},
				Segments: []experiment.Segment{
					{Name: "tier", Header: "x-tier", Values: []string{"free", "premium"}},
					{Name: "age", JSONPath: "$.age", Bins: []float64{18}},
				},
				Assignment: experiment.Assignment{Unit: tc.unit},
				Metrics:    []experiment.Metric{{Name: "click", Outcomes: &experiment.OutcomesMetric{Event: "click", Window: time.Minute}}},
				Stages:     []experiment.Stage{{Observe: &experiment.Observe{For: time.Hour}}},
				Window:     time.Hour,
			}
			key := testKey(t)
			l, err := ledger.Open(t.Context(), filepath.Join(t.TempDir(), "ledger.db"), ledger.Options{Key: key})
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			if err := l.Register(p); err != nil {
				t.Fatal(err)
			}
			g := testGateway(t, Options{Key: key, Expose: l.Expose})
			start := time.Now().Add(-time.Second)
			state := experiment.State{Epoch: 1, Phase: 1, PhaseStart: start, Slots: experiment.SlotsOf(onlyCandidate())}
			swap(t, g, experiment.RouteOf(p, &state))
			url, client := serving(t, g)
			var outcomes []experiment.UnitOutcome
			for i := range 40 {
				// Units 0 to 19, and then again, each in the other tier and age.
				unit, again := i%20, i/20
				tier, body := "free", `{"age":17.5}`
				if (unit+again)%2 == 1 {
					tier = "premium"
				}
				if (unit/2+again)%2 == 1 {
					body = `{"age":null}`
				}
				a := ask(t, client, "POST", url, body, "X-User-Id", fmt.Sprint(unit), "X-Tier", tier)
				if tier == "free" && (again == 0 || tc.unit.Request) {
					outcomes = append(outcomes, experiment.UnitOutcome{Token: a.Header.Get(headerExposure), Event: "click", Value: 1})
				}
			}
			settled(client)
			if r, err := l.Record(t.Context(), p.ID(), outcomes); err != nil || r.Accepted != len(outcomes) {
				t.Fatalf("receipt %+v, %v; want %d accepted", r, err, len(outcomes))
			}
			later := start.Add(2 * time.Hour)
			for source, metric := range map[experiment.Source]string{experiment.SourceExposures: experiment.CellExposures, experiment.SourceOutcomes: "click"} {
				seal, err := l.Seal(t.Context(), source, p.ID(), 1, 1, start, 0, later)
				if err != nil {
					t.Fatal(err)
				}
				got := map[string]stats.Counts{}
				for _, c := range seal.Cells {
					if c.Metric != metric || c.Version != 1 {
						t.Errorf("cell %+v", c.CellKey)
					}
					got[c.Slice] = c.Counts
				}
				want := map[string]stats.Counts{}
				for slice, c := range tc.want {
					if source == experiment.SourceExposures {
						c.X = 0
					}
					want[slice] = c
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s by slice (-want +got):\n%s", source, diff)
				}
			}
			// The gateway's own cells are of requests, whoever sent them.
			cells := sealAll(t, g, experiment.Route{Experiment: p.ID(), Epoch: 1, Phase: 1})
			for slice, want := range map[string]int64{"": 40, "tier=free": 20, "age=other": 20} {
				if got := sliceCount(cells, 1, experiment.CellRequests, slice).N; got != want {
					t.Errorf("requests of slice %q = %d, want %d", slice, got, want)
				}
			}
		})
	}
}
