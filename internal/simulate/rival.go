// SPDX-License-Identifier: Apache-2.0

package simulate

import (
	"fmt"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Rival names another tool whose rule is played beside the plan.
type Rival string

// The rivals. What their rules are was read in their sources and documents:
// Iter8 0.7 (analytics 2.1.7), Argo Rollouts 1.10 (analysis runs) and Flagger
// 1.44 (the canary loop). Nothing of them runs here: these are the rules in our
// words, played on Headgate's own matured windows, which is more than any of
// them has.
const (
	Iter8   Rival = "iter8"
	Argo    Rival = "argo"
	Flagger Rival = "flagger"
)

// Rivals lists them in the order in which they are shown.
func Rivals() []Rival { return []Rival{Iter8, Argo, Flagger} }

// How the rivals are set up. They look ten times in the time that the plan's
// deciding stage is expected to last; the limits are those of their tutorials.
const (
	rivalChecks = 10
	// argoFailures and argoInconclusive are what an analysis run takes: the
	// fourth ends it. argoErrors is how many measurements in a row may find no
	// data.
	argoFailures     = 3
	argoInconclusive = 3
	argoErrors       = 4
	// flaggerThreshold is the number of failed checks that rolls back, whatever
	// succeeded in between.
	flaggerThreshold = 5
)

// Words says what a rival's rule is.
func (r Rival) Words() string {
	switch r {
	case Iter8:
		return fmt.Sprintf("last value: after %d checks the best point estimate of the reward among versions whose objectives hold", rivalChecks)
	case Argo:
		return fmt.Sprintf("threshold: %d measurements, each metric may fail %d and be inconclusive %d times", rivalChecks, argoFailures, argoInconclusive)
	default:
		return fmt.Sprintf("threshold steps: each passed check gives 1/%d of the share more, %d failed checks roll back", rivalChecks, flaggerThreshold)
	}
}

// verdict is what a rule says at a check; no end is to go on.
type verdict struct {
	end    End
	winner int
}

// rule is a rival in play.
type rule interface {
	// shares are what it asks for from now on.
	shares() experiment.Shares
	// check looks at what sealed since the last check, and at all so far.
	check(latest, all []tally) verdict
}

// limits are what a rival's metrics are held against.
type limits struct {
	plan       *experiment.Plan
	objectives []experiment.Objective
}

func (w *Fast) newRule(r Rival, stage *experiment.Stage) rule {
	l := limits{plan: w.plan}
	for _, o := range append(append([]experiment.Objective(nil), w.plan.Objectives...), stage.Require...) {
		if w.plan.Metric(o.Metric).Pairs == nil {
			l.objectives = append(l.objectives, o)
		}
	}
	full := rivalShares(w.plan, stage)
	single := experiment.Baseline(len(full))
	single[0], single[1] = experiment.Whole-full[1], full[1]
	switch r {
	case Iter8:
		return &lastValue{limits: l, split: full}
	case Argo:
		return &threshold{limits: l, split: single, failed: map[string]int{}, inconclusive: map[string]int{}, empty: map[string]int{}}
	default:
		return &thresholdSteps{limits: l, most: full[1]}
	}
}

// rivalStage is the stage of the plan that rivals decide in: the first that
// compares versions, else the first ramp; nil if there is none.
func rivalStage(p *experiment.Plan) *experiment.Stage {
	if len(p.Versions) < 2 {
		return nil
	}
	for i := range p.Stages {
		if s := &p.Stages[i]; s.Split != nil || s.Bandit != nil {
			return s
		}
	}
	for i := range p.Stages {
		if s := &p.Stages[i]; s.Ramp != nil {
			return s
		}
	}
	return nil
}

// rivalShares are what the stage gives at most: its split, even shares in place
// of a bandit, a ramp's last step.
func rivalShares(p *experiment.Plan, s *experiment.Stage) experiment.Shares {
	n := len(p.Versions)
	if s.Bandit == nil {
		return s.SharesAt(s.Steps()-1, n, func(int) bool { return false })
	}
	out := make(experiment.Shares, n)
	for v := range out {
		out[v] = experiment.Whole / experiment.Share(n)
	}
	out[0] += experiment.Whole % experiment.Share(n)
	return out
}

// value is a metric's point estimate in a version; false without data.
func value(p *experiment.Plan, name string, all []tally, version int) (float64, bool) {
	t := &all[version]
	for i := range p.Metrics {
		m := &p.Metrics[i]
		if m.Name != name {
			continue
		}
		switch {
		case isArea(m):
			area, err := t.metrics[i].scores.AUC()
			return area.Value, err == nil
		case m.Prediction != nil && !m.Prediction.Kind.Mean():
			x := &t.metrics[i]
			return float64(x.slow) / float64(x.read), x.read > 0
		case m.Provider != nil && m.Provider.Counted(), m.Builtin != nil && m.Builtin.Kind == experiment.Restarts:
			x := &t.metrics[i]
			return float64(x.slow) / float64(x.read), x.read > 0
		case m.Outcomes != nil || m.Labels != nil || m.OfAnswers() || m.Windowed() || unitsTold(m):
			x := &t.metrics[i].pair
			return x.MeanY / x.MeanX, x.N > 0 && x.MeanX > 0
		case m.Builtin != nil && m.Builtin.Kind == experiment.ErrorRate:
			return float64(t.failed) / float64(t.requests), t.requests > 0
		case m.Builtin != nil:
			return float64(t.metrics[i].slow) / float64(t.requests), t.requests > 0
		}
	}
	return 0, false
}

func within(o *experiment.Objective, x float64) bool {
	return (o.Max == nil || x <= *o.Max) && (o.Min == nil || x >= *o.Min)
}

// gain is how much better a candidate looks, and what the baseline has; false
// without data on either side.
func (l *limits) gain(metric string, all []tally, version int) (gain, baseline float64, ok bool) {
	c, okC := value(l.plan, metric, all, version)
	b, okB := value(l.plan, metric, all, 0)
	return l.plan.Metric(metric).Goal.Sign() * (c - b), b, okC && okB
}

// lastValue is the rule of Iter8: objectives hold by inclusive comparison of
// point estimates since the start, no data is a failed objective, and at the last
// iteration the one feasible version with the best reward wins. Without a reward
// a feasible candidate does. Nothing ends it early; guardrails cannot be said.
type lastValue struct {
	limits
	split  experiment.Shares
	checks int
}

func (l *lastValue) shares() experiment.Shares { return l.split }

func (l *lastValue) check(_, all []tally) verdict {
	if l.checks++; l.checks < rivalChecks {
		return verdict{}
	}
	best := l.best(all)
	switch {
	case len(best) != 1:
		return verdict{end: EndUndecided}
	case best[0] == 0:
		return verdict{end: EndRolledBack}
	default:
		return verdict{end: EndPromoted, winner: best[0]}
	}
}

// best lists the versions that nothing feasible beats.
func (l *lastValue) best(all []tally) []int {
	var best []int
	top := 0.0
	for v := range l.plan.Versions {
		if !l.feasible(all, v) {
			continue
		}
		if l.plan.Reward == nil {
			best = []int{v} // The last feasible one: a candidate before the baseline.
			continue
		}
		x, ok := value(l.plan, l.plan.Reward.Metric, all, v)
		x *= l.plan.Metric(l.plan.Reward.Metric).Goal.Sign()
		switch {
		case !ok:
		case len(best) == 0 || x > top:
			best, top = []int{v}, x
		case x == top:
			best = append(best, v)
		}
	}
	return best
}

func (l *lastValue) feasible(all []tally, version int) bool {
	for i := range l.objectives {
		x, ok := value(l.plan, l.objectives[i].Metric, all, version)
		if !ok || !within(&l.objectives[i], x) {
			return false
		}
	}
	return true
}

// threshold is the rule of an Argo Rollouts analysis run beside a fixed weight:
// each interval every metric is measured. An objective has a success condition;
// a guardrail fails beyond its margin; the reward succeeds when the candidate's
// is at least the baseline's and fails when it is less by more than the smallest
// effect that matters, and is inconclusive in between. More failures of a metric
// than its limit abort, more inconclusive measurements than theirs wait for a
// person (undecided), too many without data in a row abort. Measurements without
// data do not count.
type threshold struct {
	limits
	split                       experiment.Shares
	count                       int
	failed, inconclusive, empty map[string]int
}

func (t *threshold) shares() experiment.Shares { return t.split }

// measurement is how one metric was measured.
type measurement int

const (
	succeeded measurement = iota
	failed
	inconclusive
	noData
)

func (t *threshold) check(latest, _ []tally) verdict {
	counted := true
	var end End
	t.each(latest, func(name string, m measurement) {
		if m != noData {
			t.empty[name] = 0
		}
		switch m {
		case failed:
			t.failed[name]++
		case inconclusive:
			t.inconclusive[name]++
		case noData:
			t.empty[name]++
			counted = false
		}
		switch {
		case t.failed[name] > argoFailures || t.empty[name] > argoErrors:
			end = EndRolledBack
		case t.inconclusive[name] > argoInconclusive && end == "":
			end = EndUndecided
		}
	})
	if counted {
		t.count++
	}
	if end == "" && t.count >= rivalChecks {
		return verdict{end: EndPromoted, winner: 1}
	}
	return verdict{end: end}
}

// each measures every metric of the candidate.
func (l *limits) each(latest []tally, tell func(string, measurement)) {
	measure := func(ok, good, bad bool) measurement {
		switch {
		case !ok:
			return noData
		case good:
			return succeeded
		case bad:
			return failed
		default:
			return inconclusive
		}
	}
	for i := range l.objectives {
		o := &l.objectives[i]
		x, ok := value(l.plan, o.Metric, latest, 1)
		tell("objective "+o.Metric, measure(ok, within(o, x), true))
	}
	for _, g := range l.plan.Guardrails {
		gain, base, ok := l.gain(g.Metric, latest, 1)
		tell("guardrail "+g.Metric, measure(ok, gain >= -g.NoWorseThan.Of(base), true))
	}
	if r := l.plan.Reward; r != nil {
		gain, base, ok := l.gain(r.Metric, latest, 1)
		tell("reward "+r.Metric, measure(ok, gain >= 0, gain < -r.MinimumEffect.Of(base)))
	}
}

// thresholdSteps is the rule of Flagger, with the same limits: a check that fails
// in no metric raises the weight by a step, one that fails in any, or finds no
// data, counts as failed and raises nothing; there is nothing in between. Failed
// checks add up and are never forgiven: at the threshold everything goes back. At
// the full weight the candidate is promoted.
type thresholdSteps struct {
	limits
	most   experiment.Share
	passed int
	failed int
}

func (t *thresholdSteps) shares() experiment.Shares {
	s := experiment.Baseline(len(t.plan.Versions))
	s[1] = t.most * experiment.Share(min(rivalChecks, t.passed+1)) / rivalChecks
	s[0] -= s[1]
	return s
}

func (t *thresholdSteps) check(latest, _ []tally) verdict {
	good := true
	t.each(latest, func(_ string, m measurement) { good = good && m != failed && m != noData })
	if good {
		t.passed++
	} else {
		t.failed++
	}
	switch {
	case t.failed >= flaggerThreshold:
		return verdict{end: EndRolledBack}
	case t.passed >= rivalChecks:
		return verdict{end: EndPromoted, winner: 1}
	default:
		return verdict{}
	}
}

// merge adds a batch's evidence over everybody.
func merge(into []tally, b *batch) {
	for v := range into {
		t, x := &into[v], &b.tallies[v]
		t.units += x.units
		t.requests += x.requests
		t.failed += x.failed
		for i := range t.metrics {
			t.metrics[i].merge(&x.metrics[i])
		}
	}
}

// forget empties tallies.
func forget(ts []tally) {
	for i := range ts {
		clear(ts[i].metrics)
		ts[i] = tally{metrics: ts[i].metrics}
	}
}

func newTallies(p *experiment.Plan) []tally {
	out := make([]tally, len(p.Versions))
	for v := range out {
		out[v].metrics = make([]measured, len(p.Metrics))
	}
	return out
}
