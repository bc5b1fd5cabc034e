// SPDX-License-Identifier: Apache-2.0

package view

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// Finding is a verdict of one version, role, metric and slice.
type Finding struct {
	Version string `json:"version"`
	Role    string `json:"role"`
	Metric  string `json:"metric"`
	// Slice is the group that it is about, "tier=premium"; empty is everybody.
	Slice string `json:"slice,omitempty"`
	// Owner answers for the objective, gate or guardrail.
	Owner string `json:"owner,omitempty"`
	// Question is what is asked of the metric: "error-rate <= 3%".
	Question  string          `json:"question"`
	Status    string          `json:"status"`
	Estimate  *float64        `json:"estimate,omitempty"`
	Interval  *stats.Interval `json:"interval,omitempty"`
	Level     float64         `json:"level,omitempty"`
	Limit     *float64        `json:"limit,omitempty"`
	Guarantee string          `json:"guarantee"`
	// Unit is what Estimate, Interval and Limit are in, where they are not
	// fractions to be read as percent: "bytes", "seconds" or "number".
	Unit string `json:"unit,omitempty"`
	// Basis is what the sample is made of: units, pairs, requests or windows.
	Basis string `json:"basis"`
	N     int64  `json:"n"`
	// Need is about how many more of the basis a decision takes.
	Need int64 `json:"need,omitempty"`
	// Hidden says that the method keeps the figures until the horizon.
	Hidden bool `json:"hidden,omitempty"`
	// Final says that the horizon was reached: it will not change.
	Final bool `json:"final,omitempty"`
	// Equivalent says that the versions differ by less than what matters.
	Equivalent bool `json:"equivalent,omitempty"`
	// Chance is the probability of being better, for the method bayesian.
	Chance float64 `json:"chance,omitempty"`
}

// IsLimit says that the finding holds a metric against an absolute limit: its
// estimate is a value, not a difference.
func (f *Finding) IsLimit() bool {
	return f.Role == string(experiment.RoleObjective) || f.Role == string(experiment.RoleGate)
}

// IsHarm says that the finding is known to be bad.
func (f *Finding) IsHarm() bool {
	return f.Status == string(experiment.Worse) || f.Status == string(experiment.Violated)
}

// WorseFor answers "for whom is it worse?": the findings of groups that are
// known to be harmed.
func (e *Experiment) WorseFor() []Finding {
	return slices.DeleteFunc(slices.Clone(e.Findings), func(f Finding) bool { return f.Slice == "" || !f.IsHarm() })
}

// findingsOf are the verdicts, but for those that are true by definition: the
// baseline does not drift from itself.
func findingsOf(in *Input) []Finding {
	var out []Finding
	for i := range in.Judgement.Verdicts {
		v := &in.Judgement.Verdicts[i]
		if m := in.Plan.Metric(v.Metric); v.Version == 0 && m != nil && m.Drift != nil {
			continue
		}
		out = append(out, findingOf(in, v))
	}
	return out
}

func findingOf(in *Input, v *experiment.Verdict) Finding {
	f := Finding{
		Question: question(in, v), Owner: ownerOf(in, v),
		Version: in.Plan.Versions[v.Version].Name, Role: string(v.Role), Metric: v.Metric, Slice: v.Slice, Status: string(v.Status),
		Estimate: v.Estimate, Interval: v.Interval, Level: v.Level, Limit: v.Limit,
		Guarantee: string(v.Guarantee), Basis: string(v.Basis), N: v.N + v.NBaseline,
		Need: v.Need, Final: v.Final, Equivalent: v.Equivalent, Chance: v.Chance,
	}
	if m := in.Plan.Metric(v.Metric); m != nil {
		f.Unit = m.Unit()
	}
	if !hides(in, v) {
		return f
	}
	f.Hidden = true
	f.Estimate, f.Interval, f.Level, f.Limit, f.Chance, f.Equivalent = nil, nil, 0, nil, 0, false
	if f.Role == string(experiment.RoleReward) {
		f.Status = string(experiment.Undecided)
	}
	return f
}

// rewardHidden says that nobody may see the reward yet: before the horizon of a
// fixed test, while there is still something to stop early.
func rewardHidden(in *Input) bool {
	s := &in.Record.State
	if in.Plan.Reward == nil || (s.Condition != experiment.Running && s.Condition != experiment.Paused) {
		return false
	}
	return slices.ContainsFunc(in.Judgement.Verdicts, func(v experiment.Verdict) bool { return v.Role == experiment.RoleReward && v.Hidden }) ||
		beforeHorizon(in)
}

// beforeHorizon says that a fixed test is running, whatever its verdicts say
// or if there is none yet.
func beforeHorizon(in *Input) bool {
	if in.Plan.Analysis.Method != experiment.Fixed || in.Plan.Stages[in.Record.State.Stage].Split == nil {
		return false
	}
	return !slices.ContainsFunc(in.Judgement.Verdicts, func(v experiment.Verdict) bool { return v.Role == experiment.RoleReward && v.Final })
}

// hides says whether a verdict's figures are kept back. Every role of the
// reward's metric tells the same figures; harm that is known is never kept
// back.
func hides(in *Input, v *experiment.Verdict) bool {
	if v.Status == experiment.Worse || v.Status == experiment.Violated {
		return false
	}
	return v.Hidden || rewardHidden(in) && v.Metric == in.Plan.Reward.Metric
}

// limitOf is the objective or gate that a verdict is about, or nil.
func limitOf(in *Input, v *experiment.Verdict) *experiment.Objective {
	rules := in.Plan.Objectives
	if v.Role == experiment.RoleGate {
		rules = gatesFrom(in)
	}
	same := func(a, b *float64) bool { return a != nil && b != nil && *a == *b }
	best := -1
	for i := range rules {
		if rules[i].Metric != v.Metric {
			continue
		}
		if same(rules[i].Max, v.Limit) || same(rules[i].Min, v.Limit) {
			return &rules[i]
		}
		best = i
	}
	if best < 0 {
		return nil
	}
	return &rules[best]
}

// gatesFrom lists the gates of the current stage and then those of all: what
// was judged in a stage is explained after it is over.
func gatesFrom(in *Input) []experiment.Objective {
	out := slices.Clone(in.Plan.Stages[in.Record.State.Stage].Require)
	for i := range in.Plan.Stages {
		out = append(out, in.Plan.Stages[i].Require...)
	}
	return out
}

func ownerOf(in *Input, v *experiment.Verdict) string {
	switch v.Role {
	case experiment.RoleObjective, experiment.RoleGate:
		if o := limitOf(in, v); o != nil {
			return cmp.Or(o.Owner, in.Plan.Owner)
		}
	case experiment.RoleGuardrail:
		for _, g := range in.Plan.Guardrails {
			if g.Metric == v.Metric {
				return cmp.Or(g.Owner, in.Plan.Owner)
			}
		}
	}
	return ""
}

// question is what a verdict answers, in the metric's own unit.
func question(in *Input, v *experiment.Verdict) string {
	of := v.Metric
	if v.Slice != "" {
		of += " in " + v.Slice
	}
	switch v.Role {
	case experiment.RoleReward:
		return of + " better?"
	case experiment.RoleGuardrail:
		return of + " not worse?"
	}
	if m := in.Plan.Metric(v.Metric); m != nil && m.Builtin != nil && m.Builtin.Kind == experiment.Latency {
		return fmt.Sprintf("%s <= %s", of, m.Builtin.Limit)
	}
	o := limitOf(in, v)
	limit := func(x float64) string {
		if m := in.Plan.Metric(v.Metric); m != nil && m.Unit() != "" {
			return amount(m, x)
		}
		return fmt.Sprintf("%.4g%%", 100*x)
	}
	switch {
	case o != nil && o.Max != nil:
		return fmt.Sprintf("%s <= %s", of, limit(*o.Max))
	case o != nil && o.Min != nil:
		return fmt.Sprintf("%s >= %s", of, limit(*o.Min))
	default:
		return of
	}
}
