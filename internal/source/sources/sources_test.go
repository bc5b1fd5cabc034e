// SPDX-License-Identifier: Apache-2.0

package sources

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/engine"
	"github.com/headgate-dev/headgate/internal/experiment"
)

func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func open(t *testing.T, p *experiment.Plan, o Options) *Set {
	t.Helper()
	s, err := Open(t.Context(), p, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func prometheusAt(url string) *experiment.PrometheusProvider {
	return &experiment.PrometheusProvider{URL: url, Scrape: 10 * time.Second, Delay: 10 * time.Second}
}

func httpAt(url string) *experiment.HTTPProvider {
	return &experiment.HTTPProvider{URL: url, Timeout: 10 * time.Second, Delay: 2 * time.Minute}
}

func ofHTTP(name, provider string) experiment.Metric {
	return experiment.Metric{Name: name, Provider: &experiment.ProviderMetric{Provider: provider, HTTP: &experiment.HTTPQuery{
		Method: "GET", Value: ".data.result[0].value[1]|tonumber", Params: [][]experiment.NameValue{{{Name: "q", Value: "v1"}}, {{Name: "q", Value: "v2"}}},
	}}}
}

func ofPrometheus(name, provider string) experiment.Metric {
	return experiment.Metric{Name: name, Provider: &experiment.ProviderMetric{Provider: provider, Prometheus: &experiment.PrometheusQuery{Query: []string{"v1", "v2"}}}}
}

// mixed has a metric of Prometheus, which is read 30 s after a window's end, and
// one of another server, which is read 2 m after it.
func mixed(t *testing.T) *experiment.Plan {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) { told(w, r, `"7"`, `"8"`) })
	return &experiment.Plan{
		Name: "e", Window: time.Minute, Versions: []experiment.Version{{Name: "v1"}, {Name: "v2"}},
		Providers: []experiment.Provider{{Name: "fast", Prometheus: prometheusAt(url)}, {Name: "slow", HTTP: httpAt(url)}},
		Metrics:   []experiment.Metric{ofHTTP("b", "slow"), ofPrometheus("a", "fast")},
	}
}

// TestAWindowIsSealedWhenEveryProviderHasIt waits for the slowest.
func TestAWindowIsSealedWhenEveryProviderHasIt(t *testing.T) {
	p := mixed(t)
	s := open(t, p, Options{})
	for now, want := range map[time.Duration]int64{
		2 * time.Minute: 0, 3 * time.Minute: 1, 4*time.Minute - 1: 1, 5 * time.Minute: 3,
	} {
		seal, err := s.Seal(t.Context(), ofPhase(p), began.Add(now))
		if err != nil || seal.Source != experiment.SourceMetrics || seal.From != 0 || seal.To != want || int64(len(seal.Cells)) != 4*want || len(seal.Gaps) > 0 {
			t.Errorf("after %v: %+v, %v", now, seal, err)
		}
	}
	if p.MetricsHold() != 2*time.Minute {
		t.Errorf("the plan waits %v", p.MetricsHold())
	}
	w := ofPhase(p)
	w.Source = experiment.SourceOutcomes
	if _, err := s.Seal(t.Context(), w, began); experiment.CodeOf(err) != experiment.CodeInternal {
		t.Error(err)
	}
}

// TestOneProviderThatFailsHoldsAll seals nothing that another told.
func TestOneProviderThatFailsHoldsAll(t *testing.T) {
	p := mixed(t)
	p.Providers[1].HTTP.URL = "http://127.0.0.1:1"
	s := open(t, p, Options{})
	seal, err := s.Seal(t.Context(), ofPhase(p), began.Add(5*time.Minute))
	if experiment.CodeOf(err) != experiment.CodeUnavailable || seal.To != 0 || len(seal.Cells)+len(seal.Gaps) > 0 {
		t.Errorf("%+v, %v", seal, err)
	}
	// Points tell of each alone.
	got := s.Points(t.Context(), experiment.Moment{Now: began, Elapsed: 1})
	if len(got) != 4 || got[0].Failed == "" || got[2].Failed != "" || *got[3].Value != 8 {
		t.Errorf("%+v", got)
	}
}

// TestPointsComeInThePlansOrder of every metric but those of the plan's own load.
func TestPointsComeInThePlansOrder(t *testing.T) {
	p := mixed(t)
	p.Strict = true
	level := 3.
	p.Metrics = append(p.Metrics,
		experiment.Metric{Name: "loaded", Provider: &experiment.ProviderMetric{Load: &experiment.LoadQuery{Of: experiment.LoadMean}}},
		experiment.Metric{Name: "mocked", Provider: &experiment.ProviderMetric{Mock: &experiment.MockQuery{Counter: true, Levels: []*float64{&level, nil}}}},
		experiment.Metric{Name: "outcome", Outcomes: &experiment.OutcomesMetric{}},
	)
	s := open(t, p, Options{})
	value := func(x float64) *float64 { return &x }
	want := []experiment.Reading{
		{Metric: "b", Value: value(7)},
		{Metric: "b", Version: 1, Value: value(8)},
		{Metric: "a", Value: value(7)},
		{Metric: "a", Version: 1, Value: value(8)},
		{Metric: "mocked", Value: value(30)},
		{Metric: "mocked", Version: 1},
	}
	if diff := cmp.Diff(want, s.Points(t.Context(), experiment.Moment{Now: began, Elapsed: 10})); diff != "" {
		t.Error(diff)
	}
}

// TestPrometheusIsAskedAsOfNow fills in the words for time.
func TestPrometheusIsAskedAsOfNow(t *testing.T) {
	var asked atomic.Value
	var answer atomic.Value
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Store(r.URL.Path + " " + r.URL.Query().Get("query") + " @ " + r.URL.Query().Get("time"))
		_, _ = io.WriteString(w, answer.Load().(string))
	})
	p := &experiment.Plan{
		Name: "e", Strict: true, Versions: []experiment.Version{{Name: "v1"}}, Providers: []experiment.Provider{{Name: "p", Prometheus: prometheusAt(url)}},
		Metrics: []experiment.Metric{{Name: "m", Provider: &experiment.ProviderMetric{Provider: "p", Prometheus: &experiment.PrometheusQuery{Query: []string{"increase(x[{{.Elapsed}}s])"}}}}},
	}
	s := open(t, p, Options{})
	const all = `{"status":"success","data":{"resultType":%q,"result":%s}%s}`
	for name, tc := range map[string]struct {
		answer string
		want   any // nil, a number, or what is said of the failure
	}{
		"one series":       {fmt.Sprintf(all, "vector", `[{"metric":{},"value":[1,"2.5"]}]`, ""), 2.5},
		"a scalar":         {fmt.Sprintf(all, "scalar", `[1,"3"]`, ""), 3.},
		"no series":        {fmt.Sprintf(all, "vector", `[]`, ""), nil},
		"an infinite one":  {fmt.Sprintf(all, "vector", `[{"metric":{},"value":[1,"+Inf"]}]`, ""), nil},
		"two series":       {fmt.Sprintf(all, "vector", `[{"metric":{},"value":[1,"1"]},{"metric":{},"value":[1,"2"]}]`, ""), "gives 2 series"},
		"a text":           {fmt.Sprintf(all, "string", `[1,"x"]`, ""), `"string"`},
		"a partial answer": {fmt.Sprintf(all, "vector", `[{"metric":{},"value":[1,"1"]}]`, `,"warnings":["a store is down"]`), "a store is down"},
	} {
		answer.Store(tc.answer)
		got := s.Points(t.Context(), experiment.Moment{Now: began.Add(1500 * time.Millisecond), Elapsed: 42})[0]
		switch want := tc.want.(type) {
		case nil:
			if got.Value != nil || got.Failed != "" {
				t.Errorf("%s: %+v", name, got)
			}
		case float64:
			if got.Value == nil || *got.Value != want || got.Failed != "" {
				t.Errorf("%s: %+v", name, got)
			}
		case string:
			if got.Value != nil || !strings.Contains(got.Failed, want) {
				t.Errorf("%s: %+v", name, got)
			}
		}
	}
	if want := "/api/v1/query increase(x[42s]) @ 1767323046.500"; asked.Load() != want {
		t.Errorf("%s, want %s", asked.Load(), want)
	}
}

// TestMocksVaryAboutTheirLevel less and less as time goes by: the mean of 2,000
// draws lies within five of its standard errors, the deviation within a tenth.
func TestMocksVaryAboutTheirLevel(t *testing.T) {
	level := 50.
	q := &experiment.MockQuery{Levels: []*float64{&level}}
	m := mocks{source: rand.NewPCG(1, 2)}
	for _, elapsed := range []int64{1, 20, 900} {
		const draws = 2000
		sum, squares := 0., 0.
		for range draws {
			x := *m.draw(q, 0, elapsed)
			if x < 0 || x > 2*level {
				t.Fatalf("%v after %d s", x, elapsed)
			}
			sum += x
			squares += (x - level) * (x - level)
		}
		sd := level / math.Sqrt(2*float64(elapsed)+1)
		if mean, seen := sum/draws, math.Sqrt(squares/draws); math.Abs(mean-level) > 5*sd/math.Sqrt(draws) || math.Abs(seen/sd-1) > .1 {
			t.Errorf("after %d s: mean %v, deviation %v, want %v", elapsed, mean, seen, sd)
		}
	}
	if m.draw(q, 1, 5) != nil || *m.draw(&experiment.MockQuery{Counter: true, Levels: []*float64{&level}}, 0, 0) != level {
		t.Error("a version without a level has a number, or a counter begins at 0")
	}
	var own mocks // Nobody can tell its numbers.
	if x := *own.draw(q, 0, 10); x < 0 || x > 100 {
		t.Error(x)
	}
}

// TestProvidersThatPlansNameAlikeAreOne within a namespace, until nobody reads
// them any more.
func TestProvidersThatPlansNameAlikeAreOne(t *testing.T) {
	var shared Shared
	at := func(namespace, name, url string) *Set {
		p := &experiment.Plan{
			Name: "e", Namespace: namespace, Versions: []experiment.Version{{Name: "v1"}, {Name: "v2"}},
			Providers: []experiment.Provider{{Name: name, HTTP: httpAt(url)}}, Metrics: []experiment.Metric{ofHTTP("m", name)},
		}
		return open(t, p, Options{Shared: &shared})
	}
	a, b := at("n", "x", "http://127.0.0.1:1"), at("n", "y", "http://127.0.0.1:1")
	c, d := at("o", "x", "http://127.0.0.1:1"), at("n", "x", "http://127.0.0.1:2")
	if len(shared.at) != 3 || shared.broken() != 0 {
		t.Fatalf("%d sources", len(shared.at))
	}
	for range 3 {
		_ = a.Points(t.Context(), experiment.Moment{Now: began, Elapsed: 1})
	}
	if shared.broken() != 1 {
		t.Errorf("%d breakers are open", shared.broken())
	}
	if got := b.Points(t.Context(), experiment.Moment{Now: began, Elapsed: 1}); !strings.Contains(got[0].Failed, "failed") {
		t.Errorf("%+v", got)
	}
	a.Close()
	a.Close()
	if len(shared.at) != 3 {
		t.Error("a source is gone that another plan reads")
	}
	for _, s := range []*Set{b, c, d} {
		s.Close()
	}
	if len(shared.at) != 0 {
		t.Errorf("%d sources that nobody reads", len(shared.at))
	}
}

func TestPlansThatCannotBeReadAreRefused(t *testing.T) {
	cluster := experiment.Router{VirtualService: &experiment.RouteObject{Name: "r"}}
	secret := &experiment.Secret{Env: "X"}
	for name, tc := range map[string]struct {
		change func(*experiment.Plan, *Options)
		says   string
	}{
		"no such provider":         {func(p *experiment.Plan, _ *Options) { p.Metrics[0].Provider.Provider = "nobody" }, `no provider "nobody"`},
		"no provider from outside": {func(p *experiment.Plan, _ *Options) { p.Metrics[0].Provider.Provider = "" }, "and there is none"},
		"a metric of another kind": {func(p *experiment.Plan, _ *Options) { p.Metrics[0].Provider.Provider = "fast" }, "not of the kind"},
		"no Prometheus for the pack": {func(p *experiment.Plan, _ *Options) {
			p.Router, p.Providers, p.Metrics = cluster, p.Providers[1:], p.Metrics[:1]
		}, "and there is none"},
		"a provider of no kind":    {func(p *experiment.Plan, _ *Options) { p.Providers[0] = experiment.Provider{Name: "fast"} }, "of no kind"},
		"jq that does not compile": {func(p *experiment.Plan, _ *Options) { p.Metrics[0].Provider.HTTP.Value = ".[" }, "metric b"},
		"a variable in a cluster": {func(p *experiment.Plan, o *Options) {
			o.Cluster, p.Providers[1].HTTP.Secrets = true, []experiment.NamedSecret{{Name: "K", Secret: *secret}}
		}, "key of a Secret object"},
		"a variable for Prometheus in a cluster": {func(p *experiment.Plan, o *Options) {
			o.Cluster, p.Providers[0].Prometheus.Token = true, secret
		}, "key of a Secret object"},
		"a file in a cluster": {func(p *experiment.Plan, o *Options) {
			o.Cluster, p.Providers[1] = true, experiment.Provider{Name: "slow", SQL: &experiment.SQLProvider{SQLite: "/x"}}
		}, "no SQLite files"},
		"a database's variable in a cluster": {func(p *experiment.Plan, o *Options) {
			o.Cluster, p.Providers[1] = true, experiment.Provider{Name: "slow", SQL: &experiment.SQLProvider{Postgres: secret}}
		}, "key of a Secret object"},
	} {
		t.Run(name, func(t *testing.T) {
			p := mixed(t)
			o := Options{Shared: new(Shared), Secrets: func(context.Context, experiment.Secret) (string, error) { return "", errors.New("no") }}
			tc.change(p, &o)
			s, err := Open(t.Context(), p, o)
			if s != nil || experiment.CodeOf(err) != experiment.CodeInvalid || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("%v", err)
			}
			if len(o.Shared.at) > 0 {
				t.Error("sources are left open")
			}
		})
	}
}

// TestThePackReadsWhatIsGivenFromOutside also beside providers of other kinds,
// and not for strict plans, which count no requests.
func TestThePackReadsWhatIsGivenFromOutside(t *testing.T) {
	var asked atomic.Int64
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		_, _ = io.WriteString(w, `{"status":"success","data":{"resultType":"matrix","result":[]}}`)
	})
	p := mixed(t)
	p.Router = experiment.Router{VirtualService: &experiment.RouteObject{Name: "r"}}
	p.Versions = []experiment.Version{{Name: "v1", Backend: "a"}, {Name: "v2", Backend: "b"}}
	p.Providers, p.Metrics = p.Providers[1:], p.Metrics[:1]
	s := open(t, p, Options{Fallback: prometheusAt(url)})
	w := ofPhase(p)
	w.Source = experiment.SourceGateway
	seal, err := s.Seal(t.Context(), w, began.Add(10*time.Minute))
	if err != nil || seal.To == 0 || asked.Load() == 0 {
		t.Errorf("%+v, %v, asked %d times", seal, err, asked.Load())
	}
	p.Strict = true
	s = open(t, p, Options{})
	if _, err := s.Seal(t.Context(), engine.Wanted{Source: experiment.SourceGateway, Phase: w.Phase}, began); experiment.CodeOf(err) != experiment.CodeInternal {
		t.Error(err)
	}
}
