// SPDX-License-Identifier: Apache-2.0

package local

import (
	"context"
	"errors"
	"time"

	"github.com/headgate-dev/headgate/internal/engine"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/view"
)

// resume loads the record, or begins the plan, and serves the state's route.
//
// Request counts live in the gateway's memory until they are folded: what a
// process that died had not folded is lost, at most a few windows. Lost windows
// hold no requests, so they pass no gate and break the streak of clean ones;
// exposures and outcomes are in the ledger and go on as if nothing had been.
func (l *Local) resume(ctx context.Context) error {
	now := moment()
	rec, err := l.store.Load(ctx, l.plan.ID())
	latest := experiment.Decision{}
	switch {
	case experiment.CodeOf(err) == experiment.CodeNotFound:
		out := engine.Begin(l.plan, now)
		if rec, err = l.store.Save(ctx, l.plan.ID(), out.Record, *out.Entry); err != nil {
			return err
		}
		latest = out.Decision
	case err != nil:
		return err
	case rec.State.Plan != l.plan.Hash():
		return experiment.Errorf(experiment.CodeConflict, "the data directory holds another plan of %s", l.plan.ID()).
			WithHint("a running experiment does not change its plan: choose another directory or another name")
	}
	l.record = rec
	l.before = len(rec.Totals.Phases) - 1
	l.publish(experiment.Judgement{}, latest, now)
	return l.route()
}

// route swaps the state's route into the gateway.
func (l *Local) route() error {
	l.sequence++
	return l.gateway.Swap(&experiment.Snapshot{
		Sequence: l.sequence,
		Routes:   []experiment.Route{experiment.RouteOf(l.plan, &l.record.State)},
	})
}

// moment is now, as precise as the journal writes it.
func moment() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

// tick is how often the loop steps: twice a window, but neither often enough
// to cost nor seldom enough to be late.
func tick(window time.Duration) time.Duration {
	return min(max(window/2, 100*time.Millisecond), 5*time.Second)
}

// loop steps until the context or the experiment ends.
func (l *Local) loop(ctx context.Context) {
	defer close(l.done)
	l.wg.Go(func() { l.prober.watch(ctx) })
	t := time.NewTicker(tick(l.plan.Window))
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		if err := l.step(ctx, moment()); err != nil && ctx.Err() == nil {
			l.log.Error("the experiment cannot go on", "experiment", l.plan.ID(), "error", err)
			l.failed.Store(&err)
			return
		}
		if l.record.State.Condition == experiment.Done {
			return
		}
	}
}

// step is one turn: read, judge and decide, record, act, show.
func (l *Local) step(ctx context.Context, now time.Time) error {
	in := engine.Input{Now: now, Ready: l.prober.state(), Commands: l.pending()}
	in.Seals, in.Sources = l.read(ctx, now)
	out, err := engine.Step(l.plan, l.record, in)
	if err != nil {
		return err
	}
	var entries []experiment.Entry
	if out.Entry != nil {
		entries = append(entries, *out.Entry)
	}
	rec, err := l.store.Save(ctx, l.plan.ID(), out.Record, entries...)
	if err != nil {
		return err
	}
	l.record = rec
	if len(out.Intents) > 0 {
		if err := l.route(); err != nil {
			return err
		}
		l.log.Info("traffic moved", "experiment", l.plan.ID(), "act", out.Decision.Act, "shares", out.Decision.To.String())
	}
	l.forget()
	l.publish(out.Judgement, out.Decision, now)
	return nil
}

func (l *Local) publish(j experiment.Judgement, latest experiment.Decision, now time.Time) {
	v := view.Of(view.Input{Plan: l.plan, Record: &l.record, Judgement: &j, Latest: latest, Now: now})
	l.current.Store(&v)
	select {
	case l.changed <- struct{}{}:
	default:
	}
}

// pending gives the commands not yet obeyed. Those that were are recognised by
// their id, so handing one in twice does no harm.
func (l *Local) pending() []experiment.Command {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := l.commands
	l.commands = nil
	return out
}

// read asks every source for what sealed since the last step, phase by phase.
// A source that fails is a fact, not an error (D5).
func (l *Local) read(ctx context.Context, now time.Time) ([]experiment.Seal, []experiment.SourceHealth) {
	var seals []experiment.Seal
	var health []experiment.SourceHealth
	for _, source := range experiment.Sources() {
		h := experiment.SourceHealth{Source: source}
		for i := range l.record.Totals.Phases {
			p := &l.record.Totals.Phases[i]
			last := l.windows(i, now)
			from := *p.Folded.Of(source)
			if from >= last || (source == experiment.SourceGateway && i < l.before) {
				continue
			}
			seal, err := l.seal(ctx, source, p, from, now)
			if err != nil {
				describe(&h, err)
				continue
			}
			seal.To = min(seal.To, last)
			if seal.To > from {
				seals = append(seals, seal)
			}
			if i == len(l.record.Totals.Phases)-1 {
				h.Newest = p.Start.Add(time.Duration(seal.To)*l.plan.Window + l.hold(source) + l.plan.Window)
			}
		}
		health = append(health, h)
	}
	return seals, health
}

// describe turns a source's failure into a fact.
func describe(h *experiment.SourceHealth, err error) {
	if experiment.CodeOf(err) == experiment.CodeConflict {
		h.Gap = true
		return
	}
	h.Down = err.Error()
	if errors.Is(err, context.DeadlineExceeded) {
		h.Down = "it did not answer in time"
	}
}

// hold is how long after its end a source seals a window.
func (l *Local) hold(source experiment.Source) time.Duration {
	if source == experiment.SourceOutcomes {
		return l.plan.OutcomeWindow() + l.plan.Lag
	}
	return l.plan.Lag
}

// windows is the number of windows that phase number i has, the running one
// included.
func (l *Local) windows(i int, now time.Time) int64 {
	phases := l.record.Totals.Phases
	end := now.Add(l.plan.Window)
	if i+1 < len(phases) {
		end = phases[i+1].Start
	}
	return int64((end.Sub(phases[i].Start) + l.plan.Window - 1) / l.plan.Window)
}

// readTimeout bounds one read of the ledger.
const readTimeout = 10 * time.Second

func (l *Local) seal(ctx context.Context, source experiment.Source, p *experiment.PhaseTotals, from int64, now time.Time) (experiment.Seal, error) {
	if source == experiment.SourceGateway {
		return l.gateway.Seal(l.plan.ID(), p.Epoch, p.Phase, from, now)
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	return l.ledger.Seal(ctx, source, l.plan.ID(), p.Epoch, p.Phase, p.Start, from, now)
}

// forget lets the gateway drop windows that are folded and recorded.
func (l *Local) forget() {
	for i := range l.record.Totals.Phases {
		p := &l.record.Totals.Phases[i]
		l.gateway.Drop(l.plan.ID(), p.Epoch, p.Phase, p.Folded.Gateway)
	}
}
