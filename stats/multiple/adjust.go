// SPDX-License-Identifier: Apache-2.0

package multiple

import (
	"cmp"
	"slices"
)

// Holm adjusts p-values so that "adjusted p <= alpha" states anything false
// with probability at most alpha, under any dependence (Holm 1979). The result
// is in the order of the input: for the j-th smallest of m it is
//
//	max over i <= j of min(1, (m-i+1) p_(i)).
func Holm(p []float64) ([]float64, error) {
	if err := pvalues("multiple.Holm", p); err != nil {
		return nil, err
	}
	out, least := make([]float64, len(p)), 0.0
	for i, at := range ascending(p) {
		least = max(least, min(1, float64(len(p)-i)*p[at]))
		out[at] = least
	}
	return out, nil
}

// Hochberg adjusts p-values like Holm, and never to more, but its promise
// needs tests that are independent or positively dependent (Hochberg 1988):
//
//	min over i >= j of min(1, (m-i+1) p_(i)).
func Hochberg(p []float64) ([]float64, error) {
	if err := pvalues("multiple.Hochberg", p); err != nil {
		return nil, err
	}
	return stepUp(p, func(rank int) float64 { return float64(len(p) - rank + 1) }), nil
}

// BenjaminiHochberg adjusts p-values so that of all "adjusted p <= alpha" at
// most a share alpha is false on average (the false discovery rate), if tests
// are independent or positively dependent (Benjamini and Hochberg 1995):
//
//	min over i >= j of min(1, m p_(i)/i).
//
// Do not use it on p-values that were looked at more than once; see
// EBenjaminiHochberg.
func BenjaminiHochberg(p []float64) ([]float64, error) {
	if err := pvalues("multiple.BenjaminiHochberg", p); err != nil {
		return nil, err
	}
	return stepUp(p, func(rank int) float64 { return float64(len(p)) / float64(rank) }), nil
}

// IntersectionUnion is the p-value of "at least one of these hypotheses is
// true", given a p-value for each: the largest of them (Berger 1982). It is
// how a release that needs every guardrail to pass is tested, with no
// correction for their number and under any dependence.
func IntersectionUnion(p []float64) (float64, error) {
	if err := pvalues("multiple.IntersectionUnion", p); err != nil {
		return 0, err
	}
	return slices.Max(p), nil
}

// stepUp adjusts from the largest p-value down; factor is by rank from 1.
func stepUp(p []float64, factor func(rank int) float64) []float64 {
	order := ascending(p)
	out, most := make([]float64, len(p)), 1.0
	for i := len(order) - 1; i >= 0; i-- {
		most = min(most, factor(i+1)*p[order[i]])
		out[order[i]] = most
	}
	return out
}

// ascending are the indices of v in the order of its values. Equal values keep
// their order, so that the same input gives the same output.
func ascending(v []float64) []int {
	order := make([]int, len(v))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(v[a], v[b]) })
	return order
}
