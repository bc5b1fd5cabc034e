// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"fmt"
	"iter"
	"math"
	"reflect"
	"slices"

	"github.com/headgate-dev/headgate/internal/decide"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/judge"
)

// Difference is the first entry of a journal that replays otherwise.
type Difference struct {
	Seq  int64
	What string
}

func (d *Difference) Error() string {
	return fmt.Sprintf("journal entry %d does not replay: %s", d.Seq, d.What)
}

// Replay runs every entry of a journal again and compares (D6): actions,
// shares, reasons and states exactly, numbers of verdicts to 1e-9 relative. It
// returns the number of entries replayed and a *Difference at the first that
// differs; any other error is the journal's own.
func Replay(journal iter.Seq2[experiment.Entry, error]) (int64, error) {
	var plan *experiment.Plan
	var prev experiment.State
	var totals experiment.Totals
	n := int64(0)
	for e, err := range journal {
		if err != nil {
			return n, err
		}
		if n == 0 {
			if e.Plan == nil {
				return n, &Difference{e.Seq, "the first entry has no plan"}
			}
			plan = e.Plan
		}
		old := plan
		if e.Plan != nil {
			plan = e.Plan
		}
		totals.Apply(e.Totals)
		if what := replayEntry(old, plan, &totals, prev, n, &e); what != "" {
			return n, &Difference{e.Seq, what}
		}
		if e.State.Epoch != prev.Epoch && e.Plan != nil {
			totals = experiment.Totals{}
		}
		prev = e.State
		n++
	}
	return n, nil
}

// replayEntry replays one entry, which brings plan p in the place of old if they
// differ.
func replayEntry(old, p *experiment.Plan, totals *experiment.Totals, prev experiment.State, n int64, e *experiment.Entry) (what string) {
	// Anybody may have written the file: a plan or state that no validation let
	// through breaks what the rules rely on, and is a difference like others.
	defer func() {
		if r := recover(); r != nil {
			what = fmt.Sprintf("it breaks the rules: %v", r)
		}
	}()
	switch {
	case e.Seq != n:
		return fmt.Sprintf("entry %d comes here", n)
	case e.Engine != Version:
		return fmt.Sprintf("it was written by engine %q, this is %q", e.Engine, Version)
	case e.Hash != p.Hash():
		return "it belongs to another plan"
	case e.State.Hash() != e.After:
		return "its state does not have the hash it names"
	}
	var state experiment.State
	var decision experiment.Decision
	var intents []experiment.Intent
	switch {
	case n == 0:
		state, decision, intents = decide.Start(p, e.Now)
	case prev.Hash() != e.Before:
		return "it does not continue the state before it"
	case e.Plan != nil:
		state, decision, intents = decide.Adopt(old, p, prev, e.Now)
	default:
		judgement, _ := judge.Judge(p, totals, e.Monitors, judge.AtState(&prev, e.Now))
		if !near(reflect.ValueOf(judgement), reflect.ValueOf(e.Facts.Judgement)) {
			return "its evidence is judged otherwise"
		}
		state, decision, intents = decide.Decide(p, prev, e.Facts, e.Now)
	}
	switch {
	case state.Hash() != e.After:
		return fmt.Sprintf("it leads to another state: %s %s", decision.Act, decision.To)
	case !reflect.DeepEqual(decision, e.Decision):
		return fmt.Sprintf("it decides %s %s, the journal says %s %s", decision.Act, decision.To, e.Decision.Act, e.Decision.To)
	case !slices.Equal(intents, e.Intents):
		return "it asks for other actions"
	}
	return ""
}

// near compares two values of one type, floating-point numbers to 1e-9
// relative: some machines fuse multiply and add.
func near(a, b reflect.Value) bool {
	switch a.Kind() {
	case reflect.Float64:
		x, y := a.Float(), b.Float()
		return x == y || math.Abs(x-y) <= 1e-9*max(math.Abs(x), math.Abs(y), 1)
	case reflect.Pointer:
		if a.IsNil() || b.IsNil() {
			return a.IsNil() == b.IsNil()
		}
		return near(a.Elem(), b.Elem())
	case reflect.Struct:
		for i := range a.NumField() {
			if !near(a.Field(i), b.Field(i)) {
				return false
			}
		}
		return true
	case reflect.Slice:
		if a.Len() != b.Len() {
			return false
		}
		for i := range a.Len() {
			if !near(a.Index(i), b.Index(i)) {
				return false
			}
		}
		return true
	default:
		return a.Equal(b)
	}
}
