// SPDX-License-Identifier: Apache-2.0

package prometheus_test

import (
	"context"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/router/pack"
	"github.com/headgate-dev/headgate/internal/source/prometheus"
	"github.com/headgate-dev/headgate/stats"
)

func newSource(t *testing.T, url string, change ...func(*prometheus.Options)) *prometheus.Source {
	t.Helper()
	o := prometheus.Options{
		Provider: experiment.PrometheusProvider{URL: url, Scrape: scrape, Delay: scrape},
		Timeout:  30 * time.Second, Backoff: 50 * time.Millisecond,
	}
	for _, f := range change {
		f(&o)
	}
	s, err := prometheus.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// podReads are the metrics that pods export, for versions by name.
func podReads(versions ...string) []pack.Read {
	text := func(before, after string) (out []string) {
		for _, v := range versions {
			out = append(out, before+`{version="`+v+`"`+after+`}`)
		}
		return out
	}
	return []pack.Read{
		{Cell: experiment.CellRequests, Query: experiment.PrometheusQuery{Events: text("requests_total", `,code=~"5.."`), Total: text("requests_total", "")}},
		{Cell: "slow", Query: experiment.PrometheusQuery{Buckets: text("seconds_bucket", ""), Limit: .25}},
		{Cell: "mean", Query: experiment.PrometheusQuery{Sum: text("seconds_sum", ""), Count: text("seconds_count", "")}},
	}
}

// traffic sends requests to pods until it is stopped, and counts what each
// version served.
type traffic struct {
	stop chan struct{}
	done sync.WaitGroup
	sent [2]struct{ n, failed, slow atomic.Int64 }
}

func (g *traffic) run(version int, pods func() []*pod) {
	g.done.Go(func() {
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-g.stop:
				return
			case <-tick.C:
			}
			list := pods()
			if len(list) == 0 {
				continue
			}
			code, seconds := "200", .1
			if i%17 == 0 {
				seconds = .5
			}
			if i > 500 && i%11 == 0 { // Failures begin late: their series are new then.
				code = "500"
			}
			if !list[i%len(list)].handle(code, seconds) {
				continue
			}
			s := &g.sent[version]
			s.n.Add(1)
			if code == "500" {
				s.failed.Add(1)
			}
			if seconds > .25 {
				s.slow.Add(1)
			}
		}
	})
}

// reader seals windows as a controller does, tick by tick.
type reader struct {
	source *prometheus.Source
	query  prometheus.Query
	seals  []experiment.Seal
	failed map[experiment.Code]int
}

func (r *reader) tick(ctx context.Context, now time.Time) {
	seal, err := r.source.Seal(ctx, r.query, now)
	if err != nil {
		r.failed[experiment.CodeOf(err)]++
		return
	}
	if seal.To > seal.From {
		r.seals = append(r.seals, seal)
		r.query.From = seal.To
	}
}

func sums(seals []experiment.Seal) map[string][2]stats.Counts {
	out := make(map[string][2]stats.Counts)
	for _, s := range seals {
		for _, c := range s.Cells {
			sum := out[c.Metric]
			sum[c.Version] = sum[c.Version].Merge(c.Counts)
			out[c.Metric] = sum
		}
	}
	return out
}

// TestNothingIsLostOrCountedTwice drives a real Prometheus through all that
// happens to counters: restarts, missed scrapes, pods that come and go, a long
// silence of one target, and a crash of Prometheus itself.
func TestNothingIsLostOrCountedTwice(t *testing.T) {
	outage := 3 * time.Second
	if text := os.Getenv("HEADGATE_OUTAGE"); text != "" {
		var err error
		if outage, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	c := newCluster(t)
	v1a, v1b, v2a := c.join("v1", "v1-a"), c.join("v1", "v1-b"), c.join("v2", "v2-a")
	prom := startServer(t, c.file)
	settled(t, v1a, v1b, v2a)

	const window = 2 * time.Second
	start := time.Now().Truncate(time.Millisecond)
	query := prometheus.Query{
		Source: experiment.SourceGateway, Epoch: 1, Phase: 3, Start: start, Window: window,
		Names: []string{"v1", "v2"}, Asked: []bool{true, true}, Mirrored: []bool{false, false}, Reads: podReads("v1", "v2"),
	}
	live := &reader{source: newSource(t, prom.url()), query: query, failed: map[experiment.Code]int{}}
	ctx, cancel := context.WithCancel(t.Context())
	var ticks sync.WaitGroup
	defer ticks.Wait()
	defer cancel()
	ticks.Go(func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil {
			live.tick(ctx, time.Now())
			<-tick.C
		}
	})

	// What a phase begins with is not counted, so traffic begins after it.
	settled(t, v1a, v1b, v2a)
	var mu sync.Mutex
	pods := [2][]*pod{{v1a, v1b}, {v2a}}
	g := &traffic{stop: make(chan struct{})}
	for v := range pods {
		g.run(v, func() []*pod {
			mu.Lock()
			defer mu.Unlock()
			return pods[v]
		})
	}
	serve := func(v int, list ...*pod) {
		mu.Lock()
		defer mu.Unlock()
		pods[v] = list
	}
	settled(t, v1b)

	// A restart: what was scraped before it is what it counted. A counter that
	// is back at its old value by the next scrape would look as if nothing had
	// happened, so it must have counted more than a scrape's worth.
	eventually(t, 30*time.Second, "v1-a has failed often", func() (often bool) {
		v1a.set(func(p *pod) { often = p.codes["500"] > 60 })
		return often
	})
	serve(0, v1b)
	settled(t, v1a)
	v1a.set(func(p *pod) { p.codes, p.total, p.slow, p.sum = map[string]int64{}, 0, 0, 0 })
	serve(0, v1a, v1b)
	settled(t, v1a)

	// A scrape that is missed.
	n := v2a.scrapes()
	v2a.set(func(p *pod) { p.broken = true })
	wait(t, scrape)
	v2a.set(func(p *pod) { p.broken = false })
	eventually(t, 30*time.Second, "v2-a is scraped again", func() bool { return v2a.scrapes() > n })

	// A pod comes, another one goes.
	v2b := c.join("v2", "v2-b")
	serve(1, v2a, v2b)
	settled(t, v2b)
	serve(0, v1a)
	settled(t, v1b)
	c.leave(v1b)

	// A target that is silent for longer than a reading looks back.
	v2a.set(func(p *pod) { p.broken = true })
	wait(t, 8*scrape)
	v2a.set(func(p *pod) { p.broken = false })
	settled(t, v2a)

	// Prometheus crashes.
	prom.kill()
	wait(t, outage)
	prom.start()
	settled(t, v1a, v2a, v2b)

	close(g.stop)
	g.done.Wait()
	settled(t, v1a, v2a, v2b)
	last := int64(time.Since(start)/window) + 1
	eventually(t, 30*time.Second, "the last window is sealed", func() bool {
		return time.Now().After(start.Add(time.Duration(last)*window + 4*scrape))
	})
	cancel()
	ticks.Wait()
	eventually(t, time.Minute+time.Second, "the reader has caught up", func() bool {
		live.tick(t.Context(), time.Now())
		return live.query.From >= last
	})

	got := sums(live.seals)
	for v := range pods {
		sent := &g.sent[v]
		want := map[string]stats.Counts{
			experiment.CellRequests:  {N: sent.n.Load(), X: sent.failed.Load()},
			experiment.CellExposures: {N: sent.n.Load()},
			"slow":                   {N: sent.n.Load(), X: sent.slow.Load()},
		}
		for name, c := range want {
			if got[name][v] != c {
				t.Errorf("version %d, %s: read %+v, sent %+v", v, name, got[name][v], c)
			}
		}
	}
	if live.failed[experiment.CodeUnavailable] == 0 || len(live.failed) != 1 {
		t.Errorf("while Prometheus was down: %v", live.failed)
	}
	gaps := 0
	for _, s := range live.seals {
		gaps += len(s.Gaps)
		for _, gap := range s.Gaps {
			t.Logf("windows %d-%d: %s", gap.From, gap.To, gap.Why)
		}
	}
	if gaps == 0 {
		t.Error("neither the silent target nor the crash is a gap")
	}
	t.Logf("%d windows in %d readings, %+v, failures %v", live.query.From, len(live.seals), got, live.failed)

	// Whoever starts late and remembers nothing reads the same, window by window.
	late := &reader{source: newSource(t, prom.url()), query: query, failed: map[experiment.Code]int{}}
	late.tick(t.Context(), time.Now())
	for late.query.From < live.query.From && len(late.failed) == 0 {
		late.tick(t.Context(), time.Now())
	}
	if d := cmp.Diff(cellsOf(live.seals), cellsOf(late.seals)); d != "" {
		t.Errorf("a late start reads otherwise (-live +late):\n%s", d)
	}
}

// cellsOf lists the cells of windows before the last that both read.
func cellsOf(seals []experiment.Seal) map[experiment.CellKey]experiment.Evidence {
	out := make(map[experiment.CellKey]experiment.Evidence)
	for _, s := range seals {
		for _, c := range s.Cells {
			out[c.CellKey] = c.Evidence
		}
	}
	return out
}

// wait lets real time pass.
func wait(t *testing.T, d time.Duration) {
	t.Helper()
	over := time.After(d)
	eventually(t, d+10*time.Second, "time passes", func() bool {
		select {
		case <-over:
			return true
		default:
			return false
		}
	})
}
