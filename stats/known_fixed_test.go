// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"errors"
	"math"
	"testing"

	"github.com/headgate-dev/headgate/stats/internal/input"
)

func TestFisherExactOfSmallTables(t *testing.T) {
	for name, c := range map[string]struct {
		candidate, baseline Counts
		p, midP             float64
	}{
		"lady tasting tea":       {Counts{4, 3}, Counts{4, 1}, 34. / 70, 18. / 70},
		"all right":              {Counts{4, 4}, Counts{4, 0}, 2. / 70, 1. / 70},
		"as different as can be": {Counts{10, 10}, Counts{10, 0}, 2. / 184756, 1. / 184756},
		"the same":               {Counts{5, 2}, Counts{5, 2}, 1, 1 - 100./210/2},
		"no hits":                {Counts{5, 0}, Counts{9, 0}, 1, 0.5},
		"one trial":              {Counts{1, 1}, Counts{3, 0}, 0.25, 0.125},
	} {
		t.Run(name, func(t *testing.T) {
			p, midP, err := FisherExact(c.candidate, c.baseline)
			if err != nil {
				t.Fatal(err)
			}
			relatively(t, "p", p, c.p, 1e-12)
			relatively(t, "mid-p", midP, c.midP, 1e-12)
		})
	}
}

func TestFisherExactOfEnormousTablesIsQuick(t *testing.T) {
	// From here the mode is 2^28 steps away, and not representable.
	p, _, err := FisherExact(Counts{1 << 30, 0}, Counts{1 << 29, 1 << 29})
	if err != nil || p != 0 {
		t.Errorf("%g (%v)", p, err)
	}
	// The normal approximation is good to a thousandth there.
	c, b := Counts{1 << 30, 1<<29 + 50_000}, Counts{1 << 29, 1 << 28}
	p, _, err1 := FisherExact(c, b)
	_, normal, err2 := TwoProportionZ(c, b)
	if err := input.First(err1, err2); err != nil {
		t.Fatal(err)
	}
	relatively(t, "p", p, normal, 1e-3)
}

func TestFisherExactAgreesWithEnumeration(t *testing.T) {
	choose := func(n, k int64) float64 {
		a, _ := math.Lgamma(float64(n + 1))
		b, _ := math.Lgamma(float64(k + 1))
		c, _ := math.Lgamma(float64(n - k + 1))
		return math.Exp(a - b - c)
	}
	for n1 := int64(1); n1 <= 7; n1++ {
		for n2 := int64(1); n2 <= 6; n2++ {
			for x1 := range n1 + 1 {
				for x2 := range n2 + 1 {
					hits := x1 + x2
					at := func(x int64) float64 { return choose(n1, x) * choose(n2, hits-x) / choose(n1+n2, hits) }
					want := 0.0
					for x := max(0, hits-n2); x <= min(n1, hits); x++ {
						if at(x) <= at(x1)*(1+1e-7) {
							want += at(x)
						}
					}
					p, _, err := FisherExact(Counts{n1, x1}, Counts{n2, x2})
					if err != nil || math.Abs(p-want) > 1e-12 {
						t.Fatalf("%d/%d and %d/%d: %.15g (%v), want %.15g", x1, n1, x2, n2, p, err, want)
					}
				}
			}
		}
	}
}

func TestOneStratumIsNoStratum(t *testing.T) {
	c, b := Counts{N: 312, X: 41}, Counts{N: 1201, X: 119}
	m, err1 := MantelHaenszel([]BinaryStratum{{c, b}}, 0.05, false)
	z, err2 := MiettinenNurminenZ(c, b, 0)
	classic, _, err3 := TwoProportionZ(c, b)
	if err := input.First(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	// The first two have N-1 where the classical test has N.
	relatively(t, "chi-squared of Mantel and Haenszel", m.Chi2, z*z, 1e-9)
	relatively(t, "classical chi-squared", classic*classic*1512/1513, z*z, 1e-9)
	relatively(t, "odds ratio", m.OddsRatio, 41./271/(119./1082), 1e-12)
	if m.Simpson || math.Abs(m.OddsRatio-m.Pooled) > 1e-12 {
		t.Errorf("%+v", m)
	}
	corrected, err := MantelHaenszel([]BinaryStratum{{c, b}}, 0.05, true)
	if err != nil || corrected.Chi2 >= m.Chi2 {
		t.Errorf("corrected %g, plain %g (%v)", corrected.Chi2, m.Chi2, err)
	}
}

// phase is one step of a rollout: proportions with their units.
func phase(xc, nc, xb, nb int64) (Stratum, BinaryStratum) {
	c, b := Counts{N: nc, X: xc}, Counts{N: nb, X: xb}
	pc, _ := c.Proportion()
	pb, _ := b.Proportion()
	return Stratum{Candidate: Measured{pc, nc}, Baseline: Measured{pb, nb}}, BinaryStratum{c, b}
}

func TestPhasesOfACanaryReverseTheRawDifference(t *testing.T) {
	// Fraud doubles while the candidate goes from 5 % to 50 %: it is better in
	// both phases and looks worse in sum.
	one, oneCounts := phase(9, 1000, 190, 19000)
	two, twoCounts := phase(180, 10000, 200, 10000)
	s, err := PostStratify([]Stratum{one, two})
	if err != nil || !s.Simpson || s.Effect.Value >= 0 || s.Raw <= 0 {
		t.Errorf("%+v (%v)", s, err)
	}
	m, err := MantelHaenszel([]BinaryStratum{oneCounts, twoCounts}, 0.05, false)
	if err != nil || !m.Simpson || m.OddsRatio >= 1 || m.Pooled <= 1 {
		t.Errorf("%+v (%v)", m, err)
	}
	// Weights are by units unless given.
	one.Weight, two.Weight = 2, 2
	weighted, err := PostStratify([]Stratum{one, two})
	if err != nil || math.Abs(weighted.Effect.Value-s.Effect.Value) > 1e-15 {
		t.Errorf("weighted %+v, by units %+v (%v)", weighted, s, err)
	}
}

func TestCupedRules(t *testing.T) {
	var c, b, shifted Pair
	for i := range 200 {
		x := float64(i%17) - 8
		noise := float64(i%5) - 2
		if i%2 == 0 {
			c.Add(2*x+noise+1, x+0.1)
			shifted.Add(2*x+noise+1001, x+0.1)
		} else {
			b.Add(2*x+noise, x)
		}
	}
	within, err1 := Cuped(c, b, WithinVersions)
	moved, err2 := Cuped(shifted, b, WithinVersions)
	joint, err3 := Cuped(c, b, Joint)
	movedJoint, err4 := Cuped(shifted, b, Joint)
	lin, err5 := Cuped(c, b, PerVersion)
	if err := input.First(err1, err2, err3, err4, err5); err != nil {
		t.Fatal(err)
	}
	relatively(t, "slope", within.ThetaBaseline, 2, 0.05)
	relatively(t, "slope whatever the effect", moved.ThetaBaseline, within.ThetaBaseline, 1e-12)
	relatively(t, "effect", moved.Value, within.Value+1000, 1e-9)
	if math.Abs(movedJoint.ThetaBaseline-joint.ThetaBaseline) < 1e-3 {
		t.Error("the joint slope does not notice an effect of 1000")
	}
	if within.Reduction < 0.9 || lin.SE > within.SE*(1+1e-12) || lin.ThetaCandidate == lin.ThetaBaseline {
		t.Errorf("within %+v, per version %+v", within, lin)
	}
	relatively(t, "slope of the baseline alone", lin.ThetaBaseline, b.CYX/b.M2X, 1e-12)
	swapped, err := Cuped(b, c, WithinVersions)
	if err != nil || math.Abs(swapped.Value+within.Value) > 1e-12 || math.Abs(swapped.SE-within.SE) > 1e-12 {
		t.Errorf("swapped %+v, plain %+v (%v)", swapped.Contrast, within.Contrast, err)
	}
	constant, err := Cuped(Pair{N: 9, MeanY: 2, M2Y: 3, MeanX: 1}, Pair{N: 9, MeanY: 1, M2Y: 3, MeanX: 1}, PerVersion)
	if err != nil || constant.Value != 1 || constant.Reduction != 0 {
		t.Errorf("a constant covariate: %+v (%v)", constant, err)
	}
}

func TestRatioIsAdjustedThroughItsLinearPart(t *testing.T) {
	var c, b Triple
	for i := range 300 {
		views := float64(1 + i%6)
		taste := float64(i%11) / 10
		clicks := math.Round(views * taste)
		if i%3 == 0 {
			c.Add(clicks, views, taste)
		} else {
			b.Add(clicks, views, taste)
		}
	}
	lc, err1 := c.Linear()
	lb, err2 := b.Linear()
	rc, err3 := c.Pair().Ratio()
	mc, err4 := lc.Mean()
	if err := input.First(err1, err2, err3, err4); err != nil {
		t.Fatal(err)
	}
	relatively(t, "ratio", mc.Value, rc.Value, 1e-12)
	relatively(t, "standard error", mc.SE, rc.SE, 1e-9)
	adjusted, err := Cuped(lc, lb, PerVersion)
	if err != nil || adjusted.Reduction < 0.7 {
		t.Errorf("a covariate that is nearly the ratio explains %+v (%v)", adjusted, err)
	}
}

func TestShapeOfKnownSeries(t *testing.T) {
	var s Shape
	for _, x := range []float64{0, 0, 0, 0, 5} {
		s.Add(x)
	}
	skew, err := s.Skewness()
	if err != nil {
		t.Fatal(err)
	}
	relatively(t, "skewness", skew, 1.5, 1e-12)
	relatively(t, "units for normality of an exponential", UnitsForNormality(2), 1420, 0)
	if _, err := (Shape{Moments: Moments{N: 3, Mean: 1}}).Skewness(); !errors.Is(err, ErrNoData) {
		t.Errorf("equal observations: %v", err)
	}
}

func TestWinsorisedKeepsBothSides(t *testing.T) {
	limit, err := PooledCap(0.5, []float64{3, 1}, []float64{4, 2})
	if err != nil || limit != 2.5 {
		t.Fatalf("%g (%v)", limit, err)
	}
	if top, err := PooledCap(1, []float64{3, 1}); err != nil || top != 3 {
		t.Errorf("%g (%v)", top, err)
	}
	a, b := Winsorised{Cap: limit}, Winsorised{Cap: limit}
	for _, x := range []float64{1, 2, 90} {
		a.Add(x)
	}
	b.Add(3)
	both, err := a.Merge(b)
	if err != nil || both.Above != 2 || both.Share() != 0.5 || both.Raw.Mean != 24 || both.Capped.Mean != 2 {
		t.Errorf("%+v (%v)", both, err)
	}
	if _, err := a.Merge(Winsorised{Cap: 1, Raw: Moments{N: 1}}); err == nil {
		t.Error("two caps merge")
	}
	if got := (Winsorised{}).Share(); got != 0 {
		t.Errorf("share of nothing %g", got)
	}
}

func TestSplitsByPhase(t *testing.T) {
	phases := []SplitPhase{{[]int64{9000, 1000}, []float64{9, 1}}, {[]int64{0, 0}, []float64{1, 1}}, {[]int64{480, 520}, []float64{1, 1}}}
	chi2, df, p, err := SRMPhases(phases)
	first, _, err1 := SRMChiSquared(phases[0].Counts, phases[0].Shares)
	last, _, err2 := SRMChiSquared(phases[2].Counts, phases[2].Shares)
	if err := input.First(err, err1, err2); err != nil {
		t.Fatal(err)
	}
	relatively(t, "chi-squared", chi2, first+last, 1e-12)
	// With two degrees of freedom the tail is exponential.
	relatively(t, "p", p, math.Exp(-chi2/2), 1e-12)
	if df != 2 {
		t.Errorf("%d degrees of freedom", df)
	}
	// Without phases the same counts look broken: 9480 to 1520 against 1:1.
	if _, wrong, err := SRMChiSquared([]int64{9480, 1520}, []float64{1, 1}); err != nil || wrong > 1e-100 {
		t.Errorf("%g (%v)", wrong, err)
	}
}

func TestAdaptiveSplitWithoutAdaptationIsChiSquared(t *testing.T) {
	var c, b AdaptiveSplit
	for i := range 1000 {
		c.Add(0.2, i < 230)
		b.Add(0.8, i >= 230)
	}
	z, p, err1 := SRMAdaptive([]AdaptiveSplit{b, c})
	chi2, p1, err2 := SRMChiSquared([]int64{770, 230}, []float64{4, 1})
	if err := input.First(err1, err2); err != nil {
		t.Fatal(err)
	}
	relatively(t, "squared z", z[1]*z[1], chi2, 1e-9)
	relatively(t, "p with Bonferroni's factor", p, 2*p1, 1e-9)
	half := AdaptiveSplit{}
	half.Add(0.5, true)
	if m := half.Merge(half); m != (AdaptiveSplit{Units: 2, Expected: 1, Variance: 0.5}) {
		t.Errorf("%+v", m)
	}
}

func TestMissingOutcomesAreNoticed(t *testing.T) {
	for name, c := range map[string]struct {
		candidate, baseline Counts
		alarm               bool
	}{
		"as many missing":          {Counts{1000, 900}, Counts{9000, 8100}, false},
		"one in twenty more":       {Counts{1000, 850}, Counts{9000, 8100}, true},
		"none missing":             {Counts{1000, 1000}, Counts{9000, 9000}, false},
		"nothing came back at all": {Counts{10, 0}, Counts{9000, 8990}, true},
		"too few to say":           {Counts{3, 2}, Counts{9, 9}, false},
	} {
		t.Run(name, func(t *testing.T) {
			d, p, err := MissingOutcomes(c.candidate, c.baseline)
			if err != nil || (p < AlarmLevel) != c.alarm {
				t.Errorf("p = %g, difference %+v (%v)", p, d, err)
			}
		})
	}
}

func TestMultipleExposureIsGraded(t *testing.T) {
	for want, c := range map[Exposure]Counts{ExposureClean: {1000, 10}, ExposureDiluted: {1000, 11}, ExposureMixed: {1000, 101}} {
		if _, got, err := MultipleExposure(c); err != nil || got != want {
			t.Errorf("%+v: %s (%v), want %s", c, got, err, want)
		}
	}
}

func TestBalanceBeforeExposure(t *testing.T) {
	age := Balance{Moments{N: 500, Mean: 40, M2: 50_000}, Moments{N: 500, Mean: 40.3, M2: 50_000}}
	spend := Balance{Moments{N: 500, Mean: 10, M2: 5_000}, Moments{N: 500, Mean: 11, M2: 5_000}}
	constant := Balance{Moments{N: 500, Mean: 1}, Moments{N: 500, Mean: 1}}
	p, err := PreExposureBalance([]Balance{age, constant})
	if err != nil || p < AlarmLevel {
		t.Errorf("alike: %g (%v)", p, err)
	}
	single, err1 := PreExposureBalance([]Balance{spend})
	double, err2 := PreExposureBalance([]Balance{spend, age})
	if err := input.First(err1, err2); err != nil || single >= AlarmLevel || math.Abs(double-2*single) > 1e-15 {
		t.Errorf("spend alone %g, with age %g (%v)", single, double, err)
	}
}

func TestIntervalsOfNewcombesTable(t *testing.T) {
	// Newcombe (1998), table II: methods 6 and 10 for eight pairs of proportions.
	for _, c := range []struct {
		candidate, baseline Counts
		score, hybrid       Interval
	}{
		{Counts{70, 56}, Counts{80, 48}, Interval{0.0528, 0.3382}, Interval{0.0524, 0.3339}},
		{Counts{10, 9}, Counts{10, 3}, Interval{0.1700, 0.8406}, Interval{0.1705, 0.8090}},
		{Counts{7, 6}, Counts{7, 2}, Interval{0.0342, 0.8534}, Interval{0.0582, 0.8062}},
		{Counts{56, 5}, Counts{29, 0}, Interval{-0.0326, 0.1933}, Interval{-0.0381, 0.1926}},
		{Counts{10, 0}, Counts{20, 0}, Interval{-0.1658, 0.2844}, Interval{-0.1611, 0.2775}},
		{Counts{10, 0}, Counts{10, 0}, Interval{-0.2879, 0.2879}, Interval{-0.2775, 0.2775}},
		{Counts{10, 10}, Counts{20, 0}, Interval{0.7156, 1}, Interval{0.6791, 1}},
		{Counts{10, 10}, Counts{10, 0}, Interval{0.6636, 1}, Interval{0.6075, 1}},
	} {
		score, err1 := MiettinenNurminenInterval(c.candidate, c.baseline, 0.05)
		hybrid, err2 := NewcombeInterval(c.candidate, c.baseline, 0.05)
		if err := input.First(err1, err2); err != nil {
			t.Fatal(err)
		}
		for got, want := range map[Interval]Interval{score: c.score, hybrid: c.hybrid} {
			if math.Abs(got.Low-want.Low) > 5.1e-5 || math.Abs(got.High-want.High) > 5.1e-5 {
				t.Errorf("%+v and %+v: %+v, want %+v", c.candidate, c.baseline, got, want)
			}
		}
	}
}

func TestRareHitsAmongBillionsKeepTheirDigits(t *testing.T) {
	hits, err1 := MiettinenNurminenInterval(Counts{1e9, 3}, Counts{9e9, 200}, 0.05)
	misses, err2 := MiettinenNurminenInterval(Counts{1e9, 1e9 - 3}, Counts{9e9, 9e9 - 200}, 0.05)
	if err := input.First(err1, err2); err != nil {
		t.Fatal(err)
	}
	relatively(t, "low", hits.Low, -misses.High, 1e-7)
	relatively(t, "high", hits.High, -misses.Low, 1e-7)
	if !hits.Contains(3e-9-200./9e9) || hits.High-hits.Low > 2e-8 {
		t.Errorf("%+v", hits)
	}
}
