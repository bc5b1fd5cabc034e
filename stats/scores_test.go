// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"fmt"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestScoreGrid(t *testing.T) {
	for v, want := range map[float64]float64{
		0: 0, 0.12345: 0.123, -0.9996: -1, 1: 1, 1.04: 1, 1.06: 1.1, 9.96: 10, 12.3: 12, 994: 990, -99.6: -100,
		123456: 120000, 5e6: MaxScore, math.Inf(-1): -MaxScore,
	} {
		if got := ScoreGrid(v); got != want {
			t.Errorf("ScoreGrid(%v) = %v, want %v", v, got, want)
		}
	}
	if !math.IsNaN(ScoreGrid(math.NaN())) {
		t.Error("a NaN has a place on the grid")
	}
}

// TestScoreGridIsBounded walks over the whole range: the grid rises, puts each
// of its points on itself, and has about 3,000 of them.
func TestScoreGridIsBounded(t *testing.T) {
	points := map[float64]bool{}
	last := math.Inf(-1)
	walk := func(v float64) {
		g := ScoreGrid(v)
		if g < last || ScoreGrid(g) != g {
			t.Fatalf("ScoreGrid(%v) = %v after %v, and of that %v", v, g, last, ScoreGrid(g))
		}
		last, points[g] = g, true
	}
	for v := 2 * MaxScore; v > 1; v /= 1.001 {
		walk(-v)
	}
	for i := -10_000; i <= 10_000; i++ {
		walk(float64(i) / 10_000)
	}
	for v := 1.0; v < 2*MaxScore; v *= 1.001 {
		walk(v)
	}
	if n := len(points); n < 2500 || n > 3200 {
		t.Errorf("%d points", n)
	}
}

func TestScoresMergeInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(label string) Scores {
			var s Scores
			for i, v := range rapid.SliceOfN(rapid.Float64Range(-3, 3), 0, 40).Draw(t, label) {
				s.Add(v, i%3 == 0)
			}
			return s
		}
		a, b, c := draw("a"), draw("b"), draw("c")
		kept := append(Scores(nil), a...)
		one, other := a.Merge(b).Merge(c), c.Merge(b.Merge(a))
		if diff := cmp.Diff(one, other); diff != "" {
			t.Fatal(diff)
		}
		if diff := cmp.Diff(kept, a); len(a) > 0 && diff != "" {
			t.Fatalf("merging changed its part: %s", diff)
		}
		n, p := one.Total()
		na, pa := a.Total()
		nb, pb := b.Total()
		nc, pc := c.Total()
		if n != na+nb+nc || p != pa+pb+pc {
			t.Fatalf("%d and %d are not the sums", n, p)
		}
	})
}

func TestCategories(t *testing.T) {
	counts := map[string]int64{}
	for i := range 300 {
		counts[fmt.Sprintf("class %03d", i)] = int64(i + 1)
	}
	c := CategoriesOf(counts)
	if len(c) != MaxCategories {
		t.Errorf("%d names, want %d", len(c), MaxCategories)
	}
	if got, want := c.Total(), int64(300*301/2); got != want {
		t.Errorf("%d in all, want %d", got, want)
	}
	if got := c.Of("class 007"); got != 8 {
		t.Errorf("class 007 was seen %d times", got)
	}
	if c.Of(OtherCategory) == 0 || c.Of("class 299") != 0 {
		t.Error("what is over the bound is not among the others")
	}
	before := append(Categories(nil), c...)
	merged := c.Merge(Categories{{Name: "class 007", N: 2}, {Name: "new", N: 5}})
	if merged.Of("class 007") != 10 || merged.Total() != c.Total()+7 || len(merged) != MaxCategories {
		t.Errorf("merged: %d of class 007, %d in all, %d names", merged.Of("class 007"), merged.Total(), len(merged))
	}
	if diff := cmp.Diff(before, c); diff != "" {
		t.Errorf("merging changed its part: %s", diff)
	}
}
