// SPDX-License-Identifier: Apache-2.0

package paired

import (
	"math"
	"slices"

	"github.com/headgate-dev/headgate/stats"
	"github.com/headgate-dev/headgate/stats/internal/input"
)

// AUCs are the areas under the ROC curves of two scores of the same cases: how
// often a positive case scores above a negative one, ties counted by half.
type AUCs struct {
	// Candidate and Baseline are the areas with their standard errors, which
	// are not independent.
	Candidate stats.Estimate `json:"candidate"`
	Baseline  stats.Estimate `json:"baseline"`
	// Covariance is that of the two areas.
	Covariance float64 `json:"covariance"`
	// Difference estimates candidate - baseline, with their covariance taken
	// into account.
	Difference stats.Estimate `json:"difference"`
}

// Test is DeLong's two-sided test of "both areas are equal", at one look fixed
// in advance. Scores that order the cases alike leave nothing to test, which
// is ErrNoData.
func (a AUCs) Test() (z, p float64, err error) {
	const fn = "paired.AUCs.Test"
	d := a.Difference
	if err := input.First(finite(fn, "difference", d.Value), moment(fn, "standard error", d.SE)); err != nil {
		return 0, 0, err
	}
	if d.SE == 0 {
		return 0, 0, input.NoData(fn, "the standard error is zero")
	}
	z = d.Value / d.SE
	return z, 2 * stats.NormalSF(math.Abs(z)), finite(fn, "z", z)
}

// CompareAUC estimates how well two scores of the same cases tell positive
// from negative ones (DeLong, DeLong and Clarke-Pearson 1988), by ranks (Sun
// and Xu 2014), in time n log n. Cases must be independent. It needs two
// positive and two negative cases, else it is ErrNoData, and some 30 of each
// for the standard errors to mean much.
func CompareAUC(positive []bool, candidate, baseline []float64) (AUCs, error) {
	const fn = "paired.CompareAUC"
	if err := input.First(
		sameLength(fn, "number of candidate scores", len(candidate), len(positive)),
		sameLength(fn, "number of baseline scores", len(baseline), len(positive)),
		finite(fn, "candidate score", candidate...), finite(fn, "baseline score", baseline...),
	); err != nil {
		return AUCs{}, err
	}
	c, ok := placements(positive, candidate)
	b, _ := placements(positive, baseline)
	if !ok {
		return AUCs{}, input.NoData(fn, "fewer than two positive or negative cases")
	}
	out := AUCs{
		Candidate:  stats.Estimate{Value: c.area, SE: math.Sqrt(covariance(c, c))},
		Baseline:   stats.Estimate{Value: b.area, SE: math.Sqrt(covariance(b, b))},
		Covariance: covariance(c, b),
	}
	// The variance of the difference as that of differences, lest it cancel.
	d := placed{area: c.area - b.area, positive: minus(c.positive, b.positive), negative: minus(c.negative, b.negative)}
	out.Difference = stats.Estimate{Value: d.area, SE: math.Sqrt(covariance(d, d))}
	return out, nil
}

// placed says of every case which share of the other kind it is on the right
// side of; DeLong calls these V10 and V01.
type placed struct {
	area               float64
	positive, negative []float64
}

// placements computes them, and says whether there are two cases of each kind.
func placements(positive []bool, scores []float64) (placed, bool) {
	var pos, neg []float64
	for i, s := range scores {
		if positive[i] {
			pos = append(pos, s)
		} else {
			neg = append(neg, s)
		}
	}
	if len(pos) < 2 || len(neg) < 2 {
		return placed{}, false
	}
	m, n := float64(len(pos)), float64(len(neg))
	all := midranks(scores)
	inPos, inNeg := midranks(pos), midranks(neg)
	out := placed{positive: make([]float64, 0, len(pos)), negative: make([]float64, 0, len(neg))}
	for i, r := range all {
		if positive[i] {
			v := (r - inPos[len(out.positive)]) / n
			out.positive = append(out.positive, v)
			out.area += v / m
		} else {
			out.negative = append(out.negative, 1-(r-inNeg[len(out.negative)])/m)
		}
	}
	return out, true
}

// midranks are the ranks of values from 1, equal ones sharing their mean.
func midranks(values []float64) []float64 {
	order := make([]int, len(values))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		switch {
		case values[a] < values[b]:
			return -1
		case values[a] > values[b]:
			return 1
		}
		return 0
	})
	out := make([]float64, len(values))
	for i := 0; i < len(order); {
		j := i + 1
		for j < len(order) && values[order[j]] == values[order[i]] {
			j++
		}
		for _, k := range order[i:j] {
			out[k] = float64(i+1+j) / 2
		}
		i = j
	}
	return out
}

// covariance of two areas, S10/m + S01/n.
func covariance(a, b placed) float64 {
	return sampleCovariance(a.positive, b.positive)/float64(len(a.positive)) +
		sampleCovariance(a.negative, b.negative)/float64(len(a.negative))
}

func sampleCovariance(x, y []float64) float64 {
	var p stats.Pair
	for i := range x {
		p.Add(x[i], y[i])
	}
	return p.CYX / float64(p.N-1)
}

func minus(x, y []float64) []float64 {
	out := make([]float64, len(x))
	for i := range x {
		out[i] = x[i] - y[i]
	}
	return out
}
