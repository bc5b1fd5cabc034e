// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"cmp"
	"fmt"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Expose records that a unit met a version. Byte i of groups is the index of
// its group in the plan's i-th segment at that moment. It never blocks. It is
// false, and the exposure counted as dropped, when the queue is full, the
// ledger is closed or the experiment is not registered with such a version or
// such groups.
func (l *Ledger) Expose(e experiment.Exposure, groups uint64) bool {
	l.mu.RLock()
	j := l.plans[e.Experiment]
	l.mu.RUnlock()
	if j.takes(&e, groups) {
		select {
		case <-l.quit:
		default:
			select {
			case l.exposures <- queued{j, e, groups}:
				return true
			default:
			}
		}
	}
	l.counters.dropped.Add(1)
	return false
}

// takes says whether an exposure is of the plan; nil takes none.
func (j *join) takes(e *experiment.Exposure, groups uint64) bool {
	return j != nil && e.Version >= 0 && e.Version < j.versions && e.Window >= 0 && fits(e.Epoch, e.Phase) && j.segments.has(groups)
}

// fits says whether a phase can be stored: its numbers have 32 bits.
func fits(epoch, phase int) bool {
	return epoch == int(int32(epoch)) && phase == int(int32(phase))
}

type phaseKey struct {
	experiment   int64
	epoch, phase int
}

type rowKey struct {
	phaseKey
	unit int64
}

// row is a unit's first exposure in a phase.
type row struct {
	window  int64
	version int
	at      int64
	moved   bool
	groups  uint64
}

// horizon is how far a phase is sealed and pruned: windows below are final, or
// gone.
type horizon struct {
	exposures, outcomes, pruned, pairs, gateway int64
}

// of is how far one source is sealed, to be read or set.
func (h *horizon) of(s experiment.Source) *int64 {
	switch s {
	case experiment.SourceExposures:
		return &h.exposures
	case experiment.SourceOutcomes:
		return &h.outcomes
	case experiment.SourcePairs:
		return &h.pairs
	default:
		return &h.gateway
	}
}

// closed phases take no new units: those that were there may be forgotten
// already, and would be counted twice.
func (h horizon) closed() bool { return h.pruned > 0 }

// fold brings another exposure of the same unit and phase into the row. The
// result does not depend on the order of exposures, except that a window that
// is sealed neither takes nor loses a unit.
func (r row) fold(e *experiment.Exposure, groups uint64, sealed int64) row {
	first := r
	at := e.At.UnixMilli()
	// Groups come last: those that are not known are beyond all others, so that
	// whoever knows them tells whoever does not.
	earlier := cmp.Or(cmp.Compare(at, r.at), cmp.Compare(e.Window, r.window), cmp.Compare(e.Version, r.version), cmp.Compare(groups, r.groups)) < 0
	if earlier && e.Window >= sealed && r.window >= sealed {
		first = row{window: e.Window, version: e.Version, at: at, moved: r.moved, groups: groups}
	}
	if e.Version != r.version {
		first.moved = true
	}
	return first
}

func keyOf(j *join, e *experiment.Exposure) rowKey {
	return rowKey{phaseKey{j.id, e.Epoch, e.Phase}, int64(e.Unit)}
}

// expose writes an exposure and returns its unit's row. One that begins in a
// sealed window, or in a phase that is closed, is late and makes no row.
func (w *writer) expose(k rowKey, e *experiment.Exposure, groups uint64) (r row, found bool, err error) {
	h, err := w.horizon(k.phaseKey)
	if err != nil {
		return r, false, err
	}
	r, found, err = w.row(k)
	if err != nil {
		return r, false, err
	}
	if !found {
		if h.closed() || e.Window < h.outcomes {
			return r, false, nil
		}
		r = row{window: e.Window, version: e.Version, at: e.At.UnixMilli(), groups: groups}
		w.set(k, r)
		return r, true, nil
	}
	if next := r.fold(e, groups, h.outcomes); next != r {
		if n, known := w.moved[k.phaseKey]; known && next.moved && !r.moved {
			w.moved[k.phaseKey] = n + 1
		}
		if next.window != r.window {
			if err := w.moveOutcomes(k, r.window, next.window); err != nil {
				return next, true, err
			}
		}
		w.set(k, next)
		return next, true, nil
	}
	return r, true, nil
}

// moveOutcomes takes a unit's outcomes along to another window. They are looked
// for among all of the window, which is seldom needed: where exposures come in
// disorder around a window's end.
func (w *writer) moveOutcomes(k rowKey, from, to int64) error {
	if err := w.flushOutcomes(); err != nil {
		return err
	}
	if err := w.store.later(w.ctx, sqlMoveOutcomes, k.experiment, k.epoch, k.phase, from, k.unit, to); err != nil {
		return fmt.Errorf("move outcomes: %w", err)
	}
	return nil
}

func (w *writer) horizon(k phaseKey) (horizon, error) {
	if h, ok := w.phases[k]; ok {
		return h, nil
	}
	var h horizon
	if _, err := w.one(sqlPhase, []any{k.experiment, k.epoch, k.phase}, &h.exposures, &h.outcomes, &h.pruned, &h.pairs, &h.gateway); err != nil {
		return h, fmt.Errorf("read phase: %w", err)
	}
	w.phases[k] = h
	return h, nil
}

func (w *writer) setHorizon(k phaseKey, h horizon) error {
	if err := w.store.later(w.ctx, sqlSetPhase, k.experiment, k.epoch, k.phase, h.exposures, h.outcomes, h.pruned, h.pairs, h.gateway); err != nil {
		return fmt.Errorf("write phase: %w", err)
	}
	w.phases[k] = h
	return nil
}
