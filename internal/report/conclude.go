// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/view"
)

// conclusions say what the evidence carries and what it does not. Nothing is
// carried by evidence that cannot be trusted but known harm, which was acted
// on.
func conclusions(p *experiment.Plan, v *view.Experiment, found []view.Finding) (can, cannot []string) {
	can, cannot = []string{}, []string{}
	if !v.Health.OK {
		cannot = append(cannot, "Anything from comparisons: the evidence cannot be trusted ("+strings.Join(v.Health.Trouble, "; ")+").")
	}
	for i := range found {
		f := &found[i]
		if text, ok := concluded(f, v.Health.OK); ok {
			can = append(can, text)
		} else if text != "" {
			cannot = append(cannot, text)
		}
	}
	if len(can) > 0 {
		can = append(can, guarantees(p, v)...)
	}
	return can, append(cannot, limits(p, v, found)...)
}

// concluded puts a finding into words; false says that it concludes nothing.
func concluded(f *view.Finding, trusted bool) (string, bool) {
	what := f.Metric
	if f.Slice != "" {
		what += " in " + f.Slice
	}
	switch experiment.Status(f.Status) {
	case experiment.Violated:
		return fmt.Sprintf("%s breaks its limit: %s (%s).", f.Version, f.Question, figures(f)), true
	case experiment.Worse:
		return fmt.Sprintf("%s is worse in %s (%s).", f.Version, what, figures(f)), true
	case experiment.Met, experiment.Better, experiment.NotWorse:
		if !trusted || f.N == 0 { // The baseline does not drift from itself.
			return "", false
		}
		said := map[string]string{"met": "meets " + f.Question, "better": "is better in " + what, "not worse": "does not worsen " + what + " by as much as its margin"}
		return fmt.Sprintf("%s %s (%s).", f.Version, said[f.Status], figures(f)), true
	case experiment.Untrustworthy:
		return fmt.Sprintf("What %s does to %s: untrustworthy.", f.Version, what), false
	}
	switch {
	case f.Hidden:
		return fmt.Sprintf("What %s does to %s: hidden until the horizon.", f.Version, what), false
	case f.Equivalent && trusted:
		return fmt.Sprintf("%s differs in %s by less than what matters (%s).", f.Version, what, figures(f)), true
	case f.Need > 0:
		return fmt.Sprintf("What %s does to %s: undecided, about %s more %s are needed.", f.Version, what, thousands(f.Need), f.Basis), false
	default:
		return fmt.Sprintf("What %s does to %s: undecided.", f.Version, what), false
	}
}

// figures writes estimate, interval and basis of a finding.
func figures(f *view.Finding) string {
	if f.Estimate == nil || f.Interval == nil {
		return fmt.Sprintf("%s %s", thousands(f.N), f.Basis)
	}
	return fmt.Sprintf("%s, %s interval %s, %s %s, %s", value(f, *f.Estimate), level(f), interval(*f),
		thousands(f.N), f.Basis, guaranteed(f.Guarantee))
}

// guarantees say which errors are bounded, and by how much.
func guarantees(p *experiment.Plan, v *view.Experiment) []string {
	var out []string
	if p.Reward != nil {
		switch a := p.Analysis; a.Method {
		case experiment.Bayesian, experiment.Threshold:
		case experiment.Fixed:
			out = append(out, fmt.Sprintf("Between identical versions this plan says better with probability at most %s, at its horizon.", percent(a.Alpha)))
		case experiment.Anytime:
			out = append(out, fmt.Sprintf("Between identical versions this plan says better with probability at most %s, however often one looks.", percent(a.Alpha)))
		default:
			out = append(out, fmt.Sprintf("Between identical versions this plan says better with probability at most %s over its %d looks.", percent(a.Alpha), a.Looks))
		}
	}
	if p.Analysis.HarmAlpha > 0 && len(v.Findings) > 0 {
		out = append(out, fmt.Sprintf("All harm tests together raise a false alarm with probability at most %s, however often one looks.", percent(p.Analysis.HarmAlpha)))
	}
	return out
}

// limits say what no figure of the report can tell.
func limits(p *experiment.Plan, v *view.Experiment, found []view.Finding) []string {
	var out []string
	for _, n := range v.Notices {
		switch n.Kind {
		case view.NoticeHarm, view.NoticeHidden: // Said by the findings.
		case view.NoticeOverride:
			out = append(out, "That the plan would have promoted: "+n.Text+".")
		case view.NoticeParts:
			out = append(out, "That the model alone made the difference: "+n.Text+".")
		default:
			out = append(out, upper(n.Text)+".")
		}
	}
	for i := range p.Stages {
		if s := &p.Stages[i]; len(s.Where) > 0 && !slices.ContainsFunc(v.Notices, func(n view.Notice) bool { return n.Kind == view.NoticeWhere }) {
			out = append(out, fmt.Sprintf("What stage %s would have shown of other requests: it took only those with %s.", s.Name, s.Where))
		}
	}
	if slices.ContainsFunc(found, func(f view.Finding) bool { return f.Basis == string(experiment.BasisPairs) }) &&
		!slices.ContainsFunc(v.Notices, func(n view.Notice) bool { return n.Kind == view.NoticePairs }) {
		out = append(out, "How users react, from pairs: they tell how versions answer.")
	}
	if p.Reward == nil && len(p.Versions) > 1 {
		out = append(out, "Whether a candidate is better: the plan names no reward.")
	}
	if !p.Assignment.Unit.Request && slices.ContainsFunc(found, func(f view.Finding) bool { return f.Basis == string(experiment.BasisRequests) }) {
		out = append(out, "How sure figures from requests are where one unit sends many: they are taken as independent, so their intervals are too narrow then.")
	}
	if slices.ContainsFunc(found, func(f view.Finding) bool { return f.Guarantee == string(experiment.GuaranteeNone) && !f.Hidden }) {
		out = append(out, "The error rate of figures marked as without guarantee.")
	}
	if d := seconds(v.Elapsed); d < 7*24*time.Hour {
		out = append(out, fmt.Sprintf("Whether it is so on other days of the week: the experiment saw %s.", duration(v.Elapsed)))
	}
	return out
}

// trust lists the checks that the evidence passed or did not.
func (r *reading) trust(v *view.Experiment) []Check {
	out := []Check{{
		Name: "sample ratio", OK: v.Health.Mismatch < view.MismatchAlarm,
		Text: fmt.Sprintf("e-value %.3g that the units seen do not fit the shares asked for; the alarm is at %d", v.Health.Mismatch, view.MismatchAlarm),
	}}
	for _, j := range v.Health.Joined {
		out = append(out, Check{
			Name: "joined outcomes", OK: j.Share >= j.Floor,
			Text: fmt.Sprintf("%s of the matured units of %s were heard of in %s; the plan wants %s", percent(j.Share), j.Version, j.Metric, percent(j.Floor)),
		})
	}
	distrusted := slices.ContainsFunc(r.last.Decision.Reasons, func(x experiment.Reason) bool { return x.Code == experiment.ReasonIncomplete })
	for _, i := range v.Health.Incomplete {
		out = append(out, Check{Name: "whole windows", OK: !distrusted, Text: i.String()})
	}
	out = append(out, Check{Name: "moved units", OK: r.moved == 0, Text: fmt.Sprintf("%s units changed version inside a phase", thousands(r.moved))})
	for _, t := range r.troubles {
		when := "at " + clock(t.first)
		if t.last.After(t.first) {
			when = fmt.Sprintf("from %s to %s", clock(t.first), clock(t.last))
		}
		out = append(out, Check{Name: string(t.code), Text: fmt.Sprintf("%s (%s)", t.text, when)})
	}
	if len(r.troubles) == 0 {
		out = append(out, Check{Name: "sources", OK: true, Text: "no decision found a source down, stale or with a gap"})
	}
	return out
}
