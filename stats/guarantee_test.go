// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/headgate-dev/headgate/stats/internal/input"
	"gonum.org/v1/gonum/integrate/quad"
)

// An e-value is one whose expectation under the hypothesis is at most 1. Where
// the expectation can be computed instead of simulated, it is.

func TestNormalEValuesAverageToOne(t *testing.T) {
	for _, n := range []float64{1, 100, 5000, 1e6} {
		m, err := NewMixture(0.05, 5000)
		if err != nil {
			t.Fatal(err)
		}
		one := func(logE func(Estimate, float64) (float64, error)) float64 {
			return quad.Fixed(func(z float64) float64 {
				l, err := logE(Estimate{z, 1}, n)
				if err != nil {
					t.Fatal(err)
				}
				// Together, because the e-value alone overflows far out.
				return math.Exp(l-z*z/2) / math.Sqrt(2*math.Pi)
			}, -400, 400, 8000, quad.Legendre{}, 0)
		}
		if got := one(m.LogE); math.Abs(got-1) > 1e-9 {
			t.Errorf("n = %g: two-sided e-value averages to %.12g", n, got)
		}
		if got := one(m.LogEGreater); math.Abs(got-1) > 1e-9 {
			t.Errorf("n = %g: one-sided e-value averages to %.12g", n, got)
		}
	}
}

func TestBernoulliEValueAveragesToOne(t *testing.T) {
	for _, n := range []int64{1, 7, 500} {
		for _, p := range []float64{0.001, 0.2, 0.5, 0.99} {
			for _, planned := range []float64{1, 1000} {
				sum := 0.0
				for x := range n + 1 {
					l, err := BernoulliLogE(Counts{N: n, X: x}, p, 0.05, planned)
					if err != nil {
						t.Fatal(err)
					}
					sum += math.Exp(l) * binomialProbability(float64(x), float64(n), p, 1-p)
				}
				if math.Abs(sum-1) > 1e-10 {
					t.Errorf("n = %d, p = %g, planned %g: averages to %.12g", n, p, planned, sum)
				}
			}
		}
	}
}

func TestSampleRatioEValueAveragesToOne(t *testing.T) {
	shares := []float64{6, 3, 1}
	const n = 40
	for _, concentration := range []float64{1, 100} {
		sum := 0.0
		for a := range int64(n + 1) {
			for b := range n - a + 1 {
				c := n - a - b
				l, err := SRMLogE([]int64{a, b, c}, shares, concentration)
				if err != nil {
					t.Fatal(err)
				}
				// Multinomial as binomial times binomial.
				p := binomialProbability(float64(a), n, 0.6, 0.4)
				if a < n {
					p *= binomialProbability(float64(b), float64(n-a), 0.75, 0.25)
				}
				sum += math.Exp(l) * p
			}
		}
		if math.Abs(sum-1) > 1e-10 {
			t.Errorf("concentration %g: averages to %.12g", concentration, sum)
		}
	}
}

// improbable is how unlikely a simulated count must be under the claim for the
// claim to be refused. Seeds are fixed and n is chosen once: a failure means
// that the code changed, and at 1e-6 that it is wrong.
const improbable = 1e-6

// acceptAtMost refuses a claim "the probability is at most p" after x in n.
func acceptAtMost(t *testing.T, what string, x, n int64, p float64) {
	t.Helper()
	v, err := BinomialTestGreater(x, n, p)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s: %d of %d (%.4f), claimed at most %g", what, x, n, float64(x)/float64(n), p)
	if v < improbable {
		t.Errorf("%s: %d of %d is improbable (%.2g) if the rate is at most %g", what, x, n, v, p)
	}
}

// acceptAtLeast is the same for "at least p".
func acceptAtLeast(t *testing.T, what string, x, n int64, p float64) {
	t.Helper()
	acceptAtMost(t, "not "+what, n-x, n, 1-p)
}

// clicks draws one user's requests and clicks: users differ in how many
// requests they make and in how often they click, and the two are related.
func clicks(r *rand.Rand, rate float64) (y, x float64) {
	requests := 1 + r.IntN(8)
	p := rate * (0.5 + float64(requests)/9)
	for range requests {
		if r.Float64() < p {
			y++
		}
	}
	return y, float64(requests)
}

// watch runs one experiment with a canary of a fifth of the units and looks
// after every batch; it says whether the e-value ever reached 1/alpha.
func watch(t *testing.T, r *rand.Rand, m Mixture, alpha, baseRate, candidateRate float64, batches int) bool {
	var b, c Pair
	for batch := range batches {
		for i := range 100 {
			if i%5 == 0 {
				c.Add(clicks(r, candidateRate))
			} else {
				b.Add(clicks(r, baseRate))
			}
		}
		if batch < 5 {
			continue // Fewer than 100 units.
		}
		base, err1 := b.Ratio()
		cand, err2 := c.Ratio()
		if err := input.First(err1, err2); err != nil {
			t.Fatal(err)
		}
		logE, err := m.LogEGreater(Difference(cand, base), float64(b.N+c.N))
		if err != nil {
			t.Fatal(err)
		}
		if logE >= -math.Log(alpha) {
			return true
		}
	}
	return false
}

func TestHarmWatchedAfterEveryBatchKeepsAlpha(t *testing.T) {
	const alpha, runs = 0.05, 2000
	m, err := NewMixture(2*alpha, 3000)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 1))
	var alarms, found int64
	for range runs {
		if watch(t, r, m, alpha, 0.2, 0.2, 60) {
			alarms++
		}
	}
	acceptAtMost(t, "alarms on identical versions", alarms, runs, alpha)
	const harmed = 300
	for range harmed {
		if watch(t, r, m, alpha, 0.2, 0.26, 60) {
			found++
		}
	}
	acceptAtLeast(t, "alarms on a version 30 % worse", found, harmed, 0.9)
}

// walks counts how many of n Gaussian walks, with looks at equal information
// and the given drift, cross their boundaries.
func walks(r *rand.Rand, n int64, bounds []float64, drift float64, crossed func(z, bound float64) bool) int64 {
	hits := int64(0)
	k := float64(len(bounds))
	for range n {
		s := 0.0
		for i, b := range bounds {
			s += r.NormFloat64() + drift/math.Sqrt(k)
			if crossed(s/math.Sqrt(float64(i+1)), b) {
				hits++
				break
			}
		}
	}
	return hits
}

func upper(z, bound float64) bool { return z >= bound }

func either(z, bound float64) bool { return math.Abs(z) >= bound }

func TestGroupSequentialLooksKeepAlphaAndPower(t *testing.T) {
	const alpha, power, runs = 0.025, 0.8, 100_000
	looks := EvenLooks(5)
	bounds, err := Boundaries(looks, alpha, OBrienFleming)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(2, 2))
	crossed := walks(r, runs, bounds, 0, upper)
	acceptAtMost(t, "crossings between identical versions", crossed, runs, alpha)
	acceptAtLeast(t, "crossings between identical versions", crossed, runs, alpha)

	inflation, err := Inflation(looks, alpha, power, OBrienFleming)
	if err != nil {
		t.Fatal(err)
	}
	drift := (NormalQuantile(power) - NormalQuantile(alpha)) * math.Sqrt(inflation)
	found := walks(r, runs, bounds, drift, upper)
	acceptAtMost(t, "crossings at the planned effect", found, runs, power)
	acceptAtLeast(t, "crossings at the planned effect", found, runs, power)
}

// TestPeekingIsCaught shows that these simulations can fail: the habit that
// this package exists to replace is refused by them.
func TestPeekingIsCaught(t *testing.T) {
	const runs = 100_000
	bounds := []float64{1.96, 1.96, 1.96, 1.96, 1.96}
	crossed := walks(rand.New(rand.NewPCG(3, 3)), runs, bounds, 0, either)
	v, err := BinomialTestGreater(crossed, runs, 0.05)
	if err != nil || v >= improbable {
		t.Errorf("peeking five times at 1.96 passes for a 5 %% test: %d of %d (%v)", crossed, runs, err)
	}
	ps, err := TwoSidedCrossingProbability(bounds, EvenLooks(5), 0)
	if err != nil {
		t.Fatal(err)
	}
	want := 0.0
	for _, p := range ps {
		want += p
	}
	acceptAtMost(t, "false positives of five peeks", crossed, runs, want)
	acceptAtLeast(t, "false positives of five peeks", crossed, runs, want)
	if math.Abs(want-0.1417) > 5e-4 {
		t.Errorf("five peeks cost %.4f, want .1417 (Armitage, McPherson and Rowe 1969)", want)
	}
}

func TestBernoulliIntervalCoversAtAllTimes(t *testing.T) {
	const alpha, runs, p = 0.05, 1000, 0.02
	r := rand.New(rand.NewPCG(4, 4))
	missed, fixedMissed := int64(0), int64(0)
	for range runs {
		var c Counts
		miss, fixedMiss := false, false
		for next := int64(1); next < 20_000 && !miss; next += 1 + next/10 {
			for c.N < next {
				c.N++
				if r.Float64() < p {
					c.X++
				}
			}
			i, err := BernoulliInterval(c, alpha, 2000)
			if err != nil {
				t.Fatal(err)
			}
			miss = miss || !i.Contains(p)
			e, err := c.Proportion()
			fixedMiss = fixedMiss || err == nil && c.X >= 5 && math.Abs(e.Value-p) > 1.96*e.SE
		}
		if miss {
			missed++
		}
		if fixedMiss {
			fixedMissed++
		}
	}
	acceptAtMost(t, "runs with the truth ever outside", missed, runs, alpha)
	if v, err := BinomialTestGreater(fixedMissed, runs, alpha); err != nil || v >= improbable {
		t.Errorf("the usual interval passes as well: %d of %d (%v)", fixedMissed, runs, err)
	}
}

func TestSampleRatioWatchedContinuouslyKeepsAlpha(t *testing.T) {
	const alpha, runs = 0.05, 2000
	r := rand.New(rand.NewPCG(5, 5))
	count := func(share float64) int64 {
		alarms := int64(0)
		for range runs {
			counts := []int64{0, 0}
			for day := 0; day < 60; day++ {
				for range 50 {
					if r.Float64() < share {
						counts[1]++
					} else {
						counts[0]++
					}
				}
				logE, err := SRMLogE(counts, []float64{9, 1}, 100)
				if err != nil {
					t.Fatal(err)
				}
				if logE >= -math.Log(alpha) {
					alarms++
					break
				}
			}
		}
		return alarms
	}
	acceptAtMost(t, "alarms on the shares asked for", count(0.1), runs, alpha)
	acceptAtLeast(t, "alarms on 15 % instead of 10 %", count(0.15), runs, 0.95)
}
