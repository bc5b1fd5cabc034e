// SPDX-License-Identifier: Apache-2.0

package delayed

import (
	"errors"
	"math"
	"testing"

	"github.com/headgate-dev/headgate/stats"
)

// strange are seeds for floating-point arguments.
var strange = []float64{0, 1, -1, 0.5, 1e-300, 5e-324, 30, 1e300, math.MaxFloat64, math.NaN(), math.Inf(1), math.Inf(-1)}

// sound fails unless err is documented or all results are finite.
func sound(t *testing.T, what string, err error, results ...float64) {
	t.Helper()
	if err != nil {
		if _, ok := errors.AsType[*stats.InputError](err); !ok && !errors.Is(err, stats.ErrNoData) && !errors.Is(err, stats.ErrImpossible) {
			t.Errorf("%s: undocumented error %v", what, err)
		}
		return
	}
	for _, r := range results {
		if math.IsNaN(r) || math.IsInf(r, 0) {
			t.Errorf("%s returns %v", what, results)
		}
	}
}

func FuzzCohorts(f *testing.F) {
	counts := []int64{0, 1, 2, -1, 500, math.MaxInt64, math.MinInt64}
	for i, n := range counts {
		for j, x := range counts {
			f.Add(n, x, strange[(i+j)%len(strange)], strange[(2*i+j)%len(strange)], strange[(i+3*j)%len(strange)])
		}
	}
	f.Fuzz(func(t *testing.T, n, x int64, age, older, share float64) {
		cohorts := []Cohort{{age, stats.Counts{N: n, X: x}}, {older, stats.Counts{N: x, X: n}}, {older, stats.Counts{N: 100, X: 3}}}
		got, waiting, err := Matured(cohorts, age)
		sound(t, "Matured", err)
		if err == nil && (got.X > got.N || waiting < 0) {
			t.Errorf("%+v, %d waiting", got, waiting)
		}
		e, err := Weighted(cohorts, func(a float64) float64 { return share * min(a, 1) })
		sound(t, "Weighted", err, e.Value, e.SE)
		c, err := CumulativeIncidence([]Step{{age, x, n}, {older, n, x}})
		sound(t, "CumulativeIncidence", err)
		for _, p := range c {
			sound(t, "CumulativeIncidence", nil, p.Value, p.SE)
		}
		if delays, err := c.Delays(share); err != nil {
			sound(t, "Delays", err)
		} else if d := delays(age); !(d >= 0 && d <= 1) {
			t.Errorf("delay %g", d)
		}
	})
}

func FuzzTimes(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7, 8}, 1.0)
	f.Add([]byte{0, 0, 0, 0}, 0.0)
	f.Add([]byte{255, 1, 255, 1, 7}, 0.01)
	for _, s := range strange {
		f.Add([]byte{9, 1, 4, 4, 200, 0, 3}, s)
	}
	f.Fuzz(func(t *testing.T, data []byte, scale float64) {
		versions, delays := make([][]Observation, 3), make([][]Delay, 3)
		for i, b := range data {
			if i > 200 {
				break
			}
			at := float64(b>>2) * scale
			versions[i%3] = append(versions[i%3], Observation{at, b&1 == 1})
			delays[i%3] = append(delays[i%3], Delay{at, at + float64(b&3)*scale})
		}
		chi2, p, err := LogRank(versions)
		sound(t, "LogRank", err, chi2, p)
		chi2, p, err = DelaysDiffer(delays)
		sound(t, "DelaysDiffer", err, chi2, p)
		steps, err := RiskTable(versions[0])
		sound(t, "RiskTable", err)
		c, err := CumulativeIncidence(steps)
		sound(t, "CumulativeIncidence", err)
		for _, p := range c {
			sound(t, "CumulativeIncidence", nil, p.Value, p.SE)
		}
	})
}
