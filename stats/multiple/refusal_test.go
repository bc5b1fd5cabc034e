// SPDX-License-Identifier: Apache-2.0

package multiple

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/headgate-dev/headgate/stats"
)

func second[A, B any](_ A, b B) B { return b }

func TestRefusals(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	two := Dunnett{Baseline: 1, Candidates: []float64{1, 1}}
	effects := []stats.Estimate{{Value: 1, SE: 1}, {Value: 2, SE: 1}}
	cases := map[string]struct {
		err    error
		noData bool
	}{
		"nothing to adjust":           {second(Holm(nil)), true},
		"p above 1":                   {second(Holm([]float64{0.1, 1.1})), false},
		"p NaN":                       {second(BenjaminiHochberg([]float64{nan})), false},
		"p negative":                  {second(Hochberg([]float64{-0.1})), false},
		"no guardrails":               {second(IntersectionUnion(nil)), true},
		"no e-values":                 {second(EBenjaminiHochberg(nil, 0.05)), true},
		"e-value NaN":                 {second(EBenjaminiHochberg([]float64{nan}, 0.05)), false},
		"e-value infinite":            {second(EBenjaminiHochberg([]float64{inf}, 0.05)), false},
		"e-values at alpha 0":         {second(EBenjaminiHochberg([]float64{1}, 0)), false},
		"preference 1":                {second(PreferentialBonferroni(0.05, 1, 1, 2)), false},
		"alpha 1":                     {second(PreferentialBonferroni(1, 0.5, 1, 2)), false},
		"no candidates to divide by":  {second(PreferentialBonferroni(0.05, 0.5, 0, 2)), false},
		"no metrics to divide by":     {second(PreferentialBonferroni(0.05, 0.5, 1, 0)), false},
		"no baseline":                 {second(Dunnett{Candidates: []float64{1}}.Critical(0.05)), false},
		"no candidates":               {second(Dunnett{Baseline: 1}.Critical(0.05)), false},
		"too many candidates":         {second(Dunnett{Baseline: 1, Candidates: make([]float64, 21)}.Critical(0.05)), false},
		"empty candidate":             {second(Dunnett{Baseline: 1, Candidates: []float64{1, 0}}.P(1)), false},
		"half a degree of freedom":    {second(Dunnett{Baseline: 1, Candidates: []float64{1}, DF: 0.5}.P(1)), false},
		"critical value at alpha 0":   {second(two.Critical(0)), false},
		"critical value at 1e-13":     {second(two.Critical(1e-13)), false},
		"critical value above 1e6":    {second(Dunnett{Baseline: 1, Candidates: []float64{1}, DF: 1}.Critical(1e-9)), false},
		"difference NaN":              {second(two.P(nan)), false},
		"difference missing":          {second(two.Adjust([]float64{1})), false},
		"difference infinite":         {second(two.Adjust([]float64{1, inf})), false},
		"no slices":                   {second(Compare(nil)), true},
		"one slice":                   {second(Compare(effects[:1])), true},
		"slice without variance":      {second(Compare([]stats.Estimate{{Value: 1, SE: 1}, {Value: 1}})), true},
		"slice of negative error":     {second(GailSimon([]stats.Estimate{{Value: 1, SE: 1}, {Value: 1, SE: -1}})), false},
		"slices that overflow":        {second(Compare([]stats.Estimate{{Value: 1e300, SE: 1e-9}, {Value: -1e300, SE: 1e-9}})), false},
		"interaction of one slice":    {second(GailSimon(effects[:1])), true},
		"interaction of 1,001 slices": {second(GailSimon(make1001())), false},
		"shrinking by a negative":     {second(Heterogeneity{Tau2: -1}.Shrink(effects)), false},
		"shrinking towards NaN":       {second(Heterogeneity{Pooled: stats.Estimate{Value: nan}}.Shrink(effects)), false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if c.noData {
				if !errors.Is(c.err, stats.ErrNoData) {
					t.Fatalf("got %v, want stats.ErrNoData", c.err)
				}
				return
			}
			in, ok := errors.AsType[*stats.InputError](c.err)
			if !ok {
				t.Fatalf("got %v, want a *stats.InputError", c.err)
			}
			if !strings.HasPrefix(in.Func, "multiple.") || in.Arg == "" || in.Want == "" {
				t.Errorf("%q does not say where, what and what instead", in)
			}
		})
	}
}

func make1001() []stats.Estimate {
	out := make([]stats.Estimate, 1001)
	for i := range out {
		out[i].SE = 1
	}
	return out
}
