// SPDX-License-Identifier: Apache-2.0

package experiment

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/stats"
)

var update = flag.Bool("update", false, "rewrite golden files")

// golden compares a value's JSON with a file, and reads the file back into a
// value that has the same JSON: what was written once can be read for ever.
func golden[T any](t *testing.T, name string, v T) {
	t.Helper()
	write := func(v T) []byte {
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetIndent("", " ")
		if err := enc.Encode(v); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	got, path := write(v), filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("the shape is frozen (-want +got):\n%s", d)
	}
	var back T
	dec := json.NewDecoder(bytes.NewReader(want))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&back); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(write(back))); d != "" {
		t.Errorf("read and written again (-want +got):\n%s", d)
	}
}

var moment = time.Date(2026, 3, 4, 5, 6, 7, 89_000_000, time.UTC)

func ptr(f float64) *float64 { return &f }

// The examples fill every field, so that a field that is renamed or lost shows.
func exampleKey() CellKey {
	return CellKey{Epoch: 1, Phase: 2, Window: 3, Version: 1, Metric: "p99", Slice: "tier=free"}
}

func exampleEvidence() Evidence {
	var s stats.Sketch
	s.Add(.012)
	s.Add(.25)
	var p stats.Pair
	p.Add(1, 1)
	p.Add(0, 2)
	return Evidence{Counts: stats.Counts{N: 10, X: 1}, Units: p, Sketch: &s}
}

func exampleFacts() Facts {
	return Facts{
		Judgement: Judgement{
			Verdicts: []Verdict{{
				Version: 1, Metric: "purchase", Role: RoleReward, Status: Better, Estimate: ptr(.0123), Interval: &stats.Interval{Low: .01, High: .02},
				Level: .95, Guarantee: GuaranteeLooks, Basis: BasisUnits, N: 500, NBaseline: 510, Limit: ptr(.01), LogE: 1.5, Final: true, Equivalent: true, Need: 40,
			}},
			Mismatch: true, MismatchLogE: 7.5, MismatchPhase: 2, Requests: 900, Units: 1010, Clean: 3, Seen: []int64{510, 500}, Look: 2, Planned: 5,
		},
		Ready: []bool{true, false},
		Sources: []SourceHealth{
			{Source: SourceGateway, Newest: moment},
			{Source: SourceOutcomes, Down: "connection refused", Gap: true},
		},
		Commands: []Command{{ID: "k1", Verb: VerbKill, Author: "sre", Reason: "burning", Override: true}},
	}
}

func exampleState() State {
	return State{
		Plan: "abc", Condition: Killed, Stage: 1, Step: 2, Epoch: 1, Phase: 4, Slots: Slots{{Version: 0, Slots: 9000}, {Version: 1, Slots: 1000}},
		Transition: 5, Started: moment, StageStart: moment, PhaseStart: moment, UnknownSince: &moment, Outcome: RolledBack, Winner: 1,
		Commands: []string{"k1"}, Decisions: []Decision{exampleDecision()},
	}
}

func exampleDecision() Decision {
	return Decision{
		At: moment, Act: ActRollback, Reasons: []Reason{Because(ReasonKilled, "author", "sre", "reason", "burning")},
		From: Shares{9000, 1000}, To: Shares{10000, 0}, Stage: 1, Step: 2,
	}
}

func exampleTotals() Totals {
	return Totals{Phases: []PhaseTotals{{
		Epoch: 1, Phase: 4, Stage: 1, Step: 2, Start: moment, Shares: Shares{9000, 1000}, Folded: Folded{Gateway: 3, Exposures: 2, Outcomes: 1}, Clean: 2,
		Cells: []Total{{Version: 1, Metric: "p99", Slice: "tier=free", Evidence: exampleEvidence()}},
	}}}
}

func exampleMonitors() Monitors {
	return Monitors{
		Harm:  []HarmMonitor{{Version: 1, Role: RoleGuardrail, Metric: "refund", Worse: 1.25, Better: -.5}},
		Looks: []SpentLook{{Look: stats.Look{Spent: .2, Information: 1000}, Z: 1.5, Bound: 4.5, Estimate: .01, SE: .005}}, Stage: 1, MismatchLogE: 7.5,
	}
}

func examplePlan() *Plan {
	return &Plan{
		Namespace: "search", Name: "ranker", Owner: "team", Hypothesis: "better",
		Versions:   []Version{{Name: "v1", Backend: "http://a:1"}, {Name: "v2", Backend: "http://b:1"}},
		Assignment: Assignment{Unit: Unit{Header: "x-user-id", Cookie: "c", JSONPath: "$.u", Request: true}, RejectMissing: true},
		Metrics: []Metric{
			{Name: "p99", Goal: Decrease, Builtin: &BuiltinMetric{Kind: Latency, Quantile: .99, Limit: 250 * time.Millisecond}},
			{Name: "refund", Goal: Decrease, Outcomes: &OutcomesMetric{Event: "refund", Per: "purchase", Window: time.Hour}},
		},
		Reward:     &Reward{Metric: "refund", MinimumEffect: Margin{Absolute: .01}},
		Objectives: []Objective{{Metric: "p99", Max: ptr(.01)}, {Metric: "refund", Min: ptr(.5)}},
		Guardrails: []Guardrail{{Metric: "refund", NoWorseThan: Margin{Relative: .03}}},
		Stages: []Stage{
			{Name: "canary", Ramp: &Ramp{Steps: []Share{0, 100}, Hold: Hold{Requests: 10, Windows: 2, Settle: time.Minute, For: time.Minute}}},
			{Name: "ab", Split: &Split{Shares: Shares{5000, 5000}, Until: Until{Decided: true, Units: 100, AtLeast: time.Minute, AtMost: time.Hour}, Otherwise: KeepBaseline}},
			{Name: "soak", Observe: &Observe{For: time.Minute}},
		},
		Analysis:  Analysis{Method: Sequential, Alpha: .05, HarmAlpha: .05, Looks: 5},
		OnUnknown: OnUnknown{After: time.Hour, Do: PolicyHold}, Window: time.Minute, Lag: time.Second, Stale: 5 * time.Minute,
	}
}

func TestShapesAreFrozen(t *testing.T) {
	t.Run("cell", func(t *testing.T) {
		golden(t, "cell.json", Cell{CellKey: exampleKey(), Evidence: exampleEvidence()})
	})
	t.Run("facts", func(t *testing.T) { golden(t, "facts.json", exampleFacts()) })
	t.Run("snapshot", func(t *testing.T) {
		s := exampleState()
		golden(t, "snapshot.json", Snapshot{Sequence: 7, Routes: []Route{RouteOf(examplePlan(), &s)}})
	})
	t.Run("entry", func(t *testing.T) {
		golden(t, "entry.json", Entry{
			Seq: 3, Engine: "1", Plan: examplePlan(), Hash: "abc", Now: moment, Before: "b", After: "a", State: exampleState(), Totals: exampleTotals(),
			Monitors: exampleMonitors(), Facts: exampleFacts(), Decision: exampleDecision(), Intents: []Intent{{Kind: IntentRoute, Transition: 5}}, Holds: 9,
		})
	})
	t.Run("record", func(t *testing.T) {
		golden(t, "record.json", Record{Revision: 4, State: exampleState(), Totals: exampleTotals(), Monitors: exampleMonitors(), Holds: 9, Hold: "hold HG-D201", Entries: 3})
	})
	// What is empty is left out, so that records stay small.
	t.Run("an empty record", func(t *testing.T) { golden(t, "record-empty.json", Record{}) })
	t.Run("a seal", func(t *testing.T) {
		golden(t, "seal.json", Seal{Source: SourceOutcomes, Epoch: 1, Phase: 2, From: 3, To: 4, Cells: []Cell{{CellKey: exampleKey(), Evidence: exampleEvidence()}}})
	})
}

// TestHashes pins how plans and states are hashed: an experiment that runs goes
// on under a new program.
func TestHashes(t *testing.T) {
	s := exampleState()
	golden(t, "hashes.json", map[string]string{"plan": examplePlan().Hash(), "state": s.Hash()})
	other := exampleState()
	other.Slots[0].Slots--
	if other.Hash() == s.Hash() {
		t.Error("another state has the same hash")
	}
	copied := s.Clone()
	copied.Slots[0].Slots, copied.Commands[0], copied.Decisions[0].Act = 1, "x", ActHold
	if d := cmp.Diff(exampleState(), s); d != "" {
		t.Errorf("changing a clone changed the state:\n%s", d)
	}
}
