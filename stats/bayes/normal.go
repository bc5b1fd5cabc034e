// SPDX-License-Identifier: Apache-2.0

package bayes

import (
	"math"

	"github.com/headgate-dev/headgate/stats"
	"github.com/headgate-dev/headgate/stats/internal/input"
)

// Normal is what is believed about an effect or a mean: N(Mean, SD^2), in the
// unit of the metric, or relative to the baseline if the estimate was.
type Normal struct {
	Mean float64 `json:"mean"`
	SD   float64 `json:"sd"`
}

// check refuses what is not a normal distribution; no spread at all is
// ErrNoData, as a standard error of zero is in package stats.
func (n Normal) check(fn string) error {
	if err := input.First(input.Finite(fn, "mean", n.Mean), input.Finite(fn, "standard deviation", n.SD)); err != nil {
		return err
	}
	if n.SD == 0 {
		return input.NoData(fn, "the standard deviation is zero")
	}
	return input.Positive(fn, "standard deviation", n.SD)
}

// Flat is what is believed after an estimate, when nothing was before: the
// improper prior that takes every value for equally likely.
func Flat(est stats.Estimate) (Normal, error) {
	out := Normal{Mean: est.Value, SD: est.SE}
	return out, out.check("bayes.Flat")
}

// Update is what is believed after an estimate that is roughly normal around
// the truth: precisions 1/SD^2 and 1/SE^2 add, and the means are weighted by
// them (Gelman et al. 2013, section 2.5). The prior must have been fixed
// before the data were seen.
func (n Normal) Update(est stats.Estimate) (Normal, error) {
	const fn = "bayes.Normal.Update"
	if err := input.First(n.check(fn), Normal{est.Value, est.SE}.check(fn)); err != nil {
		return Normal{}, err
	}
	h := math.Hypot(n.SD, est.SE)
	w := (n.SD / h) * (n.SD / h)
	out := Normal{Mean: n.Mean*(1-w) + est.Value*w, SD: n.SD / h * est.SE}
	if err := out.check(fn); err != nil {
		return Normal{}, imprecise(fn, "the prior and the estimate are too far apart in width")
	}
	return out, nil
}

// Relative is the relative effect (candidate - baseline)/|baseline| of
// independent estimates with its delta-method standard error,
//
//	sqrt(SE_c^2/b^2 + c^2 SE_b^2/b^4),
//
// for priors that are stated as relative effects. It is only good for a
// baseline many standard errors from zero; what decides should be tested with
// stats.Linearised and shown with stats.RelativeInterval. A baseline of zero
// is ErrNoData.
func Relative(candidate, baseline stats.Estimate) (stats.Estimate, error) {
	const fn = "bayes.Relative"
	if err := input.First(
		Normal{candidate.Value, candidate.SE}.check(fn), Normal{baseline.Value, baseline.SE}.check(fn),
	); err != nil {
		return stats.Estimate{}, err
	}
	b := math.Abs(baseline.Value)
	if b == 0 {
		return stats.Estimate{}, input.NoData(fn, "the baseline is zero")
	}
	out := stats.Estimate{
		Value: (candidate.Value - baseline.Value) / b,
		SE:    math.Hypot(candidate.SE/b, candidate.Value/b*(baseline.SE/b)),
	}
	return out, input.First(input.Finite(fn, "effect", out.Value), input.Finite(fn, "standard error", out.SE))
}

// Above is the probability that the value exceeds x. For an effect and x = 0
// it is the probability that the candidate is better.
func (n Normal) Above(x float64) (float64, error) {
	const fn = "bayes.Normal.Above"
	if err := input.First(n.check(fn), input.Finite(fn, "x", x)); err != nil {
		return 0, err
	}
	return stats.NormalSF((x - n.Mean) / n.SD), nil
}

// Interval is the equal-tailed credible interval with probability conf, such
// as 0.95.
func (n Normal) Interval(conf float64) (stats.Interval, error) {
	const fn = "bayes.Normal.Interval"
	if err := input.First(n.check(fn), input.Fraction(fn, "conf", conf)); err != nil {
		return stats.Interval{}, err
	}
	half := -stats.NormalQuantile((1-conf)/2) * n.SD
	out := stats.Interval{Low: n.Mean - half, High: n.Mean + half}
	return out, input.First(input.Finite(fn, "low", out.Low), input.Finite(fn, "high", out.High))
}

// Losses are the expected losses of an effect candidate - baseline, in its
// unit: of keeping the baseline, E[max(X, 0)] = m Phi(m/s) + s phi(m/s), and
// of choosing the candidate, E[max(-X, 0)], which is that minus m.
func (n Normal) Losses() (baseline, candidate float64, err error) {
	const fn = "bayes.Normal.Losses"
	if err := n.check(fn); err != nil {
		return 0, 0, err
	}
	z := math.Abs(n.Mean) / n.SD
	small := 0.0
	if z < 40 { // Beyond, it is less than the smallest number.
		small = n.SD * max(0, math.Exp(-z*z/2)/math.Sqrt(2*math.Pi)-z*stats.NormalSF(z))
	}
	large := math.Abs(n.Mean) + small
	if err := input.Finite(fn, "loss", large); err != nil {
		return 0, 0, err
	}
	if n.Mean < 0 {
		return small, large, nil
	}
	return large, small, nil
}

// Rope says how an effect lies to a region of practical equivalence. A usual
// rule decides when one of the three exceeds 0.95.
type Rope struct {
	// Below, In and Above are probabilities that add up to 1.
	Below float64 `json:"below"`
	In    float64 `json:"in"`
	Above float64 `json:"above"`
}

// Rope compares the effect with a region of practical equivalence: the effects
// too small to matter, fixed before the data are seen (Kruschke 2018).
func (n Normal) Rope(region stats.Interval) (Rope, error) {
	const fn = "bayes.Normal.Rope"
	if err := input.First(n.check(fn), input.Finite(fn, "region's low", region.Low), input.Finite(fn, "region's high", region.High)); err != nil {
		return Rope{}, err
	}
	if region.Low > region.High {
		return Rope{}, input.Refuse(fn, "region's high", region.High, "not below its low")
	}
	low, high := (region.Low-n.Mean)/n.SD, (region.High-n.Mean)/n.SD
	out := Rope{Below: stats.NormalCDF(low), Above: stats.NormalSF(high)}
	// The smaller tails, so that a region far out keeps its digits.
	if low > 0 {
		out.In = stats.NormalSF(low) - out.Above
	} else {
		out.In = stats.NormalCDF(high) - out.Below
	}
	return out, nil
}
