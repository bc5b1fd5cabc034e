// SPDX-License-Identifier: Apache-2.0

package bayes

import (
	"fmt"
	"math"
	"testing"

	"github.com/headgate-dev/headgate/stats"
	"github.com/headgate-dev/headgate/stats/internal/input"
)

// close fails unless got is want to tol, absolute below 1 and relative above.
func closeTo(t *testing.T, what string, got, want, tol float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tol*max(1, math.Abs(want))) {
		t.Errorf("%s = %.15g, want %.15g (off by %.2g)", what, got, want, got-want)
	}
}

func rankBetas(t *testing.T, arms ...Beta) Ranking {
	t.Helper()
	r, err := RankBetas(arms)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func lbeta(a, b float64) float64 {
	la, _ := math.Lgamma(a)
	lb, _ := math.Lgamma(b)
	lab, _ := math.Lgamma(a + b)
	return la + lb - lab
}

// greater is P(b > a) for a whole b.A, by the finite sum
// sum_{i<b.A} B(a.A+i, a.B+b.B)/((b.B+i) B(1+i, b.B) B(a.A, a.B)).
func greater(b, a Beta) float64 {
	sum := 0.0
	for i := 0.0; i < b.A; i++ {
		sum += math.Exp(lbeta(a.A+i, a.B+b.B)-lbeta(1+i, b.B)-lbeta(a.A, a.B)) / (b.B + i)
	}
	return sum
}

func TestTwoBetasAgreeWithClosedForms(t *testing.T) {
	for _, c := range []struct{ a, b Beta }{
		{Beta{1, 1}, Beta{1, 1}},
		{Beta{50, 52}, Beta{52, 50}},
		{Beta{2, 400}, Beta{3, 20}},
		{Beta{0.5, 0.5}, Beta{1, 0.5}},
		{Beta{0.01, 3}, Beta{2, 0.02}},
		{Beta{900, 90_000}, Beta{40, 3}},
		{Beta{121, 881}, Beta{141, 861}},
		{Beta{1e-3, 1e5}, Beta{7, 1e-3}},
	} {
		r := rankBetas(t, c.a, c.b)
		closeTo(t, "P(b > a)", r.Best[1], greater(c.b, c.a), 1e-10)
		// E[(a-b)+] = m_a P(a+ > b) - m_b P(a > b+), + meaning one hit more.
		aPlus, bPlus := Beta{c.a.A + 1, c.a.B}, Beta{c.b.A + 1, c.b.B}
		closeTo(t, "loss of b", r.Loss[1], c.a.Mean()*(1-greater(c.b, aPlus))-c.b.Mean()*(1-greater(bPlus, c.a)), 1e-10)
		closeTo(t, "loss of a", r.Loss[0], c.b.Mean()*greater(bPlus, c.a)-c.a.Mean()*greater(c.b, aPlus), 1e-10)
		closeTo(t, "losses' difference", r.Loss[0]-r.Loss[1], c.b.Mean()-c.a.Mean(), 1e-10)
	}
}

func TestSmallLossesKeepTheirDigits(t *testing.T) {
	// A = 1: F_b(x) = 1-(1-x)^m, so E[(b-a)+] = B(n+1, m+1)/B(n, 1) for a ~
	// Beta(n, 1): the product of a survival and a distribution function.
	const n, m = 20.0, 15.0
	r := rankBetas(t, Beta{n, 1}, Beta{1, m})
	want := math.Exp(lbeta(n+1, m+1))
	if got := r.Loss[0]; math.Abs(got-want) > 1e-6*want || want > 1e-10 {
		t.Errorf("loss %.10g, want %.10g", got, want)
	}
}

func TestLargeCountsBehaveNormally(t *testing.T) {
	for _, n := range []float64{1e8, 1e12, 1e15} {
		const p = 0.03
		sd := math.Sqrt(p * (1 - p) / n)
		for _, z := range []float64{-4, -1, 0, 2} {
			a := Beta{math.Round(n * p), math.Round(n * (1 - p))}
			q := p + z*sd*math.Sqrt2
			b := Beta{math.Round(n * q), math.Round(n * (1 - q))}
			r := rankBetas(t, a, b)
			closeTo(t, "P(b > a)", r.Best[1], stats.NormalCDF((b.Mean()-a.Mean())/math.Sqrt(a.variance()+b.variance())), 3e-5)
		}
	}
}

func TestIdenticalVersionsShareEqually(t *testing.T) {
	for _, arm := range []Beta{Jeffreys(), Uniform(), {3, 500}, {1e6, 1e9}, {1e-6, 1e-6}} {
		for _, k := range []int{1, 2, 7, 12} {
			arms := make([]Beta, k)
			for i := range arms {
				arms[i] = arm
			}
			r := rankBetas(t, arms...)
			for i := range arms {
				closeTo(t, "P(best)", r.Best[i], 1/float64(k), 1e-9)
				closeTo(t, "loss", r.Loss[i], r.Loss[0], 1e-12)
			}
		}
	}
}

func TestMaximumOfUniforms(t *testing.T) {
	for k := 1; k <= 12; k++ {
		arms := make([]Beta, k)
		for i := range arms {
			arms[i] = Uniform()
		}
		closeTo(t, "E[max]", rankBetas(t, arms...).Max, float64(k)/float64(k+1), 1e-12)
	}
}

func TestLossesAcrossAnEmptyMiddle(t *testing.T) {
	// Nearly all at 0 and nearly all at 1: what lies between must be counted
	// although no density is there.
	r := rankBetas(t, Beta{1, 1e9}, Beta{1e9, 1})
	closeTo(t, "loss", r.Loss[0], 1-2e-9, 1e-11)
	closeTo(t, "P(best)", r.Best[1], 1, 1e-12)
}

func TestNormalsOfUnlikeWidth(t *testing.T) {
	for _, c := range []struct{ a, b Normal }{
		{Normal{0, 1}, Normal{0.3, 2}},
		{Normal{2, 4.5}, Normal{4, 0.01}},
		{Normal{0, 1e-9}, Normal{1e-9, 3}},
		{Normal{1e9, 1e-3}, Normal{1e9 + 1e-3, 1e-3}},
		{Normal{-1e-12, 1e-13}, Normal{-1e-12, 1e-11}},
		{Normal{0, 1}, Normal{1e6, 1}},
	} {
		r, err := RankNormals([]Normal{c.a, c.b})
		if err != nil {
			t.Fatal(err)
		}
		d := Normal{c.b.Mean - c.a.Mean, math.Hypot(c.a.SD, c.b.SD)}
		p, err1 := d.Above(0)
		keep, choose, err2 := d.Losses()
		if err := input.First(err1, err2); err != nil {
			t.Fatal(err)
		}
		closeTo(t, "P(b > a)", r.Best[1], p, 1e-9)
		closeTo(t, "loss of a", r.Loss[0], keep, 1e-9*min(1, d.SD))
		closeTo(t, "loss of b", r.Loss[1], choose, 1e-9*min(1, d.SD))
	}
}

func TestStiffVersionsAreResolved(t *testing.T) {
	// The fifth digit is that of a 40-digit computation; 64 Gauss-Hermite
	// nodes give .3469 for the third.
	r, err := RankNormals([]Normal{{1, 0.5}, {0.8, 0.44}, {2, 4.5}, {-1.5, 0.8}, {0, 0.8}, {4, 0.01}})
	if err != nil {
		t.Fatal(err)
	}
	closeTo(t, "P(best) of the wide one", r.Best[2], 0.328361037, 1e-9)
	closeTo(t, "P(best) of the narrow one", r.Best[5], 0.671638767, 1e-9)
}

func TestNormalOrderStatistics(t *testing.T) {
	// Expectations of the largest of k standard normals (Harter 1961).
	for k, want := range map[int]float64{1: 0, 2: 1 / math.Sqrt(math.Pi), 3: 1.5 / math.Sqrt(math.Pi), 10: 1.53875273083517} {
		arms := make([]Normal, k)
		for i := range arms {
			arms[i] = Normal{0, 1}
		}
		r, err := RankNormals(arms)
		if err != nil {
			t.Fatal(err)
		}
		closeTo(t, "E[max]", r.Max, want, 1e-11)
	}
}

func TestStudentWithKnownTails(t *testing.T) {
	for _, x := range []float64{-300, -1, 0, 0.2, 7, 1e5} {
		one, err1 := Student{0, 1, 1}.Above(x)
		two, err2 := Student{0, 1, 2}.Above(x)
		many, err3 := Student{3, 2, 1e12}.Above(3 + 2*x)
		if err := input.First(err1, err2, err3); err != nil {
			t.Fatal(err)
		}
		closeTo(t, "Cauchy", one, 0.5-math.Atan(x)/math.Pi, 1e-12)
		closeTo(t, "two degrees", two, 0.5-x/(2*math.Sqrt(2+x*x)), 1e-12)
		closeTo(t, "many degrees", many, stats.NormalSF(x), 1e-11)
	}
	i, err := Student{10, 3, 1}.Interval(0.95)
	if err != nil {
		t.Fatal(err)
	}
	closeTo(t, "low", i.Low, 10-3*math.Tan(0.475*math.Pi), 1e-11)
	closeTo(t, "high", i.High, 10+3*math.Tan(0.475*math.Pi), 1e-11)
}

func TestStudentsBecomeNormals(t *testing.T) {
	normals, err1 := RankNormals([]Normal{{0, 1}, {0.5, 2}, {0.2, 0.1}})
	students, err2 := RankStudents([]Student{{0, 1, 1e11}, {0.5, 2, 1e11}, {0.2, 0.1, 1e11}})
	if err := input.First(err1, err2); err != nil {
		t.Fatal(err)
	}
	for i := range normals.Best {
		closeTo(t, "P(best)", students.Best[i], normals.Best[i], 1e-9)
		closeTo(t, "loss", students.Loss[i], normals.Loss[i], 1e-9)
	}
}

func TestHeavyTailsCount(t *testing.T) {
	// E|t| with nu degrees of freedom is 2 sqrt(nu) /((nu-1) B(nu/2, 1/2)); half
	// of it is lost against a version that is known to be at 0.
	for _, nu := range []float64{2.2, 3, 6} {
		r, err := RankStudents([]Student{{0, 1, nu}, {0, 1e-6, 1e9}})
		if err != nil {
			t.Fatal(err)
		}
		closeTo(t, "loss", r.Loss[1], math.Sqrt(nu)/((nu-1)*math.Exp(lbeta(nu/2, 0.5))), 1e-6)
		closeTo(t, "P(best)", r.Best[0], 0.5, 1e-7)
	}
}

func TestBetaIntervalsInClosedForm(t *testing.T) {
	const conf, tail = 0.9, 0.05
	for _, m := range []float64{1e-3, 0.5, 1, 40, 1e7, 1e15} {
		down, err1 := Beta{1, m}.Interval(conf)
		up, err2 := Beta{m, 1}.Interval(conf)
		if err := input.First(err1, err2); err != nil {
			t.Fatal(err)
		}
		low, high := -math.Expm1(math.Log1p(-tail)/m), -math.Expm1(math.Log(tail)/m)
		if math.Abs(down.Low-low) > 1e-9*low || math.Abs(down.High-high) > 1e-9*high {
			t.Errorf("Beta(1, %g): %+v, want %g to %g", m, down, low, high)
		}
		closeTo(t, "low of the mirrored", up.Low, math.Exp(math.Log(tail)/m), 1e-10)
		closeTo(t, "high of the mirrored", up.High, math.Exp(math.Log1p(-tail)/m), 1e-10)
		if m < 0.5 {
			continue // The end is too near 1 to say what lies above it.
		}
		above, err := Beta{1, m}.Above(down.High)
		if err != nil {
			t.Fatal(err)
		}
		closeTo(t, "above the interval", above, tail, 1e-10)
	}
}

func TestDifferenceOfUniformsIsTriangular(t *testing.T) {
	for _, conf := range []float64{0.5, 0.9, 0.999} {
		i, err := DifferenceInterval(Uniform(), Uniform(), conf)
		if err != nil {
			t.Fatal(err)
		}
		want := 1 - math.Sqrt(1-conf)
		closeTo(t, "low", i.Low, -want, 1e-9)
		closeTo(t, "high", i.High, want, 1e-9)
	}
}

func TestDifferenceOfLargeCountsIsNormal(t *testing.T) {
	for _, n := range []float64{1e7, 1e11} {
		a, b := Beta{0.02 * n, 0.98 * n}, Beta{0.05 * n, 0.95 * n}
		i, err := DifferenceInterval(b, a, 0.95)
		if err != nil {
			t.Fatal(err)
		}
		sd := math.Sqrt(a.variance() + b.variance())
		closeTo(t, "low in standard deviations", (i.Low-0.03)/sd, -1.959963985, 1e-3)
		closeTo(t, "high in standard deviations", (i.High-0.03)/sd, 1.959963985, 1e-3)
	}
}

// TestDifferenceOfWeightsBelowOne: densities that are infinite at 0 and 1, and
// functions with a kink there. The lower ends were integrated by mpmath with 30
// digits, after substitutions that take both away.
func TestDifferenceOfWeightsBelowOne(t *testing.T) {
	for _, c := range []struct {
		candidate, baseline Beta
		low                 float64
	}{
		{Beta{0.1, 1}, Beta{0.1, 0.19886254082445512}, -0.998272895040},
		{Beta{0.1, 0.1}, Beta{0.1, 0.1}, -0.999702253130},
		{Beta{0.1, 1}, Beta{0.1, 1}, -0.537177041749},
	} {
		i, err := DifferenceInterval(c.candidate, c.baseline, 0.9)
		if err != nil {
			t.Fatal(err)
		}
		closeTo(t, fmt.Sprintf("low of %+v", c), i.Low, c.low, 1e-9)
		mirrored, err := DifferenceInterval(c.baseline, c.candidate, 0.9)
		if err != nil {
			t.Fatal(err)
		}
		closeTo(t, fmt.Sprintf("high, mirrored, of %+v", c), mirrored.High, -c.low, 1e-9)
	}
}

func TestDifferenceIntervalIsWhereProbabilitiesAre(t *testing.T) {
	// A difference above 0 is P(b > a), which the ranking computes otherwise.
	a, b := Beta{3, 77}, Beta{9, 71}
	conf := 1 - 2*(1-rankBetas(t, a, b).Best[1])
	i, err := DifferenceInterval(b, a, conf)
	if err != nil {
		t.Fatal(err)
	}
	closeTo(t, "low", i.Low, 0, 1e-9)
}

func TestRelativeEffect(t *testing.T) {
	for _, sign := range []float64{1, -1} {
		e, err := Relative(stats.Estimate{Value: sign * 10.5, SE: math.Sqrt(0.1)}, stats.Estimate{Value: sign * 10, SE: math.Sqrt(0.025)})
		if err != nil {
			t.Fatal(err)
		}
		closeTo(t, "value", e.Value, sign*0.05, 1e-14)
		closeTo(t, "variance", e.SE*e.SE, 0.001275625, 1e-14)
	}
}

func TestRopeFarOutKeepsItsDigits(t *testing.T) {
	r, err := Normal{0, 1}.Rope(stats.Interval{Low: 9, High: 10})
	if err != nil {
		t.Fatal(err)
	}
	if want := stats.NormalSF(9) - stats.NormalSF(10); math.Abs(r.In-want) > 1e-12*want {
		t.Errorf("in %g, want %g", r.In, want)
	}
}
