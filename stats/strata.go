// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math"

	"github.com/headgate-dev/headgate/stats/internal/input"
)

// Stratum is one part of the units, such as a slice of users or a phase of the
// rollout, in which the shares of the versions did not change.
type Stratum struct {
	// Weight is the stratum's share of all units, in any unit; only ratios
	// matter. Zero in all strata means by the units there are.
	Weight float64 `json:"weight"`
	// Candidate and Baseline are what the versions' units in it show.
	Candidate Measured `json:"candidate"`
	Baseline  Measured `json:"baseline"`
}

// Stratified is an effect put together from strata.
type Stratified struct {
	// Effect is the weighted mean of the strata's candidate - baseline.
	Effect Estimate `json:"effect"`
	// Raw is the difference that comes out if the strata are ignored.
	Raw float64 `json:"raw"`
	// Simpson warns that the two have opposite signs: the strata differ, and
	// the versions' units are spread over them differently, which shares that
	// changed with the phases suffice for. Raw is then wrong.
	Simpson bool `json:"simpson"`
}

// PostStratify estimates the effect from strata:
//
//	sum W (candidate - baseline), with variance sum W^2 (se_c^2 + se_b^2).
//
// Across the steps of a canary, whose shares change, it is the only honest
// way; across slices it removes the variance between them. Every stratum needs
// units of both versions (ErrNoData).
func PostStratify(strata []Stratum) (Stratified, error) {
	const fn = "PostStratify"
	total, largest := 0.0, 0.0
	var units [2]float64
	for _, s := range strata {
		if s.Candidate.Units < 1 || s.Baseline.Units < 1 {
			return Stratified{}, input.NoData(fn, "a stratum without units of both versions")
		}
		if err := input.First(
			moment(fn, "weight", s.Weight),
			input.Finite(fn, "candidate", s.Candidate.Value), input.Finite(fn, "baseline", s.Baseline.Value),
			moment(fn, "candidate's standard error", s.Candidate.SE), moment(fn, "baseline's standard error", s.Baseline.SE),
		); err != nil {
			return Stratified{}, err
		}
		largest = max(largest, s.Weight)
		units[0] += float64(s.Candidate.Units)
		units[1] += float64(s.Baseline.Units)
	}
	if len(strata) == 0 {
		return Stratified{}, input.NoData(fn, "no strata")
	}
	weight := func(s Stratum) float64 {
		if largest == 0 {
			return (float64(s.Candidate.Units) + float64(s.Baseline.Units)) / (units[0] + units[1])
		}
		return s.Weight / largest
	}
	for _, s := range strata {
		total += weight(s)
	}
	var out Stratified
	for _, s := range strata {
		w, d := weight(s)/total, Difference(s.Candidate.Estimate, s.Baseline.Estimate)
		out.Effect.Value += w * d.Value
		out.Effect.SE = math.Hypot(out.Effect.SE, w*d.SE)
		out.Raw += s.Candidate.Value*(float64(s.Candidate.Units)/units[0]) - s.Baseline.Value*(float64(s.Baseline.Units)/units[1])
	}
	out.Simpson = out.Raw*out.Effect.Value < 0
	effect, err := result(fn, out.Effect)
	out.Effect = effect
	return out, input.First(err, input.Finite(fn, "raw difference", out.Raw))
}
