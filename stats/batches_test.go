// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// autoregressive fills batches with n numbers of mean 10 and standard deviation
// 1, each correlated with the one before by rho.
func autoregressive(rng *rand.Rand, n int, rho float64) (Batches, Pair) {
	var b Batches
	var p Pair
	x := rng.NormFloat64()
	for range n {
		b = b.Merge(BatchOf(Pair{N: 1, MeanY: 10 + x, MeanX: 1}))
		p.Add(10+x, 1)
		x = rho*x + math.Sqrt(1-rho*rho)*rng.NormFloat64()
	}
	return b, p
}

func TestBatchesStayFewAndLoseNothing(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{1, 2, 47, 48, 49, 96, 97, 1000, 20_000} {
		b, p := autoregressive(rng, n, .5)
		if got := b.N(); got != int64(n) || len(b.List) > maxBatches || n >= maxBatches && len(b.List) < maxBatches/2 {
			t.Errorf("%d observations: %d in %d batches", n, got, len(b.List))
		}
		if n < 2 {
			continue
		}
		e, err := b.Ratio()
		if err != nil || math.Abs(e.Value-p.MeanY) > 1e-12*10 {
			t.Errorf("%d observations: %v, %v; the mean is %v", n, e.Value, err, p.MeanY)
		}
	}
}

func TestMergingChangesNeitherAndKeepsTheOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	a, _ := autoregressive(rng, 30, 0)
	b, _ := autoregressive(rng, 100, 0)
	before := []Batches{{a.Size, append([]Batch(nil), a.List...)}, {b.Size, append([]Batch(nil), b.List...)}}
	ab, ba := a.Merge(b), b.Merge(a)
	if ab.N() != 130 || ba.N() != 130 || ab.Size != ba.Size {
		t.Errorf("%d and %d observations, in batches of %d and %d", ab.N(), ba.N(), ab.Size, ba.Size)
	}
	if d := cmp.Diff(before, []Batches{a, b}); d != "" {
		t.Error(d)
	}
	if ab.List[0].MeanY == ba.List[0].MeanY {
		t.Error("the order does not matter?")
	}
}

// TestErrorsOfBatchesAreCovered measures how often an interval of 1 % a side
// misses the mean: of 4,000 series 80, give or take three times 9. From 8
// windows that depend on each other nobody can tell how much they do, and twice
// that is allowed.
func TestErrorsOfBatchesAreCovered(t *testing.T) {
	const series, z = 4000, 2.326
	for _, c := range []struct {
		n     int
		rho   float64
		most  int
		plain int // at least as many by an error that takes windows for independent
	}{
		{8, 0, 107, 0},
		{24, 0, 107, 0},
		{200, 0, 107, 0},
		{8, .5, 160, 400},
		{24, .5, 107, 400},
		{48, .5, 107, 400},
		{200, .5, 107, 400},
	} {
		rng := rand.New(rand.NewPCG(uint64(c.n), uint64(1000*c.rho)))
		missed, plain := 0, 0
		for range series {
			b, p := autoregressive(rng, c.n, c.rho)
			e, err := b.Ratio()
			if err != nil {
				t.Fatal(err)
			}
			naive, err := p.Ratio()
			if err != nil {
				t.Fatal(err)
			}
			if math.Abs(e.Value-10) > z*e.SE {
				missed++
			}
			if math.Abs(naive.Value-10) > z*naive.SE {
				plain++
			}
		}
		t.Logf("%d windows, rho %v: missed %d of %d; taken for independent %d", c.n, c.rho, missed, series, plain)
		if missed > c.most || plain < c.plain {
			t.Errorf("%d windows, rho %v: missed %d of %d, want at most %d; taken for independent %d, want at least %d", c.n, c.rho, missed, series, c.most, plain, c.plain)
		}
	}
}

func TestRatiosOfTooLittleAreNone(t *testing.T) {
	one := BatchOf(Pair{N: 1, MeanY: 3, MeanX: 1})
	zero := BatchOf(Pair{N: 1})
	for name, b := range map[string]Batches{"nothing": {}, "one batch": one, "no denominator": zero.Merge(zero)} {
		if _, err := b.Ratio(); !errors.Is(err, ErrNoData) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if e, err := one.Merge(one).Ratio(); err != nil || e.SE != 0 || e.Value != 3 {
		t.Errorf("the same twice: %v, %v", e, err)
	}
}
