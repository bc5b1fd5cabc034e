// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/headgate-dev/headgate/stats/internal/input"
)

// relatively fails unless got is want to a relative tolerance.
func relatively(t *testing.T, what string, got, want, tol float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tol*math.Abs(want)) {
		t.Errorf("%s = %.15g, want %.15g", what, got, want)
	}
}

func TestNormalTails(t *testing.T) {
	// Abramowitz and Stegun, table 26.2: -log10 of the survival function.
	for x, want := range map[float64]float64{5: 6.54265, 10: 23.11805, 20: 88.56010, 30: 197.30921} {
		if got := -math.Log10(NormalSF(x)); math.Abs(got-want) > 1e-5 {
			t.Errorf("-log10 Q(%g) = %.5f, want %.5f", x, got, want)
		}
		if NormalSF(x) != NormalCDF(-x) {
			t.Errorf("tails differ at %g", x)
		}
	}
	for _, p := range []float64{1e-300, 1e-20, 0.025, 0.5, 0.9} {
		relatively(t, "Phi(quantile)", NormalCDF(NormalQuantile(p)), p, 1e-12)
	}
	if !math.IsInf(NormalQuantile(0), -1) || !math.IsInf(NormalQuantile(1), 1) || !math.IsNaN(NormalQuantile(math.NaN())) {
		t.Error("the quantile's ends are wrong")
	}
}

func TestScaledErfcHasNoSeam(t *testing.T) {
	for _, x := range []float64{0, 1, 10, 20, 24.999999, 25, 25.000001, 26} {
		relatively(t, "exp(x^2) erfc(x)", scaledErfc(x), math.Exp(x*x)*math.Erfc(x), 1e-12)
	}
}

func TestStirlingHasNoSeam(t *testing.T) {
	for _, x := range []float64{1e-200, 0.5, 1, 11.999, 12, 12.001, 50} {
		l, _ := math.Lgamma(x)
		if got := (x-0.5)*math.Log(x) - x + halfLog2Pi + stirling(x); math.Abs(got-l) > 1e-13*max(1, math.Abs(l)) {
			t.Errorf("ln Gamma(%g) = %.16g, want %.16g", x, got, l)
		}
	}
}

func TestBinomialTailsAreExact(t *testing.T) {
	for _, c := range []struct {
		x, n    int64
		p, want float64
	}{
		{0, 10, 0.3, 1},
		{10, 10, 0.5, 1. / 1024},
		{9, 10, 0.5, 11. / 1024},
		{5, 10, 0.5, 638. / 1024},
		{1, 10, 0.5, 1023. / 1024},
		{1, 1, 0.25, 0.25},
		{2, 150, 1e-100, 150 * 149 / 2 * 1e-200},
		{150, 150, 0.01, 1e-300},
	} {
		got, err := BinomialTestGreater(c.x, c.n, c.p)
		if err != nil {
			t.Fatal(err)
		}
		relatively(t, "P(X >= x)", got, c.want, 1e-12)
	}
}

func TestBinomialTestAgreesWithSummation(t *testing.T) {
	// Sums of exact probabilities by the recurrence from x = 0.
	const n, p = 60, 0.07
	probability := math.Pow(1-p, n)
	below := 0.0
	for x := int64(0); x <= n; x++ {
		got, err := BinomialTestGreater(x, n, p)
		if err != nil || math.Abs(got-(1-below)) > 1e-13 {
			t.Errorf("P(X >= %d) = %.15g (%v), want %.15g", x, got, err, 1-below)
		}
		below += probability
		probability *= float64(n-x) / float64(x+1) * p / (1 - p)
	}
}

func TestClopperPearsonWithoutHits(t *testing.T) {
	i, err := ClopperPearson(Counts{N: 100}, 0.9)
	if err != nil || i.Low != 0 {
		t.Fatalf("%+v (%v)", i, err)
	}
	relatively(t, "rule of three", i.High, 1-math.Pow(0.05, 1./100), 1e-9)
}

func TestBernoulliIntervalWithoutHitsOrMisses(t *testing.T) {
	none, err1 := BernoulliInterval(Counts{N: 5000}, 0.05, 5000)
	all, err2 := BernoulliInterval(Counts{N: 5000, X: 5000}, 0.05, 5000)
	if err := input.First(err1, err2); err != nil {
		t.Fatal(err)
	}
	if none.Low != 0 || all.High != 1 || none.High > 0.002 || none.High <= 0 {
		t.Errorf("none %+v, all %+v", none, all)
	}
	relatively(t, "1 - all.Low", 1-all.Low, none.High, 1e-9)
}

func TestLargeCountsKeepTheirDigits(t *testing.T) {
	// With many trials the e-value depends on the z-score alone: against a
	// mass of m trials it is that of a normal mixture with r = n/m.
	const n, p, planned = 1e15, 0.001, 1e12
	m := planned/tuning(0.05) - 1
	for _, z := range []float64{-3, 0, 2, 6} {
		x := math.Round(n*p + z*math.Sqrt(n*p*(1-p)))
		z := (x - n*p) / math.Sqrt(n*p*(1-p))
		got, err := BernoulliLogE(Counts{N: n, X: int64(x)}, p, 0.05, planned)
		if err != nil {
			t.Fatal(err)
		}
		r := n / m
		if want := (z*z*r/(1+r) - math.Log1p(r)) / 2; math.Abs(got-want) > 1e-4 {
			t.Errorf("z = %g: %.8g, want %.8g", z, got, want)
		}
		mirrored, err := BernoulliLogE(Counts{N: n, X: n - int64(x)}, 1-p, 0.05, planned)
		if err != nil || math.Abs(mirrored-got) > 1e-4 {
			t.Errorf("z = %g: hits %.8g, misses %.8g (%v)", z, got, mirrored, err)
		}
	}
}

func TestHitsAndMissesAreTreatedAlike(t *testing.T) {
	hits := bernoulliLogE(5, 1e16, 3.1e-16, 1-3.1e-16, 1000)
	misses := bernoulliLogE(1e16, 5, 1-3.1e-16, 3.1e-16, 1000)
	relatively(t, "log e-value of misses", misses, hits, 1e-9)
}

func TestMixtureIsSharpestWherePlanned(t *testing.T) {
	// In units of 1/sqrt(n) the interval is narrowest per sample size for the
	// mixture tuned to it (Howard et al. 2021).
	const n = 5000
	width := func(planned float64) float64 {
		m, err1 := NewMixture(0.05, planned)
		i, err2 := m.Interval(Estimate{0, 1}, n, 0.05)
		if err := input.First(err1, err2); err != nil {
			t.Fatal(err)
		}
		return i.High - i.Low
	}
	best := width(n)
	for _, planned := range []float64{500, 2500, 10_000, 50_000} {
		if w := width(planned); w < best*0.9999 {
			t.Errorf("tuned to %g the interval at %d is %.5f wide, tuned to it %.5f", planned, n, w, best)
		}
	}
}

func TestInflationOfTheCostTable(t *testing.T) {
	// Two-sided 5 %, power 80 %: published factors to three digits.
	for _, c := range []struct {
		k     int
		spend Spending
		want  float64
	}{{5, OBrienFleming, 1.025}, {20, OBrienFleming, 1.046}, {5, Pocock, 1.213}, {20, Pocock, 1.267}} {
		got, err := Inflation(EvenLooks(c.k), 0.025, 0.8, c.spend)
		if err != nil || math.Abs(got-c.want) > 1e-3 {
			t.Errorf("%d looks: %.4f (%v), want %.3f", c.k, got, err, c.want)
		}
	}
	one, err := Inflation(EvenLooks(1), 0.025, 0.8, Pocock)
	if err != nil || math.Abs(one-1) > 1e-9 {
		t.Errorf("a single look costs %.12g (%v)", one, err)
	}
}

func TestBoundariesWithLittleNewInformation(t *testing.T) {
	// The kernel between the first two looks is far narrower than the region;
	// what one look at both would spend is the check.
	looks := []Look{{0.3, 1}, {0.6, 1.00002}, {1, 3}}
	bounds, err := Boundaries(looks, 0.05, Pocock)
	if err != nil {
		t.Fatal(err)
	}
	once, err := Boundaries([]Look{{0.6, 1.00001}, {1, 3}}, 0.05, Pocock)
	if err != nil {
		t.Fatal(err)
	}
	// Reaching b1 or b2 at almost the same moment is reaching the lower one.
	if got := min(bounds[0], bounds[1]); math.Abs(got-once[0]) > 5e-3 || math.Abs(bounds[2]-once[1]) > 5e-3 {
		t.Errorf("three looks %v, two looks %v", bounds, once)
	}
}

func TestOverwhelmingDriftIsCertain(t *testing.T) {
	looks := EvenLooks(4)
	ps, err := CrossingProbability([]float64{2, 2, 2, 2}, looks, 1e6)
	if err != nil || math.Abs(ps[0]-1) > 1e-12 || ps[1]+ps[2]+ps[3] > 1e-12 {
		t.Errorf("%v (%v)", ps, err)
	}
	ps, err = CrossingProbability([]float64{2, 2, 2, 2}, looks, -1e6)
	if err != nil || ps[0]+ps[1]+ps[2]+ps[3] > 1e-12 {
		t.Errorf("%v (%v)", ps, err)
	}
}

func TestPathsFarBelowZeroAreFollowed(t *testing.T) {
	// A first boundary that nothing reaches and a second at the expectation.
	ps, err := CrossingProbability([]float64{8, -10}, EvenLooks(2), -10)
	if err != nil || ps[0] > 1e-12 || math.Abs(ps[1]-0.5) > 1e-9 {
		t.Errorf("%v (%v), want 0 and a half", ps, err)
	}
}

func TestSketchClamps(t *testing.T) {
	var s Sketch
	for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), 0, -3, 1e-9, 1e300} {
		s.Add(v)
	}
	low, err1 := s.Quantile(0)
	high, err2 := s.Quantile(1)
	if err := input.First(err1, err2); err != nil || s.Count() != 6 {
		t.Fatalf("%d values (%v)", s.Count(), err)
	}
	relatively(t, "low", low, 1e-6, 0.01)
	relatively(t, "high", high, 1e4, 0.01)
	if bucket(sketchMin) != 0 || bucket(sketchMax) != lastBucket {
		t.Errorf("buckets %d to %d, want 0 to %d", bucket(sketchMin), bucket(sketchMax), lastBucket)
	}
	relatively(t, "logGamma", logGamma, math.Log((1+sketchError)/(1-sketchError)), 1e-14)
}

func TestSketchCopiesDoNotShareAfterMerge(t *testing.T) {
	var a, b Sketch
	a.Add(1)
	b.Merge(a)
	b.Add(1)
	if a.Count() != 1 || b.Count() != 2 || a.Equal(b) {
		t.Errorf("%d and %d values", a.Count(), b.Count())
	}
	b.Merge(Sketch{})
	if text, err := json.Marshal(b); err != nil || string(text) != "[691,2]" {
		t.Errorf("%s (%v)", text, err)
	}
	if text, err := json.Marshal(Sketch{}); err != nil || string(text) != "[]" {
		t.Errorf("%s (%v)", text, err)
	}
}

func TestNothingIsAllocated(t *testing.T) {
	var m Moments
	var p Pair
	var s Sketch
	s.Add(1)
	var triple Triple
	var shape Shape
	var split AdaptiveSplit
	capped := Winsorised{Cap: 2}
	slow, fast := Moments{N: 90, Mean: 2, M2: 80}, Moments{N: 80, Mean: 1, M2: 80}
	other := Pair{N: 3, MeanY: 1, MeanX: 2, M2Y: 1, M2X: 1}
	for name, f := range map[string]func(){
		"Moments.Add":       func() { m.Add(3) },
		"Pair.Add":          func() { p.Add(1, 2) },
		"Pair.AddZeros":     func() { p.AddZeros(5) },
		"Pair.Merge":        func() { p = p.Merge(other) },
		"Sketch.Add":        func() { s.Add(1) },
		"Triple.Add":        func() { triple.Add(1, 2, 3) },
		"Shape.Add":         func() { shape.Add(1) },
		"Winsorised.Add":    func() { capped.Add(5) },
		"AdaptiveSplit.Add": func() { split.Add(0.3, true) },
		"StudentQuantile":   func() { StudentQuantile(0.025, 12.5) },
		"Welch":             func() { _, _ = Welch(slow, fast) },
		"BernoulliInterval": func() { _, _ = BernoulliInterval(Counts{N: 500, X: 3}, 0.05, 500) },
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s allocates %g times", name, n)
		}
	}
	// What a comparison keeps, the relative interval, is all that it allocates.
	if n := testing.AllocsPerRun(100, func() {
		if c, err := Compare(slow, fast, Assumed{Alpha: 0.05, Looked: FixedLook}); err != nil || c.Relative == nil {
			t.Errorf("%+v (%v)", c, err)
		}
	}); n > 1 {
		t.Errorf("Compare allocates %g times", n)
	}
}
