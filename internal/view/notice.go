// SPDX-License-Identifier: Apache-2.0

package view

import (
	"fmt"
	"slices"
	"strings"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Notice is something that a reader must know before any number is used.
type Notice struct {
	// Kind is stable: override, parts, hidden, no-error-rate, strict, where,
	// pairs, harm.
	Kind string `json:"kind"`
	Text string `json:"text"`
}

// The kinds of notices.
const (
	// NoticeOverride: a person promoted in spite of known harm.
	NoticeOverride = "override"
	// NoticeParts: more than the model differs.
	NoticeParts = "parts"
	// NoticeHidden: the method keeps the reward back until the horizon.
	NoticeHidden = "hidden"
	// NoticeNoErrorRate: the method claims none.
	NoticeNoErrorRate = "no-error-rate"
	// NoticeStrict: Iter8's own rules decide.
	NoticeStrict = "strict"
	// NoticeWhere: only some requests are in the experiment.
	NoticeWhere = "where"
	// NoticePairs: nothing is known of how users react.
	NoticePairs = "pairs"
	// NoticeWindows: of some metrics windows are the sample.
	NoticeWindows = "windows"
	// NoticeHarm: some group is known to be harmed.
	NoticeHarm = "harm"
)

// noticesOf gathers them, the gravest first.
func noticesOf(in *Input) []Notice {
	var out []Notice
	say := func(kind, format string, args ...any) {
		out = append(out, Notice{kind, fmt.Sprintf(format, args...)})
	}
	if o := overrideOf(in); o != "" {
		say(NoticeOverride, "%s", o)
	}
	for v := 1; v < len(in.Plan.Versions); v++ {
		if parts := in.Plan.DifferingParts(v); len(parts) > 1 {
			say(NoticeParts, "%s differs from %s in %s: an effect is not the model's alone", in.Plan.Versions[v].Name, in.Plan.Versions[0].Name, list(parts))
		}
	}
	if groups := harmedGroups(in); len(groups) > 0 {
		say(NoticeHarm, "known to be worse for some: %s", strings.Join(groups, "; "))
	}
	if rewardHidden(in) {
		say(NoticeHidden, "the reward is hidden until the horizon, so that nobody stops early because of it")
	}
	if m := in.Plan.Analysis.Method; in.Plan.Reward != nil && !in.Plan.Strict && (m == experiment.Bayesian || m == experiment.Threshold) {
		say(NoticeNoErrorRate, "the method %s claims no error rate: between identical versions it may often say better", m)
	}
	if in.Plan.Strict {
		say(NoticeStrict, "strict: Iter8's own rules decide, by the newest values alone; no error rate is claimed, and a version that breaks an objective may gain share")
	}
	stage := &in.Plan.Stages[in.Record.State.Stage]
	if live(in) && len(stage.Where) > 0 {
		say(NoticeWhere, "stage %s takes only requests with %s: shares and results are of these", stage.Name, stage.Where)
	}
	if live(in) && stage.Mirror != nil {
		say(NoticePairs, "a mirror tells how versions answer, never how users react")
	}
	if names := windowed(in); len(names) > 0 {
		say(NoticeWindows, "windows are the sample of %s: a provider tells one number for each, so that what is said of it is approximate", list(names))
	}
	return out
}

// windowed names the metrics of the verdicts of which windows are the sample.
func windowed(in *Input) []string {
	var names []string
	for i := range in.Judgement.Verdicts {
		v := &in.Judgement.Verdicts[i]
		if v.Basis == experiment.BasisWindows && v.N > 0 && !slices.Contains(names, v.Metric) {
			names = append(names, v.Metric)
		}
	}
	return names
}

// live says that the experiment stands in a stage of its plan.
func live(in *Input) bool {
	c := in.Record.State.Condition
	return c == experiment.Running || c == experiment.Paused
}

// overrideOf says that who has the traffic was promoted by a person against
// known harm, or nothing.
func overrideOf(in *Input) string {
	s := &in.Record.State
	if s.Outcome != experiment.Promoted && s.Condition != experiment.Warm {
		return ""
	}
	o := s.Overridden
	if o == nil {
		return ""
	}
	harm := make([]string, len(o.Harm))
	for i, r := range o.Harm {
		harm[i] = r.String()
	}
	return fmt.Sprintf("%s has the traffic by override, promoted by %s (%s) in spite of known harm: %s",
		in.Plan.Versions[s.Winner].Name, o.Author, o.Reason, strings.Join(harm, "; "))
}

// about names the metric of a verdict, with its slice.
func about(v *experiment.Verdict) string {
	if v.Slice == "" {
		return v.Metric
	}
	return v.Metric + " in " + v.Slice
}

func harmedGroups(in *Input) []string {
	var out []string
	for i := range in.Judgement.Verdicts {
		v := &in.Judgement.Verdicts[i]
		if v.Slice != "" && (v.Status == experiment.Worse || v.Status == experiment.Violated) {
			out = append(out, fmt.Sprintf("%s of %s", about(v), in.Plan.Versions[v.Version].Name))
		}
	}
	slices.Sort(out)
	return out
}

// list joins words: "a, b and c".
func list(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}
