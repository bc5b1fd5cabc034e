// SPDX-License-Identifier: Apache-2.0

package paired

import (
	"math"
	"testing"

	"github.com/headgate-dev/headgate/stats"
	"github.com/headgate-dev/headgate/stats/internal/input"
)

// closeTo fails unless got is want to tol, absolute below 1 and relative above.
func closeTo(t *testing.T, what string, got, want, tol float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tol*max(1, math.Abs(want))) {
		t.Errorf("%s = %.15g, want %.15g (off by %.2g)", what, got, want, got-want)
	}
}

// must passes a value on, and panics on an error, which fails the test.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestExactMcNemarByHand(t *testing.T) {
	for _, c := range []struct {
		b, c    int64
		p, midP float64
	}{
		{1, 0, 1, 0.5},
		{0, 5, 2. / 32, 1. / 32},
		{1, 5, 14. / 64, 8. / 64},
		{3, 3, 1, 1},
	} {
		d := Discordance{N: 100, Candidate: c.b, Baseline: c.c}
		p, midP, err := d.Exact()
		if err != nil {
			t.Fatal(err)
		}
		closeTo(t, "p", p, c.p, 1e-14)
		closeTo(t, "mid-p", midP, c.midP, 1e-14)
	}
}

func TestExactMcNemarApproachesChiSquared(t *testing.T) {
	d := Discordance{N: 1 << 40, Candidate: 5_010_000_000, Baseline: 5_000_000_000}
	_, midP, err := d.Exact()
	_, p, err2 := d.McNemar(false)
	if err := input.First(err, err2); err != nil {
		t.Fatal(err)
	}
	if math.Abs(midP/p-1) > 1e-4 {
		t.Errorf("mid-p %g, chi-squared %g", midP, p)
	}
}

func TestTinyPValuesKeepTheirDigits(t *testing.T) {
	p, _, err := Discordance{N: 1000, Candidate: 500}.Exact()
	if err != nil || math.Abs(p/math.Exp2(-499)-1) > 1e-9 {
		t.Errorf("p = %g (%v)", p, err)
	}
	// Two samples that do not mix: one order of C(60, 30) and its mirror.
	x, y := make([]float64, 30), make([]float64, 30)
	for i := range x {
		x[i], y[i] = float64(i), 100+float64(i)
	}
	k := must(KolmogorovSmirnov(x, y))
	exact, err := k.Exact()
	l60, _ := math.Lgamma(61)
	l30, _ := math.Lgamma(31)
	if want := 2 * math.Exp(2*l30-l60); err != nil || math.Abs(exact/want-1) > 1e-10 {
		t.Errorf("p = %g, want %g (%v)", exact, want, err)
	}
}

func TestClustersOfOnePairAreTheOrdinaryTest(t *testing.T) {
	var m stats.Moments
	var p stats.Pair
	for _, d := range []float64{0.3, -0.1, 0.9, 0.4, 0.2, -0.6} {
		m.Add(d)
		p.Add(d, 1)
	}
	a, b := must(Difference(m)), must(ClusteredDifference(p))
	closeTo(t, "value", b.Value, a.Value, 1e-14)
	closeTo(t, "standard error", b.SE, a.SE, 1e-14)
	closeTo(t, "degrees of freedom", b.DF, a.DF, 0)
}

// signedRanksByHand counts all sign patterns.
func signedRanksByHand(w Wilcoxon) (greater, twoSided float64) {
	n := len(w.doubled)
	v := int(math.Round(2 * w.V))
	more, less := 0, 0
	for signs := range 1 << n {
		s := 0
		for i, r := range w.doubled {
			if signs>>i&1 == 1 {
				s += r
			}
		}
		if s >= v {
			more++
		}
		if s <= v {
			less++
		}
	}
	all := float64(int(1) << n)
	return float64(more) / all, min(1, 2*float64(min(more, less))/all)
}

func TestSignedRanksWithTiesAndZeros(t *testing.T) {
	for _, d := range [][]float64{
		{1},
		{-1, 2, 3},
		{1, 1, -1, 0, 2, 2, -2, 0, 5},
		{0.5, 0.5, 0.5, 0.5},
		{-3, -3, -2, 1, 1, 4, 4, 4, -4, 6, 7, 8},
	} {
		w := must(SignedRanks(d))
		greater, both, err := w.Exact()
		if err != nil {
			t.Fatal(err)
		}
		wantGreater, wantBoth := signedRanksByHand(w)
		closeTo(t, "greater", greater, wantGreater, 1e-14)
		closeTo(t, "two-sided", both, wantBoth, 1e-14)
	}
}

func TestNormalSignedRanksApproachExact(t *testing.T) {
	d := make([]float64, MaxExactPairs)
	for i := range d {
		d[i] = float64(1+i%37) * float64(1-2*((i*i/3)%2))
	}
	w := must(SignedRanks(d))
	_, exact, err := w.Exact()
	normal, err2 := w.Normal(true)
	if err := input.First(err, err2); err != nil || math.Abs(exact-normal) > 2e-3 {
		t.Errorf("exact %g, normal %g (%v)", exact, normal, err)
	}
}

// ksByHand counts all orders of the merged values.
func ksByHand(x, y []float64) float64 {
	k := must(KolmogorovSmirnov(x, y))
	visible := map[int]bool{}
	for _, e := range k.ends {
		visible[e] = true
	}
	reach, all := 0, 0
	var walk func(i, j int, hit bool)
	walk = func(i, j int, hit bool) {
		hit = hit || visible[i+j] && k.distance(i, j) >= k.gap
		if i == k.N && j == k.M {
			all++
			if hit {
				reach++
			}
			return
		}
		if i < k.N {
			walk(i+1, j, hit)
		}
		if j < k.M {
			walk(i, j+1, hit)
		}
	}
	walk(0, 0, false)
	return float64(reach) / float64(all)
}

func TestExactKolmogorovSmirnovCountsOrders(t *testing.T) {
	for _, c := range []struct{ x, y []float64 }{
		{[]float64{1}, []float64{2}},
		{[]float64{1, 4, 6}, []float64{2, 3, 5, 7, 8}},
		{[]float64{1, 1, 2, 2, 3}, []float64{2, 2, 3, 3, 3, 4}},
		{[]float64{1, 1}, []float64{1, 1}},
		{[]float64{9, 8, 7, 6, 5}, []float64{1, 2, 3, 9.5}},
	} {
		k := must(KolmogorovSmirnov(c.x, c.y))
		closeTo(t, "p", must(k.Exact()), ksByHand(c.x, c.y), 1e-14)
	}
}

func TestAsymptoticKolmogorovSmirnovApproachesExact(t *testing.T) {
	x, y := make([]float64, 1500), make([]float64, 1700)
	for i := range x {
		x[i] = float64(i*7919%1500) / 1500
	}
	for i := range y {
		y[i] = float64(i*7919%1700)/1700 + 0.04
	}
	k := must(KolmogorovSmirnov(x, y))
	exact, err := k.Exact()
	asymptotic, err2 := k.Asymptotic()
	if err := input.First(err, err2); err != nil || math.Abs(exact-asymptotic) > 0.02 || exact > 0.3 {
		t.Errorf("exact %g, asymptotic %g (%v)", exact, asymptotic, err)
	}
}

func TestKolmogorovQ(t *testing.T) {
	// Both series at the point where one takes over from the other.
	below, above := KolmogorovQ(1.1-1e-12), KolmogorovQ(1.1)
	closeTo(t, "where the series meet", below, above, 1e-11)
	closeTo(t, "5 % point", KolmogorovQ(1.3580986393225507), 0.05, 1e-12)
	closeTo(t, "1 % point", KolmogorovQ(1.6276236115189503), 0.01, 1e-12)
	closeTo(t, "median", KolmogorovQ(0.8275735551899077), 0.5, 1e-12)
	for _, l := range []float64{math.Inf(-1), -1, 0, 0.01} {
		closeTo(t, "small", KolmogorovQ(l), 1, 0)
	}
	closeTo(t, "infinite", KolmogorovQ(math.Inf(1)), 0, 0)
}

func TestDriftOfEmptyBins(t *testing.T) {
	got := must(PSICounts([]int64{10, 0}, []int64{0, 10}))
	closeTo(t, "PSI of counts", got, 2*(10./11)*math.Log(21), 1e-12)
	same := must(PSI([]float64{1, 0, 3}, []float64{2, 0, 6}))
	closeTo(t, "PSI of equal shares", same, 0, 0)
	closeTo(t, "threshold", must(PSIThreshold(1000, 2000, 10, 0.05)), 0.0015*16.918977604620448, 1e-9)
	closeTo(t, "huge shares", must(TotalVariation([]float64{1e308, 1e308}, []float64{1, 0})), 0.5, 1e-14)
}

func TestAreasWithTies(t *testing.T) {
	positive := []bool{true, false, true, false, true, false}
	a := must(CompareAUC(positive, []float64{1, 1, 1, 1, 1, 1}, []float64{3, 2, 3, 1, 2, 0}))
	closeTo(t, "a constant score", a.Candidate.Value, 0.5, 1e-15)
	closeTo(t, "its standard error", a.Candidate.SE, 0, 0)
	closeTo(t, "a score with one tie", a.Baseline.Value, (9-0.5)/9, 1e-15)
	v := a.Candidate.SE*a.Candidate.SE + a.Baseline.SE*a.Baseline.SE - 2*a.Covariance
	closeTo(t, "variance of the difference", a.Difference.SE*a.Difference.SE, v, 1e-14)
}

func TestKappaByHand(t *testing.T) {
	k, agreement, err := Kappa([][]int64{{20, 5}, {10, 15}})
	if err != nil {
		t.Fatal(err)
	}
	closeTo(t, "agreement", agreement, 0.7, 1e-15)
	closeTo(t, "kappa", k, 0.4, 1e-14)
	k, _, err = Kappa([][]int64{{0, 7}, {7, 0}})
	closeTo(t, "nothing alike", k, -1, 1e-15)
	if err != nil {
		t.Fatal(err)
	}
}

func TestHodgesLehmannByHand(t *testing.T) {
	closeTo(t, "one", must(HodgesLehmann([]float64{3})), 3, 0)
	closeTo(t, "two", must(HodgesLehmann([]float64{1, 4})), 2.5, 0)
	closeTo(t, "even", must(HodgesLehmann([]float64{-1, 0, 5})), (0+2.)/2, 0)
	closeTo(t, "huge", must(HodgesLehmann([]float64{-1.7e308, 1.7e308})), 0, 0)
}

func TestAddCountsWhereAnswersDiffer(t *testing.T) {
	var d Discordance
	for _, p := range [][2]bool{{true, true}, {true, false}, {false, true}, {false, false}, {true, false}} {
		d.Add(p[0], p[1])
	}
	if d != (Discordance{N: 5, Candidate: 2, Baseline: 1}) || d.Merge(d) != (Discordance{N: 10, Candidate: 4, Baseline: 2}) {
		t.Errorf("%+v", d)
	}
}
