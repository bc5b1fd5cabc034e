// SPDX-License-Identifier: Apache-2.0

package view

import (
	"fmt"
	"slices"
	"strings"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// verdictOf says in one sentence what is believed and what happens next.
func verdictOf(in *Input) Verdict {
	s := &in.Record.State
	if s.Condition == experiment.Done || s.Condition == experiment.Killed {
		return finalVerdict(in)
	}
	v := Verdict{Reasons: texts(in.Latest.Reasons)}
	if len(in.Latest.Reasons) > 0 {
		v.Code = string(in.Latest.Reasons[0].Code)
	}
	v.Sentence = runningSentence(in, strings.Join(v.Reasons, "; "))
	return v
}

// runningSentence begins with the word that tells most: who must act, whether
// anything can be believed, else what the stage does.
func runningSentence(in *Input, why string) string {
	s := &in.Record.State
	stage := &in.Plan.Stages[s.Stage]
	health := healthOf(in)
	switch {
	case s.Condition == experiment.Warm:
		return warmSentence(in, why)
	case s.Condition == experiment.Paused:
		return "PAUSED  shares stay until somebody resumes"
	case !health.OK:
		return fmt.Sprintf("UNTRUSTWORTHY  nothing is raised or promoted: %s", strings.Join(health.Trouble, "; "))
	case hasReason(in, experiment.ReasonNeedApproval):
		return fmt.Sprintf("APPROVAL AWAITED  %s", why)
	case hasReason(in, experiment.ReasonAsk):
		return fmt.Sprintf("A PERSON DECIDES  %s; %s", leanings(in), why)
	case hasReason(in, experiment.ReasonBudget):
		return fmt.Sprintf("BUDGET EXCEEDED  %s; %s", leanings(in), why)
	case in.Plan.Strict:
		return fmt.Sprintf("ITERATING  %s; %s", strictLeader(in), why)
	case len(in.Plan.Versions) == 1:
		return fmt.Sprintf("OBSERVING  %s", why)
	case stage.Mirror != nil:
		return fmt.Sprintf("COMPARING  %s with %s: %s", candidates(in), in.Plan.Versions[0].Name, why)
	case stage.Bandit != nil:
		head := "LEARNING"
		if hasReason(in, experiment.ReasonStill) {
			head = "FROZEN"
		}
		return fmt.Sprintf("%s  %s; %s", head, leader(in), why)
	default:
		return fmt.Sprintf("KEEP GOING  %s; %s", leanings(in), why)
	}
}

func hasReason(in *Input, code experiment.ReasonCode) bool {
	return slices.ContainsFunc(in.Latest.Reasons, func(r experiment.Reason) bool { return r.Code == code })
}

// candidates names the candidates that are left.
func candidates(in *Input) string {
	var names []string
	for v := 1; v < len(in.Plan.Versions); v++ {
		if !in.Record.State.IsRemoved(v) {
			names = append(names, in.Plan.Versions[v].Name)
		}
	}
	return list(names)
}

// maxLeanings is how many candidates a sentence speaks of.
const maxLeanings = 3

// leanings says of each remaining candidate what the reward shows so far.
func leanings(in *Input) string {
	var out []string
	more := 0
	for v := 1; v < len(in.Plan.Versions); v++ {
		switch {
		case in.Record.State.IsRemoved(v):
		case len(out) == maxLeanings:
			more++
		default:
			out = append(out, in.Plan.Versions[v].Name+" "+leaning(in, v))
		}
	}
	text := strings.Join(out, ", ")
	if more > 0 {
		text += fmt.Sprintf(", and %d more", more)
	}
	return text
}

// leaning says what the reward shows of a candidate, without claiming more than
// it may.
func leaning(in *Input, version int) string {
	if in.Plan.Reward == nil {
		return "is on trial"
	}
	if rewardHidden(in) {
		return "is on trial until the horizon"
	}
	v := in.Judgement.Find(version, experiment.RoleReward, in.Plan.Reward.Metric)
	switch {
	case v == nil || v.Interval == nil:
		return "is not known well enough to say"
	case v.Status == experiment.Better:
		return "is better"
	case v.Interval.Low > 0 || v.Interval.High < 0:
		return fmt.Sprintf("differs by %+.1f points", 100**v.Estimate)
	default:
		return fmt.Sprintf("is undecided (%+.1f points)", 100**v.Estimate)
	}
}

func finalVerdict(in *Input) Verdict {
	s := &in.Record.State
	winner := in.Plan.Versions[s.Winner].Name
	v := Verdict{Outcome: string(s.Outcome), Version: winner}
	last := last(s.Decisions)
	v.Reasons = texts(last.Reasons)
	why := strings.Join(v.Reasons, "; ") + caveat(in, last)
	if len(last.Reasons) > 0 {
		v.Code = string(last.Reasons[0].Code)
	}
	if head := strictEnd(in); head != "" {
		v.Sentence = fmt.Sprintf("%s: %s", head, why)
		return v
	}
	switch s.Outcome {
	case experiment.Promoted:
		head := "PROMOTED"
		if overrideOf(in) != "" {
			head = "PROMOTED BY OVERRIDE"
		}
		serves := winner
		if s.Copied {
			serves = in.Plan.Versions[0].Name + ", a copy of " + winner + ","
		}
		v.Sentence = fmt.Sprintf("%s  %s has all traffic: %s", head, serves, why)
	case experiment.RolledBack:
		v.Sentence = fmt.Sprintf("ROLLED BACK  %s has all traffic: %s", winner, why)
	case experiment.NoDifference:
		v.Sentence = fmt.Sprintf("NO DIFFERENCE  %s keeps the traffic: %s", winner, why)
	case experiment.Inconclusive:
		v.Sentence = fmt.Sprintf("INCONCLUSIVE  %s keeps the traffic: %s", winner, why)
	default:
		v.Sentence = fmt.Sprintf("%s  %s", strings.ToUpper(strings.ReplaceAll(string(s.Outcome), "-", " ")), why)
	}
	return v
}

// comparing are the codes of endings that speak of a difference.
var comparing = []experiment.ReasonCode{
	experiment.ReasonBetter, experiment.ReasonBest, experiment.ReasonNoDifference, experiment.ReasonInconclusive,
	experiment.ReasonRewardWorse, experiment.ReasonGuardrail,
}

// caveat ends a sentence that speaks of a difference between versions of which
// more than one part differs.
func caveat(in *Input, d experiment.Decision) string {
	if !slices.ContainsFunc(d.Reasons, func(r experiment.Reason) bool { return slices.Contains(comparing, r.Code) }) {
		return ""
	}
	for v := 1; v < len(in.Plan.Versions); v++ {
		if parts := in.Plan.DifferingParts(v); len(parts) > 1 {
			return fmt.Sprintf("; %s differ, so the effect is not the model's alone", list(parts))
		}
	}
	return ""
}

// last is the newest decision that ended something.
func last(ds []experiment.Decision) experiment.Decision {
	if len(ds) == 0 {
		return experiment.Decision{}
	}
	return ds[len(ds)-1]
}

// percent writes a fraction as decisions do.
func percent(x float64) string { return fmt.Sprintf("%.2f%%", 100*x) }

// amount writes a value of a metric in its unit, as decisions do.
func amount(m *experiment.Metric, x float64) string {
	if m == nil || m.Unit() == "" {
		return percent(x)
	}
	return fmt.Sprintf("%.4g", x) + unit(m)
}

// unit is what stands after a number of a metric that is not written in percent.
func unit(m *experiment.Metric) string {
	switch m.Unit() {
	case "bytes":
		return " bytes"
	case "seconds":
		return " s"
	}
	return ""
}

// points writes a difference with its sign.
func points(x float64) string { return fmt.Sprintf("%+.2f points", 100*x) }
