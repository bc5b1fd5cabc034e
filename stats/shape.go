// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math"

	"github.com/headgate-dev/headgate/stats/internal/input"
)

// Shape are moments up to the third, which say how lopsided a series is and so
// how many units it takes until its mean behaves normally. The zero value is
// an empty series.
type Shape struct {
	Moments
	// M3 is the sum of cubed deviations from the mean.
	M3 float64 `json:"m3"`
}

// Add takes in one observation. It does not allocate.
func (s *Shape) Add(x float64) {
	*s = s.Merge(Shape{Moments: Moments{N: 1, Mean: x}})
}

// Merge combines two disjoint series.
func (s Shape) Merge(o Shape) Shape {
	switch {
	case s.N == 0:
		return o
	case o.N == 0:
		return s
	}
	na, nb := float64(s.N), float64(o.N)
	n := na + nb
	d := o.Mean - s.Mean
	return Shape{
		Moments: s.Moments.Merge(o.Moments),
		M3:      s.M3 + o.M3 + d*d*d*(na/n)*(nb/n)*(na-nb) + 3*d*(na/n*o.M2-nb/n*s.M2),
	}
}

// Skewness is the third central moment over the cubed standard deviation: 0
// for symmetric series, 2 for exponential ones. It needs two observations that
// differ (ErrNoData).
func (s Shape) Skewness() (float64, error) {
	const fn = "Shape.Skewness"
	if err := input.First(observations(fn, s.N), input.Finite(fn, "mean", s.Mean), moment(fn, "m2", s.M2), input.Finite(fn, "m3", s.M3)); err != nil {
		return 0, err
	}
	if s.M2 == 0 {
		return 0, input.NoData(fn, "all observations are equal")
	}
	sd := math.Sqrt(s.M2 / float64(s.N))
	skew := s.M3 / float64(s.N) / sd / sd / sd
	return skew, input.Finite(fn, "m3", skew)
}

// UnitsForNormality is how many units the smaller version needs before the
// normal approximation of the mean of a metric with this skewness can be
// trusted: 355 skewness^2 (Kohavi, Deng, Longbotham, Xu 2014). Below it, and
// more so at unequal splits, one of the tails is too heavy; cap the metric, or
// count how often it exceeds a limit.
func UnitsForNormality(skewness float64) float64 { return 355 * skewness * skewness }
