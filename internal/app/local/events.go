// SPDX-License-Identifier: Apache-2.0

package local

import (
	"context"
	"slices"
	"strconv"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/gateway"
	"github.com/headgate-dev/headgate/internal/pairing"
)

// Bounds of the events that wait to be looked at.
const (
	maxEvents      = 4096
	maxEventsBytes = 64 << 20
)

// listening joins the answers that model servers' loggers tell of. It has one
// goroutine, which owns the joiner.
type listening struct {
	joiner  *pairing.Joiner
	waiting chan *experiment.Event
	bytes   atomic.Int64
	events  *prometheus.CounterVec
	answers *prometheus.CounterVec
	last    pairing.Stats
}

// listensTo says whether a plan has others mirror.
func listensTo(p *experiment.Plan) bool {
	return slices.ContainsFunc(p.Stages, func(s experiment.Stage) bool { return s.Mirror != nil && s.Mirror.ByEvents })
}

func newListening(p *experiment.Plan, key *experiment.Key, registry prometheus.Registerer) (*listening, error) {
	j, err := pairing.New(p, key.HashUnit)
	if err != nil {
		return nil, err
	}
	l := &listening{
		joiner: j, waiting: make(chan *experiment.Event, maxEvents),
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "headgate_events_total", Help: "Events of model servers' loggers: taken, or dropped for want of room.",
		}, []string{"result"}),
		answers: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "headgate_events_answers_total",
			Help: "What became of events: paired; unpaired, no other half in time, by version; unknown, of no version that is mirrored now; crowded, no room to wait.",
		}, []string{"result", "version"}),
	}
	registry.MustRegister(l.events, l.answers)
	l.last.Unpaired = make([]int64, len(p.Versions))
	return l, nil
}

// listen queues an event; it never waits.
func (l *listening) listen(e *experiment.Event) bool {
	size := int64(len(e.Body))
	if l.bytes.Add(size) <= maxEventsBytes {
		select {
		case l.waiting <- e:
			l.events.WithLabelValues("taken").Inc()
			return true
		default:
		}
	}
	l.bytes.Add(-size)
	l.events.WithLabelValues("dropped").Inc()
	return false
}

// pairEvents joins what comes until ctx is done.
func (r *Run) pairEvents(ctx context.Context) {
	l := r.listening
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-l.waiting:
			r.swap.Lock()
			route := r.served
			r.swap.Unlock()
			pairs := l.joiner.Add(ctx, e, &route, r.now())
			l.bytes.Add(-int64(len(e.Body)))
			for i := range pairs {
				r.joined(&pairs[i], e.ID)
			}
			l.count(r.plan)
		}
	}
}

// joined hands a pair on, and what its answers predict: both are of one request.
func (r *Run) joined(p *pairing.Joined, id string) {
	r.ledger.Pair(&p.Pair) // What it drops it counts.
	overhear := func(version int, said *pairing.Said) {
		if said != nil {
			r.gateway.Overhear(&gateway.Overheard{
				Experiment: p.Experiment, Epoch: p.Epoch, Phase: p.Phase, Window: p.Window, At: p.At, Version: version,
				ID: id, Unit: p.Unit, Copied: version != 0, Path: said.Path, Body: said.Body, Redacted: true,
			})
		}
	}
	overhear(0, p.Baseline)
	overhear(p.Version, p.Candidate)
}

// count shows what the joiner has counted since the last time.
func (l *listening) count(p *experiment.Plan) {
	now := l.joiner.Stats()
	add := func(result, version string, n int64) {
		if n > 0 {
			l.answers.WithLabelValues(result, version).Add(float64(n))
		}
	}
	add("paired", "", now.Pairs-l.last.Pairs)
	add("unknown", "", now.Unknown-l.last.Unknown)
	add("crowded", "", now.Crowded-l.last.Crowded)
	for v := range now.Unpaired {
		add("unpaired", p.Versions[v].Name, now.Unpaired[v]-l.last.Unpaired[v])
	}
	l.last = now
}

// Listen hands an event to the experiment that pairs others' copies.
func (h applications) Listen(id string, e *experiment.Event) (bool, error) {
	r, err := h.find(id)
	if err != nil {
		return false, err
	}
	if r.listening == nil {
		return false, experiment.Errorf(experiment.CodeInvalid, "%s pairs no events", r.ID()).
			WithHint("give it a stage with mirror: {by: events, share: %s}", strconv.Quote("10%"))
	}
	return r.listening.listen(e), nil
}
