// SPDX-License-Identifier: Apache-2.0

package paired

import (
	"math"

	"github.com/headgate-dev/headgate/stats"
	"github.com/headgate-dev/headgate/stats/internal/input"
)

// Mean is the mean of paired differences with its standard error and the
// degrees of freedom of the latter. At one look fixed in advance it is tested
// by Student's t; for looks at any time give Value and SE to stats.Mixture.
type Mean struct {
	stats.Estimate
	// DF are the degrees of freedom: independent observations - 1.
	DF float64 `json:"df"`
}

// Difference is the mean of differences candidate - baseline of independent
// pairs. For latency and cost take differences of logarithms: their mean is
// the logarithm of a ratio. Fewer than two pairs are ErrNoData. The mean of
// skewed differences needs about 355 skewness^2 pairs (Kohavi et al. 2014).
func Difference(differences stats.Moments) (Mean, error) {
	s2, err := differences.Variance()
	if err != nil {
		return Mean{}, err
	}
	n := float64(differences.N)
	return Mean{Estimate: stats.Estimate{Value: differences.Mean, SE: math.Sqrt(s2 / n)}, DF: n - 1}, nil
}

// ClusteredDifference is the mean difference per pair where several pairs
// belong together, such as those of one user: clusters has for each the sum of
// its differences as Y and the number of its pairs as X. The standard error is
// that of a ratio of sums by the delta method, with clusters - 1 degrees of
// freedom; below 40 clusters it is too small, below 10 it should not be used.
func ClusteredDifference(clusters stats.Pair) (Mean, error) {
	e, err := clusters.Ratio()
	if err != nil {
		return Mean{}, err
	}
	return Mean{Estimate: e, DF: float64(clusters.N) - 1}, nil
}

// check refuses means that no inference can be made from.
func (m Mean) check(fn string) error {
	if err := input.First(finite(fn, "value", m.Value), moment(fn, "standard error", m.SE)); err != nil {
		return err
	}
	if !(m.DF >= 1) || math.IsInf(m.DF, 0) {
		return input.Refuse(fn, "degrees of freedom", m.DF, "1 or more")
	}
	if m.SE == 0 {
		return input.NoData(fn, "the standard error is zero")
	}
	return nil
}

// Test is the two-sided t-test of "the difference is zero".
func (m Mean) Test() (t, p float64, err error) {
	const fn = "paired.Mean.Test"
	if err := m.check(fn); err != nil {
		return 0, 0, err
	}
	t = m.Value / m.SE
	return t, 2 * stats.StudentSF(math.Abs(t), m.DF), finite(fn, "t", t)
}

// Interval is the confidence interval with confidence conf, such as 0.95. It
// excludes 0 exactly when the p-value of Test is below 1-conf.
func (m Mean) Interval(conf float64) (stats.Interval, error) {
	const fn = "paired.Mean.Interval"
	if err := input.First(m.check(fn), input.Fraction(fn, "conf", conf)); err != nil {
		return stats.Interval{}, err
	}
	half := -stats.StudentQuantile((1-conf)/2, m.DF) * m.SE
	out := stats.Interval{Low: m.Value - half, High: m.Value + half}
	return out, finite(fn, "interval", out.Low, out.High)
}

// Equivalence is what two one-sided tests (TOST, Schuirmann 1987) say of "the
// difference lies outside the region": p below alpha shows that it lies
// inside, with an error of at most alpha. The region, the differences too
// small to matter, must be fixed in advance.
type Equivalence struct {
	// TLow and THigh are the t statistics against the ends of the region.
	TLow  float64 `json:"tLow"`
	THigh float64 `json:"tHigh"`
	// P is the larger of the two one-sided p-values.
	P float64 `json:"p"`
}

// Equivalence tests whether the difference lies inside the region.
func (m Mean) Equivalence(region stats.Interval) (Equivalence, error) {
	const fn = "paired.Mean.Equivalence"
	if err := input.First(m.check(fn), finite(fn, "region", region.Low, region.High)); err != nil {
		return Equivalence{}, err
	}
	if !(region.Low < region.High) {
		return Equivalence{}, input.Refuse(fn, "region's high", region.High, "above its low")
	}
	out := Equivalence{TLow: (m.Value - region.Low) / m.SE, THigh: (m.Value - region.High) / m.SE}
	if err := finite(fn, "t", out.TLow, out.THigh); err != nil {
		return Equivalence{}, err
	}
	out.P = max(stats.StudentSF(out.TLow, m.DF), stats.StudentSF(-out.THigh, m.DF))
	return out, nil
}
