// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math"

	"github.com/headgate-dev/headgate/stats/internal/input"
)

// ThetaRule is where the slope of the outcome on the covariate comes from.
type ThetaRule int

const (
	// WithinVersions pools the slopes within the versions. An effect of the
	// candidate on the outcome does not leak into it. It is the one to use for
	// about equal splits.
	WithinVersions ThetaRule = iota
	// PerVersion gives each version its own slope (Lin 2013), which cannot hurt
	// at any split; it is the one to use for canaries.
	PerVersion
	// Joint takes all units as one sample, differences between the versions
	// included, as some other tools do. Prefer the others.
	Joint
)

// Adjusted is a comparison after what a covariate predicts has been taken out.
type Adjusted struct {
	// Contrast is candidate - baseline, adjusted.
	Contrast
	// Candidate and Baseline are the adjusted means.
	Candidate Measured `json:"candidate"`
	Baseline  Measured `json:"baseline"`
	// ThetaCandidate and ThetaBaseline are the slopes, the same unless the
	// rule is PerVersion.
	ThetaCandidate float64 `json:"thetaCandidate"`
	ThetaBaseline  float64 `json:"thetaBaseline"`
	// Reduction is the share of the contrast's variance that the covariate
	// explained, below 0 where it added some.
	Reduction float64 `json:"reduction"`
}

// Cuped compares the means of Y of two versions with the help of a covariate X
// (Deng, Xu, Kohavi, Walker 2013):
//
//	Ycv = meanY - theta (meanX - meanX of all units).
//
// The covariate must have been fixed before the unit met its version: a value
// from before the experiment, or what the baseline model predicted for the
// unit in both versions. A covariate that the candidate can touch biases the
// effect. It needs two units per version (ErrNoData).
func Cuped(candidate, baseline Pair, rule ThetaRule) (Adjusted, error) {
	const fn = "Cuped"
	if err := input.First(candidate.check(fn), baseline.check(fn)); err != nil {
		return Adjusted{}, err
	}
	tc, tb, err := rule.thetas(fn, candidate, baseline)
	if err != nil {
		return Adjusted{}, err
	}
	all := candidate.Merge(baseline).MeanX
	out := Adjusted{
		Candidate: candidate.adjusted(tc, all), Baseline: baseline.adjusted(tb, all),
		ThetaCandidate: tc, ThetaBaseline: tb,
	}
	if out.Contrast, err = absolute(fn, out.Candidate, out.Baseline); err != nil {
		return Adjusted{}, err
	}
	plain := Difference(candidate.adjusted(0, all).Estimate, baseline.adjusted(0, all).Estimate)
	if plain.SE > 0 {
		out.Reduction = 1 - out.SE/plain.SE*(out.SE/plain.SE)
	}
	return out, input.Finite(fn, "reduction", out.Reduction)
}

// thetas are the slopes of both versions. A covariate that does not vary
// explains nothing.
func (r ThetaRule) thetas(fn string, candidate, baseline Pair) (c, b float64, err error) {
	slope := func(cyx, m2x float64) float64 {
		if m2x == 0 {
			return 0
		}
		return cyx / m2x
	}
	switch r {
	case WithinVersions:
		c = slope(candidate.CYX+baseline.CYX, candidate.M2X+baseline.M2X)
		b = c
	case PerVersion:
		c, b = slope(candidate.CYX, candidate.M2X), slope(baseline.CYX, baseline.M2X)
	case Joint:
		all := candidate.Merge(baseline)
		c = slope(all.CYX, all.M2X)
		b = c
	default:
		return 0, 0, input.Refuse(fn, "rule", float64(r), "a rule of this package")
	}
	return c, b, input.First(input.Finite(fn, "slope", c), input.Finite(fn, "slope", b))
}

// adjusted is the mean of Y - theta (X - all).
func (p Pair) adjusted(theta, all float64) Measured {
	n := float64(p.N)
	residual := max(0, p.M2Y-2*theta*p.CYX+theta*theta*p.M2X)
	return Measured{Estimate{p.MeanY - theta*(p.MeanX-all), math.Sqrt(residual / (n - 1) / n)}, p.N}
}

// CupedRelative is the adjusted effect relative to the unadjusted mean of the
// baseline, by the delta method. Like RelativeContrast it is for display. A
// baseline of zero is ErrNoData.
func CupedRelative(candidate, baseline Pair, rule ThetaRule) (Contrast, error) {
	const fn = "CupedRelative"
	a, err := Cuped(candidate, baseline, rule)
	if err != nil {
		return Contrast{}, err
	}
	mean := math.Abs(baseline.MeanY)
	if mean == 0 {
		return Contrast{}, input.NoData(fn, "the baseline is zero")
	}
	// The baseline's mean stands in the numerator and in the denominator; the
	// derivative by it is the candidate's mean over its square.
	n, k, theta := float64(baseline.N), candidate.MeanY/baseline.MeanY, a.ThetaBaseline
	residual := max(0, k*k*baseline.M2Y-2*k*theta*baseline.CYX+theta*theta*baseline.M2X)
	rel, err := result(fn, Estimate{
		Value: a.Value / mean,
		SE:    math.Hypot(a.Candidate.SE, math.Sqrt(residual/(n-1)/n)) / mean,
	})
	return Contrast{Estimate: rel, DF: a.DF}, err
}
