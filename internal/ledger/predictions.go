// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"database/sql"
	"fmt"
	"math"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Predict records what a version's answer says of a request, so that a label can
// be held against it. It never blocks. It is false, and the prediction counted
// as dropped, when the queue is full, the ledger is closed or the experiment is
// not registered with such a version or such groups. The prediction is not kept
// after Predict returns, but for its texts.
func (l *Ledger) Predict(p *experiment.Prediction) bool {
	l.mu.RLock()
	j := l.plans[p.Experiment]
	l.mu.RUnlock()
	row, ok := newPredictionRow(j, p)
	if !ok {
		return l.dropRow(false)
	}
	return l.queue(queuedRow{join: j, prediction: row})
}

// predictionRow is a prediction as it stands in the file.
type predictionRow struct {
	epoch, phase      int
	window            int64
	version           int
	unit, at, request int64
	groups            uint64
	class             string
	score             sql.NullFloat64
	mirrored          bool
}

// newPredictionRow is false for a prediction that is not of the plan, or
// malformed.
func newPredictionRow(j *join, p *experiment.Prediction) (*predictionRow, bool) {
	if j == nil || p.Version < 0 || p.Version >= j.versions || p.Window < 0 || p.Mirrored && p.Version == 0 || !fits(p.Epoch, p.Phase) || !j.segments.has(p.Groups) || len(p.Class) > experiment.MaxClass {
		return nil, false
	}
	row := &predictionRow{
		epoch: p.Epoch, phase: p.Phase, window: p.Window, version: p.Version,
		unit: int64(p.Unit), at: p.At.UnixMilli(), request: int64(p.Request), groups: p.Groups, class: storable(p.Class), mirrored: p.Mirrored,
	}
	if p.Score != nil {
		if math.IsNaN(*p.Score) || math.Abs(*p.Score) > experiment.MaxOutcomeValue {
			return nil, false
		}
		row.score = sql.NullFloat64{Float64: *p.Score, Valid: true}
	}
	return row, true
}

func (w *writer) keepPrediction(j *join, p *predictionRow) error {
	h, err := w.horizon(phaseKey{j.id, p.epoch, p.phase})
	if err != nil {
		return err
	}
	if h.closed() || p.window < h.outcomes {
		w.tally.latePredictions++
		return nil
	}
	if err := w.own(j); err != nil {
		return err
	}
	w.mirrored = w.mirrored || p.mirrored
	w.write.predictions.add(j.id, p.unit, p.at, p.request, p.epoch, p.phase, p.window, p.version, int64(p.groups), p.class, p.score)
	return nil
}

func (w *writer) flushPredictions() error {
	written := int64(w.write.predictions.waiting())
	if written == 0 {
		return nil
	}
	if err := w.noteCopies(); err != nil {
		return err
	}
	if err := w.insertLater(w.write.predictions); err != nil {
		return err
	}
	if err := w.shareLabels(); err != nil {
		return err
	}
	w.found = emptied(w.found) // What labels are about may be among them.
	w.tally.predictions += written
	w.grow(keptKey{w.rowsOwner, experiment.SourceOutcomes}, written)
	return nil
}

// noteCopies notes after which prediction copies are written, once in a
// transaction.
func (w *writer) noteCopies() error {
	if !w.mirrored || w.copiesFrom >= 0 {
		return nil
	}
	if _, err := w.one(sqlLastPrediction, nil, &w.copiesFrom); err != nil {
		return fmt.Errorf("find the last prediction: %w", err)
	}
	return nil
}

// shareLabels gives the copies that the transaction wrote the labels that their
// originals have: whoever told those was told that they were accepted, and
// sends none again.
func (w *writer) shareLabels() error {
	if w.copiesFrom < 0 {
		return nil
	}
	if err := w.store.later(w.ctx, sqlShareLabels, w.copiesFrom); err != nil {
		return fmt.Errorf("share labels with copies: %w", err)
	}
	return nil
}

func (w *writer) forgetCopies() { w.mirrored, w.copiesFrom = false, -1 }
