// SPDX-License-Identifier: Apache-2.0

package prometheus

import (
	"context"
	"errors"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/router/pack"
	"github.com/headgate-dev/headgate/internal/source/remote"
)

// Query is what is read of a phase.
type Query struct {
	Source       experiment.Source
	Epoch, Phase int
	// Start is when the phase began, End when it ended; zero while it lasts.
	Start, End time.Time
	// Window is the length of a window, From the first one wanted.
	Window time.Duration
	From   int64
	// Names are the versions' names, for people.
	Names []string
	// Asked says of each version whether it should have traffic: if it should
	// and no series of it is there, that is a gap and not a zero.
	Asked []bool
	// Mirrored says of each version whether it gets copies of requests instead.
	Mirrored []bool
	Reads    []pack.Read
}

// QueryOf is what is to be read next of a phase of a plan, by its place in the
// totals. A phase ends when the next one begins.
func QueryOf(p *experiment.Plan, totals *experiment.Totals, phase int, source experiment.Source, reads []pack.Read) Query {
	s := remote.Of(p, totals, phase, source)
	return Query{
		Source: s.Source, Epoch: s.Epoch, Phase: s.Phase, Start: s.Start, End: s.End, Window: s.Window, From: s.From,
		Names: s.Names, Asked: s.Asked, Mirrored: s.Mirrored, Reads: reads,
	}
}

// MetricReads lists what the plan's metrics of a provider are read by.
func MetricReads(p *experiment.Plan, provider string) []pack.Read {
	var reads []pack.Read
	for i := range p.Metrics {
		if m := p.Metrics[i].Provider; m != nil && m.Provider == provider && m.Prometheus != nil {
			reads = append(reads, pack.Read{Cell: p.Metrics[i].Name, Query: *m.Prometheus})
		}
	}
	return reads
}

// Seal reads the windows of a phase that have matured at now, from Query.From
// on and at most Options.Windows of them. The seal is empty (From = To) where
// none has. An error means that nothing was read, and that the same windows are
// to be asked for again: its code is unavailable where the server did not
// answer, untrustworthy where it answered in part, unauthorized, or invalid
// where a person must mend the query.
func (s *Source) Seal(ctx context.Context, q Query, now time.Time) (experiment.Seal, error) {
	seal := experiment.Seal{Source: q.Source, Epoch: q.Epoch, Phase: q.Phase, From: q.From, To: q.From}
	if err := s.check(&q); err != nil {
		return seal, err
	}
	to := min(s.matured(&q, now), q.From+s.options.Windows)
	if to <= q.From {
		return seal, nil
	}
	if err := s.breaker.Allow(time.Now()); err != nil {
		return seal, err
	}
	for {
		seal.To = to
		r := reading{Source: s, Query: &q, seal: seal, clock: s.clock(&q, to)}
		err := r.read(ctx)
		if err == nil {
			s.breaker.Conclude(ctx, nil, time.Now())
			r.seal.Gaps = experiment.MergeGaps(r.seal.Gaps, q.From, to)
			return r.seal, nil
		}
		if errors.Is(err, remote.ErrTooLarge) && to-q.From > 1 {
			to = q.From + (to-q.From)/2
			continue
		}
		s.breaker.Conclude(ctx, err, time.Now())
		return experiment.Seal{Source: q.Source, Epoch: q.Epoch, Phase: q.Phase, From: q.From, To: q.From}, err
	}
}

func (s *Source) check(q *Query) error {
	scrape := s.options.Provider.Scrape
	if q.Window < 2*scrape {
		return invalid("windows of %v cannot be read from provider %s: its series have a sample every %v", q.Window, s.server.Where(), scrape).
			WithHint("make windows at least twice that long, better four times")
	}
	for _, r := range q.Reads {
		if err := s.checkRead(&r, len(q.Asked)); err != nil {
			return err
		}
	}
	return nil
}

// checkRead refuses queries that do not have exactly one form, for each version.
func (s *Source) checkRead(r *pack.Read, versions int) error {
	forms := 0
	for _, form := range [][]string{r.Query.Events, r.Query.Sum, r.Query.Buckets, r.Query.Query} {
		if len(form) > 0 {
			forms++
		}
	}
	if forms != 1 || len(r.Query.Events) != len(r.Query.Total) || len(r.Query.Sum) != len(r.Query.Count) {
		return invalid("metric %s: exactly one of events and total, sum and count, buckets, or query is asked for", r.Cell)
	}
	for _, list := range [][]string{r.Query.Events, r.Query.Total, r.Query.Sum, r.Query.Count, r.Query.Buckets, r.Query.Query} {
		if len(list) > 0 && len(list) != versions {
			return invalid("metric %s: %d selectors for %d versions", r.Cell, len(list), versions)
		}
	}
	return nil
}

// matured is how many windows of the phase can be read at now. The last window
// of a phase that ended is shorter, and can be read Hold after the phase.
func (s *Source) matured(q *Query, now time.Time) int64 {
	span := remote.Span{Start: q.Start, End: q.End, Window: q.Window}
	return span.Matured(now, s.Hold())
}

// clock cuts the time of the windows up to but excluding to.
func (s *Source) clock(q *Query, to int64) clock {
	scrape := s.options.Provider.Scrape
	c := clock{scrape: scrape.Milliseconds(), hole: s.hole().Milliseconds(), phase: q.Start.Add(scrape).UnixMilli()}
	for w := q.From; w <= to; w++ {
		edge := max(c.phase, q.Start.Add(time.Duration(w)*q.Window).UnixMilli())
		if !q.End.IsZero() {
			edge = min(edge, max(c.phase, q.End.Add(-scrape).UnixMilli()))
		}
		c.edges = append(c.edges, edge)
	}
	return c
}
