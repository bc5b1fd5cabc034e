// SPDX-License-Identifier: Apache-2.0

package paired

import (
	"math"

	"github.com/headgate-dev/headgate/stats"
	"github.com/headgate-dev/headgate/stats/internal/input"
)

// tables checks the counts of two samples over the same bins and gives the
// sizes of the samples.
func tables(fn string, first, second []int64) (n, m int64, err error) {
	if err := sameLength(fn, "number of bins", len(second), len(first)); err != nil {
		return 0, 0, err
	}
	for i := range first {
		if c := min(first[i], second[i]); c < 0 {
			return 0, 0, input.Refuse(fn, "count", float64(c), "0 or more")
		}
		n, m = n+first[i], m+second[i]
	}
	if n == 0 || m == 0 {
		return 0, 0, input.NoData(fn, "a sample is empty")
	}
	return n, m, nil
}

// filled counts the bins that hold anything.
func filled(first, second []int64) float64 {
	bins := 0.0
	for i := range first {
		if first[i]+second[i] > 0 {
			bins++
		}
	}
	return bins
}

// spread is the variance of sum p_i h_i, over a sample of n with the shares p:
// what the delta method makes of a distance whose gradient is h.
func spread(n int64, p, h []float64) float64 {
	mean, square := 0.0, 0.0
	for i := range p {
		if p[i] > 0 {
			mean += p[i] * h[i]
			square += p[i] * h[i] * h[i]
		}
	}
	return max(0, square-mean*mean) / float64(n)
}

// ofDistance puts an estimate together. Near zero a distance is a quadratic
// form: per unit of scale it is (1/n + 1/m) times a chi-squared number of
// bins - 1 degrees of freedom, whose mean is taken off and whose variance is
// added to what the gradient tells. Far from zero the gradient is all there is.
// At zero the gradient of two samples is not yet nothing, so that the standard
// error is up to sqrt 3 times too large: there the distance is skewed, and
// intervals that take it for normal need that.
func ofDistance(value, linear, bins, scale float64, n, m int64) stats.Estimate {
	c := scale * (1/float64(n) + 1/float64(m))
	return stats.Estimate{Value: value - (bins-1)*c, SE: math.Sqrt(linear + 2*(bins-1)*c*c)}
}

// PSIEstimate is the PSI of the populations that two independent samples were
// drawn from, by their counts over the same bins: PSICounts less its bias of
// (bins-1)(1/n + 1/m), so that it may lie below 0, with its standard error. Bins
// that both samples leave empty do not count.
//
// The standard error is the delta method's, where d PSI/d a = ln(a/e) + 1 - e/a
// and d PSI/d e = ln(e/a) + 1 - a/e, together with the variance that remains
// where the distributions are equal (Yurdakul and Naranjo 2020). It needs some
// five values per bin; Binned takes the rare ones together.
func PSIEstimate(expected, actual []int64) (stats.Estimate, error) {
	const fn = "paired.PSIEstimate"
	n, m, err := tables(fn, expected, actual)
	if err != nil {
		return stats.Estimate{}, err
	}
	bins := filled(expected, actual)
	var e, a, byE, byA []float64
	psi := 0.0
	for i := range expected {
		if expected[i]+actual[i] == 0 {
			continue
		}
		p := (float64(expected[i]) + 0.5) / (float64(n) + bins/2)
		q := (float64(actual[i]) + 0.5) / (float64(m) + bins/2)
		log := math.Log(q) - math.Log(p)
		psi += (q - p) * log
		e, a = append(e, p), append(a, q)
		byE, byA = append(byE, 1-q/p-log), append(byA, 1-p/q+log)
	}
	return ofDistance(psi, spread(n, e, byE)+spread(m, a, byA), bins, 1, n, m), nil
}

// JensenShannonEstimate is the same for the Jensen-Shannon divergence in bits:
// its gradient is log2(p/((p+q)/2))/2, and near zero it is PSI/(8 ln 2), so that
// its bias and what remains of its variance at zero are those of PSI, so scaled.
func JensenShannonEstimate(first, second []int64) (stats.Estimate, error) {
	const fn = "paired.JensenShannonEstimate"
	n, m, err := tables(fn, first, second)
	if err != nil {
		return stats.Estimate{}, err
	}
	p, q := make([]float64, len(first)), make([]float64, len(first))
	byP, byQ := make([]float64, len(first)), make([]float64, len(first))
	bits := 0.0
	for i := range first {
		p[i], q[i] = float64(first[i])/float64(n), float64(second[i])/float64(m)
		mid := (p[i] + q[i]) / 2
		bits += (entropyTerm(p[i], mid) + entropyTerm(q[i], mid)) / (2 * math.Ln2)
		if p[i] > 0 {
			byP[i] = math.Log2(p[i]/mid) / 2
		}
		if q[i] > 0 {
			byQ[i] = math.Log2(q[i]/mid) / 2
		}
	}
	return ofDistance(bits, spread(n, p, byP)+spread(m, q, byQ), filled(first, second), 1/(8*math.Ln2), n, m), nil
}

// KSCounts is the Kolmogorov-Smirnov distance of two samples by their counts
// over the same rising values: the largest difference of their cumulative
// shares. It is that of KolmogorovSmirnov.
func KSCounts(first, second []int64) (float64, error) {
	n, m, err := tables("paired.KSCounts", first, second)
	if err != nil {
		return 0, err
	}
	d, x, y := 0.0, int64(0), int64(0)
	for i := range first {
		x, y = x+first[i], y+second[i]
		d = max(d, math.Abs(float64(x)/float64(n)-float64(y)/float64(m)))
	}
	return min(1, d), nil
}

// DKWRadius is how far the empirical distribution of n independent values lies
// from the truth at most, with probability 1-alpha (Dvoretzky, Kiefer, Wolfowitz
// 1956, with Massart's constant of 1990): sqrt(ln(2/alpha)/(2n)). It holds at one
// n fixed in advance. At most 1.
func DKWRadius(n int64, alpha float64) (float64, error) {
	const fn = "paired.DKWRadius"
	if err := atLeastOne(fn, n, alpha); err != nil {
		return 0, err
	}
	return min(1, math.Sqrt(math.Log(2/alpha)/(2*float64(n)))), nil
}

func atLeastOne(fn string, n int64, alpha float64) error {
	if n < 1 {
		return input.NoData(fn, "no values")
	}
	return input.Fraction(fn, "alpha", alpha)
}

// watchedGrowth is by how much a sample grows in one interval of WatchedRadius:
// shorter ones lose less at their ends, and share the error among more.
const watchedGrowth = 1.25

// WatchedRadius is DKWRadius for every n at once: with probability 1-alpha the
// empirical distribution is at no n further from the truth than that. At most 1.
//
// The largest distance over all n >= k is bounded like this. The distance D_n is
// a reverse submartingale, so by Doob's inequality P(sup_{n>=k} D_n > e) is at
// most E exp(s D_k^2)/exp(s e^2) for every s > 0. With the tail 2 exp(-2 k e^2)
// of D_k and s = 2k t that is at most 2^t/(1-t) exp(-t x), x = 2 k e^2, which is
// least at t = 1 - 1/(x - ln 2):
//
//	P(sup_{n>=k} D_n > e) <= 2 e (x - ln 2) exp(-x), for x > 1 + ln 2.
//
// Interval j = 0, 1, … of n, from k_j = 1.25^j on, gets alpha/((j+1)(j+2)) of the
// error and the radius of its k_j (stitching, as in Howard and Ramdas 2022).
func WatchedRadius(n int64, alpha float64) (float64, error) {
	const fn = "paired.WatchedRadius"
	if err := atLeastOne(fn, n, alpha); err != nil {
		return 0, err
	}
	j := math.Floor(math.Log(float64(n)) / math.Log(watchedGrowth))
	if math.Pow(watchedGrowth, j) > float64(n) { // Rounding.
		j--
	}
	k := math.Pow(watchedGrowth, j)
	// y = x - ln 2 solves ln y + 1 - y = ln share, y > 1: Newton's steps from the
	// right, where the function falls and is concave, never pass it.
	share := alpha / ((j + 1) * (j + 2))
	y := 2 - 2*math.Log(share)
	for range 60 {
		step := (math.Log(y) + 1 - y - math.Log(share)) / (1/y - 1)
		y -= step
		if math.Abs(step) <= 1e-12*y {
			break
		}
	}
	return min(1, math.Sqrt((y+math.Ln2)/(2*math.Ceil(k)))), nil
}
