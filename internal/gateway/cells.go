// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// phaseLog is what was recorded in one phase: windows, each with one tally per
// version. Its size does not depend on what clients send: the groups of
// segments are the route's.
type phaseLog struct {
	id       phaseID
	route    *experiment.Route
	start    time.Time
	length   time.Duration
	lag      time.Duration
	versions int
	measures []experiment.Measure
	answers  []experiment.Answer
	// predictions are what is read of predictions; outputs what came of it since
	// the phase began, by version.
	predictions *predicting
	outputs     []outputs
	// slices names the groups of all segments; first is where the groups of
	// each segment begin in it.
	slices  []string
	first   []int
	metrics *metrics

	mu sync.Mutex
	// windows are those that have had requests, in ascending order.
	windows []*window
	// sealed and freed bound windows from above: below sealed they do not
	// change any more, below freed they are gone.
	sealed, freed int64
	// gone says that the whole log was discarded: what comes now is lost.
	gone bool
	// carried says that requests of the phase came through this gateway.
	carried atomic.Bool
}

// window is one interval of exposure time.
type window struct {
	index    int64
	inFlight atomic.Int64
	// answers are those that wait to be looked at; asked is when they were first
	// all that it waited for. The log's lock is over asked.
	answers atomic.Int64
	asked   time.Time

	mu sync.Mutex
	// closed says that the window is sealed.
	closed bool
	// gone says that the window was dropped before its requests had ended.
	gone    bool
	tallies []tally
}

// tally is the evidence of one version in one window. Latencies are sketched
// for everybody only: a sketch for each slice would outgrow all else that an
// experiment remembers, and decisions are made of counts.
type tally struct {
	// counts is a row for everybody and then one for each slice; a row is the
	// requests and then each measure. Nil is no requests.
	counts  []stats.Counts
	latency stats.Sketch
	// heard is a row of the answers' metrics for everybody and then one for each
	// slice. Nil is no answers.
	heard []heard
	// told is what its answers say of predictions; nil is nothing.
	told *told
}

// row is one row of the counts.
func (t *tally) row(i, width int) []stats.Counts { return t.counts[i*width : (i+1)*width] }

// observation is what is recorded of one request.
type observation struct {
	version          int
	groups           uint64
	took             time.Duration
	failed, answered bool
}

// begin gives the window of a request that starts at a time, and holds it open
// until the window's end is called. A request that was late to ask goes into
// the first window that is still open: nothing is ever added to a sealed one.
func (l *phaseLog) begin(at time.Time) *window {
	if !l.carried.Load() {
		l.carried.Store(true)
	}
	return l.hold(at)
}

// hold is begin for what is no request.
func (l *phaseLog) hold(at time.Time) *window {
	i := max(0, int64(at.Sub(l.start)/l.length))
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.at(max(i, l.sealed))
	w.inFlight.Add(1)
	return w
}

// at finds or makes a window.
func (l *phaseLog) at(index int64) *window {
	if n := len(l.windows); n > 0 && l.windows[n-1].index == index {
		return l.windows[n-1]
	}
	i, found := slices.BinarySearchFunc(l.windows, index, func(w *window, index int64) int { return cmp.Compare(w.index, index) })
	if found {
		return l.windows[i]
	}
	w := &window{index: index, gone: l.gone, tallies: make([]tally, l.versions)}
	l.windows = slices.Insert(l.windows, i, w)
	if n := len(l.windows) - maxWindows; n > 0 {
		l.metrics.windowsDropped.Add(float64(n))
		l.free(l.windows[n].index)
	}
	return w
}

// width is the number of counts in a row.
func (l *phaseLog) width() int { return 1 + len(l.measures) }

// add records how a request of the window ended: for everybody and for its
// group of every segment at once, so that slices always sum to the whole. It
// is false if the window is gone.
func (l *phaseLog) add(w *window, o *observation) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	t := &w.tallies[o.version]
	if t.counts == nil {
		t.counts = make([]stats.Counts, (1+len(l.slices))*l.width())
	}
	l.count(t.row(0, l.width()), o)
	for i, first := range l.first {
		l.count(t.row(1+first+groupOf(o.groups, i), l.width()), o)
	}
	if o.answered {
		t.latency.Add(o.took.Seconds())
	}
	return !w.gone
}

// count adds a request to a row.
func (l *phaseLog) count(row []stats.Counts, o *observation) {
	if o.answered {
		row[0].N++
		if o.failed {
			row[0].X++
		}
	}
	for i := range l.measures {
		// Nobody knows how long a request would have taken that its client
		// gave up, but for this: longer than it had waited. Without it, a
		// version that hangs until everybody leaves would look idle.
		if slow := o.took > l.measures[i].Limit; slow {
			row[1+i].N++
			row[1+i].X++
		} else if o.answered {
			row[1+i].N++
		}
	}
}

// end lets go of the window, after add.
func (w *window) end() { w.inFlight.Add(-1) }

// seal seals what is ripe and gives the cells from window from on.
func (l *phaseLog) seal(from int64, now time.Time) (experiment.Seal, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if from < l.freed {
		return experiment.Seal{}, experiment.Errorf(experiment.CodeConflict, "seal %s: windows %d to %d of phase %d.%d are dropped: a gap",
			l.id.experiment, from, l.freed, l.id.epoch, l.id.phase)
	}
	ripe := experiment.SealedWindows(l.start, now, l.length, l.lag)
	for _, w := range l.windows {
		if w.index < ripe && w.busy(now) {
			ripe = w.index
			break
		}
	}
	l.sealed = max(l.sealed, ripe)
	s := experiment.Seal{
		Source: experiment.SourceGateway, Epoch: l.id.epoch, Phase: l.id.phase,
		From: from, To: max(from, l.sealed),
	}
	for _, w := range l.windows {
		if w.index < l.sealed {
			w.close()
		}
		if w.index >= from && w.index < s.To {
			s.Cells = l.appendCells(s.Cells, w)
		}
	}
	return s, nil
}

// appendCells appends the cells of a sealed window. They share its sketches,
// which do not change any more.
func (l *phaseLog) appendCells(cells []experiment.Cell, w *window) []experiment.Cell {
	w.mu.Lock()
	defer w.mu.Unlock()
	key := experiment.CellKey{Epoch: l.id.epoch, Phase: l.id.phase, Window: w.index}
	for key.Version = range w.tallies {
		t := &w.tallies[key.Version]
		if t.counts == nil && t.told == nil {
			continue // A shadow has no requests, and yet its answers say something.
		}
		key.Slice = ""
		cells = l.appendRow(cells, key, t, 0)
		cells = l.appendHeard(cells, key, t, 0)
		cells = l.appendTold(cells, key, t.told, 0)
		for i, slice := range l.slices {
			key.Slice = slice
			cells = l.appendRow(cells, key, t, 1+i)
			cells = l.appendHeard(cells, key, t, 1+i)
			cells = l.appendTold(cells, key, t.told, 1+i)
		}
	}
	return cells
}

// appendRow appends the cells of one version in one slice, place 0 being
// everybody: there alone are latencies.
func (l *phaseLog) appendRow(cells []experiment.Cell, key experiment.CellKey, t *tally, place int) []experiment.Cell {
	if t.counts == nil {
		return cells
	}
	row := t.row(place, l.width())
	var latency *stats.Sketch
	if place == 0 {
		latency = &t.latency
	}
	if row[0].N > 0 {
		key.Metric = experiment.CellRequests
		cells = append(cells, experiment.Cell{CellKey: key, Evidence: experiment.Evidence{Counts: row[0], Sketch: latency}})
	}
	for i, m := range l.measures {
		if row[1+i].N > 0 {
			key.Metric = m.Metric
			cells = append(cells, experiment.Cell{CellKey: key, Evidence: experiment.Evidence{Counts: row[1+i]}})
		}
	}
	return cells
}

// drop frees sealed windows.
func (l *phaseLog) drop(upto int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.free(min(upto, l.sealed))
}

// discard frees all windows, sealed or not, and says how many there were. What
// requests that still hold the log add to it is lost.
func (l *phaseLog) discard() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gone = true
	n := len(l.windows)
	if n > 0 {
		l.free(l.windows[n-1].index + 1)
	}
	return n
}

// free lets windows below upto go.
func (l *phaseLog) free(upto int64) {
	l.freed = max(l.freed, upto)
	l.sealed = max(l.sealed, l.freed)
	n := 0
	for n < len(l.windows) && l.windows[n].index < upto {
		w := l.windows[n]
		w.mu.Lock()
		w.gone = true
		w.mu.Unlock()
		n++
	}
	l.windows = slices.Delete(l.windows, 0, n)
}
