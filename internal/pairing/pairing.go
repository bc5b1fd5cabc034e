// SPDX-License-Identifier: Apache-2.0

package pairing

import (
	"container/list"
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/headgate-dev/headgate/internal/compare"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/prediction"
)

// Bounds of what waits for its other half.
const (
	maxWaiting      = 1 << 16
	maxWaitingBytes = 64 << 20
	// compareWithin bounds the comparison of one pair.
	compareWithin = 250 * time.Millisecond
)

// Stats count what became of events.
type Stats struct {
	// Pairs were made.
	Pairs int64
	// Unpaired answers found no other half in time, by version.
	Unpaired []int64
	// Unknown events name no version, or come while nothing is mirrored.
	Unknown int64
	// Crowded answers were let go for want of room.
	Crowded int64
}

// Joiner joins answers. It is not safe for concurrent use.
type Joiner struct {
	plan    *experiment.Plan
	hash    func(string) uint64
	metrics *compare.Metrics
	redact  *prediction.Redactor

	waiting map[string]*list.Element
	// order has the requests as they came, the oldest first.
	order *list.List
	bytes int
	stats Stats
}

// request is what is known of one request.
type request struct {
	id      string
	since   time.Time
	at      time.Time
	answers []*answer // by version
	bytes   int
	// paired are the versions that have made their pair.
	paired []int
}

type answer struct {
	compare.Answer
	at time.Time
}

// Joined is a request that the baseline and a candidate answered.
type Joined struct {
	experiment.Pair
	// Baseline is nil where an earlier pair of the same request has it.
	Baseline, Candidate *Said
}

// Said is what an answer says, without what is redacted.
type Said struct {
	// Path is the request's, empty where the event does not tell it.
	Path string
	Body []byte
}

// New makes a joiner for a plan. The hash is the keyed hash of units. The error
// is of an expression that cannot be compiled.
func New(p *experiment.Plan, hash func(string) uint64) (*Joiner, error) {
	reader, err := prediction.New(p.Predictions)
	if err != nil {
		return nil, err
	}
	metrics, err := compare.Compile(p.Metrics, reader)
	if err != nil {
		return nil, err
	}
	redact, err := prediction.NewRedactor(p.Redact, func(b []byte) uint64 { return hash(string(b)) })
	if err != nil {
		return nil, err
	}
	return &Joiner{
		plan: p, hash: hash, metrics: metrics, redact: redact,
		waiting: map[string]*list.Element{}, order: list.New(), stats: Stats{Unpaired: make([]int64, len(p.Versions))},
	}, nil
}

// Stats are the counts so far.
func (j *Joiner) Stats() Stats {
	s := j.stats
	s.Unpaired = slices.Clone(s.Unpaired)
	return s
}

// Add takes an event and gives the pairs that it completes, for the route that
// is served now.
func (j *Joiner) Add(ctx context.Context, e *experiment.Event, route *experiment.Route, now time.Time) []Joined {
	j.expire(now)
	version := j.plan.VersionNamed(e.Names)
	if version < 0 || route.Mirror == nil || version > 0 && !slices.Contains(route.Mirror.Versions, version) {
		j.stats.Unknown++
		return nil
	}
	at := e.At
	if at.IsZero() || at.After(now) {
		at = now
	}
	r := j.find(e.ID, now)
	if r == nil {
		j.stats.Crowded++
		return nil
	}
	if e.Kind == experiment.EventRequest {
		if r.at.IsZero() || at.Before(r.at) {
			r.at = at
		}
		return nil
	}
	if r.answers[version] != nil || slices.Contains(r.paired, version) {
		return nil // Told before.
	}
	a := j.read(e, at)
	size := len(a.Text)
	if j.bytes+size > maxWaitingBytes {
		j.stats.Crowded++
		return nil
	}
	r.answers[version] = a
	r.bytes += size
	j.bytes += size
	return j.complete(ctx, r, route)
}

// find gives a request, a new one if it is not known; nil if there is no room.
func (j *Joiner) find(id string, now time.Time) *request {
	if at, ok := j.waiting[id]; ok {
		r, _ := at.Value.(*request)
		return r
	}
	if len(j.waiting) >= maxWaiting {
		return nil
	}
	r := &request{id: id, since: now, answers: make([]*answer, len(j.plan.Versions))}
	j.waiting[id] = j.order.PushBack(r)
	return r
}

// read makes an answer of an event.
func (j *Joiner) read(e *experiment.Event, at time.Time) *answer {
	a := &answer{at: at}
	a.Status, a.Path, a.Text = http.StatusOK, e.Path, e.Body
	value, err := prediction.Decode(e.Body)
	if err != nil {
		return a
	}
	a.Value = j.redact.Apply(value)
	if len(j.plan.Redact) > 0 {
		a.Text = prediction.Canonical(a.Value)
	}
	return a
}

// complete compares the candidates that have answered with the baseline.
func (j *Joiner) complete(ctx context.Context, r *request, route *experiment.Route) []Joined {
	baseline := r.answers[0]
	if baseline == nil {
		return nil
	}
	var pairs []Joined
	for v := 1; v < len(r.answers); v++ {
		candidate := r.answers[v]
		if candidate == nil {
			continue
		}
		baseline.Took, candidate.Took = took(r, baseline), took(r, candidate)
		within, cancel := context.WithTimeout(ctx, compareWithin)
		compared := j.metrics.Compare(within, &baseline.Answer, &candidate.Answer)
		cancel()
		joined := Joined{Pair: j.pair(r, v, route, compared), Candidate: candidate.said()}
		if len(r.paired) == 0 {
			joined.Baseline = baseline.said()
		}
		pairs = append(pairs, joined)
		r.paired = append(r.paired, v)
		j.bytes -= len(candidate.Text)
		r.bytes -= len(candidate.Text)
		r.answers[v] = nil
		j.stats.Pairs++
	}
	if len(r.paired) == len(route.Mirror.Versions) {
		// The request stays known until it is old, so that it pairs once.
		j.bytes -= r.bytes
		r.bytes = 0
		clear(r.answers)
	}
	return pairs
}

func (a *answer) said() *Said { return &Said{Path: a.Path, Body: a.Text} }

// took is how long an answer took, 0 where the request's time is not known.
func took(r *request, a *answer) time.Duration {
	if r.at.IsZero() {
		return 0
	}
	return max(0, a.at.Sub(r.at))
}

func (j *Joiner) pair(r *request, version int, route *experiment.Route, compared []experiment.Compared) experiment.Pair {
	at := r.at
	if at.IsZero() {
		at = r.answers[0].at
	}
	id := r.id
	if len(id) > experiment.MaxPairID {
		id = fmt.Sprintf("%s-%016x", id[:experiment.MaxPairID-17], j.hash(id))
	}
	return experiment.Pair{
		Experiment: route.Experiment, Epoch: route.Epoch, Phase: route.Phase,
		Window: max(0, int64(at.Sub(route.PhaseStart)/route.Window)), Version: version,
		ID: id, Unit: j.hash(r.id), At: at, Compared: compared,
	}
}

// expire lets go of what has waited too long.
func (j *Joiner) expire(now time.Time) {
	for at := j.order.Front(); at != nil; at = j.order.Front() {
		r, _ := at.Value.(*request)
		if now.Sub(r.since) <= j.plan.PairsHold() {
			return
		}
		j.order.Remove(at)
		delete(j.waiting, r.id)
		j.bytes -= r.bytes
		if len(r.paired) > 0 {
			continue
		}
		for v, a := range r.answers {
			if a != nil {
				j.stats.Unpaired[v]++
			}
		}
	}
}
