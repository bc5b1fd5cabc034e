// SPDX-License-Identifier: Apache-2.0

package router

import (
	"slices"
	"strings"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// TrafficOf is what a state asks of its plan's router. Conditions on segments
// that do not stand in a header's values cannot be told to a router; plans with
// them do not fit one (Plan.Needs), and should one come here all the same, its
// condition is met by no request and Check refuses it.
func TrafficOf(p *experiment.Plan, s *experiment.State) Traffic {
	t := Traffic{
		Experiment: p.ID(),
		Versions:   p.Versions,
		Shares:     s.Slots.Shares(len(p.Versions)),
		Default:    s.Default(),
		Over:       s.Condition == experiment.Done || s.Condition == experiment.Killed,
	}
	if t.Over {
		return t
	}
	t.Cohort, t.Overrides = p.Assignment.Cohort, p.Assignment.Overrides
	if (s.Condition == experiment.Running || s.Condition == experiment.Paused) && s.Stage < len(p.Stages) {
		stage := &p.Stages[s.Stage]
		t.Where = whereOf(p, stage.Where)
		t.Mirror = mirrorOf(p, s, stage.Mirror)
	}
	return t
}

// KilledTraffic is the way back: the baseline has everything, and nothing that
// was added for the experiment is left (D3, D8).
func KilledTraffic(p *experiment.Plan) Traffic {
	return Traffic{Experiment: p.ID(), Versions: p.Versions, Shares: experiment.Baseline(len(p.Versions)), Over: true}
}

// WayBack reports whether the traffic is that of a kill or a rollback: it has no
// preconditions, so routers are forgiving with the objects.
func (t *Traffic) WayBack() bool {
	return t.Over && t.Default == 0 && len(t.Shares) > 0 && t.Shares[0] == experiment.Whole
}

// mirrorOf copies to each candidate that was not removed; nil is no mirror, or
// one that others send.
func mirrorOf(p *experiment.Plan, s *experiment.State, m *experiment.Mirror) *Mirror {
	if m == nil || m.ByEvents || m.Share == 0 || s.Starting() {
		return nil
	}
	out := &Mirror{Share: m.Share}
	for v := 1; v < len(p.Versions); v++ {
		if !s.IsRemoved(v) {
			out.Versions = append(out.Versions, v)
		}
	}
	if len(out.Versions) == 0 {
		return nil
	}
	return out
}

// whereOf says a stage's conditions by headers.
func whereOf(p *experiment.Plan, where experiment.Where) []HeaderMatch {
	var out []HeaderMatch
	for _, groups := range where {
		s := p.Segment(groups.Segment)
		if s == nil || s.Header == "" || len(s.Bins) > 0 {
			out = append(out, HeaderMatch{}) // Met by nothing.
			continue
		}
		m := HeaderMatch{Header: strings.ToLower(s.Header), Values: groups.In}
		if len(groups.In) == 0 {
			m.Values, m.Not = groups.Not, true
		}
		// The group of all other values is all but those that are named.
		if slices.Contains(m.Values, experiment.Other) {
			m.Not = !m.Not
			m.Values = slices.DeleteFunc(slices.Clone(s.Values), func(v string) bool { return slices.Contains(m.Values, v) })
		}
		if m.Not && len(m.Values) == 0 {
			continue // Met by everything.
		}
		out = append(out, m)
	}
	return out
}

// Check reports the first thing that makes the traffic unfit for a router.
func (t *Traffic) Check() error {
	n := len(t.Versions)
	invalid := func(format string, args ...any) error {
		return experiment.Errorf(experiment.CodeInvalid, "traffic of "+t.Experiment+": "+format, args...)
	}
	switch err := t.Shares.Check(); {
	case err != nil:
		return invalid("%w", err)
	case len(t.Shares) != n:
		return invalid("%d shares for %d versions", len(t.Shares), n)
	case t.Default < 0 || t.Default >= n:
		return invalid("default version %d of %d", t.Default, n)
	}
	for _, o := range t.Overrides {
		if o.Header == "" || o.Value == "" || o.Version < 0 || o.Version >= n {
			return invalid("override by header %q to version %d: want a header, a value and one of %d versions", o.Header, o.Version, n)
		}
	}
	for _, m := range t.Where {
		if m.Header == "" || len(m.Values) == 0 {
			return experiment.Errorf(experiment.CodeInvalid, "traffic of %s: a condition of the stage cannot be told by a header's values", t.Experiment).
				WithHint("limit the stage by segments with header and values, or let Headgate's gateway carry the traffic")
		}
	}
	if m := t.Mirror; m != nil {
		if m.Share < 0 || m.Share > experiment.Whole || slices.ContainsFunc(m.Versions, func(v int) bool { return v < 0 || v >= n }) {
			return invalid("mirror of %s to versions %v of %d", m.Share.Percent(), m.Versions, n)
		}
	}
	return nil
}
