// SPDX-License-Identifier: Apache-2.0

package adaptive

import (
	"errors"
	"math"
	"testing"

	"github.com/headgate-dev/headgate/stats"
)

func second[A, B any](_ A, b B) B { return b }

func TestRefusals(t *testing.T) {
	nan := math.NaN()
	m := stats.Moments{N: 3, Mean: 1, M2: 2}
	p := Period{Share: 0.5, Units: 9, Observed: m}
	b := Batch{Baseline: 5, Candidate: 5, Variance: 1}
	for name, c := range map[string]struct {
		err  error
		want error // nil means an *stats.InputError
	}{
		"no periods":                {second(WeightedMean(nil, 0)), stats.ErrNoData},
		"never observed":            {second(WeightedMean([]Period{{Share: 0.5, Units: 3}}, 0)), stats.ErrNoData},
		"no share":                  {second(WeightedMean([]Period{{Units: 9, Observed: m}}, 0)), nil},
		"share above 1":             {second(WeightedMean([]Period{{Share: 1.1, Units: 9, Observed: m}}, 0)), nil},
		"more observed than units":  {second(WeightedMean([]Period{{Share: 0.5, Units: 2, Observed: m}}, 0)), nil},
		"observed less than nobody": {second(WeightedMean([]Period{{Share: 0.5, Units: 2, Observed: stats.Moments{N: -1}}}, 0)), nil},
		"observed NaN":              {second(WeightedMean([]Period{{Share: 0.5, Units: 9, Observed: stats.Moments{N: 2, Mean: nan}}}, 0)), nil},
		"negative square":           {second(WeightedMean([]Period{{Share: 0.5, Units: 9, Observed: stats.Moments{N: 2, M2: -1}}}, 0)), nil},
		"starting at NaN":           {second(WeightedMean([]Period{p}, nan)), nil},
		"starting too far away":     {second(WeightedMean([]Period{p}, 1e300)), nil},
		"batch of two":              {second(NewBatch(stats.Moments{N: 1}, stats.Moments{N: 1})), stats.ErrNoData},
		"batch of NaN":              {second(NewBatch(m, stats.Moments{N: 1, Mean: nan})), nil},
		"no batches":                {second(BatchedOLS(nil)), stats.ErrNoData},
		"batches of one version":    {second(BatchedOLS([]Batch{{Baseline: 9, Variance: 1}})), stats.ErrNoData},
		"batch without variance":    {second(BatchedOLS([]Batch{b, {Baseline: 1, Candidate: 1}})), stats.ErrNoData},
		"negative units":            {second(BatchedOLS([]Batch{{Baseline: -1, Candidate: 4, Variance: 1}})), nil},
		"negative variance":         {second(BatchedOLS([]Batch{{Baseline: 1, Candidate: 4, Variance: -1}})), nil},
		"batch mean NaN":            {second(BatchedOLS([]Batch{{Baseline: 1, Candidate: 4, Variance: 1, CandidateMean: nan}})), nil},
		"batch that overflows":      {second(BatchedOLS([]Batch{{Baseline: 1, Candidate: 4, Variance: 1e-9, CandidateMean: 1.7e308}})), nil},
		"no strata":                 {second(Stratify(nil)), stats.ErrNoData},
		"strata without versions":   {second(Stratify([][]stats.Moments{{}})), stats.ErrNoData},
		"strata of other versions":  {second(Stratify([][]stats.Moments{{m, m}, {m}})), nil},
		"strata without a pair":     {second(Stratify([][]stats.Moments{{m, {N: 1}}})), stats.ErrNoData},
		"strata with NaN":           {second(Stratify([][]stats.Moments{{m, {N: 5, M2: nan}}})), nil},
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
