// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"fmt"
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
	if err := w.stmt.moved.QueryRowContext(w.ctx, k.experiment, k.epoch, k.phase).Scan(&n); err != nil {
		return 0, fmt.Errorf("count moved units: %w", err)
	}
	if len(w.moved) >= maxRows {
		clear(w.moved)
	}
	w.moved[k] = n
	return n, nil
}

// Prune forgets the units and cells of a phase's windows below upto. Only
// windows that both sources have sealed are forgotten. It is for phases that
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
			left, err = w.prune(k, upto)
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
func (w *writer) prune(k phaseKey, upto int64) (more bool, err error) {
	h, err := w.horizon(k)
	if err != nil {
		return false, err
	}
	upto = min(upto, h.exposures, h.outcomes)
	if upto > h.pruned {
		h.pruned = upto
		if err := w.setHorizon(k, h); err != nil {
			return false, err
		}
	}
	clear(w.rows)
	delete(w.moved, k)
	if _, err := w.stmt.pruneSeals.ExecContext(w.ctx, k.experiment, k.epoch, k.phase, upto); err != nil {
		return false, fmt.Errorf("prune cells: %w", err)
	}
	if _, err := w.stmt.pruneOutcomes.ExecContext(w.ctx, k.experiment, k.epoch, k.phase, upto, pruneBatch); err != nil {
		return false, fmt.Errorf("prune outcomes: %w", err)
	}
	done, err := w.stmt.pruneRows.ExecContext(w.ctx, k.experiment, k.epoch, k.phase, upto, pruneBatch)
	if err != nil {
		return false, fmt.Errorf("prune units: %w", err)
	}
	n, err := done.RowsAffected()
	if err != nil {
		return false, fmt.Errorf("prune units: %w", err)
	}
	return n == pruneBatch, nil
}
