// SPDX-License-Identifier: Apache-2.0

package remote

import (
	"strings"
	"time"

	"github.com/headgate-dev/headgate/internal/engine"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// Span is the part of a phase whose windows are wanted.
type Span struct {
	Source       experiment.Source
	Epoch, Phase int
	// Start is when the phase began, End when it ended; zero while it lasts.
	Start, End time.Time
	// Window is the length of a window, From the first one wanted.
	Window time.Duration
	From   int64
	// Names are the versions' names. Asked says of each whether it should have
	// traffic: if it should and nothing is told of it, that is a gap and not a
	// zero. Mirrored says of each whether it gets copies of requests instead.
	Names           []string
	Asked, Mirrored []bool
}

// SpanOf is what is wanted of a plan. A phase ends when the next one begins.
func SpanOf(p *experiment.Plan, w engine.Wanted) Span {
	return Of(p, w.Totals, w.Index, w.Source)
}

// Of is the same by the phase's place in the totals: the windows that are not
// folded yet.
func Of(p *experiment.Plan, totals *experiment.Totals, phase int, source experiment.Source) Span {
	t := &totals.Phases[phase]
	s := Span{
		Source: source, Epoch: t.Epoch, Phase: t.Phase, Start: t.Start, Window: p.Window, From: *t.Folded.Of(source),
		Asked: make([]bool, len(p.Versions)), Mirrored: make([]bool, len(p.Versions)),
	}
	if phase+1 < len(totals.Phases) {
		s.End = totals.Phases[phase+1].Start
	}
	for i := range p.Versions {
		s.Names = append(s.Names, p.Versions[i].Name)
	}
	s.ask(t.Shares)
	for _, g := range t.Groups {
		s.ask(g.Shares)
	}
	mirror := t.Stage >= 0 && t.Stage < len(p.Stages) && p.Stages[t.Stage].Mirror != nil
	for v := 1; v < len(s.Mirrored); v++ {
		s.Mirrored[v] = mirror && !s.Asked[v]
	}
	return s
}

func (s *Span) ask(shares experiment.Shares) {
	for v := range min(len(shares), len(s.Asked)) {
		s.Asked[v] = s.Asked[v] || shares[v] > 0
	}
}

// Nothing is the seal of no window.
func (s *Span) Nothing() experiment.Seal {
	return experiment.Seal{Source: s.Source, Epoch: s.Epoch, Phase: s.Phase, From: s.From, To: s.From}
}

// Matured is how many windows of the phase can be read at now, each hold after
// its end. The last window of a phase that ended is shorter, and can be read hold
// after the phase.
func (s *Span) Matured(now time.Time, hold time.Duration) int64 {
	if !s.End.IsZero() && !now.Before(s.End.Add(hold)) {
		return int64((s.End.Sub(s.Start) + s.Window - 1) / s.Window)
	}
	return experiment.SealedWindows(s.Start, now, s.Window, hold)
}

// Edges are the ends of a window.
func (s *Span) Edges(window int64) (from, to time.Time) {
	from, to = s.Start.Add(time.Duration(window)*s.Window), s.Start.Add(time.Duration(window+1)*s.Window)
	if !s.End.IsZero() && to.After(s.End) {
		to = s.End
	}
	return from, to
}

// Cell is a version's cell of a window.
func (s *Span) Cell(window int64, version int, metric string, e experiment.Evidence) experiment.Cell {
	key := experiment.CellKey{Epoch: s.Epoch, Phase: s.Phase, Window: window, Version: version, Metric: metric}
	return experiment.Cell{CellKey: key, Evidence: e}
}

// Gap says that a window is not whole.
func Gap(window int64, why string) experiment.Gap {
	if len(why) > experiment.MaxWhy {
		why = strings.ToValidUTF8(why[:experiment.MaxWhy], "")
	}
	return experiment.Gap{From: window, To: window + 1, Why: why}
}
