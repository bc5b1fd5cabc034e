// SPDX-License-Identifier: Apache-2.0

package multiple

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/headgate-dev/headgate/stats"
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

func any05(p []float64) bool {
	for _, v := range p {
		if v <= 0.05 {
			return true
		}
	}
	return false
}

func TestDunnettKeepsAlphaForCandidatesOfDifferentSize(t *testing.T) {
	const runs = 20000
	r := rand.New(rand.NewPCG(1, 7))
	d := Dunnett{Baseline: 50, Candidates: []float64{20, 5, 40}, TwoSided: true}
	c := critical(t, d, 0.05)
	var alarms, quiet, holmAlarms, naive int64
	for range runs {
		base := r.NormFloat64() / math.Sqrt(d.Baseline)
		p, worst := []float64{}, 0.0
		for _, n := range d.Candidates {
			z := math.Abs(r.NormFloat64()/math.Sqrt(n)-base) / math.Sqrt(1/n+1/d.Baseline)
			worst = max(worst, z)
			p = append(p, 2*stats.NormalSF(z))
		}
		holm, err := Holm(p)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case worst > c:
			alarms++
		default:
			quiet++
		}
		if any05(holm) {
			holmAlarms++
		}
		if any05(p) {
			naive++
		}
	}
	acceptAtMost(t, "any of three false, Dunnett", alarms, runs, 0.05)
	acceptAtMost(t, "none, Dunnett wastes nothing", quiet, runs, 0.95)
	acceptAtMost(t, "any of three false, Holm", holmAlarms, runs, 0.05)
	if naive <= 2*alarms {
		t.Errorf("uncorrected tests alarm %d times, corrected ones %d times: what is corrected?", naive, alarms)
	}
}

func TestEBHKeepsFalseDiscoveriesLowUnderDependenceAndPeeking(t *testing.T) {
	// Twenty metrics of one rollout share their noise; the last five have an
	// effect. Whoever watches stops as soon as anything is rejected. The share
	// of false discoveries is averaged by drawing one discovery per run.
	const runs, metrics, affected, alpha = 1500, 20, 5, 0.1
	r := rand.New(rand.NewPCG(2, 7))
	mix, err := stats.NewMixture(0.05, 200)
	if err != nil {
		t.Fatal(err)
	}
	var falseOnes, silent int64
	for range runs {
		sums, logE := make([]float64, metrics), make([]float64, metrics)
		var d Discoveries
		for n := 20.0; n <= 400 && d.Count == 0; n += 20 {
			shared := r.NormFloat64()
			for i := range sums {
				if i >= metrics-affected {
					sums[i] += 20 * 0.3
				}
				sums[i] += math.Sqrt(20) * (0.7*shared + math.Sqrt(1-0.49)*r.NormFloat64())
				if logE[i], err = mix.LogE(stats.Estimate{Value: sums[i] / n, SE: 1 / math.Sqrt(n)}, n); err != nil {
					t.Fatal(err)
				}
			}
			if d, err = EBenjaminiHochberg(logE, alpha); err != nil {
				t.Fatal(err)
			}
		}
		if d.Count == 0 {
			silent++
			continue
		}
		pick := r.IntN(d.Count)
		for _, rejected := range d.Rejected[:metrics-affected] {
			if rejected {
				if pick--; pick == -1 {
					falseOnes++
				}
			}
		}
	}
	acceptAtMost(t, "false discoveries", falseOnes, runs, alpha)
	acceptAtMost(t, "runs without any discovery", silent, runs, 0.05)
}

func TestShrunkenSlicesAreNearerTheTruth(t *testing.T) {
	const runs, slices = 400, 8
	r := rand.New(rand.NewPCG(3, 7))
	raw, shrunken, extreme := 0.0, 0.0, 0.0
	for range runs {
		truth, effects := make([]float64, slices), make([]stats.Estimate, slices)
		for i := range effects {
			truth[i] = 1 + 0.5*r.NormFloat64()
			se := 0.3 + r.Float64()
			effects[i] = stats.Estimate{Value: truth[i] + se*r.NormFloat64(), SE: se}
		}
		h, err := Compare(effects)
		if err != nil {
			t.Fatal(err)
		}
		shrunk, err := h.Shrink(effects)
		if err != nil {
			t.Fatal(err)
		}
		best := 0
		for i := range effects {
			raw += (effects[i].Value - truth[i]) * (effects[i].Value - truth[i])
			shrunken += (shrunk[i].Value - truth[i]) * (shrunk[i].Value - truth[i])
			if effects[i].Value > effects[best].Value {
				best = i
			}
		}
		extreme += (effects[best].Value - truth[best]) - (shrunk[best].Value - truth[best])
	}
	t.Logf("mean squared error %.3f as estimated, %.3f shrunken", raw/runs/slices, shrunken/runs/slices)
	if shrunken > 0.6*raw || extreme <= 0 {
		t.Errorf("squared error %g raw and %g shrunken; the best slice's boast changed by %g", raw, shrunken, -extreme)
	}
}

func TestSliceTestsKeepAlphaWithoutDifferences(t *testing.T) {
	const runs = 20000
	r := rand.New(rand.NewPCG(4, 7))
	var q, mixed int64
	for range runs {
		effects := make([]stats.Estimate, 5)
		for i := range effects {
			se := 0.5 + r.Float64()
			effects[i] = stats.Estimate{Value: se * r.NormFloat64(), SE: se}
		}
		h, err := Compare(effects)
		if err != nil {
			t.Fatal(err)
		}
		// The hardest case: one slice is helped beyond doubt.
		effects[0].Value = 50
		g, err := GailSimon(effects)
		if err != nil {
			t.Fatal(err)
		}
		if h.P <= 0.05 {
			q++
		}
		if g.P <= 0.05 {
			mixed++
		}
	}
	acceptAtMost(t, "slices differ", q, runs, 0.05)
	acceptAtMost(t, "slices do not differ", runs-q, runs, 0.95)
	acceptAtMost(t, "helped here, harmed there", mixed, runs, 0.05)
	acceptAtMost(t, "no interaction", runs-mixed, runs, 0.95)
}
