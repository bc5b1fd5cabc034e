// SPDX-License-Identifier: Apache-2.0

package stats_test

import (
	"maps"
	"math"

	"github.com/headgate-dev/headgate/stats"
)

// coreRows are the rows that package stats itself computes.
func coreRows() map[string]computation {
	all := map[string]computation{}
	for _, group := range []map[string]computation{
		fixedRows(), adjustedRows(), mixtureRows(), looksRows(), validityRows(), planRows(),
	} {
		maps.Copy(all, group)
	}
	return all
}

// version is one version's counts or sums, as rows state them.
type version struct {
	N, X, Sum, SumSq, Mean float64

	SumM, SumM2, SumD, SumD2, SumMD float64
	SumY, SumY2, SumX, SumX2, SumXY float64
}

func (v version) counts() stats.Counts { return stats.Counts{N: int64(v.N), X: int64(v.X)} }

// moments centres the sums; some rows state a mean instead of a sum.
func (v version) moments() stats.Moments {
	mean := v.Mean
	if v.Sum != 0 {
		mean = v.Sum / v.N
	}
	return stats.Moments{N: int64(v.N), Mean: mean, M2: v.SumSq - mean*mean*v.N}
}

// ratio centres the sums of a numerator M and a denominator D.
func (v version) ratio() stats.Pair {
	return centred(v.N, v.SumM, v.SumM2, v.SumD, v.SumD2, v.SumMD)
}

// covariate centres the sums of an outcome Y and a covariate X.
func (v version) covariate() stats.Pair {
	return centred(v.N, v.SumY, v.SumY2, v.SumX, v.SumX2, v.SumXY)
}

func centred(n, y, y2, x, x2, yx float64) stats.Pair {
	return stats.Pair{
		N: int64(n), MeanY: y / n, MeanX: x / n,
		M2Y: y2 - y*y/n, M2X: x2 - x*x/n, CYX: yx - x*y/n,
	}
}

// upper is the quantile of the upper tail p.
func upper(p float64) float64 { return -stats.NormalQuantile(p) }

// fromLogE is the p-value that an e-value is worth.
func fromLogE(logE float64) float64 { return math.Exp(min(0, -logE)) }
