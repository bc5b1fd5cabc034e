// SPDX-License-Identifier: Apache-2.0

package prometheus

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// reading is one seal in the making.
type reading struct {
	*Source
	*Query
	clock clock
	seal  experiment.Seal
	// found are the series by selector; alive the times at which anything was
	// scraped.
	found map[string][]series
	alive seen
}

// read fills the seal.
func (r *reading) read(ctx context.Context) error {
	if err := r.fetch(ctx); err != nil {
		return err
	}
	for i := range r.Reads {
		read := &r.Reads[i]
		for v := range r.Asked {
			var err error
			switch q := &read.Query; {
			case len(q.Query) > 0:
				err = r.moments(ctx, read, v)
			case len(q.Sum) > 0:
				r.ratio(read, v)
			case len(q.Buckets) > 0:
				err = r.exceedance(ctx, read.Cell, v, q)
			default:
				r.share(read.Cell, v, q.Events[v], q.Total[v])
			}
			if err != nil {
				return fmt.Errorf("metric %s of %s: %w", read.Cell, r.name(v), err)
			}
		}
	}
	return nil
}

// selectors lists what has to be asked for.
func (r *reading) selectors() []string {
	var out []string
	for i := range r.Reads {
		q := &r.Reads[i].Query
		for _, list := range [][]string{q.Events, q.Total, q.Sum, q.Count} {
			for _, text := range list {
				out = append(out, alternatives(text)...)
			}
		}
		for _, text := range q.Buckets {
			out = append(out, bucketsOf(text, q.Limit))
		}
	}
	return out
}

// alternatives takes selectors apart that are joined by "or" outside of texts
// and braces.
func alternatives(text string) []string {
	var out []string
	depth, quote, begin := 0, byte(0), 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quote != 0:
			if c == '\\' && quote != '`' {
				i++
			} else if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'' || c == '`':
			quote = c
		case c == '{':
			depth++
		case c == '}':
			depth--
		case depth == 0 && strings.HasPrefix(text[i:], " or "):
			out = append(out, strings.TrimSpace(text[begin:i]))
			begin = i + len(" or ")
		}
	}
	return append(out, strings.TrimSpace(text[begin:]))
}

// fetch asks for all selectors at once, each one time, as of the same moment.
func (r *reading) fetch(ctx context.Context) error {
	n := len(r.clock.edges)
	begin := r.clock.edges[0] - 2*r.clock.hole
	end := r.clock.edges[n-1] + r.clock.hole
	upto, over := time.UnixMilli(end), time.Duration(end-begin)*time.Millisecond
	r.found = make(map[string][]series)
	for _, sel := range r.selectors() {
		r.found[sel] = nil
	}
	if err := r.all(ctx, func(sel string, _ []series) ([]series, error) { return r.raw(ctx, sel, upto, over) }); err != nil {
		return err
	}
	for _, list := range r.found {
		r.alive = append(r.alive, seenOf(list)...)
	}
	r.alive = seenOf([]series{{samples: samplesAt(r.alive)}})
	return r.all(ctx, func(sel string, list []series) ([]series, error) { return r.trace(ctx, sel, list, begin) })
}

func samplesAt(times seen) []sample {
	out := make([]sample, len(times))
	for i, at := range times {
		out[i].at = at
	}
	return out
}

// all asks for every selector at the same time and keeps what comes back. The
// source bounds how many are under way.
func (r *reading) all(ctx context.Context, ask func(string, []series) ([]series, error)) error {
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		first error
		found = make(map[string][]series, len(r.found))
	)
	for sel, list := range r.found {
		wg.Go(func() {
			got, err := ask(sel, list)
			mu.Lock()
			defer mu.Unlock()
			if err != nil && first == nil {
				first = err
			}
			found[sel] = got
		})
	}
	wg.Wait()
	r.found = found
	return first
}

// day is how far back the last sample of a series is looked for that comes out
// of nowhere.
const day = 24 * time.Hour

// trace finds out where counting begins for series that have no sample at the
// reading's beginning. Known inside the phase, it goes on from there; known
// before it, or to be new while others were scraped, it begins at its first
// sample or at 0.
func (r *reading) trace(ctx context.Context, sel string, list []series, begin int64) ([]series, error) {
	young := func(s *series) bool {
		return len(s.samples) > 0 && s.samples[0].at > begin+r.clock.hole && s.samples[0].value > 0 && s.samples[0].at > r.clock.phase
	}
	some := false
	for i := range list {
		some = some || young(&list[i])
	}
	if !some {
		return list, nil
	}
	inside, before := map[string]sample{}, map[string]sample{}
	if begin > r.clock.phase {
		if err := r.last(ctx, inside, sel, begin, time.Duration(begin-r.clock.phase)*time.Millisecond); err != nil {
			return nil, err
		}
	}
	if err := r.last(ctx, before, sel, min(begin, r.clock.phase), day); err != nil {
		return nil, err
	}
	for i := range list {
		s := &list[i]
		if !young(s) {
			continue
		}
		if old, ok := inside[s.key()]; ok && old.value <= s.samples[0].value {
			s.samples = append([]sample{old}, s.samples...)
			continue
		}
		// A value below the last one known is a new beginning.
		_, reset := inside[s.key()]
		if old, ok := before[s.key()]; !reset && ok && old.value <= s.samples[0].value {
			continue // The first sample is where counting begins.
		}
		// Whoever had just begun to scrape would see old series for the first
		// time too, so others must have been scraped a while before.
		first := s.samples[0]
		if r.alive.within(first.at-2*r.clock.hole, first.at-r.clock.scrape*3/2) {
			s.samples = append([]sample{{at: first.at - r.clock.scrape}}, s.samples...)
		}
	}
	return list, nil
}

// last notes the newest sample of every series of a selector in the time up to
// at.
func (r *reading) last(ctx context.Context, into map[string]sample, sel string, at int64, over time.Duration) error {
	list, err := r.before(ctx, sel, time.UnixMilli(at), over)
	if err != nil {
		return err
	}
	for i := range list {
		if s := &list[i]; len(s.samples) > 0 {
			into[s.key()] = s.samples[0]
		}
	}
	return nil
}
