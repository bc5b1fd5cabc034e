// SPDX-License-Identifier: Apache-2.0

package local

import (
	"context"
	"time"

	"github.com/headgate-dev/headgate/internal/app/desk"
	"github.com/headgate-dev/headgate/internal/engine"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/judge"
	"github.com/headgate-dev/headgate/internal/view"
)

// resume loads the record, or begins the plan, and serves the state's route; a
// mark of a kill comes before either.
//
// Request counts live in the gateway's memory until they are folded: what a
// process that died had not folded is lost, at most a few windows, and is a gap.
// Exposures and outcomes are in the ledger and go on as if nothing had been.
func (r *Run) resume(ctx context.Context) error {
	now := r.moment()
	rec, err := r.store.Load(ctx, r.plan.ID())
	begins := experiment.CodeOf(err) == experiment.CodeNotFound
	switch {
	case begins:
		out := engine.Begin(r.plan, now)
		if rec, err = r.store.Save(ctx, r.plan.ID(), out.Record, *out.Entry); err != nil {
			return err
		}
		r.latest = out.Decision
	case err != nil:
		return err
	case rec.State.Plan != r.plan.Hash():
		return experiment.Errorf(experiment.CodeConflict, "the data directory holds another plan of %s", r.plan.ID()).
			WithHint("a running experiment does not change its plan: choose another directory or another name")
	}
	r.record = rec
	r.before = len(rec.Totals.Phases) - 1
	if !begins {
		r.lost = lostWith(r.plan, &rec.Totals.Phases[r.before], now)
	}
	if err := r.route(); err != nil {
		return err
	}
	kill, marked, err := desk.ReadKill(r.dir)
	if err != nil {
		return err
	}
	if marked {
		if err := r.killRoute(); err != nil {
			return err
		}
		r.commands.Add(kill)
	}
	judgement, _ := judge.Judge(r.plan, &rec.Totals, rec.Monitors, judge.AtState(&rec.State, now))
	r.publish(judgement, now)
	return nil
}

// longestExchange is how long a request may keep its window from being sealed.
const longestExchange = 30 * time.Second

// lostWith is what was lost with an earlier process: the windows of the phase
// that it may have served and had not folded. What was later than that, nobody
// served; it is no gap.
func lostWith(p *experiment.Plan, phase *experiment.PhaseTotals, now time.Time) []experiment.Gap {
	from := phase.Folded.Gateway
	unfolded := int64((p.Lag+longestExchange+p.Window-1)/p.Window) + 2
	return []experiment.Gap{{
		From: from, To: min(from+unfolded, int64(now.Sub(phase.Start)/p.Window)+1),
		Why: "the process was started anew, and what it had not counted was lost",
	}}
}

// tick is how often the loop steps: twice a window, but neither often enough
// to cost nor seldom enough to be late.
func tick(window time.Duration) time.Duration {
	return min(max(window/2, 100*time.Millisecond), 5*time.Second)
}

// loop steps at every tick and at every command. An experiment that has ended
// waits for commands only.
func (r *Run) loop(ctx context.Context) {
	r.wg.Go(func() { r.prober.watch(ctx) })
	t := time.NewTimer(0)
	defer t.Stop()
	for {
		t.Reset(engine.Pace(r.plan, &r.record.State, r.moment(), tick(r.plan.Window)))
		if over(&r.record.State) {
			r.ended.Do(func() { close(r.done) })
		}
		select {
		case <-ctx.Done():
			return
		case <-r.commands.Wake():
		case <-r.actions.ended:
		case <-t.C:
		}
		if over(&r.record.State) && len(r.commands.Pending()) == 0 {
			continue
		}
		if err := r.step(ctx, r.moment()); err != nil && ctx.Err() == nil {
			r.log.Error("the experiment cannot go on", "experiment", r.plan.ID(), "error", err)
			r.failed.Store(&err)
			r.ended.Do(func() { close(r.done) })
			return
		}
	}
}

// over says whether an experiment decides and does nothing more by itself.
func over(s *experiment.State) bool {
	return (s.Condition == experiment.Done || s.Condition == experiment.Killed) && !s.Asks(experiment.IntentRun)
}

// step is one turn: read, judge and decide, record, act, show.
func (r *Run) step(ctx context.Context, now time.Time) error {
	in := engine.Input{Now: now, Ready: r.prober.state(), Memo: r.memo}
	in.Commands = r.commands.Pending()
	in.Seals, in.Sources = r.read(ctx, now)
	in.Readings = engine.Points(ctx, r.plan, &r.record.State, now, r.providers.Points)
	in.Moved = r.moved(ctx)
	in.Actions = r.acts(ctx)
	out, err := engine.Step(r.plan, r.record, in)
	if err != nil {
		return err
	}
	var entries []experiment.Entry
	if out.Entry != nil {
		entries = append(entries, *out.Entry)
	}
	rec, err := r.store.Save(ctx, r.plan.ID(), out.Record, entries...)
	if err != nil {
		return err
	}
	r.record, r.latest = rec, out.Decision
	if err := r.act(&out); err != nil {
		return err
	}
	r.acts(ctx) // What is asked for now begins, after the traffic.
	r.forget(ctx, now)
	r.readEarly(ctx, now)
	r.publish(out.Judgement, now)
	r.commands.Answered(rec.State.Commands, out.Decision)
	return nil
}

// act does what the decision asks for, after it was recorded.
func (r *Run) act(out *engine.Output) error {
	if r.record.State.Condition != experiment.Killed && len(r.commands.Kills(r.record.State.Commands)) == 0 {
		if err := r.unkill(); err != nil {
			return err
		}
	}
	if len(out.Intents) == 0 {
		return nil
	}
	if err := r.route(); err != nil {
		return err
	}
	r.log.Info("traffic moved", "experiment", r.plan.ID(), "act", out.Decision.Act, "shares", out.Decision.To.String())
	return nil
}

func (r *Run) publish(j experiment.Judgement, now time.Time) {
	v := view.Of(view.Input{Plan: r.plan, Record: &r.record, Judgement: &j, Latest: r.latest, Early: r.early, Hanging: r.gateway.Hanging(r.plan.ID()), Now: now})
	r.current.Store(&v)
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

// read asks every source for what sealed since the last step.
func (r *Run) read(ctx context.Context, now time.Time) ([]experiment.Seal, []experiment.SourceHealth) {
	return engine.Collect(ctx, r.plan, &r.record.Totals, now, r.seal)
}

// readTimeout bounds one read of the ledger.
const readTimeout = 10 * time.Second

// seal asks one source. The gateway knows nothing of the phases that an earlier
// process served to their end.
func (r *Run) seal(ctx context.Context, w engine.Wanted, now time.Time) (experiment.Seal, error) {
	p := w.Phase
	switch {
	case w.Source == experiment.SourceGateway && w.Index < r.before:
		return experiment.Seal{Source: w.Source, Epoch: p.Epoch, Phase: p.Phase, From: w.From, To: w.From}, nil
	case w.Source == experiment.SourceGateway:
		seal, err := r.gateway.Seal(r.plan.ID(), p.Epoch, p.Phase, w.From, now)
		if w.Index == r.before {
			seal.Gaps = experiment.MergeGaps(r.lost, seal.From, seal.To)
		}
		return seal, err
	case w.Source == experiment.SourceMetrics:
		return r.providers.Seal(ctx, w, now)
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	return r.ledger.Seal(ctx, w.Source, r.plan.ID(), p.Epoch, p.Phase, p.Start, w.From, now)
}

// moved counts the units that changed version inside the current phase. A
// ledger that cannot be read says so where it is read for evidence.
func (r *Run) moved(ctx context.Context) int64 {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	n, err := r.ledger.Moved(ctx, r.plan.ID(), r.record.State.Epoch, r.record.State.Phase)
	if err != nil {
		return 0
	}
	return n
}

// forget lets go of what is folded and recorded: the gateway's windows at once,
// the ledger's rows when their phase is over and folded to its end. Forgetting
// is housekeeping: what fails is tried again at the next step.
func (r *Run) forget(ctx context.Context, now time.Time) {
	phases := r.record.Totals.Phases
	for i := range phases {
		p := &phases[i]
		r.gateway.Drop(r.plan.ID(), p.Epoch, p.Phase, p.Folded.Gateway)
	}
	for r.pruned+1 < len(phases) {
		p := &phases[r.pruned]
		windows := engine.Windows(r.plan, &r.record.Totals, r.pruned, now)
		for _, source := range r.plan.Sources() {
			if source != experiment.SourceGateway && *p.Folded.Of(source) < windows {
				return
			}
		}
		ctx, cancel := context.WithTimeout(ctx, readTimeout)
		err := r.ledger.Prune(ctx, r.plan.ID(), p.Epoch, p.Phase, windows)
		cancel()
		if err != nil {
			r.log.Warn("rows of a phase that is over could not be deleted", "experiment", r.plan.ID(), "phase", p.Phase, "error", err)
			return
		}
		r.pruned++
	}
}
