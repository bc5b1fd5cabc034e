// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/prediction"
)

func TestOverlap(t *testing.T) {
	for _, tc := range []struct {
		x, y string
		want float64
	}{
		{"abcde", "abcde", 1},
		{"abcde", "edcba", 1},
		{"abcde", "abxyz", 0.4},
		{"abcde", "vwxyz", 0},
		{"abcd", "ab", 0.5},
		{"a", "a", 1},
		{"a", "b", 0},
	} {
		if got := overlap(strings.Split(tc.x, ""), strings.Split(tc.y, "")); got != tc.want {
			t.Errorf("%s and %s: %v, want %v", tc.x, tc.y, got, tc.want)
		}
	}
}

// TestRBO holds equation 32 of Webber, Moffat and Zobel (2010) against values
// that others publish and against sums that are written out, with p = 0.9 and so
// (1-p)/p = 1/9.
func TestRBO(t *testing.T) {
	for name, tc := range map[string]struct {
		x, y string
		want float64
	}{
		// Examples of the rankmeasures library: 0.828.
		"the first becomes the fourth": {"abcde", "bcdae", 0.828},
		// An example of the Python package rbo: a longer list that goes on alike
		// is extrapolated to 1.
		"a list and its beginning": {"abcde", "abcdefg", 1},
		// X = 0, 1, 3: (0/1·0.9 + 1/2·0.81 + 3/3·0.729)/9 + 3/3·0.729.
		"reversed": {"abc", "cba", (0.405+0.729)/9 + 0.729},
		// X = 1, 1, 2: (0.9 + 0.405 + 2/3·0.729)/9 + 2/3·0.729.
		"two of three": {"abc", "axb", (0.9+0.405+0.486)/9 + 0.486},
		// l = 4, s = 2, X = 1, 1, 2, 2; X(s) = 1:
		// the first sum is 1·0.9 + 1/2·0.81 + 2/3·0.729 + 2/4·0.6561,
		// the second 1·1/(2·3)·0.729 + 1·2/(2·4)·0.6561,
		// and the tail (1/4 + 1/2)·0.6561.
		"uneven": {"abcd", "ac", (0.9+0.405+0.486+0.32805+0.1215+0.164025)/9 + 0.75*0.6561},
		// l = 3, s = 1, X(1) = 1 and nothing more: all of what is seen agrees.
		"the best alone":    {"a", "abc", 1},
		"nothing in common": {"abc", "xyz", 0},
		"the same":          {"abcdefgh", "abcdefgh", 1},
	} {
		x, y := strings.Split(tc.x, ""), strings.Split(tc.y, "")
		if got, back := rbo(x, y), rbo(y, x); math.Abs(got-tc.want) > 1e-12 || got != back {
			t.Errorf("%s: %.12f, other way around %.12f, want %.12f", name, got, back, tc.want)
		}
	}
}

// TestTauB holds tau-b against values worked by hand: C and D are the pairs in
// the same and in the opposite order.
func TestTauB(t *testing.T) {
	for name, tc := range map[string]struct {
		x, y []int
		want float64
	}{
		"the same":                    {[]int{0, 1, 2, 3}, []int{0, 1, 2, 3}, 1},
		"reversed":                    {[]int{0, 1, 2, 3}, []int{3, 2, 1, 0}, -1},
		"one exchange: C 5, D 1 of 6": {[]int{0, 1, 2, 3}, []int{0, 2, 1, 3}, 4. / 6},
		// Pairs 6, one tied in x: C 5, D 0, (5-0)/√(5·6).
		"a tie in one": {[]int{0, 0, 2, 3}, []int{0, 1, 2, 3}, 5 / math.Sqrt(30)},
		// Pairs 6, of which one is tied in x and another in y: C 4, D 0, 4/√(5·5).
		"a tie in each": {[]int{0, 0, 2, 3}, []int{0, 1, 2, 2}, 4. / 5},
		// Pairs 6, tied in both: C 4, D 1, (4-1)/√(5·5).
		"a tie in both": {[]int{0, 0, 2, 3}, []int{0, 0, 3, 2}, 3. / 5},
		// Ten pairs; x ties one of them, y three (of three items): C 5, D 1,
		// 4/√(9·7).
		"three tie": {[]int{0, 1, 1, 3, 4}, []int{1, 0, 1, 1, 4}, 4 / math.Sqrt(63)},
	} {
		got, ok := tauB(tc.x, tc.y)
		back, _ := tauB(tc.y, tc.x)
		if !ok || math.Abs(got-tc.want) > 1e-12 || got != back {
			t.Errorf("%s: %v, %v, other way around %v, want %v", name, got, ok, back, tc.want)
		}
	}
	for name, levels := range map[string][2][]int{"none": {nil, nil}, "one": {{0}, {0}}, "all tie in one": {{0, 0, 0}, {0, 1, 2}}, "all tie": {{0, 0}, {0, 0}}} {
		if got, ok := tauB(levels[0], levels[1]); ok || got != 0 {
			t.Errorf("%s: %v, %v, want none", name, got, ok)
		}
	}
}

func TestScoresThatTieTie(t *testing.T) {
	row := &prediction.Row{Scores: []float64{0.2, 0.4, 0.2, 0.1, 0.4}, Names: []string{"a", "b", "c", "d", "e"}}
	got := rankScores(row, 4)
	if !slices.Equal(got.items, []string{"b", "e", "a", "c"}) || !slices.Equal(got.level, []int{0, 0, 2, 2}) {
		t.Errorf("got %+v", got)
	}
}

// TestSimilaritiesKeepTheirProperties draws pairs of rankings, of unequal
// lengths and with items in common, and holds every similarity to what all have.
func TestSimilaritiesKeepTheirProperties(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 11))
	draw := func(names int) []string {
		var out []string
		for _, i := range random.Perm(names)[:1+random.IntN(names)] {
			out = append(out, fmt.Sprint("item", i))
		}
		return out
	}
	for _, by := range []experiment.Similarity{experiment.Overlap, experiment.RBO, experiment.Tau} {
		for range 2000 {
			m := metric{PairsMetric: experiment.PairsMetric{By: by, K: 1 + random.IntN(15)}}
			a, b := draw(12), draw(12)
			x, _ := rank(a, m.places())
			y, _ := rank(b, m.places())
			there, ok := m.rankingsAgree(x, y)
			back, also := m.rankingsAgree(y, x)
			if ok != also || ok && math.Abs(there-back) > 1e-12 {
				t.Fatalf("%s: %v and %v are %v, %v one way and %v, %v the other", by, x, y, there, ok, back, also)
			}
			if ok && (there < 0 || there > 1) {
				t.Fatalf("%s of %v and %v is %v", by, x, y, there)
			}
			if same, ok := m.rankingsAgree(x, x); ok && math.Abs(same-1) > 1e-12 || !ok && (by != experiment.Tau || len(x.items) > 1) {
				t.Fatalf("%s of %v with itself is %v, %v", by, x, same, ok)
			}
			rename := func(list []string) (out []string) {
				for _, item := range list {
					out = append(out, "z"+item)
				}
				return out
			}
			u, _ := rank(rename(a), m.places())
			v, _ := rank(rename(b), m.places())
			if renamed, _ := m.rankingsAgree(u, v); ok && renamed != there {
				t.Fatalf("%s depends on names: %v and %v", by, there, renamed)
			}
			slices.Reverse(x.items)
			if turned, _ := m.rankingsAgree(x, y); by == experiment.Overlap && turned != there {
				t.Fatalf("overlap depends on the order: %v and %v", there, turned)
			}
		}
	}
}

// TestReversingTurnsTauAround: of items that both rank, (1+tau)/2 becomes its
// complement when one ranking is reversed.
func TestReversingTurnsTauAround(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 5))
	for range 500 {
		n := 2 + random.IntN(20)
		x, y := random.Perm(n), random.Perm(n)
		tau, _ := tauB(x, y)
		for i := range y {
			y[i] = n - y[i]
		}
		if turned, ok := tauB(x, y); !ok || math.Abs(turned+tau) > 1e-12 {
			t.Fatalf("%v and %v", tau, turned)
		}
	}
}
