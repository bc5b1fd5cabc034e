// SPDX-License-Identifier: Apache-2.0

package adaptive

import (
	"math"
	"testing"

	"github.com/headgate-dev/headgate/stats"
	"pgregory.net/rapid"
)

// closeTo fails unless got is want to tol, absolute below 1 and relative above.
func closeTo(t *testing.T, what string, got, want, tol float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tol*max(1, math.Abs(want))) {
		t.Errorf("%s = %.15g, want %.15g (off by %.2g)", what, got, want, got-want)
	}
}

func TestScoresByHand(t *testing.T) {
	hit := func(y float64) stats.Moments { return stats.Moments{N: 1, Mean: y} }
	got, err := WeightedMean([]Period{
		{Share: 0.5, Units: 1, Observed: hit(1)},
		{Share: 0.25, Units: 1},
		{Share: 0.8, Units: 1, Observed: hit(0)},
		{Share: 1, Units: 1, Observed: hit(1)},
	}, 0)
	if err != nil {
		t.Fatal(err)
	}
	scores := []float64{2, 1, 1 - 1/0.8, 1}
	shares := []float64{0.5, 0.25, 0.8, 1}
	sum, weights := 0.0, 0.0
	for i, s := range scores {
		closeTo(t, "score", got.Scores[i], s, 1e-15)
		sum += math.Sqrt(shares[i]) * s
		weights += math.Sqrt(shares[i])
	}
	square := 0.0
	for i, s := range scores {
		square += shares[i] * (s - sum/weights) * (s - sum/weights)
	}
	closeTo(t, "mean", got.Value, sum/weights, 1e-15)
	closeTo(t, "standard error", got.SE, math.Sqrt(square)/weights, 1e-15)
	closeTo(t, "uniform", got.Uniform.Value, (2+1-0.25+1)/4, 1e-15)
	closeTo(t, "raw", got.BiasedRaw.Value, 2./3, 1e-15)
}

func TestConstantSharesGiveTheOrdinaryMean(t *testing.T) {
	// All traffic to the version: nothing is to be corrected.
	m := stats.Moments{N: 50, Mean: 3, M2: 120}
	got, err := WeightedMean([]Period{{Share: 1, Units: 50, Observed: m}}, 7)
	if err != nil {
		t.Fatal(err)
	}
	closeTo(t, "mean", got.Value, 3, 1e-14)
	closeTo(t, "standard error", got.SE, math.Sqrt(120)/50, 1e-14)
}

func TestPeriodsAreSumsOfUnits(t *testing.T) {
	// Within a period the plug-in does not change, so that units one by one,
	// given the same plug-in, must add up to the period.
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 20).Draw(t, "units")
		share := rapid.Float64Range(0.05, 1).Draw(t, "share")
		initial := rapid.Float64Range(-2, 2).Draw(t, "initial")
		var m stats.Moments
		scores := make([]float64, n)
		mean := 0.0
		for i := range n {
			scores[i] = initial
			if i == 0 || rapid.Bool().Draw(t, "met") {
				y := rapid.Float64Range(-3, 3).Draw(t, "y")
				m.Add(y)
				scores[i] += (y - initial) / share
			}
			mean += scores[i] / float64(n)
		}
		got, err := WeightedMean([]Period{{Share: share, Units: int64(n), Observed: m}}, initial)
		if err != nil {
			t.Fatal(err)
		}
		square := 0.0
		for _, s := range scores {
			square += (s - mean) * (s - mean)
		}
		if math.Abs(got.Value-mean) > 1e-9 || math.Abs(got.SE-math.Sqrt(square)/float64(n)) > 1e-9 || math.Abs(got.Uniform.Value-mean) > 1e-9 {
			t.Fatalf("%+v, want %g", got, mean)
		}
	})
}

func TestOneBatchIsTheOrdinaryTest(t *testing.T) {
	b, err := NewBatch(stats.Moments{N: 30, Mean: 1, M2: 40}, stats.Moments{N: 20, Mean: 1.5, M2: 56})
	if err != nil {
		t.Fatal(err)
	}
	got, err := BatchedOLS([]Batch{b, {Baseline: 100, BaselineMean: 9, Variance: 2}})
	if err != nil {
		t.Fatal(err)
	}
	se := math.Sqrt(2 * (1./30 + 1./20))
	closeTo(t, "z", got.Z, 0.5/se, 1e-14)
	closeTo(t, "effect", got.Effect.Value, 0.5, 1e-14)
	closeTo(t, "standard error", got.Effect.SE, se, 1e-14)
	closeTo(t, "raw", got.BiasedRaw, 1.5-(30+900)/130., 1e-14)
	if len(got.Batches) != 1 {
		t.Errorf("%d batches carry information", len(got.Batches))
	}
}

func TestBatchesKeepTheirIdentities(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 6).Draw(t, "n")
		batches, swapped := make([]Batch, n), make([]Batch, n)
		for i := range batches {
			b := Batch{
				Baseline: rapid.Int64Range(1, 500).Draw(t, "n0"), Candidate: rapid.Int64Range(1, 500).Draw(t, "n1"),
				BaselineMean: rapid.Float64Range(-5, 5).Draw(t, "m0"), CandidateMean: rapid.Float64Range(-5, 5).Draw(t, "m1"),
				Variance: rapid.Float64Range(0.1, 9).Draw(t, "s2"),
			}
			batches[i] = b
			swapped[i] = Batch{b.Candidate, b.Baseline, b.CandidateMean, b.BaselineMean, b.Variance}
		}
		a, err1 := BatchedOLS(batches)
		b, err2 := BatchedOLS(swapped)
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		if math.Abs(a.Z+b.Z) > 1e-9 || math.Abs(a.Z-a.Effect.Value/a.Effect.SE) > 1e-9*(1+math.Abs(a.Z)) {
			t.Fatalf("%+v and %+v", a, b)
		}
	})
}

func TestStrataUndoSimpsonsParadox(t *testing.T) {
	// The candidate is better by 0.02 in both periods, but got most of its
	// traffic in the bad one.
	m := func(n int64, p float64) stats.Moments {
		return stats.Moments{N: n, Mean: p, M2: float64(n) * p * (1 - p)}
	}
	got, err := Stratify([][]stats.Moments{
		{m(900, 0.30), m(100, 0.32)},
		{m(100, 0.10), m(900, 0.12)},
		{m(500, 0.90), m(1, 0)},
	})
	if err != nil {
		t.Fatal(err)
	}
	closeTo(t, "effect", got.Means[1].Value-got.Means[0].Value, 0.02, 1e-14)
	closeTo(t, "dropped", got.Dropped, 501./2501, 1e-14)
	if !(got.BiasedRaw[1].Value < got.BiasedRaw[0].Value) {
		t.Errorf("raw means %+v show no paradox", got.BiasedRaw)
	}
	closeTo(t, "variance", got.Means[0].SE*got.Means[0].SE, (0.21*900./899/900+0.09*100./99/100)/4, 1e-14)
}
