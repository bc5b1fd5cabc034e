// SPDX-License-Identifier: Apache-2.0

package experiment

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func exampleIteration() *Iteration {
	return &Iteration{
		Done: 3, First: moment, Last: moment.Add(time.Minute), Values: []Reading{{Metric: "p99", Version: 1, Value: ptr(.5)}, {Metric: "p99", Failed: "refused"}},
		Satisfied: [][]bool{{true}, {false}}, Best: []int{0}, Found: true, Winner: 1, Failed: "onStep/a failed for good: refused", Over: true,
		Loads: []Loaded{{Version: 1, Requests: 4, Errors: 1, Seconds: .5, Longest: .25, Buckets: []LoadBucket{{Over: .1, Upto: .25, Count: 3}}}},
	}
}

// TestStrictShapesAreFrozen pins what a strict plan's state and facts look like.
func TestStrictShapesAreFrozen(t *testing.T) {
	run := Intent{Kind: IntentRun, Transition: 2, Hook: OnStep, Index: 1}
	golden(t, "strict-state.json", State{
		Plan: "abc", Condition: Running, Iteration: exampleIteration(), Actions: []Intent{run},
		Failed: []ActionFailure{{Intent: run, At: moment, Why: "refused", Ignored: true}},
	})
	golden(t, "strict-facts.json", Facts{
		Readings: exampleIteration().Values,
		Actions:  []ActionFact{{Intent: run, Done: true, Failed: true, Why: "refused", Loaded: exampleIteration().Loads}},
	})
	a := State{Iteration: exampleIteration()}
	b := a.Clone()
	b.Iteration.Done, b.Iteration.Values[0].Metric, b.Iteration.Best[0] = 9, "other", 1
	if d := cmp.Diff(exampleIteration(), a.Iteration); d != "" {
		t.Errorf("changing a clone changed the state:\n%s", d)
	}
}

func iterating(shift Shift) *Plan {
	return &Plan{
		Name: "x", Strict: true, Versions: []Version{{Name: "v1"}, {Name: "v2"}},
		Stages: []Stage{{Name: "iterate", Iterate: &Iterate{Pattern: PatternCanary, Shift: shift, Every: 10 * time.Second, Times: 2, Loops: 2}}},
	}
}

func TestIterates(t *testing.T) {
	const never = -1
	since := func(done int, d time.Duration) *Iteration {
		return &Iteration{Done: done, First: moment.Add(-time.Minute), Last: moment.Add(-d)}
	}
	for name, c := range map[string]struct {
		change  func(p *Plan, s *State)
		elapsed int64
	}{
		"the first is at once":                  {func(*Plan, *State) {}, 1},
		"loads alone are no iteration":          {func(_ *Plan, s *State) { s.Iteration = &Iteration{Loads: []Loaded{{}}} }, 1},
		"the first is tried again":              {func(_ *Plan, s *State) { s.Iteration = &Iteration{First: moment.Add(-1500 * time.Millisecond)} }, 1},
		"and counts from when it was first due": {func(_ *Plan, s *State) { s.Iteration = &Iteration{First: moment.Add(-2500 * time.Millisecond)} }, 2},
		"the next is an interval later":         {func(_ *Plan, s *State) { s.Iteration = since(1, 10*time.Second) }, 60},
		"and not before":                        {func(_ *Plan, s *State) { s.Iteration = since(1, 9999*time.Millisecond) }, never},
		"the last was the last":                 {func(_ *Plan, s *State) { s.Iteration = since(4, time.Hour) }, never},
		"actions come first":                    {func(_ *Plan, s *State) { s.Actions = []Intent{{Kind: IntentRun}} }, never},
		"not paused":                            {func(_ *Plan, s *State) { s.Condition = Paused }, never},
		"not killed":                            {func(_ *Plan, s *State) { s.Condition = Killed }, never},
		"not a native plan":                     {func(p *Plan, _ *State) { p.Strict = false }, never},
		"not a stage of another kind":           {func(p *Plan, _ *State) { p.Stages[0].Iterate = nil }, never},
	} {
		t.Run(name, func(t *testing.T) {
			p, s := iterating(ShiftGreedy), State{Condition: Running}
			c.change(p, &s)
			at, due := p.Iterates(&s, moment)
			if due != (c.elapsed != never) || due && (at.Elapsed != c.elapsed || !at.Now.Equal(moment)) {
				t.Errorf("due %v, %+v", due, at)
			}
		})
	}
}

func TestReleased(t *testing.T) {
	over, going := &Iteration{Over: true}, &Iteration{Done: 1}
	for name, c := range map[string]struct {
		shift Shift
		state State
		want  bool
	}{
		"while it iterates":              {ShiftGreedy, State{Condition: Running, Iteration: going}, false},
		"after the last iteration":       {ShiftGreedy, State{Condition: Done, Outcome: Promoted, Iteration: over}, true},
		"after an action that failed":    {ShiftSwitch, State{Condition: Done, Outcome: Inconclusive, Iteration: over}, true},
		"after a rollback":               {ShiftGreedy, State{Condition: Done, Outcome: RolledBack, Iteration: going}, false},
		"after a person's promotion":     {ShiftGreedy, State{Condition: Done, Outcome: Promoted, Iteration: going}, false},
		"killed":                         {ShiftGreedy, State{Condition: Killed, Outcome: RolledBack, Iteration: going}, false},
		"where nothing shifts":           {ShiftNone, State{Condition: Running}, true},
		"where nothing shifts, paused":   {ShiftNone, State{Condition: Paused}, true},
		"where nothing shifts, but back": {ShiftNone, State{Condition: Done, Outcome: RolledBack}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := c.state.Released(iterating(c.shift)); got != c.want {
				t.Errorf("released %v", got)
			}
			native := iterating(c.shift)
			native.Strict = false
			if c.state.Released(native) {
				t.Error("the route of a native plan is released")
			}
		})
	}
}

// TestWhatPlansContinue: a strict plan goes on with anything but other versions, a
// native one with what no evidence rests on.
func TestWhatPlansContinue(t *testing.T) {
	for name, c := range map[string]struct {
		change         func(p *Plan)
		strict, native bool
	}{
		"the same":        {func(*Plan) {}, true, true},
		"other actions":   {func(p *Plan) { p.Actions = &Actions{OnStart: []Action{{Name: "a"}}} }, true, true},
		"variables":       {func(p *Plan) { p.Versions[1].Variables = []NameValue{{"a", "b"}} }, true, true},
		"another limit":   {func(p *Plan) { p.Objectives = []Objective{{Metric: "m"}} }, true, false},
		"another stage":   {func(p *Plan) { p.Stages[0].Iterate = &Iterate{Times: 9, Loops: 1} }, true, false},
		"another name":    {func(p *Plan) { p.Versions[1].Name = "v3" }, false, false},
		"one more":        {func(p *Plan) { p.Versions = append(p.Versions, Version{Name: "v3"}) }, false, false},
		"another plan":    {func(p *Plan) { p.Name = "y" }, false, false},
		"another backend": {func(p *Plan) { p.Versions[1].Backend = "http://c:1" }, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			for _, strict := range []bool{true, false} {
				old, p := iterating(ShiftGreedy), iterating(ShiftGreedy)
				old.Strict, p.Strict = strict, strict
				c.change(p)
				want := c.native
				if strict {
					want = c.strict
				}
				if got := p.Continues(old); got != want {
					t.Errorf("strict %v: continues %v", strict, got)
				}
			}
			other := iterating(ShiftGreedy)
			other.Strict = false
			if p := iterating(ShiftGreedy); p.Continues(other) || other.Continues(p) {
				t.Error("a strict plan goes on with a native one")
			}
		})
	}
}

func TestFiguresOfLoad(t *testing.T) {
	bucket := func(over, upto float64, n int64) LoadBucket { return LoadBucket{Over: over, Upto: upto, Count: n} }
	loads := []Loaded{
		{Version: 1, Requests: 10, Errors: 2, Seconds: 1.6, Longest: .35, Buckets: []LoadBucket{bucket(0, .1, 4), bucket(.1, .2, 2), bucket(.3, .4, 2)}},
		{Version: 2, Requests: 3, Errors: 3},
	}
	for name, c := range map[string]struct {
		q       LoadQuery
		version int
		want    float64 // NaN is none.
	}{
		"requests":                     {LoadQuery{Of: LoadRequests}, 1, 10},
		"errors":                       {LoadQuery{Of: LoadErrors}, 1, 2},
		"their rate":                   {LoadQuery{Of: LoadErrorRate}, 1, .2},
		"the mean, of answers":         {LoadQuery{Of: LoadMean}, 1, 200},
		"the median, at an edge":       {LoadQuery{Of: LoadLatency, Quantile: .5}, 1, 100},
		"inside a bucket":              {LoadQuery{Of: LoadLatency, Quantile: .625}, 1, 150},
		"behind an empty stretch":      {LoadQuery{Of: LoadLatency, Quantile: .76}, 1, 304},
		"never more than the longest":  {LoadQuery{Of: LoadLatency, Quantile: 1}, 1, 350},
		"the least":                    {LoadQuery{Of: LoadLatency}, 1, 0},
		"of a version without answers": {LoadQuery{Of: LoadMean}, 2, math.NaN()},
		"all of them failed":           {LoadQuery{Of: LoadErrorRate}, 2, 1},
		"of a version without load":    {LoadQuery{Of: LoadRequests}, 0, math.NaN()},
	} {
		t.Run(name, func(t *testing.T) {
			got := c.q.Figure(loads, c.version)
			if math.IsNaN(c.want) != (got == nil) || got != nil && math.Abs(*got-c.want) > 1e-9 {
				t.Errorf("got %v, want %g", got, c.want)
			}
		})
	}
}

// TestLoadsAddUp: whatever runs there were, in any order, counts add up, nothing
// given is changed, and what is remembered stays small.
func TestLoadsAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var runs []Loaded
		for range rapid.IntRange(0, 20).Draw(t, "runs") {
			l := Loaded{Version: rapid.IntRange(0, 2).Draw(t, "version")}
			for range rapid.IntRange(0, 60).Draw(t, "buckets") {
				at := float64(rapid.IntRange(0, 400).Draw(t, "at"))
				l.Buckets = append(l.Buckets, LoadBucket{Over: at, Upto: at + 1, Count: 1})
				l.Requests++
				l.Seconds += at
				l.Longest = max(l.Longest, at+1)
			}
			runs = append(runs, l)
		}
		before := fmt.Sprint(runs)
		var got []Loaded
		for i := range runs {
			got = MergeLoaded(got, runs[i:i+1])
		}
		if fmt.Sprint(runs) != before {
			t.Fatal("merging changed what was given")
		}
		want := map[int]Loaded{}
		for _, l := range runs {
			w := want[l.Version]
			w.Requests += l.Requests
			w.Longest = max(w.Longest, l.Longest)
			want[l.Version] = w
		}
		for i, l := range got {
			n := int64(0)
			for k, b := range l.Buckets {
				n += b.Count
				if b.Upto <= b.Over || k > 0 && b.Upto < l.Buckets[k-1].Upto {
					t.Fatalf("buckets %v", l.Buckets)
				}
			}
			if i > 0 && got[i-1].Version >= l.Version || n != l.Requests || l.Requests != want[l.Version].Requests || l.Longest != want[l.Version].Longest || len(l.Buckets) > MaxLoadBuckets {
				t.Fatalf("version %d: %d requests, %d in %d buckets", l.Version, l.Requests, n, len(l.Buckets))
			}
		}
		if len(got) != len(want) {
			t.Fatalf("%d versions, want %d", len(got), len(want))
		}
	})
}
