// SPDX-License-Identifier: Apache-2.0

package delayed

import (
	"math"
	"testing"

	"github.com/headgate-dev/headgate/stats"
	"pgregory.net/rapid"
)

// closeTo fails unless got is want to tol.
func closeTo(t *testing.T, what string, got, want, tol float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tol) {
		t.Errorf("%s = %.15g, want %.15g (off by %.2g)", what, got, want, got-want)
	}
}

func TestOnlyTheMaturedCount(t *testing.T) {
	cohorts := []Cohort{{7, stats.Counts{N: 100, X: 9}}, {3, stats.Counts{N: 80, X: 2}}, {10, stats.Counts{N: 50, X: 6}}}
	got, waiting, err := Matured(cohorts, 7)
	if err != nil || got != (stats.Counts{N: 150, X: 15}) || waiting != 80 {
		t.Errorf("%+v, %d waiting (%v)", got, waiting, err)
	}
}

func TestWeightedWithoutDelayIsTheProportion(t *testing.T) {
	cohorts := []Cohort{{1, stats.Counts{N: 100, X: 9}}, {2, stats.Counts{N: 80, X: 2}}, {3, stats.Counts{}}}
	got, err := Weighted(cohorts, func(float64) float64 { return 1 })
	if err != nil {
		t.Fatal(err)
	}
	want, err := stats.Counts{N: 180, X: 11}.Proportion()
	if err != nil {
		t.Fatal(err)
	}
	closeTo(t, "value", got.Value, want.Value, 1e-15)
	// The delta method divides by n - 1 where the binomial divides by n.
	closeTo(t, "standard error", got.SE, want.SE*math.Sqrt(180./179), 1e-15)
}

func TestIncidenceWithoutCensoringIsTheShare(t *testing.T) {
	var os []Observation
	for i := range 10 {
		os = append(os, Observation{Time: float64(i / 3), Event: true})
	}
	steps, err := RiskTable(os)
	if err != nil {
		t.Fatal(err)
	}
	c, err := CumulativeIncidence(steps)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []float64{0.3, 0.6, 0.9, 1} {
		closeTo(t, "share", c[i].Value, want, 1e-15)
		closeTo(t, "standard error", c[i].SE, math.Sqrt(want*(1-want)/10), 1e-15)
	}
	closeTo(t, "before the first", c.At(-1), 0, 0)
	closeTo(t, "between", c.At(1.5), 0.6, 1e-15)
	closeTo(t, "after the last", c.At(99), 1, 0)
}

func TestIncidenceWithCensoringByHand(t *testing.T) {
	// Freireich's leukaemia data, 6-MP arm: survival .857, .807, .753, .690,
	// .627, .538, .448 (Kalbfleisch and Prentice 2002, table 1.1).
	var os []Observation
	for _, x := range []float64{6, 6, 6, 7, 10, 13, 16, 22, 23} {
		os = append(os, Observation{x, true})
	}
	for _, x := range []float64{6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35} {
		os = append(os, Observation{x, false})
	}
	steps, err := RiskTable(os)
	if err != nil {
		t.Fatal(err)
	}
	c, err := CumulativeIncidence(steps)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []float64{0.857, 0.807, 0.753, 0.690, 0.627, 0.538, 0.448} {
		closeTo(t, "survival", 1-c[i].Value, want, 5e-4)
	}
	closeTo(t, "standard error at 6", c[0].SE, 0.0764, 5e-5)
	closeTo(t, "standard error at 23", c[6].SE, 0.1346, 5e-5)
	delays, err := c.Delays(16)
	if err != nil {
		t.Fatal(err)
	}
	closeTo(t, "delays at the window", delays(1e9), 1, 0)
	closeTo(t, "delays before", delays(9), c[1].Value/c[4].Value, 1e-15)

	// The whole trial: chi-squared 16.79 between the arms.
	placebo := []float64{1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23}
	var other []Observation
	for _, x := range placebo {
		other = append(other, Observation{x, true})
	}
	chi2, p, err := LogRank([][]Observation{os, other})
	if err != nil {
		t.Fatal(err)
	}
	closeTo(t, "chi-squared", chi2, 16.79, 5e-3)
	closeTo(t, "p", p, 4.17e-5, 5e-8)
}

func TestDelaysOfOldUnitsAreTheLogRankInReverse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		delay := rapid.Map(rapid.IntRange(0, 12), func(i int) float64 { return float64(i) / 2 })
		k := rapid.IntRange(2, 4).Draw(t, "versions")
		delays, reversed := make([][]Delay, k), make([][]Observation, k)
		for g := range k {
			for _, d := range rapid.SliceOfN(delay, 3, 20).Draw(t, "delays") {
				delays[g] = append(delays[g], Delay{Delay: d, Age: 100})
				reversed[g] = append(reversed[g], Observation{Time: 50 - d, Event: true})
			}
		}
		a, p, err1 := DelaysDiffer(delays)
		b, q, err2 := LogRank(reversed)
		if (err1 == nil) != (err2 == nil) || math.Abs(a-b) > 1e-9*(1+a) || math.Abs(p-q) > 1e-9 {
			t.Fatalf("%g %g (%v) and %g %g (%v)", a, p, err1, b, q, err2)
		}
		// The order of the versions does not matter.
		delays[0], delays[k-1] = delays[k-1], delays[0]
		if c, _, err := DelaysDiffer(delays); err1 == nil && (err != nil || math.Abs(a-c) > 1e-7*(1+a)) {
			t.Fatalf("%g and %g (%v)", a, c, err)
		}
	})
}

func TestIncidenceRises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var os []Observation
		n := rapid.IntRange(1, 60).Draw(t, "n")
		for range n {
			os = append(os, Observation{rapid.Float64Range(0, 9).Draw(t, "time"), rapid.Bool().Draw(t, "event")})
		}
		os[0].Event = true
		steps, err := RiskTable(os)
		if err != nil {
			t.Fatal(err)
		}
		c, err := CumulativeIncidence(steps)
		if err != nil {
			t.Fatal(err)
		}
		before := 0.0
		for _, p := range c {
			if p.Value < before || p.Value > 1 || !(p.SE >= 0 && p.SE <= 1) {
				t.Fatalf("%+v", c)
			}
			before = p.Value
		}
	})
}
