// SPDX-License-Identifier: Apache-2.0

package counter

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/headgate-dev/headgate/stats"
)

func second[A, B any](_ A, b B) B { return b }

func third[A, B, C any](_ A, _ B, c C) C { return c }

func fourth[A, B, C, D any](_ A, _ B, _ C, d D) D { return d }

func TestRefusals(t *testing.T) {
	nan := math.NaN()
	cut := func(change func(*Frame)) error {
		f := frame
		change(&f)
		return second(Series{Samples: scraped(45, 305)}.Windows(f))
	}
	windows, err := Series{Samples: scraped(45, 305)}.Windows(frame)
	if err != nil {
		t.Fatal(err)
	}
	later, err := Series{Samples: scraped(45, 405)}.Windows(Frame{Start: at(120), Width: time.Minute, Count: 4, MaxGap: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	two := []Observation{{1, 1}, {2, 1}}
	ok := Estimate{stats.Estimate{Value: 1, SE: 1}, 3}
	events := []Segment{{3, 9, 1, 9}}
	cases := map[string]struct {
		err  error
		want error // nil for a *stats.InputError
	}{
		"one value":                     {third(Increase([]float64{5})), stats.ErrNoData},
		"negative counter":              {third(Increase([]float64{5, -1})), nil},
		"counter NaN":                   {third(Increase([]float64{5, nan})), nil},
		"sample negative":               {second(Series{Samples: []Sample{{at(0), -1}}}.Windows(frame)), nil},
		"samples back in time":          {second(Series{Samples: []Sample{{at(5), 1}, {at(4), 2}}}.Windows(frame)), nil},
		"samples at one time":           {second(Series{Samples: []Sample{{at(5), 1}, {at(5), 2}}}.Windows(frame)), nil},
		"sample before birth":           {second(Series{Born: at(9), Samples: []Sample{{at(5), 1}}}.Windows(frame)), nil},
		"gone before birth":             {second(Series{Born: at(9), Gone: at(8)}.Windows(frame)), nil},
		"windows without width":         {cut(func(f *Frame) { f.Width = 0 }), nil},
		"windows without end":           {cut(func(f *Frame) { f.Count = 1 << 40 }), nil},
		"no windows":                    {cut(func(f *Frame) { f.Count = 0 }), nil},
		"windows of all time":           {cut(func(f *Frame) { f.Width, f.Count = math.MaxInt64, 2 }), nil},
		"gaps that hide windows":        {cut(func(f *Frame) { f.MaxGap = 2 * f.Width }), nil},
		"sum of no series":              {second(Sum()), stats.ErrNoData},
		"sum of other windows":          {second(Sum(windows, windows[:3])), nil},
		"sum of later windows":          {second(Sum(windows, later)), nil},
		"observing other windows":       {third(Observe(windows, windows[:2])), nil},
		"aligning later windows":        {fourth(Align(Version{windows, windows}, Version{windows, later})), nil},
		"mean of one window":            {second(RatioOfSums(two[:1])), stats.ErrNoData},
		"mean without requests":         {second(RatioOfSums([]Observation{{0, 0}, {0, 0}})), stats.ErrNoData},
		"mean of NaN":                   {second(RatioOfSums([]Observation{{nan, 1}, {1, 1}})), nil},
		"mean of negative exposure":     {second(RatioOfSums([]Observation{{1, -1}, {1, 1}})), nil},
		"pairs that do not match":       {second(PairedLogRatio(two, two[:1], 0)), nil},
		"one pair":                      {second(PairedLogRatio(two[:1], two[:1], 0)), stats.ErrNoData},
		"pair without requests":         {second(PairedLogRatio(two, []Observation{{1, 1}, {0, 0}}, 0.5)), stats.ErrNoData},
		"pair without events or offset": {second(PairedLogRatio(two, []Observation{{1, 1}, {0, 1}}, 0)), stats.ErrNoData},
		"negative offset":               {second(PairedLogRatio(two, two, -0.5)), nil},
		"rates of two windows":          {second(QuasiPoisson(two[:1], two[1:])), stats.ErrNoData},
		"rates without events":          {second(QuasiPoisson(two, []Observation{{0, 1}, {0, 1}})), stats.ErrNoData},
		"events without exposure":       {second(QuasiPoisson(two, []Observation{{1, 0}, {1, 1}})), nil},
		"p without error":               {second(Estimate{stats.Estimate{Value: 1}, 3}.P()), stats.ErrNoData},
		"p without degrees":             {second(Estimate{stats.Estimate{Value: 1, SE: 1}, 0}.P()), nil},
		"interval at 95":                {second(ok.Interval(95)), nil},
		"difference from NaN":           {second(Difference(ok, Estimate{stats.Estimate{Value: nan, SE: 1}, 1})), nil},
		"exact test of nothing":         {second(RateRatioP(Events{0, 1}, Events{0, 1})), stats.ErrNoData},
		"exact test, negative count":    {second(RateRatioP(Events{-1, 1}, Events{1, 1})), nil},
		"exact test without exposure":   {second(RateRatioP(Events{1, 0}, Events{1, 1})), nil},
		"exact test, exposures apart":   {second(RateRatioP(Events{1, 1e-13}, Events{1, 1})), nil},
		"no upper bound of the ratio":   {second(RateRatioInterval(Events{5, 1}, Events{0, 1}, 0.95)), stats.ErrNoData},
		"ratio at 95":                   {second(RateRatioInterval(Events{5, 1}, Events{5, 1}, 95)), nil},
		"log ratio of 0":                {second(LogRateRatio(Events{0, 1}, Events{5, 1})), stats.ErrNoData},
		"evidence of nothing":           {second(LogE(nil, 0.5)), stats.ErrNoData},
		"evidence of no events":         {second(LogE([]Segment{{0, 0, 1, 9}}, 0.5)), stats.ErrNoData},
		"evidence without prior":        {second(LogE(events, 0)), nil},
		"prior too wide":                {second(LogEGreater(events, 11)), nil},
		"events without a share":        {second(LogE([]Segment{{3, 9, 0, 9}}, 0.5)), stats.ErrImpossible},
		"baseline without a share":      {second(LogEGreater([]Segment{{0, 9, 1, 0}}, 0.5)), stats.ErrImpossible},
		"negative events":               {second(LogE([]Segment{{-3, 9, 1, 9}}, 0.5)), nil},
		"share NaN":                     {second(LogE([]Segment{{3, 9, nan, 9}}, 0.5)), nil},
		"shares too far apart":          {second(LogE([]Segment{{3, 9, 1e-13, 9}}, 0.5)), nil},
		"no upper bound by segments":    {second(RatioInterval([]Segment{{3, 0, 1, 9}}, 0.5, 0.05)), stats.ErrNoData},
		"interval at level 0":           {second(RatioInterval(events, 0.5, 0)), nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if c.want != nil {
				if !errors.Is(c.err, c.want) {
					t.Fatalf("got %v, want %v", c.err, c.want)
				}
				return
			}
			in, ok := errors.AsType[*stats.InputError](c.err)
			if !ok {
				t.Fatalf("got %v, want a *stats.InputError", c.err)
			}
			if !strings.HasPrefix(in.Func, "counter.") || in.Arg == "" || in.Want == "" {
				t.Errorf("%q does not say where, what and what instead", in)
			}
		})
	}
}
