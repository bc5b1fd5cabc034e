// SPDX-License-Identifier: Apache-2.0

package quantile

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/headgate-dev/headgate/stats"
)

func second[A, B any](_ A, b B) B { return b }

func third[A, B, C any](_ A, _ B, c C) C { return c }

func TestRefusals(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	var few, clamped stats.Sketch
	few.Add(1)
	for range 100 {
		clamped.Add(1e9)
	}
	foreign := Histogram{Upper: []float64{1, 2, 3}, Cumulative: []int64{1, 2, 3, 4}}
	huge := Histogram{Upper: []float64{1}, Cumulative: []int64{0, math.MaxInt64}}
	cases := map[string]struct {
		err  error
		want error // nil for a *stats.InputError
	}{
		"ranks of nothing":              {second(RanksFor(0, 0.5, 0.95, 1)), stats.ErrNoData},
		"ranks of too many":             {second(RanksFor(1<<41, 0.5, 0.95, 1)), nil},
		"ranks of negative many":        {second(RanksFor(-1, 0.5, 0.95, 1)), nil},
		"quantile 0":                    {second(RanksFor(10, 0, 0.95, 1)), nil},
		"quantile 99":                   {second(RanksFor(10, 99, 0.95, 1)), nil},
		"confidence 95":                 {second(RanksFor(10, 0.5, 95, 1)), nil},
		"inflation 0":                   {second(RanksFor(10, 0.5, 0.95, 0)), nil},
		"inflation NaN":                 {second(RanksFor(10, 0.5, 0.95, nan)), nil},
		"no values":                     {second(FromSorted(nil, 0.5, 0.95, 1)), stats.ErrNoData},
		"five values":                   {second(FromSorted([]float64{1, 2, 3, 4, 5}, 0.5, 0.95, 1)), stats.ErrNoData},
		"values out of order":           {second(FromSorted([]float64{2, 1}, 0.5, 0.95, 1)), nil},
		"value NaN":                     {second(FromSorted([]float64{nan}, 0.5, 0.95, 1)), nil},
		"empty sketch":                  {second(FromSketch(stats.Sketch{}, 0.5, 0.95, 1)), stats.ErrNoData},
		"sketch of one":                 {second(FromSketch(few, 0.5, 0.95, 1)), stats.ErrNoData},
		"sketch that clamps":            {second(FromSketch(clamped, 0.5, 0.95, 1)), ErrBeyond},
		"histogram without bounds":      {second(Histogram{}.Interpolated(0.5)), nil},
		"histogram without +Inf":        {second(Histogram{Upper: []float64{1}, Cumulative: []int64{1}}.Interpolated(0.5)), nil},
		"histogram with bound +Inf":     {second(Histogram{Upper: []float64{1, inf}, Cumulative: []int64{1, 2, 2}}.Interpolated(0.5)), nil},
		"histogram with equal bounds":   {second(Histogram{Upper: []float64{1, 1}, Cumulative: []int64{1, 2, 2}}.Interpolated(0.5)), nil},
		"histogram with falling counts": {second(Histogram{Upper: []float64{1}, Cumulative: []int64{2, 1}}.Interpolated(0.5)), nil},
		"histogram with negative count": {second(Histogram{Upper: []float64{1}, Cumulative: []int64{-2, 1}}.Interpolated(0.5)), nil},
		"interpolated at 1.1":           {second(latencies.Interpolated(1.1)), nil},
		"interpolated of nothing":       {second(Histogram{Upper: []float64{1}, Cumulative: []int64{0, 0}}.Interpolated(0.5)), stats.ErrNoData},
		"reading of nothing":            {second(Histogram{Upper: []float64{1}, Cumulative: []int64{0, 0}}.Reading(0.5, 0.95, 1)), stats.ErrNoData},
		"above NaN":                     {third(latencies.Above(nan)), nil},
		"above in nothing":              {third(Histogram{Upper: []float64{1}, Cumulative: []int64{0, 0}}.Above(1)), stats.ErrNoData},
		"merged with other bounds":      {second(latencies.Merge(foreign)), nil},
		"merged beyond 2^63":            {second(huge.Merge(huge)), nil},
		"distance of other bounds":      {second(KS(latencies, foreign)), nil},
		"distance from nothing":         {second(KS(foreign, Histogram{Upper: []float64{1, 2, 3}, Cumulative: make([]int64, 4)})), stats.ErrNoData},
		"factor of one cluster":         {second(ClusterFactor(stats.Pair{N: 1, MeanX: 1}, 0.5)), stats.ErrNoData},
		"factor of empty clusters":      {second(ClusterFactor(stats.Pair{N: 10}, 0.5)), stats.ErrNoData},
		"factor of quantile 1":          {second(ClusterFactor(stats.Pair{N: 10, MeanX: 1}, 1)), nil},
		"more fast requests than all":   {second(ClusterFactor(stats.Pair{N: 10, MeanY: 2, MeanX: 1}, 0.5)), nil},
		"estimate of NaN":               {second(Estimated(nan, stats.Interval{}, 2)), nil},
		"estimate of reversed interval": {second(Estimated(1, stats.Interval{Low: 2, High: 1}, 2)), nil},
		"estimate with z 0":             {second(Estimated(1, stats.Interval{Low: 1, High: 2}, 0)), nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if c.want != nil {
				if !errors.Is(c.err, c.want) {
					t.Fatalf("got %v, want %v", c.err, c.want)
				}
				return
			}
			in, ok := errors.AsType[*stats.InputError](c.err)
			if !ok {
				t.Fatalf("got %v, want a *stats.InputError", c.err)
			}
			if !strings.HasPrefix(in.Func, "quantile.") || in.Arg == "" || in.Want == "" {
				t.Errorf("%q does not say where, what and what instead", in)
			}
		})
	}
}
