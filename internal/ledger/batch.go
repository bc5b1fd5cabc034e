// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

const (
	// maxGateway is the greatest length of a gateway's name, in bytes.
	maxGateway = 256
	// forgetGateway is how long after its last batch a gateway is known, at
	// least: where it has served a phase, until that is pruned. What it sends
	// again after that is late.
	forgetGateway = 30 * 24 * time.Hour
)

// Add stores all rows and cells of a gateway's batch in one commit, together
// with the batch's number: each batch counts exactly once. It returns once they
// are on disk; commits are shared with other callers. Fresh is false for a
// batch that is stored already, or that comes after a later one: it has no
// effect. Batches begin with number 1; where some are left out, they are counted
// as missing and what comes is stored. Rows that no registered plan knows are
// dropped and counted, as with Expose, Pair and Predict, and late ones counted:
// neither makes the batch fail.
//
// A seal in a batch says which experiment it is of; where it does not, it is of
// the only one that is registered. CodeInvalid is a batch without gateway or
// number, CodeUnavailable that the store failed or ctx ended.
func (l *Ledger) Add(ctx context.Context, b *experiment.Batch) (fresh bool, err error) {
	switch {
	case b.Gateway == "" || len(b.Gateway) > maxGateway:
		return false, experiment.InvalidAt("gateway", "has %d bytes: want 1 to %d", len(b.Gateway), maxGateway)
	case storable(b.Gateway) != b.Gateway:
		return false, experiment.InvalidAt("gateway", "is %q: want UTF-8 without NUL", b.Gateway)
	case b.Sequence == 0 || b.Sequence > math.MaxInt64:
		return false, experiment.InvalidAt("sequence", "is %d: want 1 or more", b.Sequence)
	}
	in := l.unpack(b)
	now := l.options.Now()
	var stored bool
	err = l.do(ctx, &job{
		size: len(in.exposures) + len(in.rows),
		wants: func(w *writer) {
			for i := range in.exposures {
				q := &in.exposures[i]
				w.wantRow(keyOf(q.join, &q.exposure))
			}
		},
		run: func(w *writer) (err error) {
			stored, err = w.addBatch(in, now)
			return err
		},
		committed: func() {
			c := &l.counters
			if !stored {
				c.repeatedBatches.Add(1)
				return
			}
			c.batches.Add(1)
			c.dropped.Add(in.dropped)
			c.droppedPairs.Add(in.droppedPairs)
			c.droppedPredictions.Add(in.droppedPredictions)
			c.lateCells.Add(in.droppedCells)
		},
	})
	if err != nil {
		// Not stored: when ctx has ended the writer may still be at it.
		return false, err
	}
	return stored, nil
}

// unpacked is a batch whose rows were checked.
type unpacked struct {
	gateway   string
	sequence  int64
	exposures []queued
	rows      []queuedRow
	seals     []gatewaySeal
	last      bool
	origin    string
	// What makes no sense.
	dropped, droppedPairs, droppedPredictions, droppedCells int64
}

// gatewaySeal is a run of windows as one gateway sealed them; of other sources
// than gateways', it has gaps only.
type gatewaySeal struct {
	join *join
	phaseKey
	source   experiment.Source
	from, to int64
	windows  []gatewayWindow
	gaps     []experiment.Gap
}

type gatewayWindow struct {
	window int64
	cells  int64
	text   string // JSON
}

func (l *Ledger) unpack(b *experiment.Batch) *unpacked {
	l.mu.RLock()
	defer l.mu.RUnlock()
	in := &unpacked{gateway: b.Gateway, sequence: int64(b.Sequence), last: b.Last, origin: storable(b.Origin)}
	for i := range b.Exposures {
		e := &b.Exposures[i]
		if j := l.plans[e.Experiment]; j.takes(&e.Exposure, e.Groups) {
			in.exposures = append(in.exposures, queued{j, e.Exposure, e.Groups})
		} else {
			in.dropped++
		}
	}
	for i := range b.Pairs {
		j := l.plans[b.Pairs[i].Experiment]
		if row, ok := newPairRow(j, &b.Pairs[i]); ok {
			in.rows = append(in.rows, queuedRow{join: j, pair: row})
		} else {
			in.droppedPairs++
		}
	}
	for i := range b.Predictions {
		j := l.plans[b.Predictions[i].Experiment]
		if row, ok := newPredictionRow(j, &b.Predictions[i]); ok {
			in.rows = append(in.rows, queuedRow{join: j, prediction: row})
		} else {
			in.droppedPredictions++
		}
	}
	for i := range b.Seals {
		j := l.plans[b.Seals[i].Experiment]
		if b.Seals[i].Experiment == "" && len(l.plans) == 1 {
			for _, only := range l.plans {
				j = only
			}
		}
		if s, ok := newGatewaySeal(j, &b.Seals[i]); ok {
			in.seals = append(in.seals, s)
		} else {
			in.droppedCells += int64(len(b.Seals[i].Cells))
		}
	}
	return in
}

// newGatewaySeal is false for a seal that is not of the plan, or malformed.
func newGatewaySeal(j *join, s *experiment.Seal) (gatewaySeal, bool) {
	if j == nil || !slices.Contains(gapSources(experiment.SourceGateway), s.Source) || !fits(s.Epoch, s.Phase) || s.From < 0 || s.To < s.From {
		return gatewaySeal{}, false
	}
	if s.Source != experiment.SourceGateway && len(s.Cells) > 0 || len(s.Gaps) > maxGaps {
		return gatewaySeal{}, false
	}
	out := gatewaySeal{join: j, phaseKey: phaseKey{j.id, s.Epoch, s.Phase}, source: s.Source, from: s.From, to: s.To}
	for _, g := range experiment.MergeGaps(s.Gaps, s.From, s.To) {
		g.Why = shortened(g.Why)
		out.gaps = append(out.gaps, g)
	}
	byWindow := map[int64][]experiment.Cell{}
	for _, c := range s.Cells {
		if c.Epoch != s.Epoch || c.Phase != s.Phase || c.Window < s.From || c.Window >= s.To || c.Version < 0 || c.Version >= j.versions {
			return gatewaySeal{}, false
		}
		byWindow[c.Window] = append(byWindow[c.Window], c)
	}
	for window, cells := range byWindow {
		text, err := json.Marshal(cells)
		if err != nil {
			return gatewaySeal{}, false // A number in it is not finite.
		}
		out.windows = append(out.windows, gatewayWindow{window, int64(len(cells)), string(text)})
	}
	return out, true
}

// addBatch stores a batch; false if it is stored already.
func (w *writer) addBatch(in *unpacked, now time.Time) (bool, error) {
	var last int64
	if _, err := w.one(sqlGateway, []any{in.gateway}, &last); err != nil {
		return false, fmt.Errorf("read gateway: %w", err)
	}
	if err := w.store.later(w.ctx, sqlSetGateway, in.gateway, max(last, in.sequence), now.UnixMilli(), in.origin); err != nil {
		return false, fmt.Errorf("write gateway: %w", err)
	}
	if in.sequence <= last {
		return false, nil
	}
	if err := w.comeAndGo(in, last == 0, now); err != nil {
		return false, err
	}
	w.tally.missingBatches += in.sequence - last - 1
	phases := map[phaseKey]bool{}
	for i := range in.exposures {
		q := &in.exposures[i]
		k := keyOf(q.join, &q.exposure)
		phases[k.phaseKey] = true
		_, found, err := w.expose(k, &q.exposure, q.groups)
		if err != nil {
			return false, err
		}
		if !found {
			w.tally.lateExposures++
		}
	}
	for i := range in.rows {
		r := &in.rows[i]
		phases[r.phase()] = true
		if err := w.keep(r); err != nil {
			return false, err
		}
	}
	for i := range in.seals {
		if s := &in.seals[i]; s.source != experiment.SourceGateway {
			if err := w.addGatewayGaps(in.gateway, "", s, 0); err != nil {
				return false, err
			}
			continue
		}
		delete(phases, in.seals[i].phaseKey)
		if err := w.addGatewaySeal(in.gateway, in.origin, &in.seals[i], now); err != nil {
			return false, err
		}
	}
	for k := range phases {
		if err := w.heardOf(k, in.gateway, now); err != nil {
			return false, err
		}
	}
	return true, nil
}

// comeAndGo notes that a gateway ends with this batch, or begins with it: then
// the one before it at its origin has ended, and long forgotten ones go.
func (w *writer) comeAndGo(in *unpacked, begins bool, now time.Time) error {
	if in.last {
		if err := w.store.later(w.ctx, sqlEndGateway, in.gateway, now.UnixMilli()); err != nil {
			return fmt.Errorf("write gateway: %w", err)
		}
	}
	if !begins {
		return nil
	}
	if in.origin != "" {
		if err := w.store.later(w.ctx, sqlEndEarlier, in.gateway, in.origin, now.UnixMilli()); err != nil {
			return fmt.Errorf("end earlier gateways: %w", err)
		}
	}
	if err := w.store.later(w.ctx, sqlPurgeGateways, now.Add(-forgetGateway).UnixMilli()); err != nil {
		return fmt.Errorf("forget gateways: %w", err)
	}
	return nil
}

func (r *queuedRow) phase() phaseKey {
	if r.pair != nil {
		return phaseKey{r.join.id, r.pair.epoch, r.pair.phase}
	}
	return phaseKey{r.join.id, r.prediction.epoch, r.prediction.phase}
}
