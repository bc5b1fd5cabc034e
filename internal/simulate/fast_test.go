// SPDX-License-Identifier: Apache-2.0

package simulate

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// looksPlan is an experiment of 20 looks with one reward and two guardrails.
func looksPlan(method experiment.Method) *experiment.Plan {
	return &experiment.Plan{
		Name: "looks", Window: time.Hour, Lag: time.Minute, Stale: 5 * time.Hour,
		Versions:   []experiment.Version{{Name: "v1"}, {Name: "v2"}},
		Assignment: experiment.Assignment{Unit: experiment.Unit{Header: "x-user"}},
		Metrics: []experiment.Metric{
			{Name: "purchase", Goal: experiment.Increase, Outcomes: &experiment.OutcomesMetric{Event: "purchase", Window: time.Hour}},
			{Name: "refund", Goal: experiment.Decrease, Outcomes: &experiment.OutcomesMetric{Event: "refund", Per: "purchase", Window: time.Hour}},
			{Name: "errors", Goal: experiment.Decrease, Builtin: &experiment.BuiltinMetric{Kind: experiment.ErrorRate}},
		},
		Reward: &experiment.Reward{Metric: "purchase", MinimumEffect: experiment.Margin{Relative: .01}},
		Guardrails: []experiment.Guardrail{
			{Metric: "refund", NoWorseThan: experiment.Margin{Absolute: .05}},
			{Metric: "errors", NoWorseThan: experiment.Margin{Absolute: .01}},
		},
		Stages: []experiment.Stage{{Name: "ab", Split: &experiment.Split{
			Shares: experiment.Shares{5000, 5000}, Otherwise: experiment.KeepBaseline,
			Until: experiment.Until{Decided: true, AtMost: 20 * time.Hour},
		}}},
		Analysis:  experiment.Analysis{Method: method, Alpha: .05, HarmAlpha: .05, Looks: 20},
		OnUnknown: experiment.OnUnknown{After: 10 * time.Hour, Do: experiment.PolicyHold},
	}
}

// assume is a world in which every candidate improves a reward of 10 % alike.
func assume(p *experiment.Plan, e Effect) Assumptions {
	law := Law{Metric: p.Reward.Metric, Values: []float64{.1}}
	for range p.Versions[1:] {
		law.Values = append(law.Values, e.Of(.1, p.Metric(p.Reward.Metric).Goal))
	}
	return Assumptions{Rate: 1, Laws: []Law{law}}
}

func world(t testing.TB, p *experiment.Plan, a Assumptions) *Fast {
	t.Helper()
	w, err := NewFast(p, a)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func many(t testing.TB, p *experiment.Plan, a Assumptions, o Options) Report {
	t.Helper()
	o.Parallel = max(o.Parallel, 2)
	r, err := world(t, p, a).Many(context.Background(), a, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestParallelRunsChangeNoNumber(t *testing.T) {
	p := looksPlan(experiment.Anytime)
	a := assume(p, Effect{Relative: .1})
	one := many(t, p, a, Options{Runs: 30, Parallel: 2, Seed: 5, Rivals: true})
	if d := cmp.Diff(one, many(t, p, a, Options{Runs: 30, Parallel: 7, Seed: 5, Rivals: true})); d != "" {
		t.Errorf("seven at once give other numbers than two (-two +seven):\n%s", d)
	}
	if cmp.Equal(one.Headgate.Regret, many(t, p, a, Options{Runs: 30, Seed: 6}).Headgate.Regret) {
		t.Error("another seed gives the same numbers")
	}
	w := world(t, p, a)
	fresh, err := w.Play(SeedOf(5, 29), false)
	if err != nil {
		t.Fatal(err)
	}
	used := newPlayer(w)
	for i := range 30 { // A player that has played gives what a fresh one gives.
		got, err := used.play(SeedOf(5, i), false)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(fresh, got); i == 29 && d != "" {
			t.Errorf("a used player plays otherwise (-fresh +used):\n%s", d)
		}
	}
}

func TestInterruptionKeepsWhatWasPlayed(t *testing.T) {
	p := looksPlan(experiment.Anytime)
	a := assume(p, Effect{})
	ctx, cancel := context.WithCancel(t.Context())
	const last, parallel = 20, 2
	// Whoever has done one of the last interrupts. Were it the one of them alone,
	// the other player would go on for as long as that one waits for a core.
	r, err := world(t, p, a).Many(ctx, a, Options{Runs: 10_000, Parallel: parallel, Progress: func(done int) {
		if done >= last {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) || !r.Partial || r.Asked != 10_000 {
		t.Fatalf("partial %v of %d: %v", r.Partial, r.Asked, err)
	}
	h := r.Headgate
	if h.Runs < last || h.Runs > last+parallel-1 || h.Promoted+h.RolledBack+h.Undecided != h.Runs {
		t.Errorf("%d runs: %d promoted, %d rolled back, %d undecided", h.Runs, h.Promoted, h.RolledBack, h.Undecided)
	}
	if r, err := world(t, p, a).Many(ctx, a, Options{Runs: 10}); !errors.Is(err, context.Canceled) || r.Headgate.Runs != 0 {
		t.Errorf("interrupted before the first run: %d runs, %v", r.Headgate.Runs, err)
	}
}

// TestReportsCountRight: what is promoted is right or wrong by the truth, and
// JSON has the names that scripts rely on.
func TestReportsCountRight(t *testing.T) {
	p := looksPlan(experiment.Fixed)
	p.Versions[1].Cost = experiment.Cost{PerRequest: .01, PerHour: 2}
	for name, tc := range map[string]struct {
		effect   float64
		improves bool
		check    func(h, i *Tally) bool
	}{
		"better is promoted": {.3, true, func(h, i *Tally) bool { return h.Right > 35 && h.Wrong == 0 && h.Rates.Power != nil && i.Right > 35 }},
		"worse is not": {-.3, false, func(h, i *Tally) bool {
			return h.Promoted == 0 && h.RolledBack > 35 && h.Rates.FalsePromotions != nil && i.RolledBack > 35
		}},
		"same is seldom promoted": {0, false, func(h, i *Tally) bool { return h.Wrong == h.Promoted && h.Promoted < 12 && i.Wrong > 8 }},
	} {
		t.Run(name, func(t *testing.T) {
			r := many(t, p, assume(p, Effect{Relative: tc.effect}), Options{Runs: 40, Rivals: true, Seed: 1})
			h, i := &r.Headgate, r.Iter8
			if r.Truth.Improves() != tc.improves || !tc.check(h, i) {
				t.Errorf("headgate %d right, %d wrong, %d back, %d undecided; iter8 %d right, %d wrong, %d back", h.Right, h.Wrong, h.RolledBack, h.Undecided, i.Right, i.Wrong, i.RolledBack)
			}
			if h.Cost.Value < .01*1800*h.Seconds.P10/3600 || h.Cost.Value > (.01*1800+2)*1.1*h.Seconds.Max/3600 {
				t.Errorf("cost %v in %v", h.Cost, *h.Seconds)
			}
			exact, err := stats.ClopperPearson(stats.Counts{N: 40, X: int64(h.Promoted)}, Level)
			if err != nil || math.Abs(h.Rates.Promoted.Low-exact.Low) > 0 || h.Rates.Promoted.High != exact.High {
				t.Errorf("interval %v of %d in 40, %v", h.Rates.Promoted, h.Promoted, err)
			}
			text, err := json.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			var found map[string]any
			if err := json.Unmarshal(text, &found); err != nil {
				t.Fatal(err)
			}
			for _, rule := range []string{"headgate", "iter8", "argo", "flagger"} {
				counts, _ := found[rule].(map[string]any)
				n := func(name string) float64 { f, _ := counts[name].(float64); return f }
				if n("runs") != 40 || n("promoted")+n("rolledBack")+n("undecided") != 40 {
					t.Errorf("%s: %v", rule, counts)
				}
			}
		})
	}
}

// TestRegretCountsWhatWasLost: a rule that ends at once with the wrong version
// loses the whole time, one that ends with the best loses what it explored.
func TestRegretCountsWhatWasLost(t *testing.T) {
	p := looksPlan(experiment.Fixed)
	w := world(t, p, assume(p, Effect{Absolute: .05}))
	lost := func(winner int, now int64) float64 {
		trial := Trial{Winner: winner}
		w.settle(&trial, &sums{regret: 7}, now)
		return trial.Regret
	}
	units := float64(w.limit) * 3600 // one a second
	if got, want := lost(0, 0), 7+.05*units; math.Abs(got-want) > 1e-6*want {
		t.Errorf("keeping the baseline from the start loses %v, want %v", got, want)
	}
	if got := lost(1, w.limit/2); got != 7 {
		t.Errorf("promoting loses %v more than was lost before", got-7)
	}
	if got := lost(0, 3*w.limit); got != 7 {
		t.Errorf("after the longest time %v is lost", got-7)
	}
}

func TestWhatCannotBeAssumedIsRefused(t *testing.T) {
	p := looksPlan(experiment.Fixed)
	p.Segments = []experiment.Segment{{Name: "tier", Header: "t", Values: []string{"a", "b"}}}
	values := func(x ...float64) []float64 { return x }
	for want, a := range map[string]Assumptions{
		"traffic of 0":                     {},
		"traffic of NaN":                   {Rate: math.NaN()},
		"-1 units":                         {Rate: 1, Units: -1},
		"delay of -1s":                     {Rate: 1, Delay: -time.Second},
		"-1 steps":                         {Rate: 1, Steps: -1},
		`no metric is called "x"`:          {Rate: 1, Laws: []Law{{Metric: "x"}}},
		"1 values for 2 versions":          {Rate: 1, Laws: []Law{{Metric: "purchase", Values: values(1)}}},
		"purchase of v2 is 1.5: want 0 to": {Rate: 1, Laws: []Law{{Metric: "purchase", Values: values(1, 1.5)}}},
		"errors of v1 is -1: want 0 to 1":  {Rate: 1, Laws: []Law{{Metric: "errors", Values: values(-1, 1), SD: 1}}},
		"purchase of v1 is NaN":            {Rate: 1, Laws: []Law{{Metric: "purchase", Values: values(math.NaN(), 1), SD: 1}}},
		"standard deviation -1":            {Rate: 1, Laws: []Law{{Metric: "purchase", Values: values(1, 1), SD: -1}}},
		"2 of the units are heard of":      {Rate: 1, Laws: []Law{{Metric: "purchase", Values: values(1, 1), Heard: 2}}},
		`no group is called "tier=c"`:      {Rate: 1, Groups: []GroupShare{{"tier=c", .5}}},
		`no group is called "x=a"`:         {Rate: 1, Laws: []Law{{Metric: "purchase", Slice: "x=a", Values: values(1, 1)}}},
		"share of tier=a is 2":             {Rate: 1, Groups: []GroupShare{{"tier=a", 2}}},
		"share of tier=a is said twice":    {Rate: 1, Groups: []GroupShare{{"tier=a", .1}, {"tier=a", .1}}},
		"groups of tier sum to 120%":       {Rate: 1, Groups: []GroupShare{{"tier=a", .6}, {"tier=b", .6}}},
		"groups of tier sum to 60%":        {Rate: 1, Groups: []GroupShare{{"tier=a", .2}, {"tier=b", .2}, {"tier=other", .2}}},
	} {
		if _, err := NewFast(p, a); experiment.CodeOf(err) != experiment.CodeInvalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", a, err, want)
		}
	}
	for _, runs := range []int{0, MaxRuns + 1} {
		if _, err := world(t, p, assume(p, Effect{})).Many(t.Context(), Assumptions{}, Options{Runs: runs}); experiment.CodeOf(err) != experiment.CodeInvalid {
			t.Errorf("%d runs: %v", runs, err)
		}
	}
}

// TestStrictPlansAreNotPlayed: there is no error rate to find.
func TestStrictPlansAreNotPlayed(t *testing.T) {
	p := looksPlan(experiment.Fixed)
	a := assume(p, Effect{})
	p.Strict = true
	const want = "claims no error rate"
	if _, err := NewFast(p, a); experiment.CodeOf(err) != experiment.CodeInvalid || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %q", err, want)
	}
	if _, err := Run(p, &World{}, 1, false); experiment.CodeOf(err) != experiment.CodeInvalid || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %q", err, want)
	}
}

// TestSegmentsWithoutABearingAreLeftOut: kinds of requests are crossed only where
// a decision reads the segment, and there are not too many.
func TestSegmentsWithoutABearingAreLeftOut(t *testing.T) {
	p := looksPlan(experiment.Fixed)
	for i := range 5 {
		p.Segments = append(p.Segments, experiment.Segment{Name: string(rune('a' + i)), Header: "h", Values: []string{"1", "2", "3"}})
	}
	if n := len(world(t, p, assume(p, Effect{})).kinds); n != 1 {
		t.Errorf("%d kinds of requests where no segment matters", n)
	}
	p.Guardrails[0].Slices = []string{"a", "c"}
	if n := len(world(t, p, assume(p, Effect{})).kinds); n != 16 {
		t.Errorf("%d kinds of requests of two segments, want 16", n)
	}
	p.Guardrails[0].Slices = []string{"a", "b", "c", "d", "e"}
	if _, err := NewFast(p, assume(p, Effect{})); err == nil || !strings.Contains(err.Error(), "more than 256 kinds") {
		t.Errorf("1024 kinds of requests: %v", err)
	}
}

func TestDefaultsKeepToThePlansLimits(t *testing.T) {
	limit, floor, high := .02, .6, 40.0
	p := looksPlan(experiment.Fixed)
	p.Metrics = append(p.Metrics,
		experiment.Metric{Name: "p99", Goal: experiment.Decrease, Builtin: &experiment.BuiltinMetric{Kind: experiment.Latency, Quantile: .99}},
		experiment.Metric{Name: "overlap", Goal: experiment.Increase, Pairs: &experiment.PairsMetric{Compare: experiment.CompareRanking}},
		experiment.Metric{Name: "revenue", Goal: experiment.Increase, Outcomes: &experiment.OutcomesMetric{Event: "revenue"}})
	p.Objectives = []experiment.Objective{{Metric: "errors", Max: &limit}, {Metric: "overlap", Min: &floor}, {Metric: "revenue", Min: &high}}
	w := world(t, p, Assumptions{Rate: 1})
	if truth := w.Truth(); !truth.Best[1] || truth.Harmful[1] || truth.Improves() {
		t.Errorf("by default %+v", truth)
	}
	bad := Assumptions{Rate: 1, Laws: []Law{{Metric: "errors", Values: []float64{.001, .03}}}}
	if truth := world(t, p, bad).Truth(); !truth.Harmful[1] || truth.Best[1] || truth.Right(1) || !truth.Right(0) {
		t.Errorf("a candidate over its limit is %+v", truth)
	}
	p.Reward = nil
	if truth := world(t, p, bad).Truth(); truth.Improves() {
		t.Errorf("without a reward, over its limit: %+v", truth)
	}
	if truth := world(t, p, Assumptions{Rate: 1}).Truth(); !truth.Improves() || !truth.Right(1) {
		t.Errorf("without a reward, within the limits: %+v", truth)
	}
}

// TestEffectsImprove: an effect is an improvement for either goal.
func TestEffectsImprove(t *testing.T) {
	for _, tc := range []struct {
		e    Effect
		base float64
		goal experiment.Goal
		want float64
	}{
		{Effect{Relative: .1}, 2, experiment.Increase, 2.2},
		{Effect{Relative: .1}, 2, experiment.Decrease, 1.8},
		{Effect{Absolute: .5}, 2, experiment.Decrease, 1.5},
		{Effect{Relative: .1}, -2, experiment.Increase, -1.8},
		{Effect{}, 3, experiment.Decrease, 3},
	} {
		if got := tc.e.Of(tc.base, tc.goal); math.Abs(got-tc.want) > 1e-12 {
			t.Errorf("%+v of %v to %s is %v, want %v", tc.e, tc.base, tc.goal, got, tc.want)
		}
	}
}

// BenchmarkFast is one experiment of 20 looks with one reward and two guardrails:
// at most 4 ms, or 10,000 of them take more than 20 s on two cores.
func BenchmarkFast(b *testing.B) {
	p := looksPlan(experiment.Sequential)
	pl := newPlayer(world(b, p, assume(p, Effect{})))
	b.ReportAllocs()
	runs := uint64(0)
	for ; b.Loop(); runs++ {
		if _, err := pl.play(runs, false); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(b.Elapsed().Seconds()/float64(runs)*10_000/2, "s/10k-on-two-cores")
}
