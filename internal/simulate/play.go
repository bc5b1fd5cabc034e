// SPDX-License-Identifier: Apache-2.0

package simulate

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/headgate-dev/headgate/internal/engine"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/judge"
)

// End is how a rule's experiment ended.
type End string

// The ends. Undecided is every other end: the baseline keeps the traffic, and
// nothing was found against a candidate.
const (
	EndPromoted   End = "promoted"
	EndRolledBack End = "rolledBack"
	EndUndecided  End = "undecided"
)

// Trial is how one run in a Fast world went.
type Trial struct {
	End End
	// Outcome is Headgate's word for it: empty for other rules, and where the
	// simulation gave up.
	Outcome experiment.Outcome
	// Winner is the version that has the traffic afterwards.
	Winner int
	Reason experiment.ReasonCode
	Took   time.Duration
	// Worse is how many units met a version that is worse than the best, until
	// the end; a unit counts once a phase.
	Worse int64
	// Regret is the reward lost by not always serving the best version: until
	// the end as it was drawn, and from then to the longest that the experiment
	// may last as it is expected.
	Regret float64
	// Cost is that of all requests and copies, and of the time that versions
	// were up, until the end.
	Cost float64
	// Asked says that a person was asked, and how they answered.
	Asked bool
	// Entries is the journal, if it was asked for.
	Entries []experiment.Entry
	// Steps is what the engine was given, if the journal was asked for.
	Steps []engine.Input
}

// player plays runs one after the other, reusing what they need.
type player struct {
	w      *Fast
	flow   *flow
	ready  []bool
	memo   *judge.Memo
	seals  []experiment.Seal
	health []experiment.SourceHealth
}

func newPlayer(w *Fast) *player {
	p := &player{w: w, flow: newFlow(w), ready: make([]bool, len(w.plan.Versions))}
	for v := range p.ready {
		p.ready[v] = true
	}
	return p
}

// Play plays the plan once. Every run of one seed is the same.
func (w *Fast) Play(seed uint64, journal bool) (Trial, error) {
	return newPlayer(w).play(seed, journal)
}

func (p *player) play(seed uint64, journal bool) (Trial, error) {
	w, f := p.w, p.flow
	f.begin(seed)
	var t Trial
	store := func(o *engine.Output) experiment.Record {
		if o.Entry != nil {
			o.Record.Entries++
			if journal {
				t.Entries = append(t.Entries, *o.Entry)
			}
		}
		return o.Record
	}
	out := engine.Begin(w.plan, start)
	rec := store(&out)
	p.route(&rec.State, 0)
	p.memo = judge.NewMemo() // It grows with an experiment.
	var person person
	var said []experiment.Command
	for now := int64(0); ; {
		p.seals, p.health = f.seals(now, p.seals[:0], p.health[:0])
		in := engine.Input{Now: f.at(now), Ready: p.ready, Seals: p.seals, Sources: p.health, Commands: said, Memo: p.memo, Actions: engine.Acted(&rec.State)}
		if journal {
			t.Steps = append(t.Steps, kept(in))
		}
		phase := rec.State.Phase
		var err error
		if out, err = engine.Step(w.plan, rec, in); err != nil {
			return t, err
		}
		rec = store(&out)
		if rec.State.Condition == experiment.Done || now >= w.limit {
			p.finish(&t, &rec, &out.Decision, now)
			t.Asked = person.asked > 0
			return t, nil
		}
		if rec.State.Phase != phase {
			p.route(&rec.State, now)
		}
		if said = person.says(&out.Decision, &rec.State); len(said) > 0 {
			continue // They answer at once.
		}
		step, batch := w.pace(&rec.State)
		next := min(now+step, max(w.limit, now+1))
		f.draw(next, batch)
		now = next
	}
}

// route begins the phase that a state asks for.
func (p *player) route(s *experiment.State, now int64) {
	r := experiment.RouteOf(p.w.plan, s)
	p.flow.phase(&r, now)
}

// kept copies what the next step would overwrite.
func kept(in engine.Input) engine.Input {
	in.Seals, in.Sources, in.Memo = slices.Clone(in.Seals), slices.Clone(in.Sources), nil
	for i := range in.Seals {
		in.Seals[i].Cells = slices.Clone(in.Seals[i].Cells)
	}
	return in
}

// finish reads the end off a record. Where the simulation gave up, the reason is
// what the experiment still waited for.
func (p *player) finish(t *Trial, rec *experiment.Record, last *experiment.Decision, now int64) {
	t.Winner, t.Reason = rec.State.Winner, last.Reasons[0].Code
	if rec.State.Condition == experiment.Done {
		t.Outcome = rec.State.Outcome
	}
	switch t.Outcome {
	case experiment.Promoted:
		t.End = EndPromoted
	case experiment.RolledBack, experiment.OutcomeViolated:
		t.End = EndRolledBack
	default:
		t.End = EndUndecided
	}
	p.w.settle(t, &p.flow.sum, now)
}

// settle adds up a run that took some windows.
func (w *Fast) settle(t *Trial, sum *sums, now int64) {
	t.Took = time.Duration(now) * w.plan.Window
	t.Worse, t.Regret, t.Cost = sum.worse, sum.regret, sum.cost
	for _, v := range w.plan.Versions {
		t.Cost += t.Took.Hours() * v.Cost.PerHour
	}
	for i := range w.kinds {
		k := &w.kinds[i]
		t.Regret += w.arrivals(k, w.limit-now) * w.lost(k, t.Winner)
	}
}

// arrivals is how many units of a kind are expected in some windows.
func (w *Fast) arrivals(k *kind, windows int64) float64 {
	requests := w.rate * float64(max(0, windows)) * w.plan.Window.Seconds()
	if w.units == 0 {
		return requests * k.share
	}
	all := float64(w.units)
	return all * k.share * -math.Expm1(-requests/all)
}

// person is who answers where the plan asks for one: yes, and at once.
type person struct {
	asked int
	last  string // the id of what they said last: nobody says a thing twice
}

// says is what they command after a decision.
func (p *person) says(d *experiment.Decision, s *experiment.State) []experiment.Command {
	verb := experiment.Verb("")
	for _, r := range d.Reasons {
		switch {
		case d.Act != experiment.ActHold:
		case r.Code == experiment.ReasonAsk:
			verb = experiment.VerbPromote
		case r.Code == experiment.ReasonNeedApproval:
			verb = experiment.VerbApprove
		}
	}
	id := fmt.Sprintf("simulated-%s-%s-%d", verb, s.Condition, s.Stage)
	if verb == "" || id == p.last {
		return nil
	}
	p.asked, p.last = p.asked+1, id
	return []experiment.Command{{ID: id, Verb: verb, Author: "simulated person", Reason: "simulated: yes, at once"}}
}
