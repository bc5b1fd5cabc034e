// SPDX-License-Identifier: Apache-2.0

package prometheus_test

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/router/pack"
	"github.com/headgate-dev/headgate/internal/source/prometheus"
	"github.com/headgate-dev/headgate/stats"
)

// point is a sample, seconds after the phase began.
type point struct{ after, value float64 }

// scripted answers queries by a script: the samples of series, by the beginning
// of the query. It keeps to the time range that it is asked for.
type scripted map[string]map[string][]point

func (s scripted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query, kind := r.FormValue("query"), "matrix"
	upto, _ := strconv.ParseFloat(r.FormValue("time"), 64)
	over := math.Inf(1)
	if inner, ok := strings.CutPrefix(query, "last_over_time("); ok {
		query, kind = strings.TrimSuffix(inner, ")"), "vector"
	}
	if i := strings.LastIndex(query, "["); i >= 0 && strings.HasSuffix(query, "ms]") && r.FormValue("start") == "" {
		ms, _ := strconv.ParseFloat(strings.TrimSuffix(query[i+1:], "ms]"), 64)
		query, over = query[:i], ms/1000
	}
	if end := r.FormValue("end"); end != "" {
		upto, _ = strconv.ParseFloat(end, 64)
	}
	type row struct {
		Metric map[string]string `json:"metric"`
		Values [][2]any          `json:"values,omitempty"`
		Value  *[2]any           `json:"value,omitempty"`
	}
	rows := []row{}
	for labels, points := range s[query] {
		one := row{Metric: map[string]string{}}
		for _, l := range strings.Fields(labels) {
			k, v, _ := strings.Cut(l, "=")
			one.Metric[k] = v
		}
		for _, p := range points {
			at := float64(began.Unix()) + p.after
			if at <= upto && at >= upto-over {
				one.Values = append(one.Values, [2]any{at, strconv.FormatFloat(p.value, 'f', -1, 64)})
			}
		}
		if len(one.Values) == 0 {
			continue
		}
		if kind == "vector" {
			last := one.Values[len(one.Values)-1]
			one.Values, one.Value = nil, &[2]any{upto, last[1]}
		}
		rows = append(rows, one)
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"status": "success", "data": map[string]any{"resultType": kind, "result": rows}})
}

// every gives samples every 5 s that grow by step each.
func every(from, to, value, step float64) (out []point) {
	for at := from; at <= to; at += 5 {
		out = append(out, point{at, value})
		value += step
	}
	return out
}

// scriptedSource reads a script whose series are scraped every 5 s. Windows are
// read 25 s after their end.
func scriptedSource(t *testing.T, s scripted) *prometheus.Source {
	t.Helper()
	web := httptest.NewServer(s)
	t.Cleanup(web.Close)
	return newSource(t, web.URL, func(o *prometheus.Options) { o.Provider.Scrape, o.Provider.Delay = 5*time.Second, 15*time.Second })
}

func query(cell string, q experiment.PrometheusQuery) prometheus.Query {
	one, _ := oneRead(q)
	one.Reads[0].Cell = cell
	return one
}

func cell(w int64, metric string, e experiment.Evidence) experiment.Cell {
	return experiment.Cell{CellKey: experiment.CellKey{Epoch: 1, Phase: 1, Window: w, Metric: metric}, Evidence: e}
}

func count(n, x int64) experiment.Evidence {
	return experiment.Evidence{Counts: stats.Counts{N: n, X: x}}
}

func unit(y, x float64) experiment.Evidence { return experiment.WindowEvidence(y, x) }

func TestSeals(t *testing.T) {
	pods := func(list ...[]point) map[string][]point {
		out := make(map[string][]point)
		for i, p := range list {
			out[fmt.Sprint("pod=", i)] = p
		}
		return out
	}
	whole := every(-60, 300, 1000, 10)
	for name, tc := range map[string]struct {
		script scripted
		query  experiment.PrometheusQuery
		after  time.Duration // of the reading; two windows if 0
		cells  []experiment.Cell
		gaps   []experiment.Gap
	}{
		"counts of two windows, the first without its first scrape": {
			scripted{"n": pods(whole), "e": pods(every(-60, 300, 3, 1))},
			counts(), 0,
			[]experiment.Cell{cell(0, "m", count(110, 11)), cell(1, "m", count(120, 12))},
			nil,
		},
		"nothing before a window has matured": {scripted{"n": pods(whole)}, counts(), 84 * time.Second, nil, nil},
		"no events is none":                   {scripted{"n": pods(whole)}, counts(), 85 * time.Second, []experiment.Cell{cell(0, "m", count(110, 0))}, nil},
		"no series although there should be traffic": {
			scripted{}, counts(), 0, nil, []experiment.Gap{{From: 0, To: 2, Why: "v1 has no series for m"}},
		},
		"a series that ends": {
			scripted{"n": pods(every(-60, 70, 0, 1))},
			counts(), 0,
			[]experiment.Cell{cell(0, "m", count(11, 0)), cell(1, "m", count(2, 0))},
			[]experiment.Gap{{From: 1, To: 2, Why: "the series of v1 for m were not scraped all the time"}},
		},
		"a new pod counts from 0": {
			scripted{"n": pods(whole, every(75, 300, 40, 10))},
			counts(), 0,
			[]experiment.Cell{cell(0, "m", count(110, 0)), cell(1, "m", count(120+40+90, 0))},
			nil,
		},
		"nobody knows whether the first series of all is new": {
			scripted{"n": pods(every(75, 300, 4000, 10))},
			counts(), 0,
			[]experiment.Cell{cell(1, "m", count(90, 0))},
			[]experiment.Gap{{From: 0, To: 2, Why: "the series of v1 for m were not scraped all the time"}},
		},
		"a series that was there before the phase is not new": {
			scripted{"n": pods(whole, append([]point{{-3600, 50}}, every(75, 300, 4000, 10)...))},
			counts(), 0,
			[]experiment.Cell{cell(0, "m", count(110, 0)), cell(1, "m", count(120+90, 0))},
			nil,
		},
		"unless it began again": {
			scripted{"n": pods(whole, append([]point{{-3600, 50}}, every(75, 300, 2, 10)...))},
			counts(), 0,
			[]experiment.Cell{cell(0, "m", count(110, 0)), cell(1, "m", count(120+2+90, 0))},
			nil,
		},
		"more events than there can be": {
			scripted{"n": pods(every(-60, 300, 0, 1)), "e": pods(every(-60, 300, 0, 2))},
			counts(), 85 * time.Second, nil,
			[]experiment.Gap{{From: 0, To: 1, Why: "v1 has 22 of 11 for m: the selectors do not fit each other"}},
		},
		"NaN is a gap": {
			scripted{"n": pods([]point{{-5, 0}, {0, 1}, {5, math.NaN()}, {10, math.NaN()}, {15, 1}, {20, 2}, {25, 3}, {30, 4}, {35, 5}, {40, 5}, {45, 5}, {50, 5}, {55, 5}, {60, 5}, {65, 5}})},
			counts(), 85 * time.Second, nil,
			[]experiment.Gap{{From: 0, To: 1, Why: "v1 has 0 of NaN for m: the selectors do not fit each other"}},
		},
		"sum and count are one observation for each window": {
			scripted{"n": pods(whole), "s": pods(every(-60, 300, 0, 2.5))},
			experiment.PrometheusQuery{Sum: []string{"s"}, Count: []string{"n"}},
			0,
			[]experiment.Cell{cell(0, "m", unit(27.5, 110)), cell(1, "m", unit(30, 120))},
			nil,
		},
		"a hole makes no observation": {
			scripted{"n": pods(append(every(-60, 10, 0, 1), every(30, 300, 20, 1)...)), "s": pods(whole)},
			experiment.PrometheusQuery{Sum: []string{"s"}, Count: []string{"n"}},
			85 * time.Second,
			nil,
			[]experiment.Gap{{From: 0, To: 1, Why: "a series was not scraped for 20s"}},
		},
		"buckets count what lies above": {
			scripted{"b{}": {"le=0.5": every(-60, 300, 0, 7), "le=+Inf": every(-60, 300, 0, 10)}},
			experiment.PrometheusQuery{Buckets: []string{"b{}"}, Limit: .5},
			85 * time.Second,
			[]experiment.Cell{cell(0, "m", count(110, 33))},
			nil,
		},
		"an expression is a number as of each end": {
			scripted{"q": pods([]point{{60, .25}, {120, .5}})},
			experiment.PrometheusQuery{Query: []string{"q"}},
			0,
			[]experiment.Cell{cell(0, "m", unit(.25, 1)), cell(1, "m", unit(.5, 1))},
			nil,
		},
		"an expression of nothing or NaN is a gap": {
			scripted{"q": pods([]point{{60, math.NaN()}})},
			experiment.PrometheusQuery{Query: []string{"q"}},
			0, nil,
			[]experiment.Gap{{From: 0, To: 1, Why: "m of v1 is NaN"}, {From: 1, To: 2, Why: "m of v1 has no value"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			after := tc.after
			if after == 0 {
				after = 145 * time.Second
			}
			// bucketsOf writes its matcher behind the brace that the script knows.
			if b, ok := tc.script["b{}"]; ok {
				tc.script[`b{le=~"0[.]5|5e-01|[+]Inf"}`] = b
			}
			got, err := scriptedSource(t, tc.script).Seal(t.Context(), query("m", tc.query), began.Add(after))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tc.cells, got.Cells); d != "" {
				t.Errorf("cells (-want +got):\n%s", d)
			}
			if d := cmp.Diff(tc.gaps, got.Gaps); d != "" {
				t.Errorf("gaps (-want +got):\n%s", d)
			}
			if want := int64((after - 25*time.Second) / time.Minute); got.From != 0 || got.To != want || got.Source != experiment.SourceMetrics {
				t.Errorf("sealed %d-%d of %s, want 0-%d", got.From, got.To, got.Source, want)
			}
		})
	}
}

func TestAPhaseThatEndedIsReadToItsEnd(t *testing.T) {
	s := scriptedSource(t, scripted{"n": {"pod=0": every(-60, 300, 0, 10)}})
	q := query(experiment.CellRequests, counts())
	q.End = began.Add(90 * time.Second)
	for after, want := range map[time.Duration]int64{114 * time.Second: 1, 115 * time.Second: 2, time.Hour: 2} {
		got, err := s.Seal(t.Context(), q, began.Add(after))
		if err != nil || got.To != want {
			t.Fatalf("after %v: %d windows, %v", after, got.To, err)
		}
		if want == 2 {
			// 90 s less the first scrape and the last one.
			if sum := sums([]experiment.Seal{got})[experiment.CellRequests][0]; sum.N != 160 {
				t.Errorf("after %v: %d requests", after, sum.N)
			}
		}
	}
}

func TestRequestsAreExposuresToo(t *testing.T) {
	s := scriptedSource(t, scripted{"n": {"pod=0": every(-60, 300, 0, 10)}, "e": {"pod=0": every(-60, 300, 0, 1)}})
	q := query(experiment.CellRequests, counts())
	got, err := s.Seal(t.Context(), q, began.Add(85*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]experiment.Cell{cell(0, experiment.CellRequests, count(110, 11)), cell(0, experiment.CellExposures, count(110, 0))}, got.Cells); d != "" {
		t.Error(d)
	}
	q.Mirrored, q.Asked = []bool{true}, []bool{false}
	got, err = s.Seal(t.Context(), q, began.Add(85*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]experiment.Cell{cell(0, experiment.CellMirrored, count(110, 11))}, got.Cells); d != "" {
		t.Error(d)
	}
}

func TestManyWindowsAreReadAFewAtATime(t *testing.T) {
	script := scripted{"n": {"pod=0": every(-60, 7200, 0, 10)}}
	s := scriptedSource(t, script)
	q := query("m", counts())
	var seals []experiment.Seal
	for range 2 {
		got, err := s.Seal(t.Context(), q, began.Add(6000*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		seals = append(seals, got)
		q.From = got.To
	}
	if seals[0].To != 60 || seals[1].To != 99 || sums(seals)["m"][0].N != 99*120-10 {
		t.Errorf("%d, %d, %+v", seals[0].To, seals[1].To, sums(seals))
	}
}

func TestAnAnswerTooLargeIsAskedForInParts(t *testing.T) {
	script := scripted{"n": {"pod=0": every(-60, 7200, 0, 10)}}
	web := httptest.NewServer(script)
	t.Cleanup(web.Close)
	s := newSource(t, web.URL, func(o *prometheus.Options) {
		o.Provider.Scrape, o.Provider.Delay, o.MaxBody = 5*time.Second, 15*time.Second, 4000
	})
	got, err := s.Seal(t.Context(), query("m", counts()), began.Add(3000*time.Second))
	if err != nil || got.To == 0 || got.To >= 30 || sums([]experiment.Seal{got})["m"][0].N != got.To*120-10 {
		t.Errorf("%d windows, %+v, %v", got.To, sums([]experiment.Seal{got}), err)
	}
}

func TestQueriesThatCannotBeReadAreRefused(t *testing.T) {
	script := scripted{
		"b":   {"le=0.1": every(-60, 300, 0, 1), "le=0.5": every(-60, 300, 0, 1), "le=1": every(-60, 300, 0, 1), "le=+Inf": every(-60, 300, 0, 1)},
		"two": {"a=1": {{60, 1}}, "a=2": {{60, 1}}},
	}
	script[`b{le=~"0[.]25|2[.]5e-01|[+]Inf"}`] = map[string][]point{"le=+Inf": every(-60, 300, 0, 1)}
	s := scriptedSource(t, script)
	for name, tc := range map[string]struct {
		query  experiment.PrometheusQuery
		window time.Duration
		says   string
	}{
		"a limit that is no bound":     {experiment.PrometheusQuery{Buckets: []string{"b"}, Limit: .25}, time.Minute, "no bucket ends at 0.25: above 0.1 or 0.5"},
		"several series":               {experiment.PrometheusQuery{Query: []string{"two"}}, time.Minute, "gives 2 series"},
		"windows shorter than scrapes": {counts(), 9 * time.Second, "every 5s"},
		"two forms":                    {experiment.PrometheusQuery{Query: []string{"a"}, Buckets: []string{"b"}}, time.Minute, "exactly one"},
		"events without a total":       {experiment.PrometheusQuery{Events: []string{"a"}}, time.Minute, "exactly one"},
		"another number of versions":   {experiment.PrometheusQuery{Query: []string{"a", "b"}}, time.Minute, "2 selectors for 1"},
	} {
		t.Run(name, func(t *testing.T) {
			q := query("m", tc.query)
			q.Window = tc.window
			_, err := s.Seal(t.Context(), q, began.Add(145*time.Second))
			said := fmt.Sprint(err, ": ", strings.TrimPrefix(experiment.HintOf(err), "observations can be counted "))
			if experiment.CodeOf(err) != experiment.CodeInvalid || !strings.Contains(said, tc.says) {
				t.Errorf("%s: %v", experiment.CodeOf(err), said)
			}
		})
	}
}

func TestWhatAPlanReads(t *testing.T) {
	p := &experiment.Plan{
		Window: time.Minute, Versions: []experiment.Version{{Name: "v1"}, {Name: "v2"}, {Name: "v3"}},
		Stages: []experiment.Stage{{Mirror: &experiment.Mirror{}}},
		Metrics: []experiment.Metric{
			{Name: "a", Provider: &experiment.ProviderMetric{Provider: "x", Prometheus: &experiment.PrometheusQuery{Query: []string{"q"}}}},
			{Name: "b", Provider: &experiment.ProviderMetric{Provider: "y", Prometheus: &experiment.PrometheusQuery{}}},
			{Name: "c"},
		},
	}
	phase := experiment.PhaseTotals{Epoch: 2, Phase: 3, Start: began, Shares: experiment.Shares{experiment.Whole, 0, 0}}
	phase.Folded.Metrics = 7
	next := experiment.PhaseTotals{Epoch: 2, Phase: 4, Start: began.Add(time.Hour), Groups: []experiment.GroupShares{{Shares: experiment.Shares{0, experiment.Whole, 0}}}}
	totals := &experiment.Totals{Phases: []experiment.PhaseTotals{phase, next}}
	got := prometheus.QueryOf(p, totals, 0, experiment.SourceMetrics, prometheus.MetricReads(p, "x"))
	want := prometheus.Query{
		Source: experiment.SourceMetrics, Epoch: 2, Phase: 3, Start: began, End: began.Add(time.Hour), Window: time.Minute, From: 7,
		Names: []string{"v1", "v2", "v3"}, Asked: []bool{true, false, false}, Mirrored: []bool{false, true, true},
		Reads: []pack.Read{{Cell: "a", Query: experiment.PrometheusQuery{Query: []string{"q"}}}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	got = prometheus.QueryOf(p, totals, 1, experiment.SourceMetrics, nil)
	if !got.End.IsZero() || !cmp.Equal(got.Asked, []bool{false, true, false}) || !cmp.Equal(got.Mirrored, []bool{false, false, true}) {
		t.Errorf("%+v", got)
	}
}

func TestVersionsScrapedAtOtherSecondsAreCutAtTheSameMoment(t *testing.T) {
	s := scriptedSource(t, scripted{"n1": {"pod=0": every(-60, 300, 0, 500)}, "n2": {"pod=1": every(-56, 300, 0, 500)}})
	q := query("m", experiment.PrometheusQuery{Events: []string{"e", "e"}, Total: []string{"n1", "n2"}})
	q.Asked, q.Mirrored, q.Names = []bool{true, true}, []bool{false, false}, []string{"v1", "v2"}
	got, err := s.Seal(t.Context(), q, began.Add(145*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	// 100 requests a second each; a version's own last samples would lie 4 s apart.
	for _, c := range got.Cells {
		if want := map[int64]int64{0: 5500, 1: 6000}[c.Window]; c.Counts.N != want {
			t.Errorf("window %d of version %d: %d requests, want %d", c.Window, c.Version, c.Counts.N, want)
		}
	}
	if len(got.Cells) != 4 || len(got.Gaps) != 0 {
		t.Errorf("%d cells, gaps %v", len(got.Cells), got.Gaps)
	}
}

func TestAVersionWithoutTrafficMayHaveNoSeries(t *testing.T) {
	s := scriptedSource(t, scripted{})
	for _, form := range []experiment.PrometheusQuery{
		counts(), {Sum: []string{"s"}, Count: []string{"n"}}, {Buckets: []string{"b"}, Limit: 1}, {Query: []string{"q"}},
	} {
		q := query("m", form)
		q.Asked = []bool{false}
		got, err := s.Seal(t.Context(), q, began.Add(145*time.Second))
		if err != nil || got.To != 2 || len(got.Cells)+len(got.Gaps) > 0 {
			t.Errorf("%+v: %+v, %v", form, got, err)
		}
	}
}
