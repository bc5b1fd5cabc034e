// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/headgate-dev/headgate/stats/internal/input"
)

func second[A, B any](_ A, b B) B { return b }

func third[A, B, C any](_ A, _ B, c C) C { return c }

func TestRefusals(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	mix, err := NewMixture(0.05, 1000)
	if err != nil {
		t.Fatal(err)
	}
	ok, c := Estimate{1, 1}, Counts{N: 10, X: 3}
	looks := []Look{{0.5, 1}, {1, 2}}
	const input = "input"
	cases := map[string]struct {
		err  error
		want any // input, or the sentinel
	}{
		"proportion of nothing":        {second(Counts{}.Proportion()), ErrNoData},
		"more hits than trials":        {second(Counts{N: 1, X: 2}.Proportion()), input},
		"negative hits":                {Counts{N: 1, X: -2}.Valid(), input},
		"negative trials":              {second(BernoulliInterval(Counts{N: -1}, 0.05, 10)), input},
		"variance of one":              {second(Moments{N: 1}.Variance()), ErrNoData},
		"variance after NaN":           {second(Moments{N: 3, Mean: nan, M2: nan}.Variance()), input},
		"ratio of nobody":              {second(Pair{}.Ratio()), ErrNoData},
		"ratio of one unit":            {second(Pair{N: 1, MeanY: 1, MeanX: 1}.Ratio()), ErrNoData},
		"ratio over zero":              {second(Pair{N: 9, MeanY: 1, M2Y: 1}.Ratio()), ErrNoData},
		"ratio with negative square":   {second(Pair{N: 9, MeanY: 1, MeanX: 1, M2X: -1}.Ratio()), input},
		"ratio that overflows":         {second(Pair{N: 9, MeanY: 1e300, MeanX: 1e-300}.Ratio()), input},
		"mean of negative many":        {second(Pair{N: -9}.Mean()), input},
		"mixture without alpha":        {second(NewMixture(0, 10)), input},
		"mixture with alpha 1":         {second(NewMixture(1, 10)), input},
		"mixture without plan":         {second(NewMixture(0.05, 0)), input},
		"mixture not made":             {second(Mixture{}.LogE(ok, 10)), input},
		"e-value of nothing":           {second(mix.LogE(ok, 0)), ErrNoData},
		"e-value after NaN":            {second(mix.LogEGreater(ok, nan)), input},
		"e-value without variance":     {second(mix.LogEGreater(Estimate{1, 0}, 10)), ErrNoData},
		"e-value of infinity":          {second(mix.LogE(Estimate{inf, 1}, 10)), input},
		"interval without variance":    {second(mix.Interval(Estimate{1, 0}, 10, 0.05)), ErrNoData},
		"interval at level 1.5":        {second(mix.Interval(ok, 10, 1.5)), input},
		"lower bound at level NaN":     {second(mix.Lower(ok, 10, nan)), input},
		"lower bound, negative error":  {second(mix.Lower(Estimate{1, -1}, 10, 0.05)), input},
		"Bernoulli without trials":     {second(BernoulliInterval(Counts{}, 0.05, 10)), ErrNoData},
		"Bernoulli against 0":          {second(BernoulliLogE(c, 0, 0.05, 10)), input},
		"Bernoulli without plan":       {second(BernoulliLogE(c, 0.5, 0.05, inf)), input},
		"no looks":                     {second(Boundaries(nil, 0.05, Pocock)), input},
		"too many looks":               {second(Boundaries(make([]Look, MaxLooks+1), 0.05, Pocock)), input},
		"looks back in time":           {second(Boundaries([]Look{{0.5, 1}, {0.4, 2}}, 0.05, Pocock)), input},
		"looks that forget":            {second(Boundaries([]Look{{0.5, 2}, {1, 1}}, 0.05, Pocock)), input},
		"look past the end":            {second(Boundaries([]Look{{1.1, 2}}, 0.05, Pocock)), input},
		"look without information":     {second(Boundaries([]Look{{1, 0}}, 0.05, Pocock)), input},
		"boundary at alpha 2":          {second(Boundaries(looks, 2, Pocock)), input},
		"boundary without spending":    {second(Boundaries(looks, 0.05, nil)), input},
		"spending with rho -1":         {second(Boundaries(looks, 0.05, KimDeMets(-1))), input},
		"spending more than alpha":     {second(Boundaries(looks, 0.05, func(a, _ float64) float64 { return 2 * a })), input},
		"bounds without looks":         {second(CrossingProbability([]float64{1}, looks, 0)), input},
		"bound NaN":                    {second(CrossingProbability([]float64{1, nan}, looks, 0)), input},
		"drift infinite":               {second(CrossingProbability([]float64{1, 1}, looks, inf)), input},
		"negative two-sided bound":     {second(TwoSidedCrossingProbability([]float64{1, -1}, looks, 0)), input},
		"lower bound at a repetition":  {second(CrossingProbability([]float64{2, 1}, []Look{{0.5, 1}, {1, 1}}, 0)), input},
		"power below alpha":            {second(Inflation(looks, 0.1, 0.05, Pocock)), input},
		"sample ratio of one version":  {second(SRMLogE([]int64{5}, []float64{1}, 100)), ErrNoData},
		"sample ratio of no units":     {second(SRMLogE([]int64{0, 0}, []float64{1, 1}, 100)), ErrNoData},
		"sample ratio, no share":       {second(SRMLogE([]int64{5, 5, 1}, []float64{1, 1, 0}, 100)), ErrImpossible},
		"sample ratio, only no share":  {second(SRMLogE([]int64{0, 5}, []float64{1, 0}, 100)), ErrImpossible},
		"chi-squared, no share":        {third(SRMChiSquared([]int64{5, 1}, []float64{1, 0})), ErrImpossible},
		"sample ratio, shares missing": {second(SRMLogE([]int64{5, 5}, []float64{1}, 100)), input},
		"sample ratio, negative share": {second(SRMLogE([]int64{5, 5}, []float64{2, -1}, 100)), input},
		"sample ratio, negative count": {third(SRMChiSquared([]int64{5, -5}, []float64{1, 1})), input},
		"sample ratio, no prior":       {second(SRMLogE([]int64{5, 5}, []float64{1, 1}, 0)), input},
		"sample for no effect":         {third(SampleSizeDifference(1, 1, 0, 0.05, 0.8, 1)), input},
		"sample for power 1":           {third(SampleSizeDifference(1, 1, 1, 0.05, 1, 1)), input},
		"sample that overflows":        {third(SampleSizeDifference(1e200, 1, 1e-200, 0.05, 0.8, 1)), input},
		"sample for equal proportions": {second(SampleSizeProportions(0.1, 0.1, 0.05, 0.8)), input},
		"power without error":          {second(PowerDifference(1, 0, 2)), input},
		"binomial without trials":      {second(BinomialTestGreater(0, 0, 0.5)), ErrNoData},
		"binomial with p 0":            {second(BinomialTestGreater(1, 2, 0)), input},
		"binomial with too many":       {second(BinomialTestGreater(1, 1<<41, 0.5)), input},
		"Clopper-Pearson at 95":        {second(ClopperPearson(c, 95)), input},
		"Clopper-Pearson of nothing":   {second(ClopperPearson(Counts{}, 0.95)), ErrNoData},
		"quantile of nothing":          {second(Sketch{}.Quantile(0.5)), ErrNoData},
		"quantile 2":                   {second(Sketch{}.Quantile(2)), input},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if c.want != input {
				if !errors.Is(c.err, c.want.(error)) {
					t.Fatalf("got %v, want %v", c.err, c.want)
				}
				return
			}
			in, ok := errors.AsType[*InputError](c.err)
			if !ok {
				t.Fatalf("got %v, want an *InputError", c.err)
			}
			for _, part := range []string{in.Func, in.Arg, in.Want} {
				if part == "" || !strings.Contains(in.Error(), part) {
					t.Errorf("%q does not say %q", in, part)
				}
			}
		})
	}
}

func TestVersionWithoutShareAndUnitsIsLeftOut(t *testing.T) {
	with, err1 := SRMLogE([]int64{60, 0, 40}, []float64{3, 0, 2}, 100)
	without, err2 := SRMLogE([]int64{60, 40}, []float64{0.6, 0.4}, 100)
	if err := input.First(err1, err2); err != nil || math.Abs(with-without) > 1e-12 {
		t.Fatalf("%g with, %g without (%v)", with, without, err)
	}
	_, p1, err1 := SRMChiSquared([]int64{60, 0, 45}, []float64{3, 0, 2})
	_, p2, err2 := SRMChiSquared([]int64{60, 45}, []float64{0.6, 0.4})
	if err := input.First(err1, err2); err != nil || math.Abs(p1-p2) > 1e-12 {
		t.Fatalf("p %g with, %g without (%v)", p1, p2, err)
	}
}

func TestSketchRefusesForeignJSON(t *testing.T) {
	for name, text := range map[string]string{
		"not a list":     `{"n":1}`,
		"odd length":     `[1,2,3]`,
		"descending":     `[5,1,4,1]`,
		"twice":          `[5,1,5,1]`,
		"beyond buckets": `[1153,1]`,
		"below buckets":  `[-1,1]`,
		"empty bucket":   `[5,0]`,
		"too many":       `[5,9007199254740992,6,1]`,
	} {
		t.Run(name, func(t *testing.T) {
			s := Sketch{}
			s.Add(1)
			if err := json.Unmarshal([]byte(text), &s); err == nil {
				t.Fatalf("accepted as %d values", s.Count())
			}
			if s.Count() != 1 {
				t.Fatalf("changed to %d values", s.Count())
			}
		})
	}
}
