// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math"

	"github.com/headgate-dev/headgate/stats/internal/input"
	"gonum.org/v1/gonum/mathext"
)

// AlarmLevel is the p-value below which a check of validity should alarm: far
// below 0.05, because checks are many and looked at often, and a false alarm
// stops a good experiment.
const AlarmLevel = 0.001

// SplitPhase is a stretch of an experiment in which the shares did not change.
type SplitPhase struct {
	// Counts are the units first seen in the phase, per version.
	Counts []int64 `json:"counts"`
	// Shares are what was asked for, in any unit.
	Shares []float64 `json:"shares"`
}

// SRMPhases is SRMChiSquared over phases with different shares: the sum of
// their chi-squareds with the sum of their degrees of freedom. Phases without
// units are left out; if none is left it is ErrNoData.
func SRMPhases(phases []SplitPhase) (chi2 float64, df int, p float64, err error) {
	const fn = "SRMPhases"
	for _, phase := range phases {
		units := int64(0)
		for _, c := range phase.Counts {
			units |= c // Negative counts must reach the check below.
		}
		if units == 0 && len(phase.Counts) == len(phase.Shares) {
			continue
		}
		n, theta, err := sampleRatio(fn, phase.Counts, phase.Shares)
		if err != nil {
			return 0, 0, 0, err
		}
		chi2 += pearson(n, theta)
		df += len(n) - 1
	}
	if df == 0 {
		return 0, 0, 0, input.NoData(fn, "no phase with units")
	}
	if err := input.Finite(fn, "chi-squared", chi2); err != nil {
		return 0, 0, 0, err
	}
	return chi2, df, mathext.GammaIncRegComp(float64(df)/2, chi2/2), nil
}

// pearson is the chi-squared of counts against probabilities.
func pearson(n, theta []float64) float64 {
	total, chi2 := 0.0, 0.0
	for _, v := range n {
		total += v
	}
	for i := range n {
		expected := total * theta[i]
		d := n[i] - expected
		chi2 += d * (d / expected)
	}
	return chi2
}

// AdaptiveSplit counts one version's units under shares that change from unit
// to unit, as a bandit's do. The zero value is no units.
type AdaptiveSplit struct {
	// Units is how many units the version got, and Expected the sum of the
	// shares it had when each of all units was assigned.
	Units    int64   `json:"units"`
	Expected float64 `json:"expected"`
	// Variance is the sum of share (1 - share).
	Variance float64 `json:"variance"`
}

// Add takes in a unit, of whichever version, that this version could have got
// with the given share. Sticky units count once, when they are first assigned.
func (a *AdaptiveSplit) Add(share float64, got bool) {
	a.Expected += share
	a.Variance += share * (1 - share)
	if got {
		a.Units++
	}
}

// Merge combines two disjoint sets of units.
func (a AdaptiveSplit) Merge(o AdaptiveSplit) AdaptiveSplit {
	return AdaptiveSplit{a.Units + o.Units, a.Expected + o.Expected, a.Variance + o.Variance}
}

// SRMAdaptive tests the units of versions whose shares the data chose, at one
// look fixed in advance: per version z = (units - expected)/sqrt(variance),
// which the martingale central limit theorem makes normal whatever chose the
// shares, and the two-sided p-value of the largest after Bonferroni's
// correction. Versions that never had a choice are left out of it; if none had
// it is ErrNoData, and ErrImpossible if one had units without a share.
func SRMAdaptive(versions []AdaptiveSplit) (z []float64, p float64, err error) {
	const fn = "SRMAdaptive"
	z = make([]float64, len(versions))
	tested, largest := 0, 0.0
	for i, v := range versions {
		if v.Units < 0 {
			return nil, 0, input.Refuse(fn, "units", float64(v.Units), "0 or more")
		}
		if err := input.First(moment(fn, "expected", v.Expected), moment(fn, "variance", v.Variance)); err != nil {
			return nil, 0, err
		}
		d := float64(v.Units) - v.Expected
		if v.Variance == 0 {
			if math.Abs(d) > 0.5 {
				return nil, 0, impossible(fn, i, v.Units)
			}
			continue
		}
		z[i] = min(max(d/math.Sqrt(v.Variance), -maxZ), maxZ)
		largest = max(largest, math.Abs(z[i]))
		tested++
	}
	if tested == 0 {
		return nil, 0, input.NoData(fn, "no version had a choice")
	}
	return z, min(1, float64(tested)*2*NormalSF(largest)), nil
}

// MissingOutcomes tests whether outcomes go missing alike in both versions, at
// one look fixed in advance: N are the units assigned and X those with any
// outcome at all. A difference makes every comparison of outcomes suspect,
// because what is missing is seldom missing by chance. p is two-sided, exact
// where there are few; alarm below AlarmLevel. If all units of both versions
// fared alike nothing is asymmetric, and p is 1.
func MissingOutcomes(candidate, baseline Counts) (difference Estimate, p float64, err error) {
	const fn = "MissingOutcomes"
	if err := checkProportions(fn, candidate, baseline); err != nil {
		return Estimate{}, 0, err
	}
	c, err1 := candidate.Proportion()
	b, err2 := baseline.Proportion()
	if err := input.First(err1, err2); err != nil {
		return Estimate{}, 0, err
	}
	difference = Difference(c, b)
	hits := float64(candidate.X) + float64(baseline.X)
	switch {
	case hits == 0 || hits == float64(candidate.N)+float64(baseline.N):
		return difference, 1, nil
	case few(candidate, baseline) && candidate.N <= maxFisherTrials/2 && baseline.N <= maxFisherTrials/2:
		p, _, err = FisherExact(candidate, baseline)
	default:
		_, p, err = TwoProportionZ(candidate, baseline)
	}
	return difference, p, err
}

// Exposure is how serious it is that units met more than one version.
type Exposure string

// The grades of multiple exposure, by the share of units that met more than
// one version: a tenth dilutes every effect, and with more than that the units
// are evidently not what was randomised.
const (
	ExposureClean   Exposure = "clean"   // at most 1 %
	ExposureDiluted Exposure = "diluted" // at most 10 %
	ExposureMixed   Exposure = "mixed"   // more
)

// MultipleExposure grades the share of units that met more than one version: N
// are all units and X those that did. Without units it is ErrNoData.
func MultipleExposure(c Counts) (share float64, grade Exposure, err error) {
	p, err := c.Proportion()
	switch {
	case err != nil:
		return 0, "", err
	case p.Value <= 0.01:
		return p.Value, ExposureClean, nil
	case p.Value <= 0.1:
		return p.Value, ExposureDiluted, nil
	}
	return p.Value, ExposureMixed, nil
}

// Balance is a quantity measured before the experiment, per version.
type Balance struct {
	Candidate Moments `json:"candidate"`
	Baseline  Moments `json:"baseline"`
}

// PreExposureBalance tests that the versions' units were alike before they met
// their version, at one look fixed in advance: Welch's test for each quantity,
// and the smallest two-sided p-value after Bonferroni's correction. Alarm below
// AlarmLevel: randomisation is broken. Quantities without variation are left
// out; if none is left it is ErrNoData.
func PreExposureBalance(quantities []Balance) (p float64, err error) {
	const fn = "PreExposureBalance"
	tested, smallest := 0, 1.0
	for _, q := range quantities {
		if q.Candidate.N >= 2 && q.Baseline.N >= 2 && q.Candidate.M2 == 0 && q.Baseline.M2 == 0 && q.Candidate.Mean == q.Baseline.Mean {
			continue
		}
		c, err := Welch(q.Candidate, q.Baseline)
		if err != nil {
			return 0, err
		}
		one, err := c.P()
		if err != nil {
			return 0, err
		}
		tested, smallest = tested+1, min(smallest, one)
	}
	if tested == 0 {
		return 0, input.NoData(fn, "no quantity varies")
	}
	return min(1, float64(tested)*smallest), nil
}
