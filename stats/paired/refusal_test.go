// SPDX-License-Identifier: Apache-2.0

package paired

import (
	"errors"
	"math"
	"testing"

	"github.com/headgate-dev/headgate/stats"
)

func second[A, B any](_ A, b B) B { return b }

func third[A, B, C any](_ A, _ B, c C) C { return c }

func TestRefusals(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	d := Discordance{N: 10, Candidate: 3, Baseline: 1}
	m := Mean{Estimate: stats.Estimate{Value: 1, SE: 1}, DF: 9}
	labels := []bool{true, true, false, false}
	long := make([]float64, MaxExactPairs+1)
	for i := range long {
		long[i] = float64(i + 1)
	}
	for name, c := range map[string]struct {
		err  error
		want error // nil means an *stats.InputError
	}{
		"no pairs":                     {third(Discordance{}.McNemar(false)), stats.ErrNoData},
		"no pair differs":              {third(Discordance{N: 9}.Exact()), stats.ErrNoData},
		"e-value of equal answers":     {second(Discordance{N: 9}.LogE(10)), stats.ErrNoData},
		"negative pairs":               {third(Discordance{N: 9, Baseline: -1}.McNemar(true)), nil},
		"more differ than there are":   {third(Discordance{N: 9, Candidate: 5, Baseline: 5}.Exact()), nil},
		"counts that overflow":         {third(Discordance{N: math.MaxInt64, Candidate: math.MaxInt64, Baseline: 2}.Exact()), nil},
		"too many for the exact test":  {third(Discordance{N: 1 << 42, Candidate: 1 << 41}.Exact()), nil},
		"e-value without prior":        {second(d.LogE(0)), nil},
		"interval of equal answers":    {second(Discordance{N: 9}.Interval(0.9)), stats.ErrNoData},
		"interval at level 2":          {second(d.Interval(2)), nil},
		"difference of no pairs":       {second(Discordance{}.Difference()), stats.ErrNoData},
		"mean of one pair":             {second(Difference(stats.Moments{N: 1, Mean: 3})), stats.ErrNoData},
		"mean of one cluster":          {second(ClusteredDifference(stats.Pair{N: 1, MeanX: 1})), stats.ErrNoData},
		"test without spread":          {third(Mean{DF: 3}.Test()), stats.ErrNoData},
		"test without degrees":         {third(Mean{Estimate: m.Estimate}.Test()), nil},
		"test that overflows":          {third(Mean{Estimate: stats.Estimate{Value: 1e300, SE: 1e-300}, DF: 3}.Test()), nil},
		"interval of NaN":              {second(Mean{Estimate: stats.Estimate{Value: nan, SE: 1}, DF: 3}.Interval(0.9)), nil},
		"interval at level 0":          {second(m.Interval(0)), nil},
		"interval that overflows":      {second(Mean{Estimate: stats.Estimate{Value: 1, SE: 1e308}, DF: 1}.Interval(0.999999)), nil},
		"region upside down":           {second(m.Equivalence(stats.Interval{Low: 1, High: 1})), nil},
		"region without end":           {second(m.Equivalence(stats.Interval{Low: 0, High: inf})), nil},
		"ranks of nothing":             {second(SignedRanks(nil)), stats.ErrNoData},
		"ranks of zeros":               {second(SignedRanks([]float64{0, 0})), stats.ErrNoData},
		"ranks of NaN":                 {second(SignedRanks([]float64{1, nan})), nil},
		"ranks not made":               {third(Wilcoxon{}.Exact()), nil},
		"normal ranks not made":        {second(Wilcoxon{N: 3}.Normal(true)), nil},
		"too many ranks":               {third(must(SignedRanks(long)).Exact()), nil},
		"centre of nothing":            {second(HodgesLehmann(nil)), stats.ErrNoData},
		"centre of infinity":           {second(HodgesLehmann([]float64{inf})), nil},
		"an empty sample":              {second(KolmogorovSmirnov(nil, []float64{1})), stats.ErrNoData},
		"a sample with NaN":            {second(KolmogorovSmirnov([]float64{nan}, []float64{1})), nil},
		"statistic not made":           {second(KS{}.Exact()), nil},
		"asymptotic not made":          {second(KS{N: 1, M: 1}.Asymptotic()), nil},
		"samples too large":            {second(must(KolmogorovSmirnov(make([]float64, 1<<12), make([]float64, 1<<11))).Exact()), nil},
		"bins that do not match":       {second(PSI([]float64{1}, []float64{1, 2})), nil},
		"bins of nothing":              {second(JensenShannon([]float64{0}, []float64{1})), stats.ErrNoData},
		"no bins":                      {second(TotalVariation(nil, nil)), stats.ErrNoData},
		"a negative share":             {second(PSI([]float64{1, 1}, []float64{-1, 2})), nil},
		"a bin empty on one side":      {second(PSI([]float64{1, 1}, []float64{0, 1})), stats.ErrImpossible},
		"negative counts":              {second(PSICounts([]int64{1, -1}, []int64{1, 1})), nil},
		"no counts":                    {second(PSICounts([]int64{0, 0}, []int64{1, 1})), stats.ErrNoData},
		"threshold for one bin":        {second(PSIThreshold(10, 10, 1, 0.05)), nil},
		"threshold for nothing":        {second(PSIThreshold(0, 10, 5, 0.05)), stats.ErrNoData},
		"threshold at level 1":         {second(PSIThreshold(10, 10, 5, 1)), nil},
		"areas of one positive case":   {second(CompareAUC([]bool{true, false, false}, make([]float64, 3), make([]float64, 3))), stats.ErrNoData},
		"areas without all scores":     {second(CompareAUC(labels, make([]float64, 3), make([]float64, 4))), nil},
		"areas of NaN":                 {second(CompareAUC(labels, []float64{1, 2, 3, nan}, make([]float64, 4))), nil},
		"areas that are equal":         {third(must(CompareAUC(labels, []float64{1, 2, 3, 4}, []float64{1, 2, 3, 4})).Test()), stats.ErrNoData},
		"labels of no cases":           {third(Kappa(nil)), stats.ErrNoData},
		"labels that do not match":     {third(Kappa([][]int64{{1, 2}, {3}})), nil},
		"labels counted below zero":    {third(Kappa([][]int64{{-1}})), nil},
		"labels that are all the same": {third(Kappa([][]int64{{5, 0}, {0, 0}})), stats.ErrNoData},
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
			if in.Func == "" || in.Arg == "" || in.Want == "" {
				t.Errorf("%#v does not say what is wrong", in)
			}
		})
	}
}
