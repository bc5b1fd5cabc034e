// SPDX-License-Identifier: Apache-2.0

package multiple

import (
	"math"
	"testing"

	"github.com/headgate-dev/headgate/stats"
)

// Published numbers and identities. The rows of reference numbers are run by
// the tests of package stats.

func closeTo(t *testing.T, what string, got, want, tol float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tol) {
		t.Errorf("%s = %.12g, want %.12g within %g", what, got, want, tol)
	}
}

func critical(t *testing.T, d Dunnett, alpha float64) float64 {
	t.Helper()
	c, err := d.Critical(alpha)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// equal are k candidates as large as the baseline.
func equal(k int, df float64, twoSided bool) Dunnett {
	d := Dunnett{Baseline: 1, DF: df, TwoSided: twoSided}
	for range k {
		d.Candidates = append(d.Candidates, 1)
	}
	return d
}

func TestDunnettTables(t *testing.T) {
	// Dunnett (1955, 1964), alpha = 5 %, printed to two digits, k = 1 to 4.
	for _, c := range []struct {
		df       float64
		twoSided bool
		want     [4]float64
	}{
		{5, false, [4]float64{2.02, 2.44, 2.68, 2.85}},
		{10, false, [4]float64{1.81, 2.15, 2.34, 2.47}},
		{20, false, [4]float64{1.72, 2.03, 2.19, 2.30}},
		{5, true, [4]float64{2.57, 3.03, 3.29, 3.48}},
		{10, true, [4]float64{2.23, 2.57, 2.76, 2.89}},
		{20, true, [4]float64{2.09, 2.38, 2.54, 2.65}},
	} {
		for i, want := range c.want {
			closeTo(t, "critical value", critical(t, equal(i+1, c.df, c.twoSided), 0.05), want, 0.0051)
		}
	}
}

func TestDunnettAgreesWithFortyDigits(t *testing.T) {
	// Adaptive quadrature and root finding with mpmath.
	for _, c := range []struct {
		d           Dunnett
		alpha, want float64
	}{
		{Dunnett{Baseline: 2000, Candidates: []float64{1000, 500}, TwoSided: true}, 0.05, 2.230668433665},
		{Dunnett{Baseline: 1, Candidates: []float64{20, 30, 5}}, 0.05, 1.853897539062},
		{Dunnett{Baseline: 3, Candidates: []float64{1, 2, 1, 4}, TwoSided: true}, 1e-6, 5.157579261082},
	} {
		closeTo(t, "critical value", critical(t, c.d, c.alpha), c.want, 1e-10)
	}
}

func TestOneComparisonIsStudentsTest(t *testing.T) {
	// Upper quantiles of Student's t in closed form: one degree of freedom is
	// the Cauchy distribution, and with two t = u sqrt(2/(1-u²)), u = 1-2p.
	for _, alpha := range []float64{0.4, 0.05, 1e-5} {
		u := 1 - 2*alpha
		closeTo(t, "one degree", critical(t, equal(1, 1, false), alpha)/math.Tan(math.Pi*u/2), 1, 1e-9)
		closeTo(t, "two degrees", critical(t, equal(1, 2, false), alpha)/(u*math.Sqrt(2/(4*alpha*(1-alpha)))), 1, 1e-9)
		closeTo(t, "known variance", critical(t, equal(1, 0, false), alpha), -stats.NormalQuantile(alpha), 1e-10)
		closeTo(t, "very many degrees", critical(t, equal(1, 1e10, false), alpha), -stats.NormalQuantile(alpha), 1e-6)
		closeTo(t, "two-sided", critical(t, equal(1, 2, true), alpha), critical(t, equal(1, 2, false), alpha/2), 1e-9)
	}
}

func TestVeryUnequalSizesApproachTheirLimits(t *testing.T) {
	// A tiny baseline makes all comparisons the same one; a huge baseline makes
	// them independent.
	same := Dunnett{Baseline: 1e-6, Candidates: []float64{1, 1, 1}, TwoSided: true}
	closeTo(t, "one comparison", critical(t, same, 0.05), 1.959963985, 2e-3)
	independent := Dunnett{Baseline: 1e6, Candidates: []float64{1, 1, 1}, TwoSided: true}
	sidak := -math.Expm1(math.Log1p(-0.05)/3) / 2
	closeTo(t, "Šidák", critical(t, independent, 0.05), -stats.NormalQuantile(sidak), 1e-5)
}

func TestGailSimonTable(t *testing.T) {
	// Gail and Simon (1985), table 1: critical values at 5 % for 2 to 5 slices.
	for i, q := range []float64{2.71, 4.23, 5.43, 6.50} {
		effects := []stats.Estimate{{Value: math.Sqrt(q), SE: 1}, {Value: -math.Sqrt(q), SE: 1}}
		for range i {
			effects = append(effects, stats.Estimate{Value: 9, SE: 1})
		}
		got, err := GailSimon(effects)
		if err != nil {
			t.Fatal(err)
		}
		closeTo(t, "p", got.P, 0.05, 3e-4)
		closeTo(t, "below", got.Below, q, 1e-12)
	}
}

func TestShrinkageByHand(t *testing.T) {
	// Effects 0 and 4 with SE 1: pooled 2, Q = 8, tau² = (8-1)/(2-1) = 7.
	effects := []stats.Estimate{{Value: 0, SE: 1}, {Value: 4, SE: 1}}
	h, err := Compare(effects)
	if err != nil {
		t.Fatal(err)
	}
	closeTo(t, "pooled", h.Pooled.Value, 2, 1e-15)
	closeTo(t, "pooled SE", h.Pooled.SE, math.Sqrt(0.5), 1e-15)
	closeTo(t, "Q", h.Q, 8, 1e-14)
	closeTo(t, "I²", h.I2, 7./8, 1e-15)
	closeTo(t, "tau²", h.Tau2, 7, 1e-14)
	closeTo(t, "p", h.P, 2*stats.NormalSF(math.Sqrt(8)), 1e-15)
	shrunk, err := h.Shrink(effects)
	if err != nil {
		t.Fatal(err)
	}
	closeTo(t, "shrunk", shrunk[0].Value, 2./8, 1e-14)
	closeTo(t, "shrunk SE", shrunk[0].SE, math.Sqrt(7./8+0.5/64), 1e-14)
}

func TestStepDownIsLessStrictAfterTheFirst(t *testing.T) {
	d := equal(3, 0, true)
	adjusted, err := d.Adjust([]float64{1.5, -3, 2})
	if err != nil {
		t.Fatal(err)
	}
	largest, err := d.P(3)
	if err != nil {
		t.Fatal(err)
	}
	two, err := equal(2, 0, true).P(2)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []float64{2 * stats.NormalSF(1.5), largest, two} {
		closeTo(t, "adjusted p", adjusted[i], want, 1e-12)
	}
}
