// SPDX-License-Identifier: Apache-2.0

package design

import (
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// windowCaution is by how much the error of a metric of windows is widened on
// average where windows are independent: what is made up for their dependence
// and for how few batches there are (stats.Batches).
const windowCaution = 1.3

// sampleShares are the shares of a metric's sample that versions have: of windows
// each version with traffic has as many.
func sampleShares(m *experiment.Metric, shares experiment.Shares) experiment.Shares {
	if m.Basis() != experiment.BasisWindows {
		return shares
	}
	n := experiment.Share(0)
	for _, s := range shares {
		if s > 0 {
			n++
		}
	}
	out := make(experiment.Shares, len(shares))
	for v, s := range shares {
		if s > 0 {
			out[v] = experiment.Whole / n
		}
	}
	return out
}

// windowsPerSecond is how many windows of n versions come in a second.
func (w *world) windowsPerSecond(versions int) float64 {
	return float64(versions) / w.plan.Window.Seconds()
}

// tuned is the sample that always-valid intervals of a metric are tuned to.
func (w *world) tuned(m *experiment.Metric) float64 {
	switch m.Basis() {
	case experiment.BasisUnits:
		return w.plan.PlannedUnits()
	case experiment.BasisWindows:
		return w.plan.PlannedWindows()
	default:
		return w.plan.PlannedRequests()
	}
}

// sealing is how long after its end the last source seals a window, outcomes
// aside.
func (w *world) sealing() time.Duration {
	hold := w.plan.Lag
	for _, s := range w.plan.Sources() {
		if s == experiment.SourceMetrics || s == experiment.SourceGateway {
			hold = max(hold, w.plan.Hold(s))
		}
	}
	return hold
}

// varies says from what to what a metric varies.
func varies(m *experiment.Metric) string {
	if m.Windowed() {
		return "from window to window"
	}
	return "from unit to unit"
}
