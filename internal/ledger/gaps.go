// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"fmt"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// maxGaps is how many gaps one seal of a gateway's may name.
const maxGaps = 64

// gapSources are the sources whose windows lack what a source lacks: units that
// nobody heard of have no outcomes either.
func gapSources(s experiment.Source) []experiment.Source {
	switch s {
	case experiment.SourceGateway: // A gateway that is gone takes its rows with it.
		return []experiment.Source{experiment.SourceGateway, experiment.SourceExposures, experiment.SourceOutcomes, experiment.SourcePairs}
	case experiment.SourceExposures:
		return []experiment.Source{experiment.SourceExposures, experiment.SourceOutcomes}
	default:
		return []experiment.Source{s}
	}
}

// lack notes that windows of a phase are not whole, as far as they are not
// sealed: what is sealed stays as it is.
func (w *writer) lack(k phaseKey, source experiment.Source, g experiment.Gap) error {
	h, err := w.horizon(k)
	if err != nil {
		return err
	}
	if h.closed() {
		return nil
	}
	for _, s := range gapSources(source) {
		if err := w.addGap(k, s, experiment.Gap{From: max(g.From, *h.of(s)), To: g.To, Why: g.Why}); err != nil {
			return err
		}
	}
	return nil
}

// addGap stores a gap: at the end of one that is there already where it can, so
// that a gateway that is silent for long takes one row.
func (w *writer) addGap(k phaseKey, s experiment.Source, g experiment.Gap) error {
	if g.From >= g.To {
		return nil
	}
	n, err := w.store.exec(w.ctx, sqlExtendGap, k.experiment, k.epoch, k.phase, string(s), g.From, g.To, g.Why)
	if err == nil && n == 0 {
		err = w.store.later(w.ctx, sqlAddGap, k.experiment, k.epoch, k.phase, string(s), g.From, g.To, g.Why)
	}
	if err != nil {
		return fmt.Errorf("write a gap: %w", err)
	}
	return nil
}

// gapsIn are the gaps of the windows that are sealed.
func (w *writer) gapsIn(s sealing) ([]experiment.Gap, error) {
	rows, err := w.store.query(w.ctx, sqlGaps, s.experiment, s.epoch, s.phase, string(s.source), s.from, s.to)
	if err != nil {
		return nil, fmt.Errorf("read gaps: %w", err)
	}
	defer rows.Close()
	var gaps []experiment.Gap
	for rows.Next() {
		var g experiment.Gap
		if err := rows.Scan(&g.From, &g.To, &g.Why); err != nil {
			return nil, fmt.Errorf("read gaps: %w", err)
		}
		gaps = append(gaps, g)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read gaps: %w", err)
	}
	return experiment.MergeGaps(gaps, s.from, s.to), nil
}

// lacks is which windows up to one a gateway has not told about, and never will
// in time, as a gap; until is up to where it may have served.
func (g *witness) lacks(upto int64) experiment.Gap {
	name := g.origin
	if name == "" {
		name = g.gateway
	}
	why := "the gateway at " + name + " was silent"
	if g.gone() {
		why = "the gateway at " + name + " ended, and what it had not handed over was lost"
	}
	return experiment.Gap{From: g.sealed, To: upto, Why: shortened(why)}
}

// shortened keeps a reason within its bounds; names of gateways may be as long.
func shortened(why string) string {
	return storable(why[:min(len(why), experiment.MaxWhy-3)])
}

// windowAt is the number of windows of a phase that began before a time.
func (s *sealing) windowAt(at time.Time) int64 {
	d := at.Sub(s.start)
	if d < 0 {
		return 0
	}
	return int64(d/s.join.window) + 1
}

// Expect says at which origins there are gateways, and replaces what was said
// before. A gateway of another origin, or of none (it was heard of by a program
// that did not note it), is gone until it hands over again: it is not waited for,
// and its windows lack what it had not handed over when it was last heard of.
// Without Expect every gateway that was ever heard of is still there.
func (l *Ledger) Expect(origins []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expected = map[string]bool{}
	for _, o := range origins {
		l.expected[o] = true
	}
}

// expects reports whether a gateway of an origin is there.
func (l *Ledger) expects(origin string) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.expected == nil || l.expected[origin]
}
