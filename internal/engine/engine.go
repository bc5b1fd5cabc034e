// SPDX-License-Identifier: Apache-2.0

// Package engine is one step of an experiment, the same for the local runner,
// the simulator and every other process: fold sealed evidence, judge it, decide,
// and write the journal entry that proves it. It is pure; whoever calls it
// reads the world before and changes the world after.
package engine

import (
	"slices"
	"strings"
	"time"

	"github.com/headgate-dev/headgate/internal/decide"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/judge"
)

// Version names the rules of this engine in journals. It changes whenever a
// decision could change on the same facts; a running experiment is pinned to
// it.
const Version = "6"

// Input is what the world says at one step.
type Input struct {
	Now      time.Time
	Seals    []experiment.Seal
	Ready    []bool
	Sources  []experiment.SourceHealth
	Commands []experiment.Command
	// Moved counts units that changed version inside the current phase.
	Moved int64
	// Route is what the cluster says of the shares; nil where Headgate's own
	// gateway serves them.
	Route *experiment.RouteFact
	// Actions is how the state's actions stand.
	Actions []experiment.ActionFact
	// Readings are what the metrics of a strict plan say where its iteration is
	// due; see Points.
	Readings []experiment.Reading
	// Memo saves the judge time from one step to the next; nil does as well.
	Memo *judge.Memo
}

// Output is what a step came to. Whoever stores it counts Revision and Entries
// of the record.
type Output struct {
	Record    experiment.Record
	Judgement experiment.Judgement
	Decision  experiment.Decision
	Intents   []experiment.Intent
	// Entry is the journal entry, or nil for a hold that repeats the last.
	Entry *experiment.Entry
}

// Begin is the first step of a plan.
func Begin(p *experiment.Plan, now time.Time) Output {
	state, decision, intents := decide.Start(p, now)
	out := Output{Decision: decision, Intents: intents}
	out.Record = experiment.Record{State: state, Totals: experiment.Totals{Phases: []experiment.PhaseTotals{phaseOf(p, &state)}}}
	out.Entry = &experiment.Entry{
		Engine: Version, Plan: p, Hash: state.Plan, Now: now, After: state.Hash(), State: state,
		Decision: decision, Intents: intents,
	}
	return out
}

func phaseOf(p *experiment.Plan, s *experiment.State) experiment.PhaseTotals {
	out := experiment.PhaseTotals{
		Epoch: s.Epoch, Phase: s.Phase, Stage: s.Stage, Step: s.Step,
		Start: s.PhaseStart, Shares: s.Slots.Shares(len(p.Versions)),
	}
	for _, t := range s.Tables {
		out.Groups = append(out.Groups, experiment.GroupShares{Slice: t.Slice, Shares: t.Slots.Shares(len(p.Versions))})
	}
	return out
}

// strictPhases is how many phases of a strict plan are remembered: nothing is
// folded into any, and every iteration that moves shares begins one.
const strictPhases = 16

// begun adds the phase that a state begins.
func begun(p *experiment.Plan, phases []experiment.PhaseTotals, s *experiment.State) []experiment.PhaseTotals {
	phases = append(phases, phaseOf(p, s))
	if n := len(phases) - strictPhases; p.Strict && n > 0 {
		phases = slices.Clone(phases[n:])
	}
	return phases
}

// Step folds, judges and decides. It fails only if the seals do not fit the
// totals; then nothing is decided and the record is as it was.
func Step(p *experiment.Plan, rec experiment.Record, in Input) (Output, error) {
	totals := rec.Totals.Clone()
	for _, source := range experiment.Sources() {
		for _, seal := range in.Seals {
			if seal.Source != source {
				continue
			}
			if err := fold(p, &totals, seal); err != nil {
				return Output{Record: rec}, err
			}
		}
	}
	at := judge.AtState(&rec.State, in.Now)
	at.Memo = in.Memo
	judgement, monitors := judge.Judge(p, &totals, rec.Monitors, at)
	facts := experiment.Facts{
		Judgement: judgement, Ready: in.Ready, Sources: withGaps(&totals, in.Sources), Commands: in.Commands, Moved: in.Moved, Route: in.Route, Actions: in.Actions,
		Readings: readingsOf(p, &rec.State, in.Readings, in.Now),
	}
	before := rec.State.Hash()
	state, decision, intents := decide.Decide(p, rec.State, facts, in.Now)
	after := state.Hash()

	next := experiment.Record{
		Revision: rec.Revision, State: state, Totals: totals, Monitors: monitors,
		Holds: rec.Holds, Hold: rec.Hold, Entries: rec.Entries, Written: rec.Written,
	}
	out := Output{Judgement: judgement, Decision: decision, Intents: intents}
	if codes := holdCodes(decision); codes != "" && codes == rec.Hold && before == after {
		next.Holds++
	} else {
		var changed experiment.Totals
		changed, next.Written = totals.Since(rec.Written)
		out.Entry = &experiment.Entry{
			Seq: rec.Entries, Engine: Version, Hash: state.Plan, Now: in.Now,
			Before: before, After: after, State: state, Totals: changed.Clone(), Monitors: rec.Monitors,
			Facts: facts, Decision: decision, Intents: intents, Holds: rec.Holds,
		}
		next.Holds, next.Hold = 0, codes
	}
	if state.Phase != rec.State.Phase || state.Epoch != rec.State.Epoch {
		next.Totals.Phases = begun(p, next.Totals.Phases, &state)
	}
	out.Record = next
	return out, nil
}

// Acted says that all that a state asks for is done, in a world where nothing is
// in the way of it.
func Acted(s *experiment.State) []experiment.ActionFact {
	var out []experiment.ActionFact
	for _, i := range s.Actions {
		out = append(out, experiment.ActionFact{Intent: i, Done: true})
	}
	return out
}

// holdCodes names a hold by its reasons' codes; empty for other acts.
func holdCodes(d experiment.Decision) string {
	if d.Act != experiment.ActHold {
		return ""
	}
	codes := []string{"hold"}
	for _, r := range d.Reasons {
		codes = append(codes, string(r.Code))
	}
	return strings.Join(codes, " ")
}

// isLatency reports whether a cell measures latency.
func isLatency(p *experiment.Plan, cell string) bool {
	m := p.Metric(cell)
	return m != nil && m.Builtin != nil && m.Builtin.Kind == experiment.Latency
}

// fold adds one seal, first continuing the streak of clean windows, and leaves
// out latency that was measured while a step settled: it is shown with the
// requests but used for nothing. All else counts at once: a cold start explains
// slow answers, not other answers.
func fold(p *experiment.Plan, totals *experiment.Totals, seal experiment.Seal) error {
	phase := totals.Phase(seal.Epoch, seal.Phase)
	if phase == nil || seal.Source != experiment.SourceGateway {
		return totals.Fold(seal)
	}
	clean := judge.Streak(p, phase, seal)
	if settle := judge.SettleWindows(p, phase.Stage); settle > seal.From {
		kept := make([]experiment.Cell, 0, len(seal.Cells))
		for _, c := range seal.Cells {
			if c.Window >= settle || !isLatency(p, c.Metric) {
				kept = append(kept, c)
			}
		}
		seal.Cells = kept
	}
	if err := totals.Fold(seal); err != nil {
		return err
	}
	phase.Clean = clean
	return nil
}
