// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"testing"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// TestOutcomesMoveWithTheirUnit: an exposure that comes late brings its unit to
// an earlier window, and what was heard of the unit goes along, be it on disk or
// in the same commit.
func TestOutcomesMoveWithTheirUnit(t *testing.T) {
	eachStore(t, func(t *testing.T) {
		l, c := newLedger(t, Options{})
		c.set(t0.Add(2 * time.Minute))
		first := exposure("a", 0, t0.Add(10*time.Second))
		l.Expose(exposure("a", 0, t0.Add(70*time.Second)), 0)
		l.Expose(exposure("b", 0, t0.Add(70*time.Second)), 0)
		purchase := func(o experiment.UnitOutcome) experiment.UnitOutcome {
			o.Event, o.Value, o.At = "purchase", 4, t0.Add(80*time.Second)
			return o
		}
		wantReceipt(t, mustRecord(t, l, purchase(experiment.UnitOutcome{Unit: "a"}), purchase(experiment.UnitOutcome{Unit: "b"})), experiment.Receipt{Accepted: 2})
		// The token of the earlier exposure stands between two outcomes.
		wantReceipt(t, mustRecord(t, l,
			purchase(experiment.UnitOutcome{Unit: "a"}),
			purchase(experiment.UnitOutcome{Token: l.options.Key.Seal(&first)}),
			purchase(experiment.UnitOutcome{Unit: "a"}),
		), experiment.Receipt{Accepted: 3})
		s := mustSeal(t, l, experiment.SourceOutcomes, 0, t0.Add(time.Hour))
		if got := evidence(t, s, 0, 0, "revenue", "").Units; got.N != 1 || got.MeanY != 16 {
			t.Errorf("window 0 = %+v, want 16 of a", got)
		}
		if got := evidence(t, s, 1, 0, "revenue", "").Units; got.N != 1 || got.MeanY != 4 {
			t.Errorf("window 1 = %+v, want 4 of b", got)
		}
	})
}
