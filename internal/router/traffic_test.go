// SPDX-License-Identifier: Apache-2.0

package router

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/headgate-dev/headgate/internal/experiment"
)

func plan() *experiment.Plan {
	return &experiment.Plan{
		Namespace: "search", Name: "ranker-v2",
		Versions: []experiment.Version{{Name: "v1"}, {Name: "v2"}, {Name: "v3"}},
		Segments: []experiment.Segment{
			{Name: "tier", Header: "X-Tier", Values: []string{"free", "premium"}},
			{Name: "age", Header: "x-age", Bins: []float64{18}},
			{Name: "country", Cookie: "country", Values: []string{"de"}},
		},
		Assignment: experiment.Assignment{Cohort: "x-model", Overrides: []experiment.Override{{Header: "x-test", Value: "b", Version: 1}}},
		Stages: []experiment.Stage{
			{Name: "shadow", Mirror: &experiment.Mirror{Share: 1000}},
			{Name: "canary", Ramp: &experiment.Ramp{}, Where: experiment.Where{{Segment: "tier", Not: []string{"premium"}}}},
		},
	}
}

func state(c experiment.Condition, stage int) *experiment.State {
	return &experiment.State{Condition: c, Stage: stage, Slots: experiment.SlotsOf(experiment.Shares{9000, 1000, 0})}
}

func TestTrafficOfARunningStage(t *testing.T) {
	p := plan()
	want := Traffic{
		Experiment: "search/ranker-v2", Versions: p.Versions, Shares: experiment.Shares{9000, 1000, 0},
		Cohort: "x-model", Overrides: p.Assignment.Overrides,
		Where: []HeaderMatch{{Header: "x-tier", Values: []string{"premium"}, Not: true}},
	}
	if d := cmp.Diff(want, TrafficOf(p, state(experiment.Running, 1))); d != "" {
		t.Error(d)
	}
	want.Where = nil
	s := state(experiment.Paused, 0)
	s.Removed = []experiment.Removal{{Version: 1}}
	want.Mirror = &Mirror{Share: 1000, Versions: []int{2}}
	if d := cmp.Diff(want, TrafficOf(p, s)); d != "" {
		t.Error(d)
	}
	s.Removed = append(s.Removed, experiment.Removal{Version: 2})
	if got := TrafficOf(p, s).Mirror; got != nil {
		t.Errorf("copies to nobody: %+v", got)
	}
	p.Stages[0].Mirror.ByEvents = true
	if got := TrafficOf(p, state(experiment.Running, 0)).Mirror; got != nil {
		t.Errorf("copies that others send: %+v", got)
	}
}

func TestTrafficThatIsOver(t *testing.T) {
	p := plan()
	s := state(experiment.Done, 1)
	s.Outcome, s.Winner = experiment.Promoted, 1
	s.Slots = experiment.SlotsOf(experiment.Shares{0, 10000, 0})
	got := TrafficOf(p, s)
	if !got.Over || got.Default != 1 || got.Cohort != "" || got.Overrides != nil || got.Where != nil || got.WayBack() {
		t.Errorf("promoted: %+v", got)
	}
	s.Condition = experiment.Warm
	if got := TrafficOf(p, s); got.Over || got.Default != 1 || got.Cohort == "" {
		t.Errorf("kept warm: %+v", got)
	}
	s = state(experiment.Killed, 1)
	s.Slots = experiment.SlotsOf(experiment.Baseline(3))
	killed := TrafficOf(p, s)
	if d := cmp.Diff(KilledTraffic(p), killed); d != "" || !killed.WayBack() {
		t.Errorf("killed: %s", d)
	}
}

func TestConditionsAsHeaders(t *testing.T) {
	p := plan()
	for name, tc := range map[string]struct {
		where experiment.Where
		want  []HeaderMatch
		bad   bool
	}{
		"some groups":           {experiment.Where{{Segment: "tier", In: []string{"free"}}}, []HeaderMatch{{Header: "x-tier", Values: []string{"free"}}}, false},
		"some groups and other": {experiment.Where{{Segment: "tier", In: []string{"free", "other"}}}, []HeaderMatch{{Header: "x-tier", Values: []string{"premium"}, Not: true}}, false},
		"other alone":           {experiment.Where{{Segment: "tier", In: []string{"other"}}}, []HeaderMatch{{Header: "x-tier", Values: []string{"free", "premium"}, Not: true}}, false},
		"all but other":         {experiment.Where{{Segment: "tier", Not: []string{"other"}}}, []HeaderMatch{{Header: "x-tier", Values: []string{"free", "premium"}}}, false},
		"all but one and other": {experiment.Where{{Segment: "tier", Not: []string{"free", "other"}}}, []HeaderMatch{{Header: "x-tier", Values: []string{"premium"}}}, false},
		"everybody":             {experiment.Where{{Segment: "tier", In: []string{"free", "premium", "other"}}}, nil, false},
		"nobody":                {experiment.Where{{Segment: "tier", Not: []string{"free", "premium", "other"}}}, []HeaderMatch{{Header: "x-tier", Values: []string{}}}, true},
		"numbers":               {experiment.Where{{Segment: "age", In: []string{"<18"}}}, []HeaderMatch{{}}, true},
		"a cookie":              {experiment.Where{{Segment: "country", In: []string{"de"}}}, []HeaderMatch{{}}, true},
		"no such segment":       {experiment.Where{{Segment: "gone", In: []string{"de"}}}, []HeaderMatch{{}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			p.Stages[1].Where = tc.where
			got := TrafficOf(p, state(experiment.Running, 1))
			if d := cmp.Diff(tc.want, got.Where); d != "" {
				t.Error(d)
			}
			if err := got.Check(); (err != nil) != tc.bad {
				t.Errorf("Check = %v", err)
			}
			for _, r := range first(Rules(&got)) {
				if tc.bad && r.To == Split && len(r.Any) > 0 {
					t.Errorf("a condition that cannot be told lets %v in", r.Any)
				}
			}
		})
	}
}

func first[A, B any](a A, _ B) A { return a }

func TestCheckNamesWhatIsWrong(t *testing.T) {
	good := func() Traffic { return TrafficOf(plan(), state(experiment.Running, 0)) }
	if tr := good(); tr.Check() != nil {
		t.Fatal(tr.Check())
	}
	for want, change := range map[string]func(*Traffic){
		"2 shares for 3 versions": func(t *Traffic) { t.Shares = experiment.Shares{0, 10000} },
		"shares sum to":           func(t *Traffic) { t.Shares = experiment.Shares{1, 2, 3} },
		"default version":         func(t *Traffic) { t.Default = -1 },
		"override by header":      func(t *Traffic) { t.Overrides = []experiment.Override{{Header: "a", Value: "b", Version: 3}} },
		"mirror of":               func(t *Traffic) { t.Mirror = &Mirror{Share: 1, Versions: []int{7}} },
	} {
		tr := good()
		change(&tr)
		if err := tr.Check(); err == nil || !strings.Contains(err.Error(), want) || experiment.CodeOf(err) != experiment.CodeInvalid {
			t.Errorf("%q: got %v", want, err)
		}
	}
}

func TestWeightsSayShares(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 8).Draw(t, "versions")
		shares, left := make(experiment.Shares, n), experiment.Share(experiment.Whole)
		for v := 1; v < n; v++ {
			shares[v] = experiment.Share(rapid.IntRange(0, int(left)).Draw(t, "share"))
			left -= shares[v]
		}
		shares[0] = left
		weights := Weights(shares)
		if !Exact(weights, shares) || !slices.Equal(SharesOf(weights), shares) {
			t.Fatalf("%v are said as %v, read %v", shares, weights, SharesOf(weights))
		}
		for _, total := range []int64{100, 1000} {
			parts, err := Round(shares, make([]experiment.Version, n), total)
			if err != nil {
				continue
			}
			sum := int64(0)
			for v, p := range parts {
				sum += p
				if off := p*experiment.Whole/total - int64(shares[v]); off >= experiment.Whole/total || off <= -experiment.Whole/total {
					t.Fatalf("%v rounded to %v of %d", shares, parts, total)
				}
			}
			if sum != total {
				t.Fatalf("%v sum to %d, not %d", parts, sum, total)
			}
		}
	})
}

func TestExactRefusesWhatIsNoWeight(t *testing.T) {
	for _, weights := range [][]int64{{0, 0}, {-1, 2}, {1}, {maxWeight + 1, 0}} {
		if Exact(weights, experiment.Shares{10000, 0}) {
			t.Errorf("%v taken", weights)
		}
	}
	if SharesOf([]int64{0, 0}) != nil || SharesOf([]int64{-1, 2}) != nil {
		t.Error("shares of nothing")
	}
}

func TestOwnNames(t *testing.T) {
	for name, want := range map[string]bool{
		OwnName("search/ranker", 0, "override-0"):    true,
		OwnName("search/ranker", 12, "where"):        true,
		"headgate-search.ranker-2-0-where":           false, // of the experiment ranker-2
		"headgate-search.ranker-0-where-x":           false,
		"headgate-search.ranker":                     false,
		"primary":                                    false,
		OwnName("search/ranker-2", 0, "override-10"): false,
	} {
		if got := IsOwn("search/ranker", name); got != want {
			t.Errorf("IsOwn(%q) = %v", name, got)
		}
	}
	if !IsOwn("search/ranker-2", "headgate-search.ranker-2-0-where") {
		t.Error("the experiment ranker-2 does not know its rule")
	}
}
