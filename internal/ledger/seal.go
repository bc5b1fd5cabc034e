// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Seal returns the cells of a phase's windows from the window from on that are
// mature at now, and seals them for ever; start is when the phase began.
// SourceExposures counts units by version, those that moved later too;
// SourceOutcomes joins their outcomes, moved units left out, and counts in
// each cell the units and those never heard of: without an outcome of Per or,
// where there is no Per, of Event within the metric's window. It also holds
// predictions against their labels: cells of these are by the window and the
// groups of the request, count predictions and those without a label, and have
// an observation for each unit with one. SourcePairs compares answers to copied
// requests in the same way. All give cells of everybody and of each slice.
// SourceGateway gives what gateways have handed over with Add; its windows
// seal by what they say, see there. Windows that lack what a gateway lost or did
// not tell are among the seal's Gaps, as far as it was known when they were
// sealed.
//
// Windows that are sealed already give the same cells again; windows below from
// are taken as sealed elsewhere. CodeNotFound when the experiment is not registered or the
// windows are pruned.
func (l *Ledger) Seal(ctx context.Context, source experiment.Source, id string, epoch, phase int, start time.Time, from int64, now time.Time) (experiment.Seal, error) {
	j, err := l.lookup(id)
	if err != nil {
		return experiment.Seal{}, err
	}
	if !slices.Contains(experiment.Sources(), source) {
		return experiment.Seal{}, experiment.Errorf(experiment.CodeInvalid, "seal %s: the ledger has no source %q", id, source)
	}
	if from < 0 {
		return experiment.Seal{}, experiment.Errorf(experiment.CodeInvalid, "seal %s: from is %d: want 0 or more", id, from)
	}
	s := sealing{
		join: j, phaseKey: phaseKey{j.id, epoch, phase}, source: source, start: start,
		from: from, to: max(from, experiment.SealedWindows(start, now, j.window, j.hold(source))),
	}
	var cells []experiment.Cell
	var gaps []experiment.Gap
	err = l.do(ctx, &job{solo: true, run: func(w *writer) (err error) {
		if source == experiment.SourceGateway {
			if s.to, err = w.ripe(s, now); err != nil {
				return err
			}
		}
		if cells, err = w.seal(s); err != nil {
			return err
		}
		if gaps, err = w.gapsIn(s); err != nil {
			return err
		}
		return w.retire(j, now)
	}})
	if err != nil {
		return experiment.Seal{}, err
	}
	return experiment.Seal{Source: source, Epoch: epoch, Phase: phase, From: s.from, To: s.to, Cells: cells, Gaps: gaps}, nil
}

// sealing is one request to seal, resolved.
type sealing struct {
	phaseKey
	join     *join
	source   experiment.Source
	start    time.Time
	from, to int64
}

func (w *writer) seal(s sealing) ([]experiment.Cell, error) {
	h, err := w.horizon(s.phaseKey)
	if err != nil {
		return nil, err
	}
	if s.from < h.pruned {
		return nil, experiment.Errorf(experiment.CodeNotFound, "seal %s: windows before %d of phase %d.%d are pruned", s.join.experiment, h.pruned, s.epoch, s.phase)
	}
	sealed := h.of(s.source)
	cells, err := w.sealedCells(s, min(s.to, *sealed))
	if err != nil || s.to <= *sealed {
		return cells, err
	}
	fresh := s
	fresh.from = max(s.from, *sealed)
	added, err := w.freshCells(fresh)
	if err != nil {
		return nil, err
	}
	if err := w.dropSealed(s, *sealed); err != nil {
		return nil, err
	}
	*sealed = s.to
	return append(cells, added...), w.setHorizon(s.phaseKey, h)
}

// dropSealed forgets what a source needs no more once its windows are sealed.
func (w *writer) dropSealed(s sealing, from int64) (err error) {
	switch s.source {
	case experiment.SourceOutcomes:
		err = w.store.later(w.ctx, sqlDropOutcomes, s.experiment, s.epoch, s.phase, from, s.to)
	case experiment.SourceGateway:
		err = w.store.later(w.ctx, sqlDropGatewayCells, s.experiment, s.epoch, s.phase, s.to)
	}
	if err != nil {
		return fmt.Errorf("drop what is sealed: %w", err)
	}
	return nil
}

// sealedCells reads what was sealed before.
func (w *writer) sealedCells(s sealing, to int64) ([]experiment.Cell, error) {
	rows, err := w.store.query(w.ctx, sqlSeals, s.experiment, s.epoch, s.phase, string(s.source), s.from, to)
	if err != nil {
		return nil, fmt.Errorf("read sealed cells: %w", err)
	}
	defer rows.Close()
	var cells []experiment.Cell
	for rows.Next() {
		var text []byte
		if err := rows.Scan(&text); err != nil {
			return nil, fmt.Errorf("read sealed cells: %w", err)
		}
		var window []experiment.Cell
		if err := json.Unmarshal(text, &window); err != nil {
			return nil, fmt.Errorf("read sealed cells: %w", err)
		}
		cells = append(cells, window...)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read sealed cells: %w", err)
	}
	return cells, nil
}

// freshCells computes cells and stores them, window by window.
func (w *writer) freshCells(s sealing) ([]experiment.Cell, error) {
	cells, err := w.compute(s)
	if err != nil {
		return nil, err
	}
	for begin := 0; begin < len(cells); {
		end := begin
		for end < len(cells) && cells[end].Window == cells[begin].Window {
			end++
		}
		text, err := json.Marshal(cells[begin:end])
		if err != nil {
			return nil, fmt.Errorf("write sealed cells: %w", err)
		}
		if err := w.store.later(w.ctx, sqlAddSeal, s.experiment, s.epoch, s.phase, string(s.source), cells[begin].Window, string(text)); err != nil {
			return nil, fmt.Errorf("write sealed cells: %w", err)
		}
		begin = end
	}
	return cells, nil
}

func (w *writer) compute(s sealing) ([]experiment.Cell, error) {
	switch s.source {
	case experiment.SourceExposures:
		return w.countExposures(s)
	case experiment.SourcePairs:
		return w.foldPairs(s)
	case experiment.SourceGateway:
		return w.mergeGateways(s)
	}
	cells, err := w.joinOutcomes(s)
	if err != nil {
		return nil, err
	}
	labels, err := w.foldLabels(s)
	if err != nil {
		return nil, err
	}
	cells = append(cells, labels...)
	inOrder(cells)
	return cells, nil
}

func (w *writer) countExposures(s sealing) ([]experiment.Cell, error) {
	rows, err := w.store.query(w.ctx, sqlCountExposures, s.experiment, s.epoch, s.phase, s.from, s.to)
	if err != nil {
		return nil, fmt.Errorf("count exposures: %w", err)
	}
	defer rows.Close()
	c := counter{sealing: s}
	for rows.Next() {
		var window, groups, n int64
		var version int
		if err := rows.Scan(&window, &version, &groups, &n); err != nil {
			return nil, fmt.Errorf("count exposures: %w", err)
		}
		if err := s.checkVersion(version); err != nil {
			return nil, err
		}
		c.add(window, version, uint64(groups), n)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("count exposures: %w", err)
	}
	return c.finish(), nil
}

// checkVersion refuses rows that were written under another plan.
func (s *sealing) checkVersion(version int) error {
	if version < s.join.versions {
		return nil
	}
	return experiment.Errorf(experiment.CodeConflict, "seal %s: units of version %d are stored, the plan has %d", s.join.experiment, version, s.join.versions).
		WithHint("run the changed plan under another name")
}

func (w *writer) joinOutcomes(s sealing) ([]experiment.Cell, error) {
	rows, err := w.store.query(w.ctx, sqlJoinOutcomes, s.experiment, s.epoch, s.phase, s.from, s.to)
	if err != nil {
		return nil, fmt.Errorf("join outcomes: %w", err)
	}
	defer rows.Close()
	f := folder{sealing: s}
	for rows.Next() {
		var window, unit, at, groups int64
		var kind, version int
		var o stored
		if err := rows.Scan(&window, &unit, &kind, &version, &at, &groups, &o.event, &o.value); err != nil {
			return nil, fmt.Errorf("join outcomes: %w", err)
		}
		if kind == 1 {
			o.at = at
			f.hear(window, unit, o)
			continue
		}
		if err := s.checkVersion(version); err != nil {
			return nil, err
		}
		f.add(unitKey{window: window, unit: unit, version: version, at: at, groups: uint64(groups)})
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("join outcomes: %w", err)
	}
	return f.finish(), nil
}
