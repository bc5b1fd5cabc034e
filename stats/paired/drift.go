// SPDX-License-Identifier: Apache-2.0

package paired

import (
	"fmt"
	"math"

	"github.com/headgate-dev/headgate/stats"
	"github.com/headgate-dev/headgate/stats/internal/input"
	"gonum.org/v1/gonum/mathext"
)

// shares checks two lists of weights for the same bins and scales each to the
// sum of 1.
func shares(fn string, first, second []float64) (p, q []float64, err error) {
	if err := sameLength(fn, "number of bins", len(second), len(first)); err != nil {
		return nil, nil, err
	}
	scale := func(ws []float64) ([]float64, error) {
		largest, sum := 0.0, 0.0
		for _, w := range ws {
			if err := moment(fn, "share", w); err != nil {
				return nil, err
			}
			largest = max(largest, w)
		}
		if largest == 0 {
			return nil, input.NoData(fn, "all shares are zero")
		}
		out := make([]float64, len(ws))
		for i, w := range ws {
			out[i] = w / largest // So that the sum cannot overflow.
			sum += out[i]
		}
		for i := range out {
			out[i] /= sum
		}
		return out, nil
	}
	p, errP := scale(first)
	q, errQ := scale(second)
	return p, q, input.First(errP, errQ)
}

// PSI is the population stability index of two distributions over the same
// bins, sum (a - e) ln(a/e), 0 if they are equal; it is symmetric. Shares need
// not sum to 1. A bin that is empty on one side alone makes it infinite, which
// is ErrImpossible: use PSICounts, which smooths. Compare it with PSIThreshold
// rather than with the folk limits .1 and .25, which know no sample size.
func PSI(expected, actual []float64) (float64, error) {
	const fn = "paired.PSI"
	e, a, err := shares(fn, expected, actual)
	if err != nil {
		return 0, err
	}
	psi := 0.0
	for i := range e {
		if e[i] == a[i] {
			continue
		}
		if e[i] == 0 || a[i] == 0 {
			return 0, fmt.Errorf("stats: %s: bin %d is empty on one side: %w", fn, i, stats.ErrImpossible)
		}
		psi += (a[i] - e[i]) * (math.Log(a[i]) - math.Log(e[i]))
	}
	return psi, nil
}

// PSICounts is the PSI of counts, with half a count added to every bin so that
// empty ones do not make it infinite.
func PSICounts(expected, actual []int64) (float64, error) {
	const fn = "paired.PSICounts"
	smooth := func(counts []int64) ([]float64, error) {
		out, any := make([]float64, len(counts)), false
		for i, c := range counts {
			if c < 0 {
				return nil, input.Refuse(fn, "count", float64(c), "0 or more")
			}
			any = any || c > 0
			out[i] = float64(c) + 0.5
		}
		if !any {
			return nil, input.NoData(fn, "no counts")
		}
		return out, nil
	}
	e, errE := smooth(expected)
	a, errA := smooth(actual)
	if err := input.First(errE, errA); err != nil {
		return 0, err
	}
	return PSI(e, a)
}

// PSIThreshold is what the PSI of two samples of n and m values in this many
// bins exceeds with probability alpha if they come from one distribution:
// (1/n + 1/m) times the chi-squared quantile with bins - 1 degrees of freedom
// (Yurdakul and Naranjo 2020). It needs about five values per bin, and takes
// the samples for independent: for outputs of the same requests the true
// probability is lower.
func PSIThreshold(n, m int64, bins int, alpha float64) (float64, error) {
	const fn = "paired.PSIThreshold"
	if n <= 0 || m <= 0 {
		return 0, input.NoData(fn, "no values")
	}
	if bins < 2 || bins > 1e6 {
		return 0, input.Refuse(fn, "bins", float64(bins), "from 2 to 1,000,000")
	}
	if err := input.Fraction(fn, "alpha", alpha); err != nil {
		return 0, err
	}
	out := (1/float64(n) + 1/float64(m)) * 2 * mathext.GammaIncRegCompInv(float64(bins-1)/2, alpha)
	return out, finite(fn, "threshold", out)
}

// JensenShannon is the Jensen-Shannon divergence of two distributions over the
// same bins in bits: the mean of how far each is from their average, 0 if they
// are equal and 1 if they share no bin (Lin 1991). Its square root is a
// distance. Shares need not sum to 1.
func JensenShannon(first, second []float64) (bits float64, err error) {
	p, q, err := shares("paired.JensenShannon", first, second)
	if err != nil {
		return 0, err
	}
	for i := range p {
		m := (p[i] + q[i]) / 2
		bits += (entropyTerm(p[i], m) + entropyTerm(q[i], m)) / (2 * math.Ln2)
	}
	return min(max(bits, 0), 1), nil
}

// entropyTerm is p ln(p/m), which is 0 at p = 0.
func entropyTerm(p, m float64) float64 {
	if p == 0 {
		return 0
	}
	return p * math.Log(p/m)
}

// TotalVariation is half the sum of the absolute differences of shares: the
// largest difference in the probability of anything. Shares need not sum to 1.
func TotalVariation(first, second []float64) (float64, error) {
	p, q, err := shares("paired.TotalVariation", first, second)
	if err != nil {
		return 0, err
	}
	sum := 0.0
	for i := range p {
		sum += math.Abs(p[i] - q[i])
	}
	return min(1, sum/2), nil
}
