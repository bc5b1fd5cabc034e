// SPDX-License-Identifier: Apache-2.0

package local

import (
	"testing"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/view"
)

// TestOutcomesAreReadEarlyForDisplay: long before a window is mature the view
// says what its outcomes will come to, and the verdict knows nothing of it.
func TestOutcomesAreReadEarlyForDisplay(t *testing.T) {
	h := begin(t, t.TempDir(), staged(t, "early", `
  assignment: {unit: {header: x-user-id}}
  metrics: [{name: click, from: {outcomes: {event: click, window: 1h}}}]
  reward: {metric: click, minimumEffect: {relative: 10%}}
  stages: [{name: ab, split: {v1: 50%, v2: 50%}, until: {decided: true, atMost: 4h}}]
`))
	defer h.Close()
	r := h.Runs()[0]
	stop := busy(t, r, func(_, token string) {
		_, err := r.ledger.Record(t.Context(), r.ID(), []experiment.UnitOutcome{{Token: token, Event: "click", Value: 1}})
		if err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
	})
	defer stop()
	var early []view.EarlyReading
	until(t, r, "an early reading", func(r *Run) bool {
		early = r.View().Early
		return len(early) == 2 && early[0].Units > 0 && early[1].Units > 0
	})
	for _, e := range early {
		if e.Metric != "click" || e.Waiting != e.Units || e.At.IsZero() {
			t.Errorf("%+v", e)
		}
	}
	for _, f := range r.View().Findings {
		if f.Role == string(experiment.RoleReward) && f.N != 0 {
			t.Errorf("the verdict rests on what is not mature: %+v", f)
		}
	}
}
