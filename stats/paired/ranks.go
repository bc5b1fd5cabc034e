// SPDX-License-Identifier: Apache-2.0

package paired

import (
	"math"
	"slices"

	"github.com/headgate-dev/headgate/stats"
	"github.com/headgate-dev/headgate/stats/internal/input"
)

// MaxExactPairs is how many differing pairs the exact signed-rank
// distribution is computed for.
const MaxExactPairs = 100

// Wilcoxon is the signed-rank statistic of paired differences, from which the
// p-values of "the differences are symmetric around zero" follow. Zero
// differences are dropped; equal sizes share their mean rank.
type Wilcoxon struct {
	// N is the number of differences that are not zero.
	N int
	// V is the sum of the ranks of the positive ones; N(N+1)/4 is expected.
	V float64

	doubled []int   // twice the ranks, which are whole
	ties    float64 // sum of t^3 - t over groups of t equal sizes
}

// SignedRanks ranks differences by size. Without any that differs from zero it
// is ErrNoData.
func SignedRanks(differences []float64) (Wilcoxon, error) {
	const fn = "paired.SignedRanks"
	if err := finite(fn, "difference", differences...); err != nil {
		return Wilcoxon{}, err
	}
	d := slices.DeleteFunc(slices.Clone(differences), func(x float64) bool { return x == 0 })
	if len(d) == 0 {
		return Wilcoxon{}, input.NoData(fn, "no pair differs")
	}
	slices.SortFunc(d, func(a, b float64) int {
		switch a, b := math.Abs(a), math.Abs(b); {
		case a < b:
			return -1
		case a > b:
			return 1
		}
		return 0
	})
	w := Wilcoxon{N: len(d), doubled: make([]int, len(d))}
	for i := 0; i < len(d); {
		j := i + 1
		for j < len(d) && math.Abs(d[j]) == math.Abs(d[i]) {
			j++
		}
		for k := i; k < j; k++ {
			w.doubled[k] = i + 1 + j // Twice the mean of the ranks i+1..j.
			if d[k] > 0 {
				w.V += float64(i+1+j) / 2
			}
		}
		t := float64(j - i)
		w.ties += t*t*t - t
		i = j
	}
	return w, nil
}

// check refuses a statistic that SignedRanks did not make.
func (w Wilcoxon) check(fn string) error {
	if w.N == 0 || len(w.doubled) != w.N {
		return input.Refuse(fn, "statistic", float64(w.N), "one made by SignedRanks")
	}
	return nil
}

// Exact are the exact p-values of "the differences are symmetric around zero":
// against larger differences, and two-sided. Given the ranks, every sign is a
// toss of a fair coin, ties or not. More than MaxExactPairs differences are
// refused; Normal is as good there.
func (w Wilcoxon) Exact() (greater, twoSided float64, err error) {
	const fn = "paired.Wilcoxon.Exact"
	if err := w.check(fn); err != nil {
		return 0, 0, err
	}
	if w.N > MaxExactPairs {
		return 0, 0, input.Refuse(fn, "differences", float64(w.N), "at most 100")
	}
	total := 0
	for _, r := range w.doubled {
		total += r
	}
	// p[s] is the probability that the positive ranks, doubled, add up to s.
	p := make([]float64, total+1)
	p[0] = 1
	reached := 0
	for _, r := range w.doubled {
		for s := reached + r; s >= 0; s-- {
			q := p[s] / 2
			if s >= r {
				q += p[s-r] / 2
			}
			p[s] = q
		}
		reached += r
	}
	v := int(math.Round(2 * w.V))
	atMost := 0.0
	for s := 0; s <= v; s++ {
		atMost += p[s]
	}
	for s := total; s >= v; s-- {
		greater += p[s]
	}
	return min(1, greater), min(1, 2*min(atMost, greater)), nil
}

// Normal is the two-sided p-value by the normal approximation, with the
// variance n(n+1)(2n+1)/24 - sum(t^3-t)/48 for ties, and if correct moved by
// half a rank towards zero for continuity. It is good from about 20
// differences on.
func (w Wilcoxon) Normal(correct bool) (float64, error) {
	if err := w.check("paired.Wilcoxon.Normal"); err != nil {
		return 0, err
	}
	n := float64(w.N)
	z := math.Abs(w.V - n*(n+1)/4)
	if correct {
		z = max(0, z-0.5)
	}
	// It is positive: even if all sizes are equal, n(n+1)^2/16 is left.
	return 2 * stats.NormalSF(z/math.Sqrt(n*(n+1)*(2*n+1)/24-w.ties/48)), nil
}

// HodgesLehmann estimates the centre of symmetric differences: the median of
// the means of all pairs of them, each with itself included (Hodges and
// Lehmann 1963). Outliers hardly move it. It needs neither n^2 memory nor time:
// the median is found by bisection, counting in sorted order.
func HodgesLehmann(differences []float64) (float64, error) {
	const fn = "paired.HodgesLehmann"
	if len(differences) == 0 {
		return 0, input.NoData(fn, "no pairs")
	}
	// Halves, so that no sum overflows.
	half := make([]float64, len(differences))
	for i, d := range differences {
		half[i] = d / 2
	}
	if err := finite(fn, "difference", half...); err != nil {
		return 0, err
	}
	slices.Sort(half)
	n := int64(len(half))
	pairs := n * (n + 1) / 2
	low, high := kthMean(half, (pairs+1)/2), 0.0
	if high = low; pairs%2 == 0 {
		high = kthMean(half, pairs/2+1)
	}
	return low/2 + high/2, nil
}

// kthMean is the k-th smallest sum half[i] + half[j], i <= j, by bisection over
// the numbers themselves, which ends at one exactly.
func kthMean(half []float64, k int64) float64 {
	low, high := ordinal(2*half[0]), ordinal(2*half[len(half)-1])
	for low < high {
		mid := low + (high-low)/2
		if sumsUpTo(half, number(mid)) >= k {
			high = mid
		} else {
			low = mid + 1
		}
	}
	return number(low)
}

// sumsUpTo counts sums half[i] + half[j], i <= j, of at most x.
func sumsUpTo(half []float64, x float64) int64 {
	count, j := int64(0), len(half)-1
	for i := range half {
		for j >= i && half[i]+half[j] > x {
			j--
		}
		if j < i {
			break
		}
		count += int64(j - i + 1)
	}
	return count
}

// ordinal numbers floating-point numbers in ascending order, and number is its
// inverse.
func ordinal(x float64) uint64 {
	b := math.Float64bits(x)
	if b>>63 == 1 {
		return ^b
	}
	return b | 1<<63
}

func number(o uint64) float64 {
	if o>>63 == 0 {
		return math.Float64frombits(^o)
	}
	return math.Float64frombits(o &^ (1 << 63))
}
