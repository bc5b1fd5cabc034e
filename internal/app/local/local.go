// SPDX-License-Identifier: Apache-2.0

// Package local wires one experiment on one machine: the gateway that carries
// its traffic, the ledger that joins its outcomes, the record that survives a
// restart, and the loop that judges and decides. It holds no rule of its own.
//
// Everything listens on loopback unless told otherwise, and everything that
// Start starts is gone when Close returns.
package local

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/gateway"
	"github.com/headgate-dev/headgate/internal/ledger"
	"github.com/headgate-dev/headgate/internal/record/sqlite"
	"github.com/headgate-dev/headgate/internal/view"
)

// Options configures a local run. The zero value of every field but Plan and
// Data is usable.
type Options struct {
	Plan *experiment.Plan
	// Data is the directory of the run's files; it is made if it is not there.
	Data string
	// Listen is the address of the gateway, API that of outcomes, views and
	// metrics; both default to a free port on loopback.
	Listen string
	API    string
	Log    *slog.Logger
}

// Loopback is a free port that only this machine can reach.
const Loopback = "127.0.0.1:0"

// Local is a running experiment.
type Local struct {
	plan     *experiment.Plan
	log      *slog.Logger
	registry *prometheus.Registry

	lock    *os.File
	store   *sqlite.Store
	ledger  *ledger.Ledger
	gateway *gateway.Gateway

	traffic, api net.Listener
	servers      []*http.Server

	record   experiment.Record
	sequence uint64
	// before is the number of phases that an earlier process served to the
	// end: the gateway knows nothing of them any more.
	before  int
	prober  prober
	current atomic.Pointer[view.Experiment]
	changed chan struct{}

	mu       sync.Mutex
	commands []experiment.Command

	done   chan struct{}
	failed atomic.Pointer[error]
	stop   context.CancelFunc
	wg     sync.WaitGroup
}

// Start opens or resumes the run in o.Data and lets it go. It fails, leaving
// nothing behind, if a backend cannot be reached, a port is in use, or the
// directory holds another plan.
func Start(ctx context.Context, o Options) (*Local, error) {
	l := &Local{
		plan: o.Plan, log: o.Log, registry: prometheus.NewRegistry(),
		changed: make(chan struct{}, 1), done: make(chan struct{}),
		prober: newProber(o.Plan),
	}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	l.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if err := l.open(ctx, o); err != nil {
		return nil, errors.Join(err, l.release())
	}
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	l.stop = stop
	l.serve()
	l.wg.Go(func() { l.loop(run) })
	return l, nil
}

// open does everything that can fail, in an order in which the cheapest and
// likeliest mistakes come first.
func (l *Local) open(ctx context.Context, o Options) error {
	var err error
	if l.traffic, err = listen(ctx, "gateway", cmp.Or(o.Listen, Loopback)); err != nil {
		return err
	}
	if l.api, err = listen(ctx, "API", cmp.Or(o.API, Loopback)); err != nil {
		return err
	}
	if err := l.prober.reach(ctx); err != nil {
		return err
	}
	if err := os.MkdirAll(o.Data, 0o700); err != nil {
		return experiment.Errorf(experiment.CodeInvalid, "make the data directory: %w", err)
	}
	if l.lock, err = lockDir(o.Data); err != nil {
		return err
	}
	key, err := openKey(filepath.Join(o.Data, "exposure.key"))
	if err != nil {
		return err
	}
	if l.store, err = sqlite.Open(ctx, filepath.Join(o.Data, "record.db")); err != nil {
		return err
	}
	if l.ledger, err = ledger.Open(ctx, filepath.Join(o.Data, "ledger.db"), ledger.Options{Key: key, Registry: l.registry}); err != nil {
		return err
	}
	if err := l.ledger.Register(l.plan); err != nil {
		return err
	}
	if l.gateway, err = gateway.New(gateway.Options{Key: key, Expose: l.ledger.Expose, Registry: l.registry}); err != nil {
		return err
	}
	return l.resume(ctx)
}

func listen(ctx context.Context, what, address string) (net.Listener, error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, experiment.Errorf(experiment.CodeInvalid, "listen for the %s on %s: %w", what, address, err).
			WithHint("choose another port, or 0 for any free one")
	}
	return ln, nil
}

// TrafficURL is where the gateway answers.
func (l *Local) TrafficURL() string { return "http://" + l.traffic.Addr().String() }

// APIURL is where outcomes, views and metrics are.
func (l *Local) APIURL() string { return "http://" + l.api.Addr().String() }

// View is the newest view.
func (l *Local) View() view.Experiment { return *l.current.Load() }

// Changed receives after a new view was made; it holds at most one signal.
func (l *Local) Changed() <-chan struct{} { return l.changed }

// Done is closed when the experiment has ended, or the loop cannot go on; then
// Err says why.
func (l *Local) Done() <-chan struct{} { return l.done }

// Err is what stopped the loop, or nil.
func (l *Local) Err() error {
	if p := l.failed.Load(); p != nil {
		return *p
	}
	return nil
}

// Command hands a person's wish to the next step of the loop.
func (l *Local) Command(c experiment.Command) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.commands = append(l.commands, c)
}

// closeWithin bounds how long servers may take to drain.
const closeWithin = 2 * time.Second

// Close drains the servers, stops the loop and closes the files.
func (l *Local) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeWithin)
	defer cancel()
	var errs []error
	for _, s := range l.servers {
		if err := s.Shutdown(ctx); err != nil {
			errs = append(errs, s.Close())
		}
	}
	l.stop()
	l.wg.Wait()
	return errors.Join(append(errs, l.release())...)
}

// release closes whatever open opened.
func (l *Local) release() error {
	var errs []error
	for _, ln := range []net.Listener{l.traffic, l.api} {
		if ln == nil {
			continue
		}
		if err := ln.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	if l.gateway != nil {
		errs = append(errs, l.gateway.Close())
	}
	if l.ledger != nil {
		errs = append(errs, l.ledger.Close())
	}
	if l.store != nil {
		errs = append(errs, l.store.Close())
	}
	if l.lock != nil {
		errs = append(errs, l.lock.Close())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close the run: %w", err)
	}
	return nil
}
