// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"fmt"
)

// DeleteUnit forgets a unit, by its id as the application knows it: its
// exposures, outcomes, pairs, predictions and their labels. It returns how many
// rows that were, 0 for a unit that is not known.
//
// Cells that are sealed stay as they are: they are sums over many units, in
// which none can be found. Cells that are still open lose the unit; should it
// come again, it is a new unit. Keys of outcomes are hashes that lead to no unit;
// they go by their age. What is still on its way, in a gateway's batch, is not
// reached: delete again once traffic of the unit has ended.
func (l *Ledger) DeleteUnit(ctx context.Context, id, unit string) (rows int64, err error) {
	j, err := l.lookup(id)
	if err != nil {
		return 0, err
	}
	hash := int64(l.options.Key.HashUnit(unit))
	var n int64
	err = l.do(ctx, &job{solo: true, run: func(w *writer) (err error) {
		n, err = w.deleteUnit(j, hash)
		return err
	}})
	if err != nil {
		return 0, err
	}
	return n, nil
}

func (w *writer) deleteUnit(j *join, unit int64) (rows int64, err error) {
	for _, q := range []statement{sqlDeleteLabels, sqlDeletePredictions, sqlDeletePairs, sqlDeleteOutcomes, sqlDeleteExposures} {
		n, err := w.store.exec(w.ctx, q, j.id, unit)
		if err != nil {
			return 0, fmt.Errorf("delete a unit: %w", err)
		}
		rows += n
	}
	clear(w.rows)
	clear(w.moved)
	clear(w.kept)
	return rows, nil
}
