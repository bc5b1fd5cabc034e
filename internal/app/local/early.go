// SPDX-License-Identifier: Apache-2.0

package local

import (
	"context"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/view"
)

const (
	// earlyParts is how often an outcome window is read early, within the bounds
	// that follow: outcomes of weeks do not change by the second.
	earlyParts = 20
	earlyLeast = 5 * time.Second
	earlyMost  = time.Minute
	// earlyUnits is how many units there may be: all are looked at.
	earlyUnits = 200_000
)

// readEarly reads the metrics that wait for outcomes before these are mature, now
// and then. What fails is left out: it is for display.
func (r *Run) readEarly(ctx context.Context, now time.Time) {
	every := min(max(r.plan.OutcomeWindow()/earlyParts, earlyLeast), earlyMost)
	if now.Sub(r.earlyAt) < every {
		return
	}
	r.early = nil
	phases := r.record.Totals.Phases
	if len(phases) == 0 || over(&r.record.State) {
		return
	}
	units := int64(0)
	for v := range r.plan.Versions {
		units += phases[len(phases)-1].Get(v, experiment.CellExposures).Counts.N
	}
	if units == 0 || units > earlyUnits {
		return
	}
	r.earlyAt = now
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	for i := range r.plan.Metrics {
		m := &r.plan.Metrics[i]
		if m.Outcomes == nil || m.Outcomes.Per != "" {
			continue
		}
		readings, err := r.ledger.Early(ctx, r.plan.ID(), m.Name, now)
		if err != nil {
			continue
		}
		for _, e := range readings {
			out := view.EarlyReading{
				Metric: m.Name, Version: r.plan.Versions[e.Version].Name,
				Units: e.Units, Waiting: e.Waiting, Weighted: e.Weighted, At: now,
			}
			if e.Known {
				out.Value = view.Around(e.Estimate.Value, e.Estimate.SE)
			}
			r.early = append(r.early, out)
		}
	}
}
