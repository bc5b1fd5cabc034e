// SPDX-License-Identifier: Apache-2.0

package paired

import (
	"fmt"
	"math"

	"github.com/headgate-dev/headgate/stats"
	"github.com/headgate-dev/headgate/stats/internal/input"
)

// Discordance counts pairs of yes-or-no answers, such as right or wrong, by
// where the two versions differ. The zero value is no pairs.
type Discordance struct {
	// N is the number of pairs, equal ones included.
	N int64 `json:"n"`
	// Candidate and Baseline are the pairs in which that version alone said
	// yes.
	Candidate int64 `json:"candidate"`
	Baseline  int64 `json:"baseline"`
}

// Add takes in one pair.
func (d *Discordance) Add(candidate, baseline bool) {
	d.N++
	switch {
	case candidate && !baseline:
		d.Candidate++
	case baseline && !candidate:
		d.Baseline++
	}
}

// Merge adds two counts of different pairs.
func (d Discordance) Merge(o Discordance) Discordance {
	return Discordance{N: d.N + o.N, Candidate: d.Candidate + o.Candidate, Baseline: d.Baseline + o.Baseline}
}

// check refuses impossible counts and, where differing pairs are needed, none.
func (d Discordance) check(fn string, differing bool) error {
	for _, c := range []struct {
		arg string
		n   int64
	}{{"candidate", d.Candidate}, {"baseline", d.Baseline}} {
		if c.n < 0 || c.n > d.N {
			return input.Refuse(fn, c.arg, float64(c.n), "between 0 and the number of pairs")
		}
	}
	if d.Candidate > d.N-d.Baseline {
		return input.Refuse(fn, "differing pairs", float64(d.Candidate)+float64(d.Baseline), "at most the number of pairs")
	}
	if d.N == 0 || differing && d.Candidate+d.Baseline == 0 {
		return input.NoData(fn, "no pair differs")
	}
	return nil
}

// McNemar is McNemar's test that both versions say yes equally often: with b
// and c differing pairs, chi-squared = (b-c)^2/(b+c) with one degree of
// freedom, or (|b-c|-1)^2/(b+c) with continuity correction, which is
// conservative. It needs about 25 differing pairs; below, use Exact. None is
// ErrNoData.
func (d Discordance) McNemar(correct bool) (chi2, p float64, err error) {
	if err := d.check("paired.Discordance.McNemar", true); err != nil {
		return 0, 0, err
	}
	n := float64(d.Candidate + d.Baseline)
	gap := math.Abs(float64(d.Candidate - d.Baseline))
	if correct {
		gap = max(0, gap-1)
	}
	chi2 = gap / n * gap
	return chi2, 2 * stats.NormalSF(math.Sqrt(chi2)), nil
}

// Exact is the exact two-sided test of the same: the differing pairs are
// tosses of a fair coin. midP counts the observed value by half and is the
// better choice: its error rate is near alpha and hardly ever above, where
// that of p is far below (Fagerland et al. 2013). At most 2^40 pairs may
// differ.
func (d Discordance) Exact() (p, midP float64, err error) {
	if err := d.check("paired.Discordance.Exact", true); err != nil {
		return 0, 0, err
	}
	n, most := d.Candidate+d.Baseline, max(d.Candidate, d.Baseline)
	tail, err := stats.BinomialTestGreater(most, n, 0.5)
	if err != nil {
		return 0, 0, fmt.Errorf("stats: paired.Discordance.Exact: %w", err)
	}
	beyond := 0.0
	if most < n {
		if beyond, err = stats.BinomialTestGreater(most+1, n, 0.5); err != nil {
			return 0, 0, fmt.Errorf("stats: paired.Discordance.Exact: %w", err)
		}
	}
	return min(1, 2*tail), min(1, tail+beyond), nil
}

// LogE is the logarithm of the any-time e-value against "both versions say yes
// equally often": with b and c differing pairs and k = concentration,
//
//	ln B(k/2 + b, k/2 + c) - ln B(k/2, k/2) + (b + c) ln 2
//
// (Lindon and Malek 2022). Under that hypothesis the probability that it ever
// reaches ln(1/alpha) is at most alpha, however often one looks. It is exact
// for independent pairs. k must be fixed in advance; a large one is sharp for
// small differences in many pairs, 10 to 100 is usual.
func (d Discordance) LogE(concentration float64) (float64, error) {
	const fn = "paired.Discordance.LogE"
	if err := d.check(fn, true); err != nil {
		return 0, err
	}
	logE, err := stats.SRMLogE([]int64{d.Candidate, d.Baseline}, []float64{1, 1}, concentration)
	if err != nil {
		return 0, fmt.Errorf("stats: %s: %w", fn, err)
	}
	return logE, nil
}

// Difference estimates how much more often the candidate says yes,
// (b - c)/n, with Wald's standard error sqrt(b + c - (b-c)^2/n)/n. The error is
// 0 if no pair differs or all do in one way, which means "unknown", not
// "certain".
func (d Discordance) Difference() (stats.Estimate, error) {
	if err := d.check("paired.Discordance.Difference", false); err != nil {
		return stats.Estimate{}, err
	}
	n := float64(d.N)
	b, c := float64(d.Candidate)/n, float64(d.Baseline)/n
	return stats.Estimate{Value: b - c, SE: math.Sqrt(max(0, b+c-(b-c)*(b-c)) / n)}, nil
}

// Interval is Wald's confidence interval of that difference at one look fixed
// in advance, with confidence conf, such as 0.95. It is a large-sample
// approximation: below about 25 differing pairs it is too narrow. A standard
// error of zero is ErrNoData.
func (d Discordance) Interval(conf float64) (stats.Interval, error) {
	const fn = "paired.Discordance.Interval"
	e, err := d.Difference()
	if err := input.First(err, input.Fraction(fn, "conf", conf)); err != nil {
		return stats.Interval{}, err
	}
	if e.SE == 0 {
		return stats.Interval{}, input.NoData(fn, "the standard error is zero")
	}
	half := -stats.NormalQuantile((1-conf)/2) * e.SE
	return stats.Interval{Low: e.Value - half, High: e.Value + half}, nil
}
