// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"math"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// intervalOf is a way to make a confidence sequence of a mean.
type intervalOf func(p stats.Pair, alpha, planned float64) (stats.Estimate, stats.Interval, error)

// meanLimit judges the pairs or answers of the scope together: they are drawn
// anew by the request, as requests are. Pairs of one unit in one window are one
// observation; those that a unit makes in other windows count as another's.
func (j *judging) meanLimit(v *experiment.Verdict, m *experiment.Metric, o experiment.Objective, scope int, interval intervalOf) {
	var all experiment.Evidence
	for _, p := range j.phases(scope) {
		all = add(all, p.GetSlice(v.Version, m.Cell(), v.Slice))
	}
	v.N = all.Units.N
	if m.Pairs != nil {
		v.N = all.Pairs()
	}
	if all.Units.N == 0 {
		return
	}
	planned := j.planned(m)
	estimate, bounds, err := interval(all.Units, j.harmAlpha, planned)
	v.Estimate = &estimate.Value
	if err != nil {
		return
	}
	v.Interval, v.Status = &bounds, against(o, bounds)
	if v.Status != experiment.Undecided {
		return
	}
	if c, few := trials(all.Units); few && (m.Pairs != nil || zeroOne(all.Units)) {
		v.Need = scaled(needCounts(c, o, j.harmAlpha, planned), v.N, c.N)
	} else {
		v.Need = scaled(needLimit(estimate, float64(all.Units.N), o, j.harmAlpha, planned), v.N, all.Units.N)
	}
}

// scaled is a need of observations in the pairs or answers that they are made of.
func scaled(need, have, observations int64) int64 {
	if have == observations || observations <= 0 {
		return need
	}
	return int64(math.Ceil(float64(need) * float64(have) / float64(observations)))
}

// trials are pairs as trials that agree or not, and whether they should be taken
// for such: where each is an observation of its own, of 0 or 1, and where several
// of one unit are one but so few differ that their spread tells nothing. These
// count as many trials as would be as uncertain if all pairs of a unit were
// alike, (sum x)²/sum x² for units of x pairs (Kish 1965).
func trials(p stats.Pair) (c stats.Counts, few bool) {
	if zeroOne(p) {
		return stats.Counts{N: p.N, X: int64(math.Round(p.MeanY * float64(p.N)))}, true
	}
	if p.N == 0 || p.MeanX <= 0 || single(p) {
		return stats.Counts{}, false
	}
	rate := p.MeanY / p.MeanX
	n := math.Floor(float64(p.N) * p.MeanX * p.MeanX / (p.MeanX*p.MeanX + p.M2X/float64(p.N)))
	if rate < 0 || rate > 1 || n < 1 {
		return stats.Counts{}, false
	}
	c = stats.Counts{N: int64(n), X: int64(math.Round(rate * n))}
	return c, p.N < burnIn || n*min(rate, 1-rate) < minEvents
}

// single reports whether every observation is one pair or answer.
func single(p stats.Pair) bool { return p.MeanX == 1 && p.M2X == 0 }

// pairInterval is exact where pairs agree or not, and where all agree alike: a
// candidate that answers as the baseline does has no spread to go by. For any
// value from 0 to 1 the mixture of one that is 0 or 1 is an e-value too, because
// the likelihood ratio is convex in the value. In between it is normal.
func pairInterval(p stats.Pair, alpha, planned float64) (stats.Estimate, stats.Interval, error) {
	est, err := p.Ratio()
	if err != nil {
		est = stats.Estimate{Value: p.MeanY}
	}
	if !single(p) {
		interval, err := clusteredInterval(p, est, alpha, planned)
		return est, interval, err
	}
	if bounded := p.MeanY >= 0 && p.MeanY <= 1; !bounded || est.SE > 0 && !zeroOne(p) {
		interval, err := normalInterval(est, p.N, alpha, planned)
		return est, interval, err
	}
	interval, err := exactInterval(p.MeanY*float64(p.N), p.N, alpha, planned)
	return est, interval, err
}

// clusteredInterval is that of pairs of which a unit may have several: by trials
// while few differ, then normal. Each has half of the error, so that going over
// from one to the other costs none.
func clusteredInterval(p stats.Pair, est stats.Estimate, alpha, planned float64) (stats.Interval, error) {
	c, few := trials(p)
	if !few {
		return normalInterval(est, p.N, alpha/2, planned)
	}
	return exactInterval(est.Value*float64(c.N), c.N, alpha/2, planned)
}

// exactInterval is that of n values from 0 to 1 with a sum that need not be
// whole.
func exactInterval(sum float64, n int64, alpha, planned float64) (stats.Interval, error) {
	const rounding = 1e-6
	low, errLow := stats.BernoulliInterval(stats.Counts{N: n, X: int64(math.Floor(sum + rounding))}, alpha, planned)
	high, errHigh := stats.BernoulliInterval(stats.Counts{N: n, X: int64(math.Ceil(sum - rounding))}, alpha, planned)
	if errLow != nil {
		return low, errLow
	}
	return stats.Interval{Low: low.Low, High: high.High}, errHigh
}

// answerInterval is exact where every answer counts once as 0 or 1, else
// normal: nothing bounds what answers say, so that answers that all say the same
// say nothing yet of the next.
func answerInterval(p stats.Pair, alpha, planned float64) (stats.Estimate, stats.Interval, error) {
	if zeroOne(p) {
		return pairInterval(p, alpha, planned)
	}
	est, err := p.Ratio()
	if err != nil {
		return est, stats.Interval{}, err
	}
	interval, err := normalInterval(est, p.N, alpha, planned)
	return est, interval, err
}

// zeroOne reports whether all values are 0 or 1 and count as one observation
// each: then, and for values in that range only then, the sum of squares is the
// sum.
func zeroOne(p stats.Pair) bool {
	n := float64(p.N)
	return p.N > 0 && single(p) && p.MeanY >= 0 && p.MeanY <= 1 &&
		math.Abs(p.M2Y-n*p.MeanY*(1-p.MeanY)) <= 1e-9*n
}
