// SPDX-License-Identifier: Apache-2.0

package bayes

import (
	"math"

	"github.com/headgate-dev/headgate/stats"
	"github.com/headgate-dev/headgate/stats/internal/input"
)

// logit is ln(x/(1-x)), infinite at and beyond 0 and 1.
func logit(x float64) float64 {
	switch {
	case x <= 0:
		return math.Inf(-1)
	case x >= 1:
		return math.Inf(1)
	}
	return math.Log(x / (1 - x))
}

// DifferenceInterval is the equal-tailed credible interval of the difference
// candidate - baseline between two independent proportions, with probability
// conf, such as 0.95, and ends accurate to about 1e-9. Each end solves
//
//	integral of f_candidate(x) P(baseline > x - d) dx = (1 -+ conf)/2.
func DifferenceInterval(candidate, baseline Beta, conf float64) (stats.Interval, error) {
	const fn = "bayes.DifferenceInterval"
	if err := input.First(candidate.check(fn), baseline.check(fn), input.Fraction(fn, "conf", conf)); err != nil {
		return stats.Interval{}, err
	}
	c, errC := newTable(fn, betaCurve(candidate.A, candidate.B))
	b, errB := newTable(fn, betaCurve(baseline.A, baseline.B))
	if err := input.First(errC, errB); err != nil {
		return stats.Interval{}, err
	}
	d := difference{candidate: c, baseline: b}
	tail := (1 - conf) / 2
	mean := candidate.Mean() - baseline.Mean()
	spread := math.Sqrt(candidate.variance() + baseline.variance())
	low, high := d.quantile(tail, mean, spread, false), d.quantile(tail, mean, spread, true)
	// Where nearly all of the probability lies in one point, rounding decides
	// which end comes first.
	return stats.Interval{Low: min(low, high), High: max(low, high)}, nil
}

// variance is that of the proportion.
func (b Beta) variance() float64 {
	n := b.A + b.B
	return (b.A / n) * (b.B / n) / (n + 1)
}

// difference is that of two proportions with known distributions.
type difference struct{ candidate, baseline *table }

// tails are the probabilities that the difference lies below and above d.
func (x difference) tails(d float64) (below, above float64) {
	halvings := maxHalvings
	edges := x.edges(d)
	for e := 1; e < len(edges); e++ {
		less, more := x.panel(d, edges[e-1], (edges[e]-edges[e-1])/2, &halvings)
		below += less
		above += more
	}
	return below, above
}

const (
	// smooth is the size of the last coefficients, as a probability, at which
	// the product of density and probability is resolved on a panel.
	smooth = 1e-11
	// maxHalvings bounds the halving in one integral. Below a weight of one a
	// distribution function has a kink at 0 and 1, which takes some dozens; what
	// is so narrow that it consists of rounding would take all there are.
	maxHalvings = 200
)

// panel is a part of tails, in halves if it is not resolved as a whole.
func (x difference) panel(d, left, half float64, halvings *int) (below, above float64) {
	g := legendre()
	var last, before float64
	for j, node := range g.nodes {
		u := left + half*(1+node)
		f := x.candidate.density(u, half)
		if f < 1e-18 {
			continue
		}
		other := logistic(x.candidate.curve.mode+u) - d
		less, more := x.baseline.at(logit(other) - x.baseline.curve.mode)
		below += g.weights[j] * f * more
		above += g.weights[j] * f * less
		last += g.analysis[order-1][j] * f * more
		before += g.analysis[order-2][j] * f * more
	}
	if math.Abs(last)+math.Abs(before) > smooth && *halvings > 0 {
		*halvings--
		below, above = x.panel(d, left, half/2, halvings)
		less, more := x.panel(d, left+half, half/2, halvings)
		return below + less, above + more
	}
	return below, above
}

// edges are the candidate's panels, and the baseline's shifted by d, without
// those that lie too close, as distances from the candidate's mode.
func (x difference) edges(d float64) []float64 {
	marks := x.candidate.marks(func(u float64) float64 { return u })
	first, end := marks[0], marks[len(marks)-1]
	for _, m := range x.baseline.marks(func(u float64) float64 {
		return logit(logistic(x.baseline.curve.mode+u)+d) - x.candidate.curve.mode
	}) {
		if m.at > first.at && m.at < end.at && m.width > 0 {
			marks = append(marks, m)
		}
	}
	return thinned(marks)
}

// quantile is where the probability p lies below, or above if upper.
func (x difference) quantile(p, mean, spread float64, upper bool) float64 {
	excess := func(d float64) float64 {
		below, above := x.tails(d)
		if upper {
			return p - above
		}
		return below - p
	}
	low, high := mean, mean
	for reach := 2 * spread; low > -1 && excess(low) > 0; reach *= 2 {
		low = max(-1, mean-reach)
	}
	for reach := 2 * spread; high < 1 && excess(high) < 0; reach *= 2 {
		high = min(1, mean+reach)
	}
	return root(excess, low, high, 1e-10*spread)
}
