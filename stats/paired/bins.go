// SPDX-License-Identifier: Apache-2.0

package paired

import (
	"cmp"
	"slices"

	"github.com/headgate-dev/headgate/stats"
)

// leastInBin is how many values of both samples together a bin holds, where
// there are as many: half of it in each is what the distances' standard errors
// want.
const leastInBin = 10

// CategoryBins are the counts of two samples by name, over the names of both in
// order. Names that both samples together hold fewer than ten of are one bin, the
// last: distances would see noise in each. Taking names together never makes a
// distance larger.
func CategoryBins(a, b stats.Categories) (first, second []int64) {
	var rareA, rareB int64
	count := func(x, y int64) {
		if x+y < leastInBin {
			rareA, rareB = rareA+x, rareB+y
			return
		}
		first, second = append(first, x), append(second, y)
	}
	for len(a) > 0 || len(b) > 0 {
		switch {
		case len(b) == 0 || len(a) > 0 && a[0].Name < b[0].Name:
			count(a[0].N, 0)
			a = a[1:]
		case len(a) == 0 || b[0].Name < a[0].Name:
			count(0, b[0].N)
			b = b[1:]
		default:
			count(a[0].N, b[0].N)
			a, b = a[1:], b[1:]
		}
	}
	if rareA+rareB > 0 {
		first, second = append(first, rareA), append(second, rareB)
	}
	return first, second
}

// ScorePoints are the counts of two samples, whatever their labels, over the
// scores of both in rising order.
func ScorePoints(a, b stats.Scores) (first, second []int64) {
	n := func(c stats.ScoreCount) int64 { return c.Negative + c.Positive }
	for len(a) > 0 || len(b) > 0 {
		order := 0
		switch {
		case len(a) == 0:
			order = 1
		case len(b) == 0:
			order = -1
		default:
			order = cmp.Compare(a[0].Score, b[0].Score)
		}
		var x, y int64
		if order <= 0 {
			x, a = n(a[0]), a[1:]
		}
		if order >= 0 {
			y, b = n(b[0]), b[1:]
		}
		first, second = append(first, x), append(second, y)
	}
	return first, second
}

// ScoreBins are the counts of two samples in at most as many bins as are asked
// for, cut at the quantiles of both samples together; equal scores stay
// together. Bins of the pooled sample treat both alike, and follow no range that
// somebody had to guess.
func ScoreBins(a, b stats.Scores, bins int) (first, second []int64) {
	x, y := ScorePoints(a, b)
	total := int64(0)
	for i := range x {
		total += x[i] + y[i]
	}
	bins = int(min(int64(bins), total/leastInBin))
	seen, cut, open := int64(0), 1, false
	for i := range x {
		if !open {
			first, second, open = append(first, 0), append(second, 0), true
		}
		first[len(first)-1] += x[i]
		second[len(second)-1] += y[i]
		seen += x[i] + y[i]
		for cut < bins && float64(seen) >= float64(cut)*float64(total)/float64(bins) {
			cut, open = cut+1, false
		}
	}
	return slices.Clip(first), slices.Clip(second)
}
