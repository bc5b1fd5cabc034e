// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"slices"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// What a gap is about, where this process makes one.
const (
	whyRestarted = "a gateway was started anew, and what it had not handed over was lost"
	whyUnread    = "a gateway let windows go that nobody took over in time"
	whyDeaf      = "what loggers told was not heard: a ledger was started anew, or told late of the phase"
	whyDropped   = "a gateway let rows go that nobody took over in time"
)

// withLost adds to seals what is missing when the rows of a batch are let go:
// for each source of each phase the windows that they were of. There is one such
// seal for each, however much is let go.
func withLost(seals []experiment.Seal, b *experiment.Batch) []experiment.Seal {
	lose := func(source experiment.Source, id string, epoch, phase int, window int64) {
		i := slices.IndexFunc(seals, func(s experiment.Seal) bool {
			return s.Source == source && s.Experiment == id && s.Epoch == epoch && s.Phase == phase
		})
		if i < 0 {
			i = len(seals)
			seals = append(seals, experiment.Seal{
				Experiment: id, Source: source, Epoch: epoch, Phase: phase, From: window, To: window + 1,
				Gaps: []experiment.Gap{{From: window, To: window + 1, Why: whyDropped}},
			})
		}
		s := &seals[i]
		if window < s.From || window >= s.To {
			s.From, s.To = min(s.From, window), max(s.To, window+1)
			s.Gaps = []experiment.Gap{{From: s.From, To: s.To, Why: whyDropped}} // The old one may be on its way.
		}
	}
	seals = slices.Clone(seals)
	for i := range b.Exposures {
		e := &b.Exposures[i]
		lose(experiment.SourceExposures, e.Experiment, e.Epoch, e.Phase, e.Window)
	}
	for i := range b.Pairs {
		p := &b.Pairs[i]
		lose(experiment.SourcePairs, p.Experiment, p.Epoch, p.Phase, p.Window)
	}
	for i := range b.Predictions { // They are held against labels, which are outcomes.
		p := &b.Predictions[i]
		lose(experiment.SourceOutcomes, p.Experiment, p.Epoch, p.Phase, p.Window)
	}
	return seals
}
