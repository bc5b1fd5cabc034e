// SPDX-License-Identifier: Apache-2.0

package engine_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/engine"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/translate"
	"github.com/headgate-dev/headgate/stats"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

const canary = `
apiVersion: headgate.dev/v1alpha1
kind: Experiment
metadata: {name: canary}
spec:
  versions: [{name: v1, backend: "http://a:1"}, {name: v2, backend: "http://b:1"}]
  traffic: {gateway: {}}
  assignment: {unit: {header: x-user-id}}
  metrics:
  - {name: errors, from: {builtin: error-rate}}
  - {name: p99, from: {builtin: latency, quantile: 0.99}}
  objectives: [{metric: errors, max: 10%}, {metric: p99, max: 250ms}]
  stages:
  - {name: canary, ramp: {steps: [10%, 50%]}, hold: {requests: 20, windows: 2, settle: 2m}}
  evidence: {window: 1m, stale: 5m}
  onUnknown: {after: 1h}
`

func plan(t testing.TB, text string) *experiment.Plan {
	t.Helper()
	p, err := translate.Plan([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// seal is a run of gateway windows in which the candidate had n requests each.
func seal(phase int, from, to, n, failed, slow int64) experiment.Seal {
	s := experiment.Seal{Source: experiment.SourceGateway, Epoch: 1, Phase: phase, From: from, To: to}
	for w := from; w < to; w++ {
		for v := range 2 {
			k := experiment.CellKey{Epoch: 1, Phase: phase, Window: w, Version: v}
			add := func(metric string, x int64) {
				k.Metric = metric
				s.Cells = append(s.Cells, experiment.Cell{CellKey: k, Evidence: experiment.Evidence{Counts: stats.Counts{N: n, X: x * int64(v)}}})
			}
			add(experiment.CellRequests, failed)
			add("p99", slow)
		}
	}
	return s
}

func step(t *testing.T, p *experiment.Plan, rec experiment.Record, at time.Duration, seals ...experiment.Seal) engine.Output {
	t.Helper()
	before := written(t, rec)
	out, err := engine.Step(p, rec, engine.Input{Now: start.Add(at), Seals: seals})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(before, written(t, rec)); d != "" {
		t.Fatalf("Step changed the record that it was given (-before +after):\n%s", d)
	}
	return out
}

func written(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// entered is a canary at its first share, phase 2.
func entered(t *testing.T) (*experiment.Plan, experiment.Record) {
	p := plan(t, canary)
	out := step(t, p, engine.Begin(p, start).Record, time.Minute)
	if out.Decision.Act != experiment.ActAdvance || len(out.Record.Totals.Phases) != 2 {
		t.Fatalf("%+v", out.Decision)
	}
	return p, out.Record
}

func TestBeginIsTheFirstEntry(t *testing.T) {
	p := plan(t, canary)
	out := engine.Begin(p, start)
	e := out.Entry
	if e.Seq != 0 || e.Plan != p || e.Engine != engine.Version || e.Hash != p.Hash() || e.After != out.Record.State.Hash() || e.Before != "" {
		t.Errorf("%+v", e)
	}
	if want := []experiment.PhaseTotals{{Epoch: 1, Phase: 1, Start: start, Shares: experiment.Shares{10_000, 0}}}; !cmp.Equal(out.Record.Totals.Phases, want) {
		t.Errorf("phases %+v", out.Record.Totals.Phases)
	}
	if len(out.Intents) != 1 || len(e.Intents) != 1 {
		t.Errorf("the baseline is not routed: %+v", out.Intents)
	}
}

func TestStepRefusesSealsThatDoNotFit(t *testing.T) {
	p, rec := entered(t)
	rec = step(t, p, rec, 4*time.Minute, seal(2, 0, 3, 10, 0, 0)).Record
	before := written(t, rec)
	good := seal(2, 3, 4, 10, 0, 0)
	other := good
	other.Source = experiment.SourceExposures
	for name, c := range map[string]struct {
		seals []experiment.Seal
		want  string
	}{
		"a hole":                         {[]experiment.Seal{seal(2, 4, 5, 10, 0, 0)}, "fold gateway windows 4-5 of phase 1.2: 3 are folded"},
		"an overlap":                     {[]experiment.Seal{seal(2, 2, 4, 10, 0, 0)}, "3 are folded"},
		"the same again":                 {[]experiment.Seal{good, good}, "4 are folded"},
		"out of order":                   {[]experiment.Seal{seal(2, 4, 5, 10, 0, 0), good}, "3 are folded"},
		"an end before the beginning":    {[]experiment.Seal{{Source: experiment.SourceGateway, Epoch: 1, Phase: 2, From: 3, To: 2}}, "3 are folded"},
		"a phase that was never":         {[]experiment.Seal{seal(3, 0, 1, 10, 0, 0)}, "no phase 1.3"},
		"an epoch that was never":        {[]experiment.Seal{{Source: experiment.SourceGateway, Epoch: 2, Phase: 2}}, "no phase 2.2"},
		"good before bad":                {[]experiment.Seal{good, seal(2, 5, 6, 10, 0, 0)}, "4 are folded"},
		"another source keeps its count": {[]experiment.Seal{good, other}, "fold exposures windows 3-4 of phase 1.2: 0 are folded"},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := engine.Step(p, rec, engine.Input{Now: start.Add(5 * time.Minute), Seals: c.seals})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want an error with %q", err, c.want)
			}
			if out.Entry != nil || out.Intents != nil || written(t, out.Record) != before || written(t, rec) != before {
				t.Errorf("the record changed: %s", cmp.Diff(before, written(t, out.Record)))
			}
		})
	}
	t.Run("a late seal of an earlier phase is folded there", func(t *testing.T) {
		out := step(t, p, rec, 5*time.Minute, seal(1, 0, 1, 7, 0, 0))
		if got := out.Record.Totals.Phases[0].Get(0, experiment.CellRequests).Counts.N; got != 7 {
			t.Errorf("got %d requests", got)
		}
	})
}

func TestHoldsAreCountedOnce(t *testing.T) {
	p, rec := entered(t)
	said := ""
	for i := range 5 {
		out := step(t, p, rec, time.Duration(4+i)*time.Minute)
		if out.Decision.Act != experiment.ActHold {
			t.Fatalf("%+v", out.Decision)
		}
		if stored := out.Entry != nil; stored != (i == 0) {
			t.Errorf("hold %d: stored is %v", i, stored)
		}
		rec = out.Record
		if said == "" {
			said = rec.Hold
		}
		if rec.Hold != said || rec.Holds != int64(i) {
			t.Errorf("hold %d: %d holds of %q", i, rec.Holds, rec.Hold)
		}
	}
	if said != "hold HG-D201 HG-D202" {
		t.Errorf("the hold is %q", said)
	}
	t.Run("another reason is an entry that carries the count", func(t *testing.T) {
		out := step(t, p, rec, 9*time.Minute, seal(2, 0, 5, 10, 0, 0))
		if out.Decision.Act != experiment.ActAdvance || out.Entry == nil || out.Entry.Holds != 4 || out.Record.Holds != 0 || out.Record.Hold != "" {
			t.Errorf("%s: %+v, %d holds of %q", out.Decision.Act, out.Entry, out.Record.Holds, out.Record.Hold)
		}
		if d := cmp.Diff(rec.Totals.Phases[1].Folded.Gateway, int64(0)); d != "" {
			t.Errorf("the record before was folded into: %s", d)
		}
	})
	t.Run("a hold that changes the state is an entry", func(t *testing.T) {
		rec := rec
		for _, id := range []string{"x", "y"} { // Refused for the same reason.
			out, err := engine.Step(p, rec, engine.Input{Now: start.Add(9 * time.Minute), Commands: []experiment.Command{{ID: id, Verb: experiment.VerbLift}}})
			if err != nil || out.Entry == nil || out.Record.Hold != "hold HG-D607" {
				t.Errorf("%+v, %v", out, err)
			}
			rec = out.Record
		}
	})
}

// TestSettlingDropsLatencyAndKeepsErrors: two windows settle.
func TestSettlingDropsLatencyAndKeepsErrors(t *testing.T) {
	p, rec := entered(t)
	out := step(t, p, rec, 4*time.Minute, seal(2, 0, 1, 10, 1, 9), seal(2, 1, 4, 10, 1, 9))
	ph := out.Record.Totals.Phase(1, 2)
	if got, want := ph.Get(1, experiment.CellRequests).Counts, (stats.Counts{N: 40, X: 4}); got != want {
		t.Errorf("requests %+v, want %+v", got, want)
	}
	if got, want := ph.Get(1, "p99").Counts, (stats.Counts{N: 20, X: 18}); got != want {
		t.Errorf("latency %+v, want %+v", got, want)
	}
	if ph.Folded.Gateway != 4 {
		t.Errorf("%d windows folded", ph.Folded.Gateway)
	}
	if slow := out.Judgement.Find(1, experiment.RoleObjective, "p99"); slow.N != 20 || slow.Status != experiment.Violated {
		t.Errorf("after settling the objective is judged: %+v", slow)
	}
}

// TestOutputsCountWhileAStepSettles: a cold start explains slow answers, not
// other answers.
func TestOutputsCountWhileAStepSettles(t *testing.T) {
	p, rec := entered(t)
	s := seal(2, 0, 1, 10, 0, 0)
	s.Cells = append(s.Cells, experiment.Cell{
		CellKey:  experiment.CellKey{Epoch: 1, Phase: 2, Version: 1, Metric: "premium-share"},
		Evidence: experiment.Evidence{Units: pairOf(10, 3, 1)},
	})
	out := step(t, p, rec, 2*time.Minute, s)
	if n := out.Record.Totals.Phase(1, 2).Get(1, "premium-share").Units.N; n != 10 {
		t.Errorf("%d answers count while the step settles, want 10", n)
	}
}

func pairOf(n int, y, x float64) stats.Pair {
	var p stats.Pair
	for range n {
		p.Add(y, x)
	}
	return p
}

func TestSettlingIsOfItsPhase(t *testing.T) {
	p, rec := entered(t)
	// The first two windows settle; they neither count as clean nor break.
	out := step(t, p, rec, 4*time.Minute, seal(2, 0, 3, 10, 0, 0))
	if out.Judgement.Clean != 1 || out.Judgement.Requests != 30 {
		t.Fatalf("%+v", out.Judgement)
	}
	out = step(t, p, out.Record, 5*time.Minute, seal(2, 3, 4, 10, 0, 0))
	if out.Decision.Act != experiment.ActAdvance || out.Record.State.Phase != 3 {
		t.Fatalf("%+v", out.Decision)
	}
	out = step(t, p, out.Record, 6*time.Minute, seal(3, 0, 1, 10, 0, 9), seal(2, 4, 5, 10, 0, 0))
	if n := out.Record.Totals.Phase(1, 3).Get(1, "p99").Counts.N; n != 0 {
		t.Errorf("latency of the new step is used while it settles: %d", n)
	}
	if out.Judgement.Clean != 0 || out.Judgement.Requests != 10 {
		t.Errorf("the new step begins with %+v", out.Judgement)
	}
	if ph := out.Record.Totals.Phase(1, 2); ph.Clean != 3 || ph.Folded.Gateway != 5 {
		t.Errorf("the old step's last window went to %+v", ph)
	}
}

// TestAStageHasItsOwnEvidence is a ramp to 50 % followed by a split at 50 %: the
// split's test counts what came in the split.
func TestAStageHasItsOwnEvidence(t *testing.T) {
	p := plan(t, ramped)
	out := step(t, p, engine.Begin(p, start).Record, time.Minute)
	out = step(t, p, out.Record, 2*time.Minute, seal(2, 0, 1, 100, 0, 0))
	if out.Record.State.Stage != 1 || out.Record.State.Phase != 3 {
		t.Fatalf("stage %d, phase %d: %+v", out.Record.State.Stage, out.Record.State.Phase, out.Decision)
	}
	if ph := out.Record.Totals.Phases[2]; ph.Stage != 1 || !slices.Equal(ph.Shares, experiment.Shares{5000, 5000}) {
		t.Errorf("phase %+v", ph)
	}
	split := experiment.Seal{Source: experiment.SourceOutcomes, Epoch: 1, Phase: 3, To: 1}
	for v := range 2 {
		var pair stats.Pair
		for i := range 200 {
			pair.Add(float64(i%2), 1)
		}
		split.Cells = append(split.Cells, experiment.Cell{CellKey: experiment.CellKey{Epoch: 1, Phase: 3, Version: v, Metric: "purchase"}, Evidence: experiment.Evidence{Units: pair}})
	}
	out = step(t, p, out.Record, 3*time.Minute, split)
	if out.Judgement.Units != 400 {
		t.Errorf("the split counts %d units, want 400", out.Judgement.Units)
	}
}

const ramped = `
apiVersion: headgate.dev/v1alpha1
kind: Experiment
metadata: {name: ramped}
spec:
  versions: [{name: v1, backend: "http://a:1"}, {name: v2, backend: "http://b:1"}]
  traffic: {gateway: {}}
  assignment: {unit: {header: x-user-id}}
  metrics:
  - {name: errors, from: {builtin: error-rate}}
  - {name: p99, from: {builtin: latency, quantile: 0.99}}
  - {name: purchase, from: {outcomes: {event: purchase, window: 1m}}}
  - {name: refund, goal: decrease, from: {outcomes: {event: refund, window: 1m}}}
  reward: {metric: purchase, minimumEffect: {absolute: 5%}}
  objectives: [{metric: errors, max: 10%}, {metric: p99, max: 250ms}]
  guardrails: [{metric: refund, noWorseThan: {absolute: 5%}}]
  stages:
  - {name: canary, ramp: {steps: [50%]}, hold: {requests: 20}}
  - {name: ab, split: {v1: 50%, v2: 50%}, until: {decided: true, units: 4000, atMost: 2h}}
  analysis: {looks: 4}
  evidence: {window: 1m, stale: 5m, lag: 10s}
  onUnknown: {after: 1h, do: rollback}
`
