// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math"

	"github.com/headgate-dev/headgate/stats/internal/input"
)

// Moments are the count, mean and centred second moment of a series of
// numbers. They are updated by Welford's rule and merged by Chan's, because
// sums of squares cancel catastrophically where the mean is large against the
// spread (nanoseconds, money). The zero value is an empty series.
type Moments struct {
	// N is the number of observations.
	N int64 `json:"n"`
	// Mean is their mean.
	Mean float64 `json:"mean"`
	// M2 is the sum of squared deviations from the mean.
	M2 float64 `json:"m2"`
}

// Add takes in one observation. It does not allocate. A number that is not
// finite spoils the moments, which Variance then refuses.
func (m *Moments) Add(x float64) {
	m.N++
	d := x - m.Mean
	m.Mean += d / float64(m.N)
	m.M2 += d * (x - m.Mean)
}

// Merge combines two disjoint series.
func (m Moments) Merge(o Moments) Moments {
	switch {
	case m.N == 0:
		return o
	case o.N == 0:
		return m
	}
	n := m.N + o.N
	w := float64(o.N) / float64(n)
	d := o.Mean - m.Mean
	return Moments{
		N:    n,
		Mean: m.Mean + d*w,
		M2:   m.M2 + o.M2 + d*d*w*float64(m.N),
	}
}

// Variance is the sample variance, M2/(N-1). It needs two observations.
func (m Moments) Variance() (float64, error) {
	const fn = "Moments.Variance"
	if err := input.First(observations(fn, m.N), input.Finite(fn, "mean", m.Mean), moment(fn, "m2", m.M2)); err != nil {
		return 0, err
	}
	return m.M2 / float64(m.N-1), nil
}

// Pair are the bivariate centred moments of a numerator Y and a denominator X
// per unit, where a unit is what was randomised (a user, a session). They are
// all that a ratio of sums, such as clicks per view, needs for an honest
// standard error when units make several requests. The zero value is no units.
type Pair struct {
	// N is the number of units.
	N int64 `json:"n"`
	// MeanY and MeanX are the means per unit.
	MeanY float64 `json:"meanY"`
	MeanX float64 `json:"meanX"`
	// M2Y and M2X are sums of squared deviations from the means, and CYX is
	// the sum of their products.
	M2Y float64 `json:"m2Y"`
	M2X float64 `json:"m2X"`
	CYX float64 `json:"cYX"`
}

// Add takes in one unit: its numerator and its denominator. It does not
// allocate. A number that is not finite spoils the moments, which Ratio and
// Mean then refuse.
func (p *Pair) Add(y, x float64) {
	p.N++
	n := float64(p.N)
	dy, dx := y-p.MeanY, x-p.MeanX
	p.MeanY += dy / n
	p.MeanX += dx / n
	p.M2Y += dy * (y - p.MeanY)
	p.M2X += dx * (x - p.MeanX)
	p.CYX += dy * (x - p.MeanX)
}

// AddZeros takes in n units with y = x = 0 at once, such as exposed units
// without any event. It does nothing if n is not positive.
func (p *Pair) AddZeros(n int64) {
	if n > 0 {
		*p = p.Merge(Pair{N: n})
	}
}

// Merge combines two disjoint sets of units (Chan, Golub and LeVeque 1983).
func (p Pair) Merge(o Pair) Pair {
	switch {
	case p.N == 0:
		return o
	case o.N == 0:
		return p
	}
	n := p.N + o.N
	w := float64(o.N) / float64(n)
	between := w * float64(p.N)
	dy, dx := o.MeanY-p.MeanY, o.MeanX-p.MeanX
	return Pair{
		N:     n,
		MeanY: p.MeanY + dy*w,
		MeanX: p.MeanX + dx*w,
		M2Y:   p.M2Y + o.M2Y + dy*dy*between,
		M2X:   p.M2X + o.M2X + dx*dx*between,
		CYX:   p.CYX + o.CYX + dy*dx*between,
	}
}

func (p Pair) check(fn string) error {
	return input.First(
		observations(fn, p.N),
		input.Finite(fn, "meanY", p.MeanY), input.Finite(fn, "meanX", p.MeanX),
		moment(fn, "m2Y", p.M2Y), moment(fn, "m2X", p.M2X), input.Finite(fn, "cYX", p.CYX),
	)
}

// Ratio estimates the ratio of sums, sum(Y)/sum(X), with its delta-method
// standard error from sample covariances:
//
//	Var(R) = (s_yy - 2 R s_yx + R^2 s_xx) / (n meanX^2)
//
// It needs two units and a denominator that is not zero (ErrNoData). The error
// is a large-sample approximation: below about 40 units it is too small.
func (p Pair) Ratio() (Estimate, error) {
	const fn = "Pair.Ratio"
	if err := p.check(fn); err != nil {
		return Estimate{}, err
	}
	if p.MeanX == 0 {
		return Estimate{}, input.NoData(fn, "the denominator is zero")
	}
	n, r := float64(p.N), p.MeanY/p.MeanX
	// Rounding can leave a tiny negative number where Y is proportional to X.
	residual := max(0, p.M2Y-2*r*p.CYX+r*r*p.M2X)
	return result(fn, Estimate{Value: r, SE: math.Sqrt(residual/(n-1)/n) / math.Abs(p.MeanX)})
}

// Mean estimates the mean of Y per unit with the standard error
// sqrt(s_yy/n). It needs two units.
func (p Pair) Mean() (Estimate, error) {
	const fn = "Pair.Mean"
	if err := p.check(fn); err != nil {
		return Estimate{}, err
	}
	n := float64(p.N)
	return Estimate{Value: p.MeanY, SE: math.Sqrt(p.M2Y / (n - 1) / n)}, nil
}

// observations refuses negative counts, and counts without a variance.
func observations(fn string, n int64) error {
	if n < 0 {
		return input.Refuse(fn, "n", float64(n), "0 or more")
	}
	if n < 2 {
		return input.NoData(fn, "fewer than two observations")
	}
	return nil
}

// moment refuses what cannot be a sum of squares.
func moment(fn, arg string, v float64) error {
	return input.NonNegative(fn, arg, v)
}
