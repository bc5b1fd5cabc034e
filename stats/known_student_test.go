// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math"
	"testing"

	"github.com/headgate-dev/headgate/stats/internal/input"
)

func TestStudentQuantilesOfTables(t *testing.T) {
	for df, want := range map[float64]float64{
		1: 12.706204736432095, 2: 4.302652729911275, 10: 2.2281388519649385, 30: 2.0422724563012373, 100: 1.9839715185235518,
	} {
		relatively(t, "97.5 % quantile", -StudentQuantile(0.025, df), want, 1e-10)
	}
	// mpmath, incomplete beta function.
	for _, c := range []struct{ df, tail, want float64 }{
		{7, 0.025, 2.3646242515928},
		{1.5, 1e-6, 5219.4693247069},
		{30, 1e-10, 9.3774897804071},
		{1e6, 0.025, 1.9599663568141},
		{1, 0.4, math.Tan(math.Pi * 0.1)},
	} {
		relatively(t, "quantile", -StudentQuantile(c.tail, c.df), c.want, 1e-10)
		relatively(t, "survival", StudentSF(c.want, c.df), c.tail, 1e-9)
	}
	relatively(t, "infinite df", -StudentQuantile(0.025, math.Inf(1)), 1.959963984540054, 1e-12)
}

func TestStudentTailsInClosedForm(t *testing.T) {
	for _, x := range []float64{-50, -1, 0, 1e-9, 0.3, 1, 20, 1e5, 1e12, 1e30} {
		cauchy := math.Atan2(1, x) / math.Pi
		relatively(t, "one degree of freedom", StudentSF(x, 1), cauchy, 1e-11)
		two := 1 / (2 + x*x + x*math.Sqrt(2+x*x))
		if x < 0 {
			two = 1 - 1/(2+x*x-x*math.Sqrt(2+x*x))
		}
		relatively(t, "two degrees of freedom", StudentSF(x, 2), two, 1e-11)
	}
}

func TestStudentHasNoSeam(t *testing.T) {
	for _, x := range []float64{-3, 0.1, 1, 2, 5, 10, 20, 35} {
		below, above := StudentSF(x, math.Nextafter(hillFrom, 0)), StudentSF(x, hillFrom)
		relatively(t, "survival at the seam", above, below, 1e-7)
	}
	for _, p := range []float64{1e-200, 1e-9, 0.025, 0.3, 0.9} {
		below, above := StudentQuantile(p, math.Nextafter(hillFrom, 0)), StudentQuantile(p, hillFrom)
		relatively(t, "quantile at the seam", above, below, 1e-9)
	}
	// Where a library's quantile is wrong by 3e-7 relative.
	relatively(t, "a million million degrees of freedom", -StudentQuantile(0.025, 1e12), 1.9599639845424, 1e-11)
}

func TestStudentQuantileInvertsTheTail(t *testing.T) {
	for _, df := range []float64{0.7, 1, 3.3, 29, 800, 9e3, 2e4, 1e9} {
		for _, p := range []float64{1e-100, 1e-12, 0.001, 0.2, 0.5} {
			if df < 2 && p < 1e-12 {
				continue // Beyond what a float holds.
			}
			relatively(t, "tail at the quantile", StudentSF(-StudentQuantile(p, df), df), p, 1e-9)
		}
	}
	for _, v := range []float64{StudentSF(math.NaN(), 3), StudentSF(1, 0), StudentQuantile(0.1, -1), StudentQuantile(math.NaN(), 3)} {
		if !math.IsNaN(v) {
			t.Errorf("%g, want NaN", v)
		}
	}
	if !math.IsInf(StudentQuantile(0, 3), -1) || !math.IsInf(StudentQuantile(1, 3), 1) {
		t.Error("the quantile's ends are wrong")
	}
}

func TestNoncentralTailsMeetTheCentralOnes(t *testing.T) {
	for _, df := range []float64{1, 2, 5, 30, 1000, 1e7} {
		for _, x := range []float64{0, 1, 2.5, 6} {
			if got, want := noncentralSF(x, df, 0), StudentSF(x, df); df >= 5 && math.Abs(got-want) > 1e-9 {
				t.Errorf("df %g at %g: %.12g, central %.12g", df, x, got, want)
			}
		}
	}
	// With the degrees of freedom of a million units it is a shifted normal.
	if got := noncentralSF(1.96, 1e7, 2.8); math.Abs(got-NormalSF(1.96-2.8)) > 1e-6 {
		t.Errorf("%.9g", got)
	}
	// Power 0.8 with 64 units per version at half a standard deviation.
	n, err := SampleSizeT(1, 0.5, 0.05, 0.8)
	if err != nil || math.Ceil(n) != 64 {
		t.Errorf("%g units (%v)", n, err)
	}
	if n, err := SampleSizeT(1, 100, 0.05, 0.8); err != nil || n != 2 {
		t.Errorf("%g units for an enormous effect (%v)", n, err)
	}
	small, err1 := SampleSizeT(1, 0.004, 0.05, 0.8)
	normal, _, err2 := SampleSizeDifference(1, 1, 0.004, 0.025, 0.8, 1)
	if err := input.First(err1, err2); err != nil || math.Abs(small-normal) > 1.1 || small < normal {
		t.Errorf("%g units by t and %g by the normal (%v)", small, normal, err)
	}
}
