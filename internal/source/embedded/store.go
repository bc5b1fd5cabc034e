// SPDX-License-Identifier: Apache-2.0

package embedded

import (
	"context"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/util/annotations"
)

// keep is how long samples are kept.
const keep = 2 * time.Hour

// sample is one value at a time in milliseconds.
type sample struct {
	at int64
	v  float64
}

// The methods of chunks.Sample.
func (s sample) T() int64                      { return s.at }
func (s sample) ST() int64                     { return 0 }
func (s sample) F() float64                    { return s.v }
func (s sample) H() *histogram.Histogram       { return nil }
func (s sample) FH() *histogram.FloatHistogram { return nil }
func (s sample) Type() chunkenc.ValueType      { return chunkenc.ValFloat }
func (s sample) Copy() chunks.Sample           { return s }

// series are the samples of one set of labels, in the order of time.
type series struct {
	labels  labels.Labels
	samples []sample
}

// store keeps series, and is what PromQL is asked of.
type store struct {
	mostSeries, mostSamples int

	mu      sync.RWMutex
	series  map[string]*series
	samples int
}

func newStore(mostSeries, mostSamples int) *store {
	return &store{mostSeries: mostSeries, mostSamples: mostSamples, series: make(map[string]*series)}
}

// add appends the samples of one scrape; false where one found no place.
func (s *store) add(at int64, found []scraped) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := true
	for _, f := range found {
		key := string(f.labels.Bytes(nil))
		x := s.series[key]
		if x == nil && len(s.series) >= s.mostSeries || s.samples >= s.mostSamples {
			all = false
			continue
		}
		if x == nil {
			x = &series{labels: f.labels}
			s.series[key] = x
		}
		if n := len(x.samples); n > 0 && x.samples[n-1].at >= at {
			continue // A series that a target tells twice keeps its first value.
		}
		x.samples = append(x.samples, sample{at, f.value})
		s.samples++
	}
	return all
}

// end marks the series of a target that were there before and are not now.
func (s *store) end(at int64, before, now map[string]labels.Labels) {
	var gone []scraped
	for key, l := range before {
		if _, still := now[key]; !still {
			gone = append(gone, scraped{l, math.Float64frombits(value.StaleNaN)})
		}
	}
	s.add(at, gone)
}

// forget drops what is older than two hours.
func (s *store) forget(now time.Time) {
	oldest := now.Add(-keep).UnixMilli()
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, x := range s.series {
		i, _ := slices.BinarySearchFunc(x.samples, oldest, func(p sample, t int64) int { return int(p.at - t) })
		s.samples -= i
		if i == len(x.samples) {
			delete(s.series, key)
		} else if i > 0 {
			x.samples = append([]sample(nil), x.samples[i:]...)
		}
	}
}

// Querier is that of storage.Queryable.
func (s *store) Querier(from, to int64) (storage.Querier, error) {
	return &querier{s, from, to}, nil
}

type querier struct {
	store    *store
	from, to int64
}

// Select gives the series that match, in the order of their labels.
func (q *querier) Select(_ context.Context, _ bool, _ *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	q.store.mu.RLock()
	defer q.store.mu.RUnlock()
	set := &set{at: -1}
	for _, x := range q.store.series {
		if !matches(x.labels, matchers) {
			continue
		}
		var some []chunks.Sample
		for _, p := range x.samples {
			if p.at >= q.from && p.at <= q.to {
				some = append(some, p)
			}
		}
		if len(some) > 0 {
			set.series = append(set.series, storage.NewListSeries(x.labels, some))
		}
	}
	slices.SortFunc(set.series, func(a, b storage.Series) int { return labels.Compare(a.Labels(), b.Labels()) })
	return set
}

func matches(l labels.Labels, matchers []*labels.Matcher) bool {
	for _, m := range matchers {
		if !m.Matches(l.Get(m.Name)) {
			return false
		}
	}
	return true
}

// LabelValues and LabelNames are asked by nothing that this package answers.
func (*querier) LabelValues(context.Context, string, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, nil
}

func (*querier) LabelNames(context.Context, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, nil
}

// Close has nothing to close.
func (*querier) Close() error { return nil }

// set is a list of series that is read once.
type set struct {
	series []storage.Series
	at     int
}

func (s *set) Next() bool                        { s.at++; return s.at < len(s.series) }
func (s *set) At() storage.Series                { return s.series[s.at] }
func (s *set) Err() error                        { return nil }
func (s *set) Warnings() annotations.Annotations { return nil }
