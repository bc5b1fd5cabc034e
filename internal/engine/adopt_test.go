// SPDX-License-Identifier: Apache-2.0

package engine_test

import (
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/engine"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// run keeps a record and its journal, as a store does.
type run struct {
	plan    *experiment.Plan
	rec     experiment.Record
	journal []experiment.Entry
}

func (r *run) save(out engine.Output) {
	r.rec = out.Record
	if out.Entry != nil {
		r.journal = append(r.journal, *out.Entry)
		r.rec.Entries++
	}
}

func (r *run) entries() iter.Seq2[experiment.Entry, error] {
	return func(yield func(experiment.Entry, error) bool) {
		for _, e := range r.journal {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// running is a canary at 10 % that has folded evidence.
func running(t *testing.T) *run {
	t.Helper()
	r := &run{plan: plan(t, canary)}
	r.save(engine.Begin(r.plan, start))
	r.save(step(t, r.plan, r.rec, time.Minute))
	r.save(step(t, r.plan, r.rec, 3*time.Minute, seal(2, 0, 1, 5, 0, 0)))
	return r
}

func (r *run) adopt(p *experiment.Plan, at time.Duration) engine.Output {
	out := engine.Adopt(r.plan, p, r.rec, start.Add(at))
	r.plan = p
	r.save(out)
	return out
}

func TestAnEditThatNoEvidenceRestsOnGoesOn(t *testing.T) {
	r := running(t)
	before := r.rec
	edited := plan(t, strings.Replace(canary, "spec:", "spec:\n  owner: search\n  budget: {units: 100000}", 1))
	out := r.adopt(edited, 4*time.Minute)
	if out.Decision.Act != experiment.ActEdit || len(out.Intents) != 0 || r.rec.State.Plan != edited.Hash() {
		t.Fatalf("%+v, intents %v", out.Decision, out.Intents)
	}
	if d := cmp.Diff(before.Totals, r.rec.Totals); d != "" || r.rec.State.Phase != before.State.Phase {
		t.Errorf("the evidence changed (-before +after):\n%s", d)
	}
	r.save(step(t, r.plan, r.rec, 5*time.Minute, seal(2, 1, 3, 30, 0, 0)))
	if _, err := engine.Replay(r.entries()); err != nil {
		t.Error(err)
	}
}

func TestAnEditThatEvidenceRestsOnBeginsAnew(t *testing.T) {
	r := running(t)
	edited := plan(t, strings.Replace(canary, "max: 10%", "max: 5%", 1))
	out := r.adopt(edited, 4*time.Minute)
	s := r.rec.State
	if s.Epoch != 2 || s.Phase != 3 || !slices.Equal(out.Decision.To, experiment.Shares{10_000, 0}) || len(r.rec.Totals.Phases) != 1 {
		t.Fatalf("epoch %d phase %d, %+v, %d phases", s.Epoch, s.Phase, out.Decision, len(r.rec.Totals.Phases))
	}
	if len(out.Intents) != 1 || out.Intents[0].Kind != experiment.IntentRoute {
		t.Errorf("the baseline is not routed: %+v", out.Intents)
	}
	r.save(step(t, r.plan, r.rec, 5*time.Minute))
	if got := r.rec.State.Slots.Shares(2); got[1] != 1000 {
		t.Errorf("it does not begin its ramp: %v", got)
	}
	if n, err := engine.Replay(r.entries()); err != nil || n != int64(len(r.journal)) {
		t.Errorf("%d of %d entries replay: %v", n, len(r.journal), err)
	}
}

func TestAKillOutlivesEdits(t *testing.T) {
	r := running(t)
	killed, err := engine.Step(r.plan, r.rec, engine.Input{Now: start.Add(4 * time.Minute), Commands: []experiment.Command{{ID: "k", Verb: experiment.VerbKill}}})
	if err != nil {
		t.Fatal(err)
	}
	r.save(killed)
	for _, edit := range []string{"max: 5%", "max: 5%\n  owner: x"} {
		r.adopt(plan(t, strings.Replace(canary, "max: 10%}, {metric: p99, max: 250ms}]", edit[:7]+"}, {metric: p99, max: 250ms}]"+edit[7:], 1)), 5*time.Minute)
		if r.rec.State.Condition != experiment.Killed || r.rec.State.Slots.Shares(2)[0] != experiment.Whole {
			t.Fatalf("%s: %s", r.rec.State.Condition, r.rec.State.Slots.Shares(2))
		}
	}
	if _, err := engine.Replay(r.entries()); err != nil {
		t.Error(err)
	}
}

func TestSharesThatAreNotInEffectRaiseNothing(t *testing.T) {
	for name, c := range map[string]struct {
		fact experiment.RouteFact
		want experiment.ReasonCode
	}{
		"not in effect yet": {experiment.RouteFact{Unsettled: "the gateway has not accepted the route"}, experiment.ReasonUnsettled},
		"rewritten":         {experiment.RouteFact{Drifted: "argocd wrote 100%/0%"}, experiment.ReasonDrifted},
	} {
		t.Run(name, func(t *testing.T) {
			r := running(t)
			in := engine.Input{Now: start.Add(5 * time.Minute), Seals: []experiment.Seal{seal(2, 1, 4, 30, 0, 0)}, Route: &c.fact}
			out, err := engine.Step(r.plan, r.rec, in)
			if err != nil {
				t.Fatal(err)
			}
			if out.Decision.Act != experiment.ActHold || out.Decision.Reasons[0].Code != c.want {
				t.Errorf("%+v", out.Decision)
			}
			r.save(out)
			in.Seals, in.Route = nil, &experiment.RouteFact{}
			if out, err = engine.Step(r.plan, r.rec, in); err != nil || out.Decision.Act != experiment.ActAdvance {
				t.Errorf("in effect: %+v, %v", out.Decision, err)
			}
		})
	}
}
