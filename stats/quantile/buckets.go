// SPDX-License-Identifier: Apache-2.0

package quantile

import (
	"fmt"
	"math"
	"slices"
	"sort"

	"github.com/headgate-dev/headgate/stats"
	"github.com/headgate-dev/headgate/stats/internal/input"
)

// Histogram is what a Prometheus histogram of values that are not negative has
// counted in an interval of time: cumulative counts by upper bound. Make it of
// increases, not of the counters themselves.
type Histogram struct {
	// Upper are the bounds "le" of all buckets but the last, in ascending
	// order: a value equal to a bound lies below it.
	Upper []float64
	// Cumulative are the values at or below each bound and, last, all values:
	// the bucket le="+Inf". It has one element more than Upper.
	Cumulative []int64
}

// maxBound keeps the widths of buckets finite.
const maxBound = 1e300

// check refuses histograms that nothing can be read from. An empty one is no
// error here.
func (h Histogram) check(fn string) error {
	if len(h.Upper) == 0 {
		return input.Refuse(fn, "number of bounds", 0, "1 or more")
	}
	if len(h.Cumulative) != len(h.Upper)+1 {
		return input.Refuse(fn, "number of counts", float64(len(h.Cumulative)), "one for each bound and one for all")
	}
	for i, u := range h.Upper {
		if !(math.Abs(u) <= maxBound) {
			return input.Refuse(fn, "bound", u, "a finite number up to 1e300; the last bucket, +Inf, has none")
		}
		if i > 0 && u <= h.Upper[i-1] {
			return input.Refuse(fn, "bound", u, "bounds that ascend")
		}
	}
	before := int64(0)
	for _, c := range h.Cumulative {
		if c < before {
			return input.Refuse(fn, "cumulative count", float64(c), "0 or more and never falling")
		}
		before = c
	}
	return nil
}

// N is the number of values; 0 for a histogram without counts.
func (h Histogram) N() int64 {
	if len(h.Cumulative) == 0 {
		return 0
	}
	return h.Cumulative[len(h.Cumulative)-1]
}

// Merge adds the counts of a histogram with the same bounds.
func (h Histogram) Merge(o Histogram) (Histogram, error) {
	const fn = "quantile.Histogram.Merge"
	if err := h.agree(fn, o); err != nil {
		return Histogram{}, err
	}
	out := Histogram{Upper: h.Upper, Cumulative: slices.Clone(h.Cumulative)}
	for i, c := range o.Cumulative {
		if out.Cumulative[i] += c; out.Cumulative[i] < c {
			return Histogram{}, input.Refuse(fn, "cumulative count", float64(c), "a sum below 2^63")
		}
	}
	return out, nil
}

// agree refuses two histograms that cannot be compared.
func (h Histogram) agree(fn string, o Histogram) error {
	if err := h.check(fn); err != nil {
		return err
	}
	if err := o.check(fn); err != nil {
		return err
	}
	if !slices.Equal(h.Upper, o.Upper) {
		return input.Refuse(fn, "bounds", float64(len(o.Upper)), "the same in both histograms")
	}
	return nil
}

// Above counts the values above a limit, as trials and hits: how latency
// objectives are best judged (see the package comment). If the limit is a bound
// of the histogram, at least and at most are equal and exact. Else the values
// in the bucket around the limit may be on either side: a verdict must hold for
// both, or the limit should become a bound. No values is stats.ErrNoData.
func (h Histogram) Above(limit float64) (atLeast, atMost stats.Counts, err error) {
	const fn = "quantile.Histogram.Above"
	if err := h.check(fn); err != nil {
		return stats.Counts{}, stats.Counts{}, err
	}
	if err := input.Finite(fn, "limit", limit); err != nil {
		return stats.Counts{}, stats.Counts{}, err
	}
	n := h.N()
	if n == 0 {
		return stats.Counts{}, stats.Counts{}, input.NoData(fn, "no values")
	}
	i, exact := slices.BinarySearch(h.Upper, limit)
	// Bucket i holds the limit: all values beyond it are above.
	atLeast, atMost = stats.Counts{N: n, X: n - h.Cumulative[i]}, stats.Counts{N: n, X: n}
	switch {
	case exact:
		atMost = atLeast
	case i > 0:
		atMost.X = n - h.Cumulative[i-1]
	}
	return atLeast, atMost, nil
}

// Interpolated is quantile q as histogram_quantile of Prometheus gives it:
// values are taken to be spread evenly within their bucket, the lowest bucket
// is taken to begin at 0, and a quantile in the bucket without upper bound is
// given as the highest bound, which is too low. It is for showing the number
// that dashboards show; judge by Above or Reading. No values is stats.ErrNoData.
func (h Histogram) Interpolated(q float64) (float64, error) {
	const fn = "quantile.Histogram.Interpolated"
	if err := h.check(fn); err != nil {
		return 0, err
	}
	if !(q >= 0 && q <= 1) {
		return 0, input.Refuse(fn, "q", q, "from 0 to 1")
	}
	if h.N() == 0 {
		return 0, input.NoData(fn, "no values")
	}
	return h.at(q * float64(h.N())), nil
}

// at interpolates the value at a rank, which need not be whole.
func (h Histogram) at(rank float64) float64 {
	i := h.holding(rank)
	switch {
	case i == len(h.Upper):
		return h.Upper[i-1]
	case i == 0 && h.Upper[0] <= 0:
		return h.Upper[0]
	}
	low, before := 0.0, int64(0)
	if i > 0 {
		low, before = h.Upper[i-1], h.Cumulative[i-1]
	}
	inside := float64(h.Cumulative[i] - before)
	if inside == 0 {
		return low // Only rank 0 above an empty lowest bucket.
	}
	return low + (h.Upper[i]-low)*((rank-float64(before))/inside)
}

// holding is the bucket that holds a rank.
func (h Histogram) holding(rank float64) int {
	return sort.Search(len(h.Upper), func(i int) bool { return float64(h.Cumulative[i]) >= rank })
}

// Within are the bounds of a quantile by interpolation, to be shown beside the
// bounds of a reading.
type Within struct {
	Reading
	// Interpolated is the interval between the two ranks' interpolated values.
	// It is narrower than Interval and has no guarantee: where in their bucket
	// values lie is not known.
	Interpolated stats.Interval `json:"interpolated"`
}

// Reading reads quantile q with confidence conf; inflation is that of RanksFor.
// Value is interpolated. Interval reaches from the lower bound of the bucket
// that holds the lower rank to the upper bound of that which holds the upper
// one, so it is conservative and its resolution is that of the buckets.
//
// Too few values are stats.ErrNoData. If the interval reaches into the bucket
// without upper bound, or into a lowest bucket that has negative values, it is
// ErrBeyond: nothing can be said that would not be made up.
func (h Histogram) Reading(q, conf, inflation float64) (Within, error) {
	const fn = "quantile.Histogram.Reading"
	if err := h.check(fn); err != nil {
		return Within{}, err
	}
	r, err := ranked(fn, h.N(), q, conf, inflation)
	if err != nil {
		return Within{}, err
	}
	low, high := h.holding(float64(r.Ranks.Low)), h.holding(float64(r.Ranks.High))
	if high == len(h.Upper) {
		return Within{}, beyond(fn, fmt.Sprintf("rank %d of %d lies above the highest bound, %g", r.Ranks.High, r.N, h.Upper[high-1]))
	}
	if low == 0 && h.Upper[0] <= 0 {
		return Within{}, beyond(fn, fmt.Sprintf("rank %d of %d lies at or below the lowest bound, %g", r.Ranks.Low, r.N, h.Upper[0]))
	}
	lower := func(i int) float64 {
		if i == 0 {
			return 0
		}
		return h.Upper[i-1]
	}
	r.Value = h.at(q * float64(r.N))
	r.enclose(lower(low), h.Upper[high])
	mid := h.holding(q * float64(r.N))
	r.Resolution = max(r.Value-lower(mid), h.Upper[mid]-r.Value)
	return Within{Reading: r, Interpolated: stats.Interval{
		Low: h.at(float64(r.Ranks.Low)), High: h.at(float64(r.Ranks.High)),
	}}, nil
}

// KS is a lower bound of the Kolmogorov-Smirnov distance of two histograms with
// the same bounds: the largest difference, from 0 to 1, of the shares of values
// at or below a bound. Between bounds it may be larger. It describes how far
// distributions are apart and is no test. No values in either is
// stats.ErrNoData.
func KS(a, b Histogram) (float64, error) {
	const fn = "quantile.KS"
	if err := a.agree(fn, b); err != nil {
		return 0, err
	}
	if a.N() == 0 || b.N() == 0 {
		return 0, input.NoData(fn, "no values")
	}
	d := 0.0
	for i := range a.Upper {
		fa, fb := float64(a.Cumulative[i])/float64(a.N()), float64(b.Cumulative[i])/float64(b.N())
		d = max(d, math.Abs(fa-fb))
	}
	return d, nil
}
