// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Points asks for what a strict plan's iteration is made of, where one is due.
func Points(ctx context.Context, p *experiment.Plan, s *experiment.State, now time.Time, read func(context.Context, experiment.Moment) []experiment.Reading) []experiment.Reading {
	at, due := p.Iterates(s, now)
	if !due {
		return nil
	}
	return read(ctx, at)
}

// Unread says of every metric that asks a provider why it was not read.
func Unread(p *experiment.Plan, why string) []experiment.Reading {
	var out []experiment.Reading
	for i := range p.Metrics {
		for v := range p.Versions {
			out = append(out, experiment.Reading{Metric: p.Metrics[i].Name, Version: v, Failed: why})
		}
	}
	return out
}

// readingsOf is what an iteration that is due knows: what whoever runs the plan
// read, once for each metric and version, and the figures of the load that the
// plan's own actions made. Nothing is known where none is due.
func readingsOf(p *experiment.Plan, s *experiment.State, read []experiment.Reading, now time.Time) []experiment.Reading {
	if _, due := p.Iterates(s, now); !due {
		return nil
	}
	var loads []experiment.Loaded
	if s.Iteration != nil {
		loads = s.Iteration.Loads
	}
	var out []experiment.Reading
	for i := range p.Metrics {
		m := &p.Metrics[i]
		for v := range p.Versions {
			if m.Provider != nil && m.Provider.Load != nil {
				out = append(out, experiment.Reading{Metric: m.Name, Version: v, Value: m.Provider.Load.Figure(loads, v)})
				continue
			}
			k := slices.IndexFunc(read, func(r experiment.Reading) bool { return r.Metric == m.Name && r.Version == v })
			if k >= 0 {
				out = append(out, number(read[k]))
			}
		}
	}
	return out
}

// number leaves out what is no finite number: neither a journal nor a limit knows
// what to make of it. What is kept is nobody else's any more.
func number(r experiment.Reading) experiment.Reading {
	value := r.Value
	r.Value = nil
	if value != nil && !math.IsNaN(*value) && !math.IsInf(*value, 0) && r.Failed == "" {
		r.Value = new(*value)
	}
	return r
}

// Bounds of the pace of what does not wait for windows.
const (
	fastest = 100 * time.Millisecond
	pollAt  = time.Second
)

// Pace is how long whoever runs a plan waits for its next step: usually as long as
// its windows ask for, but until its next iteration where a strict plan has one,
// and not long while actions of the plan are under way.
func Pace(p *experiment.Plan, s *experiment.State, now time.Time, usual time.Duration) time.Duration {
	acts := s.Asks(experiment.IntentRun)
	switch {
	case acts:
		usual = min(usual, pollAt)
	case !p.Strict || s.Condition != experiment.Running || s.Stage >= len(p.Stages) || p.Stages[s.Stage].Iterate == nil:
		return usual
	}
	if x := s.Iteration; !acts && x != nil && x.Done > 0 {
		// One that did not take place is tried again before long.
		it := p.Stages[s.Stage].Iterate
		left := x.Last.Add(it.Every).Sub(now)
		if x.Done >= it.Total() {
			left = 0
		}
		if left > 0 {
			return max(fastest, min(usual, left))
		}
	}
	return max(fastest, min(usual, pollAt))
}
