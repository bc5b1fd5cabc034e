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
// version.
type phaseLog struct {
	id       phaseID
	route    *experiment.Route
	start    time.Time
	length   time.Duration
	lag      time.Duration
	versions int
	measures []experiment.Measure
	metrics  *metrics

	mu sync.Mutex
	// windows are those that have had requests, in ascending order.
	windows []*window
	// sealed and freed bound windows from above: below sealed they do not
	// change any more, below freed they are gone.
	sealed, freed int64
	// gone says that the whole log was discarded: what comes now is lost.
	gone bool
}

// window is one interval of exposure time.
type window struct {
	index    int64
	inFlight atomic.Int64

	mu sync.Mutex
	// gone says that the window was dropped before its requests had ended.
	gone    bool
	tallies []tally
}

// tally is the evidence of one version in one window.
type tally struct {
	requests stats.Counts
	latency  stats.Sketch
	slow     []stats.Counts // by measure
}

// observation is what is recorded of one request.
type observation struct {
	took             time.Duration
	failed, answered bool
}

// begin gives the window of a request that starts at a time, and holds it open
// until the window's end is called. A request that was late to ask goes into
// the first window that is still open: nothing is ever added to a sealed one.
func (l *phaseLog) begin(at time.Time) *window {
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
	for v := range w.tallies {
		w.tallies[v].slow = make([]stats.Counts, len(l.measures))
	}
	l.windows = slices.Insert(l.windows, i, w)
	if n := len(l.windows) - maxWindows; n > 0 {
		l.metrics.windowsDropped.Add(float64(n))
		l.free(l.windows[n].index)
	}
	return w
}

// add records how a request of the window ended. It is false if the window is
// gone.
func (w *window) add(version int, o observation, measures []experiment.Measure) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	t := &w.tallies[version]
	if o.answered {
		t.requests.N++
		if o.failed {
			t.requests.X++
		}
		t.latency.Add(o.took.Seconds())
	}
	for i := range measures {
		// Nobody knows how long a request would have taken that its client
		// gave up, but for this: longer than it had waited. Without it, a
		// version that hangs until everybody leaves would look idle.
		if slow := o.took > measures[i].Limit; slow {
			t.slow[i].N++
			t.slow[i].X++
		} else if o.answered {
			t.slow[i].N++
		}
	}
	return !w.gone
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
		if w.index < ripe && w.inFlight.Load() > 0 {
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
	for v := range w.tallies {
		t := &w.tallies[v]
		key := experiment.CellKey{Epoch: l.id.epoch, Phase: l.id.phase, Window: w.index, Version: v, Metric: experiment.CellRequests}
		if t.requests.N > 0 {
			cells = append(cells, experiment.Cell{CellKey: key, Evidence: experiment.Evidence{Counts: t.requests, Sketch: &t.latency}})
		}
		for i, m := range l.measures {
			if key.Metric = m.Metric; t.slow[i].N > 0 {
				cells = append(cells, experiment.Cell{CellKey: key, Evidence: experiment.Evidence{Counts: t.slow[i]}})
			}
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
