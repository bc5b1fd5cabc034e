// SPDX-License-Identifier: Apache-2.0

package stats_test

import (
	"errors"
	"math"

	"github.com/headgate-dev/headgate/stats"
)

// mixtureRows are the rows of always-valid inference.
func mixtureRows() map[string]computation {
	return map[string]computation{
		"mix.normal2.rho":      row(normalRho),
		"mix.normal2.logE":     row(normalLogE),
		"mix.normal2.bound":    row(normalBound),
		"mix.normal1.logE":     row(normalGreaterLogE),
		"mix.normal1.bound":    row(normalGreaterBound),
		"mix.gammaExp.logE":    row(gammaExpLogE),
		"mix.gammaExp.bound":   row(gammaExpBound),
		"mix.betaBinom1.bound": row(func(in mixtureInput) (answer, error) { return betaBinomialBound(in, true) }),
		"mix.betaBinom2.bound": row(func(in mixtureInput) (answer, error) { return betaBinomialBound(in, false) }),
		"bernoulliCS":          row(bernoulliCS),
		"asympCS.multiplier":   row(csMultiplier),
		"asympCS.ci":           row(csInterval),
		"asympCS.oneSided":     row(csOneSided),
		"mSPRT.statsig.Z":      row(statsigZ),
		"avlm.tRadius":         row(studentRadius),
	}
}

// mixtureInput are the rows' names for the state and the tuning of a mixture.
type mixtureInput struct {
	S, V, Vopt, C, G, H float64
	Alpha               float64
	AlphaOpt            *float64 `json:"alpha_opt"`
}

// tuned is the level of tuning, 5 % where a row does not say.
func (in mixtureInput) tuned() float64 {
	switch {
	case in.AlphaOpt != nil:
		return *in.AlphaOpt
	case in.Alpha != 0:
		return in.Alpha
	}
	return 0.05
}

func (in mixtureInput) normal(level float64) (stats.Mixture, error) {
	return stats.NewMixture(level, in.Vopt)
}

func normalRho(in mixtureInput) (answer, error) {
	m, err := in.normal(in.Alpha)
	if err != nil {
		return nil, err
	}
	// Without any evidence ln E is -ln(1+v/rho)/2.
	logE, err := m.LogE(stats.Estimate{SE: 1}, in.Vopt)
	return answer{"rho": in.Vopt / math.Expm1(-2*logE)}, err
}

func normalLogE(in mixtureInput) (answer, error) {
	m, errM := in.normal(in.tuned())
	e, errE := m.LogE(stats.Estimate{Value: in.S, SE: math.Sqrt(in.V)}, in.V)
	return answer{"logE": e}, errors.Join(errM, errE)
}

func normalBound(in mixtureInput) (answer, error) {
	m, errM := in.normal(in.tuned())
	i, errI := m.Interval(stats.Estimate{SE: math.Sqrt(in.V)}, in.V, in.Alpha)
	return answer{"bound": i.High}, errors.Join(errM, errI)
}

func normalGreaterLogE(in mixtureInput) (answer, error) {
	m, errM := in.normal(2 * in.tuned())
	e, errE := m.LogEGreater(stats.Estimate{Value: in.S, SE: math.Sqrt(in.V)}, in.V)
	return answer{"logE": e}, errors.Join(errM, errE)
}

func normalGreaterBound(in mixtureInput) (answer, error) {
	m, errM := in.normal(2 * in.tuned())
	low, errL := m.Lower(stats.Estimate{SE: math.Sqrt(in.V)}, in.V, in.Alpha)
	return answer{"bound": -low}, errors.Join(errM, errL)
}

func gammaExpLogE(in mixtureInput) (answer, error) {
	g, errG := stats.NewGammaExponential(in.tuned(), in.Vopt, in.C)
	e, errE := g.LogE(in.S, in.V)
	return answer{"logE": e}, errors.Join(errG, errE)
}

func gammaExpBound(in mixtureInput) (answer, error) {
	g, errG := stats.NewGammaExponential(in.tuned(), in.Vopt, in.C)
	b, errB := g.Bound(in.V, in.Alpha)
	return answer{"bound": b}, errors.Join(errG, errB)
}

// betaBinomialBound takes increments between -g and h; a trial's lie between
// -p and 1-p, so that everything is scaled by g+h.
func betaBinomialBound(in mixtureInput, oneSided bool) (answer, error) {
	width := in.G + in.H
	m, errM := stats.NewBetaBinomial(in.G/width, in.tuned(), in.Vopt/(in.G*in.H), oneSided)
	s, errS := m.Excess(in.V/(in.G*in.H), in.Alpha)
	return answer{"bound": s * width}, errors.Join(errM, errS)
}

func bernoulliCS(in struct {
	X, N        int64
	Alpha, Topt float64
},
) (answer, error) {
	i, err := stats.BernoulliInterval(stats.Counts{N: in.N, X: in.X}, in.Alpha, in.Topt)
	return answer{"lo": i.Low, "hi": i.High}, err
}

// watched is an estimate that is looked at continuously, as rows state it.
type watched struct {
	Est, SE, N, Nstar, Alpha float64
	A, B                     *version
	Effect                   string
}

// estimate is the estimate and its sample size.
func (in watched) estimate() (stats.Estimate, float64, error) {
	if in.A == nil {
		return stats.Estimate{Value: in.Est, SE: in.SE}, in.N, nil
	}
	a, errA := in.A.counts().Proportion()
	b, errB := in.B.counts().Proportion()
	return stats.Difference(b, a), in.A.N + in.B.N, errors.Join(errA, errB)
}

func csMultiplier(in watched) (answer, error) {
	m, err := stats.NewMixture(in.Alpha, in.Nstar)
	return answer{"halfwidth_over_se": m.Radius(in.Alpha)(in.N)}, err
}

func csInterval(in watched) (answer, error) {
	est, n, err := in.estimate()
	if err != nil {
		return nil, err
	}
	m, errM := stats.NewMixture(in.Alpha, in.Nstar)
	i, errI := m.Interval(est, n, in.Alpha)
	e, errE := m.LogE(est, n)
	return answer{"lo": i.Low, "hi": i.High, "p": fromLogE(e)}, errors.Join(errM, errI, errE)
}

func csOneSided(in watched) (answer, error) {
	est, n, err := in.estimate()
	if err != nil {
		return nil, err
	}
	m, errM := stats.NewMixture(2*in.Alpha, in.Nstar)
	low, errL := m.LowerRelaxed(est, n, in.Alpha)
	if err := errors.Join(errM, errL); err != nil {
		return nil, err
	}
	p, err := whereBisectionStops(func(level float64) (float64, error) { return m.LowerRelaxed(est, n, level) })
	return answer{"lo": low, "p": p}, err
}

// whereBisectionStops is the program that made the rows: it has no p-value but
// halves the range of levels from 1e-5 to .4999 until the bound is within 1e-6
// of zero, and then states the middle of what is left, which can be 1e-4 away
// from where the bound is zero. The p-value of this package is exp(-LogEGreater).
func whereBisectionStops(lower func(level float64) (float64, error)) (float64, error) {
	low, high := 1e-5, 0.4999
	for range 100 {
		level := (low + high) / 2
		bound, err := lower(level)
		if err != nil {
			return 0, err
		}
		if bound < 0 {
			low = level
		} else {
			high = level
		}
		if math.Abs(bound) < 1e-6 {
			break
		}
	}
	return (low + high) / 2, nil
}

func statsigZ(in struct{ NT, NC, VarT, VarC, Alpha float64 }) (answer, error) {
	z := upper(in.Alpha / 2)
	v := in.VarT/in.NT + in.VarC/in.NC
	tau := z * z * (in.VarT + in.VarC) / (in.NT + in.NC)
	radius, err := stats.MixtureRadius(tau/v, in.Alpha/2)
	return answer{"V": v, "tau": tau, "Zstar": radius}, err
}

func studentRadius(in struct{ G, N, Coef, Alpha float64 }) (answer, error) {
	radius, err := stats.StudentMixtureRadius(in.N/in.G, in.N-in.Coef, in.Alpha)
	return answer{"radius_in_se": radius}, err
}
