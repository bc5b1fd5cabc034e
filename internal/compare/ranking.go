// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"cmp"
	"math"
	"slices"
	"strconv"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/prediction"
)

// The bounds of rankings, whatever K says.
const (
	// maxPlaces is how many places are compared.
	maxPlaces = 1_000
	// maxListed is how many items an expression may list to fill them, among
	// which some may come again.
	maxListed = 10 * maxPlaces
)

// ranking is distinct items, best first.
type ranking struct {
	items []string
	// level is each item's place among those that differ: items that tie are on
	// one level.
	level []int
}

// rankings are the first K places of each ranking.
func (m *metric) rankings(p *pair, s *side) items[ranking] {
	listed := func(list []string) (ranking, bool) { return rank(list, m.places()) }
	if m.value == nil {
		return predicted(p, s, func(r *prediction.Row) (ranking, bool) {
			if r.Ranking == nil && len(r.Scores) > 1 {
				return rankScores(r, m.places()), true
			}
			return listed(r.Ranking)
		})
	}
	return gathered(m.given(p, s), func(v any) (ranking, bool) {
		list, _ := v.([]any)
		names := make([]string, min(len(list), maxListed))
		for i := range names {
			var ok bool
			if names[i], ok = prediction.Scalar(list[i]); !ok {
				return ranking{}, false
			}
		}
		return listed(names)
	})
}

// places is how many places count.
func (m *metric) places() int {
	if m.K == 0 {
		return maxPlaces
	}
	return min(m.K, maxPlaces)
}

// rank makes a ranking of the first k distinct items of a list; false if there
// is none.
func rank(list []string, k int) (ranking, bool) {
	var r ranking
	seen := make(map[string]bool, min(len(list), k))
	for _, item := range list {
		if len(r.items) == k {
			break
		}
		if !seen[item] {
			seen[item] = true
			r.level = append(r.level, len(r.items))
			r.items = append(r.items, item)
		}
	}
	return r, len(r.items) > 0
}

// rankScores ranks classes by their scores. Equal scores tie, and stand in the
// order of the answer.
func rankScores(r *prediction.Row, k int) ranking {
	order := make([]int, len(r.Scores))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(r.Scores[j], r.Scores[i]) })
	order = order[:min(k, len(order))]
	out := ranking{items: make([]string, len(order)), level: make([]int, len(order))}
	for place, i := range order {
		out.items[place] = strconv.Itoa(i)
		if r.Names != nil {
			out.items[place] = r.Names[i]
		}
		if place > 0 {
			out.level[place] = out.level[place-1]
			if r.Scores[i] < r.Scores[order[place-1]] {
				out.level[place] = place
			}
		}
	}
	return out
}

func (m *metric) rankingsAgree(x, y ranking) (float64, bool) {
	switch m.By {
	case experiment.RBO:
		return rbo(x.items, y.items), true
	case experiment.Tau:
		tau, ok := tauB(common(x, y))
		return (1 + tau) / 2, ok
	default:
		return overlap(x.items, y.items), true
	}
}

// overlap is the share of places that both rankings fill with the same items, in
// any order: |x ∩ y| / max(|x|, |y|), which is overlap at k where both have k
// places.
func overlap(x, y []string) float64 {
	in := make(map[string]bool, len(x))
	for _, item := range x {
		in[item] = true
	}
	both := 0
	for _, item := range y {
		if in[item] {
			both++
		}
	}
	return float64(both) / float64(max(len(x), len(y)))
}

// patience is the p of rank-biased overlap: how likely a reader goes on from one
// place to the next.
const patience = 0.9

// rbo is the extrapolated rank-biased overlap of two rankings without ties, each
// with at least one place (Webber, Moffat, Zobel, A similarity measure for
// indefinite rankings, ACM TOIS 28(4), 2010, equation 32). With the longer one
// of length l and the shorter of length s, and X(d) items in both down to d:
//
//	(1-p)/p · ( Σ(d=1..l) X(d)/d · p^d  +  Σ(d=s+1..l) X(s)·(d-s)/(s·d) · p^d )
//	  +  ( (X(l)-X(s))/l + X(s)/s ) · p^l
func rbo(x, y []string) float64 {
	long, short := x, y
	if len(long) < len(short) {
		long, short = short, long
	}
	l, s := len(long), len(short)
	inLong, inShort := make(map[string]bool, l), make(map[string]bool, s)
	sum, both, atShort, weight := 0.0, 0, 0, 1.0
	for d := 1; d <= l; d++ {
		weight *= patience
		item := long[d-1]
		inLong[item] = true
		if inShort[item] {
			both++
		}
		if d <= s {
			other := short[d-1]
			inShort[other] = true
			if inLong[other] {
				both++
			}
		}
		sum += float64(both) / float64(d) * weight
		if d == s {
			atShort = both
		}
		if d > s {
			sum += float64(atShort) * float64(d-s) / (float64(s) * float64(d)) * weight
		}
	}
	tail := float64(both-atShort)/float64(l) + float64(atShort)/float64(s)
	return min(1, (1-patience)/patience*sum+tail*weight)
}

// common are the levels, in each of two rankings, of the items that both have.
func common(x, y ranking) (xs, ys []int) {
	at := make(map[string]int, len(y.items))
	for i, item := range y.items {
		at[item] = y.level[i]
	}
	for i, item := range x.items {
		if level, ok := at[item]; ok {
			xs, ys = append(xs, x.level[i]), append(ys, level)
		}
	}
	return xs, ys
}

// tauB is Kendall's tau-b of paired levels (Kendall, Rank Correlation Methods,
// 1948): (C - D) / √((n₀ - n₁)(n₀ - n₂)), of the n₀ pairs of items C in the same
// order, D in the opposite, n₁ and n₂ tied in x and in y. It is false where all
// tie in one of them, or there are fewer than two.
func tauB(x, y []int) (float64, bool) {
	balance, pairs, tiedX, tiedY := 0, 0, 0, 0
	for i := range x {
		for j := range i {
			a, b := cmp.Compare(x[i], x[j]), cmp.Compare(y[i], y[j])
			balance += a * b
			pairs++
			if a == 0 {
				tiedX++
			}
			if b == 0 {
				tiedY++
			}
		}
	}
	if pairs == tiedX || pairs == tiedY {
		return 0, false
	}
	tau := float64(balance) / math.Sqrt(float64(pairs-tiedX)*float64(pairs-tiedY))
	return max(-1, min(1, tau)), true
}
