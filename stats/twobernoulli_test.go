// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// TestDifferenceEValueAveragesToOneAtMost: on the border of the hypothesis and
// inside of it, computed and not simulated.
func TestDifferenceEValueAveragesToOneAtMost(t *testing.T) {
	for _, c := range []struct{ p, margin, inside float64 }{
		{.001, .01, 0}, {.3, .1, 0}, {.3, -.1, 0}, {.02, 0, 0}, {.5, 0, .2}, {.9, .05, 0}, {.2, .3, .25},
	} {
		for _, n := range [][2]int64{{3, 4}, {12, 40}, {60, 25}} {
			t.Run(fmt.Sprintf("p %v, margin %v, %v trials", c.p, c.margin, n), func(t *testing.T) {
				pc, sum := c.p+c.margin-c.inside, 0.0
				for x := range n[0] + 1 {
					for y := range n[1] + 1 {
						l, err := BernoulliDifferenceLogE(Counts{n[0], x}, Counts{n[1], y}, c.margin, .05, 50)
						if err != nil {
							t.Fatal(err)
						}
						sum += math.Exp(l) * binomialProbability(float64(x), float64(n[0]), pc, 1-pc) * binomialProbability(float64(y), float64(n[1]), c.p, 1-c.p)
					}
				}
				if sum > 1+1e-9 {
					t.Errorf("averages to %v", sum)
				}
			})
		}
	}
}

// TestDifferenceEValueIsTheMinimum holds the root against a search.
func TestDifferenceEValueIsTheMinimum(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := Counts{N: rapid.Int64Range(1, 100_000).Draw(t, "candidate")}
		b := Counts{N: rapid.Int64Range(1, 100_000).Draw(t, "baseline")}
		c.X, b.X = rapid.Int64Range(0, c.N).Draw(t, "hits"), rapid.Int64Range(0, b.N).Draw(t, "baseline's hits")
		margin := rapid.SampledFrom([]float64{-.5, -.01, 0, .001, .1, .9}).Draw(t, "margin")
		got, err := BernoulliDifferenceLogE(c, b, margin, .05, 500)
		if err != nil {
			t.Fatal(err)
		}
		// Rates stay 1e-14 off their bounds, which 100,000 trials make 1e-9 of.
		const rounding = 1e-8
		if float64(c.X)/float64(c.N)-float64(b.X)/float64(b.N) <= margin && got > rounding {
			t.Fatalf("within the margin there is evidence of %v", got)
		}
		least := math.Inf(1)
		const steps = 2000
		for i := range steps - 1 {
			low, high := max(0, -margin), min(1, 1-margin)
			p := low + (high-low)*float64(i+1)/steps
			lc, err1 := BernoulliLogE(c, p+margin, .05, 500)
			lb, err2 := BernoulliLogE(b, p, .05, 500)
			if err1 != nil || err2 != nil {
				t.Fatal(err1, err2)
			}
			least = min(least, lc+lb)
		}
		if got > least+1e-6*math.Abs(least)+rounding {
			t.Fatalf("%v, but %v is possible", got, least)
		}
	})
}

// TestDifferenceEValueWatched looks after every batch of a rare failure.
func TestDifferenceEValueWatched(t *testing.T) {
	const runs, alpha = 1000, .05
	alarms := int64(0)
	for seed := range uint64(runs) {
		r := rand.New(rand.NewPCG(seed, 7))
		var c, b Counts
		for range 40 {
			for range 50 {
				c.N, b.N = c.N+1, b.N+4
				if r.Float64() < .012 {
					c.X++
				}
				for range 4 {
					if r.Float64() < .01 {
						b.X++
					}
				}
			}
			if l, err := BernoulliDifferenceLogE(c, b, .002, alpha, 1000); err == nil && l >= -math.Log(alpha) {
				alarms++
				break
			}
		}
	}
	acceptAtMost(t, "alarms at the margin", alarms, runs, alpha)
}

func TestDifferenceEValueOfNothingButZeros(t *testing.T) {
	// Not one failure in either: soon it is clear that the candidate does not
	// fail by a point more often, which no normal approximation can say.
	l, err := BernoulliDifferenceLogE(Counts{N: 2000}, Counts{N: 2000}, -.01, .05, 500)
	if err != nil || l < -math.Log(.05) {
		t.Errorf("log e %v, %v", l, err)
	}
	if l, err := BernoulliDifferenceLogE(Counts{N: 2000}, Counts{N: 2000}, 0, .05, 500); err != nil || l > 1e-9 {
		t.Errorf("log e %v, %v: equal is not more", l, err)
	}
}

func TestDifferenceEValueRefuses(t *testing.T) {
	c := Counts{N: 10, X: 1}
	for name, f := range map[string]struct {
		candidate, baseline Counts
		margin, alpha       float64
		none                bool
	}{
		"no candidate":    {Counts{}, c, 0, .05, true},
		"no baseline":     {c, Counts{}, 0, .05, true},
		"too many hits":   {Counts{N: 1, X: 2}, c, 0, .05, false},
		"negative trials": {c, Counts{N: -1}, 0, .05, false},
		"margin 1":        {c, c, 1, .05, false},
		"margin NaN":      {c, c, math.NaN(), .05, false},
		"alpha 0":         {c, c, 0, 0, false},
	} {
		_, err := BernoulliDifferenceLogE(f.candidate, f.baseline, f.margin, f.alpha, 500)
		if f.none != errors.Is(err, ErrNoData) || err == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func BenchmarkBernoulliDifference(b *testing.B) {
	for b.Loop() {
		if _, err := BernoulliDifferenceLogE(Counts{N: 5000, X: 80}, Counts{N: 5000, X: 37}, .002, .05, 5000); err != nil {
			b.Fatal(err)
		}
	}
}
