// SPDX-License-Identifier: Apache-2.0

package decide

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// iterate is how a strict plan goes on: by Iter8's rules, on point values and
// nothing else. An iteration takes place when it is due and everything that it
// decides by was read; the last is followed by the end, once the shares that it
// asked for were written.
func (d *deciding) iterate() bool {
	it, x := d.stage().Iterate, d.state.Iteration
	if i := slices.IndexFunc(d.state.Actions, func(i experiment.Intent) bool { return i.Kind == experiment.IntentRun }); i >= 0 {
		return d.wait(d.undone(d.state.Actions[i]))
	}
	if x != nil && x.Done >= it.Total() {
		return d.iterated(it, x)
	}
	if _, due := d.plan.Iterates(d.before, d.now); !due {
		return d.wait(d.nextIteration(it, x))
	}
	x = d.iteration()
	if x.First.IsZero() {
		x.First = d.now
	}
	r := readings{d.facts.Readings}
	if broken := d.broken(&r); len(broken) > 0 {
		x.Values, x.Satisfied = r.all, d.satisfied(&r)
		return d.rollback(broken...)
	}
	if unread := d.unread(&r); len(unread) > 0 {
		return d.wait(unread...)
	}
	if len(d.doubts) > 0 && it.Shift != experiment.ShiftNone {
		return d.wait(d.doubts...)
	}
	satisfied := d.satisfied(&r)
	best, found, what := d.compared(it, &r, satisfied)
	want := forAll(d.shift(it, best))
	if d.unready(want) {
		return true
	}
	d.to = want
	x.Values, x.Satisfied, x.Best, x.Found, x.Winner = r.all, satisfied, best, found, 0
	if found {
		x.Winner = best[0]
	}
	x.Done++
	x.Last = d.now
	return d.iterationDone(it, x, what)
}

// iterationDone says what an iteration found, and whether a loop is over with it.
func (d *deciding) iterationDone(it *experiment.Iterate, x *experiment.Iteration, what string) bool {
	reasons := []experiment.Reason{experiment.Because(experiment.ReasonIterated, "iteration", x.Done, "of", it.Total(), "what", what)}
	if x.Done%it.Times == 0 {
		d.looped = true
		reasons = append(reasons, experiment.Because(experiment.ReasonLoopDone, "loop", x.Done/it.Times, "of", it.Loops))
	}
	if d.to.same(d.from) {
		return d.wait(reasons...)
	}
	return d.because(experiment.ActShift, reasons...)
}

// iteration is the state's own, made where there is none yet.
func (d *deciding) iteration() *experiment.Iteration {
	if d.state.Iteration == nil {
		d.state.Iteration = &experiment.Iteration{}
	}
	return d.state.Iteration
}

func (d *deciding) nextIteration(it *experiment.Iterate, x *experiment.Iteration) experiment.Reason {
	next, left := 1, time.Duration(0)
	if x != nil && x.Done > 0 {
		next, left = x.Done+1, max(0, x.Last.Add(it.Every).Sub(d.now))
	}
	return experiment.Because(experiment.ReasonIterates, "iteration", next, "of", it.Total(), "left", left.Round(time.Millisecond))
}

// iterated ends a strict plan after its last iteration. The shares stay: it is
// the actions that promote.
func (d *deciding) iterated(it *experiment.Iterate, x *experiment.Iteration) bool {
	outcome := experiment.Inconclusive
	why := experiment.Because(experiment.ReasonNoWinner, "iterations", x.Done, "what", d.without(x), "baseline", d.name(0))
	if x.Found {
		why = experiment.Because(experiment.ReasonWinner, "iterations", x.Done, "version", d.name(x.Winner))
		switch {
		case x.Winner > 0:
			outcome = experiment.Promoted
		case it.Pattern == experiment.PatternConformance:
			outcome = experiment.OutcomeMet
		default:
			outcome = experiment.BaselineKept
		}
	}
	d.stays(outcome, x.Recommended())
	return d.because(experiment.ActStop, why)
}

// stays ends the experiment with its shares as they are.
func (d *deciding) stays(outcome experiment.Outcome, version int) {
	s := &d.state
	d.iteration().Over = true
	s.Condition, s.Outcome, s.Winner = experiment.Done, outcome, version
}

// without says why there is no winner.
func (d *deciding) without(x *experiment.Iteration) string {
	switch {
	case len(x.Best) > 1:
		return d.names(x.Best) + " are equally good"
	case slices.ContainsFunc(x.Satisfied, all) || len(x.Satisfied) == 0:
		return "no version that satisfies every objective has a known reward"
	}
	return "no version satisfies every objective"
}

// stopped ends a strict plan of which an action failed for good. One that had
// ended by its iterations has no result without its actions, since it is these
// that promote. Nobody's word is taken back by it, and no rollback.
func (d *deciding) stopped() bool {
	s := &d.state
	i := slices.IndexFunc(s.Failed, func(f experiment.ActionFailure) bool { return !f.Ignored })
	x := s.Iteration
	switch {
	case i < 0, x != nil && x.Failed != "":
		return false
	case !live(s) && (s.Condition != experiment.Done || x == nil || !x.Over || s.Outcome == experiment.RolledBack):
		return false
	}
	f := s.Failed[i]
	action := d.plan.Label(f.Intent)
	d.stays(experiment.Inconclusive, 0)
	d.failing, s.Iteration.Failed = true, action+" failed for good: "+f.Why
	return d.because(experiment.ActStop, experiment.Because(experiment.ReasonActionEnds, "action", action, "why", f.Why))
}

// readings are what the metrics said of the versions.
type readings struct{ all []experiment.Reading }

// of is a metric's value of a version, and why it was not read. Neither is a
// value that is no number.
func (r *readings) of(metric string, version int) (value *float64, failed string) {
	for i := range r.all {
		if x := &r.all[i]; x.Metric == metric && x.Version == version {
			if x.Failed != "" {
				return nil, x.Failed
			}
			return x.Value, ""
		}
	}
	return nil, "nobody asked for it"
}

// decisive are the metrics that an iteration decides by, each once. The others
// are only shown.
func (d *deciding) decisive() []string {
	var out []string
	for _, o := range d.plan.Objectives {
		out = append(out, o.Metric)
	}
	if d.plan.Reward != nil {
		out = append(out, d.plan.Reward.Metric)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// unread lists what an iteration lacks: without it nothing moves (D5).
func (d *deciding) unread(r *readings) []experiment.Reason {
	var out []experiment.Reason
	for _, metric := range d.decisive() {
		for v := range d.plan.Versions {
			if _, failed := r.of(metric, v); failed != "" {
				out = append(out, experiment.Because(experiment.ReasonNotRead, "metric", metric, "version", d.name(v), "why", failed))
			}
		}
	}
	return out
}

// broken lists the limits that roll back and that a version is known to be
// beyond. What nothing is known of breaks none, and what cannot be read does not
// delay what can.
func (d *deciding) broken(r *readings) []experiment.Reason {
	var out []experiment.Reason
	for i := range d.plan.Objectives {
		o := &d.plan.Objectives[i]
		if !o.Rollback {
			continue
		}
		for v := range d.plan.Versions {
			if value, _ := r.of(o.Metric, v); value != nil && !within(o, value) {
				out = append(out, experiment.Because(experiment.ReasonLimitBroken,
					"version", d.name(v), "metric", o.Metric, "value", fmt.Sprintf("%g", *value), "limit", limits(o)))
			}
		}
	}
	return out
}

// within reports whether a value is known and satisfies an objective; limits are
// inclusive.
func within(o *experiment.Objective, value *float64) bool {
	return value != nil && (o.Max == nil || *value <= *o.Max) && (o.Min == nil || *value >= *o.Min)
}

// limits writes the limits of an objective.
func limits(o *experiment.Objective) string {
	var parts []string
	if o.Min != nil {
		parts = append(parts, fmt.Sprintf("at least %g", *o.Min))
	}
	if o.Max != nil {
		parts = append(parts, fmt.Sprintf("at most %g", *o.Max))
	}
	return cmp.Or(strings.Join(parts, " and "), "none")
}

// satisfied says by version which objectives are; nil where there are none.
func (d *deciding) satisfied(r *readings) [][]bool {
	if len(d.plan.Objectives) == 0 {
		return nil
	}
	out := make([][]bool, len(d.plan.Versions))
	for v := range out {
		for i := range d.plan.Objectives {
			o := &d.plan.Objectives[i]
			value, _ := r.of(o.Metric, v)
			out[v] = append(out[v], within(o, value))
		}
	}
	return out
}

func all(yes []bool) bool { return !slices.Contains(yes, false) }

// compared gives the versions that the traffic follows and whether there is one
// winner, the first of them, by the plan's pattern; and says so.
func (d *deciding) compared(it *experiment.Iterate, r *readings, satisfied [][]bool) (best []int, found bool, what string) {
	feasible := func(v int) bool { return satisfied == nil || all(satisfied[v]) }
	switch it.Pattern {
	case experiment.PatternConformance:
		if feasible(0) {
			best = []int{0}
		}
	case experiment.PatternCanary:
		for v := range d.plan.Versions {
			if feasible(v) && (len(best) == 0 || best[0] == 0) {
				best = []int{v} // The first candidate, else the baseline.
			}
		}
	default:
		best = d.mostRewarded(r, feasible)
	}
	if len(best) == 1 {
		return best, true, d.name(best[0]) + " is the winner"
	}
	return best, false, d.without(&experiment.Iteration{Best: best, Satisfied: satisfied})
}

// mostRewarded lists the feasible versions of the best known reward.
func (d *deciding) mostRewarded(r *readings, feasible func(int) bool) []int {
	var best []int
	if d.plan.Reward == nil {
		return nil
	}
	sign, top := 1.0, 0.0
	if m := d.plan.Metric(d.plan.Reward.Metric); m != nil {
		sign = m.Goal.Sign()
	}
	for v := range d.plan.Versions {
		value, _ := r.of(d.plan.Reward.Metric, v)
		if value == nil || !feasible(v) {
			continue
		}
		switch at := sign * *value; {
		case len(best) == 0 || at > top:
			best, top = []int{v}, at
		case at == top:
			best = append(best, v)
		}
	}
	return best
}

// shift gives the shares of an iteration.
func (d *deciding) shift(it *experiment.Iterate, best []int) experiment.Shares {
	n := len(d.plan.Versions)
	switch {
	case n == 1 || it.Shift == experiment.ShiftNone:
		return d.from.all
	case it.Shift == experiment.ShiftSwitch:
		shares := experiment.Baseline(n)
		for v := 1; v < n; v++ {
			shares[v] = min(experiment.Whole/experiment.Share(n-1), it.Cap) / percentage * percentage
			shares[0] -= shares[v]
		}
		return shares
	}
	return greedy(d.from.all, it, best)
}

// percentage is the least that strict shares differ by.
const percentage experiment.Share = experiment.Whole / 100

// greedy gives nine tenths of the traffic to the best versions, or to the
// baseline where there are none, and spreads one tenth evenly over all. A
// candidate has at most the cap, and at most the increment more than before; what
// that leaves is the baseline's. Shares are whole percents, by the largest
// remainder: versions round down, and the percents that are left go one each to
// those that lost most by that, the baseline first among equals and never so that
// a candidate breaks a bound; the baseline has what is left even then. All of it
// is in whole numbers, of a slot divided by the versions and by the best.
func greedy(from experiment.Shares, it *experiment.Iterate, best []int) experiment.Shares {
	n, among := len(from), max(1, len(best))
	unit := n * among
	whole := int(percentage) * unit
	exact := make([]int, n)
	exact[0] = experiment.Whole * unit
	for v := 1; v < n; v++ {
		mix := among
		if slices.Contains(best, v) {
			mix += 9 * n
		}
		exact[v] = max(0, min(experiment.Whole/10*mix, int(from[v]+it.Increment)*unit, int(it.Cap)*unit))
		exact[0] -= exact[v]
	}
	shares, order := make(experiment.Shares, n), make([]int, n)
	left := experiment.Share(experiment.Whole)
	for v := range exact {
		order[v] = v
		shares[v] = experiment.Share(exact[v]/whole) * percentage
		left -= shares[v]
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(exact[b]%whole, exact[a]%whole) })
	for _, v := range order {
		up := shares[v] + percentage
		if left > 0 && exact[v]%whole > 0 && (v == 0 || up <= it.Cap && up <= from[v]+it.Increment) {
			shares[v], left = up, left-percentage
		}
	}
	shares[0] += left
	return shares
}
