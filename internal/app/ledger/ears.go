// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/headgate-dev/headgate/internal/app/gateway"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/httpapi"
	store "github.com/headgate-dev/headgate/internal/ledger"
)

const (
	// earEvery is the time between two looks at what ears have to hand over.
	earEvery = time.Second
	// mostHearing is how many events are read at a time, and hearWithin how long
	// one waits for its turn: a logger holds up its model server meanwhile.
	mostHearing = 16
	hearWithin  = 100 * time.Millisecond
	// maxPhase bounds what tells of a phase, in bytes.
	maxPhase = 4 << 10
)

// ears hear what model servers' loggers tell of experiments whose traffic does
// not pass Headgate's gateways. To the store each is one more gateway.
type ears struct {
	key      *experiment.Key
	store    *store.Ledger
	registry prometheus.Registerer
	events   *prometheus.CounterVec
	now      func() time.Time
	log      *slog.Logger
	hearing  chan struct{}
	every    time.Duration

	mu  sync.Mutex
	all map[string]*ear
}

// ear is one experiment's. Its taken is only touched by whoever hands over.
type ear struct {
	*gateway.Ear
	origin string
	taken  uint64
}

func newEars(registry prometheus.Registerer, now func() time.Time, log *slog.Logger) *ears {
	h := &ears{
		registry: registry, now: now, log: log, hearing: make(chan struct{}, mostHearing), all: map[string]*ear{},
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "headgate_ledger_events_total",
			Help: "Events of model servers' loggers: heard; request, of a request, which tells nothing of a version; unknown, of no version of the plan; early, before the experiment has begun; dropped for want of time.",
		}, []string{"experiment", "result"}),
	}
	registry.MustRegister(h.events)
	return h
}

// errDeaf is why a plan that wants to hear is refused.
func errDeaf(p *experiment.Plan) error {
	return experiment.Errorf(experiment.CodeInvalid, "%s: its predictions are told by events, and this ledger hears none", p.ID()).
		WithHint("start headgate ledger with --events ADDRESS, and let the model servers' loggers send there")
}

// open makes an experiment's ear, or has the one that is there adopt the plan.
func (h *ears) open(p *experiment.Plan) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if known := h.all[p.ID()]; known != nil {
		known.Adopt(p)
		return nil
	}
	made, err := gateway.NewEar(gateway.EarOptions{
		Plan: p, Key: h.key, Now: h.now, Log: h.log,
		Registry: prometheus.WrapRegistererWith(prometheus.Labels{"ear": p.ID()}, h.registry),
	})
	if err != nil {
		return err
	}
	for _, result := range append(gateway.Unheards(), heard, dropped) {
		h.events.WithLabelValues(p.ID(), string(result))
	}
	h.all[p.ID()] = &ear{Ear: made, origin: "events of " + p.ID()}
	return nil
}

// The results of events that are no gateway.Unheard.
const (
	heard   gateway.Unheard = "heard"
	dropped gateway.Unheard = "dropped"
)

// origins are where the batches of ears come from.
func (h *ears) origins() (all []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range h.all {
		all = append(all, e.origin)
	}
	slices.Sort(all)
	return all
}

func (h *ears) find(id string) (*ear, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	e := h.all[id]
	if e == nil {
		return nil, experiment.Errorf(experiment.CodeNotFound, "no experiment %s hears of events here", id).
			WithHint("apply it with predictions: {by: events}, and name it as NAMESPACE/NAME")
	}
	return e, nil
}

// names are the experiments that hear.
func (h *ears) names() (all []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for id := range h.all {
		all = append(all, id)
	}
	slices.Sort(all)
	return all
}

// Listen implements httpapi.Listener. An event that nobody needs is taken too:
// its logger has done nothing wrong.
func (h *ears) Listen(id string, event *experiment.Event) (taken bool, err error) {
	e, err := h.find(id)
	if err != nil {
		return false, err
	}
	wait := time.NewTimer(hearWithin)
	defer wait.Stop()
	select {
	case h.hearing <- struct{}{}:
	case <-wait.C:
		h.events.WithLabelValues(id, string(dropped)).Inc()
		return false, nil
	}
	defer func() { <-h.hearing }()
	result := e.Hear(event)
	if result == "" {
		result = heard
	}
	h.events.WithLabelValues(id, string(result)).Inc()
	return true, nil
}

// begin takes what tells of a phase: PUT /v1/phases/NAMESPACE/NAME. Telling the
// same again is fine.
func (h *ears) begin(w http.ResponseWriter, r *http.Request) {
	var phase experiment.Phase
	err := decode(http.MaxBytesReader(w, r.Body, maxPhase), &phase)
	if err != nil {
		httpapi.WriteError(w, experiment.Errorf(experiment.CodeInvalid, "read the phase: %w", err).
			WithHint(`send {"epoch": 1, "phase": 0, "stage": 0, "start": "2026-11-21T11:26:00Z"}`))
		return
	}
	e, err := h.find(r.PathValue("namespace") + "/" + r.PathValue("name"))
	if err == nil {
		err = e.Begin(phase)
	}
	if err != nil {
		httpapi.WriteError(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// run hands over what ears have heard until ctx is done.
func (h *ears) run(ctx context.Context) {
	t := time.NewTicker(h.every)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		for _, e := range h.snapshot() {
			if err := h.handOver(ctx, e); err != nil && ctx.Err() == nil {
				h.log.Warn("what loggers told is not stored; it waits, within bounds", "from", e.origin, "error", err)
			}
			e.Prune()
		}
	}
}

func (h *ears) snapshot() (all []*ear) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range h.all {
		all = append(all, e)
	}
	return all
}

// handOver stores what an ear has; what fails is tried again.
func (h *ears) handOver(ctx context.Context, e *ear) error {
	for {
		b := e.Next(e.taken)
		if b == nil {
			return nil
		}
		b.Origin = e.origin
		if _, err := h.store.Add(ctx, b); err != nil {
			return err
		}
		e.taken = b.Sequence
	}
}

// close hands over the windows under way too. Nothing may be heard any more, and
// run must have ended.
func (h *ears) close(ctx context.Context) error {
	var errs []error
	for _, e := range h.snapshot() {
		e.Finish()
		errs = append(errs, h.handOver(ctx, e), e.Close())
	}
	return errors.Join(errs...)
}
