// SPDX-License-Identifier: Apache-2.0

package prometheus

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/router/pack"
	"github.com/headgate-dev/headgate/internal/source/remote"
	"github.com/headgate-dev/headgate/stats"
)

// windows is how many windows are read.
func (r *reading) windows() int { return len(r.clock.edges) - 1 }

// counter is what the series of some selectors grew by, window by window.
type counter struct {
	by []float64
	// series is how many there are, times when they were scraped, holed which
	// windows lie in a hole of one of them.
	series int
	times  seen
	holed  []bool
}

// selected are the series of selectors that are joined by "or".
func (r *reading) selected(text string) (out []series) {
	for _, sel := range alternatives(text) {
		out = append(out, r.found[sel]...)
	}
	return out
}

// grown counts. A series that is listed twice counts once. Windows in which one
// was not seen, although it is there before and after, are gaps.
func (r *reading) grown(list []series, whole bool) counter {
	c := r.clock
	c.whole = whole
	out := counter{by: make([]float64, r.windows()), times: seenOf(list), holed: make([]bool, r.windows())}
	counted := make(map[string]bool)
	for i := range list {
		key := list[i].key()
		if counted[key] {
			continue
		}
		counted[key] = true
		rises, holes := c.rises(list[i].samples)
		c.spread(rises, out.by)
		for _, h := range holes {
			r.noteHole(h, out.holed)
		}
	}
	out.series = len(counted)
	return out
}

// noteHole notes the windows that lie in a hole, as far as its end was known
// when they matured: before, the series might as well have gone.
func (r *reading) noteHole(h [2]int64, holed []bool) {
	for i := range holed {
		if h[0] < r.clock.edges[i+1] && r.clock.edges[i] < h[1] && h[1] <= r.clock.edges[i+1]+r.clock.hole {
			holed[i] = true
			r.lack(i, fmt.Sprintf("a series was not scraped for %v", (time.Duration(h[1]-h[0])*time.Millisecond).Round(time.Second)))
		}
	}
}

// name is a version as people call it.
func (r *reading) name(v int) string {
	if v < len(r.Names) {
		return r.Names[v]
	}
	return fmt.Sprintf("version %d", v)
}

// lack notes that a window is not whole.
func (r *reading) lack(i int, why string) {
	r.seal.Gaps = append(r.seal.Gaps, remote.Gap(r.From+int64(i), why))
}

// missing notes the windows in which a version that has traffic was not
// scraped at all, and says which.
func (r *reading) missing(cell string, v int, times seen) []bool {
	out := make([]bool, r.windows())
	for i := range out {
		lo, hi := r.clock.edges[i], r.clock.edges[i+1]
		out[i] = lo < hi && !times.covers(lo, hi, r.clock.hole)
		switch {
		case !out[i] || !r.Asked[v] && !r.Mirrored[v]:
		case len(times) == 0:
			r.lack(i, fmt.Sprintf("%s has no series for %s", r.name(v), cell))
		default:
			r.lack(i, fmt.Sprintf("the series of %s for %s were not scraped all the time", r.name(v), cell))
		}
	}
	return out
}

// cell adds a cell of a window.
func (r *reading) cell(i, v int, metric string, e experiment.Evidence) {
	r.seal.Cells = append(r.seal.Cells, experiment.Cell{
		CellKey:  experiment.CellKey{Epoch: r.Epoch, Phase: r.Phase, Window: r.From + int64(i), Version: v, Metric: metric},
		Evidence: e,
	})
}

// share counts events among all.
func (r *reading) share(cell string, v int, events, total string) {
	n, x := r.grown(r.selected(total), true), r.grown(r.selected(events), true)
	r.missing(cell, v, n.times)
	r.counts(cell, v, n, x.by)
}

// counts adds cells of exact counts. Counts that cannot be are gaps.
func (r *reading) counts(cell string, v int, n counter, x []float64) {
	for i := range x {
		total, events := math.Round(n.by[i]), math.Round(x[i])
		// Two series are not written down at the same instant, and each is cut
		// to whole requests: that much may be out of step.
		if slack := float64(n.series); events < 0 && events >= -slack || events > total && events <= total+slack {
			events = min(max(0, events), total)
		}
		if possible := total >= 0 && events >= 0 && events <= total && total <= 1<<53; !possible { // NaN is not, either.
			r.lack(i, fmt.Sprintf("%s has %.0f of %.0f for %s: the selectors do not fit each other", r.name(v), events, total, cell))
			continue
		}
		if total == 0 {
			continue
		}
		c := stats.Counts{N: int64(total), X: int64(events)}
		switch {
		case cell != experiment.CellRequests:
			r.cell(i, v, cell, experiment.Evidence{Counts: c})
		case r.Mirrored[v]:
			r.cell(i, v, experiment.CellMirrored, experiment.Evidence{Counts: c})
		default:
			r.cell(i, v, experiment.CellRequests, experiment.Evidence{Counts: c})
			r.cell(i, v, experiment.CellExposures, experiment.Evidence{Counts: stats.Counts{N: c.N}})
		}
	}
}

// ratio makes each whole window one observation of a sum per count. What comes
// late into a window would make it an odd one, so windows with holes are none.
func (r *reading) ratio(read *pack.Read, v int) {
	cell, sum, count := read.Cell, read.Query.Sum[v], read.Query.Count[v]
	y, n := r.grown(r.selected(sum), false), r.grown(r.selected(count), false)
	missing := r.missing(cell, v, n.times)
	for i, count := range n.by {
		value := y.by[i]
		switch {
		case missing[i] || n.holed[i] || y.holed[i]:
		case count < 0 || math.IsNaN(count+value) || math.IsInf(value, 0) || count == 0 && value != 0:
			r.lack(i, fmt.Sprintf("%s has a sum of %v over %v for %s", r.name(v), value, count, cell))
		case count > 0:
			r.cell(i, v, cell, experiment.WindowEvidence(value*cmp.Or(read.Scale, 1), count))
		}
	}
}

// moments asks for an expression as of the end of each window.
func (r *reading) moments(ctx context.Context, read *pack.Read, v int) error {
	cell, query := read.Cell, read.Query.Query[v]
	end := func(i int) time.Time { return r.Start.Add(time.Duration(r.From+int64(i)+1) * r.Window) }
	n := r.windows()
	if !r.End.IsZero() && n > 0 && end(n-1).After(r.End) {
		n-- // The last, short window ends when nothing is asked as of.
	}
	if n == 0 {
		return nil
	}
	list, err := r.steps(ctx, query, end(0), end(n-1), r.Window)
	if err != nil {
		return err
	}
	if len(list) > 1 {
		return invalid("the query gives %d series", len(list)).WithHint("it must give one number; put sum(...) or the like around it")
	}
	values := make(map[int64]float64)
	for _, s := range list {
		for _, at := range s.samples {
			values[at.at] = at.value
		}
	}
	for i := range n {
		value, ok := values[end(i).UnixMilli()]
		switch {
		case ok && !math.IsNaN(value) && !math.IsInf(value, 0):
			r.cell(i, v, cell, read.Kind.Moment(value))
		case r.Asked[v] && ok:
			r.lack(i, fmt.Sprintf("%s of %s is %v", cell, r.name(v), value))
		case r.Asked[v]:
			r.lack(i, fmt.Sprintf("%s of %s has no value", cell, r.name(v)))
		}
	}
	return nil
}
