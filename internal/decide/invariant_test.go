// SPDX-License-Identifier: Apache-2.0

package decide

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// step is one call of Decide with what went in and what came out.
type step struct {
	plan     *experiment.Plan
	before   experiment.State
	facts    experiment.Facts
	now      time.Time
	after    experiment.State
	decision experiment.Decision
	intents  []experiment.Intent
}

// decideChecked decides and holds the result against every invariant that can be
// checked on one decision. Scripts, properties and the exhaustive check all go
// through it.
func decideChecked(t interface {
	Helper()
	Fatalf(format string, args ...any)
}, p *experiment.Plan, s experiment.State, f experiment.Facts, now time.Time,
) step {
	t.Helper()
	// Room behind the slices shows a careless append.
	s.Commands = append(make([]string, 0, len(s.Commands)+2), s.Commands...)
	s.Decisions = append(make([]experiment.Decision, 0, len(s.Decisions)+2), s.Decisions...)
	r := step{plan: p, before: s, facts: f, now: now}
	look := func() string { return written(p, s, f, s.Commands[:cap(s.Commands)], s.Decisions[:cap(s.Decisions)]) }
	inputs := look()
	r.after, r.decision, r.intents = Decide(p, s, f, now)
	if d := gocmp.Diff(inputs, look()); d != "" {
		t.Fatalf("D6: Decide changed its inputs (-before +after):\n%s", d)
	}
	after, decision, intents := Decide(p, s, f, now)
	if d := gocmp.Diff([]any{r.after, r.decision, r.intents}, []any{after, decision, intents}); d != "" {
		t.Fatalf("D6: the same inputs decide otherwise (-first +second):\n%s", d)
	}
	if err := r.check(); err != nil {
		t.Fatalf("%v\nbefore: %s\nfacts: %s\ndecision: %s", err, written(s), written(f), written(r.decision))
	}
	return r
}

// written is a deep copy of values that shows every field.
func written(values ...any) string {
	b, err := json.Marshal(values)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func (r *step) check() error {
	return errors.Join(r.acts(), r.hooks(), r.strictly(), r.shapes(), r.world(), r.neverGains(), r.harmGoes(), r.ships(), r.wayBack(), r.providers(), r.fewestMoves(), r.actFits(), r.sentences())
}

// table is the slots of a group, or of everybody where groups have none.
func table(s *experiment.State, slice string) experiment.Slots {
	for _, t := range s.Tables {
		if t.Slice == slice {
			return t.Slots
		}
	}
	return s.Slots
}

// slices are the groups that have a table before or after; one without a name
// where there is none.
func (r *step) slices() []string {
	var out []string
	for _, s := range []*experiment.State{&r.before, &r.after} {
		for _, t := range s.Tables {
			if !slices.Contains(out, t.Slice) {
				out = append(out, t.Slice)
			}
		}
	}
	if out == nil {
		return []string{""}
	}
	return out
}

// vectors are a group's shares before and after.
func (r *step) vectors(slice string) (from, to experiment.Shares) {
	n := len(r.plan.Versions)
	return table(&r.before, slice).Shares(n), table(&r.after, slice).Shares(n)
}

// moves reports whether any group is divided otherwise.
func (r *step) moves() bool {
	return slices.ContainsFunc(r.slices(), func(slice string) bool {
		from, to := r.vectors(slice)
		return !slices.Equal(from, to)
	})
}

// has reports whether the decision names a reason.
func (r *step) has(code experiment.ReasonCode) bool {
	return slices.ContainsFunc(r.decision.Reasons, func(x experiment.Reason) bool { return x.Code == code })
}

// shapes is D4 and what has to move together.
func (r *step) shapes() error {
	n := len(r.plan.Versions)
	d := r.decision
	if err := errors.Join(d.To.Check(), r.after.Slots.Check(n)); err != nil {
		return fmt.Errorf("D4: %w", err)
	}
	if !slices.Equal(d.From, r.before.Slots.Shares(n)) || !slices.Equal(d.To, r.after.Slots.Shares(n)) {
		return fmt.Errorf("D4: the decision says %s → %s, the slots go %s → %s", d.From, d.To, r.before.Slots.Shares(n), r.after.Slots.Shares(n))
	}
	if err := r.groups(); err != nil {
		return err
	}
	switch {
	case (r.after.Epoch != r.before.Epoch && d.Act != experiment.ActRetry) || r.after.Plan != r.before.Plan:
		return errors.New("epoch or plan changed")
	case len(r.after.Decisions) > experiment.MaxDecisions || len(r.after.Commands) > maxCommands:
		return fmt.Errorf("state grows: %d decisions, %d commands", len(r.after.Decisions), len(r.after.Commands))
	case d.Stage != r.after.Stage || d.Step != r.after.Step:
		return errors.New("the decision names another place than the state")
	}
	return nil
}

// groups is D4 where groups have their own shares.
func (r *step) groups() error {
	n := len(r.plan.Versions)
	var want []experiment.GroupShares
	for _, t := range r.after.Tables {
		if err := t.Slots.Check(n); err != nil {
			return fmt.Errorf("D4: table of %s: %w", t.Slice, err)
		}
		want = append(want, experiment.GroupShares{Slice: t.Slice, Shares: t.Slots.Shares(n)})
	}
	if !slices.EqualFunc(want, r.decision.Groups, func(a, b experiment.GroupShares) bool {
		return a.Slice == b.Slice && slices.Equal(a.Shares, b.Shares)
	}) {
		return fmt.Errorf("D4: the decision says %v by group, the tables %v", r.decision.Groups, want)
	}
	if len(want) == 0 {
		return nil
	}
	segment := r.plan.Segment(experiment.SegmentOf(want[0].Slice))
	if segment == nil || !slices.EqualFunc(want, segment.Slices(), func(g experiment.GroupShares, slice string) bool { return g.Slice == slice }) {
		return fmt.Errorf("D4: tables %v are not the groups of a segment", want)
	}
	for v := 1; v < n; v++ {
		low, high := want[0].Shares[v], want[0].Shares[v]
		for _, g := range want {
			low, high = min(low, g.Shares[v]), max(high, g.Shares[v])
		}
		if to := r.decision.To[v]; to < low || to > high {
			return fmt.Errorf("D4: version %d has %s in all, and %s to %s by group", v, to.Percent(), low.Percent(), high.Percent())
		}
	}
	return nil
}

// world checks that whatever requests meet otherwise is asked of the world, once,
// under a number of its own, and that a phase begins with it and with nothing
// else.
func (r *step) world() error {
	kinds := map[experiment.IntentKind]int{}
	for _, i := range r.intents {
		kinds[i.Kind]++
		if i.Transition != r.after.Transition || kinds[i.Kind] > 1 && i.Kind != experiment.IntentRun {
			return fmt.Errorf("intents %+v at %s do not name transition %d once each", r.intents, r.now, r.after.Transition)
		}
	}
	turns := kinds[experiment.IntentRoute]
	route := func(s *experiment.State) string {
		out := experiment.RouteOf(r.plan, s)
		out.Phase, out.PhaseStart = 0, time.Time{}
		return written(out)
	}
	switch {
	case turns == 0 && r.moves():
		return errors.New("shares changed without an intent")
	case turns == 0 && r.before.Released(r.plan) && !r.after.Released(r.plan):
		return errors.New("the route is the experiment's again, and nobody asks for it")
	case turns == 0 && r.routed() && route(&r.before) != route(&r.after):
		return fmt.Errorf("the route changed without an intent: %s → %s", route(&r.before), route(&r.after))
	case r.after.Transition != r.before.Transition+min(1, len(r.intents)):
		return fmt.Errorf("%d intents, but transition %d → %d", len(r.intents), r.before.Transition, r.after.Transition)
	case r.after.Phase != r.before.Phase+turns:
		return fmt.Errorf("%d turns, but phase %d → %d", turns, r.before.Phase, r.after.Phase)
	case turns == 1 && !r.after.PhaseStart.Equal(r.now), turns == 0 && !r.after.PhaseStart.Equal(r.before.PhaseStart):
		return fmt.Errorf("the phase begins at %s, not at %s", r.after.PhaseStart, r.now)
	case kinds[experiment.IntentRetire] > 0 && r.after.Outcome != experiment.Promoted:
		return errors.New("the baseline is retired though nobody was promoted")
	}
	return nil
}

// acts checks what is done besides routing: the winner has all traffic while it
// is copied, nothing is retired that has traffic, nothing that was asked for is
// forgotten but by a way back, and the way back puts right what a promotion
// changed.
func (r *step) acts() error {
	done := func(i experiment.Intent) bool {
		return slices.ContainsFunc(r.facts.Actions, func(f experiment.ActionFact) bool { return f.Intent == i && f.Done })
	}
	back := r.decision.Act == experiment.ActRollback || r.decision.Act == experiment.ActRetry
	again := r.decision.Act == experiment.ActRollback && r.before.Outcome == experiment.RolledBack
	for _, i := range r.before.Actions {
		gone := done(i) || r.fell(i) || back && !(again && i.Kind == experiment.IntentRun)
		if kept := slices.Contains(r.after.Actions, i); kept == gone {
			return fmt.Errorf("action %+v: done %v, kept %v", i, done(i), kept)
		}
	}
	for _, i := range r.intents {
		if i.Kind != experiment.IntentRoute && !slices.Contains(r.after.Actions, i) {
			return fmt.Errorf("action %+v is forgotten", i)
		}
	}
	promoted := r.after.Condition == experiment.Warm || r.after.Outcome == experiment.Promoted
	switch to := r.decision.To; {
	case back && r.before.WayBackLost(r.plan) && !r.after.Asks(experiment.IntentRestore):
		return errors.New("D3: a changed baseline has the traffic, and is not put right")
	case back && (r.after.Asks(experiment.IntentCopy) || r.after.Asks(experiment.IntentRetire) || r.after.Copied):
		return errors.New("D3: a way back goes on copying or retiring")
	case (r.after.Asks(experiment.IntentCopy) || r.after.Copied) && !promoted:
		return errors.New("a copy of a version that was not promoted")
	case r.after.Asks(experiment.IntentCopy) && to[r.after.Winner] != experiment.Whole:
		return errors.New("the baseline has traffic while it is overwritten")
	case r.after.Asks(experiment.IntentRetire) && r.after.Copied && to[r.after.Winner] > 0, r.after.Asks(experiment.IntentRetire) && !r.after.Copied && to[0] > 0:
		return errors.New("what has traffic is retired")
	}
	return nil
}

// fell reports whether an action failed for good, or was called off by one of its
// hook that did and is not to be ignored.
func (r *step) fell(i experiment.Intent) bool {
	return i.Kind == experiment.IntentRun && slices.ContainsFunc(r.facts.Actions, func(f experiment.ActionFact) bool {
		if !f.Failed || f.Done || !slices.Contains(r.before.Actions, f.Intent) || f.Kind != experiment.IntentRun {
			return false
		}
		a := r.plan.ActionOf(f.Intent)
		return f.Intent == i || f.Transition == i.Transition && f.Hook == i.Hook && (a == nil || !a.Ignore)
	})
}

// hooks checks which actions of the plan a decision asks for, and that a native
// plan gives nothing more while one is in the way.
func (r *step) hooks() error {
	var want []experiment.Intent
	for _, h := range r.wantHooks() {
		for i := range r.plan.Actions.Of(h) {
			want = append(want, experiment.Intent{Kind: experiment.IntentRun, Transition: r.after.Transition, Hook: h, Index: i})
		}
	}
	got := slices.DeleteFunc(slices.Clone(r.intents), func(i experiment.Intent) bool { return i.Kind != experiment.IntentRun })
	if !slices.Equal(got, want) {
		return fmt.Errorf("%s from %s to %s runs %+v, want %+v", r.decision.Act, r.before.Condition, r.after.Condition, got, want)
	}
	if len(r.after.Failed) > experiment.MaxFailed {
		return fmt.Errorf("%d failed actions are kept", len(r.after.Failed))
	}
	gates := func(i experiment.Intent) bool {
		return i.Kind == experiment.IntentRun && (i.Hook == experiment.OnStart || i.Hook == experiment.OnStep)
	}
	waits := slices.ContainsFunc(r.before.Actions, func(i experiment.Intent) bool { return gates(i) && slices.Contains(r.after.Actions, i) }) ||
		slices.ContainsFunc(r.after.Failed, func(f experiment.ActionFailure) bool { return gates(f.Intent) && !f.Ignored })
	switch a := r.decision.Act; {
	case !waits || r.byPerson() || r.has(experiment.ReasonFallback) || r.before.Condition != experiment.Running:
	case a == experiment.ActAdvance, a == experiment.ActPromote, a == experiment.ActShift:
		return fmt.Errorf("%s while an action of onStart or onStep is in the way", a)
	}
	return nil
}

// wantHooks says, apart from the rules, which hooks a decision sets off.
func (r *step) wantHooks() []experiment.Hook {
	over := func(s *experiment.State) bool {
		return s.Condition == experiment.Done || s.Condition == experiment.Killed
	}
	a := r.decision.Act
	ends := over(&r.after) && !over(&r.before)
	fell := r.after.Iteration != nil && r.after.Iteration.Failed != ""
	switch {
	case a == experiment.ActRetry:
		return []experiment.Hook{experiment.OnStart}
	case a == experiment.ActRollback && (ends || r.before.Outcome != experiment.RolledBack):
		return []experiment.Hook{experiment.OnRollback, experiment.OnFinish}
	case ends && r.after.Outcome == experiment.Promoted:
		return []experiment.Hook{experiment.OnPromote, experiment.OnFinish}
	case ends && !fell:
		return []experiment.Hook{experiment.OnFinish}
	case r.plan.Strict && r.has(experiment.ReasonLoopDone), !r.plan.Strict && !ends && r.after.Condition != experiment.Warm && r.moves() && (a == experiment.ActAdvance || a == experiment.ActShift):
		return []experiment.Hook{experiment.OnStep}
	}
	return nil
}

// strictly checks the bounds of a strict plan's shares, and that no share moves
// without all that an iteration decides by.
func (r *step) strictly() error {
	if !r.plan.Strict || !r.moves() || r.decision.Act != experiment.ActShift {
		return nil
	}
	it := r.plan.Stages[0].Iterate
	for v := 1; v < len(r.plan.Versions); v++ {
		from, to := r.decision.From[v], r.decision.To[v]
		switch {
		case to > from && to > it.Cap:
			return fmt.Errorf("version %d has %s, more than its cap of %s", v, to.Percent(), it.Cap.Percent())
		case it.Shift == experiment.ShiftGreedy && to > from+it.Increment+100:
			return fmt.Errorf("version %d rises from %s to %s, by more than %s", v, from.Percent(), to.Percent(), it.Increment.Percent())
		case to%100 != 0:
			return fmt.Errorf("version %d has %s: not a whole percent", v, to.Percent())
		}
	}
	if r.after.Iteration.Done != done(&r.before)+1 {
		return errors.New("shares moved without an iteration")
	}
	for _, x := range r.facts.Readings {
		decides := r.plan.Reward != nil && r.plan.Reward.Metric == x.Metric ||
			slices.ContainsFunc(r.plan.Objectives, func(o experiment.Objective) bool { return o.Metric == x.Metric })
		if x.Failed != "" && decides {
			return fmt.Errorf("D5: shares moved though %s of version %d could not be read", x.Metric, x.Version)
		}
	}
	return nil
}

// done is how many iterations a state has had.
func done(s *experiment.State) int {
	if s.Iteration == nil {
		return 0
	}
	return s.Iteration.Done
}

// one01 is 1 for what is so.
func one01(yes bool) int { return int(one(yes)) }

// routed tells steps whose route may change; writing it out for every hold would
// take most of the time.
func (r *step) routed() bool {
	return r.before.Condition != r.after.Condition || r.before.Stage != r.after.Stage || len(r.before.Removed) != len(r.after.Removed) || r.before.Epoch != r.after.Epoch
}

// byPerson says whether a person promoted; nothing else may overrule D1 and D2.
func (r *step) byPerson() bool { return r.has(experiment.ReasonPromotedBy) }

// distrusted tells, apart from the rules, whether the facts are untrustworthy.
func (r *step) distrusted() bool {
	j := &r.facts.Judgement
	units := int64(0)
	for _, n := range j.Seen {
		units += n
	}
	copies := live(&r.before) && r.plan.Stages[r.before.Stage].Mirror != nil
	return j.Mismatch || 100*r.facts.Moved > units || r.facts.Route != nil && *r.facts.Route != (experiment.RouteFact{}) ||
		slices.ContainsFunc(j.Doubts, func(x experiment.Doubt) bool { return !r.before.IsRemoved(x.Version) }) ||
		slices.ContainsFunc(r.facts.Sources, func(s experiment.SourceHealth) bool {
			return (copies || s.Source != experiment.SourcePairs) &&
				(s.Down != "" || s.Gap && (s.Missing == 0 || s.Whole < 3 || 4*s.Missing > s.Windows) || (!s.Newest.IsZero() && r.now.Sub(s.Newest) > r.plan.Stale))
		})
}

// neverGains is D1 and D2: who may have no more of any group, and who may have
// nothing at all.
func (r *step) neverGains() error {
	final := r.decision.Act == experiment.ActPromote || slices.ContainsFunc(r.intents, func(i experiment.Intent) bool {
		return i.Kind == experiment.IntentCopy || i.Kind == experiment.IntentRetire
	})
	if final && r.distrusted() && !r.byPerson() {
		return errors.New("D2: promotion, or what cannot be undone, on untrustworthy evidence")
	}
	for v := 1; v < len(r.plan.Versions); v++ {
		gains := false
		for _, slice := range r.slices() {
			from, to := r.vectors(slice)
			gains = gains || to[v] > from[v]
			if r.after.IsRemoved(v) && to[v] > 0 {
				return fmt.Errorf("D1: version %d has %s of %q though it was removed", v, to[v].Percent(), slice)
			}
		}
		if !gains || r.byPerson() {
			continue
		}
		fallback := r.has(experiment.ReasonFallback) && r.plan.Stages[r.before.Stage].Bandit.Fallback == v
		if r.distrusted() && !fallback {
			return fmt.Errorf("D2: version %d gains share on untrustworthy evidence", v)
		}
		if len(r.facts.Ready) > v && !r.facts.Ready[v] {
			return fmt.Errorf("version %d gains share though it is not ready", v)
		}
		for _, x := range r.facts.Judgement.Verdicts {
			if x.Version == v && (x.Status == experiment.Violated || x.Status == experiment.Worse) && !r.tolerated(x) {
				return fmt.Errorf("D1: version %d gains share though it is %s in %s", v, x.Status, x.Metric)
			}
		}
	}
	for _, was := range r.before.Removed {
		if !r.after.IsRemoved(was.Version) && r.decision.Act != experiment.ActRetry {
			return fmt.Errorf("D1: version %d came back", was.Version)
		}
	}
	return nil
}

// tolerated reports whether a person promoted the winner in spite of this.
func (r *step) tolerated(x experiment.Verdict) bool {
	if r.before.Condition != experiment.Warm {
		return false
	}
	for _, past := range r.before.Decisions {
		if past.Act == experiment.ActPromote && past.Reasons[0].Code == experiment.ReasonPromotedBy {
			return slices.ContainsFunc(past.Reasons[1:], func(y experiment.Reason) bool {
				return y.Param("metric") == x.Metric || strings.HasPrefix(y.Param("metric"), x.Metric+" ")
			})
		}
	}
	return false
}

// harmGoes is the other half of D1: no decision leaves a candidate with traffic
// that is known to do harm, but where a person was obeyed instead or a bandit's
// versions all do.
func (r *step) harmGoes() error {
	if len(r.after.Commands) != len(r.before.Commands) || !live(&r.before) && r.before.Condition != experiment.Warm {
		return nil
	}
	if slices.ContainsFunc(r.facts.Commands, func(c experiment.Command) bool { return !slices.Contains(r.before.Commands, c.ID) }) {
		return nil // A full memory of commands keeps its length.
	}
	for _, x := range r.facts.Judgement.Verdicts {
		if x.Version == 0 || x.Status != experiment.Violated && x.Status != experiment.Worse || r.before.IsRemoved(x.Version) {
			continue
		}
		if r.before.Condition == experiment.Warm && (x.Version != r.before.Winner || r.tolerated(x)) || r.shared(x) {
			continue
		}
		if !r.after.IsRemoved(x.Version) && r.after.Outcome != experiment.RolledBack {
			return fmt.Errorf("D1: version %d stays though it is %s in %s", x.Version, x.Status, x.Metric)
		}
	}
	return nil
}

// shared tells, apart from the rules, whether what one version of a bandit
// violates is not known to be within the limit for any, the baseline being over
// it beyond doubt, or by its estimate and the version not clearly worse.
func (r *step) shared(x experiment.Verdict) bool {
	if !live(&r.before) || r.plan.Stages[r.before.Stage].Bandit == nil || x.Role != experiment.RoleObjective {
		return false
	}
	over, unmet := false, 0
	for _, o := range r.facts.Judgement.Verdicts {
		if o.Role != x.Role || o.Metric != x.Metric || r.before.IsRemoved(o.Version) {
			continue
		}
		if o.Status != experiment.Met {
			unmet++
		}
		if o.Version == 0 {
			// Limits of these tests are from above.
			limit := *r.plan.Objectives[slices.IndexFunc(r.plan.Objectives, func(y experiment.Objective) bool { return y.Metric == x.Metric })].Max
			guess := o.Estimate != nil && *o.Estimate > limit && o.Interval != nil && x.Interval != nil && x.Interval.Low <= o.Interval.High
			over = o.Status == experiment.Violated || o.Status != experiment.Met && guess
		}
	}
	return over && unmet == len(r.plan.Versions)-len(r.before.Removed)
}

// nobody reports whether a guardrail is about a catch-all in which nobody was
// seen: the one slice that keeps no promotion waiting.
func (r *step) nobody(version int, metric, slice string) bool {
	for _, v := range r.facts.Judgement.Verdicts {
		if v.Version == version && v.Role == experiment.RoleGuardrail && v.Metric == metric && v.Slice == slice {
			return strings.HasSuffix(slice, "="+experiment.Other) && v.N == 0 && v.NBaseline == 0
		}
	}
	return false
}

// known reports whether a verdict is what it has to be.
func (r *step) known(version int, role experiment.Role, metric, slice string, want experiment.Status) bool {
	return slices.ContainsFunc(r.facts.Judgement.Verdicts, func(x experiment.Verdict) bool {
		return x.Version == version && x.Role == role && x.Metric == metric && x.Slice == slice && x.Status == want
	})
}

// ships is D2's "no default pass": what is promoted by the plan meets everything,
// and what leaves a stage meets its gates.
func (r *step) ships() error {
	promoted := r.decision.Act == experiment.ActPromote
	onward := r.after.Stage != r.before.Stage || r.after.Step != r.before.Step && r.decision.From[0] < experiment.Whole
	advanced := r.decision.Act == experiment.ActAdvance && onward
	if r.byPerson() || !promoted && !advanced {
		return nil
	}
	stage := &r.plan.Stages[r.before.Stage]
	raised := advanced && r.after.Stage == r.before.Stage
	if stage.Approval != "" && !r.before.Approved && !raised {
		return errors.New("a stage was left without its approval")
	}
	for v := 1; v < len(r.plan.Versions); v++ {
		if r.after.IsRemoved(v) || promoted && v != r.after.Winner {
			continue
		}
		for _, g := range stage.Require {
			if !r.known(v, experiment.RoleGate, g.Metric, "", experiment.Met) {
				return fmt.Errorf("D2: version %d leaves %s without its gate %s", v, stage.Name, g.Metric)
			}
		}
		if !promoted {
			continue
		}
		for _, o := range r.plan.Objectives {
			if !r.known(v, experiment.RoleObjective, o.Metric, "", experiment.Met) {
				return fmt.Errorf("D2: version %d is promoted without %s", v, o.Metric)
			}
		}
		for _, g := range r.plan.Guardrails {
			for _, slice := range append([]string{""}, r.plan.SlicesOf(&g)...) {
				if !r.known(v, experiment.RoleGuardrail, g.Metric, slice, experiment.NotWorse) && !r.nobody(v, g.Metric, slice) {
					return fmt.Errorf("D2: version %d is promoted without %s in %q", v, g.Metric, slice)
				}
			}
		}
		chosen := r.known(v, experiment.RoleReward, "purchase", "", experiment.Better) || r.has(experiment.ReasonOtherwise)
		if stage.Split != nil && r.plan.Reward.Metric == "purchase" && !chosen {
			return fmt.Errorf("D2: version %d is promoted without a better reward", v)
		}
	}
	if stage.Mirror != nil && promoted {
		return errors.New("a mirror promoted")
	}
	return nil
}

// wayBack is D3 and D8: a kill that was not obeyed yet is obeyed now, and
// whatever was killed stays so unless lifted.
func (r *step) wayBack() error {
	whole := experiment.Baseline(len(r.plan.Versions))
	fresh := func(c experiment.Command) bool { return !slices.Contains(r.before.Commands, c.ID) }
	everywhere := slices.Equal(r.decision.To, whole) && len(r.after.Tables) == 0
	if slices.ContainsFunc(r.facts.Commands, func(c experiment.Command) bool { return c.Verb == experiment.VerbKill && fresh(c) }) {
		if r.after.Condition != experiment.Killed || !everywhere {
			return errors.New("D3: a kill was not obeyed at once")
		}
		return nil
	}
	if r.decision.Act == experiment.ActRollback && !everywhere {
		return errors.New("D3: a rollback left a group behind")
	}
	if r.before.Condition != experiment.Killed {
		return nil
	}
	if r.decision.Act == experiment.ActRetry {
		if r.after.Condition != experiment.Running || r.after.Epoch != r.before.Epoch+1 || !everywhere {
			return errors.New("D8: a killed experiment was not begun anew on the baseline")
		}
		return nil
	}
	if !r.has(experiment.ReasonLifted) && r.after.Condition != experiment.Killed || !everywhere || len(r.intents) > 0 {
		return errors.New("D8: a killed experiment moved")
	}
	return nil
}

// providers is D5: what a source does is never by itself why a candidate goes.
func (r *step) providers() error {
	if r.decision.Act != experiment.ActRollback && r.decision.Act != experiment.ActRemove {
		return nil
	}
	switch c := r.decision.Reasons[0].Code; c {
	case experiment.ReasonSourceDown, experiment.ReasonStale, experiment.ReasonGap, experiment.ReasonIncomplete, experiment.ReasonMismatch, experiment.ReasonUnsettled, experiment.ReasonDrifted, experiment.ReasonNotRead, experiment.ReasonActing, experiment.ReasonActionFailed:
		return fmt.Errorf("D5: %s because of %s", r.decision.Act, c)
	}
	return nil
}

// fewestMoves is D7, in every group. A new epoch shuffles the units anyway.
func (r *step) fewestMoves() error {
	if r.decision.Act == experiment.ActRetry || len(r.intents) == 0 {
		return nil
	}
	for _, slice := range r.slices() {
		before, after := table(&r.before, slice), table(&r.after, slice)
		if slices.Equal(before, after) {
			continue
		}
		from, to := r.vectors(slice)
		moved, must := 0, 0
		for v := range to {
			must += max(0, int(from[v]-to[v]))
		}
		for i, j, a, b := 0, 0, 0, 0; i < len(before) && j < len(after); { // a and b slots of the two runs are passed.
			n := min(before[i].Slots-a, after[j].Slots-b)
			if before[i].Version != after[j].Version {
				moved += n
			}
			if a += n; a == before[i].Slots {
				i, a = i+1, 0
			}
			if b += n; b == after[j].Slots {
				j, b = j+1, 0
			}
		}
		if moved != must {
			return fmt.Errorf("D7: %d slots of %q moved, %d had to", moved, slice, must)
		}
	}
	return nil
}

// actFits checks that the act says what happened.
func (r *step) actFits() error {
	d, n := r.decision, len(r.plan.Versions)
	if !r.fits(experiment.Baseline(n)) {
		return fmt.Errorf("act %s does not fit %s → %s, %s → %s", d.Act, d.From, d.To, r.before.Condition, r.after.Condition)
	}
	ended := r.before.Condition == experiment.Done || r.before.Condition == experiment.Killed
	if len(d.Reasons) == 0 && !(ended && d.Act == experiment.ActHold) {
		return fmt.Errorf("act %s without a reason", d.Act)
	}
	if kept := len(r.after.Decisions) > 0 && reflect.DeepEqual(r.after.Decisions[len(r.after.Decisions)-1], d); kept == (d.Act == experiment.ActHold) {
		return fmt.Errorf("act %s: kept among the state's decisions is %v", d.Act, kept)
	}
	return nil
}

func (r *step) fits(whole experiment.Shares) bool {
	d, stays, same := r.decision, !r.moves(), r.after.Condition == r.before.Condition
	switch d.Act {
	case experiment.ActHold, experiment.ActLearn, experiment.ActApprove:
		looped := d.Act == experiment.ActHold && r.has(experiment.ReasonLoopDone)
		copies := r.before.Starting() && !r.after.Starting() && r.plan.Stages[r.after.Stage].Mirror != nil
		return stays && same && (len(r.intents) == 0 || looped || copies)
	case experiment.ActPause:
		return stays && r.after.Condition == experiment.Paused
	case experiment.ActResume:
		return stays && r.after.Condition == experiment.Running
	case experiment.ActAdvance:
		if r.before.Condition == experiment.Warm { // Keeping warm is over, and the copy is asked for.
			return same && r.after.Asks(experiment.IntentCopy) && d.To[r.after.Winner] == experiment.Whole
		}
		return r.after.Condition == experiment.Running && (!stays || r.after.Stage != r.before.Stage)
	case experiment.ActShift:
		return r.after.Condition == experiment.Running && same && !stays && (r.plan.Stages[r.after.Stage].Bandit != nil || r.plan.Strict) && r.after.Stage == r.before.Stage
	case experiment.ActRemove:
		return same && len(r.after.Removed) > len(r.before.Removed) && len(r.after.Removed) < len(whole)-1
	case experiment.ActRollback:
		return slices.Equal(d.To, whole) && r.after.Outcome == experiment.RolledBack && r.after.Winner == 0
	case experiment.ActPromote:
		w := r.after.Winner
		if w == 0 || r.after.IsRemoved(w) {
			return false
		}
		if k := cmp.Or(r.plan.Promote.KeepWarm, &experiment.KeepWarm{}); r.plan.Promote.KeepWarm != nil || r.plan.Promote.How == experiment.PromoteCopy {
			return r.after.Condition == experiment.Warm && r.after.Outcome == "" && d.To[w] == experiment.Whole-k.Holdback && d.To[0] == k.Holdback
		}
		return r.after.Condition == experiment.Done && r.after.Outcome == experiment.Promoted && d.To[w] == experiment.Whole
	case experiment.ActRetry:
		fresh := r.after
		fresh.Commands, fresh.Decisions, fresh.Actions = nil, nil, nil // hooks and acts see to these.
		want := experiment.State{
			Plan: r.before.Plan, Condition: experiment.Running, Epoch: r.before.Epoch + 1, Phase: r.before.Phase + 1, Transition: r.before.Transition + 1,
			Slots: experiment.SlotsOf(whole), Started: r.now, StageStart: r.now, PhaseStart: r.now,
		}
		return reflect.DeepEqual(fresh, want)
	case experiment.ActStop:
		if r.plan.Strict && !r.has(experiment.ReasonLifted) {
			return stays && r.after.Condition == experiment.Done && r.after.Iteration.Over && r.after.Winner == r.after.Iteration.Recommended()*one01(r.after.Iteration.Failed == "")
		}
		if r.before.Condition == experiment.Warm {
			serves := r.after.Winner
			if r.after.Copied {
				serves = 0
			}
			return r.after.Outcome == experiment.Promoted && r.after.Winner == r.before.Winner && d.To[serves] == experiment.Whole
		}
		return slices.Equal(d.To, whole) && r.after.Condition == experiment.Done && r.after.Winner == 0
	}
	return false
}

// sentences checks that each reason is known and says all that it has to.
func (r *step) sentences() error {
	for _, x := range r.decision.Reasons {
		e, ok := experiment.Lookup(x.Code)
		if !ok {
			return fmt.Errorf("reason %s is not in the catalogue", x.Code)
		}
		for _, part := range strings.Split(e.Text, "{")[1:] {
			name, _, _ := strings.Cut(part, "}")
			if x.Param(name) == "" {
				return fmt.Errorf("reason %s leaves {%s} empty", x.Code, name)
			}
		}
	}
	return nil
}

// TestChecksHaveTeeth breaks a good step in one place at a time.
func TestChecksHaveTeeth(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	limit := .5
	p := &experiment.Plan{
		Name: "x", Versions: []experiment.Version{{Name: "v1"}, {Name: "v2"}, {Name: "v3"}}, Stale: time.Minute,
		Segments: []experiment.Segment{{Name: "tier", Values: []string{"premium"}}},
		Stages: []experiment.Stage{
			{Name: "s", Require: []experiment.Objective{{Metric: "g", Min: &limit}}, Ramp: &experiment.Ramp{Steps: []experiment.Share{1000}}},
			{Name: "t", Observe: &experiment.Observe{}},
		},
		Objectives: []experiment.Objective{{Metric: "p99", Max: &limit}},
	}
	good := func() *step {
		s, _, _ := Start(p, now)
		after := s.Clone()
		after.Slots = experiment.Slots{{Version: 0, Slots: 9000}, {Version: 1, Slots: 1000}}
		after.Phase, after.Transition, after.PhaseStart = 2, 2, now
		d := experiment.Decision{
			Act: experiment.ActAdvance, From: experiment.Shares{10000, 0, 0}, To: experiment.Shares{9000, 1000, 0},
			Reasons: []experiment.Reason{experiment.Because(experiment.ReasonStageEntered, "stage", "canary")},
		}
		after.Decisions = append(after.Decisions, d)
		return &step{plan: p, before: s, now: now, after: after, decision: d, intents: []experiment.Intent{{Kind: experiment.IntentRoute, Transition: 2}}}
	}
	if err := good().check(); err != nil {
		t.Fatalf("the good step: %v", err)
	}
	violated := experiment.Verdict{Version: 1, Role: experiment.RoleObjective, Metric: "p99", Status: experiment.Violated}
	tables := func(r *step, premium, other experiment.Slots) {
		r.after.Tables = []experiment.GroupTable{{Slice: "tier=premium", Slots: premium}, {Slice: "tier=other", Slots: other}}
		for _, table := range r.after.Tables {
			r.decision.Groups = append(r.decision.Groups, experiment.GroupShares{Slice: table.Slice, Shares: table.Slots.Shares(3)})
		}
	}
	for name, spoil := range map[string]func(r *step){
		"D1: version 1 gains share though it is violated":     func(r *step) { r.facts.Judgement.Verdicts = []experiment.Verdict{violated} },
		"D1: version 1 stays":                                 func(r *step) { r.facts.Judgement.Verdicts = []experiment.Verdict{violated} },
		"D1: version 1 has 10% of \"\"":                       func(r *step) { r.after.Removed = []experiment.Removal{{Version: 1}} },
		"D1: version 2 came back":                             func(r *step) { r.before.Removed = []experiment.Removal{{Version: 2}} },
		"D2: version 1 gains share on untrustworthy":          func(r *step) { r.facts.Judgement.Mismatch = true },
		"D2: version 1 gains share on untrustworthy evidence": func(r *step) { r.facts.Moved = 1 },
		"D2: version 1 gains": func(r *step) {
			r.facts.Judgement.Doubts = []experiment.Doubt{{Code: experiment.ReasonJoined, Version: 1}}
		},
		"version 1 gains share though it is not ready": func(r *step) { r.facts.Ready = []bool{true, false, true} },
		"D2: version 1 leaves s without its gate g":    func(r *step) { r.after.Stage, r.decision.Stage = 1, 1 },
		"D2: promotion": func(r *step) {
			r.facts.Judgement.Mismatch = true
			r.intents = append(r.intents, experiment.Intent{Kind: experiment.IntentRetire, Transition: 2})
		},
		"the baseline is retired": func(r *step) {
			r.intents = append(r.intents, experiment.Intent{Kind: experiment.IntentRetire, Transition: 2})
		},
		"D3: a kill":          func(r *step) { r.facts.Commands = []experiment.Command{{ID: "k", Verb: experiment.VerbKill}} },
		"D3: a rollback left": func(r *step) { r.decision.Act = experiment.ActRollback },
		"D4: shares sum":      func(r *step) { r.decision.To = experiment.Shares{9000, 900, 0} },
		"D4: the decision":    func(r *step) { r.decision.To = experiment.Shares{9100, 900, 0} },
		"D4: table of":        func(r *step) { tables(r, experiment.Slots{{Version: 0, Slots: 9000}}, r.after.Slots) },
		"D4: version 1 has 10% in all": func(r *step) {
			tables(r, experiment.SlotsOf(experiment.Shares{8000, 2000, 0}), experiment.SlotsOf(experiment.Shares{5000, 5000, 0}))
		},
		"D4: tables": func(r *step) {
			tables(r, r.after.Slots, r.after.Slots)
			r.after.Tables, r.decision.Groups = r.after.Tables[:1], r.decision.Groups[:1]
		},
		"by group, the tables": func(r *step) {
			tables(r, r.after.Slots, r.after.Slots)
			r.decision.Groups = nil
		},
		"D5: ": func(r *step) {
			r.decision.Act, r.decision.Reasons[0].Code = experiment.ActRollback, experiment.ReasonSourceDown
		},
		"D7: 3000 slots of \"\"": func(r *step) {
			r.after.Slots = experiment.Slots{{Version: 1, Slots: 1000}, {Version: 0, Slots: 9000}}
			r.before.Slots = experiment.Slots{{Version: 0, Slots: 8000}, {Version: 1, Slots: 2000}}
			r.decision.From = experiment.Shares{8000, 2000, 0}
		},
		"D7: 2000 slots of \"tier=premium\"": func(r *step) {
			tables(r, experiment.Slots{{Version: 1, Slots: 1000}, {Version: 0, Slots: 9000}}, r.after.Slots)
			r.before.Tables = []experiment.GroupTable{{Slice: "tier=premium", Slots: r.after.Slots}, {Slice: "tier=other", Slots: r.after.Slots}}
		},
		"D8: ":                      func(r *step) { r.before.Condition = experiment.Killed },
		"act hold does not fit":     func(r *step) { r.decision.Act = experiment.ActHold },
		"act promote does not":      func(r *step) { r.decision.Act = experiment.ActPromote },
		"act shift does not":        func(r *step) { r.decision.Act = experiment.ActShift },
		"act remove does not":       func(r *step) { r.decision.Act = experiment.ActRemove },
		"act advance without":       func(r *step) { r.decision.Reasons = nil },
		"shares changed without":    func(r *step) { r.intents = nil },
		"the route changed without": func(r *step) { r.after.Slots, r.intents, r.after.Epoch = r.before.Slots, nil, 2 },
		"not in the catalogue":      func(r *step) { r.decision.Reasons[0].Code = "HG-D999" },
		"leaves {stage} empty":      func(r *step) { r.decision.Reasons[0].Params = nil },
		"another place":             func(r *step) { r.after.Step++ },
		"epoch or plan":             func(r *step) { r.after.Epoch++ },
		"state grows":               func(r *step) { r.after.Commands = make([]string, maxCommands+1) },
		"kept among":                func(r *step) { r.after.Decisions = nil },
		"do not name transition":    func(r *step) { r.intents[0].Transition = 7 },
		"but phase 1":               func(r *step) { r.after.Phase = 3 },
		"the phase begins":          func(r *step) { r.after.PhaseStart = now.Add(time.Second) },
	} {
		t.Run(name, func(t *testing.T) {
			r := good()
			spoil(r)
			if err := r.check(); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("got %v, want an error with %q", err, name)
			}
		})
	}
}
