// SPDX-License-Identifier: Apache-2.0

package prometheus_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/router/pack"
	"github.com/headgate-dev/headgate/internal/source/prometheus"
	"github.com/headgate-dev/headgate/stats"
)

// exporter writes the series of a file as a stack would: what follows a line's
// labels is how much the counter grows by each beat; "=" before it is a gauge.
type exporter struct {
	lines []string
	beat  atomic.Int64
	asked atomic.Int64
}

func (e *exporter) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	e.asked.Add(1)
	k := float64(e.beat.Load())
	for _, line := range e.lines {
		i := strings.LastIndex(line, " ")
		text, gauge := strings.CutPrefix(line[i+1:], "=")
		value, _ := strconv.ParseFloat(text, 64)
		if !gauge {
			value *= k
		}
		fmt.Fprintf(w, "%s %g\n", line[:i], value)
	}
}

func packPlan(name string) *experiment.Plan {
	p := &experiment.Plan{
		Namespace: "search", Name: "ranker",
		Versions: []experiment.Version{{Name: "v1", Workload: "ranker-v1", Backend: "ranker-v1:8080"}, {Name: "v2", Workload: "ranker-v2", Backend: "ranker-v2:8080"}},
		Metrics: []experiment.Metric{
			{Name: "errors", Builtin: &experiment.BuiltinMetric{Kind: experiment.ErrorRate}},
			{Name: "slow", Builtin: &experiment.BuiltinMetric{Kind: experiment.Latency, Limit: 250 * time.Millisecond}},
		},
	}
	if name != "headgate" {
		p.Router.HTTPRoute = &experiment.RouteObject{Name: "ranker"}
	}
	return p
}

// TestPacksCountWhatStacksExport has a real Prometheus scrape each stack's
// series, and those of others beside them, and reads them by each pack.
func TestPacksCountWhatStacksExport(t *testing.T) {
	binary(t)
	text, err := os.ReadFile(filepath.Join("testdata", "stacks.txt"))
	if err != nil {
		t.Fatal(err)
	}
	e := &exporter{}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			e.lines = append(e.lines, line)
		}
	}
	web := httptest.NewServer(e)
	t.Cleanup(web.Close)
	targets := filepath.Join(t.TempDir(), "targets.json")
	if err := os.WriteFile(targets, fmt.Appendf(nil, `[{"targets":[%q]}]`, web.Listener.Addr()), 0o600); err != nil {
		t.Fatal(err)
	}
	e.beat.Store(1)
	prom := startServer(t, targets)
	scraped := func(n int64) {
		before := e.asked.Load()
		eventually(t, 10*time.Second, "the exporter is scraped", func() bool { return e.asked.Load() >= before+n })
	}
	scraped(3)
	start := time.Now().Truncate(time.Millisecond)
	scraped(4)
	const beats = 7
	for range beats {
		e.beat.Add(1)
		scraped(1)
	}
	scraped(2)
	const window = 2 * time.Second
	windows := int64(time.Since(start)/window) + 1
	wait(t, time.Until(start.Add(time.Duration(windows)*window+3*scrape)))
	s := newSource(t, prom.url())
	for _, name := range pack.Names() {
		t.Run(name, func(t *testing.T) {
			p := packPlan(name)
			k, err := pack.For(p, name, pack.Options{})
			if err != nil {
				t.Fatal(err)
			}
			reads, err := k.Reads(p)
			if err != nil {
				t.Fatal(err)
			}
			reads = append(reads,
				pack.Read{Cell: "mean", Query: k.MeanLatency()},
				pack.Read{Cell: "ready", Query: experiment.PrometheusQuery{Query: k.Ready}},
				pack.Read{Cell: "restarts", Query: experiment.PrometheusQuery{Query: k.Restarts}})
			if name == "traefik" {
				// Its own bounds have no 250 ms; the fixture's were set to.
				reads[1].Query.Limit = .3
			}
			began := time.Now()
			seal, err := s.Seal(t.Context(), prometheus.Query{
				Source: experiment.SourceGateway, Start: start, Window: window, Names: []string{"v1", "v2"},
				Asked: []bool{true, true}, Mirrored: []bool{false, false}, Reads: reads,
			}, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%d windows in %v", seal.To, time.Since(began))
			got := sums([]experiment.Seal{seal})
			for v, want := range [][2]stats.Counts{{{N: 100, X: 3}, {N: 100, X: 20}}, {{N: 50, X: 10}, {N: 50, X: 30}}} {
				for i, cell := range []string{experiment.CellRequests, "slow"} {
					w := stats.Counts{N: want[i].N * beats, X: want[i].X * beats}
					if got[cell][v] != w {
						t.Errorf("version %d, %s: %+v, want %+v", v, cell, got[cell][v], w)
					}
				}
			}
			var mean, ready [2]stats.Pair
			for _, c := range seal.Cells {
				switch c.Metric {
				case "mean":
					mean[c.Version] = mean[c.Version].Merge(c.Units)
				case "ready":
					ready[c.Version] = ready[c.Version].Merge(c.Units)
				}
			}
			for v, want := range []float64{.2, .4} {
				if unit := k.Unit.Seconds(); mean[v].N == 0 || (mean[v].MeanY/mean[v].MeanX*unit-want) > 1e-9 || (mean[v].MeanY/mean[v].MeanX*unit-want) < -1e-9 {
					t.Errorf("version %d answers in %v s, want %v", v, mean[v].MeanY/mean[v].MeanX*unit, want)
				}
				if ready[v].MeanY != float64(2+v) {
					t.Errorf("version %d has %v ready replicas", v, ready[v].MeanY)
				}
			}
			if len(seal.Gaps) > 0 {
				t.Errorf("gaps: %+v", seal.Gaps)
			}
		})
	}
}
