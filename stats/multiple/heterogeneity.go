// SPDX-License-Identifier: Apache-2.0

package multiple

import (
	"math"

	"github.com/headgate-dev/headgate/stats"
	"github.com/headgate-dev/headgate/stats/internal/input"
	"gonum.org/v1/gonum/mathext"
)

// Heterogeneity is how far the effects in slices are apart.
type Heterogeneity struct {
	// Pooled is the mean effect, weighted by precision, if all slices share one.
	Pooled stats.Estimate `json:"pooled"`
	// Q is Cochran's statistic, chi-squared with DF = slices-1 degrees of
	// freedom if all slices share one effect, and P its p-value.
	Q  float64 `json:"q"`
	DF int     `json:"df"`
	P  float64 `json:"p"`
	// I2 is the share, from 0 to 1, of the variation between slices that is
	// not noise: max(0, 1 - DF/Q) (Higgins and Thompson 2002).
	I2 float64 `json:"i2"`
	// Tau2 is the variance of the true effects between slices, in the square of
	// the effect's unit (DerSimonian and Laird 1986).
	Tau2 float64 `json:"tau2"`
}

// Compare says whether effects estimated in slices that share no unit differ
// (Cochran 1954). With w_s = 1/SE_s²:
//
//	pooled = sum w_s d_s / sum w_s,   Q = sum w_s (d_s - pooled)²,
//	tau² = max(0, (Q - DF)/(sum w - sum w²/sum w)).
//
// Estimates must be about normal with known errors; p is rough where a slice
// has few events. Fewer than two slices, or a standard error of 0, is
// stats.ErrNoData: leave out slices in which nothing has varied yet, and say
// so.
func Compare(effects []stats.Estimate) (Heterogeneity, error) {
	const fn = "multiple.Compare"
	least, err := leastError(fn, effects)
	if err != nil {
		return Heterogeneity{}, err
	}
	if len(effects) < 2 {
		return Heterogeneity{}, input.NoData(fn, "fewer than two slices")
	}
	// Weights in units of the largest, so that they neither overflow nor vanish.
	sum, squares, mean := 0.0, 0.0, 0.0
	for _, e := range effects {
		w := (least / e.SE) * (least / e.SE)
		sum += w
		squares += w * w
		mean += w * (e.Value - mean) / sum
	}
	h := Heterogeneity{Pooled: stats.Estimate{Value: mean, SE: least / math.Sqrt(sum)}, DF: len(effects) - 1}
	for _, e := range effects {
		z := (e.Value - mean) / e.SE
		h.Q += z * z
	}
	if excess := h.Q - float64(h.DF); excess > 0 {
		h.I2 = excess / h.Q
		h.Tau2 = excess / (sum - squares/sum) * least * least
	}
	for _, v := range []float64{h.Pooled.Value, h.Pooled.SE, h.Q, h.Tau2} {
		if err := input.Finite(fn, "effects", v); err != nil {
			return Heterogeneity{}, err
		}
	}
	h.P = mathext.GammaIncRegComp(float64(h.DF)/2, h.Q/2)
	return h, nil
}

// Shrink pulls the slices' effects towards the pooled one as far as they are
// noise, which is what should be displayed: the best of ten slices is mostly
// lucky. The factor tau²/(tau²+SE²) keeps an exact slice as it is and moves a
// noisy one nearly all the way (empirical Bayes; Morris 1983):
//
//	shrunk_s = (tau² d_s + SE_s² pooled)/(tau² + SE_s²).
//
// The standard error is that of the shrunken value, with that of the pooled
// one in it but not that of tau², so it is somewhat too small for few slices.
// It is for display: decide on the estimates themselves, with Holm or
// EBenjaminiHochberg. Errors are those of Compare.
func (h Heterogeneity) Shrink(effects []stats.Estimate) ([]stats.Estimate, error) {
	const fn = "multiple.Heterogeneity.Shrink"
	if _, err := leastError(fn, effects); err != nil {
		return nil, err
	}
	if err := input.NonNegative(fn, "tau²", h.Tau2); err != nil {
		return nil, err
	}
	if err := input.Finite(fn, "pooled effect", h.Pooled.Value); err != nil {
		return nil, err
	}
	if err := input.NonNegative(fn, "pooled standard error", h.Pooled.SE); err != nil {
		return nil, err
	}
	tau := math.Sqrt(h.Tau2)
	out := make([]stats.Estimate, len(effects))
	for i, e := range effects {
		noise := e.SE / math.Hypot(tau, e.SE) // sqrt(SE²/(tau²+SE²))
		pull := noise * noise
		out[i] = stats.Estimate{
			Value: e.Value + pull*(h.Pooled.Value-e.Value),
			SE:    math.Hypot(noise*tau, pull*h.Pooled.SE),
		}
		if err := input.Finite(fn, "effect", out[i].Value); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Interaction is the result of GailSimon.
type Interaction struct {
	// Above and Below are the sums of squared z-values of slices with an
	// effect above 0 and below 0.
	Above float64 `json:"above"`
	Below float64 `json:"below"`
	// P is the p-value of "no slice is truly harmed while another is truly
	// helped", from the smaller of the two.
	P float64 `json:"p"`
}

// GailSimon tests for a qualitative interaction: that the effect is truly above
// 0 in one slice and truly below 0 in another, not only of different size (Gail
// and Simon 1985). With S slices and Q the smaller of Above and Below
//
//	p = sum_{h=1}^{S-1} binom(S-1, h) 2^{-(S-1)} P(chi²_h > Q),
//
// which is 1 - 2^{-(S-1)} where Q is 0: effects that all point one way are no
// evidence. Slices must share no unit. Fewer than two slices, or a standard
// error of 0, is stats.ErrNoData; more than 1,000 slices are refused.
func GailSimon(effects []stats.Estimate) (Interaction, error) {
	const fn, most = "multiple.GailSimon", 1000
	if _, err := leastError(fn, effects); err != nil {
		return Interaction{}, err
	}
	if len(effects) < 2 {
		return Interaction{}, input.NoData(fn, "fewer than two slices")
	}
	if len(effects) > most {
		return Interaction{}, input.Refuse(fn, "number of slices", float64(len(effects)), "at most 1000")
	}
	var out Interaction
	for _, e := range effects {
		z := e.Value / e.SE
		if z > 0 {
			out.Above += z * z
		} else {
			out.Below += z * z
		}
	}
	if err := input.Finite(fn, "effects", out.Above+out.Below); err != nil {
		return Interaction{}, err
	}
	q := min(out.Above, out.Below)
	s := len(effects) - 1
	weight := math.Exp2(-float64(s)) // binom(s, h)/2^s, from h = 0 on
	for h := 1; h <= s; h++ {
		weight *= float64(s-h+1) / float64(h)
		out.P += weight * mathext.GammaIncRegComp(float64(h)/2, q/2)
	}
	return out, nil
}

// leastError checks estimates and returns the smallest standard error.
func leastError(fn string, effects []stats.Estimate) (float64, error) {
	if len(effects) == 0 {
		return 0, input.NoData(fn, "no slices")
	}
	least := math.Inf(1)
	for _, e := range effects {
		if err := input.Finite(fn, "effect", e.Value); err != nil {
			return 0, err
		}
		if e.SE == 0 {
			return 0, input.NoData(fn, "a standard error is zero")
		}
		if err := input.Positive(fn, "standard error", e.SE); err != nil {
			return 0, err
		}
		least = min(least, e.SE)
	}
	return least, nil
}
