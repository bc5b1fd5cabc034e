// SPDX-License-Identifier: Apache-2.0

package multiple

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/headgate-dev/headgate/stats"
)

func TestAdjustmentsAreOrderedAndKeepOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 500 {
		p := make([]float64, 1+r.IntN(9))
		for i := range p {
			p[i] = math.Pow(r.Float64(), 3)
			if i > 0 && r.IntN(4) == 0 {
				p[i] = p[i-1] // Ties.
			}
		}
		holm, errHolm := Holm(p)
		hochberg, errHochberg := Hochberg(p)
		bh, errBH := BenjaminiHochberg(p)
		if errHolm != nil || errHochberg != nil || errBH != nil {
			t.Fatal(errHolm, errHochberg, errBH)
		}
		for i := range p {
			bonferroni := min(1, float64(len(p))*p[i])
			const eps = 1e-15
			if !(p[i] <= bh[i]+eps && bh[i] <= hochberg[i]+eps && hochberg[i] <= holm[i]+eps && holm[i] <= bonferroni+eps) {
				t.Fatalf("%v: BH %v, Hochberg %v, Holm %v", p, bh, hochberg, holm)
			}
			for k := range p {
				if p[i] < p[k] && (holm[i] > holm[k] || hochberg[i] > hochberg[k] || bh[i] > bh[k]) {
					t.Fatalf("%v changed order: BH %v, Hochberg %v, Holm %v", p, bh, hochberg, holm)
				}
				if p[i] == p[k] && (holm[i] != holm[k] || hochberg[i] != hochberg[k] || bh[i] != bh[k]) {
					t.Fatalf("%v: ties fell apart: BH %v, Hochberg %v, Holm %v", p, bh, hochberg, holm)
				}
			}
		}
		largest, err := IntersectionUnion(p)
		if err != nil || largest != slices.Max(p) {
			t.Fatalf("intersection-union p %v of %v (%v)", largest, p, err)
		}
	}
}

func TestEBHIsBHOfInverseEValues(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	for range 500 {
		logE, p := make([]float64, 1+r.IntN(9)), []float64{}
		for i := range logE {
			logE[i] = 7*r.Float64() - 1
			p = append(p, min(1, math.Exp(-logE[i])))
		}
		d, err := EBenjaminiHochberg(logE, 0.05)
		if err != nil {
			t.Fatal(err)
		}
		adjusted, err := BenjaminiHochberg(p)
		if err != nil {
			t.Fatal(err)
		}
		count := 0
		for i := range p {
			if d.Rejected[i] != (adjusted[i] <= 0.05) {
				t.Fatalf("e-values %v: rejected %v, adjusted p %v", logE, d.Rejected, adjusted)
			}
			if d.Rejected[i] {
				count++
			}
		}
		if count != d.Count {
			t.Fatalf("%d rejected, count %d", count, d.Count)
		}
	}
}

func TestEValueOnTheThresholdCounts(t *testing.T) {
	for m := 1; m <= 50; m++ {
		logE := make([]float64, m)
		for i := range logE {
			logE[i] = math.Inf(-1)
		}
		logE[m/2] = math.Log(float64(m) / 0.05)
		d, err := EBenjaminiHochberg(logE, 0.05)
		if err != nil || d.Count != 1 || !d.Rejected[m/2] {
			t.Fatalf("%d e-values: %+v (%v)", m, d, err)
		}
	}
}

func TestPreferentialBonferroniSpendsAlphaOnce(t *testing.T) {
	for k := 1; k < 6; k++ {
		for m := 1; m < 9; m++ {
			l, err := PreferentialBonferroni(0.05, 0.7, k, m)
			if err != nil {
				t.Fatal(err)
			}
			closeTo(t, "sum", float64(k)*(l.Primary+float64(m-1)*l.Other), 0.05, 1e-15)
			if m > 2 {
				closeTo(t, "primary, whatever else is watched", l.Primary, 0.035/float64(k), 1e-15)
			}
		}
	}
}

func TestCriticalValueAndPValueAreDual(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	for range 20 {
		d := Dunnett{Baseline: math.Exp(4*r.Float64() - 2), TwoSided: r.IntN(2) == 0}
		if r.IntN(6) == 0 {
			d.DF = 1 + math.Floor(60*r.Float64())
		}
		for range 1 + r.IntN(5) {
			d.Candidates = append(d.Candidates, math.Exp(4*r.Float64()-2))
		}
		alpha := math.Exp(-6*r.Float64() - 0.2)
		c := critical(t, d, alpha)
		p, err := d.P(c)
		if err != nil {
			t.Fatal(err)
		}
		closeTo(t, "p of the critical value over alpha", p/alpha, 1, 1e-8)

		// Never below one comparison's, never above Bonferroni's.
		one := d
		one.Candidates = d.Candidates[:1]
		if low, high := critical(t, one, alpha), critical(t, one, alpha/float64(len(d.Candidates))); c < low-1e-9 || c > high+1e-9 {
			t.Errorf("%+v at %g: %g is not within %g and %g", d, alpha, c, low, high)
		}
		// Units or hundreds of units, in any order.
		scaled := d
		scaled.Baseline *= 100
		scaled.Candidates = nil
		for _, n := range d.Candidates {
			scaled.Candidates = append(scaled.Candidates, 100*n)
		}
		slices.Reverse(scaled.Candidates)
		closeTo(t, "scaled", critical(t, scaled, alpha), c, 1e-8)
	}
}

func TestSlicesMoveTogether(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	for range 300 {
		var effects, moved, flipped []stats.Estimate
		for range 2 + r.IntN(6) {
			e := stats.Estimate{Value: 3 * r.NormFloat64(), SE: 0.1 + r.Float64()}
			effects = append(effects, e)
			moved = append(moved, stats.Estimate{Value: 1e3 * (e.Value + 5), SE: 1e3 * e.SE})
			flipped = append(flipped, stats.Estimate{Value: -e.Value, SE: e.SE})
		}
		h, err1 := Compare(effects)
		m, err2 := Compare(moved)
		shrunk, err3 := h.Shrink(effects)
		shrunkMoved, err4 := m.Shrink(moved)
		for _, err := range []error{err1, err2, err3, err4} {
			if err != nil {
				t.Fatal(err)
			}
		}
		closeTo(t, "Q after a change of units", m.Q, h.Q, 1e-8*h.Q)
		closeTo(t, "tau² after a change of units", m.Tau2, 1e6*h.Tau2, 1e-6*(1+1e6*h.Tau2))
		low, high := min(h.Pooled.Value, effects[0].Value), max(h.Pooled.Value, effects[0].Value)
		if v := shrunk[0].Value; v < low-1e-12 || v > high+1e-12 || shrunk[0].SE > effects[0].SE*(1+1e-12) {
			t.Fatalf("%+v shrunk towards %+v is %+v", effects[0], h.Pooled, shrunk[0])
		}
		closeTo(t, "shrunk after a change of units", shrunkMoved[0].Value, 1e3*(shrunk[0].Value+5), 1e-6)
		a, err1 := GailSimon(effects)
		b, err2 := GailSimon(flipped)
		if err1 != nil || err2 != nil || a.Above != b.Below || a.Below != b.Above || a.P != b.P {
			t.Fatalf("Gail-Simon %+v, flipped %+v (%v, %v)", a, b, err1, err2)
		}
	}
}
