// SPDX-License-Identifier: Apache-2.0

package bandit

import (
	"math"
	"slices"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// bounds are what each version must and may have, in slots, so that at least
// one vector fits between them. The package comment gives the order in which
// limits yield.
func bounds(b *experiment.Bandit, u *Update) (low, high []float64) {
	n := len(u.Previous)
	high = make([]float64, n)
	// What must be: with the cap alone, with the steps, with the minima.
	tiers := [3][]float64{make([]float64, n), make([]float64, n), make([]float64, n)}
	for v, previous := range u.Previous {
		if u.removed(v) {
			continue
		}
		least, most := experiment.Share(0), experiment.Share(experiment.Whole)
		if u.blocked(v) {
			most = previous
		}
		if b.Step > 0 {
			least, most = max(0, previous-b.Step), min(most, previous+b.Step)
		}
		tiers[1][v] = float64(least)
		if len(b.Max) > 0 {
			most = max(least, min(most, b.Max[v]))
		}
		if len(b.Min) > 0 {
			least = max(least, min(most, b.Min[v]))
		}
		tiers[2][v], high[v] = float64(least), float64(most)
	}
	rest := float64(experiment.Whole - u.Cap)
	for _, t := range tiers {
		t[0] = max(t[0], rest)
	}
	low = highestFit(tiers)
	// What nobody may have, the baseline must.
	others := 0.0
	for _, h := range high[1:] {
		others += h
	}
	high[0] = max(high[0], low[0], experiment.Whole-others)
	return low, high
}

// highestFit is the highest of the rising tiers of lower bounds that leaves no
// more than the whole to hand out, and beyond it as much of the next as fits,
// in whole slots. The first one always fits.
func highestFit(tiers [3][]float64) []float64 {
	last := tiers[0]
	for _, t := range tiers[1:] {
		sum, before := total(t), total(last)
		if sum <= experiment.Whole {
			last = t
			continue
		}
		part := (experiment.Whole - before) / (sum - before)
		for i, l := range last {
			t[i] = l + math.Floor(part*(t[i]-l)+1e-9)
		}
		return t
	}
	return last
}

func total(x []float64) (sum float64) {
	for _, v := range x {
		sum += v
	}
	return sum
}

// Fit divides whole in proportion to the weights w as far as the bounds let
// it: out_i = clip(lambda w_i, low_i, high_i), with the one lambda for which
// they add up. Versions of weight 0 have their lower bounds, and share what is
// left in equal parts, within their upper ones, when all others have theirs.
//
// The bounds must satisfy 0 <= low_i <= high_i and sum(low) <= whole <=
// sum(high), and weights must not be negative.
func Fit(whole float64, w, low, high []float64) []float64 {
	most := 0.0 // when all versions with weight have their most
	for i := range w {
		if w[i] > 0 {
			most += high[i]
		} else {
			most += low[i]
		}
	}
	if most >= whole {
		return fill(whole, w, low, high)
	}
	low, even := slices.Clone(low), make([]float64, len(w))
	for i := range w {
		if w[i] > 0 {
			low[i] = high[i]
		} else {
			even[i] = 1
		}
	}
	return fill(whole, even, low, high)
}

// fill finds lambda exactly: the sum is linear between the places at which a
// version leaves its lower bound or reaches its upper one.
func fill(whole float64, w, low, high []float64) []float64 {
	out := make([]float64, len(w))
	at := func(lambda float64) (sum float64) {
		for i := range w {
			out[i] = min(max(lambda*w[i], low[i]), high[i])
			sum += out[i]
		}
		return sum
	}
	turns := make([]float64, 0, 2*len(w))
	for i := range w {
		if w[i] > 0 {
			turns = append(turns, low[i]/w[i], high[i]/w[i])
		}
	}
	slices.Sort(turns)
	from, have := 0.0, at(0)
	for _, to := range turns {
		if to == from {
			continue
		}
		sum := at(to)
		if sum >= whole {
			if sum > have {
				at(from + (to-from)*((whole-have)/(sum-have)))
			}
			break
		}
		from, have = to, sum
	}
	return out
}

// slots rounds shares to whole slots that sum to the whole, by largest
// remainders, and in a tie for the version listed first. Bounds that are whole
// numbers stay kept.
func slots(shares, high []float64) experiment.Shares {
	out := make(experiment.Shares, len(shares))
	order := make([]int, len(shares))
	remainder := make([]float64, len(shares))
	left := experiment.Share(experiment.Whole)
	for i, s := range shares {
		whole := math.Floor(s)
		out[i], order[i] = experiment.Share(whole), i
		// Digits past the fourth are what settle rounds, and must not break a tie.
		remainder[i] = math.Round((s-whole)*1e4) / 1e4
		left -= out[i]
	}
	slices.SortStableFunc(order, func(i, j int) int {
		switch {
		case remainder[i] > remainder[j]:
			return -1
		case remainder[i] < remainder[j]:
			return 1
		}
		return 0
	})
	for left > 0 {
		given := false
		for _, i := range order {
			if left > 0 && float64(out[i]) < high[i] {
				out[i]++
				left--
				given = true
			}
		}
		if !given {
			break
		}
	}
	return out
}
