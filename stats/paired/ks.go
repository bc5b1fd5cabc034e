// SPDX-License-Identifier: Apache-2.0

package paired

import (
	"math"
	"slices"

	"github.com/headgate-dev/headgate/stats/internal/input"
)

// maxExactCells bounds the lattice of the exact Kolmogorov-Smirnov test, which
// takes some nanoseconds per cell.
const maxExactCells = 1 << 22

// KS is the two-sample Kolmogorov-Smirnov statistic, from which the p-values
// of "both samples come from one distribution" follow.
type KS struct {
	// N and M are the sizes of the samples.
	N, M int
	// D is the largest distance between their empirical distributions.
	D float64

	gap  int64 // D N M, which is whole
	ends []int // positions in the merged sample after which the value changes
}

// KolmogorovSmirnov compares two samples of at least one value each; an empty
// one is ErrNoData.
func KolmogorovSmirnov(x, y []float64) (KS, error) {
	const fn = "paired.KolmogorovSmirnov"
	if err := input.First(finite(fn, "value", x...), finite(fn, "value", y...)); err != nil {
		return KS{}, err
	}
	if len(x) == 0 || len(y) == 0 {
		return KS{}, input.NoData(fn, "a sample is empty")
	}
	x, y = slices.Sorted(slices.Values(x)), slices.Sorted(slices.Values(y))
	k := KS{N: len(x), M: len(y)}
	i, j := 0, 0
	for i < len(x) || j < len(y) {
		v := math.Inf(1)
		if i < len(x) {
			v = x[i]
		}
		if j < len(y) {
			v = min(v, y[j])
		}
		for i < len(x) && x[i] == v {
			i++
		}
		for j < len(y) && y[j] == v {
			j++
		}
		k.ends = append(k.ends, i+j)
		k.gap = max(k.gap, k.distance(i, j))
	}
	k.D = float64(k.gap) / (float64(k.N) * float64(k.M))
	return k, nil
}

// distance is |i/N - j/M| N M.
func (k KS) distance(i, j int) int64 {
	d := int64(i)*int64(k.M) - int64(j)*int64(k.N)
	return max(d, -d)
}

// check refuses a statistic that KolmogorovSmirnov did not make.
func (k KS) check(fn string) error {
	if k.N <= 0 || k.M <= 0 || len(k.ends) == 0 || k.ends[len(k.ends)-1] != k.N+k.M {
		return input.Refuse(fn, "statistic", k.D, "one made by KolmogorovSmirnov")
	}
	return nil
}

// Exact is the exact p-value, given the ties: of all orders in which the two
// samples could have been mixed, the share in which the distance reaches D
// (Hodges 1958). It keeps its digits however small it is. Samples whose sizes
// multiply to more than 2^22 are refused; Asymptotic is as good there.
func (k KS) Exact() (float64, error) {
	const fn = "paired.KS.Exact"
	if err := k.check(fn); err != nil {
		return 0, err
	}
	if cells := int64(k.N) * int64(k.M); cells > maxExactCells {
		return 0, input.Refuse(fn, "product of sizes", float64(cells), "at most 2^22")
	}
	visible := make([]bool, k.N+k.M+1) // Only where the value changes is there a distance.
	for _, e := range k.ends {
		visible[e] = true
	}
	// p[j] is the share of orders of the first i of x and j of y in which the
	// distance has been reached; adding shares never cancels.
	p := make([]float64, k.M+1)
	for i := range k.N + 1 {
		for j := range k.M + 1 {
			if visible[i+j] && k.distance(i, j) >= k.gap {
				p[j] = 1
				continue
			}
			n := float64(i + j)
			switch {
			case n == 0:
				p[j] = 0
			case j == 0: // p[0] stays: the only order.
			case i == 0:
				p[j] = p[j-1]
			default:
				p[j] = p[j]*(float64(i)/n) + p[j-1]*(float64(j)/n)
			}
		}
	}
	return min(1, p[k.M]), nil
}

// Asymptotic is the p-value Q(D sqrt(N M/(N+M))) for large samples of
// continuous values; with ties or small samples it is conservative.
func (k KS) Asymptotic() (float64, error) {
	if err := k.check("paired.KS.Asymptotic"); err != nil {
		return 0, err
	}
	n, m := float64(k.N), float64(k.M)
	return KolmogorovQ(k.D * math.Sqrt(n/(n+m)*m)), nil
}

// KolmogorovQ is P(K > lambda) for Kolmogorov's limiting distribution,
//
//	2 sum_{j>=1} (-1)^(j-1) exp(-2 j^2 lambda^2),
//
// and for small lambda 1 minus the theta series that equals it. It is 1 at 0
// and below. NaN gives NaN, as in package math.
func KolmogorovQ(lambda float64) float64 {
	switch {
	case math.IsNaN(lambda):
		return lambda
	case lambda < 0.04: // 1 to all digits.
		return 1
	case lambda < 1.1:
		sum := 0.0
		for j := 1.0; j < 20; j += 2 {
			sum += math.Exp(-j * j * math.Pi * math.Pi / (8 * lambda * lambda))
		}
		return 1 - math.Sqrt(2*math.Pi)/lambda*sum
	}
	sum, sign := 0.0, 2.0
	for j := 1.0; j < 8; j++ {
		sum += sign * math.Exp(-2*j*j*lambda*lambda)
		sign = -sign
	}
	return sum
}
