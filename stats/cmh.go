// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math"

	"github.com/headgate-dev/headgate/stats/internal/input"
)

// BinaryStratum is one stratum of a comparison of proportions.
type BinaryStratum struct {
	Candidate Counts `json:"candidate"`
	Baseline  Counts `json:"baseline"`
}

// CommonOdds is the result of a stratified comparison of proportions.
type CommonOdds struct {
	// Chi2 is the statistic of Cochran, Mantel and Haenszel with one degree of
	// freedom, and P its p-value.
	Chi2 float64 `json:"chi2"`
	P    float64 `json:"p"`
	// OddsRatio is the odds ratio candidate/baseline common to the strata, and
	// Interval its confidence interval.
	OddsRatio float64  `json:"oddsRatio"`
	Interval  Interval `json:"interval"`
	// Pooled is the odds ratio that comes out if the strata are ignored.
	Pooled float64 `json:"pooled"`
	// Simpson warns that the two lie on opposite sides of 1.
	Simpson bool `json:"simpson"`
}

// MantelHaenszel compares two proportions within strata, at one look fixed in
// advance: the test of Cochran, Mantel and Haenszel, with a continuity
// correction of one half if correct, the odds ratio of Mantel and Haenszel, and
// its interval at 1-alpha with the variance of Robins, Breslow and Greenland
// (1986). Strata without units of one of the versions say nothing and are left
// out. If nothing is left to compare it is ErrNoData.
func MantelHaenszel(strata []BinaryStratum, alpha float64, correct bool) (CommonOdds, error) {
	const fn = "MantelHaenszel"
	if err := level(fn, alpha); err != nil {
		return CommonOdds{}, err
	}
	var m mantelHaenszel
	for _, s := range strata {
		if err := input.First(s.Candidate.check(fn), s.Baseline.check(fn)); err != nil {
			return CommonOdds{}, err
		}
		if s.Candidate.N > 0 && s.Baseline.N > 0 {
			m.add(float64(s.Candidate.X), float64(s.Candidate.N-s.Candidate.X), float64(s.Baseline.X), float64(s.Baseline.N-s.Baseline.X))
		}
	}
	if !(m.variance > 0) || m.r == 0 || m.s == 0 {
		return CommonOdds{}, input.NoData(fn, "no stratum has hits and misses of both versions")
	}
	excess := math.Abs(m.excess)
	if correct {
		excess = max(0, excess-0.5)
	}
	chi := excess / math.Sqrt(m.variance)
	half := -NormalQuantile(alpha/2) * math.Sqrt(m.pr/(2*m.r*m.r)+m.psqr/(2*m.r*m.s)+m.qs/(2*m.s*m.s))
	log := math.Log(m.r / m.s)
	out := CommonOdds{
		Chi2: chi * chi, P: 2 * NormalSF(chi),
		OddsRatio: m.r / m.s, Interval: Interval{Low: math.Exp(log - half), High: math.Exp(log + half)},
		Pooled: m.hits[0] / m.hits[1] * (m.misses[1] / m.misses[0]),
	}
	out.Simpson = math.Log(out.Pooled)*log < 0
	return out, input.First(input.Finite(fn, "pooled odds ratio", out.Pooled), input.Finite(fn, "interval", out.Interval.High))
}

// mantelHaenszel are the sums over strata; the names of the literature are R
// and S for the halves of the odds ratio, P and Q for the diagonals' shares.
type mantelHaenszel struct {
	excess, variance float64
	r, s             float64
	pr, psqr, qs     float64
	hits, misses     [2]float64
}

// add takes in a table: hits and misses of the candidate, then the baseline.
func (m *mantelHaenszel) add(a, c, b, d float64) {
	n := a + b + c + d
	m.hits[0], m.hits[1] = m.hits[0]+a, m.hits[1]+b
	m.misses[0], m.misses[1] = m.misses[0]+c, m.misses[1]+d
	m.excess += a - (a+b)*((a+c)/n)
	if n > 1 {
		m.variance += (a + b) / n * ((c + d) / n) * ((a + c) / (n - 1)) * (b + d)
	}
	r, s := a*(d/n), b*(c/n)
	p, q := (a+d)/n, (b+c)/n
	m.r, m.s = m.r+r, m.s+s
	m.pr += p * r
	m.psqr += p*s + q*r
	m.qs += q * s
}
