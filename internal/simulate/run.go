// SPDX-License-Identifier: Apache-2.0

package simulate

import (
	"math/rand/v2"
	"time"

	"github.com/headgate-dev/headgate/internal/engine"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// Result is how one simulated experiment ended.
type Result struct {
	Outcome experiment.Outcome
	Winner  int
	// Reason is the first reason of the last decision.
	Reason experiment.Reason
	// Took is the time from start to end.
	Took time.Duration
	// Entries is the journal, if it was asked for.
	Entries []experiment.Entry
}

// Limit is the number of windows after which a simulation gives up; a plan
// always ends before, or it has no exit.
const Limit = 100_000

// Run plays a plan in a world once. The error says why it could not be played;
// an experiment that does not end is such an error.
func Run(p *experiment.Plan, w *World, seed uint64, journal bool) (Result, error) {
	if err := strict(p); err != nil {
		return Result{}, err
	}
	rng := rand.New(rand.NewPCG(seed, 0x6865616467617465))
	t := newTraffic(p, w, rng)
	out := engine.Begin(p, start)
	now := start
	if err := t.route(&out.Record.State); err != nil {
		return Result{}, err
	}
	var r Result
	// store does what a store would: it counts entries.
	store := func(o engine.Output) experiment.Record {
		if o.Entry != nil {
			o.Record.Entries++
			if journal {
				r.Entries = append(r.Entries, *o.Entry)
			}
		}
		return o.Record
	}
	rec := store(out)
	for range Limit {
		next := now.Add(p.Window)
		t.send(now, next)
		now = next
		out, err := engine.Step(p, rec, engine.Input{Now: now, Seals: t.seals(now), Actions: engine.Acted(&rec.State)})
		if err != nil {
			return r, err
		}
		rec = store(out)
		if len(out.Intents) > 0 {
			if err := t.route(&rec.State); err != nil {
				return r, err
			}
		}
		if rec.State.Condition == experiment.Done {
			last := rec.State.Decisions[len(rec.State.Decisions)-1]
			r.Outcome, r.Winner, r.Reason, r.Took = rec.State.Outcome, rec.State.Winner, last.Reasons[0], now.Sub(start)
			return r, nil
		}
	}
	return r, experiment.Errorf(experiment.CodeInternal, "%s did not end within %d windows", p.ID(), Limit)
}
