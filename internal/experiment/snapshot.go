// SPDX-License-Identifier: Apache-2.0

package experiment

import (
	"fmt"
	"net/url"
	"time"
)

// Snapshot is the immutable routing table that a gateway serves, swapped
// whole. Frozen: docs/decisions/0004.
type Snapshot struct {
	// Sequence rises with every snapshot; a gateway refuses one that does not.
	Sequence uint64  `json:"sequence"`
	Routes   []Route `json:"routes"`
}

// Route is one experiment's part of a snapshot.
type Route struct {
	Experiment string     `json:"experiment"`
	Assignment Assignment `json:"assignment"`
	Versions   []Version  `json:"versions"`
	Epoch      int        `json:"epoch"`
	Phase      int        `json:"phase"`
	// PhaseStart and Window give a request its evidence window.
	PhaseStart time.Time     `json:"phaseStart"`
	Window     time.Duration `json:"window"`
	// Lag is how long after its end a window takes late answers.
	Lag   time.Duration `json:"lag"`
	Slots Slots         `json:"slots"`
	// Measures are the latency limits counted exactly, beside the requests'
	// own cells.
	Measures []Measure `json:"measures,omitempty"`
}

// Measure asks for a cell that counts requests slower than Limit.
type Measure struct {
	Metric string        `json:"metric"`
	Limit  time.Duration `json:"limit"`
}

// Check reports the first thing that makes a snapshot unservable. A gateway
// checks before it swaps: a bad snapshot is refused and the last good one
// serves on.
func (s *Snapshot) Check() error {
	if len(s.Routes) == 0 {
		return Errorf(CodeInvalid, "snapshot %d has no route", s.Sequence)
	}
	for i := range s.Routes {
		if err := s.Routes[i].check(); err != nil {
			return Errorf(CodeInvalid, "snapshot %d, route %q: %w", s.Sequence, s.Routes[i].Experiment, err)
		}
	}
	return nil
}

func (r *Route) check() error {
	if len(r.Versions) == 0 || len(r.Versions) > MaxVersions {
		return fmt.Errorf("%d versions: want 1 to %d", len(r.Versions), MaxVersions)
	}
	for _, v := range r.Versions {
		u, err := url.Parse(v.Backend)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
			return fmt.Errorf("version %s: backend %q is not an http URL", v.Name, v.Backend)
		}
	}
	if r.Window <= 0 {
		return fmt.Errorf("window is %s: want more than 0", r.Window)
	}
	return r.Slots.Check(len(r.Versions))
}

// RouteOf is the route that a state asks for.
func RouteOf(p *Plan, s *State) Route {
	r := Route{
		Experiment: p.ID(),
		Assignment: p.Assignment,
		Versions:   p.Versions,
		Epoch:      s.Epoch,
		Phase:      s.Phase,
		PhaseStart: s.PhaseStart,
		Window:     p.Window,
		Lag:        p.Lag,
		Slots:      s.Slots,
	}
	for _, m := range p.Metrics {
		if m.Builtin != nil && m.Builtin.Kind == Latency {
			r.Measures = append(r.Measures, Measure{Metric: m.Name, Limit: m.Builtin.Limit})
		}
	}
	return r
}
