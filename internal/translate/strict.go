// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/headgate-dev/headgate/api/v1alpha1"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// Bounds and defaults of iterations: Iter8's own defaults.
const (
	defaultEvery     = 20 * time.Second
	leastEvery       = time.Second
	defaultTimes     = 15
	defaultLoops     = 1
	mostIterations   = 1_000_000
	defaultIncrement = experiment.Whole / 10
)

// noWindows is why a strict experiment has no use for what says how they are
// read.
const noWindows = "a strict experiment reads no windows"

// strict refuses what an experiment by Iter8's rules has no use for, and sets
// what goes without saying there.
func (t *translator) strict() {
	if !t.api.Spec.Strict {
		return
	}
	t.plan.Strict = true
	const hint = "leave it out, or leave strict out and choose another stage"
	for _, f := range []struct{ field, why string }{
		{"segments", "a strict experiment knows no groups"},
		{"predictions", "a strict experiment reads no answers"},
		{"redact", "a strict experiment reads no answers"},
		{"guardrails", "a strict experiment has objectives alone"},
		{"promote", "a strict experiment promotes by the actions of onFinish"},
		{"budget", "a strict experiment ends after its iterations"},
		{"ledger", "a strict experiment keeps nothing by request"},
		{"analysis", "a strict experiment compares numbers as they are, and claims no error rate"},
		{"evidence", noWindows},
		{"onUnknown", "a strict experiment takes what is unknown for not satisfied, and waits for a provider that fails"},
		{"traffic.pack", "a strict experiment reads nothing of the router's"},
	} {
		if path := "spec." + f.field; t.given(path) {
			t.unread(path, t.lines[path], "", f.why, hint)
		}
	}
	t.strictAssignment()
}

// strictAssignment leaves each request to be drawn anew.
func (t *translator) strictAssignment() {
	a, path := &t.api.Spec.Assignment, "spec.assignment"
	for _, field := range []string{".unit.header", ".unit.cookie", ".unit.jsonPath", ".by", ".cohort", ".missing", ".overrides", ".exclude"} {
		if at := path + field; t.given(at) {
			t.unread(at, t.lines[at], "", "a strict experiment draws each request anew, and tells none apart", "leave it out")
			*a = v1alpha1.Assignment{Unit: v1alpha1.Unit{Request: true}}
		}
	}
	if !t.given(path + ".unit") {
		a.Unit.Request = true
	}
}

// pause is the time between two iterations, as far as it can be read yet.
func (t *translator) pause() time.Duration {
	for _, s := range t.api.Spec.Stages {
		if s.Iterate != nil && s.Iterate.Every != "" {
			if d, err := parseDuration(string(s.Iterate.Every)); err == nil && d >= leastEvery && d <= longestDuration {
				return d
			}
		}
	}
	return defaultEvery
}

// shiftsNothing says whether no stage moves shares.
func (t *translator) shiftsNothing() bool {
	return !slices.ContainsFunc(t.api.Spec.Stages, func(s v1alpha1.Stage) bool {
		return s.Iterate == nil || cmp.Or(s.Iterate.Shift, defaultShift(s.Iterate)) != string(experiment.ShiftNone)
	})
}

func defaultShift(in *v1alpha1.Iterate) string {
	if in.Pattern == string(experiment.PatternConformance) {
		return string(experiment.ShiftNone)
	}
	return string(experiment.ShiftGreedy)
}

// onlyStage reports a stage that the kind of the experiment does not know.
func (t *translator) onlyStage(path string, kind experiment.StageKind) {
	switch iterates := kind == experiment.KindIterate; {
	case t.plan.Strict && !iterates:
		t.fail(path+"."+string(kind), "", "the only stage of a strict experiment is iterate", "write iterate: {pattern: canary}, or leave strict out")
	case !t.plan.Strict && iterates:
		t.fail(path+".iterate", "", "iterate goes with strict: true", "write strict: true under spec, or choose another stage, for example split")
	}
}

// iterate reads the stage of a strict experiment.
func (t *translator) iterate(path string, s v1alpha1.Stage) *experiment.Iterate {
	in, at := s.Iterate, path+".iterate"
	for _, field := range []string{".where", ".require", ".approval"} {
		if t.given(path + field) {
			t.unread(path+field, t.lines[path+field], "", "a strict experiment knows no "+field[1:], "leave it out")
		}
	}
	out := &experiment.Iterate{
		Pattern: experiment.Pattern(in.Pattern), Shift: experiment.Shift(cmp.Or(in.Shift, defaultShift(in))),
		Every: t.duration(at+".every", in.Every, defaultEvery, leastEvery),
		Times: int(t.some(at+".times", in.Times, defaultTimes, mostIterations)),
		Loops: int(t.some(at+".loops", in.Loops, defaultLoops, mostIterations)),
		Cap:   t.shareOr(at+".cap", in.Cap, experiment.Whole), Increment: t.shareOr(at+".increment", in.Increment, defaultIncrement),
	}
	t.choice(at+".pattern", in.Pattern, string(experiment.PatternConformance), string(experiment.PatternCanary), string(experiment.PatternReward))
	t.option(at+".shift", in.Shift, string(experiment.ShiftNone), string(experiment.ShiftGreedy), string(experiment.ShiftSwitch))
	if lasts := float64(out.Times) * float64(out.Loops) * float64(out.Every); lasts > float64(longestDuration) {
		t.fail(at, short(lasts), "all iterations together last longer than a year", "want fewer times, or loops")
	}
	for _, field := range []string{".cap", ".increment"} {
		if out.Shift != experiment.ShiftGreedy && t.given(at+field) {
			t.fail(at+field, "", field[1:]+" goes with shift: greedy", "leave it out")
		}
	}
	if t.clean(at) && len(t.plan.Versions) > 0 {
		t.pattern(at, out)
	}
	return out
}

// pattern reports versions, a reward or a shift that do not go with the pattern.
func (t *translator) pattern(at string, it *experiment.Iterate) {
	n := t.candidates()
	versions := fmt.Sprintf("%d candidates", n)
	if n == 1 {
		versions = "1 candidate"
	}
	switch {
	case it.Pattern == experiment.PatternConformance && n > 0:
		t.fail(at+".pattern", versions, "a conformance is of one version", "leave the candidates out, or write pattern: canary")
	case it.Pattern == experiment.PatternConformance && it.Shift != experiment.ShiftNone:
		t.fail(at+".shift", quote(string(it.Shift)), "a conformance moves nothing", "leave shift out")
	case it.Pattern == experiment.PatternCanary && n != 1:
		t.fail(at+".pattern", versions, "a canary has one candidate", "write pattern: conformance for one version alone, pattern: reward to choose among several")
	case it.Pattern == experiment.PatternReward && n == 0:
		t.fail(at+".pattern", versions, "there is nobody to compare", "add a second version, or write pattern: conformance")
	case it.Pattern == experiment.PatternReward && t.api.Spec.Reward == nil:
		t.fail(at+".pattern", "", "there is no reward to win", "add reward: {metric: NAME} under spec, or write pattern: canary")
	case it.Shift == experiment.ShiftSwitch && n != 1:
		t.fail(at+".shift", versions, "a switch has one candidate to switch to", "write shift: greedy")
	}
	if t.api.Spec.Reward != nil && it.Pattern != experiment.PatternReward {
		t.fail("spec.reward", "", "the pattern "+string(it.Pattern)+" asks for no reward", "write pattern: reward, or leave the reward out")
	}
}

// strictLimit reads an objective of a strict experiment; ok is false if there is
// none.
func (t *translator) strictLimit(path string, o v1alpha1.Objective, m *experiment.Metric) (out experiment.Objective, ok bool) {
	t.line(path+".owner", o.Owner, maxText)
	if t.given(path + ".slices") {
		t.fail(path+".slices", "", "a strict experiment knows no groups", "leave it out")
	}
	out = experiment.Objective{Metric: o.Metric, Owner: o.Owner, Rollback: o.Rollback}
	for _, l := range []struct {
		word string
		q    v1alpha1.Quantity
		into **float64
	}{{".max", o.Max, &out.Max}, {".min", o.Min, &out.Min}} {
		if l.q == "" {
			continue
		}
		f, _ := t.fraction(path+l.word, l.q)
		f += 0 // -0 is 0.
		*l.into = &f
	}
	if out.Max != nil && out.Min != nil && *out.Min > *out.Max && t.clean(path) {
		t.fail(path, "", "min is above max: no number satisfies it", "")
	}
	return out, m != nil
}

// strictReward reads the reward of a strict experiment.
func (t *translator) strictReward(path string, r *v1alpha1.Reward) {
	m := t.known(path+".metric", r.Metric)
	for _, field := range []string{".minimumEffect", ".range"} {
		if t.given(path + field) {
			t.fail(path+field, "", "a strict experiment compares numbers as they are", "leave it out")
		}
	}
	if m != nil && m.Goal == "" {
		i := slices.IndexFunc(t.plan.Metrics, func(x experiment.Metric) bool { return x.Name == r.Metric })
		t.fail(fmt.Sprintf("spec.metrics[%d].goal", i), "", "which way is better is required of a reward", "write goal: increase, or goal: decrease")
	}
	t.plan.Reward = &experiment.Reward{Metric: r.Metric}
}

// goals gives the metrics of a strict experiment a goal where none is named,
// because nothing hangs on it but how they are shown: errors and latency, and what
// has a greatest value alone, are better when they decrease.
func (t *translator) goals() {
	for i := range t.plan.Metrics {
		m := &t.plan.Metrics[i]
		if m.Goal != "" {
			continue
		}
		m.Goal = experiment.Increase
		of := func(o experiment.Objective) bool { return o.Metric == m.Name && o.Max != nil && o.Min == nil }
		load := m.Provider != nil && m.Provider.Load != nil && m.Provider.Load.Of != experiment.LoadRequests
		if load || slices.ContainsFunc(t.plan.Objectives, of) {
			m.Goal = experiment.Decrease
		}
	}
}

// load reads a figure of the load that actions make.
func (t *translator) load(path string, from v1alpha1.From) *experiment.ProviderMetric {
	q := &experiment.LoadQuery{Of: experiment.LoadFigure(from.Load)}
	t.choice(path+".load", from.Load, string(experiment.LoadRequests), string(experiment.LoadErrors), string(experiment.LoadErrorRate), string(experiment.LoadMean), string(experiment.LoadLatency))
	if q.Of == experiment.LoadLatency {
		t.required(path+".quantile", string(from.Quantile), "latency needs a quantile", "for example quantile: 0.99")
		q.Quantile = t.probability(path+".quantile", from.Quantile, 0, mostProbability)
	}
	return &experiment.ProviderMetric{Load: q}
}

// mock reads a number that is made up.
func (t *translator) mock(path string, in *v1alpha1.Mock) *experiment.ProviderMetric {
	q := &experiment.MockQuery{Counter: in.Counter, Levels: make([]*float64, len(t.plan.Versions))}
	if len(in.Levels) == 0 {
		t.fail(path+".levels", "", "no version has a level", "for example levels: {v1: 10, v2: 12}")
	}
	for _, name := range slices.Sorted(maps.Keys(in.Levels)) {
		at := join(path+".levels", name)
		level := t.number(at, in.Levels[name], 0, -maxAmount, maxAmount)
		t.required(at, string(in.Levels[name]), "a number is required", `write 0.5 or "0.5"`)
		if i := t.version(at, "", name); i >= 0 {
			q.Levels[i] = &level
		}
	}
	return &experiment.ProviderMetric{Mock: q}
}

// loaded wants an action that loads where metrics are of load: they would never
// have a number.
func (t *translator) loaded() {
	for _, h := range experiment.Hooks() {
		for _, a := range t.plan.Actions.Of(h) {
			if a.Load != nil && !a.Load.Discard && (h == experiment.OnStart || h == experiment.OnStep) {
				return
			}
		}
	}
	for i, m := range t.plan.Metrics {
		at := fmt.Sprintf("spec.metrics[%d].from.load", i)
		if m.Provider != nil && m.Provider.Load != nil && t.clean("spec.actions") && t.clean(at) {
			t.fail(at, quote(string(m.Provider.Load.Of)), "no action loads a version", "add one to actions.onStart or actions.onStep, for example load: {targets: [{version: v1, url: \"http://HOST\"}]}")
		}
	}
}
