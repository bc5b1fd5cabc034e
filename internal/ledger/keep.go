// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"fmt"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// queuedRow is a pair or a prediction on its way to the writer; one is set.
type queuedRow struct {
	join       *join
	pair       *pairRow
	prediction *predictionRow
}

// keptKey names the rows of one experiment and source: pairs are of
// SourcePairs, predictions of SourceOutcomes.
type keptKey struct {
	experiment int64
	source     experiment.Source
}

const (
	// retireBatch bounds the rows that a commit forgets, or twice what it adds
	// where that is more: they must not grow faster than they go.
	retireBatch = 2000
	// retireWindows bounds the windows that they are of.
	retireWindows = 64
	// checkEvery is how often the age of rows is looked at where none are added.
	checkEvery = time.Minute
)

// queue hands a row to the writer, unless the queue is full or the ledger
// closed.
func (l *Ledger) queue(r queuedRow) bool {
	select {
	case <-l.quit:
	default:
		select {
		case l.rows <- r:
			return true
		default:
		}
	}
	return l.dropRow(r.pair != nil)
}

// dropRow counts a row that is not kept.
func (l *Ledger) dropRow(pair bool) bool {
	if pair {
		l.counters.droppedPairs.Add(1)
	} else {
		l.counters.droppedPredictions.Add(1)
	}
	return false
}

func (w *writer) keep(r *queuedRow) error {
	if r.pair != nil {
		return w.keepPair(r.join, r.pair)
	}
	return w.keepPrediction(r.join, r.prediction)
}

// own makes sure that the rows that wait are of one experiment: what was written
// is counted by experiment.
func (w *writer) own(j *join) error {
	w.growing[j] = true
	if w.rowsOwner == j.id {
		return nil
	}
	if err := w.flushPairs(); err != nil {
		return err
	}
	if err := w.flushPredictions(); err != nil {
		return err
	}
	w.rowsOwner = j.id
	return nil
}

// grow counts rows that were added or, below zero, removed.
func (w *writer) grow(k keptKey, n int64) {
	if _, known := w.kept[k]; known {
		w.kept[k] += n
	}
}

// count is how many rows there are.
func (w *writer) count(k keptKey) (n int64, err error) {
	if n, known := w.kept[k]; known {
		return n, nil
	}
	q := sqlCountPredictions
	if k.source == experiment.SourcePairs {
		q = sqlCountPairs
	}
	if _, err := w.one(q, []any{k.experiment}, &n); err != nil {
		return 0, fmt.Errorf("count rows: %w", err)
	}
	w.kept[k] = n
	return n, nil
}

// retireAll lets rows go that are too many or too old: of the experiments that
// get new ones, and now and then of all.
func (w *writer) retireAll(now time.Time) error {
	if age := now.Sub(w.checked); age >= checkEvery || age < 0 {
		w.checked = now
		w.ledger.mu.RLock()
		for _, j := range w.ledger.plans {
			w.growing[j] = true
		}
		w.ledger.mu.RUnlock()
	}
	for j := range w.growing {
		if err := w.retire(j, now); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) retire(j *join, now time.Time) error {
	if err := w.retireRows(j, experiment.SourcePairs, w.tally.pairs, now); err != nil {
		return err
	}
	return w.retireRows(j, experiment.SourceOutcomes, w.tally.predictions, now)
}

// retireRows lets the oldest rows go, window by window: sealed ones where there
// are more than the plan keeps or they are older than that, others only where
// that is so twice over.
func (w *writer) retireRows(j *join, source experiment.Source, added int64, now time.Time) error {
	k := keptKey{j.id, source}
	oldest := sqlOldestPredictions
	if source == experiment.SourcePairs {
		oldest = sqlOldestPairs
	}
	budget := max(retireBatch, 2*added)
	for range retireWindows {
		n, err := w.count(k)
		if err != nil || n == 0 || budget <= 0 {
			return err
		}
		p := phaseKey{experiment: j.id}
		var window, at int64
		found, err := w.one(oldest, []any{j.id}, &p.epoch, &p.phase, &window, &at)
		if err != nil {
			return fmt.Errorf("find the oldest rows: %w", err)
		}
		if !found {
			return nil
		}
		h, err := w.horizon(p)
		if err != nil {
			return err
		}
		sealed := window < *h.of(source)
		rows, age := j.keepRows, j.keepFor
		if !sealed {
			rows, age = 2*rows, 2*age
		}
		excess := n - rows
		if now.Sub(time.UnixMilli(at)) > age {
			excess = n
		}
		if excess <= 0 {
			return nil
		}
		dropped, err := w.dropRows(k, p, window, min(excess, budget))
		if err != nil {
			return err
		}
		budget -= max(dropped, 1)
		if sealed {
			w.tally.retired += dropped
		} else {
			w.tally.lost += dropped
		}
	}
	return nil
}

// dropRows forgets at most limit rows of a phase's windows up to one, and
// returns how many they were.
func (w *writer) dropRows(k keptKey, p phaseKey, window, limit int64) (int64, error) {
	drop := []statement{sqlDropPairs}
	if k.source != experiment.SourcePairs {
		drop = []statement{sqlDropLabels, sqlDropPredictions}
	}
	var n int64
	for _, q := range drop {
		var err error
		if n, err = w.store.exec(w.ctx, q, p.experiment, p.epoch, p.phase, window, limit); err != nil {
			return 0, fmt.Errorf("drop rows: %w", err)
		}
	}
	w.grow(k, -n)
	return n, nil
}
