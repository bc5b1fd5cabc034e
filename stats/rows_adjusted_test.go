// SPDX-License-Identifier: Apache-2.0

package stats_test

import (
	"errors"
	"math"
	"strings"

	"github.com/headgate-dev/headgate/stats"
)

// adjustedRows are the rows of comparisons that use more than the outcome.
func adjustedRows() map[string]computation {
	return map[string]computation{
		"cuped":             row(cuped),
		"postStratify.diff": row(postStratify),
		"cmh":               row(cmh),
		"winsorize":         row(winsorize),
	}
}

func cuped(in twoVersions) (answer, error) {
	a, b := in.A.covariate(), in.B.covariate()
	if strings.Contains(in.Effect, "relative") {
		return contrast(stats.CupedRelative(b, a, stats.Joint))
	}
	adj, err := stats.Cuped(b, a, stats.Joint)
	if err != nil {
		return nil, err
	}
	out, err1 := contrast(adj.Contrast, nil)
	out["theta"] = adj.ThetaBaseline
	plain, err2 := contrast(stats.Welch(
		stats.Moments{N: b.N, Mean: b.MeanY, M2: b.M2Y}, stats.Moments{N: a.N, Mean: a.MeanY, M2: a.M2Y}))
	out["unadjusted"] = plain
	return out, errors.Join(err1, err2)
}

func postStratify(in struct {
	Strata []struct{ W, NA, XA, NB, XB float64 }
},
) (answer, error) {
	share := func(x, n float64) stats.Measured {
		return stats.Measured{Estimate: stats.Estimate{Value: x / n, SE: math.Sqrt(x / n * (1 - x/n) / n)}, Units: int64(n)}
	}
	var strata []stats.Stratum
	for _, s := range in.Strata {
		strata = append(strata, stats.Stratum{Weight: s.W, Candidate: share(s.XB, s.NB), Baseline: share(s.XA, s.NA)})
	}
	r, err := stats.PostStratify(strata)
	return answer{"est": r.Effect.Value, "se": r.Effect.SE, "rawDiff": r.Raw}, err
}

func cmh(in struct {
	Tables  [][2][2]int64 `json:"tables_admit_x_gender_by_dept"`
	Correct bool
},
) (answer, error) {
	var strata []stats.BinaryStratum
	for _, t := range in.Tables {
		strata = append(strata, stats.BinaryStratum{
			Candidate: stats.Counts{N: t[0][0] + t[1][0], X: t[0][0]},
			Baseline:  stats.Counts{N: t[0][1] + t[1][1], X: t[0][1]},
		})
	}
	r, err := stats.MantelHaenszel(strata, 0.05, in.Correct)
	return answer{
		"chi2": r.Chi2, "p": r.P, "commonOR": r.OddsRatio,
		"lo": r.Interval.Low, "hi": r.Interval.High, "pooledOR": r.Pooled,
	}, err
}

func winsorize(in struct {
	X []float64
	Q float64
},
) (answer, error) {
	limit, err := stats.PooledCap(in.Q, in.X)
	w := stats.Winsorised{Cap: limit}
	for _, x := range in.X {
		w.Add(x)
	}
	v, errV := w.Capped.Variance()
	return answer{"cap": limit, "mean": w.Capped.Mean, "var": v}, errors.Join(err, errV)
}
