// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// Streak continues a phase's count of consecutive clean windows over the
// windows of a gateway seal. A window is clean when every candidate with a
// share had traffic in it and met every objective, and every gate of the
// phase's stage, that requests can tell, by its plain rate. A window that is not
// whole is not clean. Windows inside the settling time neither count nor break
// the streak.
func Streak(p *experiment.Plan, phase *experiment.PhaseTotals, seal experiment.Seal) int {
	streak := phase.Clean
	settle := SettleWindows(p, phase.Stage)
	limits := p.Objectives
	if phase.Stage < len(p.Stages) {
		limits = append(limits[:len(limits):len(limits)], p.Stages[phase.Stage].Require...)
	}
	for w := seal.From; w < seal.To; w++ {
		switch {
		case w < settle:
		case !seal.Lacks(w) && cleanWindow(p, limits, phase, seal.Cells, w):
			streak++
		default:
			streak = 0
		}
	}
	return streak
}

// SettleWindows is the number of windows at the start of a phase of a stage in
// which latency is not used.
func SettleWindows(p *experiment.Plan, stage int) int64 {
	if stage >= len(p.Stages) || p.Stages[stage].Ramp == nil {
		return 0
	}
	settle := p.Stages[stage].Ramp.Hold.Settle
	return int64((settle + p.Window - 1) / p.Window)
}

func cleanWindow(p *experiment.Plan, limits []experiment.Objective, phase *experiment.PhaseTotals, cells []experiment.Cell, w int64) bool {
	for v := 1; v < len(phase.Shares); v++ {
		if !hasShare(phase, v) {
			continue
		}
		if find(cells, w, v, experiment.CellRequests).N == 0 {
			return false
		}
		for _, o := range limits {
			m := p.Metric(o.Metric)
			if !counted(m) || m.Provider != nil {
				continue // Not of requests, or told by another source.
			}
			c := find(cells, w, v, m.Cell())
			if (m.Prediction != nil || m.Telemetry()) && c.N == 0 {
				continue // Not every window has explanations, answers that were read, or samples.
			}
			rate, err := c.Proportion()
			if err != nil || o.Max != nil && rate.Value > *o.Max || o.Min != nil && rate.Value < *o.Min {
				return false
			}
		}
	}
	return true
}

// find adds up a version's counts of one window, over everybody.
func find(cells []experiment.Cell, window int64, version int, metric string) stats.Counts {
	var c stats.Counts
	for i := range cells {
		if k := &cells[i].CellKey; k.Window == window && k.Version == version && k.Metric == metric && k.Slice == "" {
			c = c.Merge(cells[i].Counts)
		}
	}
	return c
}
