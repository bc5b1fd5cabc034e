// SPDX-License-Identifier: Apache-2.0

package decide

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// everyHook has two actions of each hook but onPromote; the second of onStep is
// ignored if it fails.
func everyHook() *experiment.Actions {
	two := func() []experiment.Action { return []experiment.Action{{Name: "a"}, {Name: "b"}} }
	out := &experiment.Actions{OnStart: two(), OnStep: two(), OnPromote: []experiment.Action{{Name: "a"}}, OnRollback: two(), OnFinish: two()}
	out.OnStep[1].Ignore = true
	return out
}

// rampPlan is a rollout of two steps with every hook.
func rampPlan() *experiment.Plan {
	return &experiment.Plan{
		Name: "x", Window: time.Minute, Stale: time.Hour, Actions: everyHook(),
		Versions:  []experiment.Version{{Name: "v1"}, {Name: "v2"}},
		Stages:    []experiment.Stage{{Name: "canary", Ramp: &experiment.Ramp{Steps: []experiment.Share{1000, 5000}, AtMost: 24 * time.Hour, Hold: experiment.Hold{Requests: 1}}}},
		OnUnknown: experiment.OnUnknown{After: time.Hour, Do: experiment.PolicyHold},
	}
}

// acts says how the first action that is to be done stands.
func (l *strictLife) acts(done bool, why string) experiment.Facts {
	l.t.Helper()
	if len(l.state.Actions) == 0 {
		l.t.Fatal("nothing is to be done")
	}
	f := experiment.ActionFact{Intent: l.state.Actions[0], Done: done, Failed: !done, Why: why}
	return experiment.Facts{Judgement: experiment.Judgement{Requests: 5}, Actions: []experiment.ActionFact{f}}
}

var busy = experiment.Facts{Judgement: experiment.Judgement{Requests: 5}}

// TestHooksOfARollout follows one from its start to its promotion: each hook
// comes in its place, and nothing is raised before its actions are done.
func TestHooksOfARollout(t *testing.T) {
	p := rampPlan()
	l := begin(t, p)
	var got []string
	note := func() {
		line := fmt.Sprintf("%s %s", l.last.decision.Act, percents(l.last.decision.To))
		if code := l.last.decision.Reasons[0].Code; code == experiment.ReasonActing {
			line += " for " + l.last.decision.Reasons[0].Param("action")
		}
		got = append(got, line)
	}
	for l.state.Condition != experiment.Done {
		l.decide(time.Minute, busy)
		note()
		if l.state.Condition != experiment.Done && len(l.state.Actions) > 0 {
			l.decide(time.Minute, l.acts(true, ""))
			note()
		}
	}
	want := []string{
		"hold 100/0 for onStart/a", "hold 100/0 for onStart/b", "hold 100/0 for onStart/b", "advance 90/10",
		"hold 90/10 for onStep/a", "hold 90/10 for onStep/b", "hold 90/10 for onStep/b", "advance 50/50",
		"hold 50/50 for onStep/a", "hold 50/50 for onStep/b", "hold 50/50 for onStep/b", "promote 0/100",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	if got := hooksOf(p, l.state.Actions); got != "onPromote/a onFinish/a onFinish/b" {
		t.Errorf("to do: %s", got)
	}
}

// TestFailedActions: one that is not ignored calls off the rest of its hook, and
// holds where it stood in the way of more traffic; a person can go on.
func TestFailedActions(t *testing.T) {
	l := begin(t, rampPlan())
	l.decide(time.Second, l.acts(false, "refused"))
	r := l.decide(100*time.Hour, busy)
	if why := r.decision.Reasons[0]; why.Code != experiment.ReasonActionFailed || why.Param("action") != "onStart/a" || why.Param("why") != "refused" || len(l.state.Actions) > 0 {
		t.Fatalf("%s because of %v, to do %v", r.decision.Act, r.decision.Reasons, l.state.Actions)
	}
	for _, verb := range []experiment.Verb{experiment.VerbAbort, experiment.VerbPromote, experiment.VerbKill} {
		x := *l
		r := x.decide(time.Minute, experiment.Facts{Commands: []experiment.Command{{ID: "c", Verb: verb}}})
		if live(&r.after) {
			t.Errorf("%s: %s", verb, r.after.Condition)
		}
		x.decide(time.Minute, experiment.Facts{Commands: []experiment.Command{{ID: "d", Verb: experiment.VerbRetry}}})
		if got := hooksOf(x.plan, x.state.Actions); got != "onStart/a onStart/b" || len(x.state.Failed) > 0 || x.state.Transition == 1 {
			t.Errorf("begun anew to do %s after %v", got, x.state.Failed)
		}
		x.decide(time.Second, x.acts(true, ""))
		if r := x.decide(time.Second, x.acts(true, "")); r.decision.To[1] != 1000 {
			t.Errorf("begun anew: %s %s", r.decision.Act, r.decision.Reasons)
		}
	}
}

// TestIgnoredFailuresGoOn: the next action comes all the same, and so does the stage.
func TestIgnoredFailuresGoOn(t *testing.T) {
	p := rampPlan()
	p.Actions.OnStart[0].Ignore = true
	l := begin(t, p)
	l.decide(time.Second, l.acts(false, "refused"))
	if got := hooksOf(p, l.state.Actions); got != "onStart/b" || len(l.state.Failed) != 1 || !l.state.Failed[0].Ignored {
		t.Fatalf("to do %s, failed %v", got, l.state.Failed)
	}
	l.decide(time.Second, l.acts(true, ""))
	if r := l.decide(time.Second, busy); r.decision.To[1] != 1000 {
		t.Errorf("%s because of %v", r.decision.Act, r.decision.Reasons)
	}
}

// TestActionsNeverDelayTheWayBack: harm, an abort and a kill go back at once with
// an action under way, which is called off; what follows is asked for once.
func TestActionsNeverDelayTheWayBack(t *testing.T) {
	harm := experiment.Facts{Judgement: experiment.Judgement{Verdicts: []experiment.Verdict{{Version: 1, Role: experiment.RoleReward, Metric: "m", Status: experiment.Worse}}}}
	for name, f := range map[string]experiment.Facts{
		"harm":  harm,
		"abort": {Commands: []experiment.Command{{ID: "a", Verb: experiment.VerbAbort}}},
		"kill":  {Commands: []experiment.Command{{ID: "k", Verb: experiment.VerbKill}}},
	} {
		t.Run(name, func(t *testing.T) {
			p := rampPlan()
			l := begin(t, p)
			for range 2 {
				l.decide(time.Second, l.acts(true, ""))
			}
			if got := hooksOf(p, l.state.Actions); got != "onStep/a onStep/b" {
				t.Fatalf("to do %s", got)
			}
			const back = "onRollback/a onRollback/b onFinish/a onFinish/b"
			if r := l.decide(time.Second, f); r.decision.To[0] != experiment.Whole || hooksOf(p, l.state.Actions) != back {
				t.Fatalf("%s, to do %s", r.decision.To, hooksOf(p, l.state.Actions))
			}
			l.decide(time.Second, l.acts(true, ""))
			again := experiment.Facts{Commands: []experiment.Command{{ID: "again", Verb: experiment.VerbKill}}}
			l.decide(time.Second, again)
			if got := hooksOf(p, l.state.Actions); got != "onRollback/b onFinish/a onFinish/b" {
				t.Errorf("after a kill in between, to do %s", got)
			}
		})
	}
}

// TestLateActions: after a promotion a kill calls off what is left and asks for
// what belongs to a rollback.
func TestLateActions(t *testing.T) {
	p := rampPlan()
	p.Actions.OnStart, p.Actions.OnStep = nil, nil
	l := begin(t, p)
	for l.state.Condition != experiment.Done {
		l.decide(time.Minute, busy)
	}
	l.decide(time.Second, l.acts(false, "refused"))
	if got := hooksOf(p, l.state.Actions); got != "onFinish/a onFinish/b" || l.state.Outcome != experiment.Promoted {
		t.Errorf("%s, to do %s", l.state.Outcome, got)
	}
	l.decide(time.Second, experiment.Facts{Commands: []experiment.Command{{ID: "k", Verb: experiment.VerbKill}}})
	if got := hooksOf(p, l.state.Actions); got != "onRollback/a onRollback/b onFinish/a onFinish/b" {
		t.Errorf("after the kill to do %s", got)
	}
}

// TestLoops: onStep comes after every loop of a strict plan, the last one too,
// and the next iteration, or the end, waits for it. onStart comes before the first.
func TestLoops(t *testing.T) {
	p := abPlan()
	p.Stages[0].Iterate.Times = 2
	p.Actions = everyHook()
	l := begin(t, p)
	const text = "engagement 1 2; latency 1 1"
	if l.iterate(text); done(&l.state) != 0 {
		t.Fatal("it iterates before onStart is done")
	}
	var got []string
	for range 60 {
		if len(l.state.Actions) > 0 {
			got = append(got, hooksOf(p, l.state.Actions[:1]))
			l.decide(time.Second, l.acts(true, ""))
		} else if l.iterate(text); live(&l.state) {
			got = append(got, fmt.Sprint(done(&l.state)))
		}
		if done(&l.state) == 4 && l.state.Condition == experiment.Done {
			break
		}
	}
	want := []string{"onStart/a", "onStart/b", "1", "2", "onStep/a", "onStep/b", "3", "4", "onStep/a", "onStep/b"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	if got := hooksOf(p, l.state.Actions); got != "onPromote/a onFinish/a onFinish/b" || l.state.Outcome != experiment.Promoted || l.state.Winner != 1 {
		t.Errorf("%s of %d, to do %s", l.state.Outcome, l.state.Winner, got)
	}
}

// TestStrictFailures: an action that fails for good ends a strict plan where it
// stands, wherever it is.
func TestStrictFailures(t *testing.T) {
	start := func(t *testing.T, keep experiment.Hook) *strictLife {
		p, every := abPlan(), everyHook()
		p.Stages[0].Iterate.Times, p.Stages[0].Iterate.Loops = 2, 1
		p.Actions = &experiment.Actions{OnFinish: every.OnFinish}
		switch keep {
		case experiment.OnStart:
			p.Actions.OnStart = every.OnStart
		case experiment.OnStep:
			p.Actions.OnStep = every.OnStep
		}
		l := begin(t, p)
		for range 4 {
			if len(l.state.Actions) == 0 {
				l.iterate("engagement 1 2; latency 1 1")
			}
		}
		return l
	}
	for hook, c := range map[experiment.Hook]struct {
		shares string
		found  bool
	}{experiment.OnStart: {"100/0", false}, experiment.OnStep: {"80/20", true}, experiment.OnFinish: {"80/20", true}} {
		t.Run(string(hook), func(t *testing.T) {
			l := start(t, hook)
			r := l.decide(time.Second, l.acts(false, "no such image"))
			s := l.state
			want := string(hook) + "/a failed for good: no such image"
			if s.Condition != experiment.Done || s.Outcome != experiment.Inconclusive || s.Iteration.Failed != want || s.Iteration.Found != c.found || percents(r.decision.To) != c.shares || !s.Released(l.plan) {
				t.Errorf("%s, %s: %q with %s, found %v", s.Condition, s.Outcome, s.Iteration.Failed, r.decision.To, s.Iteration.Found)
			}
			if len(s.Actions) > 0 || r.decision.Act != experiment.ActStop || r.decision.Reasons[0].Code != experiment.ReasonActionEnds {
				t.Errorf("%s, to do %s", r.decision.Act, hooksOf(l.plan, s.Actions))
			}
			if r := l.decide(time.Second, experiment.Facts{}); r.decision.Act != experiment.ActHold || len(r.intents) > 0 {
				t.Errorf("then %s", r.decision.Act)
			}
		})
	}
	t.Run("after a rollback it stays one", func(t *testing.T) {
		l := start(t, "")
		l.state.Actions = nil
		l = begin(t, l.plan)
		l.iterate("engagement 1 2; latency 1 101")
		l.decide(time.Second, l.acts(false, "refused"))
		if s := l.state; s.Outcome != experiment.RolledBack || s.Released(l.plan) || len(s.Failed) != 1 {
			t.Errorf("%s, released %v", s.Outcome, s.Released(l.plan))
		}
	})
}

// TestLoads: what an action's load brought is added up, and what is none of the
// plan's versions left out.
func TestLoads(t *testing.T) {
	p := abPlan()
	p.Actions = &experiment.Actions{OnStart: []experiment.Action{{Name: "load"}}}
	l := begin(t, p)
	f := l.acts(true, "")
	f.Actions[0].Loaded = []experiment.Loaded{{Version: 1, Requests: 10}, {Version: -1, Requests: 5}, {Version: 2, Requests: 5}}
	l.decide(time.Second, f)
	want := []experiment.Loaded{{Version: 1, Requests: 10}}
	if d := cmp.Diff(want, l.state.Iteration.Loads); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	if l.iterate("engagement 1 2; latency 1 1"); done(&l.state) != 1 || len(l.state.Iteration.Loads) != 1 {
		t.Errorf("%d iterations, %v", done(&l.state), l.state.Iteration.Loads)
	}
}

// TestEditedStrictPlans go on iterating with the shares that they have, by the
// versions' names; actions that are gone are not done.
func TestEditedStrictPlans(t *testing.T) {
	three := func() (*experiment.Plan, experiment.State) {
		p := strictPlan(3, experiment.PatternReward, experiment.Iterate{Shift: experiment.ShiftGreedy, Cap: experiment.Whole, Increment: 1000})
		p.Actions = &experiment.Actions{OnStart: []experiment.Action{{Name: "a"}, {Name: "b"}}}
		l := begin(t, p)
		pending := l.state.Actions
		l.state.Actions = nil
		l.iterate(third)
		l.iterate(third)
		l.state.Actions = pending
		l.state.Iteration.Loads = []experiment.Loaded{{Version: 1, Requests: 1}, {Version: 2, Requests: 2}}
		return p, l.state
	}
	t.Run("another limit", func(t *testing.T) {
		old, s := three()
		p, most := *old, 5.0
		p.Objectives = []experiment.Objective{{Metric: "latency", Max: &most}}
		p.Actions = &experiment.Actions{OnStart: []experiment.Action{{Name: "a"}}}
		next, d, intents := Adopt(old, &p, s, epoch.Add(time.Hour))
		if d.Act != experiment.ActEdit || len(intents) > 0 || next.Plan != p.Hash() || len(next.Actions) != 1 || next.Epoch != s.Epoch {
			t.Errorf("%s with %v, to do %v", d.Act, intents, next.Actions)
		}
		if diff := cmp.Diff(s.Iteration, next.Iteration); diff != "" || percents(d.To) != "77/3/20" {
			t.Errorf("%s (-before +after)\n%s", d.To, diff)
		}
	})
	t.Run("other versions", func(t *testing.T) {
		old, s := three()
		p := *old
		p.Versions = []experiment.Version{old.Versions[0], old.Versions[2], {Name: "v4"}}
		next, d, intents := Adopt(old, &p, s, epoch.Add(time.Hour))
		x := next.Iteration
		if percents(d.To) != "80/20/0" || !slices.Equal(next.Slots.Shares(3), d.To) || len(intents) != 1 || intents[0].Kind != experiment.IntentRoute || next.Phase != s.Phase+1 {
			t.Errorf("%s with %v", d.To, intents)
		}
		if x.Done != 2 || x.Found || len(x.Values) > 0 || len(x.Loads) != 1 || x.Loads[0].Version != 1 || x.Loads[0].Requests != 2 {
			t.Errorf("iteration %+v", x)
		}
		if s.Iteration.Done != 2 || !s.Iteration.Found || len(s.Iteration.Loads) != 2 {
			t.Errorf("the state before was changed: %+v", s.Iteration)
		}
	})
	t.Run("one that is over begins anew with other versions", func(t *testing.T) {
		old, s := three()
		s.Condition, s.Outcome = experiment.Done, experiment.Promoted
		p := *old
		p.Versions = p.Versions[:2]
		next, _, intents := Adopt(old, &p, s, epoch.Add(time.Hour))
		if next.Iteration != nil || next.Epoch != s.Epoch+1 || hooksOf(&p, next.Actions) != "onStart/a onStart/b" || len(intents) != 3 || intents[1].Transition != next.Transition {
			t.Errorf("epoch %d, to do %v, intents %v", next.Epoch, next.Actions, intents)
		}
	})
	t.Run("a killed one stays killed, and nothing is done", func(t *testing.T) {
		old, s := three()
		s.Condition, s.Outcome = experiment.Killed, experiment.RolledBack
		p := *old
		p.Strict, p.Stages = false, rampPlan().Stages
		next, _, _ := Adopt(old, &p, s, epoch.Add(time.Hour))
		if next.Condition != experiment.Killed || len(next.Actions) > 0 {
			t.Errorf("%s, to do %v", next.Condition, next.Actions)
		}
	})
}

// TestEditedActions: a native plan goes on with other actions, and without those
// that are gone.
func TestEditedActions(t *testing.T) {
	old := rampPlan()
	s, _, _ := Start(old, epoch)
	p := *old
	p.Actions = &experiment.Actions{OnStart: []experiment.Action{{Name: "other"}}}
	next, d, intents := Adopt(old, &p, s, epoch.Add(time.Minute))
	if next.Epoch != s.Epoch || d.Reasons[0].Code != experiment.ReasonEdited || len(intents) > 0 || hooksOf(&p, next.Actions) != "onStart/other" {
		t.Errorf("epoch %d, %v, to do %v", next.Epoch, d.Reasons, next.Actions)
	}
}

// TestEditsThatMendFailures: an action that failed is in nobody's way any more once
// it is to be ignored, or gone.
func TestEditsThatMendFailures(t *testing.T) {
	for name, change := range map[string]func(a *experiment.Actions){
		"ignored":    func(a *experiment.Actions) { a.OnStart[0].Ignore = true },
		"taken away": func(a *experiment.Actions) { a.OnStart = nil },
	} {
		t.Run(name, func(t *testing.T) {
			l := begin(t, rampPlan())
			l.decide(time.Second, l.acts(false, "refused"))
			p := *l.plan
			p.Actions = everyHook()
			change(p.Actions)
			before := written(l.state)
			next, _, _ := Adopt(l.plan, &p, l.state, l.now)
			if written(l.state) != before {
				t.Error("the state before was changed")
			}
			l.plan, l.state = &p, next
			if r := l.decide(time.Second, busy); r.decision.To[1] != 1000 {
				t.Errorf("%s because of %v", r.decision.Act, r.decision.Reasons)
			}
		})
	}
}

// TestMirrorsWaitForOnStart: no copy is sent before, and the time of the mirror
// begins with it, whatever else is in doubt then.
func TestMirrorsWaitForOnStart(t *testing.T) {
	p := rampPlan()
	p.Stages = append([]experiment.Stage{{Name: "shadow", Mirror: &experiment.Mirror{Share: 1000, Until: experiment.Until{Pairs: 10, AtMost: time.Hour}}}}, p.Stages...)
	copies := func(s *experiment.State) bool { return experiment.RouteOf(p, s).Mirror != nil }
	for _, doubt := range []string{"", "it is written just now"} {
		l := begin(t, p)
		l.decide(2*time.Hour, l.acts(true, ""))
		if copies(&l.state) {
			t.Fatal("copies before the second action is done")
		}
		f := l.acts(true, "")
		f.Route = &experiment.RouteFact{Unsettled: doubt}
		r := l.decide(time.Second, f)
		if !copies(&l.state) || len(r.intents) != 1 || r.intents[0].Kind != experiment.IntentRoute || !l.state.StageStart.Equal(l.now) || l.state.Stage != 0 {
			t.Errorf("%s with %v in stage %d since %s", r.decision.Act, r.intents, l.state.Stage, l.state.StageStart)
		}
	}
	l := begin(t, p)
	l.decide(time.Second, l.acts(false, "refused"))
	if copies(&l.state) {
		t.Error("copies though onStart failed")
	}
}

// TestFailuresAreBounded: the state remembers the newest alone.
func TestFailuresAreBounded(t *testing.T) {
	p := rampPlan()
	for i := range p.Actions.OnStart {
		p.Actions.OnStart[i].Ignore = true
	}
	l := begin(t, p)
	for i := range 12 {
		l.decide(time.Second, l.acts(false, fmt.Sprint(i)))
		l.decide(time.Second, l.acts(false, "second"))
		l.decide(time.Second, experiment.Facts{Commands: []experiment.Command{{ID: fmt.Sprint("a", i), Verb: experiment.VerbAbort}}})
		failed := slices.Repeat(l.state.Failed, 6)[:10]
		l.decide(time.Second, experiment.Facts{Commands: []experiment.Command{{ID: fmt.Sprint("r", i), Verb: experiment.VerbRetry}}})
		l.state.Failed = failed
	}
	l.decide(time.Second, l.acts(false, "the last"))
	if n := len(l.state.Failed); n != experiment.MaxFailed || l.state.Failed[n-1].Why != "the last" {
		t.Errorf("%d failures, the newest %q", n, l.state.Failed[n-1].Why)
	}
}
