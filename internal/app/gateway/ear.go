// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"cmp"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/headgate-dev/headgate/internal/experiment"
	dataplane "github.com/headgate-dev/headgate/internal/gateway"
)

// nowhere stands where a route names backends: an ear sends nothing to anybody.
const nowhere = "http://nowhere.invalid"

// promptly is how late after its beginning an ear may be told of a phase and
// still call its first window whole.
const promptly = 5 * time.Second

// Ear is a gateway that carries nothing: model servers' loggers tell it what was
// answered to the requests of one experiment. It reads answers, counts by windows
// and hands over in batches as a gateway does that carried them. It must be
// closed.
type Ear struct {
	key     *experiment.Key
	now     func() time.Time
	gateway *dataplane.Gateway
	windows *windows
	spool   *spool
	log     *slog.Logger

	mu   sync.Mutex
	plan *experiment.Plan
	// phase is the one that lasts; a zero Epoch is that none is known. mirrors
	// says that candidates answer copies in it.
	phase    experiment.Phase
	mirrors  bool
	sequence uint64
}

// EarOptions configures an ear; all are required.
type EarOptions struct {
	Plan     *experiment.Plan
	Key      *experiment.Key
	Registry prometheus.Registerer
	Now      func() time.Time
	Log      *slog.Logger
}

// NewEar makes an ear that has heard of no phase yet.
func NewEar(o EarOptions) (*Ear, error) {
	e := &Ear{plan: o.Plan, key: o.Key, now: o.Now, log: o.Log}
	var err error
	e.gateway, err = dataplane.New(dataplane.Options{
		Key: o.Key, Now: o.Now, Registry: o.Registry,
		Expose:    func(experiment.Exposure, uint64) bool { return true },
		Predicted: func(p *experiment.Prediction) bool { return e.spool.predict(p) },
	})
	if err != nil {
		return nil, err
	}
	e.windows = newWindows(e.gateway, o.Now, o.Registry)
	e.windows.deaf = whyDeaf
	e.spool = newSpool(DefaultSpool, e.windows, o.Registry)
	return e, nil
}

// Adopt has later phases be of another plan of the same experiment.
func (e *Ear) Adopt(p *experiment.Plan) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.plan = p
}

// Begin says which phase lasts now. One that is over already, or known, changes
// nothing. What was heard before an ear was told counts in the phase before; if
// that took long, the windows up to now are not whole. CodeInvalid is a phase that
// the plan cannot have, or one of a later experiment of the same name.
func (e *Ear) Begin(p experiment.Phase) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if p.Epoch < 1 || p.Phase < 0 || p.Stage < 0 || p.Stage >= len(e.plan.Stages) || p.Start.IsZero() {
		return experiment.Errorf(experiment.CodeInvalid, "phase %d.%d of stage %d, begun %s: the plan has no such phase", p.Epoch, p.Phase, p.Stage, p.Start)
	}
	if old := &e.phase; cmp.Or(cmp.Compare(old.Epoch, p.Epoch), cmp.Compare(old.Phase, p.Phase)) >= 0 {
		if p.Start.After(old.Start) {
			return experiment.Errorf(experiment.CodeInvalid, "an earlier experiment %s was heard up to phase %d.%d: its evidence would be mixed with this one's", e.plan.ID(), old.Epoch, old.Phase).
				WithHint("give the experiment another name")
		}
		return nil
	}
	route := e.route(p)
	if err := e.gateway.Swap(&experiment.Snapshot{Sequence: e.sequence + 1, Routes: []experiment.Route{route}}); err != nil {
		return err
	}
	e.sequence++
	e.phase, e.mirrors = p, e.plan.Stages[p.Stage].Mirror != nil
	late := e.now().Sub(p.Start)
	e.windows.open(&route, late > min(promptly, e.plan.Window/4))
	e.log.Info("hearing of a phase", "experiment", e.plan.ID(), "epoch", p.Epoch, "phase", p.Phase, "late", late.Round(time.Millisecond))
	return nil
}

// route is what the gateway is to read and count: nothing but predictions.
func (e *Ear) route(p experiment.Phase) experiment.Route {
	r := experiment.RouteOf(e.plan, &experiment.State{
		Epoch: p.Epoch, Phase: p.Phase, PhaseStart: p.Start, Slots: experiment.SlotsOf(experiment.Baseline(len(e.plan.Versions))),
	})
	out := experiment.Route{
		Experiment: r.Experiment, Assignment: experiment.Assignment{Unit: experiment.Unit{Request: true}},
		Epoch: r.Epoch, Phase: r.Phase, PhaseStart: r.PhaseStart, Window: r.Window, Lag: r.Lag, Slots: r.Slots,
		Predictions: r.Predictions, Redact: r.Redact,
	}
	for _, v := range r.Versions {
		out.Versions = append(out.Versions, experiment.Version{Name: v.Name, Backend: nowhere})
	}
	return out
}

// Hear reads what was answered. It says why it takes no notice of an event, or
// nothing.
func (e *Ear) Hear(event *experiment.Event) Unheard {
	e.mu.Lock()
	plan, phase, mirrors := e.plan, e.phase, e.mirrors
	e.mu.Unlock()
	version := plan.VersionNamed(event.Names)
	switch {
	case event.Kind != experiment.EventResponse:
		return HeardRequest
	case version < 0:
		return HeardNobody
	case phase.Epoch == 0:
		return HeardEarly
	}
	now := e.now()
	at := event.At
	if at.IsZero() || at.After(now) {
		at = now
	}
	e.gateway.Overhear(&dataplane.Overheard{
		Experiment: plan.ID(), Epoch: phase.Epoch, Phase: phase.Phase, Version: version, At: at,
		Window: max(0, int64(at.Sub(phase.Start)/plan.Window)),
		ID:     event.ID, Unit: e.key.HashUnit(event.ID), Copied: mirrors && version != 0, Path: event.Path, Body: event.Body,
	})
	return ""
}

// Unheard is why no notice was taken of an event; empty is that it was.
type Unheard string

// The reasons: it is of a request, which tells nothing of a version; it names no
// version of the plan; no phase has begun.
const (
	HeardRequest Unheard = "request"
	HeardNobody  Unheard = "unknown"
	HeardEarly   Unheard = "early"
)

// Unheards are all reasons.
func Unheards() []Unheard { return []Unheard{HeardRequest, HeardNobody, HeardEarly} }

// Next gives the first batch after a sequence, 0 for the first of all, and nil
// where there is none yet. Whoever asks for what comes after a batch has stored
// it.
func (e *Ear) Next(after uint64) *experiment.Batch { return e.spool.next(after) }

// Prune lets go of windows that nobody took in time. It is to be called now and
// then.
func (e *Ear) Prune() { e.windows.prune() }

// Finish seals the windows under way: what Next gives from now on ends with a
// batch that says it is the last. Nothing may be heard any more.
func (e *Ear) Finish() { e.spool.finish() }

// Close gives back what the ear holds; what Next has not given is lost.
func (e *Ear) Close() error { return e.gateway.Close() }
