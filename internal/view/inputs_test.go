// SPDX-License-Identifier: Apache-2.0

package view_test

import (
	"math"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/view"
	"github.com/headgate-dev/headgate/stats"
)

// started is when every recorded experiment began.
var started = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// ranker is a plan with a reward, two objectives and a guardrail, and two
// stages.
func ranker(versions ...string) *experiment.Plan {
	p := &experiment.Plan{
		Namespace: "search", Name: "ranker", Owner: "search-ranking", Hypothesis: "v2 raises clicks by a point",
		Assignment: experiment.Assignment{Unit: experiment.Unit{Header: "x-user-id"}},
		Segments:   []experiment.Segment{{Name: "tier", Header: "x-tier", Values: []string{"free", "premium"}, Stratify: true}},
		Metrics: []experiment.Metric{
			{Name: "click", Goal: experiment.Increase, Outcomes: &experiment.OutcomesMetric{Event: "click", Window: time.Minute, Joined: 0.9}},
			{Name: "refund", Goal: experiment.Decrease, Outcomes: &experiment.OutcomesMetric{Event: "refund", Window: time.Hour}},
			{Name: "errors", Goal: experiment.Decrease, Builtin: &experiment.BuiltinMetric{Kind: experiment.ErrorRate}},
			{Name: "p99", Goal: experiment.Decrease, Builtin: &experiment.BuiltinMetric{Kind: experiment.Latency, Quantile: 0.99, Limit: 250 * time.Millisecond}},
			{Name: "overlap", Goal: experiment.Increase, Pairs: &experiment.PairsMetric{Compare: experiment.CompareRanking, K: 10}},
		},
		Reward: &experiment.Reward{Metric: "click", MinimumEffect: experiment.Margin{Absolute: 0.01}},
		Objectives: []experiment.Objective{
			{Metric: "errors", Max: new(0.03), Owner: "sre"},
			{Metric: "p99", Max: new(0.01)},
		},
		Guardrails: []experiment.Guardrail{{Metric: "refund", NoWorseThan: experiment.Margin{Absolute: 0.01}, Slices: []string{"tier"}, Owner: "payments"}},
		Stages: []experiment.Stage{
			{Name: "canary", Ramp: &experiment.Ramp{Steps: []experiment.Share{500, 2000}, Hold: experiment.Hold{Requests: 1000, Windows: 3}, AtMost: 2 * time.Hour}},
			{Name: "ab", Split: &experiment.Split{Shares: experiment.Shares{5000, 5000}, Until: experiment.Until{Decided: true, Units: 40000, AtMost: 4 * time.Hour}, Otherwise: experiment.KeepBaseline}},
		},
		Analysis: experiment.Analysis{Method: experiment.Sequential, Alpha: 0.05, HarmAlpha: 0.05, Looks: 5},
		Window:   5 * time.Second, Lag: time.Second, Stale: time.Minute,
	}
	for _, name := range versions {
		p.Versions = append(p.Versions, experiment.Version{Name: name, Backend: "http://" + name + ":1"})
	}
	return p
}

// at is an input of a plan: running in a stage with shares, after some time,
// with as much evidence per version as a day's work gives.
func at(p *experiment.Plan, stage, step int, after time.Duration, shares experiment.Shares) view.Input {
	began := started.Add(after / 2)
	rec := &experiment.Record{State: experiment.State{
		Plan: "f35b86799041aa00", Condition: experiment.Running, Stage: stage, Step: step, Epoch: 1, Phase: 2, Slots: experiment.SlotsOf(shares),
		Started: started, StageStart: began, PhaseStart: began,
		Decisions: []experiment.Decision{
			{At: started, Act: experiment.ActStart, From: experiment.Baseline(len(shares)), To: experiment.Baseline(len(shares)), Reasons: []experiment.Reason{experiment.Because(experiment.ReasonStarted, "version", "v1")}},
			{At: began, Act: experiment.ActAdvance, From: experiment.Baseline(len(shares)), To: shares, Stage: stage, Step: step, Reasons: []experiment.Reason{experiment.Because(experiment.ReasonStageEntered, "stage", p.Stages[stage].Name)}},
		},
	}}
	phase := experiment.PhaseTotals{Epoch: 1, Phase: 2, Stage: stage, Step: step, Start: began, Shares: shares, Clean: 2}
	seen := make([]int64, len(shares))
	for v, share := range shares {
		n := int64(share)
		seen[v] = n + int64(v)
		latency := new(stats.Sketch)
		for i := range 100 {
			latency.Add(0.02 + 0.001*float64(i+v))
		}
		if n == 0 {
			continue
		}
		fold(&phase, v, experiment.CellExposures, experiment.Evidence{Counts: stats.Counts{N: seen[v]}})
		fold(&phase, v, experiment.CellRequests, experiment.Evidence{Counts: stats.Counts{N: 2 * n, X: n / 100}, Sketch: latency})
		fold(&phase, v, "click", experiment.Evidence{Units: binary(n, 0.30+0.01*float64(v)), Counts: stats.Counts{N: n, X: n / 25}})
	}
	rec.Totals.Phases = []experiment.PhaseTotals{phase}
	return view.Input{
		Plan: p, Record: rec, Now: started.Add(after),
		Judgement: &experiment.Judgement{Seen: seen, MismatchLogE: -0.2, Clean: 2, Units: 10000, Requests: int64(2 * shares[len(shares)-1])},
	}
}

// fold puts a cell into a phase; metrics come in any order.
func fold(p *experiment.PhaseTotals, version int, metric string, e experiment.Evidence) {
	t := experiment.Totals{Phases: []experiment.PhaseTotals{*p}}
	from := t.Phases[0].Folded.Gateway
	cell := experiment.Cell{CellKey: experiment.CellKey{Epoch: p.Epoch, Phase: p.Phase, Version: version, Metric: metric}, Evidence: e}
	if err := t.Fold(experiment.Seal{Source: experiment.SourceGateway, Epoch: p.Epoch, Phase: p.Phase, From: from, To: from + 1, Cells: []experiment.Cell{cell}}); err != nil {
		panic(err)
	}
	*p = t.Phases[0]
}

// binary is the moments of n units of which a part has a hit.
func binary(n int64, rate float64) stats.Pair {
	return stats.Pair{N: n, MeanY: rate, MeanX: 1, M2Y: float64(n) * rate * (1 - rate)}
}

// limit is a verdict on requests, judged as the judge does.
func limit(p *experiment.Plan, version int, metric string, n, x int64) experiment.Verdict {
	alpha := p.TestAlpha()
	v := experiment.Verdict{
		Version: version, Metric: metric, Role: experiment.RoleObjective, Status: experiment.Undecided,
		Level: 1 - alpha, Guarantee: experiment.GuaranteeAnytime, Basis: experiment.BasisRequests, N: n,
	}
	for _, o := range p.Objectives {
		if o.Metric == metric {
			v.Limit = o.Max
		}
	}
	i, err := stats.BernoulliInterval(stats.Counts{N: n, X: x}, alpha, p.PlannedRequests())
	if err != nil {
		panic(err)
	}
	v.Estimate, v.Interval = new(float64(x)/float64(n)), &i
	switch {
	case i.Low > *v.Limit:
		v.Status = experiment.Violated
	case i.High <= *v.Limit:
		v.Status = experiment.Met
	}
	return v
}

// compared is a comparison with a difference and its interval's half-width.
func compared(version int, role experiment.Role, metric, slice string, status experiment.Status, difference, half float64) experiment.Verdict {
	return experiment.Verdict{
		Version: version, Metric: metric, Slice: slice, Role: role, Status: status,
		Estimate: &difference, Interval: &stats.Interval{Low: difference - half, High: difference + half}, Level: 0.95,
		Guarantee: experiment.GuaranteeAnytime, Basis: experiment.BasisUnits, N: 5000, NBaseline: 5000, Limit: new(0.01),
	}
}

// judged adds verdicts, and latest the reasons of a hold.
func judged(in view.Input, vs ...experiment.Verdict) view.Input {
	in.Judgement.Verdicts = append(in.Judgement.Verdicts, vs...)
	return in
}

func holding(in view.Input, reasons ...experiment.Reason) view.Input {
	shares := in.Record.State.Slots.Shares(len(in.Plan.Versions))
	in.Latest = experiment.Decision{At: in.Now, Act: experiment.ActHold, Reasons: reasons, From: shares, To: shares, Stage: in.Record.State.Stage, Step: in.Record.State.Step}
	return in
}

// decided ends or changes an experiment by a decision.
func decided(in view.Input, act experiment.Act, condition experiment.Condition, outcome experiment.Outcome, winner int, reasons ...experiment.Reason) view.Input {
	s := &in.Record.State
	to := s.Slots.Shares(len(in.Plan.Versions))
	from := to
	if outcome != "" || condition == experiment.Warm {
		to = make(experiment.Shares, len(from))
		to[winner] = experiment.Whole
	}
	d := experiment.Decision{At: in.Now, Act: act, Reasons: reasons, From: from, To: to, Stage: s.Stage, Step: s.Step}
	s.Condition, s.Outcome, s.Winner, s.Slots = condition, outcome, winner, experiment.SlotsOf(to)
	s.Decisions = append(s.Decisions, d)
	in.Latest = d
	return in
}

// needUnits is the hold of a test that goes on.
func needUnits() experiment.Reason {
	return experiment.Because(experiment.ReasonNeedUnits, "have", 10000, "more", "about 30000 units more until the horizon")
}

// even is a split of two versions, two hours in.
func even(p *experiment.Plan) view.Input {
	in := at(p, 1, 0, 2*time.Hour, experiment.Shares{5000, 5000})
	return judged(in, limit(p, 0, "errors", 10000, 50), limit(p, 0, "p99", 10000, 20), limit(p, 1, "errors", 10000, 50), limit(p, 1, "p99", 10000, 85))
}

// refunds are the guardrail's verdicts, overall and by tier.
func refunds(premium experiment.Status, difference float64) []experiment.Verdict {
	overall := compared(1, experiment.RoleGuardrail, "refund", "", experiment.NotWorse, 0.001, 0.006)
	free := compared(1, experiment.RoleGuardrail, "refund", "tier=free", experiment.NotWorse, -0.002, 0.009)
	bad := compared(1, experiment.RoleGuardrail, "refund", "tier=premium", premium, difference, 0.012)
	bad.LogE = math.Log(4000)
	return []experiment.Verdict{overall, free, bad}
}

// rolledBack is a rollback by an objective: 40 of 400 requests failed.
func rolledBack() view.Input {
	p := ranker("v1", "v2")
	in := judged(at(p, 0, 0, 10*time.Minute, experiment.Shares{9500, 500}), limit(p, 0, "errors", 9500, 40), limit(p, 1, "errors", 400, 40), limit(p, 1, "p99", 400, 0))
	return decided(in, experiment.ActRollback, experiment.Done, experiment.RolledBack, 0, experiment.Because(experiment.ReasonObjective,
		"version", "v2", "metric", "errors", "estimate", "10.00%", "bound", "at least 5.61%", "limit", "3.00%"))
}

// promoted is a promotion on the reward.
func promoted(parts bool) view.Input {
	p := ranker("v1", "v2")
	if parts {
		p.Versions[0].Parts = []experiment.Part{{Name: "features", Value: "f7"}, {Name: "model", Value: "r1"}}
		p.Versions[1].Parts = []experiment.Part{{Name: "features", Value: "f8"}, {Name: "model", Value: "r2"}}
	}
	in := judged(even(p), refunds(experiment.NotWorse, -0.003)...)
	better := compared(1, experiment.RoleReward, "click", "", experiment.Better, 0.031, 0.019)
	better.Guarantee = experiment.GuaranteeLooks
	in = judged(in, better)
	in.Record.Monitors.Looks = []experiment.SpentLook{{Z: 1.2, Bound: 4.1, Estimate: 0.011, SE: 0.0092}, {Z: 3.37, Bound: 2.9, Estimate: 0.031, SE: 0.0092}}
	return decided(in, experiment.ActPromote, experiment.Done, experiment.Promoted, 1, experiment.Because(experiment.ReasonBetter,
		"version", "v2", "metric", "click", "estimate", "+3.10 points", "interval", "+1.20 to +5.00"))
}

// fixed is a fixed test before its horizon. The figures are there, and nobody
// may see them.
func fixed() view.Input {
	p := ranker("v1", "v2")
	p.Analysis.Method = experiment.Fixed
	p.Guardrails = append(p.Guardrails, experiment.Guardrail{Metric: "click", NoWorseThan: experiment.Margin{Absolute: 0.02}})
	v := compared(1, experiment.RoleReward, "click", "", experiment.Undecided, 0.0417, 0.0123)
	v.Hidden, v.Need, v.Guarantee, v.Chance = true, 30000, experiment.GuaranteeHorizon, 0.987
	slice := compared(1, experiment.RoleReward, "click", "tier=free", experiment.Undecided, 0.0417, 0.0123)
	slice.Hidden = true
	in := judged(even(p), v, slice, compared(1, experiment.RoleGuardrail, "click", "", experiment.NotWorse, 0.0417, 0.0123))
	return holding(in, needUnits())
}

// several has four candidates, of which one was removed, one is better and one
// is worse for premium users.
func several() view.Input {
	p := ranker("v1", "v2", "v3", "v4", "v5")
	p.Stages[1].Split.Shares = experiment.Shares{2000, 2000, 2000, 2000, 2000}
	in := at(p, 1, 0, 2*time.Hour, experiment.Shares{4000, 2000, 0, 2000, 2000})
	in.Record.State.Removed = []experiment.Removal{{Version: 2, At: started.Add(70 * time.Minute), Reason: experiment.Because(experiment.ReasonObjective,
		"version", "v3", "metric", "errors", "estimate", "7.10%", "bound", "at least 4.02%", "limit", "3.00%")}}
	in.Judgement.Seen = []int64{4000, 2010, 0, 1980, 2011}
	in = judged(in, refunds(experiment.Worse, 0.034)...)
	in.Judgement.Verdicts[2].Version = 3
	in = judged(in,
		compared(1, experiment.RoleReward, "click", "", experiment.Better, 0.031, 0.019),
		compared(3, experiment.RoleReward, "click", "", experiment.Undecided, 0.008, 0.021),
		compared(4, experiment.RoleReward, "click", "", experiment.Undecided, -0.012, 0.022))
	return holding(in, needUnits())
}

// shadow is a mirror with a gate of its own.
func shadow() view.Input {
	p := ranker("v1", "v2")
	p.Budget = &experiment.Budget{Cost: 500, Units: 200000, Duration: 60 * 24 * time.Hour, OnExceeded: experiment.PolicyHold}
	p.Stages[0] = experiment.Stage{
		Name: "shadow", Mirror: &experiment.Mirror{Share: 1000, Cost: 50, Until: experiment.Until{Pairs: 20000, AtMost: 72 * time.Hour}},
		Where: experiment.Where{{Segment: "tier", Not: []string{"premium"}}}, Require: []experiment.Objective{{Metric: "overlap", Min: new(0.6), Owner: "relevance"}},
	}
	in := at(p, 0, 0, 6*time.Hour, experiment.Baseline(2))
	phase := &in.Record.Totals.Phases[0]
	fold(phase, 1, experiment.CellMirrored, experiment.Evidence{Counts: stats.Counts{N: 8210, X: 31}})
	fold(phase, 1, "overlap", experiment.Evidence{Units: binary(8179, 0.64)})
	in.Judgement.Pairs, in.Judgement.Spent = 8179, experiment.Spent{Cost: 21.4, Mirror: 5.75}
	gate := experiment.Verdict{
		Version: 1, Metric: "overlap", Role: experiment.RoleGate, Status: experiment.Undecided, Estimate: new(0.64), Interval: &stats.Interval{Low: 0.591, High: 0.689},
		Level: 0.99, Guarantee: experiment.GuaranteeAnytime, Basis: experiment.BasisPairs, N: 8179, Limit: new(0.6),
	}
	return holding(judged(in, gate), experiment.Because(experiment.ReasonNeedPairs, "have", 8179, "want", 20000), experiment.Because(experiment.ReasonGateOpen, "version", "v2", "metric", "overlap"))
}

// learner is a bandit of three versions; per asks for shares by tier.
func learner(per bool) view.Input {
	p := ranker("v1", "v2", "v3")
	b := &experiment.Bandit{
		Policy: experiment.Thompson, Every: 10 * time.Minute, Explore: 500, Min: experiment.Shares{500, 500, 500}, Max: experiment.Shares{9000, 9000, 9000}, Step: 2000,
		Until: experiment.Until{Best: 0.95, Units: 60000, AtMost: 48 * time.Hour}, Otherwise: experiment.KeepBaseline,
	}
	p.Stages[1] = experiment.Stage{Name: "learn", Bandit: b}
	in := at(p, 1, 0, 3*time.Hour, experiment.Shares{2000, 5500, 2500})
	s := &in.Record.State
	s.Updates, s.Updated = 4, in.Now.Add(-3*time.Minute)
	arm := func(v int, slice string, n int64, mean, best float64) experiment.Arm {
		return experiment.Arm{Version: v, Slice: slice, N: n, Pending: 40, Mean: mean + 0.002, SE: 0.009, Adaptive: mean, AdaptiveSE: 0.0101, Binary: true, Best: best}
	}
	in.Judgement.Arms = []experiment.Arm{arm(0, "", 2000, 0.301, 0.04), arm(1, "", 5500, 0.342, 0.86), arm(2, "", 2500, 0.318, 0.10)}
	if per {
		b.Per = "tier"
		s.Tables = []experiment.GroupTable{
			{Slice: "tier=free", Slots: experiment.SlotsOf(experiment.Shares{1500, 7000, 1500})},
			{Slice: "tier=premium", Slots: experiment.SlotsOf(experiment.Shares{6000, 2000, 2000})},
			{Slice: "tier=other", Slots: experiment.SlotsOf(experiment.Shares{3400, 3300, 3300})},
		}
		in.Judgement.Arms = []experiment.Arm{
			arm(0, "tier=free", 1500, 0.290, 0.01), arm(1, "tier=free", 4200, 0.351, 0.97), arm(2, "tier=free", 1500, 0.301, 0.02),
			arm(0, "tier=premium", 900, 0.420, 0.88), arm(1, "tier=premium", 300, 0.361, 0.05), arm(2, "tier=premium", 300, 0.371, 0.07),
		}
	}
	d := experiment.Decision{
		At: s.Updated, Act: experiment.ActShift, From: experiment.Shares{3000, 4500, 2500}, To: experiment.Shares{2000, 5500, 2500}, Stage: 1,
		Reasons: []experiment.Reason{experiment.Because(experiment.ReasonShares, "update", 4, "shares", "20%/55%/25%")},
	}
	for _, t := range s.Tables {
		d.Groups = append(d.Groups, experiment.GroupShares{Slice: t.Slice, Shares: t.Slots.Shares(3)})
	}
	s.Decisions = append(s.Decisions, d)
	in = judged(in, limit(p, 1, "errors", 11000, 55), compared(1, experiment.RoleReward, "click", "", experiment.Undecided, 0.041, 0.048))
	return holding(in, experiment.Because(experiment.ReasonLearning, "left", 7*time.Minute))
}

// frozen is a bandit whose learning a person stopped.
func frozen() view.Input {
	in := learner(false)
	in = decided(in, experiment.ActLearn, experiment.Running, "", 0, experiment.Because(experiment.ReasonFrozen, "author", "operator", "reason", "a sale today"))
	in.Record.State.Still = true
	return holding(in, experiment.Because(experiment.ReasonStill))
}

// exploring is a bandit before its first update.
func exploring() view.Input {
	in := learner(false)
	s := &in.Record.State
	s.Updates, s.Updated, s.Decisions = 0, time.Time{}, s.Decisions[:2]
	s.Slots = experiment.SlotsOf(experiment.Shares{3400, 3300, 3300})
	for i := range in.Judgement.Arms {
		in.Judgement.Arms[i].N = int64(420 + 60*i)
	}
	return holding(in, experiment.Because(experiment.ReasonExploring, "version", "v1", "have", 420, "want", 500))
}

// warming is a switch before its cut-over.
func warming() view.Input {
	p := ranker("v1", "v2")
	p.Stages[1] = experiment.Stage{Name: "cut", Switch: &experiment.Switch{Warm: 10 * time.Minute, Soak: time.Hour}}
	in := at(p, 1, 0, time.Hour, experiment.Baseline(2))
	ready := in.Now.Add(-4 * time.Minute)
	in.Record.State.ReadySince = &ready
	return holding(in, experiment.Because(experiment.ReasonWarmUp, "version", "v2", "left", 6*time.Minute))
}

// awaiting waits for nobody but a person.
func awaiting() view.Input {
	p := ranker("v1", "v2")
	p.Stages[0].Approval = "ml-lead"
	in := judged(at(p, 0, 1, time.Hour, experiment.Shares{8000, 2000}), limit(p, 1, "errors", 4000, 20))
	in.Record.Totals.Phases[0].Clean = 3
	return holding(in, experiment.Because(experiment.ReasonNeedApproval, "stage", "canary", "owner", "ml-lead"))
}

// warm is a promotion that can still be undone; override says that a person
// promoted against a guardrail.
func warm(override bool) view.Input {
	p := ranker("v1", "v2")
	p.Promote = experiment.Promotion{
		How: experiment.PromotePointer, Loser: experiment.LoserScaleDown,
		KeepWarm: &experiment.KeepWarm{AtLeast: 24 * time.Hour, Matured: []string{"refund"}, Approval: "search-lead", Holdback: 500},
	}
	in := even(p)
	if override {
		in = judged(in, refunds(experiment.Worse, 0.034)...)
		harm := experiment.Because(experiment.ReasonGuardrail, "version", "v2", "metric", "refund in tier=premium", "estimate", "+3.40 points", "limit", "1.00%")
		in = decided(in, experiment.ActPromote, experiment.Warm, "", 1, experiment.Because(experiment.ReasonPromotedBy, "author", "operator", "reason", "the contract ends today"), harm)
		in.Record.State.Overridden = &experiment.Overriding{At: in.Now, Author: "operator", Reason: "the contract ends today", Harm: []experiment.Reason{harm}}
	} else {
		in = judged(in, refunds(experiment.NotWorse, -0.003)...)
		in = judged(in, compared(1, experiment.RoleReward, "click", "", experiment.Better, 0.031, 0.019))
		in = decided(in, experiment.ActPromote, experiment.Warm, "", 1, experiment.Because(experiment.ReasonBetter, "version", "v2", "metric", "click", "estimate", "+3.10 points", "interval", "+1.20 to +5.00"),
			experiment.Because(experiment.ReasonWarm, "version", "v2", "baseline", "v1"))
	}
	in.Record.State.Slots = experiment.SlotsOf(experiment.Shares{500, 9500})
	in.Now = in.Now.Add(2 * time.Hour)
	return holding(in, experiment.Because(experiment.ReasonKeptWarm, "baseline", "v1", "what", "22h of the least time, the approval of search-lead"))
}

// doubted is a split that cannot be trusted.
func doubted() view.Input {
	in := judged(even(ranker("v1", "v2")), compared(1, experiment.RoleReward, "click", "", experiment.Untrustworthy, 0.02, 0.03))
	in.Judgement.Mismatch, in.Judgement.MismatchLogE, in.Judgement.MismatchPhase = true, math.Log(45000), 2
	in.Judgement.Doubts = []experiment.Doubt{{Code: experiment.ReasonJoined, Metric: "click", Version: 1, Value: 0.71, Limit: 0.9}}
	return holding(in, experiment.Because(experiment.ReasonMismatch, "asked", "50%/50%", "seen", "41.0%/59.0%"))
}

// overspent has used up its budget.
func overspent() view.Input {
	in := judged(even(ranker("v1", "v2")), compared(1, experiment.RoleReward, "click", "", experiment.Better, 0.031, 0.019))
	in.Plan.Budget = &experiment.Budget{Cost: 500, Duration: time.Hour, OnExceeded: experiment.PolicyHold}
	in.Judgement.Spent = experiment.Spent{Cost: 512.4, Units: 41000}
	return holding(in, experiment.Because(experiment.ReasonBudget, "what", "cost 512.40 of 500"))
}

// alone is an experiment of one version that only observes.
func alone() view.Input {
	p := ranker("v1")
	p.Reward, p.Guardrails = nil, nil
	p.Stages = []experiment.Stage{{Name: "watch", Observe: &experiment.Observe{For: 2 * time.Hour}}}
	return judged(at(p, 0, 0, time.Hour, experiment.Shares{10000}), limit(p, 0, "errors", 20000, 100), limit(p, 0, "p99", 20000, 60))
}

// inputs are one of every state that faces must show.
func inputs() map[string]view.Input {
	two := ranker("v1", "v2")
	undecided := judged(judged(even(ranker("v1", "v2")), refunds(experiment.Undecided, 0.004)...), compared(1, experiment.RoleReward, "click", "", experiment.Undecided, 0.012, 0.021))
	worse := judged(even(ranker("v1", "v2")), compared(1, experiment.RoleReward, "click", "", experiment.Worse, -0.06, 0.02))
	last := compared(1, experiment.RoleReward, "click", "", experiment.Undecided, 0.001, 0.006)
	last.Final, last.Equivalent = true, true
	bayes := judged(even(ranker("v1", "v2")), compared(1, experiment.RoleReward, "click", "", experiment.Undecided, 0.012, 0.021))
	bayes.Plan.Analysis.Method = experiment.Bayesian
	bayes.Judgement.Verdicts[4].Chance, bayes.Judgement.Verdicts[4].Guarantee = 0.88, experiment.GuaranteeNone
	return map[string]view.Input{
		"running canary": holding(judged(at(two, 0, 1, 10*time.Minute, experiment.Shares{9600, 400}), limit(two, 1, "errors", 800, 6), limit(two, 1, "p99", 800, 0)),
			experiment.Because(experiment.ReasonNeedRequests, "version", "v2", "have", 800, "want", 1000), experiment.Because(experiment.ReasonNeedWindows, "have", 2, "want", 3)),
		"running split": holding(undecided, needUnits()),
		"paused": holding(decided(judged(even(ranker("v1", "v2")), compared(1, experiment.RoleReward, "click", "", experiment.Undecided, 0.012, 0.021)),
			experiment.ActPause, experiment.Paused, "", 0, experiment.Because(experiment.ReasonPausedBy, "author", "operator", "reason", "a look at the logs")), experiment.Because(experiment.ReasonPaused)),
		"promoted":               promoted(true),
		"rolled back, objective": rolledBack(),
		"rolled back, reward": decided(worse, experiment.ActRollback, experiment.Done, experiment.RolledBack, 0,
			experiment.Because(experiment.ReasonRewardWorse, "version", "v2", "metric", "click", "estimate", "-6.00 points", "interval", "-8.00 to -4.00")),
		"no difference": decided(judged(even(ranker("v1", "v2")), last), experiment.ActStop, experiment.Done, experiment.NoDifference, 0,
			experiment.Because(experiment.ReasonNoDifference, "version", "v2", "baseline", "v1", "metric", "click", "margin", "1.00%", "estimate", "+0.10 points", "interval", "-0.50 to +0.70"),
			experiment.Because(experiment.ReasonOtherwise, "otherwise", "keep v1")),
		"observing":        holding(alone(), experiment.Because(experiment.ReasonObserving, "left", 90*time.Minute)),
		"objectives met":   decided(alone(), experiment.ActStop, experiment.Done, experiment.OutcomeMet, 0, experiment.Because(experiment.ReasonObjectivesMet, "version", "v1")),
		"fixed, hidden":    fixed(),
		"several":          several(),
		"mirror":           shadow(),
		"answers":          answers(),
		"bandit":           learner(false),
		"bandit by group":  learner(true),
		"bandit, frozen":   frozen(),
		"bandit, explores": exploring(),
		"warming up":       warming(),
		"approval":         awaiting(),
		"kept warm":        warm(false),
		"override":         warm(true),
		"untrustworthy":    doubted(),
		"over budget":      overspent(),
		"bayesian":         holding(bayes, needUnits()),
	}
}
