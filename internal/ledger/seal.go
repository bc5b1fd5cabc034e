// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Seal returns the cells of a phase's windows from the window from on that are
// mature at now, and seals them for ever; start is when the phase began.
// SourceExposures counts units by version, those that moved later too;
// SourceOutcomes joins their outcomes, moved units left out, and counts in
// each cell the units and those never heard of: without an outcome of Per or,
// where there is no Per, of Event within the metric's window. Both give cells
// of everybody and of each slice. Windows that are
// sealed already give the same cells again; windows below from are taken as
// sealed elsewhere. CodeNotFound when the experiment is not registered or the
// windows are pruned.
func (l *Ledger) Seal(ctx context.Context, source experiment.Source, id string, epoch, phase int, start time.Time, from int64, now time.Time) (experiment.Seal, error) {
	j, err := l.lookup(id)
	if err != nil {
		return experiment.Seal{}, err
	}
	hold := j.lag
	switch source {
	case experiment.SourceExposures:
	case experiment.SourceOutcomes:
		hold += j.outcome
	default:
		return experiment.Seal{}, experiment.Errorf(experiment.CodeInvalid, "seal %s: the ledger has exposures and outcomes, not %q", id, source)
	}
	if from < 0 {
		return experiment.Seal{}, experiment.Errorf(experiment.CodeInvalid, "seal %s: from is %d: want 0 or more", id, from)
	}
	s := sealing{
		join: j, phaseKey: phaseKey{j.id, epoch, phase}, source: source,
		from: from, to: max(from, experiment.SealedWindows(start, now, j.window, hold)),
	}
	var cells []experiment.Cell
	err = l.do(ctx, &job{solo: true, run: func(w *writer) (err error) {
		cells, err = w.seal(s)
		return err
	}})
	if err != nil {
		return experiment.Seal{}, err
	}
	return experiment.Seal{Source: source, Epoch: epoch, Phase: phase, From: s.from, To: s.to, Cells: cells}, nil
}

// sealing is one request to seal, resolved.
type sealing struct {
	phaseKey
	join     *join
	source   experiment.Source
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
	sealed := &h.exposures
	if s.source == experiment.SourceOutcomes {
		sealed = &h.outcomes
	}
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
	if s.source == experiment.SourceOutcomes {
		if _, err := w.stmt.dropOutcomes.ExecContext(w.ctx, s.experiment, s.epoch, s.phase, *sealed, s.to); err != nil {
			return nil, fmt.Errorf("drop sealed outcomes: %w", err)
		}
	}
	*sealed = s.to
	return append(cells, added...), w.setHorizon(s.phaseKey, h)
}

// sealedCells reads what was sealed before.
func (w *writer) sealedCells(s sealing, to int64) ([]experiment.Cell, error) {
	rows, err := w.stmt.seals.QueryContext(w.ctx, s.experiment, s.epoch, s.phase, string(s.source), s.from, to)
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
	compute := w.countExposures
	if s.source == experiment.SourceOutcomes {
		compute = w.joinOutcomes
	}
	cells, err := compute(s)
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
		if _, err := w.stmt.addSeal.ExecContext(w.ctx, s.experiment, s.epoch, s.phase, string(s.source), cells[begin].Window, string(text)); err != nil {
			return nil, fmt.Errorf("write sealed cells: %w", err)
		}
		begin = end
	}
	return cells, nil
}

func (w *writer) countExposures(s sealing) ([]experiment.Cell, error) {
	rows, err := w.stmt.countExposures.QueryContext(w.ctx, s.experiment, s.epoch, s.phase, s.from, s.to)
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
	rows, err := w.stmt.joinOutcomes.QueryContext(w.ctx, s.experiment, s.epoch, s.phase, s.from, s.to)
	if err != nil {
		return nil, fmt.Errorf("join outcomes: %w", err)
	}
	defer rows.Close()
	f := folder{sealing: s}
	for rows.Next() {
		var u unitKey
		var o stored
		var groups int64
		if err := rows.Scan(&u.window, &u.unit, &u.version, &u.at, &groups, &o.event, &o.value, &o.at); err != nil {
			return nil, fmt.Errorf("join outcomes: %w", err)
		}
		if err := s.checkVersion(u.version); err != nil {
			return nil, err
		}
		u.groups = uint64(groups)
		f.add(u, o)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("join outcomes: %w", err)
	}
	return f.finish(), nil
}
