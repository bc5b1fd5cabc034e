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

// everyMetric is the metrics that plans of these tests are made of.
func everyMetric() []experiment.Metric {
	return []experiment.Metric{
		{Name: "errors", Goal: experiment.Decrease, Builtin: &experiment.BuiltinMetric{Kind: experiment.ErrorRate}},
		{Name: "p99", Goal: experiment.Decrease, Builtin: &experiment.BuiltinMetric{Kind: experiment.Latency, Quantile: .99, Limit: time.Second}},
		{Name: "purchase", Goal: experiment.Increase, Outcomes: &experiment.OutcomesMetric{Event: "purchase", Window: time.Hour}},
		{Name: "refund", Goal: experiment.Decrease, Outcomes: &experiment.OutcomesMetric{Event: "refund", Window: 2 * time.Hour}},
		{Name: "overlap", Goal: experiment.Increase, Pairs: &experiment.PairsMetric{Compare: experiment.CompareRanking, K: 10}},
	}
}

// tier is the one segment of these tests; its groups are premium, basic, other.
func tier() experiment.Segment {
	return experiment.Segment{Name: "tier", Header: "x-tier", Values: []string{"premium", "basic"}, Stratify: true}
}

// plans draws plans of every stage kind, with one to four versions.
func plans() *rapid.Generator[*experiment.Plan] {
	return rapid.Custom(func(t *rapid.T) *experiment.Plan {
		n := rapid.SampledFrom([]int{1, 2, 2, 2, 3, 3, 4}).Draw(t, "versions")
		p := &experiment.Plan{
			Name: "x", Window: time.Minute, Stale: 5 * time.Minute, Lag: time.Second, Metrics: everyMetric(),
			OnUnknown: experiment.OnUnknown{
				After: time.Duration(rapid.IntRange(1, 30).Draw(t, "after")) * time.Minute,
				Do:    rapid.SampledFrom([]experiment.Policy{experiment.PolicyHold, experiment.PolicyRollback}).Draw(t, "do"),
			},
		}
		for v := range n {
			p.Versions = append(p.Versions, experiment.Version{Name: fmt.Sprintf("v%d", v+1), Backend: "http://a"})
		}
		if rapid.Bool().Draw(t, "segment") {
			p.Segments = []experiment.Segment{tier()}
		}
		limit := .01
		for _, m := range []string{"errors", "p99"} {
			if n == 1 || rapid.Bool().Draw(t, "objective "+m) {
				p.Objectives = append(p.Objectives, experiment.Objective{Metric: m, Max: &limit, Owner: rapid.SampledFrom([]string{"", "sre"}).Draw(t, "owner")})
			}
		}
		if n > 1 {
			compared(t, p)
		}
		for range rapid.IntRange(1, 4).Draw(t, "stages") {
			p.Stages = append(p.Stages, stages(p, len(p.Stages)).Draw(t, "stage"))
		}
		return p
	})
}

// compared draws what a plan with candidates may have besides its stages.
func compared(t *rapid.T, p *experiment.Plan) {
	if rapid.Bool().Draw(t, "guardrail") {
		g := experiment.Guardrail{Metric: "refund", NoWorseThan: experiment.Margin{Absolute: .01}}
		if len(p.Segments) > 0 && rapid.Bool().Draw(t, "sliced") {
			g.Slices = []string{"tier"}
		}
		p.Guardrails = append(p.Guardrails, g)
	}
	if rapid.IntRange(0, 4).Draw(t, "reward") > 0 {
		p.Reward = &experiment.Reward{Metric: "purchase", MinimumEffect: experiment.Margin{Absolute: .01}, Range: &experiment.Range{High: 1}}
	}
	if rapid.Bool().Draw(t, "keep warm") {
		p.Promote.KeepWarm = &experiment.KeepWarm{
			AtLeast:  time.Duration(rapid.IntRange(0, 10).Draw(t, "warm")) * time.Minute,
			Approval: rapid.SampledFrom([]string{"", "", "lead"}).Draw(t, "warm approval"),
			Holdback: rapid.SampledFrom([]experiment.Share{0, 0, 500}).Draw(t, "holdback"),
		}
		if rapid.IntRange(0, 5).Draw(t, "matured") == 5 {
			p.Promote.KeepWarm.Matured = []string{"purchase"}
		}
	}
	p.Promote.How = rapid.SampledFrom([]experiment.PromoteHow{"", experiment.PromotePointer, experiment.PromoteCopy}).Draw(t, "how")
	p.Promote.Loser = rapid.SampledFrom([]experiment.Loser{"", experiment.LoserKeep, experiment.LoserScaleDown, experiment.LoserDelete}).Draw(t, "loser")
	if rapid.IntRange(0, 3).Draw(t, "budget") == 3 {
		p.Budget = &experiment.Budget{Cost: 100, Units: 1000, Duration: 2 * time.Hour, OnExceeded: rapid.SampledFrom([]experiment.Policy{experiment.PolicyHold, experiment.PolicyRollback}).Draw(t, "exceeded")}
	}
}

func stages(p *experiment.Plan, number int) *rapid.Generator[experiment.Stage] {
	return rapid.Custom(func(t *rapid.T) experiment.Stage {
		s := experiment.Stage{Name: fmt.Sprintf("s%d", number), Approval: rapid.SampledFrom([]string{"", "", "", "", "lead"}).Draw(t, "approval")}
		kinds := []experiment.StageKind{experiment.KindObserve}
		if len(p.Versions) > 1 {
			kinds = append(kinds, experiment.KindRamp, experiment.KindRamp, experiment.KindMirror)
			if p.Reward != nil {
				kinds = append(kinds, experiment.KindSplit, experiment.KindSplit, experiment.KindBandit, experiment.KindBandit)
			}
			chooses := slices.ContainsFunc(p.Stages, func(s experiment.Stage) bool { return s.Split != nil || s.Bandit != nil })
			if len(p.Versions) == 2 || chooses {
				kinds = append(kinds, experiment.KindSwitch)
			}
			limit := .5
			if rapid.IntRange(0, 3).Draw(t, "gated") == 3 {
				s.Require = []experiment.Objective{{Metric: "overlap", Min: &limit}}
			}
			if len(p.Segments) > 0 && rapid.IntRange(0, 3).Draw(t, "limited") == 3 {
				s.Where = experiment.Where{{Segment: "tier", Not: []string{"premium"}}}
			}
		}
		kind(t, p, &s, rapid.SampledFrom(kinds).Draw(t, "kind"))
		return s
	})
}

func kind(t *rapid.T, p *experiment.Plan, s *experiment.Stage, kind experiment.StageKind) {
	minutes := func(name string) time.Duration {
		return time.Duration(rapid.IntRange(0, 5).Draw(t, name)) * time.Minute
	}
	until := experiment.Until{
		Decided: rapid.Bool().Draw(t, "decided"), Units: int64(rapid.IntRange(0, 100).Draw(t, "units")),
		AtLeast: minutes("least"), AtMost: 5*time.Minute + 4*minutes("most"),
	}
	otherwise := rapid.SampledFrom([]experiment.Otherwise{experiment.KeepBaseline, experiment.PromoteCandidate, experiment.AskPerson}).Draw(t, "otherwise")
	switch kind {
	case experiment.KindRamp:
		top := experiment.Whole / (len(p.Versions) - 1)
		steps := rapid.SliceOfNDistinct(rapid.IntRange(0, top), 1, 5, rapid.ID[int]).Draw(t, "steps")
		slices.Sort(steps)
		s.Ramp = &experiment.Ramp{AtMost: 10*time.Minute + 10*minutes("most"), Hold: experiment.Hold{
			Requests: int64(rapid.IntRange(0, 50).Draw(t, "requests")), Windows: rapid.IntRange(0, 2).Draw(t, "windows"),
			Settle: minutes("settle"), For: minutes("for"),
		}}
		for _, x := range steps {
			s.Ramp.Steps = append(s.Ramp.Steps, experiment.Share(x))
		}
	case experiment.KindSplit:
		s.Split = &experiment.Split{Shares: drawShares(t, len(p.Versions)), Until: until, Otherwise: otherwise}
	case experiment.KindMirror:
		until.Pairs = int64(rapid.IntRange(0, 20).Draw(t, "pairs"))
		s.Mirror = &experiment.Mirror{Share: 1000, Until: until, Cost: rapid.SampledFrom([]float64{0, 50}).Draw(t, "cost")}
	case experiment.KindBandit:
		until.Best = rapid.SampledFrom([]float64{0, .9}).Draw(t, "best")
		until.AtMost += 20 * time.Minute
		s.Bandit = banditOf(t, p, until, otherwise)
	case experiment.KindSwitch:
		s.Switch = &experiment.Switch{Warm: minutes("warm"), Soak: minutes("soak")}
	default:
		s.Observe = &experiment.Observe{For: minutes("for")}
	}
}

func banditOf(t *rapid.T, p *experiment.Plan, until experiment.Until, otherwise experiment.Otherwise) *experiment.Bandit {
	n := len(p.Versions)
	b := &experiment.Bandit{
		Policy:  rapid.SampledFrom([]experiment.BanditPolicy{experiment.EpsilonGreedy, experiment.UCB1, experiment.KLUCB, experiment.Thompson, experiment.TopTwo}).Draw(t, "policy"),
		Epsilon: .1, Every: time.Duration(rapid.IntRange(1, 5).Draw(t, "every")) * time.Minute, Explore: int64(rapid.IntRange(0, 30).Draw(t, "explore")),
		Step: experiment.Share(rapid.IntRange(0, 5000).Draw(t, "step")), Still: rapid.IntRange(0, 5).Draw(t, "still") == 5,
		Fallback: rapid.SampledFrom([]int{0, 0, 0, n - 1}).Draw(t, "fallback"), Until: until, Otherwise: otherwise,
	}
	for range n {
		b.Min = append(b.Min, experiment.Share(rapid.IntRange(0, experiment.Whole/n/2).Draw(t, "min")))
		b.Max = append(b.Max, experiment.Share(rapid.IntRange(experiment.Whole/n, experiment.Whole).Draw(t, "max")))
	}
	if len(p.Segments) > 0 && rapid.Bool().Draw(t, "per") {
		b.Per = "tier"
		if rapid.Bool().Draw(t, "cap") {
			b.Caps = []experiment.GroupCap{{Group: "premium", Max: experiment.Share(rapid.IntRange(0, experiment.Whole).Draw(t, "max of premium"))}}
		}
	}
	return b
}

func drawShares(t *rapid.T, n int) experiment.Shares {
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
	verbs             = []experiment.Verb{
		experiment.VerbPause, experiment.VerbResume, experiment.VerbPromote, experiment.VerbAbort, experiment.VerbLift, experiment.VerbRetry, experiment.VerbKill,
		experiment.VerbApprove, experiment.VerbFreeze, experiment.VerbLearn, "dance",
	}
	doubtCodes = []experiment.ReasonCode{
		experiment.ReasonJoined, experiment.ReasonUnevenJoin, experiment.ReasonMoved, experiment.ReasonRewardRange, experiment.ReasonSliceMismatch, experiment.ReasonVersionMix, "HG-D499",
	}
)

// factsOf draws facts about a plan: mostly peaceful, so that long lives happen.
func factsOf(p *experiment.Plan, s *experiment.State, now time.Time, tick int) *rapid.Generator[experiment.Facts] {
	return rapid.Custom(func(t *rapid.T) experiment.Facts {
		var f experiment.Facts
		f.Judgement = judged(t, p, s)
		switch rapid.IntRange(0, 30).Draw(t, "source") {
		case 30:
			f.Sources = []experiment.SourceHealth{{Source: experiment.SourceGateway, Down: "refused"}}
		case 29:
			f.Sources = []experiment.SourceHealth{{Source: experiment.SourceOutcomes, Gap: true}}
		case 28:
			f.Sources = []experiment.SourceHealth{{Source: experiment.SourceGateway, Newest: now.Add(-time.Hour)}}
		case 27:
			f.Sources = []experiment.SourceHealth{{Source: experiment.SourcePairs, Newest: now.Add(-time.Hour)}}
		case 26:
			f.Route = &experiment.RouteFact{Unsettled: "not accepted"}
		case 25:
			f.Route = &experiment.RouteFact{Drifted: "somebody"}
		case 24:
			windows := rapid.Int64Range(1, 20).Draw(t, "windows")
			f.Sources = []experiment.SourceHealth{{
				Source: experiment.SourceExposures, Gap: true, Windows: windows, Missing: rapid.Int64Range(1, windows).Draw(t, "missing"),
				Whole: rapid.Int64Range(0, 5).Draw(t, "whole"), Why: "silent",
			}}
		default:
			f.Sources = []experiment.SourceHealth{{Source: experiment.SourceGateway, Newest: now}}
		}
		f.Moved = rapid.SampledFrom([]int64{0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 5}).Draw(t, "moved")
		if rapid.Bool().Draw(t, "probed") {
			for range p.Versions {
				f.Ready = append(f.Ready, rapid.IntRange(0, 14).Draw(t, "not ready") < 14)
			}
		}
		for _, i := range s.Actions {
			fact := experiment.ActionFact{Intent: i, Done: rapid.Bool().Draw(t, "done")}
			if i.Kind == experiment.IntentRun {
				fact.Failed = !fact.Done && rapid.IntRange(0, 7).Draw(t, "failed") == 7
			}
			if fact.Transition -= rapid.SampledFrom([]int{0, 0, 0, 0, 1}).Draw(t, "of before"); !fact.Done {
				fact.Why = "refused"
			}
			f.Actions = append(f.Actions, fact)
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

// judged draws a judgement.
func judged(t *rapid.T, p *experiment.Plan, s *experiment.State) experiment.Judgement {
	var j experiment.Judgement
	seldom := func(name string) bool { return rapid.IntRange(0, 14).Draw(t, name) == 14 }
	j.Requests = int64(rapid.IntRange(0, 60).Draw(t, "requests"))
	j.Clean = rapid.IntRange(0, 3).Draw(t, "clean")
	j.Pairs = int64(rapid.IntRange(0, 30).Draw(t, "pairs"))
	j.Units = int64(rapid.IntRange(0, 120).Draw(t, "units"))
	j.Seen = []int64{300, 200}
	verdict := func(v int, role experiment.Role, metric, slice string, of []experiment.Status) {
		if seldom("silent") {
			return
		}
		x := experiment.Verdict{Version: v, Role: role, Metric: metric, Slice: slice, Status: rapid.SampledFrom(of).Draw(t, metric)}
		if x.Status == experiment.Violated || x.Status == experiment.Worse {
			x.Status = rapid.SampledFrom([]experiment.Status{of[0], of[0], of[0], of[0], x.Status}).Draw(t, "harm")
		}
		if rapid.Bool().Draw(t, "known") {
			e := rapid.Float64Range(-1, 1).Draw(t, "estimate")
			x.Estimate, x.Interval = &e, &stats.Interval{Low: e - .1, High: e + .1}
		}
		x.Final = role == experiment.RoleReward && seldom("final")
		x.Equivalent = x.Final && rapid.Bool().Draw(t, "equivalent")
		j.Verdicts = append(j.Verdicts, x)
	}
	everybody := objectiveStatuses
	if seldom("shared cause") {
		everybody = []experiment.Status{experiment.Violated}
	}
	for v := range p.Versions {
		for _, o := range p.Objectives {
			if everybody[0] == experiment.Violated {
				j.Verdicts = append(j.Verdicts, experiment.Verdict{Version: v, Role: experiment.RoleObjective, Metric: o.Metric, Status: experiment.Violated})
				continue
			}
			for _, slice := range append([]string{""}, p.LimitSlices(&o)...) {
				verdict(v, experiment.RoleObjective, o.Metric, slice, everybody)
			}
		}
		if v == 0 {
			continue
		}
		for _, g := range p.Stages[s.Stage].Require {
			for _, slice := range append([]string{""}, p.LimitSlices(&g)...) {
				verdict(v, experiment.RoleGate, g.Metric, slice, objectiveStatuses)
			}
		}
		for _, g := range p.Guardrails {
			for _, slice := range append([]string{""}, p.SlicesOf(&g)...) {
				verdict(v, experiment.RoleGuardrail, g.Metric, slice, guardrailStatuses)
			}
		}
		if p.Reward != nil {
			verdict(v, experiment.RoleReward, p.Reward.Metric, "", rewardStatuses)
		}
	}
	j.Mismatch = seldom("mismatch")
	if seldom("doubt") {
		j.Doubts = []experiment.Doubt{{
			Code: rapid.SampledFrom(doubtCodes).Draw(t, "code"), Metric: "purchase", Version: rapid.IntRange(0, len(p.Versions)-1).Draw(t, "doubted"),
			Slice: rapid.SampledFrom([]string{"", "tier=premium"}).Draw(t, "slice"), Value: 12, Limit: 90,
		}}
		if j.Doubts[0].Code == experiment.ReasonVersionMix {
			j.Doubts[0].Header, j.Doubts[0].Values = "x-artifact", []string{"a", "b"}
		}
		if j.Doubts[0].Code == experiment.ReasonSliceMismatch {
			j.Doubts[0].Slice = "tier=premium"
		}
	}
	j.Spent = experiment.Spent{Cost: 101 * one(seldom("dear")), Mirror: 60 * one(seldom("copies")), Units: int64(2000 * one(seldom("many")))}
	if b := p.Stages[s.Stage].Bandit; b != nil {
		j.Arms = armsOf(t, p, b)
	}
	return j
}

func one(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

func armsOf(t *rapid.T, p *experiment.Plan, b *experiment.Bandit) []experiment.Arm {
	slices := []string{""}
	if b.Per != "" {
		slices = p.Segment(b.Per).Slices()
	}
	var out []experiment.Arm
	best := rapid.IntRange(0, len(p.Versions)-1).Draw(t, "the best")
	for _, slice := range slices {
		for v := range p.Versions {
			a := experiment.Arm{Version: v, Slice: slice, N: int64(rapid.IntRange(0, 200).Draw(t, "n")), Mean: rapid.Float64Range(0, 1).Draw(t, "mean"), SE: .05}
			if v == best {
				a.Best = rapid.SampledFrom([]float64{.3, .89, .95, 1}).Draw(t, "chance")
			}
			out = append(out, a)
		}
	}
	return out
}

// life plays a random plan through random facts; decideChecked holds every
// decision against the invariants.
func life(t *rapid.T) []step { return lifeOf(t, plans().Draw(t, "plan")) }

// hookedLife is a life with actions of every hook.
func hookedLife(t *rapid.T) []step {
	p := plans().Draw(t, "plan")
	p.Actions = everyHook()
	return lifeOf(t, p)
}

func lifeOf(t *rapid.T, p *experiment.Plan) []step {
	now := epoch
	s, _, _ := Start(p, now)
	var out []step
	// In some lives the evidence is bad for long.
	bad := rapid.SampledFrom([]int{0, 0, 0, 3, 8}).Draw(t, "bad until")
	for tick := range rapid.IntRange(1, 25).Draw(t, "ticks") {
		now = now.Add(time.Duration(rapid.IntRange(1, 300).Draw(t, "seconds")) * time.Second)
		f := factsOf(p, &s, now, tick).Draw(t, "facts")
		f.Judgement.Mismatch = f.Judgement.Mismatch || tick > 2 && tick < 2+bad
		if s.Still && rapid.Bool().Draw(t, "go on") {
			f.Commands = []experiment.Command{{ID: fmt.Sprintf("learn%d", tick), Verb: experiment.VerbLearn}}
		}
		r := decideChecked(t, p, s, f, now)
		s = r.after
		out = append(out, r)
	}
	return out
}

// strictPlans draws strict plans of every pattern and shift.
func strictPlans() *rapid.Generator[*experiment.Plan] {
	return rapid.Custom(func(t *rapid.T) *experiment.Plan {
		pattern := rapid.SampledFrom([]experiment.Pattern{experiment.PatternConformance, experiment.PatternCanary, experiment.PatternReward, experiment.PatternReward}).Draw(t, "pattern")
		n := map[experiment.Pattern]int{experiment.PatternConformance: 1, experiment.PatternCanary: 2}[pattern]
		if n == 0 {
			n = rapid.IntRange(2, 5).Draw(t, "versions")
		}
		p := strictPlan(n, pattern, experiment.Iterate{
			Shift: rapid.SampledFrom([]experiment.Shift{experiment.ShiftGreedy, experiment.ShiftGreedy, experiment.ShiftGreedy, experiment.ShiftSwitch, experiment.ShiftNone}).Draw(t, "shift"),
			Cap:   experiment.Share(rapid.IntRange(0, experiment.Whole).Draw(t, "cap")), Increment: experiment.Share(rapid.IntRange(0, 4000).Draw(t, "increment")),
			Times: rapid.IntRange(1, 6).Draw(t, "times"), Loops: rapid.IntRange(1, 3).Draw(t, "loops"),
		})
		for _, metric := range []string{"latency", "errors"} {
			if rapid.Bool().Draw(t, "objective "+metric) {
				o := experiment.Objective{Metric: metric, Max: ptr(100), Rollback: rapid.IntRange(0, 3).Draw(t, "rollback") == 3}
				if rapid.Bool().Draw(t, "from below") {
					o.Min = ptr(1)
				}
				p.Objectives = append(p.Objectives, o)
			}
		}
		if rapid.Bool().Draw(t, "low") && p.Reward != nil {
			p.Reward.Metric = "cost"
		}
		if rapid.IntRange(0, 2).Draw(t, "acts") == 2 {
			p.Actions = everyHook()
		}
		return p
	})
}

// strictReadings draws what metrics say: mostly something, now and then nothing,
// and no answer.
func strictReadings(t *rapid.T, p *experiment.Plan) []experiment.Reading {
	var out []experiment.Reading
	down := rapid.IntRange(0, 9).Draw(t, "down") == 9
	for i := range p.Metrics {
		for v := range p.Versions {
			r := experiment.Reading{Metric: p.Metrics[i].Name, Version: v}
			switch k := rapid.IntRange(0, 40).Draw(t, "reading"); {
			case down && k > 20:
				r.Failed = "refused"
			case k < 3:
			case k == 40:
				r.Value = ptr(101)
			default:
				r.Value = ptr(float64(1 + k/4))
			}
			out = append(out, r)
		}
	}
	return out
}

// strictlyLived plays a random strict plan through random readings and commands.
func strictlyLived(t *rapid.T) []step {
	p := strictPlans().Draw(t, "plan")
	now := epoch
	s, _, _ := Start(p, now)
	var out []step
	for tick := range rapid.IntRange(1, 40).Draw(t, "ticks") {
		now = now.Add(time.Duration(rapid.IntRange(1, 20).Draw(t, "seconds")) * time.Second)
		f := factsOf(p, &s, now, tick).Draw(t, "facts")
		f.Judgement, f.Sources, f.Moved = experiment.Judgement{}, nil, 0 // A strict plan is told none.
		f.Readings = strictReadings(t, p)
		r := decideChecked(t, p, s, f, now)
		s = r.after
		out = append(out, r)
	}
	return out
}

// TestRandomStrictLives is D3 to D8 and the bounds of the shares over random lives
// of strict plans.
func TestRandomStrictLives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { strictlyLived(t) })
}

// TestSharesOfGreed: whatever the versions have and whichever are the best, the
// shares are whole percents of a whole, and within every bound.
func TestSharesOfGreed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, experiment.MaxVersions).Draw(t, "versions")
		from, left := experiment.Baseline(n), 100
		for v := 1; v < n; v++ {
			k := rapid.IntRange(0, left).Draw(t, "share")
			from[v], left = experiment.Share(100*k), left-k
			from[0] -= from[v]
		}
		var best []int
		for v := range n {
			if rapid.Bool().Draw(t, "best") {
				best = append(best, v)
			}
		}
		it := &experiment.Iterate{Cap: experiment.Share(rapid.IntRange(0, experiment.Whole).Draw(t, "cap")), Increment: experiment.Share(rapid.IntRange(0, experiment.Whole).Draw(t, "increment"))}
		to := greedy(from, it, best)
		if err := to.Check(); err != nil {
			t.Fatal(err)
		}
		among := max(1, len(best))
		for v := 1; v < n; v++ {
			mix := 10 / float64(n)
			if slices.Contains(best, v) {
				mix += 90 / float64(among)
			}
			exact := max(0, min(mix, float64(from[v]+it.Increment)/100, float64(it.Cap)/100))
			switch got := float64(to[v]) / 100; {
			case to[v]%100 != 0, got <= exact-1-1e-9, got >= exact+1+1e-9:
				t.Fatalf("%s: version %d has %g%%, which is not %g%% rounded", to, v, got, exact)
			case to[v] > it.Cap, to[v] > from[v]+it.Increment:
				t.Fatalf("%s from %s: version %d is beyond its bounds", to, from, v)
			}
		}
	})
}

// TestRandomLives is D1 to D8 over random lives.
func TestRandomLives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { life(t) })
}

// TestRandomHookedLives is the same where actions are in the way.
func TestRandomHookedLives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { hookedLife(t) })
}

// TestRandomLivesGoEverywhere: what never happens in a random life was not
// checked. The seeds are fixed.
func TestRandomLivesGoEverywhere(t *testing.T) {
	acts, codes, kinds := map[experiment.Act]int{}, map[experiment.ReasonCode]int{}, map[experiment.IntentKind]int{}
	grouped := 0
	var all []step
	for _, x := range []struct {
		lives *rapid.Generator[[]step]
		n     int
	}{{rapid.Custom(life), 400}, {rapid.Custom(hookedLife), 60}, {rapid.Custom(strictlyLived), 150}} {
		for seed := range x.n {
			all = append(all, x.lives.Example(seed)...)
		}
	}
	for i := range all {
		r := &all[i]
		acts[r.decision.Act]++
		for _, x := range r.decision.Reasons {
			codes[x.Code]++
		}
		for _, i := range r.intents {
			kinds[i.Kind]++
		}
		grouped += min(1, len(r.after.Tables))
	}
	for _, a := range []experiment.Act{
		experiment.ActHold, experiment.ActAdvance, experiment.ActRollback, experiment.ActPromote, experiment.ActStop, experiment.ActPause, experiment.ActResume, experiment.ActRetry,
		experiment.ActRemove, experiment.ActShift, experiment.ActApprove, experiment.ActLearn,
	} {
		if acts[a] == 0 {
			t.Errorf("no random life came to %s; acts: %v", a, acts)
		}
	}
	for _, e := range experiment.Catalogue() {
		edited := e.Code == experiment.ReasonEdited || e.Code == experiment.ReasonPlannedAnew // No life edits its plan.
		if codes[e.Code] == 0 && e.Code != experiment.ReasonStarted && !edited {
			t.Errorf("no random life came to %s, %s", e.Code, e.Text)
		}
	}
	if kinds[experiment.IntentCopy] == 0 || kinds[experiment.IntentRetire] == 0 || kinds[experiment.IntentRestore] == 0 || kinds[experiment.IntentRun] == 0 || grouped == 0 {
		t.Errorf("intents %v, %d decisions with shares by group", kinds, grouped)
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
			s = decideChecked(t, p, s, factsOf(p, &s, now, tick).Draw(t, "facts"), now).after
		}
		kill := experiment.Facts{Commands: []experiment.Command{{ID: "kill", Verb: experiment.VerbKill}}}
		s = decideChecked(t, p, s, kill, now).after
		if s.Condition != experiment.Killed || !slices.Equal(s.Slots.Shares(len(p.Versions)), experiment.Baseline(len(p.Versions))) {
			t.Fatalf("after a kill: %s, %s", s.Condition, s.Slots.Shares(len(p.Versions)))
		}
		killed := s
		for tick := range 5 {
			now = now.Add(time.Minute)
			f := factsOf(p, &s, now, 100+tick).Draw(t, "later facts")
			f.Commands = slices.DeleteFunc(f.Commands, func(c experiment.Command) bool {
				return c.Verb == experiment.VerbLift || c.Verb == experiment.VerbRetry || c.Verb == experiment.VerbKill
			})
			s = decideChecked(t, p, s, f, now).after
		}
		s.Commands, killed.Commands = nil, nil // What was refused is remembered.
		s.Actions, killed.Actions = nil, nil   // What is put right comes to its end,
		s.Failed, killed.Failed = nil, nil     // also a bad one.
		if d := cmp.Diff(killed, s); d != "" {
			t.Fatalf("D8: a killed experiment changed (-killed +later):\n%s", d)
		}
		lift := experiment.Facts{Commands: []experiment.Command{{ID: "lift", Verb: experiment.VerbLift}}}
		if r := decideChecked(t, p, s, lift, now); r.after.Condition != experiment.Done || r.decision.Act != experiment.ActStop {
			t.Fatalf("after a lift: %s, %s", r.after.Condition, r.decision.Act)
		}
	})
}
