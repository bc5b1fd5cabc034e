// SPDX-License-Identifier: Apache-2.0

package engine_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/engine"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// strict is a strict plan as it would be translated, which reads an engagement and
// what its own load took.
func strict(times int) *experiment.Plan {
	limit := 100.0
	metric := func(name string, from experiment.ProviderMetric) experiment.Metric {
		return experiment.Metric{Name: name, Goal: experiment.Increase, Provider: &from}
	}
	return &experiment.Plan{
		Name: "ab", Strict: true, Window: time.Minute,
		Versions: []experiment.Version{{Name: "v1"}, {Name: "v2"}},
		Metrics: []experiment.Metric{
			metric("engagement", experiment.ProviderMetric{Mock: &experiment.MockQuery{}}),
			metric("latency", experiment.ProviderMetric{Load: &experiment.LoadQuery{Of: experiment.LoadMean}}),
		},
		Reward:     &experiment.Reward{Metric: "engagement"},
		Objectives: []experiment.Objective{{Metric: "latency", Max: &limit}},
		Stages: []experiment.Stage{{Name: "iterate", Iterate: &experiment.Iterate{
			Pattern: experiment.PatternReward, Shift: experiment.ShiftGreedy, Every: 10 * time.Second, Times: times, Loops: 2, Cap: experiment.Whole, Increment: 1000,
		}}},
		Actions: &experiment.Actions{OnStart: []experiment.Action{{Name: "load"}}, OnStep: []experiment.Action{{Name: "tell"}}, OnFinish: []experiment.Action{{Name: "promote"}}},
	}
}

// host runs a strict plan as a process would: it asks when something is due, says
// how actions stand, and stores what came of it.
type host struct {
	t       *testing.T
	plan    *experiment.Plan
	now     time.Time
	rec     experiment.Record
	entries []experiment.Entry
	asked   []experiment.Moment
	values  [2]float64
	failed  string
}

func newHost(t *testing.T, p *experiment.Plan) *host {
	h := &host{t: t, plan: p, now: start, values: [2]float64{1, 2}}
	h.store(engine.Begin(p, start))
	return h
}

func (h *host) store(out engine.Output) {
	if out.Entry != nil {
		out.Record.Entries++
		h.entries = append(h.entries, *out.Entry)
	}
	h.rec = stored(h.t, out.Record) // As after a restart.
}

func (h *host) read(_ context.Context, at experiment.Moment) []experiment.Reading {
	h.asked = append(h.asked, at)
	if h.failed != "" {
		return engine.Unread(h.plan, h.failed)
	}
	return []experiment.Reading{{Metric: "engagement", Value: &h.values[0]}, {Metric: "engagement", Version: 1, Value: &h.values[1]}}
}

// step goes on after a time, with every action done that is asked for.
func (h *host) step(after time.Duration) engine.Output {
	h.t.Helper()
	h.now = h.now.Add(after)
	in := engine.Input{Now: h.now, Actions: engine.Acted(&h.rec.State)}
	for i := range in.Actions {
		if in.Actions[i].Hook == experiment.OnStart {
			in.Actions[i].Loaded = []experiment.Loaded{
				{Version: 0, Requests: 10, Seconds: .5, Longest: .05, Buckets: []experiment.LoadBucket{{Upto: .1, Count: 10}}},
				{Version: 1, Requests: 10, Seconds: 1, Longest: .1, Buckets: []experiment.LoadBucket{{Upto: .1, Count: 10}}},
			}
		}
	}
	in.Readings = engine.Points(h.t.Context(), h.plan, &h.rec.State, h.now, h.read)
	out, err := engine.Step(h.plan, h.rec, in)
	if err != nil {
		h.t.Fatal(err)
	}
	h.store(out)
	return out
}

// TestStrictPlansReplay runs one to its end at its own pace, with a provider that
// fails for a while, and runs its journal again.
func TestStrictPlansReplay(t *testing.T) {
	h := newHost(t, strict(3))
	for n := range 400 {
		h.failed = ""
		if n > 20 && n < 60 {
			h.failed = "refused"
		}
		h.step(engine.Pace(h.plan, &h.rec.State, h.now, 15*time.Second))
		if s := h.rec.State; s.Condition == experiment.Done && len(s.Actions) == 0 {
			break
		}
	}
	s := h.rec.State
	if s.Outcome != experiment.Promoted || s.Iteration.Done != 6 || s.Slots.Shares(2)[1] != 6000 {
		t.Fatalf("it ended %s, %s after %d iterations with %s", s.Condition, s.Outcome, s.Iteration.Done, s.Slots.Shares(2))
	}
	if x := s.Iteration.Values; len(x) != 4 || *x[2].Value != 50 || *x[3].Value != 100 {
		t.Errorf("values %s", written(t, x))
	}
	for _, journal := range [][]experiment.Entry{h.entries, stored(t, h.entries)} {
		if n, err := engine.Replay(each(journal)); err != nil || n != int64(len(h.entries)) {
			t.Errorf("%d of %d entries replayed: %v", n, len(h.entries), err)
		}
	}
	forged := stored(t, h.entries)
	for i := range forged {
		if r := forged[i].Facts.Readings; len(r) > 0 && r[0].Value != nil {
			*r[1].Value = *r[0].Value - 1
			break
		}
	}
	var differs *engine.Difference
	if _, err := engine.Replay(each(forged)); !errors.As(err, &differs) {
		t.Errorf("another reading replays: %v", err)
	}
	if h.asked[0].Elapsed != 1 || !h.asked[0].Now.Equal(start.Add(2*time.Second)) {
		t.Errorf("first asked %+v", h.asked[0])
	}
}

// TestRepeatedFailuresAreOneEntry: a provider that is down for long fills no
// journal, whatever it says.
func TestRepeatedFailuresAreOneEntry(t *testing.T) {
	h := newHost(t, strict(3))
	for n := range 50 {
		h.failed = fmt.Sprint("refused ", n)
		h.step(time.Second)
	}
	if len(h.entries) > 4 {
		t.Errorf("%d entries", len(h.entries))
	}
}

// TestReadingsAreTakenWhenDue: what comes unasked, of nobody, or is no number,
// is no fact.
func TestReadingsAreTakenWhenDue(t *testing.T) {
	h := newHost(t, strict(3))
	one, nan, inf := 1.0, math.NaN(), math.Inf(1)
	given := []experiment.Reading{
		{Metric: "engagement", Value: &nan},
		{Metric: "engagement", Version: 1, Value: &inf},
		{Metric: "engagement", Version: 2, Value: &one},
		{Metric: "other", Value: &one},
		{Metric: "engagement", Value: &one},
		{Metric: "latency", Value: &one},
	}
	early, err := engine.Step(h.plan, h.rec, engine.Input{Now: start.Add(time.Second), Readings: given})
	if err != nil || early.Entry == nil || early.Entry.Facts.Readings != nil {
		t.Fatalf("before onStart is done: %+v, %v", early.Entry, err)
	}
	h.step(time.Second)
	out, err := engine.Step(h.plan, h.rec, engine.Input{Now: start.Add(2 * time.Second), Readings: given})
	if err != nil {
		t.Fatal(err)
	}
	fifty, hundred := 50.0, 100.0
	want := []experiment.Reading{
		{Metric: "engagement"},
		{Metric: "engagement", Version: 1},
		{Metric: "latency", Value: &fifty},
		{Metric: "latency", Version: 1, Value: &hundred},
	}
	if d := cmp.Diff(want, out.Entry.Facts.Readings); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	if out.Record.State.Iteration.Done != 1 || out.Record.State.Iteration.Found {
		t.Errorf("%+v", out.Record.State.Iteration)
	}
}

// TestStrictRecordsStaySmall: every iteration may move the shares.
func TestStrictRecordsStaySmall(t *testing.T) {
	h := newHost(t, strict(200))
	for n := range 300 {
		h.values = [2]float64{1, float64(n % 3)}
		h.step(10 * time.Second)
	}
	if h.rec.State.Iteration.Done < 250 || h.rec.State.Phase < 100 || len(h.rec.Totals.Phases) > 16 {
		t.Errorf("%d iterations, %d phases, %d kept", h.rec.State.Iteration.Done, h.rec.State.Phase, len(h.rec.Totals.Phases))
	}
	last := h.rec.Totals.Phases[len(h.rec.Totals.Phases)-1]
	if last.Phase != h.rec.State.Phase {
		t.Errorf("the newest phase kept is %d of %d", last.Phase, h.rec.State.Phase)
	}
	if n, err := engine.Replay(each(h.entries)); err != nil || n != int64(len(h.entries)) {
		t.Errorf("%d of %d entries replayed: %v", n, len(h.entries), err)
	}
}

// TestEditedStrictPlansReplay: an edit keeps what there is, and its journal runs
// again.
func TestEditedStrictPlansReplay(t *testing.T) {
	h := newHost(t, strict(3))
	for range 4 {
		h.step(10 * time.Second)
	}
	before := h.rec.State.Iteration.Done
	for _, change := range []func(p *experiment.Plan){
		func(p *experiment.Plan) { p.Objectives = nil },
		func(p *experiment.Plan) { p.Versions = append(p.Versions[:2:2], experiment.Version{Name: "v3"}) },
	} {
		p := stored(t, *h.plan)
		change(&p)
		h.store(engine.Adopt(h.plan, &p, h.rec, h.now))
		h.plan = &p
		if s := h.rec.State; s.Iteration.Done != before || s.Slots.Shares(2)[1] == 0 || s.Epoch != 1 {
			t.Errorf("after an edit %d iterations with %s in epoch %d", s.Iteration.Done, s.Slots.Shares(2), s.Epoch)
		}
	}
	if n, err := engine.Replay(each(h.entries)); err != nil || n != int64(len(h.entries)) {
		t.Errorf("%d of %d entries replayed: %v", n, len(h.entries), err)
	}
}

func TestPace(t *testing.T) {
	const usual = 15 * time.Second
	native := strict(3)
	native.Strict = false
	run := []experiment.Intent{{Kind: experiment.IntentRun}}
	at := func(done int, ago time.Duration) *experiment.Iteration {
		return &experiment.Iteration{Done: done, First: start, Last: start.Add(-ago)}
	}
	for name, c := range map[string]struct {
		plan  *experiment.Plan
		state experiment.State
		want  time.Duration
	}{
		"a native plan":                         {native, experiment.State{Condition: experiment.Running}, usual},
		"a native plan whose actions are done":  {native, experiment.State{Condition: experiment.Done, Actions: run}, time.Second},
		"before the first iteration":            {strict(3), experiment.State{Condition: experiment.Running}, time.Second},
		"until the next":                        {strict(3), experiment.State{Condition: experiment.Running, Iteration: at(1, 4*time.Second)}, 6 * time.Second},
		"just before the next":                  {strict(3), experiment.State{Condition: experiment.Running, Iteration: at(1, 9999*time.Millisecond)}, 100 * time.Millisecond},
		"one that did not take place":           {strict(3), experiment.State{Condition: experiment.Running, Iteration: at(1, time.Minute)}, time.Second},
		"after the last":                        {strict(3), experiment.State{Condition: experiment.Running, Iteration: at(6, time.Second)}, time.Second},
		"while an action is under way":          {strict(3), experiment.State{Condition: experiment.Running, Iteration: at(3, time.Second), Actions: run}, time.Second},
		"paused":                                {strict(3), experiment.State{Condition: experiment.Paused, Iteration: at(1, time.Second)}, usual},
		"over, with an action still to be done": {strict(3), experiment.State{Condition: experiment.Done, Iteration: at(6, time.Second), Actions: run}, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			if got := engine.Pace(c.plan, &c.state, start, usual); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}
