// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/headgate-dev/headgate/api/v1alpha1"
	"github.com/headgate-dev/headgate/internal/experiment"
)

func (t *translator) stages() {
	ss := t.api.Spec.Stages
	if len(ss) == 0 || len(ss) > maxStages {
		t.fail("spec.stages", fmt.Sprintf("%d stages", len(ss)), fmt.Sprintf("want 1 to %d stages", maxStages), "")
	} else if len(ss) > 1 && t.plan.Strict {
		t.fail("spec.stages", fmt.Sprintf("%d stages", len(ss)), "a strict experiment has one stage, iterate", "leave the others out")
	}
	t.names("spec.stages", len(ss), func(i int) string { return ss[i].Name })
	for i, s := range ss {
		t.plan.Stages = append(t.plan.Stages, t.stage(fmt.Sprintf("spec.stages[%d]", i), s))
	}
}

// kindsOf lists the kinds that a stage asks for.
func kindsOf(s v1alpha1.Stage) []experiment.StageKind {
	var kinds []experiment.StageKind
	for _, k := range []struct {
		on   bool
		kind experiment.StageKind
	}{
		{s.Ramp != nil, experiment.KindRamp},
		{s.Split != nil, experiment.KindSplit},
		{s.Mirror != nil, experiment.KindMirror},
		{s.Bandit != nil, experiment.KindBandit},
		{s.Switch != nil, experiment.KindSwitch},
		{s.Observe != nil, experiment.KindObserve},
		{s.Iterate != nil, experiment.KindIterate},
	} {
		if k.on {
			kinds = append(kinds, k.kind)
		}
	}
	return kinds
}

func (t *translator) stage(path string, s v1alpha1.Stage) experiment.Stage {
	out := experiment.Stage{Name: s.Name, Approval: s.Approval}
	kinds := kindsOf(s)
	if len(kinds) != 1 {
		t.fail(path, fmt.Sprintf("%d of them", len(kinds)), "exactly one of ramp, split, mirror, bandit, switch, observe and iterate is required", "for example observe: {for: 10m}")
		return out
	}
	kind := kinds[0]
	t.onlyStage(path, kind)
	t.belongs(path, s, kind)
	t.line(path+".approval", s.Approval, maxText)
	if n := len(t.plan.Versions); n < 2 && kind != experiment.KindObserve && kind != experiment.KindIterate {
		if n == 1 {
			t.fail(path, "", "the stage needs a candidate", "add a second version, or use observe")
		}
		return out
	}
	switch kind {
	case experiment.KindRamp:
		out.Ramp = t.ramp(path, s)
	case experiment.KindSplit:
		out.Split = t.split(path, s)
	case experiment.KindMirror:
		out.Mirror = t.mirror(path, s)
		out.Mirror.Until.Pairs = t.collects(path+".until", s)
	case experiment.KindBandit:
		out.Bandit = t.bandit(path, s)
	case experiment.KindSwitch:
		out.Switch = &experiment.Switch{
			Warm: t.duration(path+".switch.warm", s.Switch.Warm, 0, 0),
			Soak: t.soak(path+".switch.soak", s.Switch.Soak),
		}
	case experiment.KindIterate:
		out.Iterate = t.iterate(path, s)
	default:
		out.Observe = t.observe(path, s)
	}
	out.Where = t.stageWhere(path, s)
	t.gates(path+".require", s.Require, &out)
	return out
}

// stageWhere reads the conditions of a stage; a ramp may hold them itself.
func (t *translator) stageWhere(path string, s v1alpha1.Stage) experiment.Where {
	at, in := path+".where", s.Where
	if s.Ramp != nil && len(s.Ramp.Where) > 0 {
		if len(in) > 0 {
			t.fail(path+".ramp.where", "", "the stage has a where already", "write all conditions there")
		}
		at, in = path+".ramp.where", s.Ramp.Where
	}
	return t.where(at, in)
}

// belongs reports what goes with other kinds of stages.
func (t *translator) belongs(path string, s v1alpha1.Stage, kind experiment.StageKind) {
	const ramp, split, mirror, bandit = experiment.KindRamp, experiment.KindSplit, experiment.KindMirror, experiment.KindBandit
	for _, f := range []struct {
		field string
		kinds []experiment.StageKind
	}{
		{"hold", []experiment.StageKind{ramp}},
		{"until", []experiment.StageKind{ramp, split, mirror, bandit}},
		{"until.decided", []experiment.StageKind{split}},
		{"until.units", []experiment.StageKind{split, bandit}},
		{"until.pairs", []experiment.StageKind{mirror}},
		{"until.copies", []experiment.StageKind{mirror}},
		{"until.best", []experiment.StageKind{bandit}},
		{"until.atLeast", []experiment.StageKind{split, mirror, bandit}},
		{"otherwise", []experiment.StageKind{split, bandit}},
	} {
		// Of an until that does not belong, its fields need not be told.
		if slices.Contains(f.kinds, kind) || !t.given(path+"."+f.field) || strings.Contains(f.field, ".") && untilless(kind) {
			continue
		}
		names := make([]string, len(f.kinds))
		for i, k := range f.kinds {
			names[i] = string(k)
		}
		t.fail(path+"."+f.field, "", f.field+" goes with "+oneOf(names), "")
	}
}

// untilless says whether a kind of stage has an end of its own.
func untilless(kind experiment.StageKind) bool {
	return kind == experiment.KindSwitch || kind == experiment.KindObserve || kind == experiment.KindIterate
}

func (t *translator) observe(path string, s v1alpha1.Stage) *experiment.Observe {
	if len(t.api.Spec.Objectives) == 0 && len(s.Require) == 0 {
		t.fail(path+".observe", "", "there is nothing to observe", "add an objective")
	}
	return &experiment.Observe{For: t.duration(path+".observe.for", s.Observe.For, 0, time.Second)}
}

// soak reads how long a candidate serves after a cut-over: nothing is known of
// it before a window is over.
func (t *translator) soak(path string, in v1alpha1.Duration) time.Duration {
	if in == "" {
		t.fail(path, "", "a switch says how long its candidate serves before the stage is over", "for example switch: {warm: 10m, soak: 1h}")
		return t.plan.Window
	}
	return t.duration(path, in, t.plan.Window, t.plan.Window)
}

func (t *translator) ramp(path string, s v1alpha1.Stage) *experiment.Ramp {
	out := &experiment.Ramp{}
	at := path + ".ramp.steps"
	if n := len(s.Ramp.Steps); n == 0 || n > maxSteps {
		t.fail(at, fmt.Sprintf("%d steps", n), fmt.Sprintf("want 1 to %d steps", maxSteps), "for example steps: [1%, 5%, 25%]")
	}
	for i, q := range s.Ramp.Steps {
		step := fmt.Sprintf("%s[%d]", at, i)
		share := t.share(step, q)
		switch {
		case share < 0: // Reported.
		case i > 0 && share <= out.Steps[i-1]:
			t.fail(step, quote(string(q)), "steps must rise", "the way back is not a step")
		case share == 0 && i == len(s.Ramp.Steps)-1:
			t.fail(step, quote(string(q)), "the last step gives the candidate no traffic", "a ramp ends above 0%")
		}
		out.Steps = append(out.Steps, share)
	}
	if s.Hold == nil {
		t.fail(path+".hold", "", "a ramp says what each step waits for", holdHint)
		return out
	}
	before := len(t.problems)
	out.Hold = t.hold(path+".hold", s.Hold)
	if len(t.problems) == before {
		out.AtMost = t.rampHorizon(path+".until.atMost", s.Until, out)
	}
	return out
}

// rampHorizon reads a ramp's horizon, which its steps must fit into.
func (t *translator) rampHorizon(path string, u *v1alpha1.Until, r *experiment.Ramp) time.Duration {
	least := 0.0
	for _, step := range r.Steps {
		if step > 0 {
			least += max(float64(r.Hold.For), float64(r.Hold.Windows)*float64(t.plan.Window))
		}
	}
	atMost, value := defaultRampHorizon, ""
	if u != nil && u.AtMost != "" {
		before := len(t.problems)
		atMost, value = t.duration(path, u.AtMost, 0, t.plan.Window), quote(string(u.AtMost))
		if len(t.problems) > before {
			return atMost
		}
	}
	if least >= float64(atMost) {
		t.fail(path, value, fmt.Sprintf("the steps wait at least %s and the horizon is %s", short(least), short(float64(atMost))), "give it more, for example until: {atMost: 60d}")
	}
	return atMost
}

// short writes a time as people do: "36h".
func short(ns float64) string {
	const day = float64(24 * time.Hour)
	if ns >= 2*day {
		return fmt.Sprintf("%gd", math.Round(10*ns/day)/10)
	}
	return time.Duration(ns).String()
}

const holdHint = "for example hold: {requests: 5000, windows: 2}"

// Bounds of what a stage waits for.
const (
	maxCount       = 1_000_000_000_000
	maxHoldWindows = 600
)

func (t *translator) hold(path string, h *v1alpha1.Hold) experiment.Hold {
	out := experiment.Hold{
		Requests: t.count(path+".requests", h.Requests, maxCount),
		Windows:  int(t.count(path+".windows", h.Windows, maxHoldWindows)),
		Settle:   t.duration(path+".settle", h.Settle, 0, 0),
		For:      t.duration(path+".for", h.For, 0, 0),
	}
	if out.Requests == 0 && out.Windows == 0 && out.For == 0 {
		t.fail(path, "", "one of requests, windows and for is required", holdHint)
	}
	return out
}

func (t *translator) split(path string, s v1alpha1.Stage) *experiment.Split {
	out := &experiment.Split{
		Shares:    t.splitShares(path+".split", s.Split),
		Otherwise: cmp.Or(experiment.Otherwise(s.Otherwise), defaultOtherwise),
	}
	if t.api.Spec.Reward == nil {
		t.fail(path+".split", "", "a split needs a reward to decide", "add spec.reward, or use ramp")
	}
	t.otherwise(path+".otherwise", s.Otherwise)
	out.Until = t.until(path+".until", s.Until, experiment.KindSplit)
	return out
}

// untilHints are examples of exits.
var untilHints = map[experiment.StageKind]string{
	experiment.KindSplit:  "for example until: {decided: true, atMost: 28d}",
	experiment.KindMirror: "for example until: {pairs: 20000, atMost: 3d}",
	experiment.KindBandit: "for example until: {best: 99%, atMost: 28d}",
}

// until reads the exit of a split, a mirror or a bandit.
func (t *translator) until(path string, u *v1alpha1.Until, kind experiment.StageKind) experiment.Until {
	if u == nil || u.AtMost == "" {
		t.fail(path+".atMost", "", fmt.Sprintf("a %s needs a horizon", kind), untilHints[kind])
		return experiment.Until{}
	}
	out := experiment.Until{
		Decided: u.Decided,
		Units:   t.count(path+".units", u.Units, maxCount),
		Best:    t.within(path+".best", u.Best, 0, 0.5, mostProbability),
		AtLeast: t.duration(path+".atLeast", u.AtLeast, 0, 0),
	}
	evidence, mature, why := "outcome can mature", t.plan.Window+t.plan.OutcomeWindow()+t.plan.Lag, "evidence window, outcome window and lag"
	if kind == experiment.KindMirror {
		evidence, mature, why = "pair can be known", t.plan.Window+t.pairsHold(), "evidence window, lag and the time of a copy"
	}
	before := len(t.problems)
	out.AtMost = t.duration(path+".atMost", u.AtMost, 0, t.plan.Window)
	if len(t.problems) > before {
		return out
	}
	if out.AtLeast > out.AtMost {
		t.fail(path+".atLeast", quote(string(u.AtLeast)), "longer than atMost", "")
	}
	// Nothing is known of a window before it has ended and its outcomes came.
	if mature >= out.AtMost {
		t.fail(path+".atMost", quote(string(u.AtMost)), "no "+evidence+" before the horizon", fmt.Sprintf("%s take %s: give it more", why, mature))
	}
	return out
}

// collects reads how many pairs a mirror collects for each candidate, or how
// many copies the serving stack makes: what is counted is one and the same.
func (t *translator) collects(path string, s v1alpha1.Stage) int64 {
	u := s.Until
	if u == nil || u.AtMost == "" {
		return 0 // Reported.
	}
	switch {
	case t.unrouted():
		return max(1, u.Pairs, u.Copies)
	case t.paired(s):
		if t.given(path + ".copies") {
			t.fail(path+".copies", fmt.Sprint(u.Copies), "copies are counted where the serving stack mirrors", "say how many pairs the mirror collects")
		}
		if !t.given(path + ".pairs") {
			t.fail(path+".pairs", "", "a mirror says how many pairs it collects", untilHints[experiment.KindMirror])
		}
		return t.some(path+".pairs", u.Pairs, 0, maxCount)
	}
	const hint = "for example until: {copies: 20000, atMost: 3d}"
	if t.given(path + ".pairs") {
		t.fail(path+".pairs", fmt.Sprint(u.Pairs), "the serving stack's copies are counted and not compared", "write copies; Headgate's gateway compares answers: traffic: {gateway: {}}")
	}
	if !t.given(path+".copies") && !t.given(path+".pairs") && u.AtLeast == "" {
		t.fail(path+".copies", "", "a mirror says how many copies it makes, or how long it lasts at least", hint)
	}
	return t.some(path+".copies", u.Copies, 1, maxCount)
}

func (t *translator) splitShares(path string, in map[string]v1alpha1.Quantity) experiment.Shares {
	shares, before := make(experiment.Shares, len(t.plan.Versions)), len(t.problems)
	named := t.clean("spec.versions")
	for _, name := range slices.Sorted(maps.Keys(in)) {
		at := join(path, name)
		i := t.version(at, "", name)
		switch {
		case i >= 0:
			shares[i] = t.share(at, in[name])
		case !named:
			return shares // It may be the one that is misnamed.
		}
		if i >= 0 && shares[i] == 0 {
			t.fail(at, quote(string(in[name])), "a version without traffic cannot be compared", "give every version its share")
		}
	}
	if len(t.problems) > before {
		return shares // The sum would only say the same again.
	}
	sum := experiment.Share(0)
	for _, s := range shares {
		sum += s
	}
	switch missing := slices.Index(shares, 0); {
	case sum != experiment.Whole:
		t.fail(path, sum.Percent(), "shares must sum to 100%", "give every version its share")
	case missing >= 0 && named:
		t.fail(path, "", fmt.Sprintf("no share for version %s", t.plan.Versions[missing].Name), "a version without traffic cannot be compared")
	}
	return shares
}

// clean says whether nothing was wrong at or below a path so far.
func (t *translator) clean(path string) bool {
	return !slices.ContainsFunc(t.problems, func(p Problem) bool { return strings.HasPrefix(p.Path, path) })
}
