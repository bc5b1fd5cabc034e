// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math"
	"testing"

	"github.com/headgate-dev/headgate/stats/internal/input"
	"pgregory.net/rapid"
)

// twoSamples draws counts of two versions.
func twoSamples(t *rapid.T) (candidate, baseline Counts) {
	draw := func(name string) Counts {
		c := Counts{N: rapid.Int64Range(1, 5000).Draw(t, name+" n")}
		if rapid.Bool().Draw(t, name+" rare") {
			c.X = rapid.Int64Range(0, min(c.N, 5)).Draw(t, name+" x")
		} else {
			c.X = rapid.Int64Range(0, c.N).Draw(t, name+" x")
		}
		return c
	}
	return draw("candidate"), draw("baseline")
}

func TestMiettinenNurminenIntervalIsDualToItsTest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, b := twoSamples(t)
		alpha := rapid.Float64Range(0.001, 0.5).Draw(t, "alpha")
		i, err := MiettinenNurminenInterval(c, b, alpha)
		if err != nil {
			t.Fatal(err)
		}
		d := rapid.Float64Range(-0.999, 0.999).Draw(t, "d")
		z, err := MiettinenNurminenZ(c, b, d)
		if err != nil {
			t.Skip("nothing varies")
		}
		p := 2 * NormalSF(math.Abs(z))
		if edge := min(math.Abs(d-i.Low), math.Abs(d-i.High)); edge > 1e-9 && i.Contains(d) != (p > alpha) {
			t.Fatalf("d = %g: p = %g, interval %+v at alpha %g", d, p, i, alpha)
		}
	})
}

func TestProportionsSwapAndMirror(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, b := twoSamples(t)
		alpha := rapid.Float64Range(0.001, 0.5).Draw(t, "alpha")
		estimate := float64(c.X)/float64(c.N) - float64(b.X)/float64(b.N)
		for name, interval := range map[string]func(Counts, Counts, float64) (Interval, error){
			"Newcombe": NewcombeInterval, "Miettinen-Nurminen": MiettinenNurminenInterval,
		} {
			plain, err1 := interval(c, b, alpha)
			swapped, err2 := interval(b, c, alpha)
			mirrored, err3 := interval(Counts{c.N, c.N - c.X}, Counts{b.N, b.N - b.X}, alpha)
			if err := input.First(err1, err2, err3); err != nil {
				t.Fatal(err)
			}
			if plain.Low > estimate+1e-12 || plain.High < estimate-1e-12 || plain.Low < -1 || plain.High > 1 {
				t.Fatalf("%s: %+v around %g", name, plain, estimate)
			}
			for _, o := range []Interval{swapped, mirrored} {
				if math.Abs(o.Low+plain.High) > 1e-9 || math.Abs(o.High+plain.Low) > 1e-9 {
					t.Fatalf("%s: plain %+v, swapped %+v, mirrored %+v", name, plain, swapped, mirrored)
				}
			}
		}
		p, midP, err1 := FisherExact(c, b)
		q, midQ, err2 := FisherExact(b, c)
		if err := input.First(err1, err2); err != nil || !near(p, q, 0) || !near(midP, midQ, 0) || midP > p || p > 1 || midP < 0 {
			t.Fatalf("Fisher %g and %g, swapped %g and %g (%v)", p, midP, q, midQ, err)
		}
	})
}

// moments draws a series by its moments.
func moments(t *rapid.T, name string) Moments {
	n := rapid.Int64Range(2, 1000).Draw(t, name+" n")
	sd := rapid.Float64Range(0.01, 100).Draw(t, name+" sd")
	return Moments{N: n, Mean: rapid.Float64Range(-100, 100).Draw(t, name+" mean"), M2: sd * sd * float64(n-1)}
}

func TestWelchScalesShiftsSwapsAndIsDual(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, b := moments(t, "candidate"), moments(t, "baseline")
		alpha := rapid.Float64Range(1e-6, 0.9).Draw(t, "alpha")
		w, err1 := Welch(c, b)
		swapped, err2 := Welch(b, c)
		scale, shift := rapid.Float64Range(0.01, 100).Draw(t, "scale"), rapid.Float64Range(-1e3, 1e3).Draw(t, "shift")
		move := func(m Moments) Moments { return Moments{m.N, scale*m.Mean + shift, scale * scale * m.M2} }
		moved, err3 := Welch(move(c), move(b))
		if err := input.First(err1, err2, err3); err != nil {
			t.Fatal(err)
		}
		p, err1 := w.P()
		pSwapped, err2 := swapped.P()
		pMoved, err3 := moved.P()
		i, err4 := w.Interval(alpha)
		if err := input.First(err1, err2, err3, err4); err != nil {
			t.Fatal(err)
		}
		if swapped.Value != -w.Value || !near(swapped.DF, w.DF, 0) || !near(p, pSwapped, 0) || math.Abs(pMoved-p) > 1e-6 {
			t.Fatalf("plain %+v (p %g), swapped %+v (p %g), moved %+v (p %g)", w, p, swapped, pSwapped, moved, pMoved)
		}
		least := float64(min(c.N, b.N) - 1)
		if w.DF < least*(1-1e-9) || w.DF > float64(c.N+b.N-2)*(1+1e-9) {
			t.Fatalf("%g degrees of freedom of %d and %d", w.DF, c.N, b.N)
		}
		if math.Abs(p-alpha) > 1e-9 && i.Contains(0) != (p > alpha) {
			t.Fatalf("p = %g, interval %+v at alpha %g", p, i, alpha)
		}
		low, err1 := w.Lower(min(alpha, 0.4))
		one, err2 := w.PGreater()
		if err := input.First(err1, err2); err != nil || math.Abs(one-min(alpha, 0.4)) > 1e-9 && (low > 0) != (one < min(alpha, 0.4)) {
			t.Fatalf("one-sided p = %g, lower bound %g at alpha %g (%v)", one, low, alpha, err)
		}
	})
}

func TestRelativeIntervalAgreesWithTheTTest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := Measured{Estimate{rapid.Float64Range(0.1, 10).Draw(t, "c"), rapid.Float64Range(0.001, 1).Draw(t, "seC")}, rapid.Int64Range(2, 99).Draw(t, "nC")}
		b := Measured{Estimate{rapid.Float64Range(0.1, 10).Draw(t, "b"), rapid.Float64Range(0.001, 1).Draw(t, "seB")}, rapid.Int64Range(2, 99).Draw(t, "nB")}
		alpha := rapid.Float64Range(0.001, 0.5).Draw(t, "alpha")
		d, err := AbsoluteContrast(c, b)
		if err != nil {
			t.Fatal(err)
		}
		p, err := d.P()
		if err != nil {
			t.Fatal(err)
		}
		i, ok := RelativeInterval(c.Estimate, b.Estimate, d.quantile(alpha/2))
		if ok && math.Abs(p-alpha) > 1e-9 && i.Contains(0) != (p > alpha) {
			t.Fatalf("p = %g, relative %+v at alpha %g", p, i, alpha)
		}
	})
}

func TestTripleAndShapeMergeInAnyOrderAndPartition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.Float64Range(-10, 10)
		xs := rapid.SliceOfN(value, 3, 30).Draw(t, "xs")
		ys := rapid.SliceOfN(value, len(xs), len(xs)).Draw(t, "ys")
		zs := rapid.SliceOfN(value, len(xs), len(xs)).Draw(t, "zs")
		var triple Triple
		var pair Pair
		var shape Shape
		for _, part := range shuffledParts(t, len(xs)) {
			var one Triple
			var s Shape
			for _, i := range part {
				one.Add(ys[i], xs[i], zs[i])
				s.Add(xs[i])
			}
			triple, shape = one.Merge(triple), shape.Merge(s)
		}
		mean := 0.0
		for i := range xs {
			pair.Add(ys[i], xs[i])
			mean += xs[i] / float64(len(xs))
		}
		cubes, cyz, cxz := 0.0, 0.0, 0.0
		for i, x := range xs {
			cubes += (x - mean) * (x - mean) * (x - mean)
			cyz += (ys[i] - pair.MeanY) * (zs[i] - triple.MeanZ)
			cxz += (x - pair.MeanX) * (zs[i] - triple.MeanZ)
		}
		got := triple.Pair()
		same := got.N == pair.N && near(got.MeanY, pair.MeanY, 1) && near(got.MeanX, pair.MeanX, 1) &&
			near(got.M2Y, pair.M2Y, 1) && near(got.M2X, pair.M2X, 1) && near(got.CYX, pair.CYX, 100) &&
			near(triple.CYZ, cyz, 100) && near(triple.CXZ, cxz, 100)
		if !same || !near(shape.M3, cubes, 1e3) || !near(shape.Mean, mean, 1) {
			t.Fatalf("merged %+v and %+v, added %+v, %g, %g, %g", triple, shape, pair, cyz, cxz, cubes)
		}
	})
}

func TestCompareSwapsAndItsIntervalIsItsTest(t *testing.T) {
	assumed := func(looked Guarantee) Assumed {
		return Assumed{Alpha: 0.05, Looked: looked, Planned: 1000, Looks: EvenLooks(3)[:2], Spend: OBrienFleming}
	}
	rapid.Check(t, func(t *rapid.T) {
		c, b := moments(t, "candidate"), moments(t, "baseline")
		c.N, b.N = c.N+anyTimeUnits, b.N+anyTimeUnits
		// Close enough that both answers occur.
		b.Mean = c.Mean + rapid.Float64Range(-5, 5).Draw(t, "z")*math.Sqrt(c.M2/float64(c.N*c.N)+b.M2/float64(b.N*b.N))
		for _, looked := range []Guarantee{FixedLook, AtLooks, AnyTime} {
			plain, err1 := Compare(c, b, assumed(looked))
			swapped, err2 := Compare(b, c, assumed(looked))
			if err := input.First(err1, err2); err != nil {
				t.Fatal(err)
			}
			if plain.Effect.Value != -swapped.Effect.Value || plain.Different != swapped.Different || !near(plain.P, swapped.P, 0) {
				t.Fatalf("%s: plain %+v, swapped %+v", looked, plain, swapped)
			}
			if math.Abs(plain.P-0.05) < 1e-9 {
				continue
			}
			if plain.Different == plain.Interval.Contains(0) || plain.Different != (plain.P < 0.05) {
				t.Fatalf("%s: %+v", looked, plain)
			}
			if plain.Relative != nil && plain.Relative.Contains(0) != plain.Interval.Contains(0) {
				t.Fatalf("%s: relative %+v, absolute %+v", looked, plain.Relative, plain.Interval)
			}
		}
	})
}

func TestOneSidedBernoulliEValuesMakeUpTheTwoSidedOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := Counts{N: rapid.Int64Range(1, 1e6).Draw(t, "n")}
		c.X = rapid.Int64Range(0, min(c.N, 1+c.N/3)).Draw(t, "x")
		p := rapid.Float64Range(0.001, 0.999).Draw(t, "p")
		planned := math.Exp(rapid.Float64Range(0, 14).Draw(t, "ln planned"))
		two, err1 := BernoulliLogE(c, p, 0.05, planned)
		more, err2 := BernoulliLogEGreater(c, p, 0.05, planned)
		fewer, err3 := BernoulliLogEGreater(Counts{c.N, c.N - c.X}, 1-p, 0.05, planned)
		mass, err4 := bernoulliMass("test", c, 0.05, planned)
		if err := input.First(err1, err2, err3, err4); err != nil {
			t.Fatal(err)
		}
		// The two halves of the prior, weighted by what they weigh.
		above := math.Exp(logIncBeta(mass*(1-p), mass*p, 1-p, p))
		sum := above*math.Exp(more-two) + (1-above)*math.Exp(fewer-two)
		if math.Abs(sum-1) > 1e-6 {
			t.Fatalf("above %g: %g and %g make %g of %g", above, more, fewer, sum, two)
		}
	})
}

func TestBetaBinomialExcessIsWhereTheEValueSuffices(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.Float64Range(0.001, 0.5).Draw(t, "p")
		n := rapid.Int64Range(50, 1e6).Draw(t, "n")
		alpha := rapid.Float64Range(0.001, 0.2).Draw(t, "alpha")
		b, err := NewBetaBinomial(p, alpha, 1000, true)
		if err != nil {
			t.Fatal(err)
		}
		s, err := b.Excess(float64(n), alpha)
		if err != nil {
			t.Skip("no number of hits suffices")
		}
		x := float64(n)*p + s
		for _, c := range []struct {
			x      float64
			reject bool
		}{{math.Floor(x - 1e-6), false}, {math.Ceil(x + 1e-6), true}} {
			if c.x < 0 || c.x > float64(n) {
				continue
			}
			logE, err := BernoulliLogEGreater(Counts{n, int64(c.x)}, p, 2*alpha, 1000)
			if err != nil || (logE >= -math.Log(alpha)) != c.reject {
				t.Fatalf("%g hits of %d: ln E = %g (%v), threshold at %g", c.x, n, logE, err, x)
			}
		}
	})
}

func TestGammaExponentialBoundIsDualAndMonotone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := math.Exp(rapid.Float64Range(-3, 3).Draw(t, "ln c"))
		v := math.Exp(rapid.Float64Range(-3, 12).Draw(t, "ln v"))
		alpha := rapid.Float64Range(0.001, 0.3).Draw(t, "alpha")
		g, err := NewGammaExponential(0.05, math.Exp(rapid.Float64Range(0, 10).Draw(t, "ln vopt")), c)
		if err != nil {
			t.Fatal(err)
		}
		b, err := g.Bound(v, alpha)
		if err != nil {
			t.Fatal(err)
		}
		at, err1 := g.LogE(b, v)
		below, err2 := g.LogE(b-rapid.Float64Range(0.001, 1).Draw(t, "step")*math.Sqrt(v), v)
		if err := input.First(err1); err != nil || math.Abs(at+math.Log(alpha)) > 1e-6 || err2 == nil && below >= at {
			t.Fatalf("at the bound %g, below it %g (%v, %v), want %g", at, below, err, err2, -math.Log(alpha))
		}
	})
}
