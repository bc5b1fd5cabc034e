// SPDX-License-Identifier: Apache-2.0

package delayed

import (
	"errors"
	"math"
	"testing"

	"github.com/headgate-dev/headgate/stats"
)

func second[A, B any](_ A, b B) B { return b }

func third[A, B, C any](_ A, _ B, c C) C { return c }

func TestRefusals(t *testing.T) {
	nan := math.NaN()
	all := func(float64) float64 { return 1 }
	none := func(float64) float64 { return 0 }
	old := []Cohort{{9, stats.Counts{N: 10, X: 3}}}
	same := []Observation{{1, true}, {2, true}}
	for name, c := range map[string]struct {
		err  error
		want error // nil means an *stats.InputError
	}{
		"nobody matured":              {third(Matured(old, 10)), stats.ErrNoData},
		"no cohorts":                  {third(Matured(nil, 10)), stats.ErrNoData},
		"needed NaN":                  {third(Matured(old, nan)), nil},
		"negative age":                {third(Matured([]Cohort{{Age: -1}}, 1)), nil},
		"more outcomes than units":    {third(Matured([]Cohort{{2, stats.Counts{N: 1, X: 2}}}, 1)), nil},
		"weighted without a delay":    {second(Weighted(old, nil)), nil},
		"weighted nobody":             {second(Weighted(nil, all)), stats.ErrNoData},
		"weighted unseen":             {second(Weighted([]Cohort{{9, stats.Counts{N: 10}}}, none)), stats.ErrNoData},
		"outcomes before any":         {second(Weighted(old, none)), stats.ErrImpossible},
		"delay above 1":               {second(Weighted(old, func(float64) float64 { return 1.1 })), nil},
		"delay NaN":                   {second(Weighted(old, func(float64) float64 { return nan })), nil},
		"weighted bad counts":         {second(Weighted([]Cohort{{2, stats.Counts{N: -1}}}, all)), nil},
		"watched for NaN":             {second(RiskTable([]Observation{{nan, true}})), nil},
		"no steps":                    {second(CumulativeIncidence(nil)), stats.ErrNoData},
		"steps back in time":          {second(CumulativeIncidence([]Step{{2, 1, 9}, {2, 1, 8}})), nil},
		"step at a negative time":     {second(CumulativeIncidence([]Step{{-2, 1, 9}})), nil},
		"more events than at risk":    {second(CumulativeIncidence([]Step{{2, 10, 9}})), nil},
		"nobody at risk":              {second(CumulativeIncidence([]Step{{2, 0, 0}})), nil},
		"window before any":           {second(Curve{{Time: 3}}.Delays(2)), stats.ErrNoData},
		"negative window":             {second(Curve{{Time: 3}}.Delays(-2)), nil},
		"one version":                 {third(LogRank([][]Observation{same})), nil},
		"too many versions":           {third(LogRank(make([][]Observation, MaxVersions+1))), nil},
		"no observations":             {third(LogRank([][]Observation{nil, nil})), stats.ErrNoData},
		"a version without any":       {third(LogRank([][]Observation{same, nil})), stats.ErrNoData},
		"no events":                   {third(LogRank([][]Observation{{{1, false}}, {{1, false}}})), stats.ErrNoData},
		"observed at a negative time": {third(LogRank([][]Observation{{{-1, true}}, same})), nil},
		"delay longer than the age":   {third(DelaysDiffer([][]Delay{{{2, 1}}, {{1, 1}}})), nil},
		"age NaN":                     {third(DelaysDiffer([][]Delay{{{2, nan}}, {{1, 1}}})), nil},
		"never watched together":      {third(DelaysDiffer([][]Delay{{{0, 1}, {1, 1}}, {{2, 5}, {3, 5}}})), stats.ErrNoData},
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
