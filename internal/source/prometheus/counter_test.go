// SPDX-License-Identifier: Apache-2.0

package prometheus

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func clockOf(edges ...int64) clock {
	return clock{phase: edges[0], edges: edges, scrape: 10, hole: 25, whole: true}
}

func windowsOf(c clock, samples ...sample) []float64 {
	out := make([]float64, len(c.edges)-1)
	rises, _ := c.rises(samples)
	c.spread(rises, out)
	return out
}

func TestGrowthIsCutAtTheEdges(t *testing.T) {
	for name, tc := range map[string]struct {
		clock   clock
		samples []sample
		want    []float64
	}{
		"what grew between two samples is shared by time": {
			clockOf(100, 200, 300), []sample{{95, 0}, {105, 10}, {125, 10}, {150, 10}, {175, 10}, {195, 10}, {205, 20}}, []float64{5 + 5, 5},
		},
		"nothing before the phase counts": {clockOf(100, 200), []sample{{80, 0}, {90, 100}, {110, 120}, {120, 130}}, []float64{10 + 10}},
		"shares are whole requests, and none is lost": {
			clockOf(100, 107, 200), []sample{{100, 0}, {110, 9}}, []float64{6, 3},
		},
		"a reset begins again at 0": {clockOf(100, 200), []sample{{100, 1000}, {110, 1005}, {120, 3}, {130, 4}}, []float64{5 + 3 + 1}},
		"a sample at an edge belongs to what ends there": {
			clockOf(100, 110, 120), []sample{{100, 1}, {110, 4}, {120, 9}}, []float64{3, 5},
		},
		"growth over a hole counts at its end": {clockOf(100, 200, 300), []sample{{100, 0}, {190, 5}, {230, 50}, {240, 51}}, []float64{5, 45 + 1}},
		"growth over a hole that began before the phase counts nowhere": {
			clockOf(100, 200), []sample{{50, 0}, {110, 70}, {120, 71}}, []float64{1},
		},
		"one rise over several windows is in all of them": {clockOf(100, 105, 110, 115), []sample{{95, 0}, {119, 24}}, []float64{5, 5, 5}},
		"windows cut to nothing get nothing":              {clockOf(100, 100, 110), []sample{{90, 0}, {110, 20}}, []float64{0, 10}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := windowsOf(tc.clock, tc.samples...); !cmp.Equal(got, tc.want) {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}

// TestWindowsAddUp reads random counters, whose values are known, in every
// way to divide the windows among readings.
func TestWindowsAddUp(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		edges := []int64{1000}
		for range 1 + random.IntN(8) {
			edges = append(edges, edges[len(edges)-1]+20+random.Int64N(100))
		}
		c := clockOf(edges...)
		var samples []sample
		var truth, value float64
		last := edges[len(edges)-1]
		for at := edges[0]; at < last; at += 1 + random.Int64N(60) {
			grown := float64(random.IntN(50))
			if random.IntN(10) == 0 && grown < value {
				value = grown // The process began again since the last sample.
			} else {
				value += grown
			}
			if len(samples) > 0 {
				truth += grown
			}
			samples = append(samples, sample{at, value})
		}
		samples = append(samples, sample{last, value})
		all := windowsOf(c, samples...)
		var sum float64
		for _, w := range all {
			sum += w
			if w < 0 {
				t.Fatalf("a window of %v: %v of %v at %v", w, all, samples, edges)
			}
		}
		if sum != truth {
			t.Fatalf("windows add up to %v, the counter grew by %v", sum, truth)
		}
		for i := range all {
			one := c
			one.edges = edges[i : i+2]
			if got := windowsOf(one, samples...); got[0] != all[i] {
				t.Fatalf("window %d read alone is %v, among others %v", i, got[0], all[i])
			}
		}
	}
}

func TestCoverage(t *testing.T) {
	times := seen{100, 110, 120, 150, 160}
	for name, tc := range map[string]struct {
		from, to int64
		want     bool
	}{
		"samples all through":           {100, 120, true},
		"begins within a hole's length": {80, 110, true},
		"begins later than that":        {70, 110, false},
		"a hole inside":                 {110, 160, false},
		"a hole that begins inside":     {110, 140, false},
		"ends within a hole's length":   {150, 180, true},
		"ended before":                  {150, 190, false},
		"nothing for long":              {200, 220, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := times.covers(tc.from, tc.to, 25); got != tc.want {
				t.Errorf("covers(%d, %d) = %v", tc.from, tc.to, got)
			}
		})
	}
	if (seen{}).covers(1, 2, 25) {
		t.Error("nothing covers something")
	}
}

func TestAlternatives(t *testing.T) {
	for text, want := range map[string][]string{
		`a`:                             {`a`},
		`a{b="c"} or d`:                 {`a{b="c"}`, `d`},
		`a{b="x or y"} or d{e='} or '}`: {`a{b="x or y"}`, `d{e='} or '}`},
		`a{b="\" or "}`:                 {`a{b="\" or "}`},
	} {
		if got := alternatives(text); !cmp.Equal(got, want) {
			t.Errorf("%s: %q", text, got)
		}
	}
}

func TestBucketsAreNarrowed(t *testing.T) {
	for in, want := range map[string]string{
		`a`:           `a{le=~"0[.]25|2[.]5e-01|[+]Inf"}`,
		`a{}`:         `a{le=~"0[.]25|2[.]5e-01|[+]Inf"}`,
		`a{b="c", } `: `a{b="c",le=~"0[.]25|2[.]5e-01|[+]Inf"}`,
	} {
		if got := bucketsOf(in, .25); got != want {
			t.Errorf("%s: %s", in, got)
		}
	}
	if got := bucketsOf("a", 5); got != `a{le=~"5|5[.]0|5e[+]00|[+]Inf"}` {
		t.Error(got)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"a":"b"},"values":[[1.5,"2"],[2,"NaN"]]}]}}`), true)
	f.Add([]byte(`{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"+Inf"]}]}}`), false)
	f.Add([]byte(`{"status":"error","errorType":"bad_data","error":"no"}`), true)
	f.Add([]byte(`<html>`), true)
	f.Add([]byte(`{"status":"success","data":{"resultType":"matrix","result":[{"values":[[]]}]}}`), true)
	f.Fuzz(func(t *testing.T, body []byte, matrix bool) {
		kind := "vector"
		if matrix {
			kind = "matrix"
		}
		a, err := parse(body, kind)
		if err != nil {
			return
		}
		c := clock{phase: 1000, edges: []int64{1000, 2000, 3000}, scrape: 10, hole: 25, whole: true}
		for i := range a.series {
			s := &a.series[i]
			_ = s.key()
			rises, _ := c.rises(s.samples)
			for j := 1; j < len(s.samples); j++ {
				if s.samples[j].at < s.samples[j-1].at {
					t.Fatal("samples out of order")
				}
			}
			c.spread(rises, make([]float64, 2))
		}
	})
}
