// SPDX-License-Identifier: Apache-2.0

package paired

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/headgate-dev/headgate/stats"
	"github.com/headgate-dev/headgate/stats/internal/input"
)

// improbable is how unlikely a simulated count must be under a claim for the
// claim to be refused. Seeds are fixed, so that a failure means that the code
// changed, and at 1e-6 that it is wrong.
const improbable = 1e-6

// acceptAtMost refuses a claim "the probability is at most p" after x in n.
func acceptAtMost(t *testing.T, what string, x, n int64, p float64) {
	t.Helper()
	v, err := stats.BinomialTestGreater(x, n, p)
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

// The habit that LogE replaces is refused by the same simulation.
func TestPairsWatchedContinuouslyKeepAlpha(t *testing.T) {
	const alpha, runs, pairs = 0.05, 3000, 600
	r := rand.New(rand.NewPCG(21, 1))
	watch := func(edge float64) (anytime, peeking int64) {
		for range runs {
			var d Discordance
			found, peeked := false, false
			for range pairs {
				// Three in ten pairs differ.
				if u := r.Float64(); u < 0.3 {
					d.Add(u < 0.15+edge, u >= 0.15+edge)
				} else {
					d.Add(true, true)
				}
				if d.Candidate+d.Baseline < 10 {
					continue
				}
				logE, err1 := d.LogE(20)
				_, p, err2 := d.McNemar(false)
				if err := input.First(err1, err2); err != nil {
					t.Fatal(err)
				}
				found = found || logE >= -math.Log(alpha)
				peeked = peeked || p < alpha
			}
			if found {
				anytime++
			}
			if peeked {
				peeking++
			}
		}
		return anytime, peeking
	}
	none, peeking := watch(0)
	acceptAtMost(t, "alarms on versions that are equally good", none, runs, alpha)
	acceptAtLeast(t, "alarms of a test that is repeated", peeking, runs, 3*alpha)
	some, _ := watch(0.06)
	acceptAtLeast(t, "alarms on versions that differ", some, runs, 0.9)
}

// errorRates counts how often p-values of a simulated sample are below 5 %.
func errorRates(t *testing.T, runs int, sample func() map[string]float64) map[string]int64 {
	t.Helper()
	out := map[string]int64{}
	for range runs {
		for name, p := range sample() {
			if p <= 0.05 {
				out[name]++
			}
		}
	}
	return out
}

func TestTestsOfEqualVersionsKeepTheirLevel(t *testing.T) {
	const runs = 4000
	r := rand.New(rand.NewPCG(22, 1))
	rates := errorRates(t, runs, func() map[string]float64 {
		var m stats.Moments
		d := make([]float64, 40)
		x, y := make([]float64, 25), make([]float64, 30)
		for i := range d {
			d[i] = r.NormFloat64()
			m.Add(d[i])
		}
		for i := range x {
			x[i] = r.Float64()
		}
		for i := range y {
			y[i] = r.Float64()
		}
		_, student, err1 := must(Difference(m)).Test()
		w := must(SignedRanks(d))
		_, exact, err2 := w.Exact()
		normal, err3 := w.Normal(true)
		k := must(KolmogorovSmirnov(x, y))
		ks, err4 := k.Exact()
		asymptotic, err5 := k.Asymptotic()
		flips := Discordance{N: 200}
		for range 40 {
			heads := r.IntN(2) == 0
			flips.Candidate, flips.Baseline = flips.Candidate+one(heads), flips.Baseline+one(!heads)
		}
		_, midP, err6 := flips.Exact()
		if err := input.First(err1, err2, err3, err4, err5, err6); err != nil {
			t.Fatal(err)
		}
		return map[string]float64{"t": student, "ranks": exact, "normal ranks": normal, "ks": ks, "asymptotic ks": asymptotic, "mid-p": midP}
	})
	for _, name := range []string{"t", "ranks", "normal ranks", "ks", "asymptotic ks", "mid-p"} {
		acceptAtMost(t, name, rates[name], runs, 0.05)
	}
	acceptAtLeast(t, "t", rates["t"], runs, 0.05)
	acceptAtLeast(t, "ranks", rates["ranks"], runs, 0.045)
}

func one(yes bool) int64 {
	if yes {
		return 1
	}
	return 0
}

// Users make several requests that fare alike: pairs counted one by one look
// far more certain than they are.
func TestClustersAreAccountedFor(t *testing.T) {
	const runs = 3000
	r := rand.New(rand.NewPCG(23, 1))
	rates := errorRates(t, runs, func() map[string]float64 {
		var pairs stats.Moments
		var users stats.Pair
		for range 80 {
			n, level, sum := 1+r.IntN(12), r.NormFloat64(), 0.0
			for range n {
				d := level + r.NormFloat64()
				pairs.Add(d)
				sum += d
			}
			users.Add(sum, float64(n))
		}
		_, naive, err1 := must(Difference(pairs)).Test()
		_, clustered, err2 := must(ClusteredDifference(users)).Test()
		if err := input.First(err1, err2); err != nil {
			t.Fatal(err)
		}
		return map[string]float64{"naive": naive, "clustered": clustered}
	})
	acceptAtMost(t, "alarms by cluster", rates["clustered"], runs, 0.06)
	acceptAtLeast(t, "alarms by pair", rates["naive"], runs, 0.2)
}

func TestEquivalenceErrsAtMostAlpha(t *testing.T) {
	const runs = 4000
	r := rand.New(rand.NewPCG(24, 1))
	region := stats.Interval{Low: -0.5, High: 0.5}
	count := func(mean float64) int64 {
		return errorRates(t, runs, func() map[string]float64 {
			var m stats.Moments
			for range 50 {
				m.Add(mean + r.NormFloat64())
			}
			e, err := must(Difference(m)).Equivalence(region)
			if err != nil {
				t.Fatal(err)
			}
			return map[string]float64{"p": e.P}
		})["p"]
	}
	acceptAtMost(t, "versions at the edge called equivalent", count(0.5), runs, 0.05)
	acceptAtLeast(t, "versions at the edge called equivalent", count(0.5), runs, 0.04)
	acceptAtLeast(t, "equal versions called equivalent", count(0), runs, 0.9)
}

func TestAreasAreTestedAtTheirLevel(t *testing.T) {
	const runs = 1500
	r := rand.New(rand.NewPCG(25, 1))
	alarms := func(weaker float64) (alarms, covered int64) {
		for range runs {
			const n = 160
			positive := make([]bool, n)
			a, b := make([]float64, n), make([]float64, n)
			for i := range n {
				positive[i] = i%2 == 0
				common := r.NormFloat64()
				if positive[i] {
					common++
				}
				a[i] = common + 0.7*r.NormFloat64()
				b[i] = common + (0.7+weaker)*r.NormFloat64()
			}
			c := must(CompareAUC(positive, a, b))
			_, p, err := c.Test()
			if err != nil {
				t.Fatal(err)
			}
			if p <= 0.05 {
				alarms++
			}
			// P(positive above negative) for normal scores 1 apart.
			truth := stats.NormalCDF(1 / math.Sqrt(2*(1+0.49)))
			if math.Abs(c.Candidate.Value-truth) < 1.96*c.Candidate.SE {
				covered++
			}
		}
		return alarms, covered
	}
	none, covered := alarms(0)
	acceptAtMost(t, "alarms on scores equally good", none, runs, 0.055)
	acceptAtLeast(t, "areas in their intervals", covered, runs, 0.94)
	some, _ := alarms(3.5)
	acceptAtLeast(t, "alarms on a weaker score", some, runs, 0.8)
}

func TestThresholdOfPSIIsPassedAsOftenAsItSays(t *testing.T) {
	const runs, n, bins = 3000, 2000, 10
	r := rand.New(rand.NewPCG(26, 1))
	threshold := must(PSIThreshold(n, n, bins, 0.05))
	passed := int64(0)
	for range runs {
		e, a := make([]int64, bins), make([]int64, bins)
		for range n {
			e[r.IntN(bins)]++
			a[r.IntN(bins)]++
		}
		if must(PSICounts(e, a)) > threshold {
			passed++
		}
	}
	acceptAtMost(t, "equal distributions beyond the threshold", passed, runs, 0.055)
	acceptAtLeast(t, "equal distributions beyond the threshold", passed, runs, 0.045)
}
