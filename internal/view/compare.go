// SPDX-License-Identifier: Apache-2.0

package view

import (
	"fmt"
	"math"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// sign is +1 where more of the metric is better.
func (x *explaining) sign(v *experiment.Verdict) float64 {
	if m := x.in.Plan.Metric(v.Metric); m != nil {
		return m.Goal.Sign()
	}
	return 1
}

// worse explains a comparison that found harm: the evidence that it rests on,
// and where the interval says so too, the difference that would have passed.
func (x *explaining) worse(v *experiment.Verdict) Flip {
	f := x.of(v)
	threshold := 0.0
	if v.Role == experiment.RoleGuardrail {
		threshold = -x.sign(v) * deref(v.Limit)
	}
	if f, ok := x.harmEdge(f, v, threshold); ok {
		return f
	}
	seen, bar := exp(v.LogE), 1/x.in.Plan.TestAlpha()
	if seen < bar {
		f.Text = fmt.Sprintf("%s would not have lost its traffic without the harm in %s", f.Version, about(v))
		return f
	}
	f.Quantity, f.Seen, f.Bar = "e-value", &seen, &bar
	f.Text = fmt.Sprintf("%s would not have lost its traffic with evidence of harm in %s below an e-value of %.4g (it reached %.4g)", f.Version, about(v), bar, seen)
	return f
}

// harmEdge moves a harmful difference to where its interval's better end
// touches the threshold; false where it does not lie beyond it.
func (x *explaining) harmEdge(f Flip, v *experiment.Verdict, threshold float64) (Flip, bool) {
	if v.Interval == nil || v.Estimate == nil {
		return f, false
	}
	g, end := x.sign(v), v.Interval.High
	if g < 0 {
		end = v.Interval.Low
	}
	if g*(threshold-end) <= 0 {
		return f, false
	}
	seen, bar := *v.Estimate, *v.Estimate+threshold-end
	f.Quantity, f.Seen, f.Bar = "difference", &seen, &bar
	f.Text = fmt.Sprintf("%s would not have lost its traffic with a difference in %s %s %s, its interval being as wide (it was %s)", f.Version, about(v), beyond(g), x.points(v, bar), x.points(v, seen))
	return f, true
}

// beyond says on which side of a bar the better values lie.
func beyond(sign float64) string {
	if sign > 0 {
		return "above"
	}
	return "below"
}

// short is the opposite of beyond.
func short(sign float64) string { return beyond(-sign) }

// worseEnd is the end of an interval where the worse values lie.
func worseEnd(v *experiment.Verdict, sign float64) float64 {
	if sign > 0 {
		return v.Interval.Low
	}
	return v.Interval.High
}

// edge says how much smaller a difference could have been for its interval to
// lie beyond a threshold still; false where it does not lie beyond it.
func (x *explaining) edge(f Flip, v *experiment.Verdict, threshold float64, would string) (Flip, bool) {
	if v.Interval == nil || v.Estimate == nil {
		return f, false
	}
	g := x.sign(v)
	end := worseEnd(v, g)
	if g*(end-threshold) < 0 {
		return f, false
	}
	seen, bar := *v.Estimate, *v.Estimate+threshold-end
	f.Quantity, f.Seen, f.Bar = "difference", &seen, &bar
	f.Text = fmt.Sprintf("%s %s with a difference %s %s, its interval being as wide (it was %s)", f.Version, would, short(g), x.points(v, bar), x.points(v, seen))
	return f, true
}

// notYet says what a difference takes for its interval to lie beyond a
// threshold: a better one, or more of the same.
func (x *explaining) notYet(f Flip, v *experiment.Verdict, threshold float64, would string) Flip {
	if v.Interval == nil || v.Estimate == nil {
		f.Text = fmt.Sprintf("%s has too little data on %s to say", f.Version, about(v))
		return f
	}
	g := x.sign(v)
	end := worseEnd(v, g)
	seen, bar := *v.Estimate, *v.Estimate+threshold-end
	f.Quantity, f.Seen, f.Bar = "difference", &seen, &bar
	f.More = moreOf(v.N+v.NBaseline, g*(seen-end), g*(seen-threshold))
	f.Text = fmt.Sprintf("%s %s with a difference %s %s (it is %s)", f.Version, would, beyond(g), x.points(v, bar), x.points(v, seen))
	if f.More > 0 {
		f.Text += fmt.Sprintf(", or with about %s more %s like these", count(float64(f.More)), v.Basis)
	}
	return f
}

// maxTimes is how many times the evidence at hand an estimate of what is missing
// may be.
const maxTimes = 100

// moreOf is how much more evidence narrows an interval from its half-width to a
// distance: widths fall with the square root of the sample. 0 where no sample
// does, or none is needed.
func moreOf(n int64, half, distance float64) int64 {
	if distance <= 0 || half <= distance || n <= 0 {
		return 0
	}
	more := float64(n) * ((half/distance)*(half/distance) - 1)
	if more > maxTimes*float64(n) {
		return 0 // So far off is as good as never, and no estimate at all.
	}
	return int64(math.Ceil(more))
}

// undecidedRewards says what the reward of each remaining candidate takes to
// be called better.
func (x *explaining) undecidedRewards() {
	for i := range x.in.Judgement.Verdicts {
		v := &x.in.Judgement.Verdicts[i]
		if v.Role != experiment.RoleReward || v.Slice != "" || x.in.Record.State.IsRemoved(v.Version) {
			continue
		}
		switch {
		case v.Status == experiment.Better:
		case hides(x.in, v):
			f := x.of(v)
			f.More = v.Need
			f.Text = f.Version + " is decided at the horizon and not before"
			if v.Need > 0 {
				f.Text += fmt.Sprintf(": about %s %s more", count(float64(v.Need)), v.Basis)
			}
			x.add(f)
		default:
			x.add(x.undecidedReward(v))
		}
	}
}

// undecidedReward speaks in the terms of the plan's method.
func (x *explaining) undecidedReward(v *experiment.Verdict) Flip {
	f, a := x.of(v), x.in.Plan.Analysis
	tense := "would be called better"
	if x.d.Act != experiment.ActHold {
		tense = "would have been called better"
	}
	looking := a.Method == experiment.Sequential && x.d.Act == experiment.ActHold && x.in.Plan.Stages[x.in.Record.State.Stage].Split != nil
	switch {
	case looking && v.Interval != nil && x.sign(v)*worseEnd(v, x.sign(v)) > 0:
		f.Text = fmt.Sprintf("%s is called better at a planned look, not between (%d of %d were): its interval excludes zero already", f.Version, x.in.Judgement.Look, x.in.Judgement.Planned)
		return f
	case a.Method == experiment.Bayesian && v.Chance > 0:
		bar := 1 - a.Alpha
		f.Quantity, f.Seen, f.Bar = "probability", &v.Chance, &bar
		f.Text = fmt.Sprintf("%s %s with a probability of being better of %s (it is %s)", f.Version, tense, percent(bar), percent(v.Chance))
		return f
	case a.Method == experiment.Threshold && v.Limit != nil && v.Estimate != nil:
		bar := x.sign(v) * *v.Limit
		f.Quantity, f.Seen, f.Bar = "difference", v.Estimate, &bar
		f.Text = fmt.Sprintf("%s %s with a difference %s %s at the horizon (it is %s)", f.Version, tense, beyond(x.sign(v)), x.points(v, bar), x.points(v, *v.Estimate))
		return f
	}
	f = x.notYet(f, v, 0, tense)
	if looking && v.Interval != nil {
		f.Text += "; a look may decide sooner"
	}
	return f
}

// promotedBy explains a promotion on the reward: by the look that crossed its
// boundary where it is remembered, else by the interval.
func (x *explaining) promotedBy(r experiment.Reason) {
	for i := range x.in.Judgement.Verdicts {
		v := &x.in.Judgement.Verdicts[i]
		if v.Role != experiment.RoleReward || v.Slice != "" || x.name(v.Version) != r.Param("version") {
			continue
		}
		f, would := x.of(v), "would not have been called better"
		a := x.in.Plan.Analysis
		switch {
		case a.Method == experiment.Bayesian && v.Chance > 0:
			bar := 1 - a.Alpha
			f.Quantity, f.Seen, f.Bar = "probability", &v.Chance, &bar
			f.Text = fmt.Sprintf("%s %s with a probability of being better below %s (it was %s)", f.Version, would, percent(bar), percent(v.Chance))
		case a.Method == experiment.Threshold && v.Limit != nil && v.Estimate != nil:
			bar := x.sign(v) * *v.Limit
			f.Quantity, f.Seen, f.Bar = "difference", v.Estimate, &bar
			f.Text = fmt.Sprintf("%s %s with a difference %s %s (it was %s)", f.Version, would, short(x.sign(v)), x.points(v, bar), x.points(v, *v.Estimate))
		default:
			var ok bool
			if f, ok = x.crossed(f, v, would); !ok {
				continue
			}
		}
		x.add(f)
	}
}

func (x *explaining) crossed(f Flip, v *experiment.Verdict, would string) (Flip, bool) {
	for _, l := range x.in.Record.Monitors.Looks {
		if l.Z < l.Bound || (l.Version != v.Version && l.Version != 0) {
			continue
		}
		g := x.sign(v)
		seen, bar := l.Estimate, g*l.Bound*l.SE
		f.Quantity, f.Seen, f.Bar = "difference", &seen, &bar
		when := "at its look"
		if x.in.Plan.Analysis.Method == experiment.Fixed {
			when = "at the horizon"
		}
		f.Text = fmt.Sprintf("%s %s %s with a difference %s %s (it was %s)", f.Version, would, when, short(g), x.points(v, bar), x.points(v, seen))
		return f, true
	}
	return x.edge(f, v, 0, would)
}
