// SPDX-License-Identifier: Apache-2.0

package simulate

import (
	"fmt"
	"math"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"
)

// unlikely is the probability with which one fit may fail by chance. The seeds
// are fixed, so it either does for ever or never; they were chosen once.
const unlikely = 1e-4

// fits compares how often each number was drawn with its probability, by
// Pearson's chi-square over cells of at least ten expected draws.
func fits(t *testing.T, draws int, draw func() int64, probability func(k float64) float64, low, high int64) {
	t.Helper()
	seen := map[int64]int{}
	for range draws {
		seen[draw()]++
	}
	for k := range seen {
		if k < 0 || probability(float64(k)) == 0 {
			t.Fatalf("%d was drawn, which cannot be", k)
		}
	}
	chi2, cells, expected, observed, counted := 0.0, 0, 0.0, 0, 0
	total := 0.0
	for k := low; k <= high; k++ {
		p := probability(float64(k))
		total += p
		expected += p * float64(draws)
		observed += seen[k]
		counted += seen[k]
		if expected >= 10 {
			chi2 += (float64(observed) - expected) * (float64(observed) - expected) / expected
			cells++
			expected, observed = 0, 0
		}
	}
	// What is left of both tails is one cell more.
	expected += (1 - total) * float64(draws)
	observed += draws - counted
	if expected >= 10 {
		chi2 += (float64(observed) - expected) * (float64(observed) - expected) / expected
		cells++
	}
	p := distuv.ChiSquared{K: float64(max(1, cells-1))}.Survival(chi2)
	if p < unlikely {
		t.Errorf("chi-square %.1f over %d cells, p = %.2g", chi2, cells, p)
	}
}

// TestBinomialIsBinomial fits both methods, at their border and far from it.
func TestBinomialIsBinomial(t *testing.T) {
	for i, c := range []struct {
		n int64
		p float64
	}{{1, .3}, {7, .5}, {40, .2}, {49, .2}, {50, .2}, {51, .2}, {100, .1}, {20, .5}, {1000, .003}, {1000, .02}, {1000, .5}, {1000, .97}, {100_000, .0001}, {100_000, .01}, {1_000_000, .4}} {
		t.Run(fmt.Sprintf("%d of %v", c.n, c.p), func(t *testing.T) {
			d := newDice()
			d.seed(1, uint64(i), 7)
			law := distuv.Binomial{N: float64(c.n), P: c.p}
			centre, spread := law.Mean(), law.StdDev()
			low, high := max(0, int64(centre-5*spread)), min(c.n, int64(centre+5*spread)+2)
			fits(t, 40_000, func() int64 { return d.binomial(c.n, c.p) }, law.Prob, low, high)
		})
	}
}

func TestPoissonIsPoisson(t *testing.T) {
	for i, mean := range []float64{.2, 3, 9.9, 10, 11, 60, 1000, 100_000} {
		t.Run(fmt.Sprint(mean), func(t *testing.T) {
			d := newDice()
			d.seed(2, uint64(i), 7)
			law := distuv.Poisson{Lambda: mean}
			spread := math.Sqrt(mean)
			fits(t, 40_000, func() int64 { return d.poisson(mean) }, law.Prob, max(0, int64(mean-5*spread)), int64(mean+5*spread)+3)
		})
	}
}

// TestHugeCounts holds mean and variance against six standard errors where no
// table of probabilities reaches.
func TestHugeCounts(t *testing.T) {
	d := newDice()
	d.seed(3, 3, 3)
	const draws = 20_000
	for _, n := range []int64{1e9, 1e12} {
		for _, p := range []float64{1e-6, .01, .5, .999} {
			mean, variance := float64(n)*p, float64(n)*p*(1-p)
			sum, squares := 0.0, 0.0
			for range draws {
				x := float64(d.binomial(n, p)) - mean
				sum += x
				squares += x * x
			}
			if got, se := sum/draws, math.Sqrt(variance/draws); math.Abs(got) > 6*se {
				t.Errorf("n %d, p %v: the mean is off by %v, standard error %v", n, p, got, se)
			}
			if got, se := squares/draws/variance, math.Sqrt(2./draws); math.Abs(got-1) > 6*se {
				t.Errorf("n %d, p %v: variance %v of what it should be", n, p, got)
			}
		}
	}
}

func TestCertainCounts(t *testing.T) {
	d := newDice()
	d.seed(1, 1, 1)
	for _, c := range []struct {
		n    int64
		p    float64
		want int64
	}{{0, .5, 0}, {-3, .5, 0}, {9, 0, 0}, {9, -1, 0}, {9, 1, 9}, {1e12, 1, 1e12}} {
		if got := d.binomial(c.n, c.p); got != c.want {
			t.Errorf("binomial(%d, %v) = %d, want %d", c.n, c.p, got, c.want)
		}
	}
	if d.poisson(0) != 0 || d.chiSquared(0) != 0 {
		t.Error("nothing is not nothing")
	}
}

// TestChiSquaredMoments holds mean and variance against six standard errors.
func TestChiSquaredMoments(t *testing.T) {
	d := newDice()
	d.seed(4, 4, 4)
	const draws = 20_000
	for _, n := range []float64{1, 2, 5, 100, 1e6} {
		sum, squares := 0.0, 0.0
		for range draws {
			x := d.chiSquared(n) - n
			sum += x
			squares += x * x
		}
		if got, se := sum/draws, math.Sqrt(2*n/draws); math.Abs(got) > 6*se {
			t.Errorf("%v degrees: the mean is off by %v", n, got)
		}
		// The fourth moment of chi-square is 12 n (n + 4).
		if got, se := squares/draws, math.Sqrt((12*n*(n+4)-4*n*n)/draws); math.Abs(got-2*n) > 6*se {
			t.Errorf("%v degrees: variance %v, want %v", n, got, 2*n)
		}
	}
}

// TestSequencesHaveNothingInCommon compares the first draws of neighbouring
// seeds: their correlation is that of independent numbers.
func TestSequencesHaveNothingInCommon(t *testing.T) {
	const n = 20_000
	d := newDice()
	at := func(a, b, c uint64) float64 { d.seed(a, b, c); return d.rng.Float64() - .5 }
	for name, pair := range map[string]func(i uint64) (float64, float64){
		"seed":   func(i uint64) (float64, float64) { return at(i, 0, 0), at(i+1, 0, 0) },
		"window": func(i uint64) (float64, float64) { return at(1, i, 0), at(1, i+1, 0) },
		"kind":   func(i uint64) (float64, float64) { return at(1, 1, i), at(1, 1, i+1) },
	} {
		sum := 0.0
		for i := range uint64(n) {
			x, y := pair(i)
			sum += 12 * x * y
		}
		if z := sum / math.Sqrt(n); math.Abs(z) > 4 {
			t.Errorf("%s: correlation of %v standard errors", name, z)
		}
	}
}

func BenchmarkBinomial(b *testing.B) {
	for _, mean := range []float64{1, 9, 11, 1000, 1e6} {
		b.Run(fmt.Sprint(mean), func(b *testing.B) {
			d := newDice()
			d.seed(1, 1, 1)
			n := int64(mean * 20)
			for b.Loop() {
				d.binomial(n, .05)
			}
		})
	}
}
