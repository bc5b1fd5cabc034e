// SPDX-License-Identifier: Apache-2.0

package decide

import (
	"slices"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// harm removes candidates that violate an objective or a gate, or whose reward
// or guardrail is worse (D1). It reads only what Headgate saw, and asks the
// candidate nothing (D10). Untrustworthy evidence does not delay it (D2): the
// mistake that it could make costs an experiment, not a user. The baseline is
// exempt, because the way back leads there.
func (d *deciding) harm() bool {
	var found [experiment.MaxVersions]*experiment.Verdict
	verdicts := d.facts.Judgement.Verdicts
	for i := range verdicts {
		v := &verdicts[i]
		if !harmful(v) || !d.standing(v.Version) || d.overridden(v) {
			continue
		}
		if absolute(v) && d.everyVersion(v) {
			d.sayShared(v)
			continue
		}
		if had := found[v.Version]; had == nil || absolute(v) && !absolute(had) {
			found[v.Version] = v
		}
	}
	var out []*experiment.Verdict
	for _, v := range found {
		if v != nil {
			out = append(out, v)
		}
	}
	if len(out) == 0 {
		return false
	}
	return d.remove(out)
}

// harmful reports whether a verdict says that a version does harm beyond doubt.
func harmful(v *experiment.Verdict) bool {
	return v.Status == experiment.Violated || v.Status == experiment.Worse
}

// absolute reports whether a verdict is about a limit, not a comparison.
func absolute(v *experiment.Verdict) bool { return v.Status == experiment.Violated }

// standing reports whether a version is a candidate that harm matters of: one
// with a share to lose, or after the promotion the winner.
func (d *deciding) standing(version int) bool {
	if version <= 0 || version >= len(d.plan.Versions) {
		return false
	}
	if d.state.Condition == experiment.Warm {
		return version == d.state.Winner
	}
	return !d.state.IsRemoved(version)
}

// everyVersion reports whether what one version violates is nothing of its own:
// the baseline is over the limit as well, and no candidate is known to be within
// it. Then a bandit would pick the least bad, and what they share is the cause.
// Certainty does not come to all versions at once, so a baseline whose estimate
// is over the limit counts, unless the version is clearly worse than that. Other
// stages give everything back to the baseline, which is no worse.
func (d *deciding) everyVersion(v *experiment.Verdict) bool {
	if v.Role != experiment.RoleObjective || !live(&d.state) || d.stage().Bandit == nil {
		return false
	}
	of := func(version int) *experiment.Verdict {
		return d.facts.Judgement.FindIn(version, v.Role, v.Metric, v.Slice)
	}
	within := func(c int) bool {
		o := of(c)
		return o == nil || o.Status == experiment.Met
	}
	return d.overAsWell(of(0), v) && !slices.ContainsFunc(d.remaining(), within)
}

// overAsWell reports whether the baseline is over a limit that a candidate
// violates: beyond doubt, or by its estimate if the candidate may be no worse.
func (d *deciding) overAsWell(baseline, v *experiment.Verdict) bool {
	switch {
	case baseline == nil || baseline.Status == experiment.Met:
		return false
	case baseline.Status == experiment.Violated:
		return true
	case baseline.Estimate == nil || baseline.Interval == nil || v.Interval == nil:
		return false
	}
	for _, o := range d.plan.Objectives {
		switch {
		case o.Metric != v.Metric:
		case o.Max != nil:
			return *baseline.Estimate > *o.Max && v.Interval.Low <= baseline.Interval.High
		default:
			return *baseline.Estimate < *o.Min && v.Interval.High >= baseline.Interval.Low
		}
	}
	return false
}

func (d *deciding) sayShared(v *experiment.Verdict) {
	r := experiment.Because(experiment.ReasonSharedCause, "metric", d.label(v))
	if !slices.ContainsFunc(d.shared, func(o experiment.Reason) bool { return o.String() == r.String() }) {
		d.shared = append(d.shared, r)
	}
}

// sharedCause holds while every version violates an objective. At the horizon
// the stage ends without a winner.
func (d *deciding) sharedCause() bool {
	if len(d.shared) == 0 || d.state.Condition == experiment.Running && d.banditOver(d.stage().Bandit) {
		return false
	}
	if d.state.Condition == experiment.Paused {
		return d.wait(append(d.shared, experiment.Because(experiment.ReasonPaused))...)
	}
	return d.wait(d.shared...)
}

// remove takes everything from the versions that verdicts are about. Their
// shares go to the baseline and to nobody else: units that had nothing to do
// with the harm stay where they are.
func (d *deciding) remove(verdicts []*experiment.Verdict) bool {
	slices.SortStableFunc(verdicts, func(a, b *experiment.Verdict) int { return rank(a) - rank(b) })
	reasons := make([]experiment.Reason, len(verdicts))
	for i, v := range verdicts {
		reasons[i] = d.why(v)
	}
	if d.state.Condition == experiment.Warm || len(d.plan.Versions) == 2 {
		return d.rollback(reasons...)
	}
	for i, v := range verdicts {
		d.leaves(v.Version, reasons[i])
	}
	if len(d.remaining()) > 0 {
		return d.because(experiment.ActRemove, reasons...)
	}
	return d.rollback(append(reasons, experiment.Because(experiment.ReasonNoneLeft))...)
}

func rank(v *experiment.Verdict) int {
	if absolute(v) {
		return 0
	}
	return 1
}

// leaves takes a version out for good.
func (d *deciding) leaves(version int, why experiment.Reason) {
	d.to = d.to.without(version)
	if !d.state.IsRemoved(version) {
		d.state.Removed = append(d.state.Removed, experiment.Removal{Version: version, At: d.now, Reason: why})
	}
}

// why writes harm as a reason.
func (d *deciding) why(v *experiment.Verdict) experiment.Reason {
	m := d.plan.Metric(v.Metric)
	who := []any{"version", d.name(v.Version), "metric", d.label(v)}
	switch {
	case absolute(v):
		code := experiment.ReasonObjective
		if v.Role == experiment.RoleGate {
			code = experiment.ReasonGate
			who = append(who, "stage", d.stage().Name)
		}
		return experiment.Because(code, append(who,
			"estimate", Value(m, deref(v.Estimate)), "bound", bound(m, v), "limit", Limit(m, v.Limit))...)
	case v.Role == experiment.RoleGuardrail:
		return experiment.Because(experiment.ReasonGuardrail, append(who,
			"estimate", Difference(m, deref(v.Estimate)), "limit", Value(m, deref(v.Limit)))...)
	default:
		return experiment.Because(experiment.ReasonRewardWorse, append(who,
			"estimate", Difference(m, deref(v.Estimate)), "interval", Interval(m, v))...)
	}
}

// harmsOf lists what a version is known to do harm in.
func (d *deciding) harmsOf(version int) []experiment.Reason {
	var out []experiment.Reason
	for i := range d.facts.Judgement.Verdicts {
		if v := &d.facts.Judgement.Verdicts[i]; v.Version == version && harmful(v) {
			out = append(out, d.why(v))
		}
	}
	return out
}

// harmed names a metric in which a candidate is known to do harm.
func (d *deciding) harmed(version int) string {
	for i := range d.facts.Judgement.Verdicts {
		if v := &d.facts.Judgement.Verdicts[i]; v.Version == version && harmful(v) {
			return d.name(version) + " is " + string(v.Status) + " in " + d.label(v)
		}
	}
	return ""
}

// overridden reports whether a person promoted the winner in spite of just this
// harm. While the old version is kept warm, any other still rolls back.
func (d *deciding) overridden(v *experiment.Verdict) bool {
	if d.state.Condition != experiment.Warm || d.state.Overridden == nil {
		return false
	}
	r := d.why(v)
	return slices.ContainsFunc(d.state.Overridden.Harm, func(o experiment.Reason) bool {
		return o.Code == r.Code && o.Param("metric") == r.Param("metric")
	})
}
