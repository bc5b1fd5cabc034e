// SPDX-License-Identifier: Apache-2.0

package bayes

import (
	"github.com/headgate-dev/headgate/stats"

	"github.com/headgate-dev/headgate/stats/internal/input"
)

// Beta is what is believed about a proportion: Beta(A, B), as if A hits and B
// misses had been seen. Both lie between 1e-6 and 1e18.
type Beta struct {
	A float64 `json:"a"`
	B float64 `json:"b"`
}

// Jeffreys is the prior Beta(1/2, 1/2), which says the least whether the
// proportion is read as itself or on another scale.
func Jeffreys() Beta { return Beta{A: 0.5, B: 0.5} }

// Uniform is the prior Beta(1, 1): every proportion is as likely as any other.
func Uniform() Beta { return Beta{A: 1, B: 1} }

const (
	leastWeight = 1e-6
	mostWeight  = 1e18
)

func (b Beta) check(fn string) error {
	for _, p := range []struct {
		arg string
		v   float64
	}{{"a", b.A}, {"b", b.B}} {
		if !(p.v >= leastWeight && p.v <= mostWeight) {
			return input.Refuse(fn, p.arg, p.v, "from 1e-6 to 1e18")
		}
	}
	return nil
}

// Update is what is believed after counts of independent trials:
// Beta(A + X, B + N - X) (Gelman et al. 2013, section 2.4).
func (b Beta) Update(c stats.Counts) (Beta, error) {
	const fn = "bayes.Beta.Update"
	if err := input.First(b.check(fn), c.Valid()); err != nil {
		return Beta{}, err
	}
	out := Beta{A: b.A + float64(c.X), B: b.B + float64(c.N-c.X)}
	return out, out.check(fn)
}

// Mean is the expectation A/(A+B).
func (b Beta) Mean() float64 { return b.A / (b.A + b.B) }

// Above is the probability that the proportion exceeds x, to 1e-12. It is 1
// at x <= 0 and 0 at x >= 1.
func (b Beta) Above(x float64) (float64, error) {
	const fn = "bayes.Beta.Above"
	if err := input.First(b.check(fn), input.Finite(fn, "x", x)); err != nil {
		return 0, err
	}
	t, err := newTable(fn, betaCurve(b.A, b.B))
	if err != nil {
		return 0, err
	}
	_, above := t.at(logit(x) - t.curve.mode)
	return above, nil
}

// Interval is the equal-tailed credible interval: the proportion lies in it
// with probability conf, such as 0.95, and beyond either end with the same.
func (b Beta) Interval(conf float64) (stats.Interval, error) {
	const fn = "bayes.Beta.Interval"
	if err := input.First(b.check(fn), input.Fraction(fn, "conf", conf)); err != nil {
		return stats.Interval{}, err
	}
	t, err := newTable(fn, betaCurve(b.A, b.B))
	if err != nil {
		return stats.Interval{}, err
	}
	tail := (1 - conf) / 2
	return stats.Interval{
		Low:  logistic(t.curve.mode + t.quantile(tail, false)),
		High: logistic(t.curve.mode + t.quantile(tail, true)),
	}, nil
}
