// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"fmt"
	"slices"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// pruneBatch bounds the units that one transaction forgets, so that callers
// of Record wait little.
const pruneBatch = 2000

// Moved is the number of units that met more than one version in a phase, of
// those that are not pruned. It may be asked at every step: units are counted
// at the first call only.
func (l *Ledger) Moved(ctx context.Context, id string, epoch, phase int) (int64, error) {
	j, err := l.lookup(id)
	if err != nil {
		return 0, err
	}
	var n int64
	err = l.do(ctx, &job{solo: true, run: func(w *writer) (err error) {
		n, err = w.countMoved(phaseKey{j.id, epoch, phase})
		return err
	}})
	if err != nil {
		return 0, err
	}
	return n, nil
}

func (w *writer) countMoved(k phaseKey) (n int64, err error) {
	if n, known := w.moved[k]; known {
		return n, nil
	}
	if _, err := w.one(sqlMoved, []any{k.experiment, k.epoch, k.phase}, &n); err != nil {
		return 0, fmt.Errorf("count moved units: %w", err)
	}
	w.moved[k] = n
	return n, nil
}

// Prune forgets the units, pairs, predictions and cells of a phase's windows
// below upto. Only windows that the sources of units have sealed are forgotten,
// and that of pairs where the plan has them, and that of gateways where they hand
// their cells over. It is for phases that
// are over: a pruned phase takes no new units any more, because a unit that
// comes back could not be told from a new one.
func (l *Ledger) Prune(ctx context.Context, id string, epoch, phase int, upto int64) error {
	j, err := l.lookup(id)
	if err != nil {
		return err
	}
	k := phaseKey{j.id, epoch, phase}
	for more := true; more; {
		var left bool
		err := l.do(ctx, &job{solo: true, run: func(w *writer) (err error) {
			left, err = w.prune(j, k, upto)
			return err
		}})
		if err != nil {
			return err
		}
		more = left
	}
	return nil
}

// prune forgets a batch. The horizon goes first, so that nothing that is half
// forgotten can be sealed again.
func (w *writer) prune(j *join, k phaseKey, upto int64) (more bool, err error) {
	h, err := w.horizon(k)
	if err != nil {
		return false, err
	}
	upto = min(upto, h.exposures, h.outcomes)
	if j.mirrored {
		upto = min(upto, h.pairs)
	}
	all, err := w.witnesses(k)
	if err != nil {
		return false, err
	}
	if h.gateway > 0 || slices.ContainsFunc(all, func(g witness) bool { return g.here }) {
		upto = min(upto, h.gateway)
	}
	if upto > h.pruned {
		h.pruned = upto
		if err := w.setHorizon(k, h); err != nil {
			return false, err
		}
	}
	clear(w.rows)
	delete(w.moved, k)
	if err := w.store.later(w.ctx, sqlPruneSeals, k.experiment, k.epoch, k.phase, upto); err != nil {
		return false, fmt.Errorf("prune cells: %w", err)
	}
	if err := w.store.later(w.ctx, sqlPruneGaps, k.experiment, k.epoch, k.phase, upto); err != nil {
		return false, fmt.Errorf("prune gaps: %w", err)
	}
	n, err := w.store.exec(w.ctx, sqlPruneRows, k.experiment, k.epoch, k.phase, upto, pruneBatch)
	if err != nil {
		return false, fmt.Errorf("prune units: %w", err)
	}
	kept, err := w.pruneKept(k, upto)
	return n == pruneBatch || kept, err
}

// pruneKept forgets a batch of what is kept by request, and what gateways
// handed over.
func (w *writer) pruneKept(k phaseKey, upto int64) (more bool, err error) {
	for _, source := range []experiment.Source{experiment.SourcePairs, experiment.SourceOutcomes} {
		n, err := w.dropRows(keptKey{k.experiment, source}, k, upto-1, pruneBatch)
		if err != nil {
			return false, err
		}
		more = more || n == pruneBatch
	}
	if more || upto == 0 {
		return more, nil
	}
	if err := w.store.later(w.ctx, sqlDropGatewayPhases, k.experiment, k.epoch, k.phase, upto); err != nil {
		return false, fmt.Errorf("prune the gateways' windows: %w", err)
	}
	return false, nil
}
