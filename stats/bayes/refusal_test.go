// SPDX-License-Identifier: Apache-2.0

package bayes

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/headgate-dev/headgate/stats"
	"github.com/headgate-dev/headgate/stats/internal/input"
)

func second[A, B any](_ A, b B) B { return b }

func third[A, B, C any](_ A, _ B, c C) C { return c }

func TestRefusals(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	ok, prior := Normal{1, 1}, NormalInverseGamma{0, 1, 1, 1}
	est := stats.Estimate{Value: 1, SE: 1}
	for name, c := range map[string]struct {
		err  error
		want error // nil means an *stats.InputError
	}{
		"no versions":                 {second(RankBetas(nil)), nil},
		"too many versions":           {second(RankNormals(make([]Normal, MaxVersions+1))), stats.ErrNoData},
		"too many versions of data":   {second(RankBetas(manyUniforms(MaxVersions + 1))), nil},
		"Beta without hits":           {second(RankBetas([]Beta{{0, 1}})), nil},
		"Beta of NaN":                 {second(RankBetas([]Beta{{1, nan}})), nil},
		"Beta too heavy":              {second(Beta{1e19, 1}.Interval(0.9)), nil},
		"update with too many hits":   {second(Uniform().Update(stats.Counts{N: 1, X: 2})), nil},
		"update of a bad prior":       {second(Beta{}.Update(stats.Counts{N: 1, X: 1})), nil},
		"interval at 95":              {second(Uniform().Interval(95)), nil},
		"above NaN":                   {second(Uniform().Above(nan)), nil},
		"difference at level 0":       {second(DifferenceInterval(Uniform(), Uniform(), 0)), nil},
		"difference of nothing":       {second(DifferenceInterval(Uniform(), Beta{}, 0.9)), nil},
		"normal without spread":       {second(RankNormals([]Normal{{1, 0}})), stats.ErrNoData},
		"normal with negative spread": {second(Normal{1, -1}.Above(0)), nil},
		"normal at infinity":          {second(Normal{inf, 1}.Interval(0.9)), nil},
		"normal as wide as infinity":  {second(Normal{0, inf}.Interval(0.9)), nil},
		"normal interval at 1":        {second(ok.Interval(1)), nil},
		"flat without error":          {second(Flat(stats.Estimate{Value: 1})), stats.ErrNoData},
		"update without error":        {second(ok.Update(stats.Estimate{Value: 1})), stats.ErrNoData},
		"update beyond numbers":       {second(Normal{0, 1.7e308}.Update(stats.Estimate{SE: 1.7e308})), ErrPrecision},
		"losses beyond numbers":       {third(Normal{1.7e308, 1.7e308}.Losses()), nil},
		"relative to zero":            {second(Relative(est, stats.Estimate{SE: 1})), stats.ErrNoData},
		"relative that overflows":     {second(Relative(stats.Estimate{Value: 1e300, SE: 1}, stats.Estimate{Value: 1e-300, SE: 1})), nil},
		"rope upside down":            {second(ok.Rope(stats.Interval{Low: 1, High: 0})), nil},
		"rope without end":            {second(ok.Rope(stats.Interval{Low: 0, High: inf})), nil},
		"prior worth nothing":         {second(NormalInverseGamma{0, 0, 1, 1}.Mean()), nil},
		"update with negative square": {second(prior.Update(stats.Moments{N: 2, M2: -1})), nil},
		"update with negative many":   {second(prior.Update(stats.Moments{N: -2})), nil},
		"update with a spoiled mean":  {second(prior.Update(stats.Moments{N: 2, Mean: nan})), nil},
		"update that overflows":       {second(prior.Update(stats.Moments{N: 2, Mean: 1e300})), nil},
		"Student without scale":       {second(Student{0, 0, 3}.Above(1)), nil},
		"Student of half a degree":    {second(Student{0, 1, 0.5}.Interval(0.9)), nil},
		"ranking two degrees":         {second(RankStudents([]Student{{0, 1, 2}})), stats.ErrNoData},
		"ranking beyond numbers":      {second(RankNormals([]Normal{{0, 1.7e308}})), ErrPrecision},
		"ranking beyond resolution":   {second(RankNormals([]Normal{{0, 1e-9}, {1e9, 1e-9}})), ErrPrecision},
	} {
		t.Run(name, func(t *testing.T) {
			if c.want != nil {
				if !errors.Is(c.err, c.want) {
					t.Fatalf("got %v, want %v", c.err, c.want)
				}
				return
			}
			in, ok := errors.AsType[*stats.InputError](c.err)
			if !ok {
				t.Fatalf("got %v, want an *InputError", c.err)
			}
			if in.Arg == "" || in.Want == "" || !(strings.HasPrefix(in.Func, "bayes.") || strings.HasPrefix(in.Func, "Counts.")) {
				t.Errorf("%#v does not say what is wrong", in)
			}
		})
	}
}

func manyUniforms(k int) []Beta {
	arms := make([]Beta, k)
	for i := range arms {
		arms[i] = Uniform()
	}
	return arms
}

func TestNoObservationsLeaveThePrior(t *testing.T) {
	b, err1 := Jeffreys().Update(stats.Counts{})
	p, err2 := NormalInverseGamma{1, 2, 3, 4}.Update(stats.Moments{})
	if err := input.First(err1, err2); err != nil || b != Jeffreys() || p != (NormalInverseGamma{1, 2, 3, 4}) {
		t.Errorf("%+v, %+v (%v)", b, p, err)
	}
}
