// SPDX-License-Identifier: Apache-2.0

package load

import (
	"slices"
	"sync"
	"time"

	"github.com/headgate-dev/headgate/stats"
)

const (
	// lateAfter is how much later than intended a request may leave without
	// being counted as behind: timers and schedulers are good to a millisecond.
	lateAfter = 10 * time.Millisecond
	// maxVersions bounds the names that are told apart; a server that answers
	// a new one each time fills no memory.
	maxVersions = 64
	movedBit    = 0x80
)

// bounds are the edges of the latency buckets in seconds, six to a decade from
// 0.1 ms to 70 s.
func bounds() []float64 {
	var edges []float64
	for decade := 1; decade <= 100_000; decade *= 10 {
		for _, m := range []int{10, 15, 20, 30, 50, 70} {
			// A quotient of whole numbers is the nearest to what is written.
			edges = append(edges, float64(m*decade)/100_000)
		}
	}
	return edges
}

// tally counts what happens. It is safe for concurrent use.
type tally struct {
	mu       sync.Mutex
	counts   Report // the plain numbers; report fills in the rest
	statuses map[int]int64
	failures []*Failure
	intended latency
	actual   latency
	edges    []float64
	buckets  []int64
	versions []*versionTally
	// unitOf holds, for each unit, 1 + the place of the first version that
	// answered it, and movedBit once another did.
	unitOf []uint8
}

// latency is a sketch with its greatest value.
type latency struct {
	sketch stats.Sketch
	max    float64
}

func (l *latency) add(d time.Duration) {
	l.sketch.Add(d.Seconds())
	l.max = max(l.max, d.Seconds())
}

func (l *latency) quantiles() *Quantiles {
	q := Quantiles{Max: l.max}
	for _, x := range []struct {
		at float64
		to *float64
	}{{0.5, &q.P50}, {0.95, &q.P95}, {0.99, &q.P99}} {
		v, err := l.sketch.Quantile(x.at)
		if err != nil {
			return nil // Nothing was added yet.
		}
		// The sketch is good to 1 %, the greatest value is exact.
		*x.to = min(v, l.max)
	}
	return &q
}

type versionTally struct {
	label
	answers, errors, units int64
	latency                latency
}

func newTally(o *Options) *tally {
	edges := bounds()
	t := &tally{statuses: make(map[int]int64), edges: edges, buckets: make([]int64, len(edges)+1), unitOf: make([]uint8, o.Units)}
	t.counts = Report{URL: shown(o.target), Method: o.Method, Planned: o.N, Duration: o.Duration.Seconds(), Asked: o.Rate}
	if o.Outcome != nil {
		t.counts.Outcomes = &Outcomes{}
	}
	return t
}

// do changes the plain numbers.
func (t *tally) do(change func(*Report)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	change(&t.counts)
}

func (t *tally) left(lag time.Duration) {
	t.do(func(r *Report) {
		r.Sent++
		if lag > lateAfter {
			r.Behind++
		}
		r.Machine.MaxLag = max(r.Machine.MaxLag, lag.Seconds())
	})
}

func (t *tally) failed(kind, example string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts.Failed++
	i := slices.IndexFunc(t.failures, func(f *Failure) bool { return f.Kind == kind })
	if i < 0 {
		i = len(t.failures)
		t.failures = append(t.failures, &Failure{Kind: kind, Example: example})
	}
	t.failures[i].Count++
}

// answer is one answer as it is counted.
type answer struct {
	status           int
	version          label
	intended, actual time.Duration
	unit             int // -1 for none
	oversize         bool
}

func (t *tally) answered(a answer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts.Answered++
	if a.oversize {
		t.counts.Oversize++
	}
	t.statuses[a.status]++
	t.intended.add(a.intended)
	t.actual.add(a.actual)
	t.buckets[t.bucketOf(a.intended.Seconds())]++
	place := t.place(a.version)
	v := t.versions[place]
	v.answers++
	v.latency.add(a.intended)
	if a.status >= 400 {
		v.errors++
		t.counts.Errors++
	}
	if a.unit >= 0 {
		t.met(a.unit, place)
	}
}

// met notes that a version answered a unit.
func (t *tally) met(unit, place int) {
	switch before := t.unitOf[unit]; {
	case before == 0:
		t.unitOf[unit] = uint8(place + 1)
		t.versions[place].units++
		t.counts.UnitsSeen++
	case before&movedBit == 0 && before != uint8(place+1):
		t.unitOf[unit] |= movedBit
		t.counts.UnitsMoved++
	}
}

// place finds a version among those seen, or adds it.
func (t *tally) place(l label) int {
	find := func() int {
		return slices.IndexFunc(t.versions, func(v *versionTally) bool { return v.label == l })
	}
	i := find()
	if i < 0 && len(t.versions) >= maxVersions {
		l = label{from: "other"}
		i = find()
	}
	if i < 0 {
		i = len(t.versions)
		t.versions = append(t.versions, &versionTally{label: l})
	}
	return i
}

// bucketOf is the place of a latency among the buckets: that of edges[i-1],
// included, to edges[i].
func (t *tally) bucketOf(s float64) int {
	i, found := slices.BinarySearch(t.edges, s)
	if found {
		i++
	}
	return i
}

// histogram is the buckets from the first in use to the last.
func (t *tally) histogram() []Bucket {
	used := []Bucket{}
	last := 0
	for i, n := range t.buckets {
		if n == 0 && len(used) == 0 {
			continue
		}
		b := Bucket{Count: n}
		if i > 0 {
			b.Low = t.edges[i-1]
		}
		if i < len(t.edges) {
			b.High = t.edges[i]
		}
		used = append(used, b)
		if n > 0 {
			last = len(used)
		}
	}
	return used[:last]
}
