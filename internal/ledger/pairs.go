// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"encoding/json"
	"fmt"
	"math"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Pair records a copy of a request and how the answers compare. It never
// blocks. It is false, and the pair counted as dropped, when the queue is full,
// the ledger is closed or the plan has no such candidate, groups or metrics of
// pairs. The pair is not kept after Pair returns, but for its texts.
func (l *Ledger) Pair(p *experiment.Pair) bool {
	l.mu.RLock()
	j := l.plans[p.Experiment]
	l.mu.RUnlock()
	row, ok := newPairRow(j, p)
	if !ok {
		return l.dropRow(true)
	}
	return l.queue(queuedRow{join: j, pair: row})
}

// pairRow is a pair as it stands in the file.
type pairRow struct {
	epoch, phase int
	window       int64
	version      int
	id           string
	unit, at     int64
	groups       uint64
	failed       bool
	compared     string // JSON
}

// newPairRow is false for a pair that is not of the plan, or malformed.
func newPairRow(j *join, p *experiment.Pair) (*pairRow, bool) {
	switch {
	case j == nil || p.Version < 1 || p.Version >= j.versions || p.Window < 0 || !fits(p.Epoch, p.Phase) || !j.segments.has(p.Groups):
		return nil, false
	case p.ID == "" || len(p.ID) > experiment.MaxPairID || !p.Failed && len(p.Compared) != len(j.pairs):
		return nil, false
	}
	row := &pairRow{
		epoch: p.Epoch, phase: p.Phase, window: p.Window, version: p.Version, id: storable(p.ID),
		unit: int64(p.Unit), at: p.At.UnixMilli(), groups: p.Groups, failed: p.Failed,
	}
	if p.Failed || len(p.Compared) == 0 {
		return row, true
	}
	for i := range p.Compared {
		c := &p.Compared[i]
		if math.IsNaN(c.Value) || math.Abs(c.Value) > experiment.MaxOutcomeValue || len(c.Baseline) > experiment.MaxClass || len(c.Candidate) > experiment.MaxClass {
			return nil, false
		}
	}
	text, err := json.Marshal(p.Compared)
	row.compared = string(text)
	return row, err == nil
}

func (w *writer) keepPair(j *join, p *pairRow) error {
	h, err := w.horizon(phaseKey{j.id, p.epoch, p.phase})
	if err != nil {
		return err
	}
	if h.closed() || p.window < h.pairs {
		w.tally.latePairs++
		return nil
	}
	if err := w.own(j); err != nil {
		return err
	}
	w.write.pairs.add(j.id, p.version, p.id, p.epoch, p.phase, p.window, p.unit, p.at, int64(p.groups), bit(p.failed), p.compared)
	return nil
}

func (w *writer) flushPairs() error {
	waiting := int64(w.write.pairs.waiting())
	if waiting == 0 {
		return nil
	}
	written, err := w.insert(w.write.pairs)
	if err != nil {
		return err
	}
	w.tally.pairs += written
	w.tally.duplicatePairs += waiting - written
	w.grow(keptKey{w.rowsOwner, experiment.SourcePairs}, written)
	return nil
}

// foldPairs makes the cells of pairs.
func (w *writer) foldPairs(s sealing) ([]experiment.Cell, error) {
	rows, err := w.store.query(w.ctx, sqlJoinPairs, s.experiment, s.epoch, s.phase, s.from, s.to)
	if err != nil {
		return nil, fmt.Errorf("join pairs: %w", err)
	}
	defer rows.Close()
	names := []string{experiment.CellMirrored}
	for _, name := range s.join.pairs {
		names = append(names, name, experiment.CellAgreement+name)
	}
	f := newGrouping(s, names)
	for rows.Next() {
		var k clusterKey
		var groups, failed int64
		var compared []byte
		if err := rows.Scan(&k.window, &k.version, &k.unit, &groups, &failed, &compared); err != nil {
			return nil, fmt.Errorf("join pairs: %w", err)
		}
		if err := s.checkVersion(k.version); err != nil {
			return nil, err
		}
		f.begin(k)
		if failed != 0 {
			f.count(0, uint64(groups), 1)
			continue
		}
		f.count(0, uint64(groups), 0)
		if len(s.join.pairs) == 0 {
			continue
		}
		if err := f.pair(uint64(groups), compared); err != nil {
			return nil, fmt.Errorf("join pairs of %s: %w", s.join.experiment, err)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("join pairs: %w", err)
	}
	return f.finish(), nil
}

// pair takes in what the metrics say of one pair.
func (g *grouping) pair(groups uint64, text []byte) error {
	var compared []experiment.Compared
	if err := json.Unmarshal(text, &compared); err != nil {
		return err
	}
	if len(compared) != len(g.join.pairs) {
		return experiment.Errorf(experiment.CodeConflict, "a pair has %d comparisons, the plan has %d", len(compared), len(g.join.pairs)).
			WithHint("run the changed plan under another name")
	}
	for i := range compared {
		c, metric := &compared[i], 1+2*i
		if c.Blank {
			g.count(metric, groups, 1)
			continue
		}
		g.count(metric, groups, 0)
		g.observe(metric, groups, c.Value, 1)
		if c.Baseline != "" || c.Candidate != "" {
			g.agree(metric+1, experiment.AgreementClass(c.Baseline, c.Candidate))
		}
	}
	return nil
}
