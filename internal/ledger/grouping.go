// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// clusterKey is the unit that a row by request is of, in one window and version.
// Unit 0 is nobody's: each such row stands alone.
type clusterKey struct {
	window  int64
	version int
	unit    int64
}

// grouping turns rows by request, ordered by clusterKey, into cells: what the
// rows of one unit say of a metric is summed up, and is one observation of the
// cell. Counts are of rows.
type grouping struct {
	sealing
	names []string // of the metrics
	cells []experiment.Cell

	begun bool
	key   clusterKey
	// sums are the unit's, by metric and row; touched are those that are not
	// empty.
	sums    []clusterSum
	touched []int
	// groups are the cells of the window and version, by metric and row.
	groups []group
}

// clusterSum is what one unit has of a metric.
type clusterSum struct {
	y, x    float64
	touched bool
}

// group is what a cell is made of.
type group struct {
	units  stats.Pair
	counts stats.Counts
	scores stats.Scores
	// classes counts pairs of classes.
	classes map[string]int64
}

func newGrouping(s sealing, names []string) *grouping {
	n := len(names) * s.join.segments.rows()
	return &grouping{sealing: s, names: names, sums: make([]clusterSum, n), groups: make([]group, n)}
}

// begin says whose row comes next.
func (g *grouping) begin(k clusterKey) {
	if g.begun && (k != g.key || k.unit == 0) {
		g.endUnit()
		if k.window != g.key.window || k.version != g.key.version {
			g.endGroup()
		}
	}
	g.begun, g.key = true, k
}

// each calls f with the places of a metric's cells that a row is in.
func (g *grouping) each(metric int, groups uint64, f func(i int)) {
	s := &g.join.segments
	first := metric * s.rows()
	f(first)
	for i := range s.count() {
		f(first + s.row(groups, i))
	}
}

// count takes in a row; x is 1 where there is nothing to observe, or it failed.
func (g *grouping) count(metric int, groups uint64, x int64) {
	g.each(metric, groups, func(i int) {
		g.groups[i].counts.N++
		g.groups[i].counts.X += x
	})
}

// observe adds to the unit's sums.
func (g *grouping) observe(metric int, groups uint64, y, x float64) {
	g.each(metric, groups, func(i int) {
		s := &g.sums[i]
		if !s.touched {
			s.touched = true
			g.touched = append(g.touched, i)
		}
		s.y += y
		s.x += x
	})
}

// agree counts a pair of classes, for everybody.
func (g *grouping) agree(metric int, class string) {
	e := g.everybody(metric)
	if e.classes == nil {
		e.classes = map[string]int64{}
	}
	e.classes[class]++
}

func (g *grouping) everybody(metric int) *group { return &g.groups[metric*g.join.segments.rows()] }

// endUnit makes an observation of the unit's sums.
func (g *grouping) endUnit() {
	for _, i := range g.touched {
		g.groups[i].units.Add(g.sums[i].y, g.sums[i].x)
		g.sums[i] = clusterSum{}
	}
	g.touched = g.touched[:0]
}

// endGroup makes the cells of a window and version, in the order of their keys.
func (g *grouping) endGroup() {
	first := len(g.cells)
	rows := g.join.segments.rows()
	for i := range g.groups {
		c := &g.groups[i]
		if c.counts.N == 0 && len(c.classes) == 0 {
			continue
		}
		g.cells = append(g.cells, experiment.Cell{
			CellKey:  g.sealing.key(g.key.window, g.key.version, g.names[i/rows], i%rows),
			Evidence: experiment.Evidence{Counts: c.counts, Units: c.units, Scores: c.scores, Categories: stats.CategoriesOf(c.classes)},
		})
	}
	clear(g.groups)
	inOrder(g.cells[first:])
}

func (g *grouping) finish() []experiment.Cell {
	if g.begun {
		g.endUnit()
		g.endGroup()
	}
	return g.cells
}
