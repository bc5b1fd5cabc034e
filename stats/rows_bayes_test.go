// SPDX-License-Identifier: Apache-2.0

package stats_test

import (
	"errors"
	"math"

	"github.com/headgate-dev/headgate/stats"
	"github.com/headgate-dev/headgate/stats/bayes"
)

// bayesRows are the rows that package stats/bayes computes.
func bayesRows() map[string]computation {
	return map[string]computation{
		"bayes.betaAB":             row(betaPair),
		"bayes.betaCI":             row(betaInterval),
		"bayes.pBest.beta":         row(betaBest),
		"bayes.expectedLossK.beta": row(betaLosses),
		"bayes.pBest.normal":       row(normalBest),
		"bayes.NIG.update":         row(normalInverseGamma),
		"bayes.effect.flat":        row(relativeEffect),
		"bayes.effect.normalPrior": row(relativeEffect),
		"bayes.normalLoss":         row(normalLoss),
		"bayes.rope":               row(rope),
	}
}

type betaPairInput struct{ A, B [2]float64 }

func betaPair(in betaPairInput) (answer, error) {
	r, err := bayes.RankBetas(betas([][2]float64{in.A, in.B}))
	if err != nil {
		return nil, err
	}
	return answer{"P_B_gt_A": r.Best[1], "loss_choose_B": r.Loss[1], "loss_choose_A": r.Loss[0]}, nil
}

func betas(arms [][2]float64) []bayes.Beta {
	out := make([]bayes.Beta, len(arms))
	for i, a := range arms {
		out[i] = bayes.Beta{A: a[0], B: a[1]}
	}
	return out
}

type betaIntervalInput struct{ A, B, Conf float64 }

func betaInterval(in betaIntervalInput) (answer, error) {
	i, err := bayes.Beta{A: in.A, B: in.B}.Interval(in.Conf)
	return answer{"lo": i.Low, "hi": i.High}, err
}

type betaBestInput struct{ Arms [][2]float64 }

func betaBest(in betaBestInput) (answer, error) {
	r, err := bayes.RankBetas(betas(in.Arms))
	return answer{"p": r.Best}, err
}

type betaLossesInput struct{ Arms [][2]float64 }

func betaLosses(in betaLossesInput) (answer, error) {
	r, err := bayes.RankBetas(betas(in.Arms))
	return answer{"E_max": r.Max, "loss": r.Loss}, err
}

type normalBestInput struct{ Mu, SD []float64 }

func normalBest(in normalBestInput) (answer, error) {
	arms := make([]bayes.Normal, len(in.Mu))
	for i := range arms {
		arms[i] = bayes.Normal{Mean: in.Mu[i], SD: in.SD[i]}
	}
	r, err := bayes.RankNormals(arms)
	return answer{"p": r.Best}, err
}

type normalInverseGammaInput struct {
	Prior       bayes.NormalInverseGamma
	N, Mean, SS float64
}

func normalInverseGamma(in normalInverseGammaInput) (answer, error) {
	post, err := in.Prior.Update(stats.Moments{N: int64(in.N), Mean: in.Mean, M2: in.SS})
	if err != nil {
		return nil, err
	}
	mean, errM := post.Mean()
	next, errN := post.Next()
	i, errI := mean.Interval(0.95)
	above, errA := mean.Above(1)
	return answer{
		"m": post.M, "k": post.K, "a": post.A, "b": post.B,
		"mu_ci95": []float64{i.Low, i.High}, "pred_scale": next.Scale, "P_mu_gt_1": above,
	}, errors.Join(errM, errN, errI, errA)
}

type relativeEffectInput struct {
	A, B   version
	Effect string
	Prior  *struct{ Mean, Var float64 }
}

func relativeEffect(in relativeEffectInput) (answer, error) {
	a, errA := in.A.estimate()
	b, errB := in.B.estimate()
	effect := stats.Difference(b, a)
	var errR error
	if in.Effect == "relative" {
		effect, errR = bayes.Relative(b, a)
	}
	if err := errors.Join(errA, errB, errR); err != nil {
		return nil, err
	}
	post, err := bayes.Flat(effect)
	if in.Prior != nil {
		post, err = bayes.Normal{Mean: in.Prior.Mean, SD: math.Sqrt(in.Prior.Var)}.Update(effect)
	}
	i, errI := post.Interval(0.95)
	better, errP := post.Above(0)
	keep, choose, errL := post.Losses()
	return answer{
		"mean": post.Mean, "sd": post.SD, "lo": i.Low, "hi": i.High, "ctw": better, "risk": []float64{keep, choose},
	}, errors.Join(err, errI, errP, errL)
}

// estimate is the mean, or the proportion if the row counts hits.
func (v version) estimate() (stats.Estimate, error) {
	if v.SumSq == 0 {
		return v.counts().Proportion()
	}
	m := v.moments()
	s2, err := m.Variance()
	return stats.Estimate{Value: m.Mean, SE: math.Sqrt(s2 / float64(m.N))}, err
}

type normalLossInput struct{ Mu, Sigma float64 }

func normalLoss(in normalLossInput) (answer, error) {
	keep, choose, err := bayes.Normal{Mean: in.Mu, SD: in.Sigma}.Losses()
	return answer{"risk_ctrl": keep, "risk_trt": choose}, err
}

type ropeInput struct {
	Mean, SD float64
	Rope     [2]float64
}

func rope(in ropeInput) (answer, error) {
	r, err := bayes.Normal{Mean: in.Mean, SD: in.SD}.Rope(stats.Interval{Low: in.Rope[0], High: in.Rope[1]})
	return answer{"p_below": r.Below, "p_in": r.In, "p_above": r.Above}, err
}
