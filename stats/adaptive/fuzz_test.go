// SPDX-License-Identifier: Apache-2.0

package adaptive

import (
	"errors"
	"math"
	"testing"

	"github.com/headgate-dev/headgate/stats"
)

// strange are seeds for floating-point arguments.
var strange = []float64{0, 1, -1, 0.5, 0.01, 1e-300, 5e-324, 1e300, math.MaxFloat64, math.NaN(), math.Inf(1), math.Inf(-1)}

// sound fails unless err is documented or all results are finite.
func sound(t *testing.T, what string, err error, results ...float64) {
	t.Helper()
	if err != nil {
		if _, ok := errors.AsType[*stats.InputError](err); !ok && !errors.Is(err, stats.ErrNoData) {
			t.Errorf("%s: undocumented error %v", what, err)
		}
		return
	}
	for _, r := range results {
		if math.IsNaN(r) || math.IsInf(r, 0) {
			t.Errorf("%s returns %v", what, results)
		}
	}
}

func FuzzPeriods(f *testing.F) {
	counts := []int64{0, 1, 2, 40, -1, math.MaxInt64, math.MinInt64}
	for i, n := range counts {
		for j, k := range counts {
			for l, mean := range strange {
				f.Add(n, k, mean, strange[(i+j+l)%len(strange)], strange[(2*i+3*j+l)%len(strange)], strange[(i+5*l)%len(strange)])
			}
		}
	}
	f.Add(int64(40), int64(12), 0.4, 3.0, 0.3, 0.5)
	f.Fuzz(func(t *testing.T, n, k int64, mean, m2, share, initial float64) {
		m, o := stats.Moments{N: k, Mean: mean, M2: m2}, stats.Moments{N: n, Mean: initial, M2: share}
		periods := []Period{{share, n, m}, {0.5, 100, stats.Moments{N: 50, Mean: 1, M2: 30}}, {share, n, m}}
		w, err := WeightedMean(periods, initial)
		sound(t, "WeightedMean", err, w.Value, w.SE, w.Uniform.Value, w.Uniform.SE, w.BiasedRaw.Value, w.BiasedRaw.SE)
		sound(t, "WeightedMean", err, w.Scores...)
		b, err := NewBatch(m, o)
		sound(t, "NewBatch", err, b.Variance)
		x, err := BatchedOLS([]Batch{b, {n, k, mean, initial, m2}})
		sound(t, "BatchedOLS", err, x.Z, x.P, x.Effect.Value, x.Effect.SE, x.BiasedRaw)
		sound(t, "BatchedOLS", err, x.Batches...)
		s, err := Stratify([][]stats.Moments{{m, o}, {o, m}, {m, m}})
		sound(t, "Stratify", err, s.Dropped)
		for i := range s.Means {
			sound(t, "Stratify", nil, s.Means[i].Value, s.Means[i].SE, s.BiasedRaw[i].Value, s.BiasedRaw[i].SE)
		}
	})
}
