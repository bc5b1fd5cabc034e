// SPDX-License-Identifier: Apache-2.0

package design

import (
	"math"
	"slices"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Volume is what passes through a stage.
type Volume struct {
	// Requests are all that arrive, Units those seen for the first time.
	Requests int64 `json:"requests"`
	Units    int64 `json:"units"`
	// Exposed is how many units meet a candidate.
	Exposed int64 `json:"exposed"`
	// Copies are requests that a mirror sends a second time; a pair each.
	Copies int64 `json:"copies,omitempty"`
	// Cost is nil where no version declares a cost.
	Cost *Cost `json:"cost,omitempty"`
}

// Cost is money in the plan's currency.
type Cost struct {
	Total float64 `json:"total"`
	// Copies is the part of it that a mirror's copies make, Idle that of
	// versions which are up and serve nobody.
	Copies float64 `json:"copies,omitempty"`
	Idle   float64 `json:"idle,omitempty"`
	// Extra is what the baseline alone would not have cost.
	Extra float64 `json:"extra"`
}

// plus adds costs; nil is none.
func (c *Cost) plus(o *Cost) *Cost {
	if c == nil || o == nil {
		if c == nil {
			return o
		}
		return c
	}
	return &Cost{Total: c.Total + o.Total, Copies: c.Copies + o.Copies, Idle: c.Idle + o.Idle, Extra: c.Extra + o.Extra}
}

// fill says what passes through a stage, and in which posture.
func (w *world) fill(st *Stage) {
	s := w.stageOf(st)
	w.posture(st, s)
	if w.requests == 0 {
		return
	}
	st.Late = w.late(st, s)
	if st.takes.Expected != Unknown {
		st.Expected = w.volume(s, st.flow)
	}
	if st.takes.AtMost != Unknown && len(st.flow) > 0 {
		// At the most the stage stays where candidates have most.
		last := st.flow[len(st.flow)-1]
		last.takes = st.takes.AtMost
		st.AtMost = w.volume(s, []flow{last})
	}
}

// late says whether a stage's horizon comes before what it waits for, at the
// traffic that is assumed.
func (w *world) late(st *Stage, s *experiment.Stage) bool {
	var u experiment.Until
	switch st.Kind {
	case experiment.KindRamp:
		needed := Span{}
		for _, step := range st.Steps {
			needed = needed.plus(Span{Expected: step.Takes.Expected})
		}
		return needed.Expected == Unknown || needed.Expected > st.takes.AtMost
	case experiment.KindMirror:
		u = s.Mirror.Until
		return w.copies(s)*u.AtMost.Seconds() < float64(u.Pairs)
	case experiment.KindSplit:
		u = s.Split.Until
	case experiment.KindBandit:
		u = s.Bandit.Until
	}
	return w.rewarded()*w.matching(stageWhere(s))*max(0, u.AtMost-w.maturity()).Seconds() < float64(u.Units)
}

// stageWhere is whom a stage is for; the time after the promotion is for all.
func stageWhere(s *experiment.Stage) experiment.Where {
	if s == nil {
		return nil
	}
	return s.Where
}

// stageOf is the plan's stage behind one of the timetable; nil for the time
// after the promotion.
func (w *world) stageOf(st *Stage) *experiment.Stage {
	i := slices.IndexFunc(w.plan.Stages, func(s experiment.Stage) bool { return s.Name == st.Name })
	if i < 0 || st.Kind == experiment.KindWarm {
		return nil
	}
	return &w.plan.Stages[i]
}

// posture says how often a request is answered.
func (w *world) posture(st *Stage, s *experiment.Stage) {
	st.Factor = 1
	switch st.Kind {
	case experiment.KindMirror:
		candidates := float64(len(w.plan.Versions) - 1)
		share := s.Mirror.Share.Fraction() * w.matching(s.Where)
		if w.requests > 0 {
			share = w.copies(s) / w.requests
		}
		st.Factor = 1 + share*candidates
		st.Posture = "comparison, both answer " + percent(share)
		if candidates > 1 {
			st.Posture = "comparison, all answer " + percent(share)
		}
	case experiment.KindSwitch:
		st.Posture = "one answers, the other stays up"
	case experiment.KindWarm:
		st.Posture = "one answers, the old one stays up"
	case experiment.KindObserve:
		st.Posture = "nothing is shifted"
	default:
		st.Posture = "one version answers each"
	}
}

// volume counts what passes in stretches of constant shares.
func (w *world) volume(s *experiment.Stage, flows []flow) *Volume {
	var v Volume
	var cost *Cost
	matching := w.matching(stageWhere(s))
	requests, units, exposed, copies := 0.0, 0.0, 0.0, 0.0
	for _, f := range flows {
		t := f.takes.Seconds()
		candidates := 1 - f.shares[0].Fraction()
		requests += w.requests * t
		units += w.units * t
		exposed += w.units * t * matching * candidates
		copied := 0.0
		if s != nil && s.Mirror != nil {
			copied = w.copies(s) * t
		}
		copies += copied * float64(len(w.plan.Versions)-1)
		cost = cost.plus(w.cost(s, f, matching, copied))
	}
	v.Requests, v.Units, v.Exposed, v.Copies = whole(requests), whole(units), whole(exposed), whole(copies)
	v.Cost = cost
	return &v
}

func whole(f float64) int64 { return int64(math.Round(min(f, 1e18))) }

// cost is what a stretch costs; nil where no version declares any. copied is
// the requests that are copied to each candidate.
func (w *world) cost(s *experiment.Stage, f flow, matching, copied float64) *Cost {
	if !slices.ContainsFunc(w.plan.Versions, func(v experiment.Version) bool { return v.Cost != experiment.Cost{} }) {
		return nil
	}
	requests, hours := w.requests*f.takes.Seconds(), f.takes.Hours()
	var c Cost
	byRequest := 0.0
	for v, version := range w.plan.Versions {
		share := f.shares[v].Fraction() * matching
		if v == 0 {
			share += 1 - matching // Whoever does not match gets the baseline.
		} else {
			c.Copies += copied * w.each(version.Cost)
			byRequest += copied * version.Cost.PerRequest
		}
		c.Total += requests*share*w.each(version.Cost) + hours*version.Cost.PerHour
		if share == 0 && (v == 0 || copied == 0) {
			c.Idle += hours * version.Cost.PerHour
		}
	}
	// The bound is of what is counted: tokens of copies are not.
	if s != nil && s.Mirror != nil && s.Mirror.Cost > 0 && byRequest > s.Mirror.Cost {
		c.Copies *= s.Mirror.Cost / byRequest
	}
	c.Total += c.Copies
	base := w.plan.Versions[0].Cost
	c.Extra = c.Total - requests*w.each(base) - hours*base.PerHour
	return &c
}

// each is what a request costs, with the tokens that it is taken to use.
func (w *world) each(c experiment.Cost) float64 {
	if c.PerToken > 0 && w.a.Tokens == 0 {
		w.note("what tokens cost is left out: how many a request takes was not stated")
	}
	return c.PerRequest + c.PerToken*w.a.Tokens
}

// Total is a sum over stages.
type Total struct {
	// Takes is the time until the last stage is over, the time of keeping warm
	// included.
	Takes Span `json:"takes"`
	// Exposed is how many units meet a candidate before one is promoted, and
	// Cost what everything costs; nil where a part of it is unknown.
	Exposed *int64 `json:"exposed,omitempty"`
	Cost    *Cost  `json:"cost,omitempty"`
}

// total adds the stages up.
func total(stages []Stage) Total {
	var out Total
	exposed, known := int64(0), true
	for i := range stages {
		st := &stages[i]
		out.Takes = st.End
		if st.Expected == nil {
			known = false
			continue
		}
		if st.Kind != experiment.KindWarm {
			exposed += st.Expected.Exposed
		}
		out.Cost = out.Cost.plus(st.Expected.Cost)
	}
	if !known {
		return Total{Takes: out.Takes}
	}
	out.Exposed = &exposed
	return out
}

// judgedRequests is how many requests a candidate has answered by the end of
// the stages, with the smallest share, or the one version that is observed; 0
// where it is unknown.
func (w *world) judgedRequests(stages []Stage) float64 {
	n := 0.0
	for i := range stages {
		st := &stages[i]
		s := w.stageOf(st)
		if s == nil {
			continue
		}
		for _, f := range st.flow {
			share := f.shares[0]
			if len(f.shares) > 1 {
				share = smallest(f.shares)
			}
			if f.takes == Unknown {
				return 0
			}
			n += w.requests * w.matching(s.Where) * share.Fraction() * f.takes.Seconds()
		}
	}
	return n
}

// phaseOf is the number, from 0, of the phase that a stage's last shares are
// in: each change of shares begins one, and the first has everything on the
// baseline.
func phaseOf(stages []Stage, name string) int {
	phase, shares := 0, experiment.Shares(nil)
	for i := range stages {
		for _, f := range stages[i].flow {
			if shares == nil {
				shares = experiment.Baseline(len(f.shares))
			}
			if !slices.Equal(f.shares, shares) {
				phase, shares = phase+1, f.shares
			}
		}
		if stages[i].Name == name {
			break
		}
	}
	return phase
}
