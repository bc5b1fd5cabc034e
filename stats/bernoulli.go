// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math"

	"github.com/headgate-dev/headgate/stats/internal/input"
	"github.com/headgate-dev/headgate/stats/internal/root"
)

// BernoulliLogE is the logarithm of the exact two-sided e-value against "the
// probability of a hit is p0": a beta-binomial mixture centred on p0 (Howard,
// Ramdas, McAuliffe and Sekhon 2021, section 3.1). No normal approximation is
// involved, so it holds from the first trial and for rare hits; trials must be
// independent. alpha and planned tune it to be sharpest after planned trials;
// they must be fixed before the data are seen. Without trials it is ErrNoData.
func BernoulliLogE(c Counts, p0, alpha, planned float64) (float64, error) {
	const fn = "BernoulliLogE"
	m, err := bernoulliMass(fn, c, alpha, planned)
	if err := input.First(err, input.Fraction(fn, "p0", p0)); err != nil {
		return 0, err
	}
	logE := bernoulliLogE(float64(c.X), float64(c.N-c.X), p0, 1-p0, m)
	return logE, input.Finite(fn, "p0", logE)
}

// BernoulliInterval is the exact confidence sequence for the probability of a
// hit at level 1-alpha: with that probability it contains the truth after
// every number of trials at once. It is all p0 with BernoulliLogE <=
// ln(1/alpha), and it contains X/N. Without hits Low is 0 and without misses
// High is 1. Without trials it is ErrNoData.
func BernoulliInterval(c Counts, alpha, planned float64) (Interval, error) {
	m, err := bernoulliMass("BernoulliInterval", c, alpha, planned)
	if err != nil {
		return Interval{}, err
	}
	x, y := float64(c.X), float64(c.N-c.X)
	threshold := -math.Log(alpha)
	return Interval{
		Low:  logistic(bernoulliLower(x, y, m, threshold)),
		High: logistic(-bernoulliLower(y, x, m, threshold)),
	}, nil
}

// bernoulliMass is the prior's weight in trials. The published r, divided by
// p(1-p), is the same for every p: planned/c_alpha - 1, but positive.
func bernoulliMass(fn string, c Counts, alpha, planned float64) (float64, error) {
	if err := input.First(c.check(fn), input.Fraction(fn, "alpha", alpha), input.Positive(fn, "planned", planned)); err != nil {
		return 0, err
	}
	if c.N == 0 {
		return 0, input.NoData(fn, "no trials")
	}
	return max(planned/tuning(alpha)-1, 1e-3), nil
}

// bernoulliLogE is the e-value for x hits and y misses, not necessarily whole,
// where p and q = 1-p are both given so that neither loses digits.
func bernoulliLogE(x, y, p, q, m float64) float64 {
	after := m + x + y
	d := x - (x+y)*p
	if q < p {
		d = (x+y)*q - y
	}
	return dirichletRest(2, m, after) +
		dirichletCell(x, d, p, m*p, m, after) +
		dirichletCell(y, -d, q, m*q, m, after)
}

// bernoulliLower finds the lower end of the interval for x hits and y misses,
// as the logit ln(p/(1-p)), in which probabilities near 0 and 1 keep their
// digits; by symmetry the upper end is minus the lower one of the misses.
func bernoulliLower(x, y, m, threshold float64) float64 {
	if x == 0 {
		return math.Inf(-1)
	}
	excess := func(logit float64) float64 {
		return bernoulliLogE(x, y, logistic(logit), logistic(-logit), m) - threshold
	}
	const edge = 600 // p = 1e-260
	top := edge + 0.0
	if y > 0 {
		top = math.Log(x / y)
	}
	if excess(-edge) <= 0 {
		// One hit does not exclude any small p: the mixture is centred on p.
		return math.Inf(-1)
	}
	return root.Find(excess, -edge, top, 1e-13)
}

// logistic is the inverse of the logit.
func logistic(x float64) float64 {
	if x < 0 {
		e := math.Exp(x)
		return e / (1 + e)
	}
	return 1 / (1 + math.Exp(-x))
}
