// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"slices"
	"sync"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// phaseID names a phase across experiments.
type phaseID struct {
	experiment   string
	epoch, phase int
}

// recorder keeps the logs of the last phases, so that a phase can be folded
// after its successor is served.
type recorder struct {
	metrics *metrics

	mu     sync.Mutex
	phases []*phaseLog // in the order in which they were last opened
}

// find gives the log of a phase, or nil.
func (r *recorder) find(id phaseID) *phaseLog {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.phases {
		if l.id == id {
			return l
		}
	}
	return nil
}

// open gives the log of a route's phase, a new one if it has none. It fails if
// the phase is already recorded under other terms.
func (r *recorder) open(route *experiment.Route, p *predicting) (*phaseLog, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	id := phaseID{route.Experiment, route.Epoch, route.Phase}
	i := slices.IndexFunc(r.phases, func(l *phaseLog) bool { return l.id == id })
	if i >= 0 {
		l := r.phases[i]
		if !sameEvidence(l.route, route) {
			return nil, experiment.Errorf(experiment.CodeConflict, "route %q: phase %d.%d is recorded with another start, window, lag, share, version, measure, answer, prediction, segment or where", id.experiment, id.epoch, id.phase).
				WithHint("begin a new phase")
		}
		r.phases = append(slices.Delete(r.phases, i, i+1), l)
		return l, nil
	}
	names, first := sliceLayout(route.Segments)
	l := &phaseLog{
		id:       id,
		route:    route,
		start:    route.PhaseStart,
		length:   route.Window,
		lag:      route.Lag,
		versions: len(route.Versions),
		measures: route.Measures,
		answers:  route.Answers,
		slices:   names,
		first:    first,
		metrics:  r.metrics,

		predictions: p,
		outputs:     make([]outputs, len(route.Versions)),
	}
	r.phases = append(r.phases, l)
	// The newest is about to be served and is never dropped; the one before it
	// is served still.
	for len(r.phases) > maxPhases {
		r.metrics.windowsDropped.Add(float64(r.phases[0].discard()))
		r.phases = slices.Delete(r.phases, 0, 1)
	}
	return l, nil
}
