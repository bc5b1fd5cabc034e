// SPDX-License-Identifier: Apache-2.0

package adaptive

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/headgate-dev/headgate/stats"
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

// thompson runs a bandit between two equal versions for some periods: the share
// of version 1 follows the probability that it is the better one, within
// floor and 1 - floor. drift moves both rates from period to period.
func thompson(r *rand.Rand, periods, units int, rate, floor float64, drift func(p int) float64) (version [2][]Period) {
	var seen [2]stats.Moments
	share := 0.5
	for p := range periods {
		var now [2]stats.Moments
		for range units {
			k, y := 0, 0.0
			if r.Float64() < share {
				k = 1
			}
			if r.Float64() < rate+drift(p) {
				y = 1
			}
			now[k].Add(y)
		}
		for k, s := range []float64{1 - share, share} {
			version[k] = append(version[k], Period{Share: s, Units: int64(units), Observed: now[k]})
			seen[k] = seen[k].Merge(now[k])
		}
		v := func(m stats.Moments) float64 {
			q := (m.Mean*float64(m.N) + 1) / (float64(m.N) + 2)
			return q * (1 - q) / (float64(m.N) + 3)
		}
		better := stats.NormalCDF((seen[1].Mean - seen[0].Mean) / math.Sqrt(v(seen[0])+v(seen[1])))
		share = min(max(better, floor), 1-floor)
	}
	return version
}

func steady(int) float64 { return 0 }

func one(yes bool) int64 {
	if yes {
		return 1
	}
	return 0
}

// The bias of plain means between equal versions is real, and the weighted
// mean has less of it and an interval that holds the truth.
func TestBanditsAreEstimatedWithoutTheirBias(t *testing.T) {
	const runs, rate = 6000, 0.5
	r := rand.New(rand.NewPCG(41, 1))
	var covered, rawCovered int64
	var raw, weighted, uniform stats.Moments
	for range runs {
		w, err := WeightedMean(thompson(r, 25, 20, rate, 0.01, steady)[0], rate)
		if err != nil {
			t.Fatal(err)
		}
		raw.Add(w.BiasedRaw.Value)
		weighted.Add(w.Value)
		uniform.Add(w.Uniform.Value)
		covered += one(math.Abs(w.Value-rate) < 1.96*w.SE)
		rawCovered += one(math.Abs(w.BiasedRaw.Value-rate) < 1.96*w.BiasedRaw.SE)
	}
	t.Logf("bias: raw %+.4f, weighted %+.4f, uniform %+.4f", raw.Mean-rate, weighted.Mean-rate, uniform.Mean-rate)
	acceptAtLeast(t, "truths in the weighted interval", covered, runs, 0.93)
	acceptAtMost(t, "truths in the raw interval", rawCovered, runs, 0.92)
	if !(raw.Mean < rate-0.005) || !(math.Abs(weighted.Mean-rate) < 0.75*(rate-raw.Mean)) {
		t.Errorf("raw means average to %g, weighted ones to %g", raw.Mean, weighted.Mean)
	}
	s2, err := uniform.Variance()
	if z := (uniform.Mean - rate) / math.Sqrt(s2/runs); err != nil || math.Abs(z) > 4.9 {
		t.Errorf("uniform weights are unbiased, but average to %g, %.1f standard errors off (%v)", uniform.Mean, z, err)
	}
}

func TestBatchedTestKeepsItsLevelInABandit(t *testing.T) {
	const runs = 3000
	r := rand.New(rand.NewPCG(42, 1))
	var alarms, covered int64
	for range runs {
		v := thompson(r, 10, 300, 0.3, 0.1, func(p int) float64 { return 0.2 * math.Sin(float64(p)) })
		var batches []Batch
		for p := range v[0] {
			b, err := NewBatch(v[0][p].Observed, v[1][p].Observed)
			if err != nil {
				t.Fatal(err)
			}
			batches = append(batches, b)
		}
		out, err := BatchedOLS(batches)
		if err != nil {
			t.Fatal(err)
		}
		alarms += one(out.P <= 0.05)
		covered += one(math.Abs(out.Effect.Value) < 1.96*out.Effect.SE)
	}
	acceptAtMost(t, "alarms between equal versions whose rates drift", alarms, runs, 0.055)
	acceptAtLeast(t, "zero effects in their intervals", covered, runs, 0.945)
}

func TestStrataAreBlindToDrift(t *testing.T) {
	const runs = 2000
	r := rand.New(rand.NewPCG(43, 1))
	var alarms, rawAlarms int64
	for range runs {
		// A ramp by plan: shares rise while the rate falls.
		var periods [][]stats.Moments
		for p := range 4 {
			now := make([]stats.Moments, 2)
			share := 0.1 + 0.25*float64(p)
			for range 500 {
				k, y := 0, 0.0
				if r.Float64() < share {
					k = 1
				}
				if r.Float64() < 0.4-0.08*float64(p) {
					y = 1
				}
				now[k].Add(y)
			}
			periods = append(periods, now)
		}
		s, err := Stratify(periods)
		if err != nil {
			t.Fatal(err)
		}
		d, raw := stats.Difference(s.Means[1], s.Means[0]), stats.Difference(s.BiasedRaw[1], s.BiasedRaw[0])
		alarms += one(math.Abs(d.Value) > 1.96*d.SE)
		rawAlarms += one(math.Abs(raw.Value) > 1.96*raw.SE)
	}
	acceptAtMost(t, "alarms by strata", alarms, runs, 0.055)
	acceptAtLeast(t, "alarms by raw means", rawAlarms, runs, 0.9)
}
