// SPDX-License-Identifier: Apache-2.0

package decide

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/assign"
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
	if d := cmp.Diff(inputs, look()); d != "" {
		t.Fatalf("D6: Decide changed its inputs (-before +after):\n%s", d)
	}
	after, decision, intents := Decide(p, s, f, now)
	if d := cmp.Diff([]any{r.after, r.decision, r.intents}, []any{after, decision, intents}); d != "" {
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
	return errors.Join(r.shapes(), r.neverGains(), r.wayBack(), r.fewestMoves(), r.actFits(), r.sentences())
}

// shapes is D4 and what has to move together.
func (r *step) shapes() error {
	n := len(r.plan.Versions)
	d := r.decision
	if err := d.To.Check(); err != nil {
		return fmt.Errorf("D4: %w", err)
	}
	if err := r.after.Slots.Check(n); err != nil {
		return fmt.Errorf("D4: %w", err)
	}
	if !slices.Equal(d.From, r.before.Slots.Shares(n)) || !slices.Equal(d.To, r.after.Slots.Shares(n)) {
		return fmt.Errorf("D4: the decision says %s → %s, the slots go %s → %s", d.From, d.To, r.before.Slots.Shares(n), r.after.Slots.Shares(n))
	}
	turns := len(r.intents)
	switch {
	case turns > 1:
		return fmt.Errorf("%d intents in one decision", turns)
	case !slices.Equal(d.From, d.To) && turns == 0:
		return errors.New("shares changed without an intent")
	case r.after.Phase != r.before.Phase+turns || r.after.Transition != r.before.Transition+turns:
		return fmt.Errorf("%d intents, but phase %d → %d, transition %d → %d", turns, r.before.Phase, r.after.Phase, r.before.Transition, r.after.Transition)
	case turns == 1 && (r.intents[0].Transition != r.after.Transition || !r.after.PhaseStart.Equal(r.now)):
		return fmt.Errorf("intent %+v at %s does not name transition %d, or the phase starts at %s", r.intents[0], r.now, r.after.Transition, r.after.PhaseStart)
	case (r.after.Epoch != r.before.Epoch && d.Act != experiment.ActRetry) || r.after.Plan != r.before.Plan:
		return errors.New("epoch or plan changed")
	case len(r.after.Decisions) > experiment.MaxDecisions || len(r.after.Commands) > maxCommands:
		return fmt.Errorf("state grows: %d decisions, %d commands", len(r.after.Decisions), len(r.after.Commands))
	case d.Stage != r.after.Stage || d.Step != r.after.Step:
		return errors.New("the decision names another place than the state")
	}
	return nil
}

// byPerson says whether a person promoted; nothing else may overrule D1 and D2.
func (r *step) byPerson() bool {
	return slices.ContainsFunc(r.decision.Reasons, func(x experiment.Reason) bool { return x.Code == experiment.ReasonPromotedBy })
}

// distrusted tells, apart from the rules, whether the facts are untrustworthy.
func (r *step) distrusted() bool {
	return r.facts.Judgement.Mismatch || slices.ContainsFunc(r.facts.Sources, func(s experiment.SourceHealth) bool {
		return s.Down != "" || s.Gap || (!s.Newest.IsZero() && r.now.Sub(s.Newest) > r.plan.Stale)
	})
}

// neverGains is D1 and D2.
func (r *step) neverGains() error {
	if r.byPerson() {
		return nil
	}
	d := r.decision
	for v := 1; v < len(r.plan.Versions); v++ {
		if d.To[v] <= d.From[v] {
			continue
		}
		if r.distrusted() {
			return fmt.Errorf("D2: version %d gains share on untrustworthy evidence", v)
		}
		for _, x := range r.facts.Judgement.Verdicts {
			if x.Version == v && (x.Status == experiment.Violated || x.Status == experiment.Worse) {
				return fmt.Errorf("D1: version %d gains share though it is %s in %s", v, x.Status, x.Metric)
			}
		}
	}
	if d.Act == experiment.ActPromote && r.distrusted() {
		return errors.New("D2: promotion on untrustworthy evidence")
	}
	return nil
}

// wayBack is D3 and D8: a kill that was not obeyed yet is obeyed now, and
// whatever was killed stays so unless lifted.
func (r *step) wayBack() error {
	whole := experiment.Baseline(len(r.plan.Versions))
	fresh := func(c experiment.Command) bool { return !slices.Contains(r.before.Commands, c.ID) }
	if slices.ContainsFunc(r.facts.Commands, func(c experiment.Command) bool { return c.Verb == experiment.VerbKill && fresh(c) }) {
		if r.after.Condition != experiment.Killed || !slices.Equal(r.decision.To, whole) {
			return errors.New("D3: a kill was not obeyed at once")
		}
		return nil
	}
	if r.before.Condition != experiment.Killed {
		return nil
	}
	lifted := slices.ContainsFunc(r.decision.Reasons, func(x experiment.Reason) bool { return x.Code == experiment.ReasonLifted })
	if r.decision.Act == experiment.ActRetry {
		if r.after.Condition != experiment.Running || r.after.Epoch != r.before.Epoch+1 || !slices.Equal(r.decision.To, whole) {
			return errors.New("D8: a killed experiment was not begun anew on the baseline")
		}
		return nil
	}
	if !lifted && r.after.Condition != experiment.Killed || !slices.Equal(r.decision.To, whole) || len(r.intents) > 0 {
		return errors.New("D8: a killed experiment moved")
	}
	return nil
}

// fewestMoves is D7. A new epoch shuffles the units anyway.
func (r *step) fewestMoves() error {
	if r.decision.Act == experiment.ActRetry {
		return nil
	}
	if slices.Equal(r.before.Slots, r.after.Slots) && slices.Equal(r.decision.From, r.decision.To) {
		return nil
	}
	a, errA := assign.NewTable(r.before.Slots)
	b, errB := assign.NewTable(r.after.Slots)
	if errA != nil || errB != nil {
		return errors.Join(errA, errB)
	}
	moved, must := 0, 0
	for v := range r.decision.To {
		must += max(0, int(r.decision.From[v]-r.decision.To[v]))
	}
	for i := range a {
		if a[i] != b[i] {
			moved++
		}
	}
	if moved != must {
		return fmt.Errorf("D7: %d slots moved, %d had to", moved, must)
	}
	return nil
}

// actFits checks that the act says what happened.
func (r *step) actFits() error {
	d, n := r.decision, len(r.plan.Versions)
	whole := experiment.Baseline(n)
	ok := false
	switch d.Act {
	case experiment.ActHold:
		ok = slices.Equal(d.From, d.To) && r.after.Condition == r.before.Condition
	case experiment.ActPause:
		ok = slices.Equal(d.From, d.To) && r.after.Condition == experiment.Paused
	case experiment.ActResume:
		ok = slices.Equal(d.From, d.To) && r.after.Condition == experiment.Running
	case experiment.ActAdvance:
		ok = r.after.Condition == experiment.Running && (!slices.Equal(d.From, d.To) || r.after.Stage != r.before.Stage)
	case experiment.ActRollback:
		ok = slices.Equal(d.To, whole) && r.after.Outcome == experiment.RolledBack && r.after.Winner == 0
	case experiment.ActPromote:
		ok = n > 1 && d.To[1] == experiment.Whole && r.after.Outcome == experiment.Promoted && r.after.Winner == 1 && r.after.Condition == experiment.Done
	case experiment.ActRetry:
		ok = slices.Equal(d.To, whole) && r.after.Condition == experiment.Running && r.after.Epoch == r.before.Epoch+1 && r.after.Outcome == "" && r.after.Stage == 0
	case experiment.ActStop:
		ok = slices.Equal(d.To, whole) && r.after.Condition == experiment.Done && r.after.Winner == 0
	}
	if !ok {
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
	p := &experiment.Plan{Name: "x", Versions: []experiment.Version{{Name: "v1"}, {Name: "v2"}}, Stale: time.Minute}
	good := func() *step {
		s, _, _ := Start(p, now)
		after := s.Clone()
		after.Slots = experiment.Slots{{Version: 0, Slots: 9000}, {Version: 1, Slots: 1000}}
		after.Phase, after.Transition, after.PhaseStart = 2, 2, now
		d := experiment.Decision{
			Act: experiment.ActAdvance, From: experiment.Shares{10000, 0}, To: experiment.Shares{9000, 1000},
			Reasons: []experiment.Reason{experiment.Because(experiment.ReasonStageEntered, "stage", "canary")},
		}
		after.Decisions = append(after.Decisions, d)
		return &step{plan: p, before: s, now: now, after: after, decision: d, intents: []experiment.Intent{{Kind: experiment.IntentRoute, Transition: 2}}}
	}
	if err := good().check(); err != nil {
		t.Fatalf("the good step: %v", err)
	}
	violated := experiment.Verdict{Version: 1, Role: experiment.RoleObjective, Metric: "p99", Status: experiment.Violated}
	for name, spoil := range map[string]func(r *step){
		"D1: ":                func(r *step) { r.facts.Judgement.Verdicts = []experiment.Verdict{violated} },
		"D2: version 1 gains": func(r *step) { r.facts.Judgement.Mismatch = true },
		"D3: ":                func(r *step) { r.facts.Commands = []experiment.Command{{ID: "k", Verb: experiment.VerbKill}} },
		"D4: shares sum":      func(r *step) { r.decision.To = experiment.Shares{9000, 900} },
		"D4: the decision":    func(r *step) { r.decision.To = experiment.Shares{9100, 900} },
		"D7: 3000 slots": func(r *step) {
			r.after.Slots = experiment.Slots{{Version: 1, Slots: 1000}, {Version: 0, Slots: 9000}}
			r.before.Slots = experiment.Slots{{Version: 0, Slots: 8000}, {Version: 1, Slots: 2000}}
			r.decision.From = experiment.Shares{8000, 2000}
		},
		"D8: ":                    func(r *step) { r.before.Condition = experiment.Killed },
		"act hold does not fit":   func(r *step) { r.decision.Act = experiment.ActHold },
		"act promote does not":    func(r *step) { r.decision.Act = experiment.ActPromote },
		"act advance without":     func(r *step) { r.decision.Reasons = nil },
		"shares changed without":  func(r *step) { r.intents = nil },
		"not in the catalogue":    func(r *step) { r.decision.Reasons[0].Code = "HG-D999" },
		"leaves {stage} empty":    func(r *step) { r.decision.Reasons[0].Params = nil },
		"another place":           func(r *step) { r.after.Step++ },
		"epoch or plan":           func(r *step) { r.after.Epoch++ },
		"state grows":             func(r *step) { r.after.Commands = make([]string, maxCommands+1) },
		"kept among":              func(r *step) { r.after.Decisions = nil },
		"does not name transitio": func(r *step) { r.intents[0].Transition = 7 },
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
