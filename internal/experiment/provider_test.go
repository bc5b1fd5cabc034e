// SPDX-License-Identifier: Apache-2.0

package experiment

import (
	"slices"
	"testing"
	"time"

	"github.com/headgate-dev/headgate/stats"
)

func provided(provider string, q PrometheusQuery) Metric {
	return Metric{Name: "m", Provider: &ProviderMetric{Provider: provider, Prometheus: &q}}
}

func TestSourcesFollowTheRouterAndTheMetrics(t *testing.T) {
	cluster := Router{VirtualService: &RouteObject{Name: "ranker"}}
	query := provided("", PrometheusQuery{Query: []string{"a"}})
	mirror := Stage{Mirror: &Mirror{}}
	for name, c := range map[string]struct {
		p    Plan
		want []Source
	}{
		"gateway":                       {Plan{}, []Source{SourceGateway, SourceExposures, SourceOutcomes}},
		"gateway, mirror, provider":     {Plan{Stages: []Stage{mirror}, Metrics: []Metric{query}}, []Source{SourceGateway, SourceExposures, SourceOutcomes, SourcePairs, SourceMetrics}},
		"cluster":                       {Plan{Router: cluster}, []Source{SourceGateway}},
		"cluster, provider":             {Plan{Router: cluster, Metrics: []Metric{query}}, []Source{SourceGateway, SourceMetrics}},
		"cluster, outcomes":             {Plan{Router: cluster, Metrics: []Metric{{Outcomes: &OutcomesMetric{}}}}, []Source{SourceGateway, SourceExposures, SourceOutcomes}},
		"cluster, mirror without pairs": {Plan{Router: cluster, Stages: []Stage{mirror}}, []Source{SourceGateway}},
		"cluster, mirror with pairs":    {Plan{Router: cluster, Stages: []Stage{mirror}, Metrics: []Metric{{Pairs: &PairsMetric{}}}}, []Source{SourceGateway, SourcePairs}},
	} {
		if got := c.p.Sources(); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestProvidersAreWaitedForAsLongAsTheSlowestTakes(t *testing.T) {
	named := func(name string, scrape time.Duration) Provider {
		return Provider{Name: name, Prometheus: &PrometheusProvider{Scrape: scrape}}
	}
	cluster := Router{Fields: []ShareField{{}}}
	q := PrometheusQuery{Sum: []string{"a"}, Count: []string{"b"}}
	for name, c := range map[string]struct {
		p       Plan
		pack    string
		metrics time.Duration
		gateway time.Duration
	}{
		"no provider, own gateway":    {Plan{Lag: time.Second}, "", 75 * time.Second, time.Second},
		"no provider, cluster":        {Plan{Lag: time.Second, Router: cluster}, "", 75 * time.Second, 75 * time.Second},
		"one, cluster":                {Plan{Router: cluster, Providers: []Provider{named("team", 10*time.Second)}}, "team", 35 * time.Second, 35 * time.Second},
		"two, the pack's is the slow": {Plan{Router: cluster, Providers: []Provider{named("team", 5*time.Second), named("prometheus", time.Minute)}, Metrics: []Metric{provided("team", q)}}, "prometheus", 135 * time.Second, 135 * time.Second},
		"two, the metric's is slow":   {Plan{Lag: time.Second, Providers: []Provider{named("team", time.Minute), named("prometheus", time.Second)}, Metrics: []Metric{provided("team", q)}}, "prometheus", 135 * time.Second, time.Second},
		"two, nobody is the pack's":   {Plan{Providers: []Provider{named("a", time.Second), named("b", time.Second)}}, "", 75 * time.Second, 0},
	} {
		if got := c.p.Pack(); got != c.pack {
			t.Errorf("%s: the pack is read from %q, want %q", name, got, c.pack)
		}
		if m, g := c.p.Hold(SourceMetrics), c.p.Hold(SourceGateway); m != c.metrics || g != c.gateway {
			t.Errorf("%s: metrics wait %s and the gateway %s, want %s and %s", name, m, g, c.metrics, c.gateway)
		}
	}
}

func TestMetricsOfProvidersKnowTheirSample(t *testing.T) {
	builtin := func(k BuiltinKind) Metric { return Metric{Name: "m", Builtin: &BuiltinMetric{Kind: k}} }
	for name, c := range map[string]struct {
		m         Metric
		basis     Basis
		byUnit    bool
		part      bool
		telemetry bool
		unit      string
	}{
		"events":         {provided("", PrometheusQuery{Events: []string{"a"}, Total: []string{"b"}}), BasisRequests, false, true, true, ""},
		"buckets":        {provided("", PrometheusQuery{Buckets: []string{"a"}}), BasisRequests, false, true, true, ""},
		"sum":            {provided("", PrometheusQuery{Sum: []string{"a"}, Count: []string{"b"}}), BasisWindows, true, false, true, "number"},
		"query":          {provided("", PrometheusQuery{Query: []string{"a"}}), BasisWindows, true, false, true, "number"},
		"mean latency":   {builtin(MeanLatency), BasisWindows, true, false, true, "seconds"},
		"ready replicas": {builtin(ReadyReplicas), BasisWindows, true, false, true, "number"},
		"restarts":       {builtin(Restarts), BasisWindows, false, true, true, ""},
		"error rate":     {builtin(ErrorRate), BasisRequests, false, true, false, ""},
	} {
		m := c.m
		if m.Basis() != c.basis || m.ByUnit() != c.byUnit || m.PartOfWhole() != c.part || m.Telemetry() != c.telemetry || m.Unit() != c.unit {
			t.Errorf("%s: basis %s, by unit %v, part of a whole %v, telemetry %v, unit %q", name, m.Basis(), m.ByUnit(), m.PartOfWhole(), m.Telemetry(), m.Unit())
		}
	}
}

// TestWindowsAreFoldedInTheirOrder: however a source seals them, the order of
// windows stays known, and what it forgets to say of it is added.
func TestWindowsAreFoldedInTheirOrder(t *testing.T) {
	fold := func(evidence func(x float64) Evidence, seals ...[]int64) Evidence {
		all := Totals{Phases: []PhaseTotals{{Epoch: 1, Phase: 1}}}
		from := int64(0)
		for _, windows := range seals {
			s := Seal{Source: SourceMetrics, Epoch: 1, Phase: 1, From: from, To: from + int64(len(windows))}
			for _, w := range windows {
				s.Cells = append(s.Cells, Cell{CellKey: CellKey{Epoch: 1, Phase: 1, Window: w, Metric: "m"}, Evidence: evidence(float64(w * w))})
			}
			if err := all.Fold(s); err != nil {
				t.Fatal(err)
			}
			from = s.To
		}
		return all.Phases[0].Get(0, "m")
	}
	plain := func(x float64) Evidence { return Evidence{Units: stats.Pair{N: 1, MeanY: x, MeanX: 1}} }
	whole := fold(func(x float64) Evidence { return WindowEvidence(x, 1) }, []int64{0, 1, 2, 3})
	apart := fold(plain, []int64{1, 0}, []int64{3, 2})
	if len(whole.Batches.List) != 4 || whole.Units.N != 4 {
		t.Fatalf("%d batches of %d windows", len(whole.Batches.List), whole.Units.N)
	}
	for i := range whole.Batches.List {
		if whole.Batches.List[i] != apart.Batches.List[i] || whole.Batches.List[i].MeanY != float64(i*i) {
			t.Errorf("window %d: %v and %v", i, whole.Batches.List[i], apart.Batches.List[i])
		}
	}
}

func TestMomentsOfBuiltins(t *testing.T) {
	for value, hits := range map[float64]int64{0: 0, 1: 1, 2.5: 1} {
		if e := Restarts.Moment(value); e.Counts != (stats.Counts{N: 1, X: hits}) || e.Units.N != 0 {
			t.Errorf("%v restarts: %+v", value, e)
		}
		if e := ReadyReplicas.Moment(value); e.Units.MeanY != value || e.Batches.N() != 1 || e.Counts.N != 0 {
			t.Errorf("%v replicas: %+v", value, e)
		}
	}
}

// TestOnlyWindowsKeepTheirOrder: what a gateway reads in answers has no use for it.
func TestOnlyWindowsKeepTheirOrder(t *testing.T) {
	pair := stats.Pair{N: 1, MeanY: 2, MeanX: 1}
	for name, c := range map[string]struct {
		source Source
		cell   string
		e      Evidence
		want   int64
	}{
		"a provider's":        {SourceMetrics, "m", Evidence{Units: pair}, 1},
		"a pack's":            {SourceGateway, "m", Evidence{Units: pair}, 1},
		"of answers":          {SourceGateway, "m", Evidence{Units: pair, Counts: stats.Counts{N: 1}}, 0},
		"tokens":              {SourceGateway, CellTokens, Evidence{Units: pair}, 0},
		"of outcomes":         {SourceOutcomes, "m", Evidence{Units: pair}, 0},
		"said by itself":      {SourceMetrics, "m", WindowEvidence(2, 1), 1},
		"a provider's counts": {SourceMetrics, "m", Evidence{Counts: stats.Counts{N: 5}}, 0},
	} {
		all := Totals{Phases: []PhaseTotals{{Epoch: 1, Phase: 1}}}
		if err := all.Fold(Seal{Source: c.source, Epoch: 1, Phase: 1, To: 1, Cells: []Cell{{CellKey: CellKey{Epoch: 1, Phase: 1, Metric: c.cell}, Evidence: c.e}}}); err != nil {
			t.Fatal(err)
		}
		if n := all.Phases[0].Get(0, c.cell).Batches.N(); n != c.want {
			t.Errorf("%s: %d windows in batches, want %d", name, n, c.want)
		}
	}
}

// TestProvidersOfOtherKindsTellMetricsAlone: packs are read from a Prometheus, and
// every provider is waited for as long as it says.
func TestProvidersOfOtherKindsTellMetricsAlone(t *testing.T) {
	rest := Provider{Name: "rest", HTTP: &HTTPProvider{Delay: 5 * time.Minute}}
	base := Provider{Name: "base", SQL: &SQLProvider{Delay: 3 * time.Minute}}
	team := Provider{Name: "team", Prometheus: &PrometheusProvider{Scrape: 10 * time.Second}}
	cluster := Router{Fields: []ShareField{{}}}
	of := func(provider string, m ProviderMetric) Metric {
		m.Provider = provider
		return Metric{Name: "m", Provider: &m}
	}
	value := ProviderMetric{HTTP: &HTTPQuery{Value: ".x"}}
	rows := ProviderMetric{SQL: &SQLQuery{Form: SQLUnits}}
	for name, c := range map[string]struct {
		p       Plan
		pack    string
		metrics time.Duration
		gateway time.Duration
	}{
		"no Prometheus":        {Plan{Router: cluster, Providers: []Provider{rest}, Metrics: []Metric{of("rest", value)}}, "", 5 * time.Minute, 5 * time.Minute},
		"one among others":     {Plan{Router: cluster, Providers: []Provider{rest, team, base}, Metrics: []Metric{of("base", rows)}}, "team", 3 * time.Minute, 3 * time.Minute},
		"own gateway":          {Plan{Providers: []Provider{rest, base}, Metrics: []Metric{of("base", rows)}}, "", 3 * time.Minute, 0},
		"one that nobody asks": {Plan{Providers: []Provider{rest, base}, Metrics: []Metric{of("", ProviderMetric{Mock: &MockQuery{}})}}, "", 75 * time.Second, 0},
	} {
		if got := c.p.Pack(); got != c.pack {
			t.Errorf("%s: the pack is read from %q, want %q", name, got, c.pack)
		}
		if m, g := c.p.Hold(SourceMetrics), c.p.Hold(SourceGateway); m != c.metrics || g != c.gateway {
			t.Errorf("%s: metrics wait %v, requests %v, want %v and %v", name, m, g, c.metrics, c.gateway)
		}
	}
}

func TestWhatAProviderTellsIsItsSample(t *testing.T) {
	for name, c := range map[string]struct {
		m     ProviderMetric
		basis Basis
		unit  string
		whole bool
	}{
		"a value":            {ProviderMetric{HTTP: &HTTPQuery{Value: "v"}}, BasisWindows, "number", false},
		"counts":             {ProviderMetric{HTTP: &HTTPQuery{Events: "e", Total: "n"}}, BasisRequests, "", true},
		"a ratio":            {ProviderMetric{HTTP: &HTTPQuery{Sum: "s", Count: "n"}}, BasisWindows, "number", false},
		"sums of squares":    {ProviderMetric{HTTP: &HTTPQuery{Sum: "s", Count: "n", Squares: "q"}}, BasisUnits, "number", false},
		"rows of units":      {ProviderMetric{SQL: &SQLQuery{Form: SQLUnits}}, BasisUnits, "number", false},
		"rows of moments":    {ProviderMetric{SQL: &SQLQuery{Form: SQLMoments}}, BasisUnits, "number", false},
		"rows of counts":     {ProviderMetric{SQL: &SQLQuery{Form: SQLCounts}}, BasisRequests, "", true},
		"a row":              {ProviderMetric{SQL: &SQLQuery{Form: SQLValue}}, BasisWindows, "number", false},
		"PromQL":             {ProviderMetric{Prometheus: &PrometheusQuery{Query: []string{"x"}}}, BasisWindows, "number", false},
		"counters of events": {ProviderMetric{Prometheus: &PrometheusQuery{Events: []string{"x"}}}, BasisRequests, "", true},
	} {
		m := Metric{Name: "m", Provider: &c.m}
		if m.Basis() != c.basis || m.Unit() != c.unit || m.PartOfWhole() != c.whole || m.Windowed() != (c.basis == BasisWindows) || m.ByUnit() != (c.basis != BasisRequests) || !m.Telemetry() {
			t.Errorf("%s: %s, %q, whole %v, windowed %v, by unit %v", name, m.Basis(), m.Unit(), m.PartOfWhole(), m.Windowed(), m.ByUnit())
		}
	}
}
