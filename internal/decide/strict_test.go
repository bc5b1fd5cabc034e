// SPDX-License-Identifier: Apache-2.0

package decide

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// strictMetrics are what strict plans of these tests decide by.
func strictMetrics() []experiment.Metric {
	provided := func(name string, goal experiment.Goal) experiment.Metric {
		return experiment.Metric{Name: name, Goal: goal, Provider: &experiment.ProviderMetric{Mock: &experiment.MockQuery{}}}
	}
	return []experiment.Metric{
		provided("latency", experiment.Decrease), provided("errors", experiment.Decrease),
		provided("engagement", experiment.Increase), provided("cost", experiment.Decrease), provided("count", experiment.Increase),
	}
}

// strictPlan is a plan of n versions that iterates ten times.
func strictPlan(n int, pattern experiment.Pattern, it experiment.Iterate) *experiment.Plan {
	it.Pattern = pattern
	if it.Times == 0 {
		it.Times, it.Loops = 10, 1
	}
	it.Every = 10 * time.Second
	p := &experiment.Plan{Name: "x", Strict: true, Window: time.Minute, Metrics: strictMetrics()}
	for v := range n {
		p.Versions = append(p.Versions, experiment.Version{Name: fmt.Sprintf("v%d", v+1)})
	}
	if pattern == experiment.PatternReward {
		p.Reward = &experiment.Reward{Metric: "engagement"}
	}
	p.Stages = []experiment.Stage{{Name: "iterate", Iterate: &it}}
	return p
}

// said reads "engagement 1 2 null; latency 3 ? 5": the values of a metric by
// version, null for what is no number and ? for what could not be read.
func said(t testing.TB, text string) []experiment.Reading {
	t.Helper()
	var out []experiment.Reading
	for part := range strings.SplitSeq(text, ";") {
		w := strings.Fields(part)
		for v, x := range w[min(1, len(w)):] {
			r := experiment.Reading{Metric: w[0], Version: v}
			switch x {
			case "null":
			case "?":
				r.Failed = "it did not answer in time"
			default:
				n, err := strconv.ParseFloat(x, 64)
				if err != nil {
					t.Fatal(err)
				}
				r.Value = &n
			}
			out = append(out, r)
		}
	}
	return out
}

// strictLife is an experiment that is decided on again and again.
type strictLife struct {
	t     testing.TB
	plan  *experiment.Plan
	state experiment.State
	now   time.Time
	last  step
}

func begin(t testing.TB, p *experiment.Plan) *strictLife {
	s, _, _ := Start(p, epoch)
	return &strictLife{t: t, plan: p, state: s, now: epoch}
}

// decide makes one decision, after some time.
func (l *strictLife) decide(after time.Duration, f experiment.Facts) step {
	l.t.Helper()
	l.now = l.now.Add(after)
	l.last = decideChecked(l.t, l.plan, l.state, f, l.now)
	l.state = l.last.after
	return l.last
}

// iterate decides on readings, an interval later.
func (l *strictLife) iterate(text string) string {
	l.t.Helper()
	return percents(l.decide(10*time.Second, experiment.Facts{Readings: said(l.t, text)}).decision.To)
}

func percents(shares experiment.Shares) string {
	parts := make([]string, len(shares))
	for i, s := range shares {
		parts[i] = strconv.FormatFloat(float64(s)/100, 'f', -1, 64)
	}
	return strings.Join(parts, "/")
}

const (
	wins, loses, ties = "engagement 1 2", "engagement 2 1", "engagement 1 1"
	nobody3, third    = "engagement null null null", "engagement 1 1 2"
)

// TestGoldenTraces is Iter8's curve. Its rounding is random and keeps the mean;
// here shares are whole percents by the largest remainder, the baseline first
// among equals: 86.67/3.33/10 is 87/3/10.
func TestGoldenTraces(t *testing.T) {
	greedy := experiment.Iterate{Shift: experiment.ShiftGreedy, Cap: experiment.Whole, Increment: 1000}
	bounded := func(limit, increment experiment.Share) experiment.Iterate {
		it := greedy
		it.Cap, it.Increment = limit, increment
		return it
	}
	for name, c := range map[string]struct {
		versions int
		it       experiment.Iterate
		said     []string // the last goes on
		want     string
	}{
		"the candidate wins":         {2, greedy, []string{wins}, "90/10 80/20 70/30 60/40 50/50 40/60 30/70 20/80 10/90 5/95"},
		"the baseline wins":          {2, greedy, []string{loses}, "95/5 95/5 95/5"},
		"nobody wins":                {2, greedy, []string{"engagement null null"}, "95/5 95/5"},
		"equal rewards":              {2, greedy, []string{ties}, "90/10 80/20 70/30 60/40 50/50 50/50 50/50"},
		"one setback begins anew":    {2, greedy, []string{wins, wins, wins, wins, wins, loses, wins}, "90/10 80/20 70/30 60/40 50/50 95/5 85/15 75/25"},
		"the third of three":         {3, greedy, []string{third}, "87/3/10 77/3/20 67/3/30 57/3/40 47/3/50 37/3/60 27/3/70 17/3/80 7/3/90 4/3/93"},
		"none of three":              {3, greedy, []string{nobody3}, "94/3/3 94/3/3"},
		"three that are equal":       {3, greedy, []string{"engagement 1 1 1"}, "80/10/10 60/20/20 40/30/30 34/33/33 34/33/33"},
		"two of three that are":      {3, greedy, []string{"engagement 0 1 1"}, "80/10/10 60/20/20 40/30/30 20/40/40 4/48/48"},
		"the fourth of four":         {4, greedy, []string{"engagement 1 1 1 2"}, "85/3/2/10 75/3/2/20"},
		"the fifth of five":          {5, greedy, []string{"engagement 1 1 1 1 2"}, "84/2/2/2/10 74/2/2/2/20"},
		"capped at 75 by 20":         {2, bounded(7500, 2000), []string{wins}, "80/20 60/40 40/60 25/75 25/75"},
		"an increment of 0":          {2, bounded(10000, 0), []string{wins}, "100/0 100/0"},
		"a cap of 0":                 {2, bounded(0, 1000), []string{wins}, "100/0 100/0"},
		"a cap below the tenth":      {2, bounded(300, 1000), []string{loses}, "97/3 97/3"},
		"parts of percents":          {2, bounded(10000, 250), []string{wins}, "98/2 96/4 94/6"},
		"nothing shifts":             {2, experiment.Iterate{Shift: experiment.ShiftNone, Cap: experiment.Whole}, []string{wins}, "100/0 100/0"},
		"everything at once":         {2, experiment.Iterate{Shift: experiment.ShiftSwitch, Cap: experiment.Whole}, []string{loses, wins}, "0/100 0/100"},
		"everything up to the cap":   {2, experiment.Iterate{Shift: experiment.ShiftSwitch, Cap: 6000}, []string{wins}, "40/60 40/60"},
		"everything among the three": {4, experiment.Iterate{Shift: experiment.ShiftSwitch, Cap: experiment.Whole}, []string{"engagement 1 1 1 1"}, "1/33/33/33"},
	} {
		t.Run(name, func(t *testing.T) {
			l := begin(t, strictPlan(c.versions, experiment.PatternReward, c.it))
			var got []string
			for i := range strings.Fields(c.want) {
				got = append(got, l.iterate(c.said[min(i, len(c.said)-1)]))
			}
			if d := cmp.Diff(c.want, strings.Join(got, " ")); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
		})
	}
}

// TestWinners is who wins an iteration, who gets the traffic and how it would end.
func TestWinners(t *testing.T) {
	least, most := 10.0, 100.0
	limited := func(o ...experiment.Objective) func(*experiment.Plan) {
		return func(p *experiment.Plan) { p.Objectives = o }
	}
	latency := experiment.Objective{Metric: "latency", Max: &most}
	const none = -1
	for name, c := range map[string]struct {
		versions int
		pattern  experiment.Pattern
		change   func(*experiment.Plan)
		said     string
		winner   int
		best     []int
		shares   string
		ends     experiment.Outcome
	}{
		"equal rewards have no winner":             {2, experiment.PatternReward, nil, ties, none, []int{0, 1}, "90/10", experiment.Inconclusive},
		"low is better where the reward says so":   {2, experiment.PatternReward, func(p *experiment.Plan) { p.Reward.Metric = "cost" }, "cost 5 4", 1, []int{1}, "90/10", experiment.Promoted},
		"one without a reward loses to the other":  {2, experiment.PatternReward, nil, "engagement null 1", 1, []int{1}, "90/10", experiment.Promoted},
		"the baseline alone has a reward":          {2, experiment.PatternReward, nil, "engagement 1 null", 0, []int{0}, "95/5", experiment.BaselineKept},
		"nobody satisfies the objectives":          {2, experiment.PatternReward, limited(latency), "engagement 1 2; latency 101 101", none, nil, "95/5", experiment.Inconclusive},
		"the better one breaks an objective":       {2, experiment.PatternReward, limited(latency), "engagement 1 2; latency 99 101", 0, []int{0}, "95/5", experiment.BaselineKept},
		"without objectives all are feasible":      {2, experiment.PatternReward, nil, loses, 0, []int{0}, "95/5", experiment.BaselineKept},
		"what is unknown is not satisfied":         {2, experiment.PatternReward, limited(latency), "engagement 1 2; latency 99 null", 0, []int{0}, "95/5", experiment.BaselineKept},
		"a value at its limit satisfies":           {2, experiment.PatternCanary, limited(latency), "latency 101 100", 1, []int{1}, "90/10", experiment.Promoted},
		"a value at its lower limit satisfies":     {2, experiment.PatternCanary, limited(experiment.Objective{Metric: "count", Min: &least}), "count 9 10", 1, []int{1}, "90/10", experiment.Promoted},
		"below a lower limit does not":             {2, experiment.PatternCanary, limited(experiment.Objective{Metric: "count", Min: &least}), "count 10 9.999", 0, []int{0}, "95/5", experiment.BaselineKept},
		"both limits: below":                       {2, experiment.PatternCanary, limited(experiment.Objective{Metric: "count", Min: &least, Max: &most}), "count 10 9", 0, []int{0}, "95/5", experiment.BaselineKept},
		"both limits: above":                       {2, experiment.PatternCanary, limited(experiment.Objective{Metric: "count", Min: &least, Max: &most}), "count 10 101", 0, []int{0}, "95/5", experiment.BaselineKept},
		"both limits: within":                      {2, experiment.PatternCanary, limited(experiment.Objective{Metric: "count", Min: &least, Max: &most}), "count 0 50", 1, []int{1}, "90/10", experiment.Promoted},
		"no limits: a number is enough":            {2, experiment.PatternCanary, limited(experiment.Objective{Metric: "count"}), "count 1 -1e9", 1, []int{1}, "90/10", experiment.Promoted},
		"no limits: no number is not":              {2, experiment.PatternCanary, limited(experiment.Objective{Metric: "count"}), "count 1 null", 0, []int{0}, "95/5", experiment.BaselineKept},
		"a canary of which both fail":              {2, experiment.PatternCanary, limited(latency), "latency 101 101", none, nil, "95/5", experiment.Inconclusive},
		"a canary whose candidate fails":           {2, experiment.PatternCanary, limited(latency), "latency 99 101", 0, []int{0}, "95/5", experiment.BaselineKept},
		"a canary that both satisfy":               {2, experiment.PatternCanary, limited(latency), "latency 50 99", 1, []int{1}, "90/10", experiment.Promoted},
		"a canary without criteria wins at once":   {2, experiment.PatternCanary, nil, "", 1, []int{1}, "90/10", experiment.Promoted},
		"a conformance that is met":                {1, experiment.PatternConformance, limited(latency), "latency 100", 0, []int{0}, "100", experiment.OutcomeMet},
		"a conformance that is not":                {1, experiment.PatternConformance, limited(latency), "latency 100.1", none, nil, "100", experiment.Inconclusive},
		"a conformance of which nothing is known":  {1, experiment.PatternConformance, limited(latency), "latency null", none, nil, "100", experiment.Inconclusive},
		"the best of three":                        {3, experiment.PatternReward, nil, "engagement 1 3 2", 1, []int{1}, "87/10/3", experiment.Promoted},
		"the best of four that is feasible":        {4, experiment.PatternReward, limited(latency), "engagement 1 9 3 2; latency 1 101 100 1", 2, []int{2}, "85/3/10/2", experiment.Promoted},
		"of five, two of the best":                 {5, experiment.PatternReward, nil, "engagement 1 2 0 2 1", none, []int{1, 3}, "76/10/2/10/2", experiment.Inconclusive},
		"what is only shown may fail":              {2, experiment.PatternReward, nil, "engagement 1 2; count ? ?; cost null ?", 1, []int{1}, "90/10", experiment.Promoted},
		"a broken limit without rollback goes on":  {2, experiment.PatternReward, limited(latency), "engagement 1 2; latency 1 1e9", 0, []int{0}, "95/5", experiment.BaselineKept},
		"of nothing known nothing is rolled back":  {2, experiment.PatternCanary, limited(experiment.Objective{Metric: "latency", Max: &most, Rollback: true}), "latency null null", none, nil, "95/5", experiment.Inconclusive},
		"a limit that rolls back holds at its end": {2, experiment.PatternCanary, limited(experiment.Objective{Metric: "latency", Max: &most, Rollback: true}), "latency 100 100", 1, []int{1}, "90/10", experiment.Promoted},
	} {
		t.Run(name, func(t *testing.T) {
			p := strictPlan(c.versions, c.pattern, experiment.Iterate{Shift: experiment.ShiftGreedy, Cap: experiment.Whole, Increment: 1000, Times: 1, Loops: 1})
			if c.change != nil {
				c.change(p)
			}
			l := begin(t, p)
			if got := l.iterate(c.said); got != c.shares {
				t.Errorf("shares %s, want %s", got, c.shares)
			}
			x := l.state.Iteration
			if x.Found != (c.winner != none) || x.Found && x.Winner != c.winner || !slices.Equal(x.Best, c.best) || x.Recommended() != max(0, c.winner) {
				t.Errorf("best %v, found %v, winner %d, recommended %d; want %v, %d", x.Best, x.Found, x.Winner, x.Recommended(), c.best, c.winner)
			}
			l.decide(time.Second, experiment.Facts{})
			if s := l.state; s.Condition != experiment.Done || s.Outcome != c.ends || s.Winner != max(0, c.winner) || percents(s.Slots.Shares(c.versions)) != c.shares {
				t.Errorf("it ended %s, %s, %d with %s; want %s", s.Condition, s.Outcome, s.Winner, s.Slots.Shares(c.versions), c.ends)
			}
			if !l.state.Released(p) || l.state.Default() != 0 {
				t.Errorf("released %v, default %d after the end", l.state.Released(p), l.state.Default())
			}
		})
	}
}

func abPlan() *experiment.Plan {
	most := 100.0
	p := strictPlan(2, experiment.PatternReward, experiment.Iterate{Shift: experiment.ShiftGreedy, Cap: experiment.Whole, Increment: 1000, Times: 5, Loops: 2})
	p.Objectives = []experiment.Objective{{Metric: "latency", Max: &most, Rollback: true}}
	return p
}

// TestIterationsKeepTheirPace: the first is at once, the others come an interval
// after the one before, and only as many as asked for.
func TestIterationsKeepTheirPace(t *testing.T) {
	l := begin(t, abPlan())
	facts := experiment.Facts{Readings: said(t, "engagement 1 2; latency 1 1")}
	l.decide(0, facts)
	for range 40 {
		l.decide(5*time.Second, facts)
		if l.state.Condition == experiment.Done {
			break
		}
	}
	if x := l.state.Iteration; x.Done != 10 || !x.Last.Equal(epoch.Add(90*time.Second)) || !l.now.Equal(epoch.Add(95*time.Second)) || !x.First.Equal(epoch) {
		t.Errorf("%d iterations, the last at %s, the end at %s", x.Done, x.Last, l.now)
	}
}

// TestFailureMovesNothing: while a provider fails for ten minutes nothing moves
// and nothing is remembered but when it began; then it goes on by itself.
func TestFailureMovesNothing(t *testing.T) {
	for name, fails := range map[string]string{
		"the reward of one version":    "engagement 1 ?; latency 1 1",
		"an objective of the baseline": "engagement 1 2; latency ? 1",
		"everything":                   "engagement ? ?; latency ? ?; count ? ?",
		"what nobody asked for":        "count 1 1",
	} {
		t.Run(name, func(t *testing.T) {
			l := begin(t, abPlan())
			l.iterate("engagement 1 2; latency 1 1")
			before := l.state
			for range 120 {
				r := l.decide(5*time.Second, experiment.Facts{Readings: said(t, fails)})
				if r.decision.Act != experiment.ActHold || len(r.intents) > 0 {
					t.Fatalf("%s %s because of %v", r.decision.Act, r.decision.To, r.decision.Reasons)
				}
			}
			if code := l.last.decision.Reasons[0].Code; code != experiment.ReasonNotRead {
				t.Errorf("it held because of %s", code)
			}
			if d := cmp.Diff(before, l.state); d != "" {
				t.Errorf("a failing provider changed the state (-before +after):\n%s", d)
			}
			if got := l.iterate("engagement 1 2; latency 1 1"); got != "80/20" || l.state.Iteration.Done != 2 {
				t.Errorf("then %s after %d iterations", got, l.state.Iteration.Done)
			}
		})
	}
}

// TestTheFirstValuesAreUnknown: an iteration of which nothing is known takes
// place, and moves nobody to a candidate but for exploring.
func TestTheFirstValuesAreUnknown(t *testing.T) {
	l := begin(t, abPlan())
	if got := l.iterate("engagement null null; latency null null"); got != "95/5" || l.state.Iteration.Done != 1 || l.state.Iteration.Found {
		t.Errorf("%s after %d", got, l.state.Iteration.Done)
	}
}

// TestRollback: a limit that is known to be broken gives everything back, whoever
// breaks it and whatever else cannot be read.
func TestRollback(t *testing.T) {
	for name, text := range map[string]string{
		"by the candidate":            "engagement 1 2; latency 1 101",
		"by the baseline":             "engagement 1 2; latency 101 1",
		"while the reward is unknown": "engagement null null; latency null 101",
		"while the reward fails":      "engagement ? ?; latency 1 101",
	} {
		t.Run(name, func(t *testing.T) {
			p := abPlan()
			p.Actions = &experiment.Actions{OnRollback: []experiment.Action{{Name: "a"}, {Name: "b"}}, OnFinish: []experiment.Action{{Name: "c"}}}
			l := begin(t, p)
			l.iterate("engagement 1 2; latency 1 1")
			got := l.iterate(text)
			s := l.state
			if got != "100/0" || s.Outcome != experiment.RolledBack || s.Condition != experiment.Done || s.Iteration.Done != 1 || s.Iteration.Found || s.Iteration.Recommended() != 0 {
				t.Errorf("%s, %s after %d iterations, recommended %d", got, s.Outcome, s.Iteration.Done, s.Iteration.Recommended())
			}
			if s.Released(p) {
				t.Error("the route of a rollback is released")
			}
			if got := hooksOf(p, s.Actions); got != "onRollback/a onRollback/b onFinish/c" {
				t.Errorf("actions %s", got)
			}
		})
	}
}

// hooksOf lists actions of the plan by their labels.
func hooksOf(p *experiment.Plan, intents []experiment.Intent) string {
	var out []string
	for _, i := range intents {
		if i.Kind == experiment.IntentRun {
			out = append(out, p.Label(i))
		}
	}
	return strings.Join(out, " ")
}

// TestKilledInTheMiddle: a kill gives everything back at once, and a retry begins
// with nothing.
func TestKilledInTheMiddle(t *testing.T) {
	p := abPlan()
	l := begin(t, p)
	for range 3 {
		l.iterate("engagement 1 2; latency 1 1")
	}
	kill := experiment.Facts{Commands: []experiment.Command{{ID: "k", Verb: experiment.VerbKill}}, Readings: said(t, "engagement 1 2; latency 1 1")}
	l.decide(10*time.Second, kill)
	if l.state.Condition != experiment.Killed || l.last.decision.To[0] != experiment.Whole || l.state.Iteration.Recommended() != 0 {
		t.Fatalf("after a kill %s, %s", l.state.Condition, l.last.decision.To)
	}
	if got := l.iterate("engagement 1 2; latency 1 1"); got != "100/0" || l.state.Iteration.Done != 3 {
		t.Errorf("a killed experiment went on: %s", got)
	}
	l.decide(time.Second, experiment.Facts{Commands: []experiment.Command{{ID: "r", Verb: experiment.VerbRetry}}})
	if got := l.iterate("engagement 1 2; latency 1 1"); got != "90/10" || l.state.Iteration.Done != 1 || l.state.Epoch != 2 {
		t.Errorf("begun anew %s after %d iterations in epoch %d", got, l.state.Iteration.Done, l.state.Epoch)
	}
}

// TestKillAfterTheEnd: the route was released to the plan's actions, and a kill
// has it all the same.
func TestKillAfterTheEnd(t *testing.T) {
	p := abPlan()
	l := begin(t, p)
	for range 11 {
		l.iterate("engagement 1 2; latency 1 1")
	}
	if got := percents(l.state.Slots.Shares(2)); got != "5/95" || l.state.Outcome != experiment.Promoted || !l.state.Released(p) {
		t.Fatalf("it ended with %s, %s", got, l.state.Outcome)
	}
	l.decide(time.Minute, experiment.Facts{Commands: []experiment.Command{{ID: "k", Verb: experiment.VerbKill}}})
	if l.state.Released(p) || l.last.decision.To[0] != experiment.Whole || l.state.Outcome != experiment.RolledBack {
		t.Errorf("after the kill %s, %s", l.last.decision.To, l.state.Outcome)
	}
	l.decide(time.Minute, experiment.Facts{Commands: []experiment.Command{{ID: "l", Verb: experiment.VerbLift}}})
	if l.state.Released(p) {
		t.Error("released after the kill was lifted")
	}
}

// TestPausedIterations stand still, and go on where they were.
func TestPausedIterations(t *testing.T) {
	l := begin(t, abPlan())
	l.iterate("engagement 1 2; latency 1 1")
	l.decide(time.Second, experiment.Facts{Commands: []experiment.Command{{ID: "p", Verb: experiment.VerbPause}}})
	if got := l.iterate("engagement 1 2; latency 1 1"); got != "90/10" || l.last.decision.Reasons[0].Code != experiment.ReasonPaused {
		t.Errorf("paused at %s because of %v", got, l.last.decision.Reasons)
	}
	l.decide(time.Second, experiment.Facts{Commands: []experiment.Command{{ID: "r", Verb: experiment.VerbResume}}})
	if got := l.iterate("engagement 1 2; latency 1 1"); got != "80/20" || l.state.Iteration.Done != 2 {
		t.Errorf("then %s after %d", got, l.state.Iteration.Done)
	}
}

// TestUnsettledRoutes: the next iteration waits until the shares of the last are
// in effect, unless nothing is ever shifted.
func TestUnsettledRoutes(t *testing.T) {
	for shift, want := range map[experiment.Shift]int{experiment.ShiftGreedy: 1, experiment.ShiftNone: 2} {
		p := abPlan()
		p.Stages[0].Iterate.Shift = shift
		l := begin(t, p)
		l.iterate("engagement 1 2; latency 1 1")
		f := experiment.Facts{Readings: said(t, "engagement 1 2; latency 1 1"), Route: &experiment.RouteFact{Unsettled: "it is written just now"}}
		l.decide(10*time.Second, f)
		if l.state.Iteration.Done != want {
			t.Errorf("%s: %d iterations", shift, l.state.Iteration.Done)
		}
		f.Readings = said(t, "engagement 1 2; latency 1 101")
		if l.decide(10*time.Second, f); l.state.Outcome != experiment.RolledBack {
			t.Errorf("%s: a route that is not settled holds a rollback", shift)
		}
	}
}

// TestPromotedByAPerson gives the candidate everything, and it is what the
// actions promote.
func TestPromotedByAPerson(t *testing.T) {
	p := abPlan()
	p.Actions = &experiment.Actions{OnPromote: []experiment.Action{{Name: "a"}}, OnFinish: []experiment.Action{{Name: "b"}}}
	l := begin(t, p)
	l.decide(time.Second, experiment.Facts{Commands: []experiment.Command{{ID: "p", Verb: experiment.VerbPromote, Version: "v2"}}})
	if s := l.state; s.Outcome != experiment.Promoted || l.last.decision.To[1] != experiment.Whole || s.Iteration.Recommended() != 1 || s.Released(p) || hooksOf(p, s.Actions) != "onPromote/a onFinish/b" {
		t.Errorf("%s with %s, recommended %d, released %v, actions %s", s.Outcome, l.last.decision.To, s.Iteration.Recommended(), s.Released(p), hooksOf(p, s.Actions))
	}
}

// TestRestartsChangeNothing: a state that was written and read back after every
// decision leads to the same.
func TestRestartsChangeNothing(t *testing.T) {
	a, b := begin(t, abPlan()), begin(t, abPlan())
	for _, text := range []string{"engagement 1 2; latency 1 1", "engagement 1 ?; latency 1 1", "engagement 2 1; latency 1 null", "engagement 1 1; latency 1 1", "engagement 1 2; latency 1 101"} {
		a.iterate(text)
		b.iterate(text)
		raw, err := json.Marshal(b.state)
		if err != nil {
			t.Fatal(err)
		}
		b.state = experiment.State{}
		if err := json.Unmarshal(raw, &b.state); err != nil {
			t.Fatal(err)
		}
		if a.state.Hash() != b.state.Hash() {
			t.Fatalf("after %q a restart leads elsewhere:\n%s", text, cmp.Diff(a.state, b.state))
		}
	}
}
