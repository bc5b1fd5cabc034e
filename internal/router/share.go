// SPDX-License-Identifier: Apache-2.0

package router

import (
	"cmp"
	"slices"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Weights are the smallest usual weights that say the shares exactly: percents
// where all shares are whole percents, else slots.
func Weights(shares experiment.Shares) []int64 {
	unit := experiment.Share(100)
	for _, s := range shares {
		if s%100 != 0 {
			unit = 1
		}
	}
	out := make([]int64, len(shares))
	for v, s := range shares {
		out[v] = int64(s / unit)
	}
	return out
}

// Exact reports whether relative weights say the shares exactly.
func Exact(weights []int64, shares experiment.Shares) bool {
	total := int64(0)
	for _, w := range weights {
		if w < 0 || w > maxWeight {
			return false
		}
		total += w
	}
	if total == 0 || len(weights) != len(shares) {
		return false
	}
	for v, w := range weights {
		if w*experiment.Whole != int64(shares[v])*total {
			return false
		}
	}
	return true
}

// maxWeight bounds a weight that is taken for one: 8 of them times Whole fit
// into 64 bits.
const maxWeight = 1 << 40

// SharesOf are the shares that relative weights ask for, to the slot; nil where
// they ask for nothing that can be read.
func SharesOf(weights []int64) experiment.Shares {
	parts, err := divide(weights, experiment.Whole)
	if err != nil {
		return nil
	}
	out := make(experiment.Shares, len(parts))
	for v, p := range parts {
		out[v] = experiment.Share(p)
	}
	return out
}

// Round counts shares in units, of which total are everything: by the largest
// remainder, and the earlier version where remainders are equal, so that the sum
// stays everything. A share that would be lost is refused.
func Round(shares experiment.Shares, versions []experiment.Version, total int64) ([]int64, error) {
	weights := make([]int64, len(shares))
	for v, s := range shares {
		weights[v] = int64(s)
	}
	out, err := divide(weights, total)
	if err != nil {
		return nil, err
	}
	smallest := experiment.Share(experiment.Whole / total)
	for v, n := range out {
		if n == 0 && shares[v] > 0 {
			return nil, experiment.Errorf(experiment.CodeInvalid, "version %s: a share of %s is lost in a field that counts in units of %s", versions[v].Name, shares[v].Percent(), smallest.Percent()).
				WithHint("the smallest share that the field can hold is %s: begin there, or choose a router with finer shares", smallest.Percent())
		}
	}
	return out, nil
}

// divide splits total in proportion to weights, by the largest remainder.
func divide(weights []int64, total int64) ([]int64, error) {
	sum := int64(0)
	for v, w := range weights {
		if w < 0 || w > maxWeight {
			return nil, experiment.Errorf(experiment.CodeInvalid, "weight %d is %d: want 0 to %d", v, w, int64(maxWeight))
		}
		sum += w
	}
	if sum == 0 {
		return nil, experiment.Errorf(experiment.CodeInvalid, "all weights are 0")
	}
	out := make([]int64, len(weights))
	order := make([]int, len(weights))
	left := total
	for v, w := range weights {
		out[v], order[v] = w*total/sum, v
		left -= out[v]
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Compare(weights[b]*total%sum, weights[a]*total%sum)
	})
	for _, v := range order[:left] {
		out[v]++
	}
	return out, nil
}
