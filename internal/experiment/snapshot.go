// SPDX-License-Identifier: Apache-2.0

package experiment

import (
	"fmt"
	"net/url"
	"slices"
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
	// Rules is how the versions are treated.
	Rules GatewayRules `json:"rules,omitzero"`
	Epoch int          `json:"epoch"`
	Phase int          `json:"phase"`
	// PhaseStart and Window give a request its evidence window.
	PhaseStart time.Time     `json:"phaseStart"`
	Window     time.Duration `json:"window"`
	// Lag is how long after its end a window takes late answers.
	Lag   time.Duration `json:"lag"`
	Slots Slots         `json:"slots"`
	// Default is the version of requests that are not assigned: the baseline,
	// and after a promotion the winner.
	Default int `json:"default,omitempty"`
	// Segments are what requests are told apart by; cells are kept for each of
	// their groups.
	Segments []Segment `json:"segments,omitempty"`
	// Where limits the experiment to some requests: the others get the
	// baseline and are not counted.
	Where Where `json:"where,omitempty"`
	// Tables are the tables of one segment's groups, in the segment's order,
	// used instead of Slots.
	Tables []GroupTable `json:"tables,omitempty"`
	// Mirror asks for copies of requests; nil is none.
	Mirror *MirrorRoute `json:"mirror,omitempty"`
	// Measures are the latency limits counted exactly, beside the requests'
	// own cells.
	Measures []Measure `json:"measures,omitempty"`
	// Answers are the numbers that are read from answers.
	Answers []Answer `json:"answers,omitempty"`
	// Predictions are read from answers; nil reads none.
	Predictions *PredictionsRoute `json:"predictions,omitempty"`
	// Redact takes fields out of requests and answers before anything is made of
	// them.
	Redact []Redaction `json:"redact,omitempty"`
}

// MirrorRoute asks for copies of a share of the requests that match, one to
// each of Versions, and for their comparison by Pairs.
type MirrorRoute struct {
	Share    Share `json:"share"`
	Versions []int `json:"versions"`
	// ByEvents says that others send the copies.
	ByEvents    bool    `json:"byEvents,omitempty"`
	Rate        float64 `json:"rate,omitempty"`
	Concurrency int     `json:"concurrency,omitempty"`
	// Timeout is how long a copy may take.
	Timeout time.Duration `json:"timeout"`
	Pairs   []Metric      `json:"pairs,omitempty"`
}

// Measure asks for a cell that counts requests slower than Limit.
type Measure struct {
	Metric string        `json:"metric"`
	Limit  time.Duration `json:"limit"`
}

// Answer asks for a cell of numbers that stand in answers: Units, a pair of the
// sum and the count for each answer that was read, and Counts of the answers
// looked at (N) and of those among them that nothing could be read from (X).
type Answer struct {
	Metric string `json:"metric"`
	// Sum is a jq expression on the body that gives one number, or Header is a
	// header that holds it; exactly one is set. Count goes with Sum; without it
	// each answer counts once.
	Sum    string `json:"sum,omitempty"`
	Count  string `json:"count,omitempty"`
	Header string `json:"header,omitempty"`
	// Sample is the share of answers that is looked at, more than 0.
	Sample Share `json:"sample"`
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
			return fmt.Errorf("version %s: backend is not an http URL", v.Name) // It may hold a password.
		}
	}
	if r.Default < 0 || r.Default >= len(r.Versions) {
		return fmt.Errorf("default version %d of %d", r.Default, len(r.Versions))
	}
	if r.Window <= 0 {
		return fmt.Errorf("window is %s: want more than 0", r.Window)
	}
	if err := r.checkSegments(); err != nil {
		return err
	}
	for _, a := range r.Answers {
		if (a.Sum == "") == (a.Header == "") || a.Count != "" && a.Sum == "" || a.Sample <= 0 || a.Sample > Whole {
			return fmt.Errorf("answers of metric %q: want either a sum, perhaps with a count, or a header, and a sample of more than 0", a.Metric)
		}
	}
	return r.Slots.Check(len(r.Versions))
}

// checkSegments checks what tells requests apart and what refers to it.
func (r *Route) checkSegments() error {
	find := func(name string) *Segment {
		for i := range r.Segments {
			if r.Segments[i].Name == name {
				return &r.Segments[i]
			}
		}
		return nil
	}
	for i := range r.Segments {
		if s := &r.Segments[i]; (len(s.Values) == 0) == (len(s.Bins) == 0) {
			return fmt.Errorf("segment %q: want either values or bins", s.Name)
		}
	}
	for _, g := range r.Where {
		if find(g.Segment) == nil {
			return fmt.Errorf("where names segment %q, which is not there", g.Segment)
		}
	}
	if len(r.Tables) == 0 {
		return nil
	}
	segment := find(SegmentOf(r.Tables[0].Slice))
	if segment == nil || len(segment.Slices()) != len(r.Tables) {
		return fmt.Errorf("%d tables by group: want one for each group of a segment", len(r.Tables))
	}
	for i, slice := range segment.Slices() {
		if r.Tables[i].Slice != slice {
			return fmt.Errorf("table %d is of %q: want %q", i, r.Tables[i].Slice, slice)
		}
		if err := r.Tables[i].Slots.Check(len(r.Versions)); err != nil {
			return fmt.Errorf("table of %s: %w", slice, err)
		}
	}
	return nil
}

// RouteOf is the route that a state asks for.
func RouteOf(p *Plan, s *State) Route {
	r := Route{
		Experiment: p.ID(),
		Assignment: p.Assignment,
		Versions:   p.Versions,
		Rules:      p.Gateway,
		Epoch:      s.Epoch,
		Phase:      s.Phase,
		PhaseStart: s.PhaseStart,
		Window:     p.Window,
		Lag:        p.Lag,
		Slots:      s.Slots,
		Segments:   p.Segments,
		Tables:     s.Tables,
		Default:    s.Default(),
	}
	if s.Condition == Running || s.Condition == Paused {
		stage := &p.Stages[s.Stage]
		r.Where = stage.Where
		r.Mirror = mirrorOf(p, s, stage.Mirror)
	}
	r.Predictions, r.Redact = predictionsOf(p), p.Redact
	if slices.ContainsFunc(p.Versions, func(v Version) bool { return v.Cost.PerToken > 0 }) {
		r.Answers = append(r.Answers, Answer{Metric: CellTokens, Sum: tokens, Sample: Whole})
	}
	for _, m := range p.Metrics {
		if m.Builtin != nil && m.Builtin.Kind == Latency {
			r.Measures = append(r.Measures, Measure{Metric: m.Name, Limit: m.Builtin.Limit})
		}
		if a, ok := m.answer(); ok {
			r.Answers = append(r.Answers, a)
		}
	}
	return r
}

// tokens finds what an answer of OpenAI's protocol used.
const tokens = `.usage.total_tokens // 0`

// Killed is the route when a person takes all traffic back: the baseline has
// every request, that of testers included, in a phase of its own (D8).
func (r Route) Killed(now time.Time) Route {
	r.Slots = SlotsOf(Baseline(len(r.Versions)))
	r.Tables, r.Where, r.Mirror, r.Default = nil, nil, nil, 0
	r.Assignment.Overrides = nil
	r.Phase++
	r.PhaseStart = now
	return r
}

// mirrorOf is the mirror that a stage asks for; nil outside mirrors.
func mirrorOf(p *Plan, s *State, m *Mirror) *MirrorRoute {
	if m == nil || s.Starting() {
		return nil
	}
	out := &MirrorRoute{Share: m.Share, Rate: m.Rate, Concurrency: m.Concurrency, Timeout: m.CopyTimeout(), ByEvents: m.ByEvents}
	for v := 1; v < len(p.Versions); v++ {
		if !s.IsRemoved(v) {
			out.Versions = append(out.Versions, v)
		}
	}
	for i := range p.Metrics {
		if p.Metrics[i].Pairs != nil {
			out.Pairs = append(out.Pairs, p.Metrics[i])
		}
	}
	return out
}
