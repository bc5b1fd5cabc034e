// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/headgate-dev/headgate/internal/compare"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/prediction"
)

// What mirrors bound where their route says nothing, and at most.
const (
	// defaultCopies and mostCopies are how many copies are under way at a time.
	defaultCopies = 32
	mostCopies    = 64
	// fewAtOnce is how many copies may go out at once, and partAtOnce which part
	// of a second's where that is more: users would feel a whole second's.
	fewAtOnce  = 20
	partAtOnce = 0.1
)

// mirror copies requests of one route to candidates, until another is served.
type mirror struct {
	shadows *shadows
	// from is what it was made of.
	from    *experiment.Route
	share   experiment.Share
	timeout time.Duration
	rate    bucket
	shown   []*shadow
	// redactor takes out what must not be kept, in a mirror that redacts.
	redacts  bool
	redactor *prediction.Redactor
	compare  *compare.Metrics

	// life ends when another route is served, and with it every copy.
	life context.Context
	end  context.CancelFunc
}

// shadow is a candidate that gets copies.
type shadow struct {
	index   int
	version *version
	lane    *lane
	breaker breaker
	metrics shadowMetrics
}

// checkMirror refuses a mirror that could not mean anything.
func checkMirror(r *experiment.Route) error {
	m := r.Mirror
	switch {
	case m == nil:
		return nil
	case m.Share < 0 || m.Share > experiment.Whole:
		return fmt.Errorf("mirror has share %d: want 0 to %d", m.Share, experiment.Whole)
	case m.Rate < 0 || math.IsNaN(m.Rate) || math.IsInf(m.Rate, 0):
		return fmt.Errorf("mirror has rate %g: want copies per second, or 0 for the gateway's own bound", m.Rate)
	case m.Concurrency < 0:
		return fmt.Errorf("mirror has concurrency %d: want 1 or more, or 0 for the gateway's own bound", m.Concurrency)
	case m.Timeout < 0:
		return fmt.Errorf("mirror has time-out %s: want more than 0", m.Timeout)
	}
	for i, v := range m.Versions {
		if v <= baseline || v >= len(r.Versions) || slices.Contains(m.Versions[:i], v) {
			return fmt.Errorf("mirror names version %d of %d: want candidates, each once", v, len(r.Versions))
		}
	}
	for i := range m.Pairs {
		if m.Pairs[i].Pairs == nil {
			return fmt.Errorf("mirror has metric %q, which is not of pairs", m.Pairs[i].Name)
		}
	}
	return nil
}

// newMirror lays out the mirror of a route; nil is none, or that others copy. One that goes on as it
// was is taken over from the route before.
func (g *Gateway) newMirror(r, before *route, from *experiment.Route) (*mirror, error) {
	want := from.Mirror
	if want == nil || want.ByEvents || want.Share == 0 || len(want.Versions) == 0 {
		return nil, nil
	}
	if before != nil && before.mirror != nil && sameMirror(before.mirror.from, from) {
		return before.mirror, nil
	}
	m := &mirror{
		shadows: &g.shadows,
		from:    from,
		share:   want.Share,
		timeout: cmp.Or(want.Timeout, experiment.DefaultCopyTimeout),
		redacts: len(from.Redact) > 0,
	}
	var declared *experiment.Predictions
	if from.Predictions != nil {
		declared = &from.Predictions.Predictions
	}
	reader, err := prediction.New(declared)
	if err != nil {
		return nil, fmt.Errorf("mirror: %w", err)
	}
	if m.compare, err = compare.Compile(want.Pairs, reader); err != nil {
		return nil, fmt.Errorf("mirror: %w", err)
	}
	hash := func(value []byte) uint64 { return g.options.Key.HashUnit(string(value)) }
	if m.redactor, err = prediction.NewRedactor(from.Redact, hash); err != nil {
		return nil, err
	}
	m.rate.perSecond = cmp.Or(want.Rate, experiment.DefaultCopyRate)
	m.rate.most = max(min(m.rate.perSecond, fewAtOnce), partAtOnce*m.rate.perSecond, float64(len(want.Versions)))
	lanes := newLanes(min(cmp.Or(want.Concurrency, defaultCopies), mostCopies), len(want.Versions))
	for i, v := range want.Versions {
		m.shown = append(m.shown, &shadow{
			index: v, version: &r.versions[v], lane: lanes[i%len(lanes)],
			metrics: g.metrics.shadow(from.Experiment, from.Versions[v].Name),
		})
	}
	return m, nil
}

// begin has the mirror copy, if it does not do so already.
func (m *mirror) begin(life context.Context) {
	if m != nil && m.life == nil {
		m.life, m.end = context.WithCancel(life)
	}
}

// sameMirror says whether two routes of one phase mirror alike, to the same
// backends.
func sameMirror(a, b *experiment.Route) bool {
	return a.Experiment == b.Experiment && a.Epoch == b.Epoch && a.Phase == b.Phase &&
		reflect.DeepEqual(a.Mirror, b.Mirror) && reflect.DeepEqual(a.Versions, b.Versions) &&
		reflect.DeepEqual(a.Predictions, b.Predictions) && slices.Equal(a.Redact, b.Redact)
}

// stop ends a mirror that is served no more: copies under way are cut off, and
// those that wait are not sent.
func (m *mirror) stop() {
	m.end()
	for _, s := range m.shown {
		for _, c := range s.lane.empty() {
			c.drop(copyUnserved)
		}
	}
}

// draws says whether a call is in the share. It is drawn by a hash of the unit
// and the moment, like the sample of answers but apart from it, and so knows
// nothing of the answer. A smaller share is part of a larger one.
func (m *mirror) draws(c *call) bool {
	const apart = 0x6d6972726f72 // Any number does that no other draw uses.
	draw := mix(c.hash^mix(uint64(c.started.UnixNano())^apart)) >> 32 * experiment.Whole >> 32
	return experiment.Share(draw) < m.share
}

// count counts a request by what became of its copies, all alike.
func (m *mirror) count(r copyResult) {
	for _, s := range m.shown {
		s.metrics.copies[r].Inc()
	}
}

// bucket bounds a rate: it fills up steadily, and every copy takes one.
type bucket struct {
	perSecond, most float64

	// until is when it has again, in Unix nanoseconds, what it last had not.
	until atomic.Int64

	mu   sync.Mutex
	have float64
	last time.Time
}

// take takes n at once, or nothing.
func (b *bucket) take(n int, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fill(now); b.have < float64(n) {
		b.until.Store(now.UnixNano() + int64((float64(n)-b.have)/b.perSecond*1e9))
		return false
	}
	b.have -= float64(n)
	return true
}

// dry says that a take of as many as the last one would fail, at next to no cost:
// most requests find it so where a rate is far below the traffic's. A clock that
// was put back is not believed for longer than it could take.
func (b *bucket) dry(now time.Time) bool {
	left := b.until.Load() - now.UnixNano()
	return left > 0 && float64(left) <= b.most/b.perSecond*1e9
}

// owe takes n whether they are there or not, and says how long to wait for
// them.
func (b *bucket) owe(n int, now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fill(now)
	b.have -= float64(n)
	return time.Duration(max(0, -b.have) / b.perSecond * float64(time.Second))
}

func (b *bucket) fill(now time.Time) {
	if b.last.IsZero() {
		b.have = b.most
	} else if d := now.Sub(b.last); d > 0 {
		b.have = min(b.most, b.have+b.perSecond*d.Seconds())
	}
	b.last = now
}
