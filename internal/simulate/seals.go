// SPDX-License-Identifier: Apache-2.0

package simulate

import (
	"slices"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// start is when simulated experiments begin; any moment would do.
var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// at is a time in windows since the beginning, as a time.
func (f *flow) at(windows int64) time.Time {
	return start.Add(time.Duration(windows) * f.w.plan.Window)
}

// hold is how many windows pass after a window's end until a source seals it.
func (f *flow) hold(source experiment.Source) int64 {
	switch source {
	case experiment.SourceOutcomes:
		return f.w.outcome
	case experiment.SourcePairs:
		return f.w.pairs
	case experiment.SourceMetrics:
		return f.w.metrics
	case experiment.SourceGateway:
		if f.w.plan.Router.Kind() != experiment.RouterGateway {
			return f.w.metrics
		}
		return f.w.lag
	default:
		return f.w.lag
	}
}

// seals gives what sealed since the last call, of all phases and sources, and
// how the sources are. The cells are overwritten by the next call.
func (f *flow) seals(now int64, seals []experiment.Seal, health []experiment.SourceHealth) ([]experiment.Seal, []experiment.SourceHealth) {
	f.cells = f.cells[:0]
	first := len(seals)
	var ends []int
	for i, source := range f.w.plan.Sources() {
		h := experiment.SourceHealth{Source: source}
		for j, s := range f.spans {
			sealed := now - f.hold(source) - s.start
			from := s.sealed[i]
			for s.sealed[i] < len(s.batches) && s.batches[s.sealed[i]].to <= sealed {
				f.appendCells(s, source, s.batches[s.sealed[i]])
				s.sealed[i]++
			}
			if from < s.sealed[i] {
				seals = append(seals, experiment.Seal{
					Source: source, Epoch: s.epoch, Phase: s.number, From: s.batches[from].from, To: s.batches[s.sealed[i]-1].to,
				})
				ends = append(ends, len(f.cells))
			}
			if j == len(f.spans)-1 && sealed > 0 {
				// What batches leave for the next step is not late: no source is.
				h.Newest = f.at(s.start + sealed + f.hold(source) + 1)
			}
		}
		health = append(health, h)
	}
	// The cells stand still now: only their ends were known while they grew.
	from := 0
	for i, to := range ends {
		seals[first+i].Cells = f.cells[from:to:to]
		from = to
	}
	f.recycle()
	return seals, health
}

// keptBatches is how many sealed batches of a phase are kept before they are used
// again: a long ramp is drawn window by window.
const keptBatches = 1024

// recycle takes batches back that every source has sealed.
func (f *flow) recycle() {
	for _, s := range f.spans {
		sources := len(f.w.plan.Sources())
		n := slices.Min(s.sealed[:sources])
		if n < keptBatches {
			continue
		}
		f.spare = append(f.spare, s.batches[:n]...)
		s.batches = slices.Delete(s.batches, 0, n)
		for i := range sources {
			s.sealed[i] -= n
		}
	}
}

// appendCells writes what a source knows of a batch, as if all of it had
// happened in the batch's first window.
func (f *flow) appendCells(s *span, source experiment.Source, b *batch) {
	n := len(f.w.plan.Versions)
	key := experiment.CellKey{Epoch: s.epoch, Phase: s.number, Window: b.from}
	for i := range b.tallies {
		t := &b.tallies[i]
		key.Version, key.Slice = i%n, f.w.slices[i/n]
		add := func(metric string, e experiment.Evidence) {
			key.Metric = metric
			f.cells = append(f.cells, experiment.Cell{CellKey: key, Evidence: e})
		}
		switch source {
		case experiment.SourceGateway:
			f.requestCells(t, key.Slice, add)
			f.packCells(t, key.Slice, add)
		case experiment.SourceExposures:
			if t.units > 0 {
				add(experiment.CellExposures, experiment.Evidence{Counts: stats.Counts{N: t.units}})
			}
		case experiment.SourceOutcomes:
			for j := range f.w.plan.Metrics {
				m := &f.w.plan.Metrics[j]
				if e, ok := outcomeCell(m, &t.metrics[j], key.Slice); ok {
					add(m.Name, e)
				}
			}
		case experiment.SourceMetrics:
			f.providerCells(t, key.Slice, add)
		default:
			f.pairCells(t, add)
		}
	}
}

// requestCells are what the gateway counts of a version: of its requests, and of
// what it predicts, which copies tell too.
func (f *flow) requestCells(t *tally, slice string, add func(string, experiment.Evidence)) {
	if t.requests > 0 {
		add(experiment.CellRequests, experiment.Evidence{Counts: stats.Counts{N: t.requests, X: t.failed}})
	}
	for j := range f.w.plan.Metrics {
		if m := &f.w.plan.Metrics[j]; m.Builtin != nil && m.Builtin.Kind == experiment.Latency {
			if t.requests > 0 {
				add(m.Name, experiment.Evidence{Counts: stats.Counts{N: t.requests, X: t.metrics[j].slow}})
			}
		} else if pair := t.metrics[j].pair; m.OfAnswers() && pair.N > 0 {
			add(m.Name, experiment.Evidence{Units: pair, Counts: stats.Counts{N: pair.N}})
		} else if e, ok := predictionCell(m, &t.metrics[j], slice); ok {
			add(m.Cell(), e)
		}
	}
}

func (f *flow) pairCells(t *tally, add func(string, experiment.Evidence)) {
	if t.copies == 0 {
		return
	}
	add(experiment.CellMirrored, experiment.Evidence{Counts: stats.Counts{N: t.copies}})
	for j := range f.w.plan.Metrics {
		if m, pair := &f.w.plan.Metrics[j], t.metrics[j].pair; m.Pairs != nil && pair.N > 0 {
			add(m.Name, experiment.Evidence{Units: pair, Counts: stats.Counts{N: pair.N}})
		}
	}
}
