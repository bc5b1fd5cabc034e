// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math"
	"testing"

	"gonum.org/v1/gonum/mathext"
)

func TestBetaIsHalfInTheMiddle(t *testing.T) {
	for _, a := range []float64{0.3, 1, 7, 99, 100, 1e4, 1e8, 1e12} {
		if got := BetaCDF(0.5, a, a); math.Abs(got-0.5) > 1e-11 {
			t.Errorf("I_0.5(%g, %g) = %.15g", a, a, got)
		}
	}
}

func TestBetaHasNoSeam(t *testing.T) {
	up := func(v float64) float64 { return math.Nextafter(v, math.Inf(1)) }
	for name, seam := range map[string]struct{ a, b, a2, b2 float64 }{
		"library and quadrature": {libraryBeta, 700, up(libraryBeta), 700},
		"library and series":     {30, libraryBeta, 30, up(libraryBeta)},
		"series and quadrature":  {math.Nextafter(smallBeta, 0), 5e6, smallBeta, 5e6},
		"library and mirror":     {700, libraryBeta, 700, up(libraryBeta)},
	} {
		m := seam.a / (seam.a + seam.b)
		for _, z := range []float64{-30, -8, -3, -0.5, 0, 0.5, 3, 6} {
			x := m * math.Exp(z*math.Sqrt((1-m)/seam.a))
			if x >= 1 {
				continue
			}
			one, two := logIncBeta(seam.a, seam.b, x, 1-x), logIncBeta(seam.a2, seam.b2, x, 1-x)
			if math.Abs(one-two) > 1e-10*max(1, math.Abs(one)) {
				t.Errorf("%s at %g: %.15g and %.15g", name, x, one, two)
			}
		}
	}
}

func TestBetaMeetsItsLimits(t *testing.T) {
	// One parameter small, the other enormous: the gamma distribution.
	for _, a := range []float64{0.5, 3, 40} {
		for _, r := range []float64{0.2, 1, 3} {
			relatively(t, "gamma limit", BetaCDF(a*r/1e11, a, 1e11), mathext.GammaIncReg(a, a*r), 1e-7)
		}
	}
	// Both enormous: the normal distribution, with the correction for skewness.
	const a, b = 1e9, 3e9
	for _, z := range []float64{-6, -2, 0.3, 2} {
		sd := math.Sqrt(a/(a+b)*(b/(a+b))) / math.Sqrt(a+b+1)
		skew := 2 * (b - a) * math.Sqrt(a+b+1) / ((a + b + 2) * math.Sqrt(a*b))
		want := NormalCDF(z) - skew/6*(z*z-1)*normalDensity(z)
		relatively(t, "normal limit", BetaCDF(a/(a+b)+z*sd, a, b), want, 2e-6)
	}
	// A power where the other parameter is 1.
	relatively(t, "power", logIncBeta(5000, 1, 0.3, 0.7), 5000*math.Log(0.3), 1e-12)
	relatively(t, "small power", logIncBeta(200, 1, 0.01, 0.99), 200*math.Log(0.01), 1e-12)
}

func TestBetaOutsideItsDomain(t *testing.T) {
	for _, v := range []float64{BetaCDF(math.NaN(), 1, 1), BetaCDF(0.5, 0, 1), BetaCDF(0.5, 1, -1), BetaCDF(0.5, math.Inf(1), 1)} {
		if !math.IsNaN(v) {
			t.Errorf("%g, want NaN", v)
		}
	}
	if BetaCDF(-1, 2, 3) != 0 || BetaCDF(2, 2, 3) != 1 {
		t.Error("the ends are wrong")
	}
}

func TestClopperPearsonOfManyTrialsIsNearlyNormal(t *testing.T) {
	// At a thousand million trials the exact interval is the normal one.
	c := Counts{N: 1e9, X: 5e8}
	i, err := ClopperPearson(c, 0.95)
	if err != nil {
		t.Fatal(err)
	}
	half := 1.959963984540054 * math.Sqrt(0.25/1e9)
	relatively(t, "below", 0.5-i.Low, half, 1e-4)
	relatively(t, "above", i.High-0.5, half, 1e-4)
}
