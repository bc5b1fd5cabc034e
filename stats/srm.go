// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"github.com/headgate-dev/headgate/stats/internal/input"
	"gonum.org/v1/gonum/mathext"
)

// SRMChiSquared is Pearson's test of a sample-ratio mismatch at one look
// chosen in advance: do the units counted per version follow the shares? Alarm
// below p = 0.001. Shares need not sum to 1. A version with neither share nor
// units is left out; one with units and no share is ErrImpossible. Fewer than
// two versions with a share, or no units, is ErrNoData. Below five expected
// units per version p is only rough.
func SRMChiSquared(counts []int64, shares []float64) (chi2, p float64, err error) {
	const fn = "SRMChiSquared"
	n, theta, err := sampleRatio(fn, counts, shares)
	if err != nil {
		return 0, 0, err
	}
	chi2 = pearson(n, theta)
	if err := input.Finite(fn, "chi-squared", chi2); err != nil {
		return 0, 0, err
	}
	return chi2, mathext.GammaIncRegComp(float64(len(n)-1)/2, chi2/2), nil
}

// SRMLogE is the logarithm of the sequential sample-ratio e-value: a
// Dirichlet-multinomial mixture against the shares, with a prior centred on
// them that weighs concentration units (Lindon and Malek 2022). Under the
// shares the probability that it ever reaches ln(1/alpha) is at most alpha, at
// any time of looking. Values of phases with different shares add up.
//
// The same e-value compares events between versions, given the versions'
// exposures as shares, and discordant pairs, given equal shares. Errors are
// those of SRMChiSquared.
func SRMLogE(counts []int64, shares []float64, concentration float64) (float64, error) {
	const fn = "SRMLogE"
	if err := input.Positive(fn, "concentration", concentration); err != nil {
		return 0, err
	}
	n, theta, err := sampleRatio(fn, counts, shares)
	if err != nil {
		return 0, err
	}
	alpha := make([]float64, len(theta))
	for i := range theta {
		alpha[i] = concentration * theta[i]
		if err := input.Positive(fn, "concentration", alpha[i]); err != nil {
			return 0, err
		}
	}
	logE := dirichletLogE(n, theta, alpha)
	return logE, input.Finite(fn, "concentration", logE)
}

// MultinomialLogE is SRMLogE with a Dirichlet prior of any weights, one per
// version, instead of one centred on the shares: it looks for mismatches where
// the prior expects them. All weights must be positive, and so must the shares.
func MultinomialLogE(counts []int64, shares, prior []float64) (float64, error) {
	const fn = "MultinomialLogE"
	n, theta, err := sampleRatio(fn, counts, shares)
	if err != nil {
		return 0, err
	}
	if len(n) != len(prior) {
		return 0, input.Refuse(fn, "number of prior weights", float64(len(prior)), "one for each count, each with a share")
	}
	for _, a := range prior {
		if err := input.Positive(fn, "prior weight", a); err != nil {
			return 0, err
		}
	}
	logE := dirichletLogE(n, theta, prior)
	return logE, input.Finite(fn, "prior weight", logE)
}

// sampleRatio checks counts and shares, drops versions that have neither and
// normalises the shares of the rest.
func sampleRatio(fn string, counts []int64, shares []float64) (n, theta []float64, err error) {
	if len(counts) != len(shares) {
		return nil, nil, input.Refuse(fn, "number of shares", float64(len(shares)), "one for each count")
	}
	units, largest := 0.0, 0.0
	var unshared error
	for i, s := range shares {
		if counts[i] < 0 {
			return nil, nil, input.Refuse(fn, "count", float64(counts[i]), "0 or more")
		}
		if err := moment(fn, "share", s); err != nil {
			return nil, nil, err
		}
		if s == 0 {
			if counts[i] > 0 {
				unshared = impossible(fn, i, counts[i])
			}
			continue
		}
		units += float64(counts[i])
		largest = max(largest, s)
		n, theta = append(n, float64(counts[i])), append(theta, s)
	}
	switch {
	case unshared != nil:
		return nil, nil, unshared
	case len(n) < 2:
		return nil, nil, input.NoData(fn, "fewer than two versions have a share")
	case units == 0:
		return nil, nil, input.NoData(fn, "no units")
	}
	return n, theta, normalise(fn, theta, largest)
}

// normalise scales positive shares to the sum of 1, by way of the largest so
// that the sum cannot overflow.
func normalise(fn string, theta []float64, largest float64) error {
	sum := 0.0
	for i := range theta {
		theta[i] /= largest
		sum += theta[i]
	}
	for i := range theta {
		theta[i] /= sum
		if !(theta[i] > 1e-300) {
			return input.Refuse(fn, "share", theta[i], "0 or more than 1e-300 of the sum")
		}
	}
	return nil
}
