// SPDX-License-Identifier: Apache-2.0

package decide

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// exhausted counts what the exhaustive check went through.
type exhausted struct{ decisions, ended, moved, promoted, removed int }

// place is where an experiment may stand.
type place struct {
	kind experiment.StageKind
	// last says that no stage follows, entered that the stage has its shares.
	last, entered bool
	// over says that its horizon has passed, and that what stays unknown holds.
	over bool
	// versions is how many there are, removed that the last of them is.
	versions int
	removed  bool
	// copies says how far a promotion by copy is, in warm.
	copies progress
	// hooks says how the plan's actions stand.
	hooks hooking
}

// hooking is how the plan's actions stand; the empty one is a plan without any.
type hooking string

// The ways in which a plan with actions of every hook may stand: nothing is asked
// for, actions of onStart or onStep are, or one of them failed for good.
const (
	hooksQuiet  hooking = "with hooks"
	hooksAsked  hooking = "with actions to do"
	hooksFailed hooking = "with an action that failed"
)

// progress is how far a promotion by copy is.
type progress string

// The progress of a copy; the empty one is of a promotion by pointer.
const (
	toCopy     progress = "to be copied"
	whileCopy  progress = "being copied"
	afterCopy  progress = "copied"
	retireCopy progress = "being retired"
)

func (p place) String() string {
	out := fmt.Sprintf("%s of %d", p.kind, p.versions)
	for _, w := range []struct {
		is   bool
		word string
	}{{p.copies != "", ", " + string(p.copies)}, {!p.last, " with a stage behind"}, {p.hooks != "", " " + string(p.hooks)}, {!p.entered, " not entered"}, {p.removed, " one removed"}, {p.over, " at its horizon"}} {
		if w.is {
			out += w.word
		}
	}
	return out
}

// places lists every stage kind, and warm after a promotion, in all situations.
func places() []place {
	var out []place
	for _, kind := range []experiment.StageKind{
		experiment.KindRamp, experiment.KindSplit, experiment.KindMirror, experiment.KindBandit, experiment.KindSwitch, experiment.KindObserve, experiment.KindWarm,
	} {
		for _, at := range []place{{last: true, entered: true}, {entered: true}, {last: true}} {
			for _, of := range []place{{versions: 2}, {versions: 3}, {versions: 3, removed: true}} {
				p := place{kind: kind, last: at.last, entered: at.entered, versions: of.versions, removed: of.removed}
				switch {
				case kind == experiment.KindWarm && (!at.last || !at.entered || of.versions == 3 && !of.removed):
				case kind == experiment.KindWarm:
					for _, c := range []progress{"", toCopy, whileCopy, afterCopy, retireCopy} {
						p.copies = c
						out = append(out, p)
					}
				case kind == experiment.KindSwitch && of.versions == 3 && !of.removed: // Comes after a choice.
				default:
					out = append(out, p)
				}
			}
		}
	}
	for _, last := range []bool{true, false} {
		for _, kind := range []experiment.StageKind{experiment.KindRamp, experiment.KindMirror, experiment.KindBandit} {
			out = append(out, place{kind: kind, last: last, entered: true, over: true, versions: 2})
		}
		out = append(out, place{kind: experiment.KindBandit, last: last, entered: true, over: true, versions: 3})
	}
	for _, p := range slices.Clone(out) {
		for _, h := range []hooking{hooksQuiet, hooksAsked, hooksFailed} {
			raises := p.kind == experiment.KindRamp || p.kind == experiment.KindMirror && !p.entered || p.kind == experiment.KindBandit && p.entered || p.kind == experiment.KindSwitch && !p.entered
			if p.hooks = h; p.versions == 2 && p.last && !p.over && (p.entered && h == hooksQuiet || h != hooksQuiet && raises) {
				out = append(out, p)
			}
		}
	}
	return out
}

// TestEveryCombination decides in every combination of stage kind, place,
// number of candidates, reward, objective, guardrail, gate, command, trust,
// readiness and condition, and holds each against every invariant.
func TestEveryCombination(t *testing.T) {
	results := make(chan exhausted, len(places()))
	t.Run("places", func(t *testing.T) {
		for _, at := range places() {
			t.Run(at.String(), func(t *testing.T) {
				t.Parallel()
				var n exhausted
				p, s := placed(at)
				everyFact(t, p, s, at.kind == experiment.KindRamp, &n)
				results <- n
			})
		}
	})
	close(results)
	var n exhausted
	for r := range results {
		n.decisions += r.decisions
		n.ended += r.ended
		n.moved += r.moved
		n.promoted += r.promoted
		n.removed += r.removed
	}
	t.Logf("went through %+v", n)
	if n.decisions < 400_000 || n.ended == 0 || n.moved == 0 || n.promoted == 0 || n.removed == 0 {
		t.Errorf("went through %+v", n)
	}
}

// placed is a plan with a stage of the kind, and a state inside of it.
func placed(at place) (*experiment.Plan, experiment.State) {
	limit, least := .01, .5
	p := &experiment.Plan{
		Name: "x", Window: time.Minute, Stale: 5 * time.Minute, Metrics: everyMetric(),
		Objectives: []experiment.Objective{{Metric: "errors", Max: &limit}},
		Guardrails: []experiment.Guardrail{{Metric: "refund", NoWorseThan: experiment.Margin{Absolute: .01}}},
		Reward:     &experiment.Reward{Metric: "purchase", MinimumEffect: experiment.Margin{Absolute: .01}},
		OnUnknown:  experiment.OnUnknown{After: time.Minute, Do: experiment.PolicyRollback},
	}
	for v := range at.versions {
		p.Versions = append(p.Versions, experiment.Version{Name: fmt.Sprintf("v%d", v+1)})
	}
	stage := experiment.Stage{Name: "here", Require: []experiment.Objective{{Metric: "overlap", Min: &least}}}
	until, horizon := experiment.Until{Decided: true, AtMost: time.Hour}, 3*time.Hour
	if at.over {
		horizon, p.OnUnknown.Do = time.Hour, experiment.PolicyHold
	}
	switch at.kind {
	case experiment.KindRamp:
		stage.Ramp = &experiment.Ramp{Steps: []experiment.Share{1000, 3000}, AtMost: horizon, Hold: experiment.Hold{Requests: 10}}
	case experiment.KindSplit:
		stage.Split = &experiment.Split{Shares: experiment.Shares{4000, 3000, 3000}[:at.versions], Until: until, Otherwise: experiment.KeepBaseline}
		stage.Split.Shares[0] = experiment.Whole - experiment.Share(at.versions-1)*3000
	case experiment.KindMirror:
		stage.Mirror = &experiment.Mirror{Share: 1000, Until: experiment.Until{Pairs: 10, AtMost: horizon}}
	case experiment.KindBandit:
		until.Best, until.AtMost = .9, horizon
		stage.Bandit = &experiment.Bandit{Policy: experiment.Thompson, Every: time.Minute, Explore: 10, Fallback: at.versions - 1, Until: until, Otherwise: experiment.PromoteCandidate}
	case experiment.KindSwitch:
		stage.Switch = &experiment.Switch{Warm: time.Minute, Soak: time.Minute}
	case experiment.KindWarm:
		stage.Observe = &experiment.Observe{}
		p.Promote = experiment.Promotion{KeepWarm: &experiment.KeepWarm{AtLeast: time.Minute, Holdback: 500}, Loser: experiment.LoserDelete}
	default:
		stage.Observe = &experiment.Observe{For: time.Minute}
	}
	p.Stages = []experiment.Stage{stage}
	if !at.last {
		p.Stages = append(p.Stages, experiment.Stage{Name: "next", Ramp: &experiment.Ramp{Steps: []experiment.Share{4000}, Hold: experiment.Hold{Requests: 10}}})
	}
	s, _, _ := Start(p, epoch)
	ready := epoch
	s.ReadySince = &ready
	if at.removed {
		s.Removed = []experiment.Removal{{Version: at.versions - 1, At: epoch}}
	}
	if at.hooks != "" {
		p.Actions = everyHook()
	}
	if at.entered {
		enter(p, &s, at)
	}
	hook := experiment.OnStart
	if at.entered {
		hook = experiment.OnStep
	}
	switch asked := runs(p, hook, s.Transition); at.hooks {
	case hooksAsked:
		s.Actions = asked
	case hooksFailed:
		s.Failed = []experiment.ActionFailure{{Intent: asked[0], At: epoch, Why: "refused"}}
	}
	return p, s
}

// enter gives a state the shares of its stage.
func enter(p *experiment.Plan, s *experiment.State, at place) {
	d := &deciding{plan: p, before: s, state: s.Clone()}
	d.look()
	want := d.wants(&p.Stages[0], 0)
	switch at.kind {
	case experiment.KindWarm:
		s.Condition, s.Winner = experiment.Warm, 1
		want.all = experiment.Shares{500, 9500, 0}[:at.versions]
		if at.copies != "" {
			p.Promote.How, p.Promote.Loser = experiment.PromoteCopy, experiment.LoserScaleDown
		}
		if at.copies == whileCopy || at.copies == afterCopy {
			want.all = experiment.Shares{0, experiment.Whole, 0}[:at.versions]
		}
		switch at.copies {
		case whileCopy:
			s.Actions = []experiment.Intent{{Kind: experiment.IntentCopy, Transition: 2}}
		case afterCopy:
			s.Copied = true
		case retireCopy:
			s.Condition, s.Outcome, s.Copied = experiment.Done, experiment.Promoted, true
			s.Actions = []experiment.Intent{{Kind: experiment.IntentRetire, Transition: 2}}
			want.all = experiment.Shares{experiment.Whole, 0, 0}[:at.versions]
		}
	case experiment.KindObserve:
		want.all = experiment.Shares{7000, 3000, 0}[:at.versions]
	}
	s.Slots, s.Phase, s.Transition = experiment.SlotsOf(want.all), 2, 2
	s.Decisions = append(s.Decisions, experiment.Decision{Act: experiment.ActPromote, Reasons: []experiment.Reason{experiment.Because(experiment.ReasonSafe, "version", "v2")}})
}

// trusts lists ways to be trustworthy or not: what to do to facts.
func trusts() []func(*experiment.Facts) {
	source := func(h experiment.SourceHealth) func(*experiment.Facts) {
		return func(f *experiment.Facts) { f.Sources = []experiment.SourceHealth{h} }
	}
	return []func(*experiment.Facts){
		func(*experiment.Facts) {},
		func(f *experiment.Facts) { f.Judgement.Mismatch = true },
		source(experiment.SourceHealth{Source: experiment.SourceGateway, Down: "refused"}),
		source(experiment.SourceHealth{Source: experiment.SourceGateway, Newest: epoch.Add(-time.Hour)}),
		source(experiment.SourceHealth{Source: experiment.SourceOutcomes, Gap: true}),
		func(f *experiment.Facts) {
			f.Judgement.Doubts = []experiment.Doubt{{Code: experiment.ReasonUnevenJoin, Metric: "purchase", Version: 1}}
		},
		func(f *experiment.Facts) { f.Moved = 2 },
	}
}

// everyFact decides in all combinations of facts. Conditions in which nothing of
// a stage matters are gone through once.
func everyFact(t *testing.T, p *experiment.Plan, at experiment.State, ends bool, n *exhausted) {
	now, since := epoch.Add(2*time.Hour), epoch
	try := func(condition experiment.Condition, unknown bool, f experiment.Facts) {
		s := at.Clone()
		if condition != experiment.Running {
			s.Condition = condition
		}
		if condition == experiment.Killed || condition == experiment.Done {
			s.Slots = experiment.SlotsOf(experiment.Baseline(len(p.Versions)))
		}
		if unknown {
			s.UnknownSince = &since
		}
		r := step{plan: p, before: s, facts: f, now: now}
		r.after, r.decision, r.intents = Decide(p, s, f, now)
		if err := r.check(); err != nil {
			t.Fatalf("%v\nbefore: %s\nfacts: %s\ndecision: %s", err, written(s), written(f), written(r.decision))
		}
		n.count(&r)
	}
	conditions := []experiment.Condition{experiment.Running}
	if at.Condition == experiment.Running {
		conditions = append(conditions, experiment.Paused)
		if ends {
			conditions = append(conditions, experiment.Done, experiment.Killed)
		}
	}
	for k, v := range everyVerdict(p) {
		for i, distrust := range trusts() {
			facts := experiment.Facts{Judgement: experiment.Judgement{
				Verdicts: v, Requests: 10 * int64(i%2), Pairs: 10, Seen: []int64{50, 50}, Arms: sureArms(len(p.Versions), i),
			}}
			distrust(&facts)
			for _, condition := range conditions {
				try(condition, i%2 == 1, facts)
				if i > 1 { // Trust matters to commands only in that there is none.
					continue
				}
				full := facts
				full.Judgement.Requests = 10
				try(condition, false, full)
				for _, a := range at.Actions {
					full.Actions = []experiment.ActionFact{{Intent: a, Done: k%2 == 0, Failed: k%4 == 1, Why: "refused"}}
					try(condition, false, full)
				}
				full.Ready = slices.Repeat([]bool{true, false}, 2)[:len(p.Versions)]
				try(condition, true, full)
				for _, verb := range verbs {
					if i == 1 && verb != experiment.VerbPromote && verb != experiment.VerbKill {
						continue
					}
					asked := facts
					asked.Actions = full.Actions
					asked.Commands = []experiment.Command{{ID: "c", Verb: verb, Override: k%2 == 0, Reason: "r"}}
					try(condition, i == 1, asked)
				}
			}
		}
	}
}

func (n *exhausted) count(r *step) {
	n.decisions++
	if r.after.Condition == experiment.Done {
		n.ended++
	}
	n.moved += min(1, len(r.intents))
	if r.decision.Act == experiment.ActPromote {
		n.promoted++
	}
	if r.decision.Act == experiment.ActRemove {
		n.removed++
	}
}

// sureArms is what a bandit knows: that the first candidate is the best, or that
// nobody is.
func sureArms(versions, i int) []experiment.Arm {
	arms := make([]experiment.Arm, versions)
	for v := range arms {
		arms[v] = experiment.Arm{Version: v, N: 100, Mean: .2 + .1*float64(v), SE: .02}
	}
	arms[1].Best = []float64{.95, .5}[i%2]
	return arms
}

// everyVerdict lists verdicts about reward (before and at the horizon),
// objective, guardrail and gate of the first candidate, each also missing. The
// other candidates are well but for the reward.
func everyVerdict(p *experiment.Plan) [][]experiment.Verdict {
	type both struct{ guardrail, gate experiment.Status }
	var out [][]experiment.Verdict
	for _, reward := range []struct {
		status experiment.Status
		final  bool
	}{
		{"", false},
		{experiment.Better, false},
		{experiment.Better, true},
		{experiment.NotWorse, true},
		{experiment.Worse, false},
		{experiment.Undecided, false},
		{experiment.Undecided, true},
		{experiment.Untrustworthy, true},
	} {
		for _, objective := range []experiment.Status{"", experiment.Met, experiment.Undecided, experiment.Violated} {
			for _, b := range []both{{}, {experiment.NotWorse, experiment.Met}, {experiment.Worse, experiment.Met}, {experiment.NotWorse, experiment.Violated}, {experiment.NotWorse, experiment.Undecided}} {
				var vs []experiment.Verdict
				add := func(version int, role experiment.Role, metric string, s experiment.Status) {
					if s != "" {
						vs = append(vs, experiment.Verdict{Version: version, Role: role, Metric: metric, Status: s, Final: reward.final})
					}
				}
				add(0, experiment.RoleObjective, "errors", objective)
				for v := 1; v < len(p.Versions); v++ {
					if v > 1 && b.guardrail != "" {
						b = both{experiment.NotWorse, experiment.Met}
					}
					add(v, experiment.RoleObjective, "errors", objective)
					add(v, experiment.RoleGuardrail, "refund", b.guardrail)
					add(v, experiment.RoleGate, "overlap", b.gate)
					add(v, experiment.RoleReward, "purchase", reward.status)
				}
				out = append(out, vs)
			}
		}
	}
	return out
}

// TestEveryStrictCombination decides for strict plans of every pattern and shift
// in all that may be known of two versions, wherever they stand, and holds each
// decision against every invariant.
func TestEveryStrictCombination(t *testing.T) {
	good, bad := 1.0, 200.0
	values := []experiment.Reading{{Value: &good}, {Value: &bad}, {}, {Failed: "refused"}}
	var known [][]experiment.Reading
	for i := range 256 {
		var rs []experiment.Reading
		for k, metric := range []string{"latency", "latency", "engagement", "engagement"} {
			r := values[i>>(2*k)%4]
			r.Metric, r.Version = metric, k%2
			rs = append(rs, r)
		}
		known = append(known, rs)
	}
	n, ended, moved := 0, 0, 0
	for _, pattern := range []experiment.Pattern{experiment.PatternCanary, experiment.PatternReward, experiment.PatternConformance} {
		for _, shift := range []experiment.Shift{experiment.ShiftNone, experiment.ShiftGreedy, experiment.ShiftSwitch} {
			for _, back := range []bool{false, true} {
				p := strictPlan(2, pattern, experiment.Iterate{Shift: shift, Cap: 6000, Increment: 1000, Times: 2, Loops: 2})
				p.Objectives = []experiment.Objective{{Metric: "latency", Max: ptr(100), Rollback: back}}
				p.Actions = everyHook()
				for where, s := range strictPlaces(p) {
					for i, rs := range known {
						if pattern != experiment.PatternReward && i >= 16 {
							break // A reward says nothing there.
						}
						for _, f := range strictFacts(&s, rs, i) {
							r := step{plan: p, before: s, facts: f, now: epoch.Add(time.Hour)}
							r.after, r.decision, r.intents = Decide(p, s, f, r.now)
							if err := r.check(); err != nil {
								t.Fatalf("%s, %s, %s: %v\nbefore: %s\nfacts: %s\ndecision: %s", pattern, shift, where, err, written(s), written(f), written(r.decision))
							}
							n++
							moved += min(1, len(r.intents))
							if !live(&r.after) && live(&s) {
								ended++
							}
						}
					}
				}
			}
		}
	}
	t.Logf("%d decisions, %d ends, %d with intents", n, ended, moved)
	if n < 30_000 || ended == 0 || moved == 0 {
		t.Errorf("%d decisions, %d ends, %d with intents", n, ended, moved)
	}
}

// strictPlaces is where a strict plan may stand.
func strictPlaces(p *experiment.Plan) map[string]experiment.State {
	at := func(change func(s *experiment.State)) experiment.State {
		s, _, _ := Start(p, epoch)
		s.Actions = nil
		change(&s)
		return s
	}
	iterated := func(n int) *experiment.Iteration {
		return &experiment.Iteration{Done: n, First: epoch, Last: epoch.Add(time.Minute), Best: []int{1}, Found: true, Winner: 1}
	}
	shared := func(s *experiment.State, n int) {
		s.Iteration, s.Slots = iterated(n), experiment.SlotsOf(experiment.Shares{8000, 2000})
	}
	over := func(s *experiment.State, c experiment.Condition, o experiment.Outcome) {
		shared(s, 4)
		s.Condition, s.Outcome = c, o
		s.Iteration.Over = o != experiment.RolledBack
		if o == experiment.RolledBack {
			s.Slots, s.Iteration.Found = experiment.SlotsOf(experiment.Baseline(2)), false
		}
		s.Actions = runs(p, experiment.OnFinish, s.Transition)
	}
	return map[string]experiment.State{
		"not begun":          at(func(*experiment.State) {}),
		"with onStart to do": at(func(s *experiment.State) { s.Actions = runs(p, experiment.OnStart, 1) }),
		"after the first":    at(func(s *experiment.State) { shared(s, 1) }),
		"with onStep to do":  at(func(s *experiment.State) { shared(s, 2); s.Actions = runs(p, experiment.OnStep, 1) }),
		"before the last":    at(func(s *experiment.State) { shared(s, 3) }),
		"after the last":     at(func(s *experiment.State) { shared(s, 4) }),
		"paused":             at(func(s *experiment.State) { shared(s, 1); s.Condition = experiment.Paused }),
		"with a winner":      at(func(s *experiment.State) { over(s, experiment.Done, experiment.Promoted) }),
		"rolled back":        at(func(s *experiment.State) { over(s, experiment.Done, experiment.RolledBack) }),
		"killed":             at(func(s *experiment.State) { over(s, experiment.Killed, experiment.RolledBack) }),
		"with a failed start": at(func(s *experiment.State) {
			s.Failed = []experiment.ActionFailure{{Intent: runs(p, experiment.OnStart, 1)[0], Why: "refused"}}
		}),
	}
}

// strictFacts varies what else is known beside the readings. Commands and routes
// are gone through with some of them.
func strictFacts(s *experiment.State, rs []experiment.Reading, i int) []experiment.Facts {
	f := experiment.Facts{Readings: rs}
	out := []experiment.Facts{f}
	for _, a := range s.Actions {
		f.Actions = []experiment.ActionFact{{Intent: a, Done: i%3 == 0, Failed: i%3 == 1, Why: "refused"}}
		out = append(out, f)
	}
	if i%7 != 0 {
		return out
	}
	for _, route := range []experiment.RouteFact{{Unsettled: "not yet"}, {Drifted: "somebody"}} {
		x := f
		x.Route = &route
		out = append(out, x)
	}
	x := f
	x.Ready = []bool{true, false}
	out = append(out, x)
	for _, verb := range verbs {
		x := f
		x.Commands = []experiment.Command{{ID: "c", Verb: verb, Reason: "r"}}
		out = append(out, x)
	}
	return out
}

// TestMismatchByCrashes: a candidate whose crashes cause the mismatch is removed
// at once, in every stage in which it has traffic, and not held.
func TestMismatchByCrashes(t *testing.T) {
	for _, at := range places() {
		if !at.entered || at.copies == retireCopy || at.hooks == hooksFailed {
			continue // It is over.
		}
		t.Run(at.String(), func(t *testing.T) {
			p, s := placed(at)
			f := experiment.Facts{Judgement: experiment.Judgement{
				Mismatch: true, Seen: []int64{9000, 1},
				Doubts:   []experiment.Doubt{{Code: experiment.ReasonUnevenJoin, Metric: "purchase", Version: 1}},
				Verdicts: []experiment.Verdict{{Version: 1, Role: experiment.RoleObjective, Metric: "errors", Status: experiment.Violated}},
			}, Sources: []experiment.SourceHealth{{Source: experiment.SourceGateway, Gap: true}}, Moved: 100}
			for _, condition := range []experiment.Condition{s.Condition, experiment.Paused} {
				if s.Condition == experiment.Warm && condition == experiment.Paused {
					continue
				}
				s := s.Clone()
				s.Condition = condition
				r := decideChecked(t, p, s, f, epoch.Add(time.Minute))
				want := experiment.ActRollback
				if len(p.Versions)-1-len(s.Removed) > 1 {
					want = experiment.ActRemove
				}
				if r.decision.Act != want || r.decision.To[1] != 0 || r.decision.Reasons[0].Code != experiment.ReasonObjective {
					t.Errorf("%s: %s to %s because %s", condition, r.decision.Act, r.decision.To, r.decision.Reasons)
				}
			}
		})
	}
}
