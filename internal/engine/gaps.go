// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"slices"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// withGaps adds to the sources' health what is missing of the windows that the
// running stage rests on. It is read from the totals alone, so that it outlives
// the moment at which a gap was told.
func withGaps(totals *experiment.Totals, sources []experiment.SourceHealth) []experiment.SourceHealth {
	for _, source := range experiment.Sources() {
		gaps := gapsOf(totals, source)
		if gaps.Missing == 0 {
			continue
		}
		i := slices.IndexFunc(sources, func(h experiment.SourceHealth) bool { return h.Source == source })
		if i < 0 {
			sources = append(slices.Clip(sources), gaps)
			continue
		}
		sources = slices.Clone(sources)
		h := &sources[i]
		if h.Gap {
			continue // It cannot even be read on: that is the worse.
		}
		h.Gap, h.Windows, h.Missing, h.Whole, h.Why = true, gaps.Windows, gaps.Missing, gaps.Whole, gaps.Why
	}
	return sources
}

// gapsOf counts over the phases of the running stage.
func gapsOf(totals *experiment.Totals, source experiment.Source) experiment.SourceHealth {
	h := experiment.SourceHealth{Source: source, Gap: true}
	if len(totals.Phases) == 0 {
		return h
	}
	running := &totals.Phases[len(totals.Phases)-1]
	for i := range slices.Backward(totals.Phases) {
		p := &totals.Phases[i]
		if p.Epoch != running.Epoch || p.Stage != running.Stage {
			break
		}
		folded, gaps := *p.Folded.Of(source), p.GapsOf(source)
		h.Windows += folded
		if n := len(gaps.Last); n > 0 {
			last := gaps.Last[n-1]
			if h.Missing == 0 {
				h.Whole += folded - last.To
				h.Why = last.Why
			}
			h.Missing += gaps.Windows
		} else if h.Missing == 0 {
			h.Whole += folded
		}
	}
	return h
}
