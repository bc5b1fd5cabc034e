// SPDX-License-Identifier: Apache-2.0

package decide

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// plans draws plans that validation would let through, and some with more
// versions than it lets through today.
func plans() *rapid.Generator[*experiment.Plan] {
	return rapid.Custom(func(t *rapid.T) *experiment.Plan {
		n := rapid.SampledFrom([]int{1, 2, 2, 2, 3}).Draw(t, "versions")
		p := &experiment.Plan{
			Name: "x", Window: time.Minute, Stale: 5 * time.Minute,
			Metrics: []experiment.Metric{
				{Name: "errors", Goal: experiment.Decrease, Builtin: &experiment.BuiltinMetric{Kind: experiment.ErrorRate}},
				{Name: "p99", Goal: experiment.Decrease, Builtin: &experiment.BuiltinMetric{Kind: experiment.Latency, Quantile: .99, Limit: time.Second}},
				{Name: "purchase", Goal: experiment.Increase, Outcomes: &experiment.OutcomesMetric{Event: "purchase", Window: time.Hour}},
			},
			OnUnknown: experiment.OnUnknown{
				After: time.Duration(rapid.IntRange(1, 30).Draw(t, "after")) * time.Minute,
				Do:    rapid.SampledFrom([]experiment.Policy{experiment.PolicyHold, experiment.PolicyRollback}).Draw(t, "do"),
			},
		}
		for v := range n {
			p.Versions = append(p.Versions, experiment.Version{Name: fmt.Sprintf("v%d", v+1), Backend: "http://a"})
		}
		limit := .01
		for _, m := range []string{"errors", "p99"} {
			if n == 1 || rapid.Bool().Draw(t, "objective "+m) {
				p.Objectives = append(p.Objectives, experiment.Objective{Metric: m, Max: &limit})
			}
		}
		if n > 1 && rapid.Bool().Draw(t, "guardrail") {
			p.Guardrails = []experiment.Guardrail{{Metric: "errors", NoWorseThan: experiment.Margin{Absolute: .01}}}
		}
		if n > 1 && rapid.IntRange(0, 3).Draw(t, "reward") > 0 {
			p.Reward = &experiment.Reward{Metric: "purchase", MinimumEffect: experiment.Margin{Absolute: .01}}
		}
		for range rapid.IntRange(1, 4).Draw(t, "stages") {
			p.Stages = append(p.Stages, stages(p, len(p.Stages)).Draw(t, "stage"))
		}
		return p
	})
}

func stages(p *experiment.Plan, number int) *rapid.Generator[experiment.Stage] {
	return rapid.Custom(func(t *rapid.T) experiment.Stage {
		s := experiment.Stage{Name: fmt.Sprintf("s%d", number)}
		kinds := []experiment.StageKind{experiment.KindObserve}
		if len(p.Versions) > 1 {
			kinds = append(kinds, experiment.KindRamp, experiment.KindRamp)
			if p.Reward != nil {
				kinds = append(kinds, experiment.KindSplit, experiment.KindSplit)
			}
		}
		minutes := func(name string) time.Duration {
			return time.Duration(rapid.IntRange(0, 5).Draw(t, name)) * time.Minute
		}
		switch rapid.SampledFrom(kinds).Draw(t, "kind") {
		case experiment.KindRamp:
			top := experiment.Whole / (len(p.Versions) - 1)
			steps := rapid.SliceOfNDistinct(rapid.IntRange(0, top), 1, 5, rapid.ID[int]).Draw(t, "steps")
			slices.Sort(steps)
			s.Ramp = &experiment.Ramp{Hold: experiment.Hold{
				Requests: int64(rapid.IntRange(0, 50).Draw(t, "requests")), Windows: rapid.IntRange(0, 2).Draw(t, "windows"),
				Settle: minutes("settle"), For: minutes("for"),
			}}
			for _, x := range steps {
				s.Ramp.Steps = append(s.Ramp.Steps, experiment.Share(x))
			}
		case experiment.KindSplit:
			s.Split = &experiment.Split{
				Shares: sharesOf(t, len(p.Versions)),
				Until: experiment.Until{
					Decided: rapid.Bool().Draw(t, "decided"), Units: int64(rapid.IntRange(0, 100).Draw(t, "units")),
					AtLeast: minutes("least"), AtMost: 5*time.Minute + minutes("most"),
				},
				Otherwise: rapid.SampledFrom([]experiment.Otherwise{experiment.KeepBaseline, experiment.PromoteCandidate}).Draw(t, "otherwise"),
			}
		default:
			s.Observe = &experiment.Observe{For: minutes("for")}
		}
		return s
	})
}

func sharesOf(t *rapid.T, n int) experiment.Shares {
	shares, left := make(experiment.Shares, n), experiment.Whole
	for v := 1; v < n; v++ {
		k := rapid.IntRange(1, left/2).Draw(t, "share")
		shares[v] = experiment.Share(k)
		left -= k
	}
	shares[0] = experiment.Share(left)
	return shares
}

var (
	objectiveStatuses = []experiment.Status{experiment.Met, experiment.Met, experiment.Met, experiment.Undecided, experiment.Violated}
	guardrailStatuses = []experiment.Status{experiment.NotWorse, experiment.NotWorse, experiment.NotWorse, experiment.Undecided, experiment.Worse}
	rewardStatuses    = []experiment.Status{experiment.Better, experiment.Better, experiment.NotWorse, experiment.Undecided, experiment.Untrustworthy, experiment.Worse}
	verbs             = []experiment.Verb{experiment.VerbPause, experiment.VerbResume, experiment.VerbPromote, experiment.VerbAbort, experiment.VerbLift, experiment.VerbRetry, experiment.VerbKill, "dance"}
)

// factsOf draws facts about a plan: mostly peaceful, so that long lives happen.
func factsOf(p *experiment.Plan, now time.Time, tick int) *rapid.Generator[experiment.Facts] {
	return rapid.Custom(func(t *rapid.T) experiment.Facts {
		var f experiment.Facts
		j := &f.Judgement
		j.Requests = int64(rapid.IntRange(0, 60).Draw(t, "requests"))
		j.Clean = rapid.IntRange(0, 3).Draw(t, "clean")
		seldom := func(name string) bool { return rapid.IntRange(0, 14).Draw(t, name) == 14 }
		verdict := func(v int, role experiment.Role, metric string, of []experiment.Status) {
			if seldom("silent") {
				return
			}
			x := experiment.Verdict{Version: v, Role: role, Metric: metric, Status: rapid.SampledFrom(of).Draw(t, metric)}
			if x.Status == experiment.Violated || x.Status == experiment.Worse {
				x.Status = rapid.SampledFrom([]experiment.Status{of[0], of[0], of[0], x.Status}).Draw(t, "harm")
			}
			if rapid.Bool().Draw(t, "known") {
				e := rapid.Float64Range(-1, 1).Draw(t, "estimate")
				x.Estimate, x.Interval = &e, &stats.Interval{Low: e - .1, High: e + .1}
			}
			x.Final = role == experiment.RoleReward && seldom("final")
			x.Equivalent = x.Final && rapid.Bool().Draw(t, "equivalent")
			j.Verdicts = append(j.Verdicts, x)
		}
		for v := range p.Versions {
			for _, o := range p.Objectives {
				verdict(v, experiment.RoleObjective, o.Metric, objectiveStatuses)
			}
			if v == 0 {
				continue
			}
			for _, g := range p.Guardrails {
				verdict(v, experiment.RoleGuardrail, g.Metric, guardrailStatuses)
			}
			if p.Reward != nil {
				verdict(v, experiment.RoleReward, p.Reward.Metric, rewardStatuses)
			}
		}
		j.Mismatch = seldom("mismatch")
		switch rapid.IntRange(0, 30).Draw(t, "source") {
		case 30:
			f.Sources = []experiment.SourceHealth{{Source: experiment.SourceGateway, Down: "refused"}}
		case 29:
			f.Sources = []experiment.SourceHealth{{Source: experiment.SourceOutcomes, Gap: true}}
		case 28:
			f.Sources = []experiment.SourceHealth{{Source: experiment.SourceGateway, Newest: now.Add(-time.Hour)}}
		default:
			f.Sources = []experiment.SourceHealth{{Source: experiment.SourceGateway, Newest: now}}
		}
		if rapid.Bool().Draw(t, "probed") {
			for range p.Versions {
				f.Ready = append(f.Ready, !seldom("not ready"))
			}
		}
		for i := range rapid.SampledFrom([]int{0, 0, 0, 0, 0, 0, 1, 2}).Draw(t, "commands") {
			f.Commands = append(f.Commands, experiment.Command{
				// Ids repeat now and then.
				ID:   fmt.Sprintf("c%d", rapid.IntRange(max(0, tick-1), tick).Draw(t, "id")+1000*i),
				Verb: rapid.SampledFrom(verbs).Draw(t, "verb"), Author: rapid.SampledFrom([]string{"", "ann", "{reason}"}).Draw(t, "author"),
				Reason: rapid.SampledFrom([]string{"", "why not", "{author}"}).Draw(t, "why"), Override: rapid.Bool().Draw(t, "override"),
			})
		}
		return f
	})
}

// life plays a random plan through random facts; decideChecked holds every
// decision against the invariants.
func life(t *rapid.T) []experiment.Decision {
	p := plans().Draw(t, "plan")
	now := epoch
	s, _, _ := Start(p, now)
	var out []experiment.Decision
	for tick := range rapid.IntRange(1, 25).Draw(t, "ticks") {
		now = now.Add(time.Duration(rapid.IntRange(1, 300).Draw(t, "seconds")) * time.Second)
		r := decideChecked(t, p, s, factsOf(p, now, tick).Draw(t, "facts"), now)
		s = r.after
		out = append(out, r.decision)
	}
	return out
}

// TestRandomLives is D1, D2, D3, D4, D6, D7 and D8 over random lives.
func TestRandomLives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { life(t) })
}

// TestRandomLivesGoEverywhere: what never happens in a random life was not
// checked. The seeds are fixed.
func TestRandomLivesGoEverywhere(t *testing.T) {
	acts, codes := map[experiment.Act]int{}, map[experiment.ReasonCode]int{}
	lives := rapid.Custom(life)
	for seed := range 150 {
		for _, d := range lives.Example(seed) {
			acts[d.Act]++
			for _, x := range d.Reasons {
				codes[x.Code]++
			}
		}
	}
	for _, a := range []experiment.Act{experiment.ActHold, experiment.ActAdvance, experiment.ActRollback, experiment.ActPromote, experiment.ActStop, experiment.ActPause, experiment.ActResume, experiment.ActRetry} {
		if acts[a] == 0 {
			t.Errorf("no random life came to %s; acts: %v", a, acts)
		}
	}
	for _, c := range []experiment.ReasonCode{experiment.ReasonBetter, experiment.ReasonMismatch, experiment.ReasonSourceDown, experiment.ReasonStepHeld, experiment.ReasonLifted} {
		if codes[c] == 0 {
			t.Errorf("no random life came to %s; codes: %v", c, codes)
		}
	}
}

// TestKillFromAnywhere is D3: wherever a life has come to, a kill without any
// evidence gives the baseline everything; after it only a lift or a retry
// changes anything (D8).
func TestKillFromAnywhere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := plans().Draw(t, "plan")
		now := epoch
		s, _, _ := Start(p, now)
		for tick := range rapid.IntRange(0, 15).Draw(t, "ticks") {
			now = now.Add(time.Minute)
			s = decideChecked(t, p, s, factsOf(p, now, tick).Draw(t, "facts"), now).after
		}
		kill := experiment.Facts{Commands: []experiment.Command{{ID: "kill", Verb: experiment.VerbKill}}}
		s = decideChecked(t, p, s, kill, now).after
		if s.Condition != experiment.Killed || !slices.Equal(s.Slots.Shares(len(p.Versions)), experiment.Baseline(len(p.Versions))) {
			t.Fatalf("after a kill: %s, %s", s.Condition, s.Slots.Shares(len(p.Versions)))
		}
		killed := s
		for tick := range 5 {
			now = now.Add(time.Minute)
			f := factsOf(p, now, 100+tick).Draw(t, "later facts")
			f.Commands = slices.DeleteFunc(f.Commands, func(c experiment.Command) bool {
				return c.Verb == experiment.VerbLift || c.Verb == experiment.VerbRetry || c.Verb == experiment.VerbKill
			})
			s = decideChecked(t, p, s, f, now).after
		}
		s.Commands, killed.Commands = nil, nil // What was refused is remembered.
		if d := cmp.Diff(killed, s); d != "" {
			t.Fatalf("D8: a killed experiment changed (-killed +later):\n%s", d)
		}
		lift := experiment.Facts{Commands: []experiment.Command{{ID: "lift", Verb: experiment.VerbLift}}}
		if r := decideChecked(t, p, s, lift, now); r.after.Condition != experiment.Done || r.decision.Act != experiment.ActStop {
			t.Fatalf("after a lift: %s, %s", r.after.Condition, r.decision.Act)
		}
	})
}

// exhausted counts what the exhaustive check went through.
type exhausted struct{ decisions, ended, moved int }

// TestEveryCombination decides in every combination of stage kind, place,
// reward, objective, guardrail, command, trust, readiness and condition.
func TestEveryCombination(t *testing.T) {
	var n exhausted
	for _, last := range []bool{true, false} {
		for _, kind := range []experiment.StageKind{experiment.KindRamp, experiment.KindSplit, experiment.KindObserve} {
			for _, entered := range []bool{true, false} {
				if !entered && !last {
					continue // What comes after matters only to who is inside.
				}
				p, s := placed(kind, last, entered)
				everyFact(t, p, s, &n)
			}
		}
	}
	if n.decisions < 100_000 || n.ended == 0 || n.moved == 0 {
		t.Errorf("went through %+v", n)
	}
}

// placed is a plan with a stage of the kind, and a state inside of it.
func placed(kind experiment.StageKind, last, entered bool) (*experiment.Plan, experiment.State) {
	limit := .01
	p := &experiment.Plan{
		Name: "x", Window: time.Minute, Stale: 5 * time.Minute,
		Versions: []experiment.Version{{Name: "v1"}, {Name: "v2"}},
		Metrics: []experiment.Metric{
			{Name: "errors", Goal: experiment.Decrease, Builtin: &experiment.BuiltinMetric{Kind: experiment.ErrorRate}},
			{Name: "purchase", Goal: experiment.Increase, Outcomes: &experiment.OutcomesMetric{Event: "purchase", Window: time.Hour}},
		},
		Objectives: []experiment.Objective{{Metric: "errors", Max: &limit}},
		Guardrails: []experiment.Guardrail{{Metric: "errors", NoWorseThan: experiment.Margin{Absolute: .01}}},
		Reward:     &experiment.Reward{Metric: "purchase", MinimumEffect: experiment.Margin{Absolute: .01}},
		OnUnknown:  experiment.OnUnknown{After: time.Minute, Do: experiment.PolicyRollback},
	}
	stage, shares := experiment.Stage{Name: "here"}, experiment.Shares{5000, 5000}
	switch kind {
	case experiment.KindRamp:
		stage.Ramp = &experiment.Ramp{Steps: []experiment.Share{1000, 5000}, Hold: experiment.Hold{Requests: 10}}
		shares = experiment.Shares{9000, 1000}
	case experiment.KindSplit:
		stage.Split = &experiment.Split{Shares: shares, Until: experiment.Until{Decided: true, AtMost: time.Hour}, Otherwise: experiment.KeepBaseline}
	default:
		stage.Observe = &experiment.Observe{For: time.Minute}
	}
	p.Stages = []experiment.Stage{stage}
	if !last {
		p.Stages = append(p.Stages, experiment.Stage{Name: "next", Ramp: &experiment.Ramp{Steps: []experiment.Share{8000}, Hold: experiment.Hold{Requests: 10}}})
	}
	s, _, _ := Start(p, epoch)
	if entered {
		s.Slots, s.Phase, s.Transition = experiment.SlotsOf(shares), 2, 2
	}
	return p, s
}

// everyFact decides in all combinations of facts.
func everyFact(t *testing.T, p *experiment.Plan, at experiment.State, n *exhausted) {
	sources := [][]experiment.SourceHealth{
		nil,
		{{Source: experiment.SourceGateway, Down: "refused"}},
		{{Source: experiment.SourceGateway, Newest: epoch.Add(-time.Hour)}},
		{{Source: experiment.SourceGateway, Newest: epoch.Add(2 * time.Hour)}},
	}
	now := epoch.Add(2 * time.Hour)
	since := epoch
	try := func(condition experiment.Condition, unknown bool, f experiment.Facts) {
		s := at.Clone()
		s.Condition = condition
		if condition == experiment.Killed {
			s.Slots = experiment.SlotsOf(experiment.Baseline(2))
		}
		if unknown {
			s.UnknownSince = &since
		}
		r := step{plan: p, before: s, facts: f, now: now}
		r.after, r.decision, r.intents = Decide(p, s, f, now)
		if err := r.check(); err != nil {
			t.Fatalf("%v\nbefore: %s\nfacts: %s\ndecision: %s", err, written(s), written(f), written(r.decision))
		}
		n.decisions++
		if r.after.Condition == experiment.Done {
			n.ended++
		}
		n.moved += len(r.intents)
	}
	for _, condition := range []experiment.Condition{experiment.Running, experiment.Paused, experiment.Done, experiment.Killed} {
		for _, v := range everyVerdict() {
			for _, command := range append([]experiment.Verb{""}, verbs...) {
				for i, source := range sources {
					f := experiment.Facts{Judgement: experiment.Judgement{Verdicts: v, Mismatch: i == 3, Requests: 10 * int64(i%2)}, Sources: source}
					if command != "" {
						f.Commands = []experiment.Command{{ID: "c", Verb: command, Override: i%2 == 0, Reason: "r"}}
					}
					try(condition, i == 1, f)
					if command == "" {
						f.Judgement.Requests = 10
						try(condition, false, f)
						f.Ready = []bool{true, false}
						try(condition, true, f)
					}
				}
			}
		}
	}
}

// everyVerdict lists verdicts about reward (with and without an end of the
// horizon), objective and guardrail, each also missing.
func everyVerdict() [][]experiment.Verdict {
	var out [][]experiment.Verdict
	for _, reward := range []experiment.Status{"", experiment.Better, experiment.NotWorse, experiment.Worse, experiment.Undecided, experiment.Untrustworthy} {
		for _, final := range []bool{false, true} {
			for _, objective := range []experiment.Status{"", experiment.Met, experiment.Undecided, experiment.Violated} {
				for _, guardrail := range []experiment.Status{"", experiment.NotWorse, experiment.Worse} {
					var vs []experiment.Verdict
					add := func(version int, role experiment.Role, metric string, s experiment.Status) {
						if s != "" {
							vs = append(vs, experiment.Verdict{Version: version, Role: role, Metric: metric, Status: s, Final: final})
						}
					}
					add(0, experiment.RoleObjective, "errors", objective)
					add(1, experiment.RoleObjective, "errors", objective)
					add(1, experiment.RoleGuardrail, "errors", guardrail)
					add(1, experiment.RoleReward, "purchase", reward)
					out = append(out, vs)
				}
			}
		}
	}
	return out
}
