// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/experiment"
)

func tell(tb testing.TB, l *Ledger, told ...Told) experiment.ExposureReceipt {
	tb.Helper()
	r, err := l.ExposeAll(tb.Context(), "search/ranker", told)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

func TestToldExposuresCountOncePerUnitAndPhase(t *testing.T) {
	eachStore(t, func(t *testing.T) {
		l, _ := newLedger(t, Options{})
		batch := []Told{
			{Exposure: exposure("anna", 0, t0.Add(time.Second))},
			{Exposure: exposure("bob", 1, t0.Add(2*time.Second))},
			{Exposure: exposure("bob", 1, t0.Add(3*time.Second))},
			{Exposure: exposure("carl", 1, t0.Add(4*time.Second))},
			{Exposure: exposure("carl", 0, t0.Add(5*time.Second))},
		}
		if diff := cmp.Diff(experiment.ExposureReceipt{Accepted: 3, Duplicates: 1, Moved: 1}, tell(t, l, batch...)); diff != "" {
			t.Errorf("first telling (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(experiment.ExposureReceipt{Duplicates: 4, Moved: 1}, tell(t, l, batch...)); diff != "" {
			t.Errorf("second telling (-want +got):\n%s", diff)
		}
		seal := mustSeal(t, l, experiment.SourceExposures, 0, t0.Add(time.Hour))
		var units [2]int64
		for _, c := range seal.Cells {
			if c.Metric == experiment.CellExposures {
				units[c.Version] += c.Counts.N
			}
		}
		// Moved units stay in the count of exposures, by their first version.
		if units != [2]int64{1, 2} {
			t.Errorf("%v units by version, want 1 and 2", units)
		}
		late := Told{Exposure: exposure("dora", 1, t0.Add(time.Second))}
		mustSeal(t, l, experiment.SourceOutcomes, 0, t0.Add(24*time.Hour))
		if diff := cmp.Diff(experiment.ExposureReceipt{Late: 1}, tell(t, l, late)); diff != "" {
			t.Errorf("after the seal (-want +got):\n%s", diff)
		}
		if got := l.Stats().LateExposures; got != 1 {
			t.Errorf("%d late exposures, want 1", got)
		}
	})
}

func TestToldExposuresSurviveARestart(t *testing.T) {
	eachStore(t, func(t *testing.T) {
		path := where(t)
		now := func() time.Time { return t0.Add(time.Minute) }
		l := open(t, path, Options{Now: now})
		tell(t, l, Told{Exposure: exposure("anna", 1, t0)})
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		l = open(t, path, Options{Now: now})
		if got := mustRecord(t, l, experiment.UnitOutcome{Unit: "anna", Event: "purchase", Value: 1}); got.Accepted != 1 {
			t.Errorf("an outcome of a told unit: %+v, want it accepted", got)
		}
	})
}

func TestToldExposuresAreCheckedBeforeAnyIsStored(t *testing.T) {
	eachStore(t, func(t *testing.T) {
		l, _ := newLedger(t, Options{})
		good := Told{Exposure: exposure("anna", 1, t0)}
		for name, change := range map[string]func(e *Told){
			"a version too many":    func(e *Told) { e.Version = 2 },
			"a version below 0":     func(e *Told) { e.Version = -1 },
			"a window below 0":      func(e *Told) { e.Window = -1 },
			"groups of no segments": func(e *Told) { e.Groups = 1 },
		} {
			t.Run(name, func(t *testing.T) {
				bad := good
				change(&bad)
				if _, err := l.ExposeAll(t.Context(), "search/ranker", []Told{good, bad}); experiment.CodeOf(err) != experiment.CodeInvalid {
					t.Errorf("ExposeAll = %v, want CodeInvalid", err)
				}
			})
		}
		if _, err := l.ExposeAll(t.Context(), "search/other", nil); experiment.CodeOf(err) != experiment.CodeNotFound {
			t.Errorf("of an unknown experiment: %v, want CodeNotFound", err)
		}
		if diff := cmp.Diff(experiment.ExposureReceipt{Accepted: 1}, tell(t, l, good)); diff != "" {
			t.Errorf("after refusals (-want +got):\n%s", diff)
		}
	})
}
