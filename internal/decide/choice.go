// SPDX-License-Identifier: Apache-2.0

package decide

import (
	"cmp"
	"math"
	"slices"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// split waits for the test to decide or for the horizon. Of several better
// candidates the one with the largest effect wins, of those that may ship.
func (d *deciding) split(stage *experiment.Stage) bool {
	until := stage.Split.Until
	if left := until.AtLeast - d.now.Sub(d.state.StageStart); left > 0 {
		return d.wait(needTime(left))
	}
	left := d.remaining()
	var better []int
	final := len(left) > 0
	for _, c := range left {
		v := d.reward(c)
		switch {
		case v == nil || v.Hidden && !v.Final:
			final = false
		case v.Status == experiment.Better && (until.Decided || v.Final):
			better = append(better, c)
		}
		final = final && v != nil && v.Final
	}
	switch {
	case len(better) > 0:
		better = d.byReward(better)
		winner := better[max(0, slices.IndexFunc(better, d.shippable))]
		v := d.reward(winner)
		m := d.plan.Metric(v.Metric)
		return d.goOn(winner, experiment.Because(experiment.ReasonBetter, "version", d.name(winner), "metric", v.Metric,
			"estimate", Difference(m, deref(v.Estimate)), "interval", Interval(m, v)))
	case final:
		outcome, why := d.undecidedAtHorizon(left)
		return d.withoutWinner(stage.Split.Otherwise, outcome, why)
	default:
		return d.wait(d.undecided(left))
	}
}

// reward is the verdict of a candidate's reward over everybody, or nil.
func (d *deciding) reward(version int) *experiment.Verdict {
	if d.plan.Reward == nil {
		return nil
	}
	return d.facts.Judgement.Find(version, experiment.RoleReward, d.plan.Reward.Metric)
}

// undecided says how much evidence there is and how much more it takes.
func (d *deciding) undecided(candidates []int) experiment.Reason {
	need := int64(0)
	for _, c := range candidates {
		if v := d.reward(c); v != nil {
			need = max(need, v.Need)
		}
	}
	more := "the horizon decides"
	switch {
	case need > 0 && d.countsDown():
		more = "about " + count(need) + " more until the horizon"
	case need > 0:
		more = "about " + count(need) + " more at the present difference, or the horizon decides"
	}
	return experiment.Because(experiment.ReasonNeedUnits, "have", d.facts.Judgement.Units, "more", more)
}

// countsDown reports whether what is needed is what is left until the horizon:
// where the plan counts units and the method does not decide at any time.
func (d *deciding) countsDown() bool {
	split, method := d.stage().Split, d.plan.Analysis.Method
	return split != nil && split.Until.Units > 0 && method != experiment.Anytime && method != experiment.Bayesian
}

// undecidedAtHorizon says for each candidate what is known of it at the
// horizon. Only if all are equivalent to the baseline there is no difference.
func (d *deciding) undecidedAtHorizon(candidates []int) (experiment.Outcome, []experiment.Reason) {
	outcome := experiment.NoDifference
	var out []experiment.Reason
	for _, c := range candidates {
		v := d.reward(c)
		if v == nil {
			outcome = experiment.Inconclusive
			continue
		}
		code := experiment.ReasonNoDifference
		if !v.Equivalent {
			outcome, code = experiment.Inconclusive, experiment.ReasonInconclusive
		}
		m := d.plan.Metric(v.Metric)
		metric := v.Metric
		if len(candidates) > 1 && code == experiment.ReasonInconclusive {
			metric = d.name(c) + "'s " + metric
		}
		out = append(out, experiment.Because(code, "version", d.name(c), "baseline", d.name(0), "metric", metric,
			"estimate", estimate(m, v), "interval", Interval(m, v), "margin", Value(m, deref(v.Limit))))
	}
	return outcome, out
}

// estimate writes a difference, or that there is none: nothing is not zero.
func estimate(m *experiment.Metric, v *experiment.Verdict) string {
	if v.Estimate == nil {
		return "no estimate"
	}
	return Difference(m, *v.Estimate)
}

// withoutWinner applies a stage's otherwise rule at its horizon.
func (d *deciding) withoutWinner(otherwise experiment.Otherwise, outcome experiment.Outcome, why []experiment.Reason) bool {
	says := experiment.Because(experiment.ReasonOtherwise, "otherwise", otherwise)
	left := d.remaining()
	switch otherwise {
	case experiment.AskPerson:
		d.waiting = true
		return d.wait(append([]experiment.Reason{experiment.Because(experiment.ReasonAsk)}, why...)...)
	case experiment.PromoteCandidate:
		why = append(why, says)
		byReward := d.byReward(left)
		if i := slices.IndexFunc(byReward, func(c int) bool { return d.measured(c) && d.shippable(c) }); i >= 0 {
			return d.goOn(byReward[i], why...)
		}
		for _, c := range left {
			why = append(why, d.lacks(c)...)
		}
		return d.end(experiment.ActStop, outcome, 0, why...)
	default:
		return d.end(experiment.ActStop, outcome, 0, append(why,
			experiment.Because(experiment.ReasonOtherwise, "otherwise", "keep "+d.name(0)))...)
	}
}

// shippable reports whether nothing known or missing keeps a candidate from
// leaving the stage.
func (d *deciding) shippable(candidate int) bool {
	return len(d.lacks(candidate)) == 0 && d.harmed(candidate) == ""
}

// measured reports whether anything is known of a candidate's reward. A plan that
// wants its candidate without a winner wants it without a difference, not
// unseen: no data is no pass (D2).
func (d *deciding) measured(candidate int) bool {
	if d.stage().Bandit != nil {
		return slices.ContainsFunc(d.facts.Judgement.Arms, func(a experiment.Arm) bool { return a.Version == candidate && a.N > 0 })
	}
	v := d.reward(candidate)
	return v != nil && v.Estimate != nil
}

// byReward orders candidates, the best reward first, equals as they are listed.
func (d *deciding) byReward(candidates []int) []int {
	return slices.SortedStableFunc(slices.Values(candidates), func(a, b int) int { return cmp.Compare(d.score(b), d.score(a)) })
}

// score is a candidate's reward as far as it is known, larger being better.
func (d *deciding) score(candidate int) float64 {
	if d.stage().Bandit != nil {
		sum := 0.0
		for _, a := range d.facts.Judgement.Arms {
			if a.Version == candidate {
				sum += a.Best
			}
		}
		return sum
	}
	v := d.reward(candidate)
	if v == nil || v.Estimate == nil {
		return math.Inf(-1)
	}
	score := *v.Estimate
	if m := d.plan.Metric(v.Metric); m != nil {
		score *= m.Goal.Sign()
	}
	return score
}
