// SPDX-License-Identifier: Apache-2.0

package simulate

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/engine"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/record/sqlite"
)

// journeys are plans and worlds whose journals are long enough to differ in.
func journeys() map[string]struct {
	plan *experiment.Plan
	a    Assumptions
} {
	type journey = struct {
		plan *experiment.Plan
		a    Assumptions
	}
	laws := func(x ...float64) Assumptions {
		return Assumptions{Rate: 20, Laws: []Law{{Metric: "purchase", Values: x}}}
	}
	split := splitStage(experiment.AskPerson)
	split.Split.Shares = experiment.Shares{4000, 3000, 3000}
	several := stagePlan(rampStage(), split)
	several.Versions = append(several.Versions, experiment.Version{Name: "v3"})
	worse := laws(.1, .1, .12)
	worse.Laws = append(worse.Laws, Law{Metric: "errors", Values: []float64{.001, .4, .001}})
	tiers := stagePlan(banditStage())
	tiers.Segments = []experiment.Segment{{Name: "tier", Header: "t", Values: []string{"premium", "basic"}}}
	tiers.Stages[0].Bandit.Per = "tier"
	return map[string]journey{
		"ramp and split": {stagePlan(mirrorStage(), rampStage(), splitStage(experiment.KeepBaseline)), laws(.1, .115)},
		"rolled back":    {stagePlan(rampStage(), splitStage(experiment.KeepBaseline)), laws(.1, .05)},
		"one is removed": {several, worse},
		"bandit":         {tiers, laws(.1, .13)},
	}
}

// TestSimulatedJournalsReplay is D6: every decision of a simulated journal comes
// out again.
func TestSimulatedJournalsReplay(t *testing.T) {
	for name, j := range journeys() {
		t.Run(name, func(t *testing.T) {
			r, err := world(t, j.plan, j.a).Play(7, true)
			if err != nil {
				t.Fatal(err)
			}
			n, err := engine.Replay(func(yield func(experiment.Entry, error) bool) {
				for _, e := range r.Entries {
					if !yield(e, nil) {
						return
					}
				}
			})
			if err != nil || n != int64(len(r.Entries)) || n < 4 {
				t.Errorf("%d of %d entries replayed: %v", n, len(r.Entries), err)
			}
		})
	}
}

// TestTheSameFactsDecideEqually feeds what a simulated run fed to the engine the
// way a local run does: through a store on disk, from which every step takes the
// record that the step before left, with nothing else remembered. Every entry of
// the two journals is the same.
func TestTheSameFactsDecideEqually(t *testing.T) {
	for name, j := range journeys() {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			r, err := world(t, j.plan, j.a).Play(7, true)
			if err != nil {
				t.Fatal(err)
			}
			store, err := sqlite.Open(ctx, filepath.Join(t.TempDir(), "record.db"))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = store.Close() }()
			out := engine.Begin(j.plan, start)
			if _, err := store.Save(ctx, j.plan.ID(), out.Record, *out.Entry); err != nil {
				t.Fatal(err)
			}
			for i, in := range r.Steps {
				rec, err := store.Load(ctx, j.plan.ID())
				if err != nil {
					t.Fatal(err)
				}
				if out, err = engine.Step(j.plan, rec, in); err != nil {
					t.Fatalf("step %d: %v", i, err)
				}
				var entries []experiment.Entry
				if out.Entry != nil {
					entries = append(entries, *out.Entry)
				}
				if _, err := store.Save(ctx, j.plan.ID(), out.Record, entries...); err != nil {
					t.Fatal(err)
				}
			}
			i := 0
			for e, err := range store.Journal(ctx, j.plan.ID(), 0) {
				if err != nil {
					t.Fatal(err)
				}
				if i >= len(r.Entries) {
					t.Fatalf("the local run has more than %d entries", i)
				}
				want := r.Entries[i]
				if e.After != want.After || e.Seq != want.Seq || !e.Now.Equal(want.Now) {
					t.Fatalf("entry %d at %s leads to %.8s, simulated at %s to %.8s", e.Seq, e.Now, e.After, want.Now, want.After)
				}
				if d := cmp.Diff(want.Decision, e.Decision); d != "" {
					t.Fatalf("entry %d (-simulated +local):\n%s", e.Seq, d)
				}
				i++
			}
			if i != len(r.Entries) {
				t.Errorf("the local run has %d entries, the simulated %d", i, len(r.Entries))
			}
		})
	}
}
