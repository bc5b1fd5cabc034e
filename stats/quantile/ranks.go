// SPDX-License-Identifier: Apache-2.0

package quantile

import (
	"math"

	"github.com/headgate-dev/headgate/stats"
	"github.com/headgate-dev/headgate/stats/internal/input"
)

// Ranks are two positions, from 1, in values sorted in ascending order.
type Ranks struct {
	// Low and High are the ranks whose values bound the quantile. Low may be 0
	// and High one more than the number of values: there is no bound on that
	// side.
	Low  int64 `json:"low"`
	High int64 `json:"high"`
	// Coverage is the probability that the true quantile lies between the two
	// values, exact for independent values, and of the normal approximation
	// with an inflation above 1.
	Coverage float64 `json:"coverage"`
}

// RanksFor gives the ranks of the values between which the true quantile q of
// n values lies with probability conf at least. How many of the values are at
// most the quantile is binomial(n, q), whatever their distribution is, so
//
//	Low = B⁻¹((1-conf)/2; n, q),   High = B⁻¹((1+conf)/2; n, q) + 1,
//
// where B⁻¹ is the binomial quantile function. For a discrete distribution
// coverage is more. n is at most 2^40; 0 is stats.ErrNoData.
//
// inflation is the factor by which the variance of "share of values that are at
// most the quantile" exceeds that of independent values (ClusterFactor): 1 for
// independent values. Above 1 the ranks are those of the outer interval of
// Deng, Knoblich and Lu (2018), n q ± z sqrt(inflation n q (1-q)), rounded
// outwards and never narrower than for independent values. Below 1 it counts
// as 1.
func RanksFor(n int64, q, conf, inflation float64) (Ranks, error) {
	const fn = "quantile.RanksFor"
	if err := rankInput(fn, n, q, conf, inflation); err != nil {
		return Ranks{}, err
	}
	tail := (1 - conf) / 2
	low, err := binomialQuantile(tail, n, q)
	if err != nil {
		return Ranks{}, err
	}
	// From the other side, because 1 - tail rounds.
	misses, err := binomialQuantileAbove(tail, n, q)
	if err != nil {
		return Ranks{}, err
	}
	out := Ranks{Low: low, High: misses + 1}
	if inflation <= 1 {
		out.Coverage, err = between(out, n, q)
		return out, err
	}
	sd := math.Sqrt(float64(n) * q * (1 - q) * inflation)
	centre, z := float64(n)*q, -stats.NormalQuantile(tail)
	out.Low = min(out.Low, int64(math.Floor(max(0, centre-z*sd))))
	out.High = max(out.High, int64(math.Ceil(min(float64(n), centre+z*sd)))+1)
	// Count + 1/2, as usual where a normal distribution stands for whole numbers.
	out.Coverage = stats.NormalCDF((float64(out.High)-0.5-centre)/sd) - stats.NormalCDF((float64(out.Low)-0.5-centre)/sd)
	return out, nil
}

// edge is how near to 0 and 1 levels may be.
const edge = 1e-9

func rankInput(fn string, n int64, q, conf, inflation float64) error {
	if n < 0 || n > 1<<40 {
		return input.Refuse(fn, "n", float64(n), "from 0 to 2^40")
	}
	if !(q >= edge && q <= 1-edge) {
		return input.Refuse(fn, "q", q, "from 1e-9 to 1-1e-9")
	}
	if !(conf > 0 && conf <= 1-edge) {
		return input.Refuse(fn, "conf", conf, "above 0 and at most 1-1e-9")
	}
	if !(inflation > 0 && inflation <= 1/edge) {
		return input.Refuse(fn, "inflation", inflation, "above 0 and at most 1e9")
	}
	if n == 0 {
		return input.NoData(fn, "no values")
	}
	return nil
}

// between is P(Low <= X < High) for X binomial(n, q).
func between(r Ranks, n int64, q float64) (float64, error) {
	below, err := atLeast(n-r.Low+1, n, 1-q) // X < Low
	if err != nil {
		return 0, err
	}
	above, err := atLeast(r.High, n, q)
	return max(0, 1-below-above), err
}

// atLeast is P(X >= x) for X binomial(n, p).
func atLeast(x, n int64, p float64) (float64, error) {
	switch {
	case x <= 0:
		return 1, nil
	case x > n:
		return 0, nil
	}
	return stats.BinomialTestGreater(x, n, p)
}

// binomialQuantile is the smallest x with P(X <= x) >= tail.
func binomialQuantile(tail float64, n int64, q float64) (int64, error) {
	// P(X <= x) in terms of the n-X misses, so that it keeps its digits.
	return firstRank(n, startRank(stats.NormalQuantile(tail), n, q), func(x int64) (bool, error) {
		p, err := atLeast(n-x, n, 1-q)
		return p >= tail, err
	})
}

// binomialQuantileAbove is the smallest x with P(X > x) <= tail, which is the
// quantile at 1-tail.
func binomialQuantileAbove(tail float64, n int64, q float64) (int64, error) {
	return firstRank(n, startRank(-stats.NormalQuantile(tail), n, q), func(x int64) (bool, error) {
		p, err := atLeast(x+1, n, q)
		return p <= tail, err
	})
}

// startRank is about z standard deviations from the mean (Cornish and Fisher's
// first correction for skewness).
func startRank(z float64, n int64, q float64) int64 {
	sd := math.Sqrt(float64(n) * q * (1 - q))
	x := float64(n)*q + z*sd + (1-2*q)*(z*z-1)/6
	return int64(min(max(x, 0), float64(n)))
}

// firstRank is the smallest x from 0 to n for which reached is true, searching
// from start in steps that double, then halve. reached is false up to some x
// and true from there on, and true at n.
func firstRank(n, start int64, reached func(int64) (bool, error)) (int64, error) {
	low, high := int64(-1), n // reached is false at low and true at high
	for step, x := int64(1), start; low < x && x < high; step *= 2 {
		ok, err := reached(x)
		if err != nil {
			return 0, err
		}
		if ok {
			high, x = x, x-step
		} else {
			low, x = x, x+step
		}
	}
	for high-low > 1 {
		x := low + (high-low)/2
		ok, err := reached(x)
		if err != nil {
			return 0, err
		}
		if ok {
			high = x
		} else {
			low = x
		}
	}
	return high, nil
}
