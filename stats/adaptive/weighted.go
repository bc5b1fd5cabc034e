// SPDX-License-Identifier: Apache-2.0

package adaptive

import (
	"math"

	"github.com/headgate-dev/headgate/stats"
	"github.com/headgate-dev/headgate/stats/internal/input"
)

// Period is an interval in which the shares were constant, seen from one
// version; at the finest it is a single unit.
type Period struct {
	// Share is the probability with which a unit was assigned to the version,
	// above 0 and at most 1.
	Share float64 `json:"share"`
	// Units are all units of the period, whatever version they met.
	Units int64 `json:"units"`
	// Observed are the moments of those that met the version.
	Observed stats.Moments `json:"observed"`
}

// Weighted are estimates of a version's mean from adaptively collected data.
type Weighted struct {
	// Estimate is the adaptively weighted mean, the one to use.
	stats.Estimate
	// Uniform weighs all units alike: free of bias at any sample size, but with
	// a larger error, and not normal if shares vanish.
	Uniform stats.Estimate `json:"uniform"`
	// BiasedRaw is the plain mean of what was observed. It is biased; show it,
	// do not decide by it.
	BiasedRaw stats.Estimate `json:"biasedRaw"`
	// Scores are the mean scores per unit of each period.
	Scores []float64 `json:"scores"`
}

// WeightedMean estimates a version's mean by augmented inverse propensity
// weighting with the weights h = sqrt(e) (Hadad et al. 2021). With e the
// share, m the mean observed in earlier periods and A whether a unit met the
// version,
//
//	score = m + A/e (y - m), mean = sum h score / sum h,
//	variance = sum h^2 (score - mean)^2 / (sum h)^2.
//
// initial stands for m until the version is first observed; it costs nothing
// but width. Periods are in the order of time. Nothing observed is ErrNoData.
func WeightedMean(periods []Period, initial float64) (Weighted, error) {
	const fn = "adaptive.WeightedMean"
	if err := input.Finite(fn, "initial", initial); err != nil {
		return Weighted{}, err
	}
	out := Weighted{Scores: make([]float64, len(periods))}
	plugIn := make([]float64, len(periods))
	var seen stats.Moments
	units, weights, sum, uniform := 0.0, 0.0, 0.0, 0.0
	for i, p := range periods {
		if err := p.check(fn); err != nil {
			return Weighted{}, err
		}
		if plugIn[i] = initial; seen.N > 0 {
			plugIn[i] = seen.Mean
		}
		out.Scores[i] = plugIn[i]
		if p.Units > 0 {
			out.Scores[i] += float64(p.Observed.N) / float64(p.Units) / p.Share * (p.Observed.Mean - plugIn[i])
		}
		n, h := float64(p.Units), math.Sqrt(p.Share)
		units += n
		weights += n * h
		sum += n * h * out.Scores[i]
		uniform += n * out.Scores[i]
		seen = seen.Merge(p.Observed)
	}
	if seen.N == 0 {
		return Weighted{}, input.NoData(fn, "the version was never observed")
	}
	mean, flat := sum/weights, uniform/units
	square, flatSquare := 0.0, 0.0
	for i, p := range periods {
		square += p.Share * p.squares(plugIn[i], mean)
		flatSquare += p.squares(plugIn[i], flat)
	}
	var err error
	if out.Estimate, err = estimate(fn, mean, square/weights/weights); err != nil {
		return Weighted{}, err
	}
	if out.Uniform, err = estimate(fn, flat, flatSquare/units/units); err != nil {
		return Weighted{}, err
	}
	if out.BiasedRaw, err = raw(fn, seen); err != nil {
		return Weighted{}, err
	}
	return out, nil
}

func (p Period) check(fn string) error {
	if !(p.Share > 0 && p.Share <= 1) {
		return input.Refuse(fn, "share", p.Share, "above 0 and at most 1")
	}
	if err := series(fn, "observed", p.Observed); err != nil {
		return err
	}
	if p.Observed.N > p.Units {
		return input.Refuse(fn, "units", float64(p.Units), "at least those that met the version")
	}
	return nil
}

// squares is the sum over units of (score - mean)^2.
func (p Period) squares(plugIn, mean float64) float64 {
	n := float64(p.Observed.N)
	others := plugIn - mean
	own := others + (p.Observed.Mean-plugIn)/p.Share
	return (float64(p.Units)-n)*others*others + n*own*own + p.Observed.M2/p.Share/p.Share
}
