// SPDX-License-Identifier: Apache-2.0

package bayes

import (
	"errors"
	"math"
	"testing"

	"github.com/headgate-dev/headgate/stats"
)

// strange are seeds for floating-point arguments.
var strange = []float64{
	0, 1, -1, 0.5, 0.95, 3, 1e-6, 1e-300, 5e-324, 1e12, 1e18, 1e300, math.MaxFloat64, math.NaN(), math.Inf(1), math.Inf(-1),
}

// sound fails unless err is documented or all results are finite.
func sound(t *testing.T, what string, err error, results ...float64) {
	t.Helper()
	if err != nil {
		if _, ok := errors.AsType[*stats.InputError](err); !ok && !errors.Is(err, stats.ErrNoData) && !errors.Is(err, ErrPrecision) {
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

// ranked fails unless a ranking is one.
func ranked(t *testing.T, what string, r Ranking, err error) {
	t.Helper()
	sound(t, what, err, append(append([]float64{r.Max}, r.Best...), r.Loss...)...)
	sum := 0.0
	for i, p := range r.Best {
		sum += p
		if p < 0 || r.Loss[i] < 0 {
			t.Errorf("%s: %+v", what, r)
		}
	}
	if err == nil && math.Abs(sum-1) > 1e-9 {
		t.Errorf("%s: probabilities add up to %g", what, sum)
	}
}

func FuzzBeta(f *testing.F) {
	for i, a := range strange {
		for j, b := range strange {
			f.Add(a, b, strange[(i+j)%len(strange)], strange[(2*i+3*j)%len(strange)], 0.95)
		}
	}
	f.Add(0.5, 10.5, 3.0, 77.0, 0.999999)
	f.Fuzz(func(t *testing.T, a, b, c, d, conf float64) {
		x, y := Beta{a, b}, Beta{c, d}
		r, err := RankBetas([]Beta{x, y, x})
		ranked(t, "RankBetas", r, err)
		i, err := x.Interval(conf)
		sound(t, "Interval", err, i.Low, i.High)
		if err == nil && !(0 <= i.Low && i.Low <= i.High && i.High <= 1) {
			t.Errorf("Interval %+v", i)
		}
		i, err = DifferenceInterval(x, y, conf)
		sound(t, "DifferenceInterval", err, i.Low, i.High)
		if err == nil && !(-1 <= i.Low && i.Low <= i.High && i.High <= 1) {
			t.Errorf("DifferenceInterval %+v", i)
		}
		p, err := x.Above(c)
		sound(t, "Above", err, p)
	})
}

func FuzzNormal(f *testing.F) {
	for i, a := range strange {
		for j, b := range strange {
			f.Add(a, b, strange[(i+j)%len(strange)], strange[(2*i+3*j)%len(strange)])
		}
	}
	f.Fuzz(func(t *testing.T, a, b, c, d float64) {
		x, y := Normal{a, b}, Normal{c, d}
		r, err := RankNormals([]Normal{x, y})
		ranked(t, "RankNormals", r, err)
		keep, choose, err := x.Losses()
		sound(t, "Losses", err, keep, choose)
		i, err := x.Interval(d)
		sound(t, "Interval", err, i.Low, i.High)
		p, err := x.Above(c)
		sound(t, "Above", err, p)
		rope, err := x.Rope(stats.Interval{Low: c, High: d})
		sound(t, "Rope", err, rope.Below, rope.In, rope.Above)
		if err == nil && math.Abs(rope.Below+rope.In+rope.Above-1) > 1e-12 {
			t.Errorf("Rope %+v", rope)
		}
		n, err := x.Update(stats.Estimate{Value: c, SE: d})
		sound(t, "Update", err, n.Mean, n.SD)
		e, err := Relative(stats.Estimate{Value: a, SE: b}, stats.Estimate{Value: c, SE: d})
		sound(t, "Relative", err, e.Value, e.SE)
	})
}

func FuzzStudent(f *testing.F) {
	for i, a := range strange {
		for j, b := range strange {
			f.Add(a, b, strange[(i+j)%len(strange)], strange[(2*i+3*j)%len(strange)], int64(i*j))
		}
	}
	f.Fuzz(func(t *testing.T, a, b, c, d float64, n int64) {
		x := Student{a, b, c}
		r, err := RankStudents([]Student{x, {b, c, d}})
		ranked(t, "RankStudents", r, err)
		p, err := x.Above(d)
		sound(t, "Above", err, p)
		i, err := x.Interval(d)
		sound(t, "Interval", err, i.Low, i.High)
		post, err := NormalInverseGamma{a, b, c, d}.Update(stats.Moments{N: n, Mean: d, M2: b})
		sound(t, "Update", err, post.M, post.K, post.A, post.B)
		if err != nil {
			return
		}
		mean, err := post.Mean()
		sound(t, "Mean", err, mean.Location, mean.Scale, mean.DF)
		next, err := post.Next()
		sound(t, "Next", err, next.Location, next.Scale, next.DF)
	})
}
