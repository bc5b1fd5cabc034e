// SPDX-License-Identifier: Apache-2.0

package quantile

import (
	"fmt"
	"math"

	"github.com/headgate-dev/headgate/stats"
	"github.com/headgate-dev/headgate/stats/internal/input"
)

// Reading is a quantile with an interval, in the unit of the values.
type Reading struct {
	// Value is the sample's quantile.
	Value float64 `json:"value"`
	// Interval contains the true quantile with the confidence asked for, at one
	// look fixed in advance. It contains the error of the source too, so it is
	// wider from buckets than from a sketch than from values.
	Interval stats.Interval `json:"interval"`
	// Ranks are those that the interval was read at.
	Ranks Ranks `json:"ranks"`
	// N is the number of values.
	N int64 `json:"n"`
	// Resolution is how far Value may lie from the sample's quantile because of
	// the source. Two versions read from the same kind of source err alike, but
	// not by the same amount: add the sum to a margin.
	Resolution float64 `json:"resolution"`
	// Confidence is what was asked for, such as 0.95.
	Confidence float64 `json:"confidence"`
}

// Estimate is the quantile with the standard error that its interval amounts
// to (see Estimated).
func (r Reading) Estimate() (stats.Estimate, error) {
	return Estimated(r.Value, r.Interval, -stats.NormalQuantile((1-r.Confidence)/2))
}

// Estimated makes an estimate of a quantile and its order-statistic interval
// that is z standard errors wide on each side, 1.96 at 95 %:
//
//	SE = (High - Low)/(2z)
//
// (Deng, Knoblich and Lu 2018, section 4.2). It spares estimating the density
// at the quantile. Two of independent versions are compared by
// stats.Difference. It is approximate: use intervals at 95 % and some thousand
// values, and for rare tails the exceedance instead. Values that are all alike
// have a standard error of 0, which says nothing about the truth.
func Estimated(value float64, i stats.Interval, z float64) (stats.Estimate, error) {
	const fn = "quantile.Estimated"
	if err := input.Finite(fn, "value", value); err != nil {
		return stats.Estimate{}, err
	}
	if err := input.Positive(fn, "z", z); err != nil {
		return stats.Estimate{}, err
	}
	width := i.High - i.Low
	if err := input.NonNegative(fn, "width of the interval", width); err != nil {
		return stats.Estimate{}, err
	}
	se := width / z / 2
	return stats.Estimate{Value: value, SE: se}, input.Finite(fn, "standard error", se)
}

// ranked checks the arguments of a reading and that both ranks exist.
func ranked(fn string, n int64, q, conf, inflation float64) (Reading, error) {
	ranks, err := RanksFor(n, q, conf, inflation)
	if err != nil {
		return Reading{}, fmt.Errorf("stats: quantile.%s: %w", fn, err)
	}
	if ranks.Low < 1 || ranks.High > n {
		return Reading{}, input.NoData(fn, fmt.Sprintf("%d values bound the quantile %g on one side only", n, q))
	}
	return Reading{Ranks: ranks, N: n, Confidence: conf}, nil
}

// enclose sets the interval. It holds the value also at a confidence so low that
// the ranks miss it.
func (r *Reading) enclose(low, high float64) {
	r.Interval = stats.Interval{Low: min(low, r.Value), High: max(high, r.Value)}
}

// sampleRank is the rank of the sample's quantile, that of Sketch.Quantile.
func sampleRank(n int64, q float64) int64 { return 1 + int64(q*float64(n-1)) }

// FromSorted reads quantile q of values in ascending order, with confidence
// conf, such as 0.95. inflation is that of RanksFor. Too few values to bound
// the quantile on both sides are stats.ErrNoData.
func FromSorted(values []float64, q, conf, inflation float64) (Reading, error) {
	const fn = "quantile.FromSorted"
	for i, v := range values {
		if err := input.Finite(fn, "value", v); err != nil {
			return Reading{}, err
		}
		if i > 0 && v < values[i-1] {
			return Reading{}, input.Refuse(fn, "value", v, "values in ascending order")
		}
	}
	r, err := ranked(fn, int64(len(values)), q, conf, inflation)
	if err != nil {
		return Reading{}, err
	}
	r.Value = values[sampleRank(r.N, q)-1]
	r.enclose(values[r.Ranks.Low-1], values[r.Ranks.High-1])
	return r, nil
}

// What a stats.Sketch promises: values to 1 %, from 1e-6 to 1e4.
const (
	sketchError = 0.01
	sketchMin   = 1e-6
	sketchMax   = 1e4
)

// FromSketch reads quantile q of a sketch, with confidence conf. The interval
// is wider by the sketch's error of 1 % on both sides, and reaches down to 0
// where the sketch holds its smallest value, which smaller ones count as. Too
// few values are stats.ErrNoData; a rank among the largest values that a
// sketch tells apart, 10,000, is ErrBeyond.
func FromSketch(s stats.Sketch, q, conf, inflation float64) (Reading, error) {
	const fn = "quantile.FromSketch"
	r, err := ranked(fn, s.Count(), q, conf, inflation)
	if err != nil {
		return Reading{}, err
	}
	var at [3]float64
	for i, rank := range []int64{r.Ranks.Low, sampleRank(r.N, q), r.Ranks.High} {
		// Half a rank up, so that rounding cannot lead to the rank before.
		level := (float64(rank) - 0.5) / float64(max(1, r.N-1))
		if at[i], err = s.Quantile(min(1, level)); err != nil {
			return Reading{}, fmt.Errorf("stats: quantile.%s: %w", fn, err)
		}
	}
	if at[2]/(1-sketchError) > sketchMax {
		return Reading{}, beyond(fn, "the interval reaches the largest value of a sketch")
	}
	r.Value = at[1]
	r.Resolution = at[1] * sketchError / (1 - sketchError)
	low := at[0] / (1 + sketchError)
	if at[0] <= sketchMin {
		low = 0
	}
	r.enclose(low, at[2]/(1-sketchError))
	return r, nil
}

// ClusterFactor is the factor by which the variance of a quantile grows because
// values come in clusters, such as the requests of a user. per counts, cluster
// by cluster, as numerator the values that are at most the sample's quantile q
// and as denominator all values. With R = sum Y/sum X
//
//	factor = Var(R)/(q(1-q)/values),
//
// Var(R) by the delta method over clusters (Deng, Knoblich and Lu 2018, section
// 4.3): the clustered variance is in the numerator. Fewer than two clusters,
// or no values, are stats.ErrNoData; with fewer than about 40 it is itself too
// small.
func ClusterFactor(per stats.Pair, q float64) (float64, error) {
	const fn = "quantile.ClusterFactor"
	if err := input.Fraction(fn, "q", q); err != nil {
		return 0, err
	}
	r, err := per.Ratio()
	if err != nil {
		return 0, fmt.Errorf("stats: quantile.%s: %w", fn, err)
	}
	values := per.MeanX * float64(per.N)
	if err := input.Positive(fn, "number of values", values); err != nil {
		return 0, err
	}
	if r.Value < 0 || r.Value > 1 {
		return 0, input.Refuse(fn, "share at most the quantile", r.Value, "from 0 to 1")
	}
	iid := math.Sqrt(q * (1 - q) / values)
	factor := (r.SE / iid) * (r.SE / iid)
	return factor, input.Finite(fn, "factor", factor)
}
