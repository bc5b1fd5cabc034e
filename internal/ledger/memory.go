// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// maxRows bounds the rows that are kept in memory between transactions, about
// 8 MiB.
const maxRows = 1 << 16

// memory is what the writer knows of the store. A transaction asks ahead for
// what it needs, decides on this, and writes what it changed at its end.
type memory struct {
	rows   map[rowKey]row
	phases map[phaseKey]horizon
	// moved are the numbers of units that moved, by phases once asked about.
	moved map[phaseKey]int64
	// kept are the numbers of pairs and predictions, by experiments once they
	// were counted.
	kept map[keptKey]int64
	// number is the last outcome's, -1 when it is not known.
	number int64

	// Of the transaction under way: rows that are not there, phases of units
	// whose rows are all known, predictions that labels are about, and the rows
	// that it changed.
	absent map[rowKey]bool
	units  map[unitOf][]phaseKey
	found  map[labelQuery][]judged
	dirty  []rowKey
	stale  map[rowKey]bool
}

// unitOf is a unit of an experiment, in whatever phase.
type unitOf struct{ experiment, unit int64 }

func newMemory() memory {
	return memory{
		rows: map[rowKey]row{}, phases: map[phaseKey]horizon{}, moved: map[phaseKey]int64{}, kept: map[keptKey]int64{}, number: -1,
		absent: map[rowKey]bool{}, units: map[unitOf][]phaseKey{}, found: map[labelQuery][]judged{}, stale: map[rowKey]bool{},
	}
}

// begin forgets what is of a transaction, and what would be too much. Inside of
// one nothing is forgotten.
func (m *memory) begin() {
	if len(m.rows) >= maxRows {
		m.rows = map[rowKey]row{} // A map that was cleared keeps its size.
	}
	if len(m.phases) >= maxRows {
		clear(m.phases)
	}
	if len(m.moved) >= maxRows {
		clear(m.moved)
	}
	m.absent = emptied(m.absent)
	m.units = emptied(m.units)
	m.found = emptied(m.found)
	m.stale = emptied(m.stale)
	m.dirty = m.dirty[:0]
}

// emptied is the map without its elements, a new one where it was large.
func emptied[K comparable, V any](m map[K]V) map[K]V {
	if len(m) > maxRows/8 {
		return map[K]V{}
	}
	clear(m)
	return m
}

// forget forgets everything.
func (m *memory) forget() {
	clear(m.rows)
	clear(m.phases)
	clear(m.moved)
	clear(m.kept)
	m.number = -1
	m.begin()
}

// set changes a row; it is written by flushExposures.
func (m *memory) set(k rowKey, r row) {
	if _, known := m.rows[k]; !known {
		delete(m.absent, k)
		if phases, asked := m.units[unitOf{k.experiment, k.unit}]; asked {
			m.units[unitOf{k.experiment, k.unit}] = append(phases, k.phaseKey)
		}
	}
	m.rows[k] = r
	if !m.stale[k] {
		m.stale[k] = true
		m.dirty = append(m.dirty, k)
	}
}

// wantRow notes that a row is needed, unless it is known.
func (w *writer) wantRow(k rowKey) {
	if _, known := w.rows[k]; known || w.absent[k] {
		return
	}
	w.absent[k] = true // Until it is found.
	w.want.rows[k.phaseKey] = append(w.want.rows[k.phaseKey], k.unit)
}

// wantUnit notes that all rows of a unit are needed.
func (w *writer) wantUnit(u unitOf) {
	if _, known := w.units[u]; known {
		return
	}
	w.units[u] = nil
	w.want.units[u.experiment] = append(w.want.units[u.experiment], u.unit)
}

// wantLabel notes that the predictions of a label are needed.
func (w *writer) wantLabel(q labelQuery) {
	if _, known := w.found[q]; known {
		return
	}
	w.found[q] = nil
	w.want.labels = append(w.want.labels, q)
}

// askAhead asks for what the pending exposures and all jobs are going to need.
func (w *writer) askAhead(jobs []*job) error {
	if err := w.readKeyLog(); err != nil {
		return fmt.Errorf("read the log of keys: %w", err)
	}
	for i := range w.pending {
		q := &w.pending[i]
		w.wantRow(keyOf(q.join, &q.exposure))
	}
	for _, j := range jobs {
		if j.wants != nil {
			j.wants(w)
		}
	}
	return w.ask()
}

// ask asks for what is wanted. What is in memory already is newer.
func (w *writer) ask() error {
	if w.want.empty() {
		return nil
	}
	defer w.want.clear()
	if len(w.want.units) > 0 { // Whoever looks for all rows of a unit must find those that wait.
		if err := w.flushExposures(); err != nil {
			return err
		}
	}
	w.want.now = w.ledger.options.Now().UnixMilli()
	got, err := w.store.ask(w.ctx, &w.want)
	if err != nil {
		return err
	}
	for i := range got.rows {
		r := &got.rows[i]
		delete(w.absent, r.rowKey)
		w.rows[r.rowKey] = r.row
	}
	for i := range got.units {
		r := &got.units[i]
		u := unitOf{r.experiment, r.unit}
		w.units[u] = append(w.units[u], r.phaseKey)
		delete(w.absent, r.rowKey)
		if _, known := w.rows[r.rowKey]; !known {
			w.rows[r.rowKey] = r.row
		}
	}
	for _, id := range got.keys {
		w.keys.found[id] = true
	}
	for i, found := range got.labels {
		w.found[w.want.labels[i]] = found
	}
	return nil
}

// row is a unit's row in a phase. Where it was not asked for ahead, it is now.
func (w *writer) row(k rowKey) (r row, found bool, err error) {
	if r, found = w.rows[k]; found || w.absent[k] {
		return r, found, nil
	}
	w.wantRow(k)
	if err := w.ask(); err != nil {
		return row{}, false, err
	}
	r, found = w.rows[k]
	return r, found, nil
}

// newest is the unit's newest row up to a time.
func (w *writer) newest(u unitOf, at int64) (k rowKey, r row, found bool, err error) {
	if _, asked := w.units[u]; !asked {
		w.wantUnit(u)
		if err := w.ask(); err != nil {
			return k, r, false, err
		}
	}
	for _, p := range w.units[u] {
		next := w.rows[rowKey{p, u.unit}]
		if next.at > at {
			continue
		}
		if !found || cmp.Or(cmp.Compare(next.at, r.at), cmp.Compare(p.epoch, k.epoch), cmp.Compare(p.phase, k.phase)) > 0 {
			k, r, found = rowKey{p, u.unit}, next, true
		}
	}
	return k, r, found, nil
}

// flushExposures writes the rows that were changed, neighbours together.
func (w *writer) flushExposures() error {
	slices.SortFunc(w.dirty, func(a, b rowKey) int {
		return cmp.Or(cmp.Compare(a.experiment, b.experiment), cmp.Compare(a.unit, b.unit), cmp.Compare(a.epoch, b.epoch), cmp.Compare(a.phase, b.phase))
	})
	for _, k := range w.dirty {
		r := w.rows[k]
		w.write.exposures.add(k.experiment, k.unit, k.epoch, k.phase, r.window, r.version, r.at, bit(r.moved), int64(r.groups))
	}
	w.dirty = w.dirty[:0]
	clear(w.stale)
	return w.insertLater(w.write.exposures)
}

// insert writes what waits for a table, and says how many rows were new.
func (w *writer) insert(b *buffer) (int64, error) {
	if len(b.values) == 0 {
		return 0, nil
	}
	defer b.clear()
	n, err := w.store.insert(w.ctx, &b.table, b.values)
	if err != nil {
		return 0, fmt.Errorf("write %s: %w", b.table.name, err)
	}
	return n, nil
}

// insertLater is insert for whom the number does not matter.
func (w *writer) insertLater(b *buffer) error {
	if len(b.values) == 0 {
		return nil
	}
	defer b.clear()
	if err := w.store.insertLater(w.ctx, &b.table, b.values); err != nil {
		return fmt.Errorf("write %s: %w", b.table.name, err)
	}
	return nil
}

// one reads the only line of a query; false where there is none.
func (w *writer) one(q statement, args []any, to ...any) (found bool, err error) {
	rows, err := w.store.query(w.ctx, q, args...)
	if err != nil {
		return false, err
	}
	if rows.Next() {
		found, err = true, rows.Scan(to...)
	}
	return found, errors.Join(err, rows.Err(), rows.Close())
}

// bit is how both stores keep what is or is not.
func bit(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
