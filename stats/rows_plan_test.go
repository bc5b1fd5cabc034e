// SPDX-License-Identifier: Apache-2.0

package stats_test

import (
	"errors"
	"math"

	"github.com/headgate-dev/headgate/stats"
)

// validityRows are the rows of checks that precede any comparison.
func validityRows() map[string]computation {
	return map[string]computation{
		"srm.chi2":       row(srmChi2),
		"srm.sequential": row(srmSequential),
	}
}

func srmChi2(in struct {
	Counts  []int64
	Weights []float64
},
) (answer, error) {
	chi2, p, err := stats.SRMChiSquared(in.Counts, in.Weights)
	return answer{"chi2": chi2, "p": p}, err
}

func srmSequential(in struct {
	Counts        []int64
	CountsByBatch [][]int64 `json:"counts_by_batch"`
	Theta0        []float64
	AlphaPrior    []float64 `json:"alpha_prior"`
	Concentration float64
},
) (answer, error) {
	if in.CountsByBatch == nil {
		e, err := stats.SRMLogE(in.Counts, in.Theta0, in.Concentration)
		return answer{"logBF": e, "p": fromLogE(e)}, err
	}
	counts := make([]int64, len(in.Theta0))
	var out []float64
	p := 1.0
	for _, batch := range in.CountsByBatch {
		for i, c := range batch {
			counts[i] += c
		}
		e, err := stats.MultinomialLogE(counts, in.Theta0, in.AlphaPrior)
		if err != nil {
			return nil, err
		}
		out, p = append(out, e), min(p, fromLogE(e))
	}
	return answer{"logBF": out, "p": p}, nil
}

// planRows are the rows of what is asked before an experiment or half way.
func planRows() map[string]computation {
	return map[string]computation{
		"n.twoMeans.t":        row(nTwoMeansT),
		"n.twoMeans.z":        row(nTwoMeansZ),
		"n.twoProps":          row(nTwoProps),
		"n.unequal":           row(nUnequal),
		"n.noninf.binary":     row(nNoninf),
		"n.ruleOf16":          row(ruleOf16),
		"power.twoProps":      row(powerTwoProps),
		"power.midExperiment": row(midExperiment),
		"duration":            row(duration),
	}
}

// plan are a plan's numbers as rows name them.
type plan struct {
	Delta, SD, Var     float64
	P, P1, P2, Margin  float64
	N                  float64
	Alpha, Power       float64
	AlphaOne           float64 `json:"alpha_one"`
	Ratio              float64 `json:"ratio_T_over_C"`
	NTotal             float64 `json:"n_total"`
	PerDay             float64 `json:"eligible_per_day"`
	Exposure           float64
	A, B               version
	MDE                float64  `json:"mde_rel"`
	SequentialPlanning *float64 `json:"sequential_tuning"`
}

func nTwoMeansT(in plan) (answer, error) {
	n, err := stats.SampleSizeT(in.SD, in.Delta, in.Alpha, in.Power)
	return answer{"n_per_arm": n, "ceil": math.Ceil(n)}, err
}

func nTwoMeansZ(in plan) (answer, error) {
	sd := math.Sqrt(in.Var)
	b, c, errZ := stats.SampleSizeDifference(sd, sd, in.Delta, in.Alpha/2, in.Power, 1)
	// That program rounds the size of each version up, by Student's t.
	t, errT := stats.SampleSizeT(sd, in.Delta, in.Alpha, in.Power)
	return answer{"n_total": b + c, "gpower_total": 2 * math.Ceil(t)}, errors.Join(errZ, errT)
}

func nTwoProps(in plan) (answer, error) {
	n, err := stats.SampleSizeProportions(in.P1, in.P2, in.Alpha, in.Power)
	return answer{"n_per_arm": n}, err
}

func nUnequal(in plan) (answer, error) {
	b, c, errU := stats.SampleSizeDifference(in.SD, in.SD, in.Delta, in.Alpha/2, in.Power, in.Ratio)
	b1, c1, errB := stats.SampleSizeDifference(in.SD, in.SD, in.Delta, in.Alpha/2, in.Power, 1)
	return answer{"nT": c, "nC": b, "total_vs_balanced": (b + c) / (b1 + c1)}, errors.Join(errU, errB)
}

func nNoninf(in plan) (answer, error) {
	n, err := stats.SampleSizeNonInferiority(in.P, in.Margin, in.AlphaOne, in.Power)
	return answer{"n_per_arm": n, "ceil": math.Ceil(n)}, err
}

func ruleOf16(in plan) (answer, error) {
	n, err := stats.RuleOf16(in.Var, in.Delta)
	return answer{"n_per_arm": n}, err
}

func powerTwoProps(in plan) (answer, error) {
	p := (in.P1 + in.P2) / 2
	unpooled := math.Sqrt(in.P1*(1-in.P1) + in.P2*(1-in.P2))
	z := upper(in.Alpha/2) * math.Sqrt(2*p*(1-p)) / unpooled
	power, err := stats.PowerDifference(math.Abs(in.P1-in.P2), unpooled/math.Sqrt(in.N), z)
	return answer{"power": power}, err
}

func midExperiment(in plan) (answer, error) {
	a, errA := mean(in.A.moments())
	b, errB := mean(in.B.moments())
	if err := errors.Join(errA, errB); err != nil {
		return nil, err
	}
	rel, err := stats.RelativeContrast(b, a)
	if err != nil {
		return nil, err
	}
	radius := stats.FixedRadius(in.Alpha)
	if in.SequentialPlanning != nil {
		m, err := stats.NewMixture(in.Alpha, *in.SequentialPlanning)
		if err != nil {
			return nil, err
		}
		radius = m.Radius(in.Alpha)
	}
	more, err := stats.Remaining(rel.Estimate, in.A.N+in.B.N, in.MDE, in.Power, radius)
	return answer{"scaling_factor": more}, err
}

func duration(in plan) (answer, error) {
	days, weeks, _, err := stats.Traffic{PerDay: in.PerDay, Exposure: in.Exposure}.Duration(in.NTotal)
	return answer{"days": days, "rounded_to_weeks": weeks}, err
}
