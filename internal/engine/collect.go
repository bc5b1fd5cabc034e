// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"errors"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Wanted is what a source is asked for: the windows of a phase from one on.
type Wanted struct {
	Source experiment.Source
	// Phase is number Index of Totals.
	Totals *experiment.Totals
	Index  int
	Phase  *experiment.PhaseTotals
	From   int64
}

// Reader gives those of the windows that are sealed at now. A seal that is empty
// says that none is.
type Reader func(ctx context.Context, w Wanted, now time.Time) (experiment.Seal, error)

// Collect asks the plan's sources for what sealed and is not folded, phase by
// phase. A source that fails is a fact, not an error (D5).
func Collect(ctx context.Context, p *experiment.Plan, totals *experiment.Totals, now time.Time, read Reader) ([]experiment.Seal, []experiment.SourceHealth) {
	var seals []experiment.Seal
	var health []experiment.SourceHealth
	for _, source := range p.Sources() {
		h := experiment.SourceHealth{Source: source}
		for i := range totals.Phases {
			phase := &totals.Phases[i]
			last := Windows(p, totals, i, now)
			from := *phase.Folded.Of(source)
			if from >= last {
				continue
			}
			seal, err := read(ctx, Wanted{Source: source, Totals: totals, Index: i, Phase: phase, From: from}, now)
			if err != nil {
				describe(&h, err)
				continue
			}
			seal.To = min(seal.To, last)
			if seal.To > from {
				seals = append(seals, seal)
			}
			if i == len(totals.Phases)-1 {
				h.Newest = phase.Start.Add(time.Duration(seal.To)*p.Window + p.Hold(source) + p.Window)
			}
		}
		health = append(health, h)
	}
	return seals, health
}

// describe turns a source's failure into a fact.
func describe(h *experiment.SourceHealth, err error) {
	if experiment.CodeOf(err) == experiment.CodeConflict {
		h.Gap = true
		return
	}
	h.Down = err.Error()
	if errors.Is(err, context.DeadlineExceeded) {
		h.Down = "it did not answer in time"
	}
}

// Windows is the number of windows that phase number i has at now, the running
// one included. A phase that is over has one more than its time: requests go on
// in it until its successor is recorded and served.
func Windows(p *experiment.Plan, totals *experiment.Totals, i int, now time.Time) int64 {
	end := now.Add(p.Window)
	if i+1 < len(totals.Phases) {
		end = totals.Phases[i+1].Start.Add(p.Window)
	}
	return int64((end.Sub(totals.Phases[i].Start) + p.Window - 1) / p.Window)
}
