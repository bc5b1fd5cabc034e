// SPDX-License-Identifier: Apache-2.0

package bayes

import (
	"math"

	"github.com/headgate-dev/headgate/stats"
	"github.com/headgate-dev/headgate/stats/internal/input"
)

// NormalInverseGamma is what is believed about the mean mu and the variance v
// of a normal quantity together: v ~ inverse gamma(A, B) and, given v, mu ~
// N(M, v/K). As a prior, M is a guess of the mean worth K observations, and
// B/A one of the variance worth 2A.
type NormalInverseGamma struct {
	M float64 `json:"m"`
	K float64 `json:"k"`
	A float64 `json:"a"`
	B float64 `json:"b"`
}

func (p NormalInverseGamma) check(fn string) error {
	return input.First(input.Finite(fn, "m", p.M), input.Positive(fn, "k", p.K), input.Positive(fn, "a", p.A), input.Positive(fn, "b", p.B))
}

// Update is what is believed after observations (Gelman et al. 2013, section
// 3.3):
//
//	k = k0 + n, m = (k0 m0 + n mean)/k, a = a0 + n/2,
//	b = b0 + M2/2 + k0 n (mean - m0)^2/(2k).
func (p NormalInverseGamma) Update(o stats.Moments) (NormalInverseGamma, error) {
	const fn = "bayes.NormalInverseGamma.Update"
	if err := input.First(p.check(fn), input.Finite(fn, "mean", o.Mean), input.Finite(fn, "m2", o.M2)); err != nil {
		return NormalInverseGamma{}, err
	}
	if o.N < 0 {
		return NormalInverseGamma{}, input.Refuse(fn, "n", float64(o.N), "0 or more")
	}
	if o.M2 < 0 {
		return NormalInverseGamma{}, input.Refuse(fn, "m2", o.M2, "0 or more")
	}
	if o.N == 0 {
		return p, nil
	}
	n := float64(o.N)
	k := p.K + n
	d := o.Mean - p.M
	out := NormalInverseGamma{M: p.M + d*(n/k), K: k, A: p.A + n/2, B: p.B + o.M2/2 + d*d*(p.K/k)*n/2}
	return out, out.check(fn)
}

// Mean is what is believed about the mean, whatever the variance: Student's t
// with 2A degrees of freedom around M, with scale sqrt(B/(A K)).
func (p NormalInverseGamma) Mean() (Student, error) {
	const fn = "bayes.NormalInverseGamma.Mean"
	if err := p.check(fn); err != nil {
		return Student{}, err
	}
	out := Student{Location: p.M, Scale: math.Sqrt(p.B / p.A / p.K), DF: 2 * p.A}
	return out, out.check(fn)
}

// Next is what is believed about the next observation: as Mean, with scale
// sqrt(B (K+1)/(A K)).
func (p NormalInverseGamma) Next() (Student, error) {
	const fn = "bayes.NormalInverseGamma.Next"
	if err := p.check(fn); err != nil {
		return Student{}, err
	}
	out := Student{Location: p.M, Scale: math.Sqrt(p.B / p.A * (1 + 1/p.K)), DF: 2 * p.A}
	return out, out.check(fn)
}

// Student is Student's t distribution with DF degrees of freedom, shifted by
// Location and stretched by Scale.
type Student struct {
	Location float64 `json:"location"`
	Scale    float64 `json:"scale"`
	DF       float64 `json:"df"`
}

// leastDF keeps the tails within the range of numbers.
const leastDF = 1

func (s Student) check(fn string) error {
	if err := input.First(input.Finite(fn, "location", s.Location), input.Positive(fn, "scale", s.Scale), input.Positive(fn, "degrees of freedom", s.DF)); err != nil {
		return err
	}
	if s.DF < leastDF {
		return input.Refuse(fn, "degrees of freedom", s.DF, "1 or more")
	}
	return nil
}

// Above is the probability that the value exceeds x, to 1e-12.
func (s Student) Above(x float64) (float64, error) {
	const fn = "bayes.Student.Above"
	if err := input.First(s.check(fn), input.Finite(fn, "x", x)); err != nil {
		return 0, err
	}
	t, err := newTable(fn, studentCurve(0, 1, s.DF))
	if err != nil {
		return 0, err
	}
	_, above := t.at((x - s.Location) / s.Scale)
	return above, nil
}

// Interval is the equal-tailed credible interval with probability conf, such
// as 0.95.
func (s Student) Interval(conf float64) (stats.Interval, error) {
	const fn = "bayes.Student.Interval"
	if err := input.First(s.check(fn), input.Fraction(fn, "conf", conf)); err != nil {
		return stats.Interval{}, err
	}
	t, err := newTable(fn, studentCurve(0, 1, s.DF))
	if err != nil {
		return stats.Interval{}, err
	}
	half := s.Scale * t.quantile((1-conf)/2, true)
	out := stats.Interval{Low: s.Location - half, High: s.Location + half}
	return out, input.First(input.Finite(fn, "low", out.Low), input.Finite(fn, "high", out.High))
}
