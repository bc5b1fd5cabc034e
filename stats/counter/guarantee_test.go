// SPDX-License-Identifier: Apache-2.0

package counter

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/headgate-dev/headgate/stats"
	"github.com/headgate-dev/headgate/stats/internal/input"
)

// Seeds are fixed: a failure means that the code changed, and at 1e-6 that it
// is wrong.
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

// poisson draws a count with a small mean.
func poisson(r *rand.Rand, mean float64) float64 {
	n, left := 0.0, mean
	for left > 0 {
		if left -= r.ExpFloat64(); left > 0 {
			n++
		}
	}
	return n
}

// bursts draws a count with variance phi times the mean: events in bursts of
// phi, which is all that over-dispersion is.
func bursts(r *rand.Rand, mean, phi float64) float64 { return phi * poisson(r, mean/phi) }

func small(t *testing.T, e Estimate) bool {
	t.Helper()
	p, err := e.P()
	if err != nil {
		t.Fatal(err)
	}
	return p <= 0.05
}

func TestBurstsFoolPoissonAndNotTheOthers(t *testing.T) {
	const runs, windows, phi = 2000, 30, 5
	r := rand.New(rand.NewPCG(1, 5))
	var naive, quasi, paired, unpairedShock, pairedShock int64
	for range runs {
		var c, b, cs, bs []Observation
		var sumC, sumB, e Events
		for range windows {
			shock := math.Exp(0.7 * r.NormFloat64()) // A bad minute for both.
			x, y := bursts(r, 60, phi), bursts(r, 60, phi)
			c, b = append(c, Observation{x, 1000}), append(b, Observation{y, 1000})
			sumC.Count, sumB.Count = sumC.Count+int64(x), sumB.Count+int64(y)
			e.Exposure += 1000
			cs = append(cs, Observation{poisson(r, 60*shock), 1000})
			bs = append(bs, Observation{poisson(r, 60*shock), 1000})
		}
		sumC.Exposure, sumB.Exposure = e.Exposure, e.Exposure
		p, err1 := RateRatioP(sumC, sumB)
		q, err2 := QuasiPoisson(c, b)
		d, err3 := PairedLogRatio(c, b, 0.5)
		qs, err4 := QuasiPoisson(cs, bs)
		ds, err5 := PairedLogRatio(cs, bs, 0.5)
		if err := input.First(err1, err2, err3, err4, err5); err != nil {
			t.Fatal(err)
		}
		if p <= 0.05 {
			naive++
		}
		for _, k := range []struct {
			count *int64
			e     Estimate
		}{{&quasi, q.LogRatio}, {&paired, d.LogRatio}, {&unpairedShock, qs.LogRatio}, {&pairedShock, ds.LogRatio}} {
			if small(t, k.e) {
				*k.count++
			}
		}
	}
	// Theory: 2 Phi(-1.96/sqrt(5)) = 0.381.
	acceptAtMost(t, "independent events assumed, alarms", naive, runs, 0.40)
	acceptAtMost(t, "independent events assumed, silent", runs-naive, runs, 0.64)
	// The t distribution with an estimated dispersion is approximate.
	acceptAtMost(t, "quasi-Poisson, alarms", quasi, runs, 0.06)
	acceptAtMost(t, "paired, alarms", paired, runs, 0.06)
	acceptAtMost(t, "paired, silent", runs-paired, runs, 0.97)
	acceptAtMost(t, "shared shocks, quasi-Poisson, alarms", unpairedShock, runs, 0.001)
	acceptAtMost(t, "shared shocks, paired, alarms", pairedShock, runs, 0.06)
}

func TestCorrelatedWindowsNeedNeweyWest(t *testing.T) {
	const runs, windows, rho = 2000, 100, 0.5
	r := rand.New(rand.NewPCG(2, 5))
	var plain, corrected, independent int64
	for range runs {
		var c, b, ci []Observation
		x := r.NormFloat64() / math.Sqrt(1-rho*rho)
		for range windows {
			x = rho*x + r.NormFloat64()
			c = append(c, Observation{100 * math.Exp(0.1*x), 10})
			ci = append(ci, Observation{100 * math.Exp(0.1*r.NormFloat64()), 10})
			b = append(b, Observation{100, 10})
		}
		d, err1 := PairedLogRatio(c, b, 0)
		i, err2 := PairedLogRatio(ci, b, 0)
		if err := input.First(err1, err2); err != nil {
			t.Fatal(err)
		}
		if small(t, d.LogRatio) {
			corrected++
		}
		var m stats.Moments
		for k := range c {
			m.Add(math.Log(c[k].Amount / b[k].Amount))
		}
		v, err := m.Variance()
		if err != nil {
			t.Fatal(err)
		}
		if math.Abs(m.Mean) > 1.984*math.Sqrt(v/windows) {
			plain++
		}
		if small(t, i.LogRatio) {
			independent++
		}
	}
	acceptAtMost(t, "correlation ignored, silent", runs-plain, runs, 0.80)
	acceptAtMost(t, "Newey and West, alarms", corrected, runs, 0.08)
	acceptAtMost(t, "independent windows, alarms", independent, runs, 0.06)
}

func TestMeansOfWindowsContainTheTruth(t *testing.T) {
	const runs, windows = 2000, 40
	r := rand.New(rand.NewPCG(3, 5))
	var missed int64
	for range runs {
		var o []Observation
		for range windows {
			n, slow := 100+poisson(r, 200), math.Exp(0.3*r.NormFloat64()-0.045)
			o = append(o, Observation{0.2 * n * slow, n})
		}
		e, err := RatioOfSums(o)
		if err != nil {
			t.Fatal(err)
		}
		i, err := e.Interval(0.95)
		if err != nil {
			t.Fatal(err)
		}
		if !i.Contains(0.2) {
			missed++
		}
	}
	acceptAtMost(t, "mean outside the interval", missed, runs, 0.07)
}

func TestExactRatesKeepAlpha(t *testing.T) {
	const runs = 4000
	r := rand.New(rand.NewPCG(4, 5))
	var alarms, missed int64
	for range runs {
		c, b := Events{int64(poisson(r, 4)), 1}, Events{int64(poisson(r, 36)), 9}
		p, err := RateRatioP(c, b)
		if err != nil {
			t.Fatal(err)
		}
		if p <= 0.05 {
			alarms++
		}
		i, err := RateRatioInterval(c, b, 0.95)
		if err != nil {
			t.Fatal(err)
		}
		if !i.Contains(1) {
			missed++
		}
	}
	acceptAtMost(t, "alarms", alarms, runs, 0.05)
	acceptAtMost(t, "ratio outside the interval", missed, runs, 0.05)
}

func TestEventsWatchedContinuouslyKeepAlphaWhileRatesAndSharesChange(t *testing.T) {
	const runs, alpha = 500, 0.05
	r := rand.New(rand.NewPCG(5, 5))
	bound := -math.Log(alpha)
	shares := []float64{0.01, 0.1, 0.5}
	// watch looks after every fifth of a step at a canary whose rate of errors
	// is ratio times the baseline's, while the rate of both goes up and down.
	watch := func(ratio float64) (two, one, outside int64) {
		for range runs {
			var segments []Segment
			alarmed, harmed, left := false, false, false
			for step, share := range shares {
				segments = append(segments, Segment{0, 0, share, 1 - share})
				now := &segments[step]
				for look := range 5 {
					rate := 30 * (1.2 + math.Sin(float64(3*step+look)))
					now.Candidate += int64(poisson(r, rate*share*ratio))
					now.Baseline += int64(poisson(r, rate*(1-share)))
					if now.Candidate+now.Baseline == 0 {
						continue
					}
					e, err1 := LogE(segments, 0.5)
					g, err2 := LogEGreater(segments, 0.5)
					if err := input.First(err1, err2); err != nil {
						t.Fatal(err)
					}
					alarmed, harmed = alarmed || e >= bound, harmed || g >= bound
					if look == 4 {
						i, err := RatioInterval(segments, 0.5, alpha)
						if err != nil {
							t.Fatal(err)
						}
						left = left || !i.Contains(ratio)
					}
				}
			}
			for _, k := range []struct {
				count *int64
				yes   bool
			}{{&two, alarmed}, {&one, harmed}, {&outside, left}} {
				if k.yes {
					*k.count++
				}
			}
		}
		return two, one, outside
	}
	two, one, outside := watch(1)
	acceptAtMost(t, "equal versions, two-sided alarms", two, runs, alpha)
	acceptAtMost(t, "equal versions, alarms of harm", one, runs, alpha)
	acceptAtMost(t, "equal versions, ratio outside", outside, runs, alpha)
	two, one, outside = watch(1.8)
	acceptAtMost(t, "80 % more errors, two-sided silence", runs-two, runs, 0.2)
	acceptAtMost(t, "80 % more errors, silence on harm", runs-one, runs, 0.1)
	acceptAtMost(t, "80 % more errors, ratio outside", outside, runs, alpha)
	_, one, _ = watch(0.5)
	acceptAtMost(t, "half as many errors, alarms of harm", one, runs, alpha/5)
}

func TestEventEValuesAverageToOne(t *testing.T) {
	// Over all splits of 12 events at one share and 8 at another.
	const n1, n2, tau = 12, 8, 0.8
	choose := func(n, k int) float64 {
		a, _ := math.Lgamma(float64(n + 1))
		b, _ := math.Lgamma(float64(k + 1))
		c, _ := math.Lgamma(float64(n - k + 1))
		return math.Exp(a - b - c)
	}
	two, one := 0.0, 0.0
	for x := range n1 + 1 {
		for y := range n2 + 1 {
			p := choose(n1, x) * math.Pow(0.1, float64(x)) * math.Pow(0.9, float64(n1-x)) *
				choose(n2, y) * math.Pow(0.4, float64(y)) * math.Pow(0.6, float64(n2-y))
			segments := []Segment{{int64(x), int64(n1 - x), 1, 9}, {int64(y), int64(n2 - y), 4, 6}}
			e, err1 := LogE(segments, tau)
			g, err2 := LogEGreater(segments, tau)
			if err := input.First(err1, err2); err != nil {
				t.Fatal(err)
			}
			two, one = two+p*math.Exp(e), one+p*math.Exp(g)
		}
	}
	closeTo(t, "two-sided e-value on average", two, 1, 1e-10)
	closeTo(t, "one-sided e-value on average", one, 1, 1e-10)
}
