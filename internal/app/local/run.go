// SPDX-License-Identifier: Apache-2.0

package local

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/headgate-dev/headgate/internal/app/desk"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/gateway"
	"github.com/headgate-dev/headgate/internal/judge"
	"github.com/headgate-dev/headgate/internal/ledger"
	"github.com/headgate-dev/headgate/internal/source/sources"
	"github.com/headgate-dev/headgate/internal/view"
)

// Run is one running experiment.
type Run struct {
	plan    *experiment.Plan
	log     *slog.Logger
	now     func() time.Time
	dir     string
	traffic net.Listener
	prober  prober

	store   recordStore
	ledger  *ledger.Ledger
	gateway *gateway.Gateway
	actions *actions
	// own are the run's own stores; nil where the host's are shared.
	own *stores
	// listening is nil where nobody else mirrors.
	listening *listening

	// record, before and latest belong to the loop.
	record experiment.Record
	latest experiment.Decision
	// before is the number of phases that an earlier process served to the
	// end: the gateway knows nothing of them any more.
	before int
	// providers are where metrics are read from, beside the gateway and the
	// ledger; nil where the plan reads none.
	providers *sources.Set
	// acting says that an action was asked for when it was last looked.
	acting bool
	// lost is what was lost of the last of them, or of the one that goes on.
	lost []experiment.Gap
	// pruned is the number of phases whose rows the ledger has let go.
	pruned int
	// early are the newest early readings, and when they were made.
	early   []view.EarlyReading
	earlyAt time.Time

	current atomic.Pointer[view.Experiment]
	changed chan struct{}

	// swap serialises changes of the route; killed says that a person took
	// the traffic back, whatever the loop wants.
	swap     sync.Mutex
	sequence uint64
	served   experiment.Route
	killed   bool

	commands *desk.Commands

	done   chan struct{}
	ended  sync.Once
	memo   *judge.Memo
	failed atomic.Pointer[error]
	stop   context.CancelFunc
	wg     sync.WaitGroup
}

func newRun(p *experiment.Plan, log *slog.Logger, now func() time.Time) *Run {
	return &Run{
		plan: p, log: log, now: now, prober: newProber(p), changed: make(chan struct{}, 1),
		commands: desk.NewCommands(), done: make(chan struct{}), memo: judge.NewMemo(),
	}
}

func (r *Run) open(ctx context.Context, dir string, key *experiment.Key, shared *stores, registry prometheus.Registerer) error {
	r.dir = dir
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return experiment.Errorf(experiment.CodeInvalid, "make the directory of %s: %w", r.plan.ID(), err)
	}
	var err error
	if shared == nil {
		if r.own, err = openFiles(ctx, dir, ledger.Options{Key: key, Registry: registry, Now: r.now}); err != nil {
			return err
		}
		shared = r.own
	}
	r.store, r.ledger = shared.record, shared.ledger
	if err := r.ledger.Register(r.plan); err != nil {
		return err
	}
	if r.providers, err = openProviders(ctx, r.plan); err != nil {
		return err
	}
	if listensTo(r.plan) {
		if r.listening, err = newListening(r.plan, key, registry); err != nil {
			return err
		}
	}
	r.gateway, err = gateway.New(gateway.Options{
		Key: key, Expose: r.ledger.Expose, Paired: r.ledger.Pair, Predicted: r.ledger.Predict, Now: r.now, Registry: registry,
	})
	if err != nil {
		return err
	}
	return r.resume(ctx)
}

// moment is now, as precise as the journal writes it.
func (r *Run) moment() time.Time { return desk.Precise(r.now()) }

// start lets the loop go.
func (r *Run) start(ctx context.Context) {
	ctx, r.stop = context.WithCancel(context.WithoutCancel(ctx))
	r.wg.Go(func() { r.loop(ctx) })
	if r.listening != nil {
		r.wg.Go(func() { r.pairEvents(ctx) })
	}
}

// halt stops the loop and waits for it.
func (r *Run) halt() {
	if r.stop != nil {
		r.stop()
	}
	r.wg.Wait()
}

// release closes whatever open opened.
func (r *Run) release() error {
	errs := []error{desk.CloseListener(r.traffic)}
	if r.actions != nil {
		r.actions.runner.Close()
	}
	if r.providers != nil {
		r.providers.Close()
	}
	if r.gateway != nil {
		errs = append(errs, r.gateway.Close())
	}
	if r.own != nil {
		errs = append(errs, r.own.close())
	}
	return errors.Join(errs...)
}

// ID names the experiment.
func (r *Run) ID() string { return r.plan.ID() }

// TrafficURL is where the gateway answers.
func (r *Run) TrafficURL() string { return "http://" + r.traffic.Addr().String() }

// View is the newest view.
func (r *Run) View() view.Experiment { return *r.current.Load() }

// Changed receives after a new view was made; it holds at most one signal.
func (r *Run) Changed() <-chan struct{} { return r.changed }

// Done is closed when the experiment has first ended, or the loop cannot go
// on; then Err says why.
func (r *Run) Done() <-chan struct{} { return r.done }

// Err is what stopped the loop, or nil.
func (r *Run) Err() error {
	if p := r.failed.Load(); p != nil {
		return *p
	}
	return nil
}
