// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/headgate-dev/headgate/internal/experiment"
	dataplane "github.com/headgate-dev/headgate/internal/gateway"
)

// KeepWindows is how many sealed windows of a phase wait to be asked for.
const KeepWindows = 60

// maxPhases bounds the phases that are remembered; the gateway keeps no more.
const maxPhases = 8

// windows knows which windows of the last phases can still be asked for.
type windows struct {
	gateway *dataplane.Gateway
	now     func() time.Time
	unread  prometheus.Counter
	// deaf says why windows are not whole that were under way when this process
	// began or ends: what it counts goes on without it. Empty is that it does not.
	deaf string

	mu     sync.Mutex
	phases []*phase // in the order in which they were opened
}

// phase is a phase that this process serves or has served.
type phase struct {
	experiment   string
	epoch, phase int
	start        time.Time
	window, lag  time.Duration
	// first is the first window that can be asked for; why says why those below
	// it are gone.
	first int64
	why   string
	// asked is up to where somebody has read: who asks for windows from n on
	// has those below.
	asked int64
	// spooled is up to where windows are in batches.
	spooled int64
}

func newWindows(g *dataplane.Gateway, now func() time.Time, registry prometheus.Registerer) *windows {
	w := &windows{gateway: g, now: now, unread: prometheus.NewCounter(prometheus.CounterOpts{
		Name: "headgate_gateway_windows_unread_total",
		Help: "Windows that grew too old before anybody asked for their cells.",
	})}
	registry.MustRegister(w.unread)
	return w
}

// open notes the phase of a route that is served now. Again says that an
// earlier process served it: the windows up to this moment's are not whole.
func (w *windows) open(r *experiment.Route, again bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.find(r.Experiment, r.Epoch, r.Phase) != nil {
		return
	}
	p := &phase{experiment: r.Experiment, epoch: r.Epoch, phase: r.Phase, start: r.PhaseStart, window: r.Window, lag: r.Lag}
	if since := w.now().Sub(r.PhaseStart); since > 0 {
		p.asked = int64(since / r.Window) // Before, there was nothing to ask for.
		if again {
			p.first, p.why = p.asked+1, cmp.Or(w.deaf, whyRestarted)
		}
	}
	w.phases = append(w.phases, p)
	if n := len(w.phases) - maxPhases; n > 0 {
		w.phases = slices.Delete(w.phases, 0, n)
	}
}

// find gives a phase, or nil. An empty experiment is the newest one.
func (w *windows) find(experiment string, epoch, number int) *phase {
	for _, p := range slices.Backward(w.phases) {
		if experiment == "" {
			experiment = p.experiment
		}
		if p.experiment == experiment && p.epoch == epoch && p.phase == number {
			return p
		}
	}
	return nil
}

// seal gives the cells of a phase's sealed windows from one on. CodeConflict is
// a gap; its hint says where to go on.
func (w *windows) seal(id string, epoch, number int, from int64) (experiment.Seal, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.find(id, epoch, number)
	if p == nil {
		return experiment.Seal{}, experiment.Errorf(experiment.CodeNotFound, "this gateway has not served phase %d.%d", epoch, number)
	}
	if from >= 0 && from < p.first {
		return experiment.Seal{}, experiment.Errorf(experiment.CodeConflict, "windows %d to %d of phase %d.%d are gone, %s: a gap", from, p.first-1, epoch, number, p.why).
			WithHint("go on from %d", p.first)
	}
	s, err := w.gateway.Seal(p.experiment, epoch, number, from, w.now())
	if err == nil {
		p.asked = max(p.asked, from)
	}
	return s, err
}

// fresh seals what is ripe and was in no batch yet, of all phases: at the end
// the window under way too. Windows that are gone are a gap.
func (w *windows) fresh(end bool) []experiment.Seal {
	w.mu.Lock()
	defer w.mu.Unlock()
	var seals []experiment.Seal
	for i, p := range w.phases {
		now := w.now()
		ripe := experiment.SealedWindows(p.start, now, p.window, p.lag)
		if end {
			now = now.Add(p.window + p.lag)
		}
		from := max(p.spooled, p.first)
		s, err := w.gateway.Seal(p.experiment, p.epoch, p.phase, from, now)
		if err != nil || s.To <= from {
			continue // The gateway has let go of the phase, or nothing is ripe.
		}
		if p.spooled < from {
			s.From, s.Gaps = p.spooled, []experiment.Gap{{From: p.spooled, To: from, Why: p.why}}
		}
		if end && w.deaf != "" && i == len(w.phases)-1 {
			s.Gaps = append(s.Gaps, experiment.Gap{From: max(ripe, from), To: s.To, Why: w.deaf})
		}
		p.spooled, s.Experiment = s.To, p.experiment
		seals = append(seals, s)
	}
	return seals
}

// taken notes that somebody has stored cells.
func (w *windows) taken(seals []experiment.Seal) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range seals {
		for _, p := range w.phases {
			if p.experiment == seals[i].Experiment && p.epoch == seals[i].Epoch && p.phase == seals[i].Phase {
				p.asked = max(p.asked, seals[i].To)
			}
		}
	}
}

// prune lets windows go that are too old, read or not.
func (w *windows) prune() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.phases {
		ripe := experiment.SealedWindows(p.start, w.now(), p.window, p.lag)
		if ripe-KeepWindows <= p.first {
			continue
		}
		// Only sealed windows can be dropped; asking beyond them makes no cells.
		if _, err := w.gateway.Seal(p.experiment, p.epoch, p.phase, ripe, w.now()); err != nil {
			continue // The gateway has let go of the whole phase.
		}
		upto := ripe - KeepWindows
		w.gateway.Drop(p.experiment, p.epoch, p.phase, upto)
		w.unread.Add(float64(max(0, upto-max(p.first, p.asked))))
		p.first, p.why = upto, whyUnread
	}
}
