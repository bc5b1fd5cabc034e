// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"slices"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// counter turns counted units, ordered by window, into cells.
type counter struct {
	sealing
	cells []experiment.Cell

	begun  bool
	window int64
	units  [][]int64 // of the window, by version and row
}

func (c *counter) add(window int64, version int, groups uint64, n int64) {
	s := &c.join.segments
	switch {
	case !c.begun:
		c.units = make([][]int64, c.join.versions)
		for v := range c.units {
			c.units[v] = make([]int64, s.rows())
		}
	case window != c.window:
		c.endWindow()
	}
	c.begun, c.window = true, window
	units := c.units[version]
	units[0] += n
	for i := range s.count() {
		units[s.row(groups, i)] += n
	}
}

// endWindow makes the window's cells, in the order of their keys.
func (c *counter) endWindow() {
	first := len(c.cells)
	for v, units := range c.units {
		for row, n := range units {
			if n > 0 {
				c.cells = append(c.cells, experiment.Cell{
					CellKey:  c.key(c.window, v, experiment.CellExposures, row),
					Evidence: experiment.Evidence{Counts: stats.Counts{N: n}},
				})
			}
		}
		clear(units)
	}
	inOrder(c.cells[first:])
}

func (c *counter) finish() []experiment.Cell {
	if c.begun {
		c.endWindow()
	}
	return c.cells
}

func (s *sealing) key(window int64, version int, metric string, row int) experiment.CellKey {
	return experiment.CellKey{
		Epoch: s.epoch, Phase: s.phase, Window: window,
		Version: version, Metric: metric, Slice: s.join.segments.name(row),
	}
}

func inOrder(cells []experiment.Cell) {
	slices.SortFunc(cells, func(a, b experiment.Cell) int { return a.Compare(b.CellKey) })
}

// unitKey is the unit that a joined line is about.
type unitKey struct {
	window, unit int64
	version      int
	at           int64
	groups       uint64
}

// stored is an outcome as it stands in the file.
type stored struct {
	event string
	value float64
	at    int64
}

// folder turns units, each before its outcomes and ordered by window and unit,
// into cells.
type folder struct {
	sealing
	cells []experiment.Cell

	begun   bool
	unit    unitKey
	sums    []sums      // of the unit, by metric
	matured [][]matured // of the window, by version, and by metric and row
}

// sums are what one unit has of a metric, and whether it was heard of.
type sums struct {
	y, x  float64
	heard bool
}

// matured is what a cell is made of.
type matured struct {
	units  stats.Pair
	silent int64
}

func (m *matured) add(s sums) {
	m.units.Add(s.y, s.x)
	if !s.heard {
		m.silent++
	}
}

// add begins a unit.
func (f *folder) add(u unitKey) {
	f.endUnit()
	if f.begun && u.window != f.unit.window {
		f.endWindow()
	}
	f.begun, f.unit = true, u
}

// hear takes in an outcome, if it is of the unit that was begun: those of units
// that moved have none.
func (f *folder) hear(window, unit int64, o stored) {
	u := &f.unit
	if !f.begun || window != u.window || unit != u.unit {
		return
	}
	for i, m := range f.join.metrics {
		if o.at < u.at || o.at-u.at > m.windowMS {
			continue
		}
		s := &f.sums[i]
		if o.event == m.event {
			s.y += o.value
			s.heard = s.heard || m.per == ""
		}
		if o.event == m.per {
			s.x++
			s.heard = true
		}
	}
}

// endUnit adds the unit to its version's cells, everybody's and those of its
// slices, and makes room for the next.
func (f *folder) endUnit() {
	segments := &f.join.segments
	rows := segments.rows()
	if !f.begun {
		f.sums = make([]sums, len(f.join.metrics))
		f.matured = make([][]matured, f.join.versions)
		for v := range f.matured {
			f.matured[v] = make([]matured, len(f.join.metrics)*rows)
		}
		return
	}
	for i, m := range f.join.metrics {
		s := f.sums[i]
		if m.per == "" {
			s.x = 1
		}
		cells := f.matured[f.unit.version][i*rows : (i+1)*rows]
		cells[0].add(s)
		for k := range segments.count() {
			cells[segments.row(f.unit.groups, k)].add(s)
		}
	}
	clear(f.sums)
}

// endWindow makes the window's cells, in the order of their keys.
func (f *folder) endWindow() {
	first := len(f.cells)
	rows := f.join.segments.rows()
	for v, all := range f.matured {
		for i := range all {
			m := &all[i]
			if m.units.N == 0 {
				continue
			}
			f.cells = append(f.cells, experiment.Cell{
				CellKey:  f.key(f.unit.window, v, f.join.metrics[i/rows].name, i%rows),
				Evidence: experiment.Evidence{Units: m.units, Counts: stats.Counts{N: m.units.N, X: m.silent}},
			})
		}
		clear(all)
	}
	inOrder(f.cells[first:])
}

func (f *folder) finish() []experiment.Cell {
	if !f.begun {
		return nil
	}
	f.endUnit()
	f.endWindow()
	return f.cells
}
