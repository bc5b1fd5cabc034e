// SPDX-License-Identifier: Apache-2.0

package paired

import (
	"math"
	"slices"
	"testing"

	"github.com/headgate-dev/headgate/stats"
	"github.com/headgate-dev/headgate/stats/internal/input"
	"pgregory.net/rapid"
)

// scores draws lists with ties.
func scores(n int) *rapid.Generator[[]float64] {
	return rapid.SliceOfN(rapid.Map(rapid.IntRange(-8, 8), func(i int) float64 { return float64(i) / 4 }), n, 3*n)
}

func negated(xs []float64) []float64 {
	out := make([]float64, len(xs))
	for i, x := range xs {
		out[i] = -x
	}
	return out
}

func TestSwappingVersionsMirrorsEverything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b, c := rapid.Int64Range(0, 300).Draw(t, "b"), rapid.Int64Range(1, 300).Draw(t, "c")
		d := Discordance{N: b + c + rapid.Int64Range(1, 1000).Draw(t, "same"), Candidate: b, Baseline: c}
		swapped := Discordance{N: d.N, Candidate: c, Baseline: b}
		p1, m1, err1 := d.Exact()
		p2, m2, err2 := swapped.Exact()
		i1, err3 := d.Interval(0.9)
		i2, err4 := swapped.Interval(0.9)
		if err := input.First(err1, err2, err3, err4); err != nil {
			t.Fatal(err)
		}
		if p1 != p2 || m1 != m2 || i1.Low != -i2.High || m1 > p1 || p1 > 1 {
			t.Fatalf("%g %g %+v and %g %g %+v", p1, m1, i1, p2, m2, i2)
		}
		e1, err1 := d.LogE(20)
		e2, err2 := swapped.LogE(20)
		if err := input.First(err1, err2); err != nil || math.Abs(e1-e2) > 1e-9 {
			t.Fatalf("%g and %g (%v)", e1, e2, err)
		}
	})
}

func TestIntervalAndTestAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := Mean{
			Estimate: stats.Estimate{Value: rapid.Float64Range(-4, 4).Draw(t, "value"), SE: 1},
			DF:       float64(rapid.IntRange(1, 400).Draw(t, "df")),
		}
		conf := rapid.Float64Range(0.01, 0.999).Draw(t, "conf")
		_, p, err1 := m.Test()
		i, err2 := m.Interval(conf)
		if err := input.First(err1, err2); err != nil {
			t.Fatal(err)
		}
		if math.Abs(p-(1-conf)) > 1e-9 && (p < 1-conf) == i.Contains(0) {
			t.Fatalf("p = %g at confidence %g, interval %+v", p, conf, i)
		}
		// Equivalent at level alpha exactly when the interval at 1 - 2 alpha
		// lies in the region.
		region := stats.Interval{Low: i.Low - 1e-6, High: i.High + 1e-6}
		e, err := m.Equivalence(region)
		if err != nil || e.P > (1-conf)/2+1e-9 {
			t.Fatalf("p = %g in the region %+v (%v)", e.P, region, err)
		}
	})
}

func TestSignedRanksMirror(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := append(scores(1).Draw(t, "d"), 1)
		w, err1 := SignedRanks(d)
		v, err2 := SignedRanks(negated(d))
		if err := input.First(err1, err2); err != nil {
			t.Fatal(err)
		}
		n := float64(w.N)
		if w.V+v.V != n*(n+1)/2 {
			t.Fatalf("V = %g and %g of %d", w.V, v.V, w.N)
		}
		g1, p1, err1 := w.Exact()
		g2, p2, err2 := v.Exact()
		if err := input.First(err1, err2); err != nil || math.Abs(p1-p2) > 1e-12 || g1+g2 < 1-1e-12 {
			t.Fatalf("%g %g, mirrored %g %g (%v)", g1, p1, g2, p2, err)
		}
	})
}

func TestHodgesLehmannIsTheMedianOfMeans(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := rapid.SliceOfN(rapid.Float64Range(-100, 100), 1, 40).Draw(t, "d")
		var means []float64
		for i := range d {
			for j := range i + 1 {
				means = append(means, d[i]/2+d[j]/2)
			}
		}
		slices.Sort(means)
		k := len(means)
		want := means[(k-1)/2]/2 + means[k/2]/2
		got, err := HodgesLehmann(d)
		if err != nil || got != want {
			t.Fatalf("%g, want %g (%v)", got, want, err)
		}
	})
}

func TestRanksIgnoreScale(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x, y := scores(2).Draw(t, "x"), scores(2).Draw(t, "y")
		bend := func(xs []float64) []float64 {
			out := make([]float64, len(xs))
			for i, v := range xs {
				out[i] = math.Exp(v)*3 - 7
			}
			return out
		}
		a, err1 := KolmogorovSmirnov(x, y)
		b, err2 := KolmogorovSmirnov(bend(y), bend(x))
		if err := input.First(err1, err2); err != nil || a.D != b.D {
			t.Fatalf("%+v and %+v (%v)", a, b, err)
		}
		pa, err1 := a.Exact()
		pb, err2 := b.Exact()
		if err := input.First(err1, err2); err != nil || math.Abs(pa-pb) > 1e-12 || pa > 1 {
			t.Fatalf("%g and %g (%v)", pa, pb, err)
		}
	})
}

func TestAreasCountPairsOfCases(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pos, neg := scores(2).Draw(t, "positive"), scores(2).Draw(t, "negative")
		sum := 0.0
		for _, p := range pos {
			for _, n := range neg {
				switch {
				case p > n:
					sum++
				case p == n:
					sum += 0.5
				}
			}
		}
		all := append(slices.Clone(pos), neg...)
		positive := make([]bool, len(all))
		for i := range pos {
			positive[i] = true
		}
		a, err := CompareAUC(positive, all, negated(all))
		want := sum / float64(len(pos)*len(neg))
		if err != nil || math.Abs(a.Candidate.Value-want) > 1e-12 || math.Abs(a.Baseline.Value-(1-want)) > 1e-12 {
			t.Fatalf("%+v, want %g (%v)", a, want, err)
		}
	})
}

func TestDivergencesKeepTheirBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 8).Draw(t, "n")
		share := rapid.Float64Range(1e-9, 1)
		p, q := rapid.SliceOfN(share, n, n).Draw(t, "p"), rapid.SliceOfN(share, n, n).Draw(t, "q")
		bits, err1 := JensenShannon(p, q)
		mirrored, err2 := JensenShannon(q, p)
		tv, err3 := TotalVariation(p, q)
		psi, err4 := PSI(p, q)
		back, err5 := PSI(q, p)
		if err := input.First(err1, err2, err3, err4, err5); err != nil {
			t.Fatal(err)
		}
		// Lin (1991): divergence at most total variation; Pinsker from below.
		if bits < 0 || bits > tv+1e-12 || tv > 1 || bits < tv*tv/(2*math.Ln2)-1e-12 || math.Abs(bits-mirrored) > 1e-12 {
			t.Fatalf("%g bits, total variation %g", bits, tv)
		}
		if psi < 0 || math.Abs(psi-back) > 1e-9*(1+psi) || psi < 4*tv*tv-1e-12 {
			t.Fatalf("PSI %g and %g", psi, back)
		}
	})
}
