// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math"

	"github.com/headgate-dev/headgate/stats/internal/input"
)

// fewHits is the smallest number of hits, and of misses, from which on the
// normal approximation of two proportions is trusted.
const fewHits = 10

// few says that either version has too few hits or misses for it.
func few(candidate, baseline Counts) bool {
	return min(candidate.X, candidate.N-candidate.X, baseline.X, baseline.N-baseline.X) < fewHits
}

// checkProportions refuses what two proportions cannot be compared by.
func checkProportions(fn string, candidate, baseline Counts) error {
	if err := input.First(candidate.check(fn), baseline.check(fn)); err != nil {
		return err
	}
	if candidate.N == 0 || baseline.N == 0 {
		return input.NoData(fn, "no trials")
	}
	return nil
}

// TwoProportionZ is the classical test that two proportions are equal, with
// the pooled standard error, at one look fixed in advance. z is positive where
// the candidate's is larger, z^2 is Pearson's chi-squared without continuity
// correction, and p is two-sided. No hits at all, or no misses, are ErrNoData.
func TwoProportionZ(candidate, baseline Counts) (z, p float64, err error) {
	const fn = "TwoProportionZ"
	if err := checkProportions(fn, candidate, baseline); err != nil {
		return 0, 0, err
	}
	nc, nb := float64(candidate.N), float64(baseline.N)
	hits := float64(candidate.X) + float64(baseline.X)
	misses := nc + nb - hits
	if hits == 0 || misses == 0 {
		return 0, 0, input.NoData(fn, "every trial ended alike")
	}
	se := math.Sqrt(hits / (nc + nb) * (misses / (nc + nb)) * (1/nc + 1/nb))
	z = (float64(candidate.X)/nc - float64(baseline.X)/nb) / se
	return z, 2 * NormalSF(math.Abs(z)), nil
}

// WilsonInterval is Wilson's score interval (1927) for one proportion at one
// look fixed in advance, at 1-alpha.
func WilsonInterval(c Counts, alpha float64) (Interval, error) {
	const fn = "WilsonInterval"
	if err := input.First(c.check(fn), level(fn, alpha)); err != nil {
		return Interval{}, err
	}
	if c.N == 0 {
		return Interval{}, input.NoData(fn, "no trials")
	}
	n, z := float64(c.N), -NormalQuantile(alpha/2)
	p, q := float64(c.X)/n, float64(c.N-c.X)/n
	w := z * z / n
	half := z * math.Sqrt(p*q/n+w/(4*n))
	return Interval{
		Low:  max(0, (p+w/2-half)/(1+w)),
		High: min(1, 1-(q+w/2-half)/(1+w)),
	}, nil
}

// NewcombeInterval is the interval for the difference of two proportions that
// joins their Wilson intervals (Newcombe 1998, method 10), at 1-alpha. It is
// closed, quick and close to nominal for small samples, but the dual of no
// test; MiettinenNurminenInterval is.
func NewcombeInterval(candidate, baseline Counts, alpha float64) (Interval, error) {
	if err := checkProportions("NewcombeInterval", candidate, baseline); err != nil {
		return Interval{}, err
	}
	c, err1 := WilsonInterval(candidate, alpha)
	b, err2 := WilsonInterval(baseline, alpha)
	if err := input.First(err1, err2); err != nil {
		return Interval{}, err
	}
	pc := float64(candidate.X) / float64(candidate.N)
	pb := float64(baseline.X) / float64(baseline.N)
	d := pc - pb
	return Interval{Low: d - math.Hypot(pc-c.Low, b.High-pb), High: d + math.Hypot(c.High-pc, pb-b.Low)}, nil
}

// RiskRatio is the ratio of two proportions, candidate/baseline, with Katz's
// interval on the logarithmic scale at 1-alpha. It needs hits in both versions
// (ErrNoData).
func RiskRatio(candidate, baseline Counts, alpha float64) (ratio float64, i Interval, err error) {
	const fn = "RiskRatio"
	if err := input.First(checkProportions(fn, candidate, baseline), level(fn, alpha)); err != nil {
		return 0, Interval{}, err
	}
	if candidate.X == 0 || baseline.X == 0 {
		return 0, Interval{}, input.NoData(fn, "a version without hits")
	}
	c, err1 := candidate.Proportion()
	b, err2 := baseline.Proportion()
	rel, err3 := LogRatioInterval(c, b, -NormalQuantile(alpha/2))
	return c.Value / b.Value, Interval{Low: rel.Low + 1, High: rel.High + 1}, input.First(err1, err2, err3)
}
