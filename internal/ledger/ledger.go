// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Options are a ledger's settings. Only Key is required.
type Options struct {
	// Key opens tokens and hashes units.
	Key *experiment.Key
	// Now is the clock that outcomes arrive by; time.Now when nil.
	Now func() time.Time
	// Queue is how many exposures may wait to be written, and how many pairs
	// and predictions together; 65,536 when 0. What comes then is dropped and
	// counted.
	Queue int
	// Commit is how long a commit waits for others to share it, at most 20 ms;
	// 5 ms when 0.
	Commit time.Duration
	// Registry takes the ledger's metrics, headgate_ledger_*, until Close; nil
	// for none.
	Registry prometheus.Registerer
}

const (
	defaultQueue  = 1 << 16
	defaultCommit = 5 * time.Millisecond
	maxCommit     = 20 * time.Millisecond
	// maxJobs is how many callers may wait for one commit; more wait in line.
	maxJobs = 1024
)

func (o *Options) complete() error {
	switch {
	case o.Key == nil:
		return experiment.Errorf(experiment.CodeInvalid, "ledger options: key is missing")
	case o.Queue < 0:
		return experiment.Errorf(experiment.CodeInvalid, "ledger options: queue is %d: want 0 or more", o.Queue)
	case o.Commit < 0 || o.Commit > maxCommit:
		return experiment.Errorf(experiment.CodeInvalid, "ledger options: commit is %s: want 0 to %s", o.Commit, maxCommit)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Queue == 0 {
		o.Queue = defaultQueue
	}
	if o.Commit == 0 {
		o.Commit = defaultCommit
	}
	return nil
}

// Ledger joins exposures and outcomes into cells. It is safe for concurrent
// use. One goroutine writes; everything else hands it work.
type Ledger struct {
	options Options

	mu    sync.RWMutex
	plans map[string]*join
	// expected are the origins of gateways; nil is all.
	expected map[string]bool

	exposures chan queued
	rows      chan queuedRow
	jobs      chan *job
	quit      chan struct{}
	stopped   chan struct{}
	close     func() error

	counters counters
}

// Open opens or creates the ledger's file. A file belongs to one process at a
// time. Options.Queue bounds exposures, and pairs and predictions together, each
// in the queue and once more on their way to the file. Errors are CodeInvalid (options, damaged, another kind, a newer
// schema) or CodeUnavailable (unreachable, in use).
func Open(ctx context.Context, path string, o Options) (*Ledger, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	s, err := openFile(ctx, path)
	if err != nil {
		return nil, err
	}
	return start(ctx, s, o)
}

// OpenPostgres opens or creates a ledger in a PostgreSQL database, in a schema
// of its own: headgate_ledger, unless the URL's parameter schema says otherwise.
// What else the URL may say is in package postgres. A schema belongs to one
// ledger at a time: a second one is refused until the session of the first has
// ended, and then takes over; the first cannot write any more. While the
// database is away, or somebody else's, calls get CodeUnavailable and exposures
// wait in the queue; when it is back the ledger goes on by itself. Errors are
// CodeInvalid (options, URL, another kind, a newer schema) or CodeUnavailable
// (unreachable, in use).
func OpenPostgres(ctx context.Context, url string, o Options) (*Ledger, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	s, err := openDatabase(ctx, url)
	if err != nil {
		return nil, err
	}
	return start(ctx, s, o)
}

// start starts the ledger's writer, which owns the store from now on.
func start(ctx context.Context, s store, o Options) (*Ledger, error) {
	w := newWriter(ctx, s)
	l := &Ledger{
		options:   o,
		plans:     map[string]*join{},
		exposures: make(chan queued, o.Queue),
		rows:      make(chan queuedRow, o.Queue),
		jobs:      make(chan *job, maxJobs),
		quit:      make(chan struct{}),
		stopped:   make(chan struct{}),
	}
	w.ledger = l
	metrics := newCollector(l.Stats)
	if o.Registry != nil {
		if err := o.Registry.Register(metrics); err != nil {
			return nil, errors.Join(experiment.Errorf(experiment.CodeInvalid, "register the ledger's metrics: %w", err), s.close())
		}
	}
	var flushed error
	l.close = sync.OnceValue(func() error {
		if o.Registry != nil {
			o.Registry.Unregister(metrics)
		}
		close(l.quit)
		<-l.stopped
		return errors.Join(flushed, s.close())
	})
	go func() {
		defer close(l.stopped)
		flushed = w.run()
	}()
	return l, nil
}

// Close writes what is queued and closes the file. Calls that are under way
// either finish or get CodeUnavailable.
func (l *Ledger) Close() error { return l.close() }

// Register tells the ledger how to join an experiment's outcomes. It must come
// before the experiment's first exposure, and again after every Open.
// Registering the same again is fine; joining an experiment otherwise than
// before is refused (CodeConflict), for cells of two meanings would be mixed.
func (l *Ledger) Register(plan *experiment.Plan) error {
	j := newJoin(plan)
	if j.window <= 0 {
		return experiment.Errorf(experiment.CodeInvalid, "register %s: window is %s: want more than 0", j.experiment, j.window)
	}
	if err := j.segments.check(); err != nil {
		return experiment.Errorf(experiment.CodeInvalid, "register %s: %w", j.experiment, err)
	}
	l.mu.RLock()
	old := l.plans[j.experiment]
	l.mu.RUnlock()
	if old != nil {
		return old.same(j)
	}
	err := l.do(context.Background(), &job{solo: true, run: func(w *writer) (err error) {
		j.id, err = w.experiment(j.experiment)
		return err
	}})
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if old := l.plans[j.experiment]; old != nil {
		return old.same(j)
	}
	l.plans[j.experiment] = j
	return nil
}

func (l *Ledger) lookup(id string) (*join, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if j := l.plans[id]; j != nil {
		return j, nil
	}
	return nil, experiment.Errorf(experiment.CodeNotFound, "no experiment %q takes outcomes here", id).
		WithHint("check the experiment's name, and that it is running")
}
