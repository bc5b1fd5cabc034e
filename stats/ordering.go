// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math"

	"github.com/headgate-dev/headgate/stats/internal/input"
	"github.com/headgate-dev/headgate/stats/internal/root"
)

// What a group-sequential test says beyond its decision. At the look where it
// stopped, the usual p-value and estimate are wrong: the former because of the
// looks before, the latter because stopping early favours large estimates.
// Both are mended by ordering outcomes by stage: crossing earlier is stronger
// evidence than crossing later, and at one look a larger z is (Armitage 1957;
// Tsiatis, Rosner, Mehta 1984).

// RepeatedInterval is the interval est -+ bound standard errors at a look of a
// group-sequential test, where bound is that look's boundary from Boundaries
// at alpha/2 (Jennison and Turnbull 1989). At all looks together it misses the
// truth with probability at most alpha, whether the test stopped or not.
func RepeatedInterval(est Estimate, bound float64) (Interval, error) {
	const fn = "RepeatedInterval"
	if err := input.First(est.check(fn), moment(fn, "bound", bound)); err != nil {
		return Interval{}, err
	}
	out := Interval{Low: est.Value - bound*est.SE, High: est.Value + bound*est.SE}
	return out, input.First(input.Finite(fn, "low", out.Low), input.Finite(fn, "high", out.High))
}

// RepeatedP is the one-sided p-value that goes with RepeatedInterval: the
// smallest alpha at which a test with these looks and this spending function
// would reject at the last of them with statistic z. It may be stated at all
// looks, whether the test stopped or not. It is at most 0.5, and at least 1e-15.
func RepeatedP(z float64, looks []Look, spend Spending) (float64, error) {
	const fn = "RepeatedP"
	if err := input.Finite(fn, "z", z); err != nil {
		return 0, err
	}
	var failed error
	lack := func(logAlpha float64) float64 {
		bounds, err := Boundaries(looks, math.Exp(logAlpha), spend)
		if err != nil {
			failed = err
			return 0
		}
		return bounds[len(bounds)-1] - z
	}
	low, high := math.Log(1e-15), math.Log(0.5)
	switch {
	case lack(low) <= 0:
		return 1e-15, failed
	case lack(high) >= 0:
		return 0.5, failed
	}
	p := math.Exp(root.Find(lack, low, high, 1e-10))
	return p, failed
}

// StagewiseP is the one-sided p-value of a group-sequential test that stopped at
// the last of looks with statistic z, after not crossing bounds at the looks
// before; of bounds only those are used. At a boundary of Boundaries it is the
// alpha spent so far, so that it is below alpha whenever the test stopped. It
// says nothing while the test goes on; RepeatedP does.
func StagewiseP(z float64, bounds []float64, looks []Look) (float64, error) {
	return stagewise("StagewiseP", z, bounds, looks, 0)
}

// stagewise is the probability of an outcome at least as extreme, by stage,
// when the expectation of z at the last look is drift.
func stagewise(fn string, z float64, bounds []float64, looks []Look, drift float64) (float64, error) {
	if err := input.First(input.Finite(fn, "z", z), checkLooks(fn, looks)); err != nil {
		return 0, err
	}
	k := len(looks) - 1
	if len(bounds) < k {
		return 0, input.Refuse(fn, "number of bounds", float64(len(bounds)), "one for each look before the last")
	}
	last := looks[k]
	// Looks that knew as much as the last are the last.
	for k > 0 && looks[k-1].Information*(1+sameInformation) >= last.Information {
		k--
	}
	ps, err := crossing(fn, append(append([]float64{}, bounds[:k]...), z), append(append([]Look{}, looks[:k]...), last), drift, false)
	if err != nil {
		return 0, err
	}
	return min(1, total(ps)), nil
}

// MedianUnbiased is the estimate after a group-sequential test stopped at the
// last of looks with estimate est, and its interval at 1-alpha, by stage-wise
// ordering: the effect under which the outcome is as likely to be exceeded as
// not, and those under which it is exceeded with probability alpha/2 and
// 1-alpha/2. Arguments are those of StagewiseP.
func MedianUnbiased(est Estimate, bounds []float64, looks []Look, alpha float64) (median float64, i Interval, err error) {
	const fn = "MedianUnbiased"
	if err := input.First(est.check(fn), level(fn, alpha)); err != nil {
		return 0, Interval{}, err
	}
	z := est.Value / est.SE
	if math.Abs(z) > 35 {
		return 0, Interval{}, input.Refuse(fn, "estimate", est.Value, "at most 35 standard errors from 0")
	}
	if _, err := stagewise(fn, z, bounds, looks, 0); err != nil {
		return 0, Interval{}, err
	}
	drift := func(p float64) float64 {
		excess := func(drift float64) float64 {
			tail, _ := stagewise(fn, z, bounds, looks, drift) // Checked above.
			return tail - p
		}
		const edge = 60
		if excess(-edge) >= 0 {
			return -edge
		}
		if excess(edge) <= 0 {
			return edge
		}
		return root.Find(excess, -edge, edge, 1e-9)
	}
	median = drift(0.5) * est.SE
	i = Interval{Low: drift(alpha/2) * est.SE, High: drift(1-alpha/2) * est.SE}
	return median, i, input.First(input.Finite(fn, "estimate", median), input.Finite(fn, "low", i.Low), input.Finite(fn, "high", i.High))
}
