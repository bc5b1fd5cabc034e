// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"time"

	"github.com/headgate-dev/headgate/internal/decide"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// Adopt puts an edited plan in the place of the one that a record belongs to,
// which is old. An edit that evidence rests on begins a new epoch; see
// decide.Adopt. The entry holds the new plan.
func Adopt(old, p *experiment.Plan, rec experiment.Record, now time.Time) Output {
	before := rec.State.Hash()
	state, decision, intents := decide.Adopt(old, p, rec.State, now)
	next := rec
	next.State, next.Totals = state, rec.Totals.Clone()
	next.Holds, next.Hold = 0, ""
	if state.Epoch != rec.State.Epoch {
		// What is known of the old plan's metrics is none of the new one's.
		next.Totals, next.Monitors, next.Written = experiment.Totals{}, experiment.Monitors{}, nil
	}
	if state.Phase != rec.State.Phase || state.Epoch != rec.State.Epoch {
		next.Totals.Phases = begun(p, next.Totals.Phases, &state)
	}
	out := Output{Record: next, Decision: decision, Intents: intents}
	out.Entry = &experiment.Entry{
		Seq: rec.Entries, Engine: Version, Plan: p, Hash: state.Plan, Now: now,
		Before: before, After: state.Hash(), State: state,
		Decision: decision, Intents: intents, Holds: rec.Holds,
	}
	return out
}
