// SPDX-License-Identifier: Apache-2.0

package stats_test

import (
	"math"

	"github.com/headgate-dev/headgate/stats"
	"github.com/headgate-dev/headgate/stats/quantile"
)

// quantileRows are the rows that package stats/quantile computes.
func quantileRows() map[string]computation {
	return map[string]computation{
		"quantile.orderCI":       row(orderInterval),
		"quantile.deltaAB":       row(quantileDifference),
		"quantile.clusterFactor": row(clusterFactor),
		"hist.quantile.prom":     row(histogramQuantile),
		"hist.quantile.CI":       row(histogramInterval),
		"hist.ks":                row(histogramKS),
	}
}

func orderInterval(in struct {
	N       int64
	Q, Conf float64
},
) (answer, error) {
	r, err := quantile.RanksFor(in.N, in.Q, in.Conf, 1)
	return answer{"L": r.Low, "U": r.High, "coverage": r.Coverage}, err
}

type quantileOfArm struct{ N, Q, Lo, Hi float64 }

// estimate is as the rows' source has it: 1.96 standard errors on each side,
// and n-1 in place of n.
func (a quantileOfArm) estimate() (stats.Estimate, error) {
	e, err := quantile.Estimated(a.Q, stats.Interval{Low: a.Lo, High: a.Hi}, -stats.NormalQuantile(0.025))
	e.SE *= math.Sqrt((a.N - 1) / a.N)
	return e, err
}

func quantileDifference(in struct {
	C, T   quantileOfArm
	Effect string
},
) (answer, error) {
	c, err := in.C.estimate()
	if err != nil {
		return nil, err
	}
	t, err := in.T.estimate()
	if err != nil {
		return nil, err
	}
	if len(in.Effect) >= 8 && in.Effect[:8] == "relative" {
		return nil, nil
	}
	d := stats.Difference(t, c)
	z := -stats.NormalQuantile(0.025)
	return answer{"est": d.Value, "lo": d.Value - z*d.SE, "hi": d.Value + z*d.SE}, nil
}

func clusterFactor(in struct {
	NU, N                           float64
	Clusters                        int64 `json:"n_clusters"`
	SumI, SumI2, SumN, SumN2, SumIN float64
},
) (answer, error) {
	g := float64(in.Clusters)
	factor, err := quantile.ClusterFactor(stats.Pair{
		N: in.Clusters, MeanY: in.SumI / g, MeanX: in.SumN / g,
		M2Y: in.SumI2 - in.SumI*in.SumI/g, M2X: in.SumN2 - in.SumN*in.SumN/g, CYX: in.SumIN - in.SumI*in.SumN/g,
	}, in.NU)
	return answer{"inflation": factor * in.N / in.SumN}, err
}

func histogramQuantile(in struct {
	Le  []float64
	Cum []int64
	Q   float64
},
) (answer, error) {
	v, err := quantile.Histogram{Upper: in.Le, Cumulative: in.Cum}.Interpolated(in.Q)
	return answer{"value": v}, err
}

func histogramInterval(in struct {
	Le      []float64
	Cum     []int64
	Q, Conf float64
},
) (answer, error) {
	r, err := quantile.Histogram{Upper: in.Le, Cumulative: in.Cum}.Reading(in.Q, in.Conf, 1)
	return answer{
		"rankL": r.Ranks.Low, "rankU": r.Ranks.High,
		"conservative": []float64{r.Interval.Low, r.Interval.High},
		"interp":       []float64{r.Interpolated.Low, r.Interpolated.High},
	}, err
}

func histogramKS(in struct {
	Le         []float64
	CumA, CumB []int64
},
) (answer, error) {
	d, err := quantile.KS(
		quantile.Histogram{Upper: in.Le, Cumulative: in.CumA},
		quantile.Histogram{Upper: in.Le, Cumulative: in.CumB},
	)
	return answer{"D_lower": d}, err
}
