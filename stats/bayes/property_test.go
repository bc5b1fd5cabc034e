// SPDX-License-Identifier: Apache-2.0

package bayes

import (
	"math"
	"slices"
	"testing"

	"github.com/headgate-dev/headgate/stats"
	"github.com/headgate-dev/headgate/stats/internal/input"
	"pgregory.net/rapid"
)

// logUniform draws numbers of any magnitude between 10^low and 10^high.
func logUniform(low, high float64) *rapid.Generator[float64] {
	return rapid.Map(rapid.Float64Range(low, high), func(x float64) float64 { return math.Pow(10, x) })
}

func betaPosterior() *rapid.Generator[Beta] {
	return rapid.Custom(func(t *rapid.T) Beta {
		return Beta{A: logUniform(-3, 9).Draw(t, "a"), B: logUniform(-3, 9).Draw(t, "b")}
	})
}

func normalPosterior() *rapid.Generator[Normal] {
	return rapid.Custom(func(t *rapid.T) Normal {
		return Normal{Mean: rapid.Float64Range(-100, 100).Draw(t, "mean"), SD: logUniform(-6, 4).Draw(t, "sd")}
	})
}

// coherent checks what holds of every ranking.
func coherent(t *rapid.T, r Ranking, means []float64, scale float64) {
	sum := 0.0
	for i, p := range r.Best {
		sum += p
		if !(p >= 0 && p <= 1+1e-9) || !(r.Loss[i] >= 0) {
			t.Fatalf("version %d: P(best) %g, loss %g", i, p, r.Loss[i])
		}
		if math.Abs(r.Loss[i]+means[i]-r.Max) > 1e-9*scale {
			t.Fatalf("version %d: loss %g + mean %g is not the expected maximum %g", i, r.Loss[i], means[i], r.Max)
		}
	}
	if math.Abs(sum-1) > 1e-9 {
		t.Fatalf("probabilities of being best add up to 1 %+g", sum-1)
	}
}

func TestBetaRankingsAreCoherent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		arms := rapid.SliceOfN(betaPosterior(), 1, 6).Draw(t, "arms")
		r, err := RankBetas(arms)
		if err != nil {
			t.Fatal(err)
		}
		means := make([]float64, len(arms))
		for i, b := range arms {
			means[i] = b.Mean()
		}
		coherent(t, r, means, 1)
	})
}

func TestNormalRankingsAreCoherent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		arms := rapid.SliceOfN(normalPosterior(), 1, 6).Draw(t, "arms")
		r, err := RankNormals(arms)
		if err != nil {
			t.Fatal(err)
		}
		means := make([]float64, len(arms))
		scale := 1.0
		for i, n := range arms {
			means[i], scale = n.Mean, max(scale, math.Abs(n.Mean), n.SD)
		}
		coherent(t, r, means, scale)
	})
}

func TestStudentRankingsAreCoherent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 4).Draw(t, "n")
		arms := make([]Student, n)
		means := make([]float64, n)
		scale := 1.0
		for i := range arms {
			arms[i] = Student{
				Location: rapid.Float64Range(-100, 100).Draw(t, "location"), Scale: logUniform(-3, 3).Draw(t, "scale"),
				DF: 2.5 + logUniform(-1, 9).Draw(t, "df"),
			}
			means[i], scale = arms[i].Location, max(scale, math.Abs(arms[i].Location), arms[i].Scale)
		}
		r, err := RankStudents(arms)
		if err != nil {
			t.Fatal(err)
		}
		coherent(t, r, means, scale)
	})
}

func TestOrderOfVersionsDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		arms := rapid.SliceOfN(betaPosterior(), 2, 5).Draw(t, "arms")
		order := make([]int, len(arms))
		for i := range order {
			order[i] = i
		}
		order = rapid.Permutation(order).Draw(t, "order")
		moved := make([]Beta, len(arms))
		for i, j := range order {
			moved[i] = arms[j]
		}
		before, err1 := RankBetas(arms)
		after, err2 := RankBetas(moved)
		if err := input.First(err1, err2); err != nil {
			t.Fatal(err)
		}
		for i, j := range order {
			if math.Abs(after.Best[i]-before.Best[j]) > 1e-9 || math.Abs(after.Loss[i]-before.Loss[j]) > 1e-9 {
				t.Fatalf("version %d: %g and %g, moved %g and %g", j, before.Best[j], before.Loss[j], after.Best[i], after.Loss[i])
			}
		}
	})
}

func TestMirroringTurnsBestIntoWorst(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := betaPosterior().Draw(t, "a"), betaPosterior().Draw(t, "b")
		r, err1 := RankBetas([]Beta{a, b})
		mirrored, err2 := RankBetas([]Beta{{a.B, a.A}, {b.B, b.A}})
		if err := input.First(err1, err2); err != nil {
			t.Fatal(err)
		}
		if math.Abs(r.Best[0]-mirrored.Best[1]) > 1e-9 || math.Abs(r.Loss[0]-mirrored.Loss[1]) > 1e-9 {
			t.Fatalf("%+v mirrored %+v", r, mirrored)
		}
	})
}

func TestHopelessVersionChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		arms := rapid.SliceOfN(normalPosterior(), 1, 4).Draw(t, "arms")
		low := 0.0
		for _, n := range arms {
			low = min(low, n.Mean-60*n.SD)
		}
		r, err1 := RankNormals(arms)
		with, err2 := RankNormals(append(slices.Clone(arms), Normal{Mean: 2*low - 1000, SD: 1}))
		if err := input.First(err1, err2); err != nil {
			t.Fatal(err)
		}
		for i := range arms {
			if math.Abs(r.Best[i]-with.Best[i]) > 1e-9 {
				t.Fatalf("P(best) %g becomes %g", r.Best[i], with.Best[i])
			}
		}
	})
}

func TestUpdatesMayBeSplit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		xs := rapid.SliceOfN(rapid.Float64Range(-50, 50), 2, 30).Draw(t, "xs")
		cut := rapid.IntRange(1, len(xs)-1).Draw(t, "cut")
		var all, first, second stats.Moments
		for i, x := range xs {
			all.Add(x)
			if i < cut {
				first.Add(x)
			} else {
				second.Add(x)
			}
		}
		prior := NormalInverseGamma{M: rapid.Float64Range(-10, 10).Draw(t, "m"), K: logUniform(-2, 2).Draw(t, "k"), A: 1.5, B: 2}
		once, err := prior.Update(all)
		if err != nil {
			t.Fatal(err)
		}
		twice, err := prior.Update(first)
		if err != nil {
			t.Fatal(err)
		}
		if twice, err = twice.Update(second); err != nil {
			t.Fatal(err)
		}
		if math.Abs(once.M-twice.M) > 1e-9 || math.Abs(once.B-twice.B) > 1e-9*(1+once.B) || math.Abs(once.K-twice.K) > 1e-9*once.K || once.A != twice.A {
			t.Fatalf("once %+v, twice %+v", once, twice)
		}
	})
}

func TestNormalUpdatesMayBeSplit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		prior := normalPosterior().Draw(t, "prior")
		a, b := normalPosterior().Draw(t, "a"), normalPosterior().Draw(t, "b")
		ab, err := prior.Update(stats.Estimate{Value: a.Mean, SE: a.SD})
		if err != nil {
			t.Fatal(err)
		}
		if ab, err = ab.Update(stats.Estimate{Value: b.Mean, SE: b.SD}); err != nil {
			t.Fatal(err)
		}
		ba, err := prior.Update(stats.Estimate{Value: b.Mean, SE: b.SD})
		if err != nil {
			t.Fatal(err)
		}
		if ba, err = ba.Update(stats.Estimate{Value: a.Mean, SE: a.SD}); err != nil {
			t.Fatal(err)
		}
		// Next to wide ones the narrowest stays as it is, but for rounding.
		narrowest := min(prior.SD, a.SD, b.SD) * (1 + 1e-14)
		if math.Abs(ab.Mean-ba.Mean) > 1e-9*100 || math.Abs(ab.SD-ba.SD) > 1e-9*ab.SD || ab.SD > narrowest {
			t.Fatalf("%+v and %+v", ab, ba)
		}
	})
}

func TestIntervalsHoldTheirProbability(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := betaPosterior().Draw(t, "beta")
		conf := rapid.Float64Range(0.01, 0.9999).Draw(t, "conf")
		i, err := b.Interval(conf)
		if err != nil {
			t.Fatal(err)
		}
		if !(i.Low >= 0 && i.Low <= i.High && i.High <= 1) {
			t.Fatalf("%+v", i)
		}
		low, err1 := b.Above(i.Low)
		high, err2 := b.Above(i.High)
		if err := input.First(err1, err2); err != nil {
			t.Fatal(err)
		}
		// Ends near 1 have no digits to say how near, so that neither has what
		// lies above them; ends near 0 may be too small for a number.
		if i.Low > 1e-300 && i.High < 1-1e-6 && (math.Abs(low-high-conf) > 1e-8 || math.Abs(low+high-1) > 1e-8) {
			t.Fatalf("%+v: %g above low, %g above high, want %g between", i, low, high, conf)
		}
	})
}

func TestDifferencesAreMirrored(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		weight := logUniform(-1, 7)
		a := Beta{weight.Draw(t, "a hits"), weight.Draw(t, "a misses")}
		b := Beta{weight.Draw(t, "b hits"), weight.Draw(t, "b misses")}
		up, err1 := DifferenceInterval(b, a, 0.9)
		down, err2 := DifferenceInterval(a, b, 0.9)
		if err := input.First(err1, err2); err != nil {
			t.Fatal(err)
		}
		if math.Abs(up.Low+down.High) > 1e-8 || math.Abs(up.High+down.Low) > 1e-8 || up.Low > up.High {
			t.Fatalf("%+v and %+v", up, down)
		}
	})
}
