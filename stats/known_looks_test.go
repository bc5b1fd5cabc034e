// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math"
	"testing"

	"github.com/headgate-dev/headgate/stats/internal/input"
)

func TestClassicalBoundariesSpendAlpha(t *testing.T) {
	for _, both := range []bool{false, true} {
		for _, shape := range []float64{ShapeOBrienFleming, 0.25, ShapePocock} {
			bounds, err := ClassicalBoundaries(7, 0.04, shape, both)
			if err != nil {
				t.Fatal(err)
			}
			ps, err := crossing("test", bounds, EvenLooks(7), 0, both)
			if err != nil || math.Abs(total(ps)-0.04) > 1e-9 {
				t.Errorf("shape %g: spends %.12g (%v)", shape, total(ps), err)
			}
		}
	}
	one, err := ClassicalBoundaries(1, 0.05, ShapePocock, true)
	if err != nil {
		t.Fatal(err)
	}
	relatively(t, "a single look", one[0], 1.959963984540054, 1e-9)
}

func TestExpectedSampleOfOneLookIsAllOfIt(t *testing.T) {
	got, err := ExpectedSample([]float64{2}, EvenLooks(1), 3)
	if err != nil || got != 1 {
		t.Errorf("%g (%v)", got, err)
	}
	// A boundary below any statistic is crossed at once.
	got, err = ExpectedSample([]float64{-8, -8, -8, -8}, EvenLooks(4), 5)
	if err != nil || math.Abs(got-0.25) > 1e-9 {
		t.Errorf("%g (%v), want a quarter", got, err)
	}
}

func TestPredictivePowerAveragesConditionalPower(t *testing.T) {
	const z, at, c = 1.2, 0.4, 1.96
	// Given z, the drift is normal around z/sqrt(t) with variance 1/t.
	sum := 0.0
	integrate(-30, 36, 66, 20, func(drift, weight float64) {
		cp, err := ConditionalPower(z, at, c, drift)
		if err != nil {
			t.Fatal(err)
		}
		sum += weight * cp * gauss(drift-z/math.Sqrt(at), 1/at)
	})
	pp, err := PredictivePower(z, at, c)
	if err != nil {
		t.Fatal(err)
	}
	relatively(t, "average", sum, pp, 1e-10)
}

func TestStagewisePAtABoundaryIsWhatWasSpent(t *testing.T) {
	looks := []Look{{0.2, 10}, {0.5, 30}, {0.8, 45}, {1, 50}}
	for _, spend := range []Spending{OBrienFleming, Pocock} {
		bounds, err := Boundaries(looks, 0.025, spend)
		if err != nil {
			t.Fatal(err)
		}
		for k, b := range bounds {
			p, err := StagewiseP(b, bounds, looks[:k+1])
			if err != nil || math.Abs(p-spend(0.025, looks[k].Spent)) > 1e-9 {
				t.Errorf("look %d: %.12g (%v), spent %.12g", k, p, err, spend(0.025, looks[k].Spent))
			}
		}
	}
	repeated, err1 := StagewiseP(2.4, []float64{3, 2.4}, []Look{{0.5, 1}, {0.8, 2}, {1, 2}})
	plain, err2 := StagewiseP(2.4, []float64{3}, []Look{{0.5, 1}, {1, 2}})
	if err := input.First(err1, err2); err != nil || math.Abs(repeated-plain) > 1e-12 {
		t.Errorf("a look without news: %g, without it %g (%v)", repeated, plain, err)
	}
}

func TestMedianUnbiasedAtTheFirstLookIsTheEstimate(t *testing.T) {
	est := Estimate{Value: 0.3, SE: 0.1}
	median, i, err := MedianUnbiased(est, nil, []Look{{1, 5}}, 0.05)
	if err != nil {
		t.Fatal(err)
	}
	relatively(t, "median", median, 0.3, 1e-7)
	relatively(t, "low", i.Low, 0.3-0.1*1.959963984540054, 1e-7)
	relatively(t, "high", i.High, 0.3+0.1*1.959963984540054, 1e-7)
}

func TestMedianUnbiasedShrinksWhatStoppedEarly(t *testing.T) {
	looks := EvenLooks(4)
	bounds, err := Boundaries(looks, 0.025, Pocock)
	if err != nil {
		t.Fatal(err)
	}
	est := Estimate{Value: 2.5, SE: 1}
	median, i, err := MedianUnbiased(est, bounds, looks[:3], 0.05)
	if err != nil || !(median < est.Value && median > 0) || !i.Contains(median) {
		t.Fatalf("median %g in %+v (%v)", median, i, err)
	}
	// The interval excludes no effect exactly when the test stopped.
	if (i.Low > 0) != (est.Value/est.SE > bounds[2]) {
		t.Errorf("%+v at boundary %g", i, bounds[2])
	}
	p, err := StagewiseP(2.5, bounds, looks[:3])
	if err != nil || (p < 0.025) != (i.Low > 0) {
		t.Errorf("p %g, interval %+v (%v)", p, i, err)
	}
}

func TestRepeatedIntervalOpensWithTheBoundary(t *testing.T) {
	i, err := RepeatedInterval(Estimate{1, 0.5}, 4)
	if err != nil || i != (Interval{-1, 3}) {
		t.Errorf("%+v (%v)", i, err)
	}
}

func TestMetricLevels(t *testing.T) {
	alpha, power, err := MetricLevels(0.05, 0.8, 2, 3)
	if err != nil || alpha != 0.025 || math.Abs(power-0.95) > 1e-15 {
		t.Errorf("%g, %g (%v)", alpha, power, err)
	}
	alpha, power, err = MetricLevels(0.05, 0.8, 1, 0)
	if err != nil || alpha != 0.05 || math.Abs(power-0.8) > 1e-15 {
		t.Errorf("%g, %g (%v)", alpha, power, err)
	}
}

func TestDurationIsWholeWeeksAndMaturation(t *testing.T) {
	for name, c := range map[string]struct {
		traffic              Traffic
		units                float64
		days, weeks, matured int
	}{
		"a whole number of days": {Traffic{PerDay: 1000, Exposure: 0.1}, 700, 7, 7, 7},
		"a day more":             {Traffic{PerDay: 1000, Exposure: 0.1}, 701, 8, 14, 14},
		"outcomes take a week":   {Traffic{PerDay: 1000, Exposure: 1, Maturation: 6.5}, 10, 1, 7, 14},
	} {
		t.Run(name, func(t *testing.T) {
			d, w, m, err := c.traffic.Duration(c.units)
			if err != nil || d != c.days || w != c.weeks || m != c.matured {
				t.Errorf("%d days, %d in whole weeks, %d matured (%v)", d, w, m, err)
			}
		})
	}
}

func TestRemainingReachesThePower(t *testing.T) {
	est := Estimate{Value: 0.9, SE: 0.5}
	more, err := Remaining(est, 400, 1, 0.9, FixedRadius(0.05))
	if err != nil {
		t.Fatal(err)
	}
	power, err := PowerDifference(1, 0.5/math.Sqrt(1+more), 1.959963984540054)
	if err != nil || math.Abs(power-0.9) > 1e-6 {
		t.Errorf("%g times more gives power %g (%v)", more, power, err)
	}
	if more, err := Remaining(est, 400, 10, 0.9, FixedRadius(0.05)); err != nil || more != 0 {
		t.Errorf("%g more for an effect that is found already (%v)", more, err)
	}
	m, err := NewMixture(0.05, 2000)
	if err != nil {
		t.Fatal(err)
	}
	watched, err := Remaining(est, 400, 1, 0.9, m.Radius(0.05))
	if err != nil || watched <= more {
		t.Errorf("watching needs %g more, one look %g (%v)", watched, more, err)
	}
}

func TestDetectableEffectInvertsThePower(t *testing.T) {
	mde, err := DetectableEffect(0.1, 0.05, 0.8)
	if err != nil {
		t.Fatal(err)
	}
	power, err := PowerDifference(mde, 0.1, -NormalQuantile(0.05))
	if err != nil || math.Abs(power-0.8) > 1e-12 {
		t.Errorf("%g (%v)", power, err)
	}
}

func TestClassicalDesignsOfTheTables(t *testing.T) {
	// Jennison and Turnbull (2000), tables 2.2, 2.4 and 2.7, power 0.9.
	for name, c := range map[string]struct {
		shape, inflation, expected float64
	}{
		"O'Brien and Fleming": {ShapeOBrienFleming, 1.026, 0.750},
		"Pocock":              {ShapePocock, 1.207, 0.685},
	} {
		t.Run(name, func(t *testing.T) {
			bounds, err := ClassicalBoundaries(5, 0.025, c.shape, false)
			if err != nil {
				t.Fatal(err)
			}
			looks := EvenLooks(5)
			r, err1 := BoundaryInflation(bounds, looks, 0.025, 0.9)
			drift := (NormalQuantile(0.9) - NormalQuantile(0.025)) * math.Sqrt(r)
			sample, err2 := ExpectedSample(bounds, looks, drift)
			if err := input.First(err1, err2); err != nil || math.Abs(r-c.inflation) > 6e-4 || math.Abs(r*sample-c.expected) > 6e-4 {
				t.Errorf("inflation %.4f, expected sample %.4f (%v)", r, r*sample, err)
			}
		})
	}
}
