// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/headgate-dev/headgate/stats/internal/input"
)

// Identical versions are watched here after every batch, for ten times as long
// as planned, by every method that claims to stand it. Seeds are fixed and the
// alarms are accepted or refused by the exact binomial test at one in a
// million, so that a method that breaks its promise by much is refused and one
// that keeps it never is.

// supremum is what a watcher saw: the largest ln E over all looks.
type supremum float64

func (s *supremum) see(t *testing.T, logE float64, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	*s = max(*s, supremum(logE))
}

// keepsAlpha checks P(sup E >= 1/alpha) <= alpha at several levels at once.
func keepsAlpha(t *testing.T, sups []supremum) {
	t.Helper()
	for _, alpha := range []float64{0.01, 0.05, 0.2} {
		alarms := int64(0)
		for _, s := range sups {
			if float64(s) >= -math.Log(alpha) {
				alarms++
			}
		}
		acceptAtMost(t, "e-values that ever reach 1/alpha", alarms, int64(len(sups)), alpha)
	}
}

func TestEveryAlwaysValidMethodKeepsAlphaToTenTimesThePlan(t *testing.T) {
	const planned, batch, runs = 400, 40, 1500
	mixture, err := NewMixture(0.05, planned)
	if err != nil {
		t.Fatal(err)
	}
	gamma, err := NewGammaExponential(0.05, planned, 1)
	if err != nil {
		t.Fatal(err)
	}
	const errorRate = 0.03
	methods := map[string]func(t *testing.T, r *rand.Rand) supremum{
		"normal mixture, two-sided": func(t *testing.T, r *rand.Rand) (sup supremum) {
			var c, b Pair
			for n := 0; n < 10*planned; n += batch {
				for range batch / 2 {
					c.Add(r.ExpFloat64(), 1)
					b.Add(r.ExpFloat64(), 1)
				}
				if n+batch < 2*anyTimeUnits {
					continue
				}
				mc, _ := c.Mean()
				mb, _ := b.Mean()
				logE, err := mixture.LogE(Difference(mc, mb), float64(n+batch))
				sup.see(t, logE, err)
			}
			return sup
		},
		"normal mixture, one-sided": func(t *testing.T, r *rand.Rand) (sup supremum) {
			var m Pair
			for n := 0; n < 10*planned; n += batch {
				for range batch {
					m.Add(r.Float64()-0.5, 1)
				}
				if n+batch < anyTimeUnits {
					continue
				}
				mean, _ := m.Mean()
				logE, err := mixture.LogEGreater(mean, float64(n+batch))
				sup.see(t, logE, err)
			}
			return sup
		},
		"Bernoulli, two-sided": func(t *testing.T, r *rand.Rand) (sup supremum) {
			var c Counts
			for c.N < 10*planned {
				c = c.Merge(hits(r, batch, errorRate))
				logE, err := BernoulliLogE(c, errorRate, 0.05, planned)
				sup.see(t, logE, err)
			}
			return sup
		},
		"Bernoulli, one-sided": func(t *testing.T, r *rand.Rand) (sup supremum) {
			var c Counts
			for c.N < 10*planned {
				c = c.Merge(hits(r, batch, errorRate))
				logE, err := BernoulliLogEGreater(c, errorRate, 0.1, planned)
				sup.see(t, logE, err)
			}
			return sup
		},
		"sample ratio": func(t *testing.T, r *rand.Rand) (sup supremum) {
			var c Counts
			for c.N < 10*planned {
				c = c.Merge(hits(r, batch, 0.1))
				logE, err := SRMLogE([]int64{c.N - c.X, c.X}, []float64{9, 1}, 100)
				sup.see(t, logE, err)
			}
			return sup
		},
		"gamma-exponential": func(t *testing.T, r *rand.Rand) (sup supremum) {
			s := 0.0
			for n := 0; n < 10*planned; n += batch {
				for range batch {
					s += r.ExpFloat64() - 1
				}
				// For exponential observations V is their number.
				logE, err := gamma.LogE(s, float64(n+batch))
				sup.see(t, logE, err)
			}
			return sup
		},
	}
	seed := uint64(10)
	for name, watch := range methods {
		t.Run(name, func(t *testing.T) {
			// Every method has a stream of its own, in whichever order they run.
			r := rand.New(rand.NewPCG(seed, uint64(len(name))))
			sups := make([]supremum, runs)
			for i := range sups {
				sups[i] = watch(t, r)
			}
			keepsAlpha(t, sups)
		})
	}
}

// hits are n trials with probability p.
func hits(r *rand.Rand, n int64, p float64) Counts {
	c := Counts{N: n}
	for range n {
		if r.Float64() < p {
			c.X++
		}
	}
	return c
}

func TestIntervalSequenceCoversToTenTimesThePlan(t *testing.T) {
	const planned, batch, runs, alpha, truth = 400, 40, 1500, 0.05, 3.0
	m, err := NewMixture(alpha, planned)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(11, 1))
	var missed, fixedMissed int64
	for range runs {
		var x Moments
		miss, fixedMiss := false, false
		for n := 0; n < 10*planned; n += batch {
			for range batch {
				x.Add(truth + r.NormFloat64())
			}
			if x.N < anyTimeUnits {
				continue
			}
			v, err := x.Variance()
			if err != nil {
				t.Fatal(err)
			}
			est := Estimate{x.Mean, math.Sqrt(v / float64(x.N))}
			i, err := m.Interval(est, float64(x.N), alpha)
			if err != nil {
				t.Fatal(err)
			}
			miss = miss || !i.Contains(truth)
			fixedMiss = fixedMiss || math.Abs(est.Value-truth) > 1.96*est.SE
		}
		if miss {
			missed++
		}
		if fixedMiss {
			fixedMissed++
		}
	}
	acceptAtMost(t, "sequences with the truth ever outside", missed, runs, alpha)
	// The usual interval, watched like that, is wrong in about two of five runs.
	acceptAtLeast(t, "the usual interval, watched", fixedMissed, runs, 0.3)
}

func TestBoundariesAtTheirLooksKeepAlphaTwoSided(t *testing.T) {
	const runs = 10_000
	most := int64(607) // The exact bound for 5 % of 10,000 at one in a million.
	if above, err := BinomialTestGreater(most+1, runs, 0.05); err != nil || above >= improbable {
		t.Fatalf("P(X > %d) = %g (%v)", most, above, err)
	}
	designs := map[string][]float64{}
	for name, spend := range map[string]Spending{"O'Brien-Fleming spending": OBrienFleming, "Pocock spending": Pocock, "Kim-DeMets spending": KimDeMets(2)} {
		b, err := Boundaries(EvenLooks(5), 0.025, spend)
		if err != nil {
			t.Fatal(err)
		}
		designs[name] = b
	}
	for name, shape := range map[string]float64{"classical Pocock": ShapePocock, "classical O'Brien-Fleming": ShapeOBrienFleming} {
		b, err := ClassicalBoundaries(5, 0.05, shape, true)
		if err != nil {
			t.Fatal(err)
		}
		designs[name] = b
	}
	for name, bounds := range designs {
		r := rand.New(rand.NewPCG(12, 1)) // One for each: maps have no order.
		if crossed := walks(r, runs, bounds, 0, either); crossed > most || crossed < 393 {
			t.Errorf("%s: %d of %d identical pairs differ", name, crossed, runs)
		}
	}
}

func TestNaivePeekingCostsWhatTheTablesSay(t *testing.T) {
	const runs = 40_000
	for looks, want := range map[int]float64{5: 0.142, 20: 0.248} {
		r := rand.New(rand.NewPCG(13, uint64(looks)))
		bounds := make([]float64, looks)
		for i := range bounds {
			bounds[i] = 1.96
		}
		crossed := walks(r, runs, bounds, 0, either)
		acceptAtMost(t, "false positives of peeking", crossed, runs, want)
		acceptAtLeast(t, "false positives of peeking", crossed, runs, want)
		if v, err := BinomialTestGreater(crossed, runs, 0.05); err != nil || v >= improbable {
			t.Errorf("%d looks pass for a 5 %% test: %d of %d (%v)", looks, crossed, runs, err)
		}
	}
}

// urn is a user's requests: their number is 1 to 14, and each succeeds with a
// probability of the user's own, drawn from a beta distribution by Polya's urn.
func urn(r *rand.Rand, a, b float64) (hits, requests int64) {
	requests = 1 + r.Int64N(14)
	for range requests {
		if r.Float64()*(a+b) < a {
			hits++
			a++
		} else {
			b++
		}
	}
	return hits, requests
}

func TestUsersAreTheUnitsAndRequestsAreNot(t *testing.T) {
	const runs, users = 6000, 150
	r := rand.New(rand.NewPCG(14, 1))
	var byUser, byRequest int64
	for range runs {
		var p [2]Pair
		var c [2]Counts
		for range users {
			for v := range 2 {
				x, n := urn(r, 1, 4)
				p[v].Add(float64(x), float64(n))
				c[v] = c[v].Merge(Counts{N: n, X: x})
			}
		}
		honest, err1 := Compare(p[0], p[1], fixed(0.05))
		naive, err2 := Compare(c[0], c[1], fixed(0.05))
		if err := input.First(err1, err2); err != nil {
			t.Fatal(err)
		}
		if honest.Different {
			byUser++
		}
		if naive.Different {
			byRequest++
		}
	}
	if rate := float64(byUser) / runs; rate < 0.045 || rate > 0.06 {
		t.Errorf("counting users, %.4f of identical versions differ, want .045 to .06", rate)
	}
	acceptAtLeast(t, "identical versions that differ by requests", byRequest, runs, 0.1)
}

func TestDailyChiSquaredAlarmsAndTheSequenceDoesNot(t *testing.T) {
	const runs, days, perDay, alpha = 2000, 28, 200, 0.05
	r := rand.New(rand.NewPCG(15, 1))
	var daily, sequential int64
	for range runs {
		var c Counts
		alarmed, reached := false, false
		for range days {
			c = c.Merge(hits(r, perDay, 0.5))
			counts := []int64{c.X, c.N - c.X}
			_, p, err1 := SRMChiSquared(counts, []float64{1, 1})
			logE, err2 := SRMLogE(counts, []float64{1, 1}, 100)
			if err := input.First(err1, err2); err != nil {
				t.Fatal(err)
			}
			alarmed, reached = alarmed || p < alpha, reached || logE >= -math.Log(alpha)
		}
		if alarmed {
			daily++
		}
		if reached {
			sequential++
		}
	}
	acceptAtMost(t, "alarms of the sequence on healthy splits", sequential, runs, alpha)
	// Looked at daily for four weeks at 5 % the chi-squared test fires in 28 %.
	acceptAtMost(t, "alarms of a daily test", daily, runs, 0.28)
	acceptAtLeast(t, "alarms of a daily test", daily, runs, 0.28)
}

func TestAdaptiveSharesDoNotRaiseAlarms(t *testing.T) {
	const runs, units = 3000, 400
	r := rand.New(rand.NewPCG(16, 1))
	var alarms, found int64
	for i := range 2 * runs {
		broken := i >= runs
		var v [2]AdaptiveSplit
		share := 0.5
		for range units {
			p := share
			if broken {
				p *= 0.8 // A fifth of the candidate's units get lost.
			}
			got := r.Float64() < p
			v[0].Add(share, got)
			v[1].Add(1-share, !got)
			// Its own past drives the share, as a bandit's does.
			if got {
				share = min(0.9, share*1.02)
			} else {
				share = max(0.1, share*0.98)
			}
		}
		_, p, err := SRMAdaptive(v[:])
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case broken && p < 0.05:
			found++
		case p < 0.05:
			alarms++
		}
	}
	acceptAtMost(t, "alarms on the shares asked for", alarms, runs, 0.05)
	acceptAtLeast(t, "alarms on lost units", found, runs, 0.3)
}

func TestSkewedMetricsInSmallVersionsAreMarked(t *testing.T) {
	// Identical versions at 9:1 with a lognormal metric: the t-test's error rate
	// is far from 5 %, and Compare takes its guarantee back.
	const runs = 2000
	r := rand.New(rand.NewPCG(17, 1))
	var rejected, marked int64
	for range runs {
		var c, b Shape
		for i := range 300 {
			x := math.Exp(1.5 * r.NormFloat64())
			if i%10 == 0 {
				c.Add(x)
			} else {
				b.Add(x)
			}
		}
		got, err := Compare(c, b, fixed(0.05))
		if err != nil {
			t.Fatal(err)
		}
		if got.Different {
			rejected++
		}
		if got.Guarantee == NoGuarantee {
			marked++
		}
	}
	acceptAtLeast(t, "rejections of identical skewed versions", rejected, runs, 0.08)
	acceptAtLeast(t, "comparisons without a guarantee", marked, runs, 0.999)
}

func TestNewEValuesAverageToOne(t *testing.T) {
	g, err := NewGammaExponential(0.05, 20, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []float64{1, 5, 60} {
		// The sum of n exponentials has a gamma distribution.
		lg, _ := math.Lgamma(n)
		sum := 0.0
		integrate(0, n+40*math.Sqrt(n)+4000, 4000, 16, func(x, weight float64) {
			logE, err := g.LogE(x-n, n)
			if err != nil {
				t.Fatal(err)
			}
			sum += weight * math.Exp(logE+(n-1)*math.Log(x)-x-lg)
		})
		// What is left is the tail beyond, in which e-values are huge.
		if sum > 1+1e-9 || sum < 0.97 {
			t.Errorf("n = %g: gamma-exponential e-value averages to %.12g", n, sum)
		}
	}
	for _, n := range []int64{1, 9, 300} {
		for _, p := range []float64{0.003, 0.4, 0.97} {
			for _, truth := range []float64{p, p / 2} {
				sum := 0.0
				for x := range n + 1 {
					logE, err := BernoulliLogEGreater(Counts{n, x}, p, 0.1, 100)
					if err != nil {
						t.Fatal(err)
					}
					sum += math.Exp(logE) * binomialProbability(float64(x), float64(n), truth, 1-truth)
				}
				if truth == p && math.Abs(sum-1) > 1e-9 || sum > 1+1e-9 {
					t.Errorf("n = %d, p = %g, truth %g: averages to %.12g", n, p, truth, sum)
				}
			}
		}
	}
}
