// SPDX-License-Identifier: Apache-2.0

package stats_test

import (
	"encoding/json"
	"errors"
	"math"

	"github.com/headgate-dev/headgate/stats"
	"github.com/headgate-dev/headgate/stats/paired"
)

// pairedRows are the rows that package stats/paired computes.
func pairedRows() map[string]computation {
	return map[string]computation{
		"mcnemar":           row(mcNemar),
		"mcnemar.exact":     row(mcNemarExact),
		"mcnemar.anytime":   row(mcNemarAnytime),
		"pairedProp.waldCI": row(pairedWald),
		"paired.t":          row(pairedT),
		"tost.paired":       row(pairedEquivalence),
		"wilcoxon.signed":   row(signedRanks),
		"kappa":             row(kappa),
		"ks.Q":              row(kolmogorovQ),
		"ks2":               row(kolmogorovSmirnov),
		"psi":               row(drift),
		"js":                row(drift),
		"psi+js":            row(drift),
		"delong":            row(deLong),
	}
}

type discordantInput struct{ N, B, C, K float64 }

// pairs are those of the row; where it does not say how many there were, all
// differ.
func (in discordantInput) pairs() paired.Discordance {
	return paired.Discordance{N: int64(max(in.N, in.B+in.C)), Candidate: int64(in.B), Baseline: int64(in.C)}
}

func mcNemar(in discordantInput) (answer, error) {
	chi2, p, err1 := in.pairs().McNemar(false)
	corrected, pc, err2 := in.pairs().McNemar(true)
	return answer{"chi2": chi2, "p": p, "chi2_cc": corrected, "p_cc": pc}, errors.Join(err1, err2)
}

func mcNemarExact(in discordantInput) (answer, error) {
	p, midP, err := in.pairs().Exact()
	return answer{"p": p, "midp": midP}, err
}

func mcNemarAnytime(in discordantInput) (answer, error) {
	logE, err := in.pairs().LogE(in.K)
	return answer{"logE": logE, "p": math.Exp(min(0, -logE))}, err
}

func pairedWald(in discordantInput) (answer, error) {
	d, err1 := in.pairs().Difference()
	i, err2 := in.pairs().Interval(0.95)
	return answer{"diff": d.Value, "lo": i.Low, "hi": i.High}, errors.Join(err1, err2)
}

type pairedTInput struct{ A, B []float64 }

func pairedT(in pairedTInput) (answer, error) {
	var m stats.Moments
	for i := range in.A {
		m.Add(in.A[i] - in.B[i])
	}
	d, err1 := paired.Difference(m)
	t, p, err2 := d.Test()
	i, err3 := d.Interval(0.95)
	return answer{"t": t, "df": d.DF, "p": p, "lo": i.Low, "hi": i.High}, errors.Join(err1, err2, err3)
}

type pairedEquivalenceInput struct {
	MeanDiff, SD, N float64
	Low, High       float64
}

func pairedEquivalence(in pairedEquivalenceInput) (answer, error) {
	m, err1 := paired.Difference(stats.Moments{N: int64(in.N), Mean: in.MeanDiff, M2: in.SD * in.SD * (in.N - 1)})
	e, err2 := m.Equivalence(stats.Interval{Low: in.Low, High: in.High})
	return answer{"t_low": e.TLow, "t_high": e.THigh, "p": e.P}, errors.Join(err1, err2)
}

type signedRanksInput struct{ X, Y []float64 }

func signedRanks(in signedRanksInput) (answer, error) {
	d := make([]float64, len(in.X))
	for i := range d {
		d[i] = in.X[i] - in.Y[i]
	}
	w, err1 := paired.SignedRanks(d)
	greater, both, err2 := w.Exact()
	corrected, err3 := w.Normal(true)
	plain, err4 := w.Normal(false)
	centre, err5 := paired.HodgesLehmann(d)
	return answer{
		"V": w.V, "p_exact_two": both, "p_exact_greater": greater, "p_norm_cc": corrected, "p_norm": plain, "hodgesLehmann": centre,
	}, errors.Join(err1, err2, err3, err4, err5)
}

type kappaInput struct{ Table [][]int64 }

func kappa(in kappaInput) (answer, error) {
	k, agreement, err := paired.Kappa(in.Table)
	return answer{"kappa": k, "agreement": agreement}, err
}

type kolmogorovQInput struct{ Lam json.RawMessage }

func kolmogorovQ(in kolmogorovQInput) (answer, error) {
	var one float64
	if json.Unmarshal(in.Lam, &one) == nil {
		return answer{"p": paired.KolmogorovQ(one)}, nil
	}
	var many []float64
	err := json.Unmarshal(in.Lam, &many)
	for i := range many {
		many[i] = paired.KolmogorovQ(many[i])
	}
	return answer{"p": many}, err
}

func kolmogorovSmirnov(in signedRanksInput) (answer, error) {
	k, err1 := paired.KolmogorovSmirnov(in.X, in.Y)
	exact, err2 := k.Exact()
	asymptotic, err3 := k.Asymptotic()
	return answer{"D": k.D, "p_exact": exact, "p_asymp": asymptotic}, errors.Join(err1, err2, err3)
}

type driftInput struct{ Expected, Actual, P, Q []float64 }

func drift(in driftInput) (answer, error) {
	p, q := in.Expected, in.Actual
	if p == nil {
		p, q = in.P, in.Q
	}
	bits, err1 := paired.JensenShannon(p, q)
	tv, err2 := paired.TotalVariation(p, q)
	out := answer{"js_bits": bits, "js_distance": math.Sqrt(bits), "tv": tv}
	var err3 error
	if in.Expected != nil {
		out["psi"], err3 = paired.PSI(p, q)
	}
	return out, errors.Join(err1, err2, err3)
}

type deLongInput struct{ Y, ScoreA, ScoreB []float64 }

func deLong(in deLongInput) (answer, error) {
	positive := make([]bool, len(in.Y))
	for i, y := range in.Y {
		positive[i] = y == 1
	}
	a, err1 := paired.CompareAUC(positive, in.ScoreA, in.ScoreB)
	z, p, err2 := a.Test()
	return answer{
		"aucA": a.Candidate.Value, "aucB": a.Baseline.Value, "cov": a.Covariance, "z": z, "p": p,
		"varA": a.Candidate.SE * a.Candidate.SE, "varB": a.Baseline.SE * a.Baseline.SE,
	}, errors.Join(err1, err2)
}
