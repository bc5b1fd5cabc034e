// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/headgate-dev/headgate/internal/datadir"
	"github.com/headgate-dev/headgate/internal/experiment"
	store "github.com/headgate-dev/headgate/internal/ledger"
)

// Options configures a process. Data is required, and Gateways or Events.
type Options struct {
	// Plans are the experiments whose rows are taken, beside those that a
	// controller tells of.
	Plans []*experiment.Plan
	// Gateways are the admin addresses of the gateways to take rows over from,
	// as http URLs. Nobody else may take from them.
	Gateways []string
	// Data is the directory of the exposure key, which must be the gateways'
	// own, of the plans that a controller told of, and of the SQLite file where
	// there is no Database.
	Data string
	// Database is the URL of a PostgreSQL database; empty is SQLite. It never
	// reaches an error or a log.
	Database string
	// API is the address of outcomes, seals and metrics; a free port on
	// loopback by default.
	API string
	// Events is the address where model servers' loggers tell of answers, for
	// experiments whose traffic passes no gateway of Headgate's; empty hears
	// nothing. Loggers carry no token.
	Events string
	// Token must come with outcomes, plans and questions for seals; empty asks for
	// none.
	Token string
	Log   *slog.Logger

	now func() time.Time
	// every is the time between two looks at what ears have to hand over; 0 is
	// earEvery.
	every time.Duration
}

// Process takes over what gateways have counted and what applications tell, and
// keeps both. It must be closed.
type Process struct {
	options Options
	dir     *datadir.Dir
	ledger  *store.Ledger
	plans   plans
	client  *http.Client
	pullers []*puller
	// ears hear what loggers tell at events; nil where nothing is heard. Expecting
	// is held by whoever tells the store of them.
	ears            *ears
	expecting       sync.Mutex
	api, events     *http.Server
	apiAt, eventsAt net.Listener
	failed          chan error
	stop            context.CancelFunc
	wg              sync.WaitGroup
}

// Start opens the store, registers the plans and begins to pull. It fails,
// leaving nothing behind, if the address is taken, the address of a gateway
// makes no sense, or the directory or the database is in use or cannot be
// reached. Gateways that do not answer are asked again and again.
func Start(ctx context.Context, o Options) (*Process, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.now == nil {
		o.now = time.Now
	}
	p := &Process{options: o, failed: make(chan error, 2)}
	if err := p.open(ctx); err != nil {
		return nil, errors.Join(err, p.release())
	}
	ctx, p.stop = context.WithCancel(context.WithoutCancel(ctx))
	for _, g := range p.pullers {
		p.wg.Go(func() { g.run(ctx) })
	}
	p.serve("the API", p.api, p.apiAt)
	if p.ears != nil {
		p.wg.Go(func() { p.ears.run(ctx) })
		p.serve("events", p.events, p.eventsAt)
	}
	return p, nil
}

func (p *Process) serve(what string, s *http.Server, at net.Listener) {
	p.wg.Go(func() {
		if err := s.Serve(at); err != nil && !errors.Is(err, http.ErrServerClosed) {
			p.failed <- experiment.Errorf(experiment.CodeUnavailable, "serve %s: %w", what, err)
		}
	})
}

func (p *Process) open(ctx context.Context) error {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if err := p.name(newPulled(registry)); err != nil {
		return err
	}
	var lc net.ListenConfig
	var err error
	if p.apiAt, err = lc.Listen(ctx, "tcp", cmp.Or(p.options.API, "127.0.0.1:0")); err != nil {
		return experiment.Errorf(experiment.CodeInvalid, "listen for the API: %w", err).WithHint("choose another port with --api, or 0 for any free one")
	}
	if p.dir, err = datadir.Open(p.options.Data); err != nil {
		return err
	}
	key, err := p.key()
	if err != nil {
		return err
	}
	if p.ledger, err = p.store(ctx, store.Options{Key: key, Registry: registry, Now: p.options.now}); err != nil {
		return err
	}
	for _, g := range p.pullers {
		g.store = p.ledger
	}
	if p.options.Events != "" {
		if err := p.openEars(ctx, key, registry); err != nil {
			return err
		}
	}
	p.plans.dir, p.plans.ledger, p.plans.deaf, p.plans.hear = p.dir, p.ledger, p.ears == nil, p.hear
	if err := p.plans.open(p.options.Plans); err != nil {
		return err
	}
	p.expect()
	p.api = p.server(registry)
	return nil
}

// openEars listens for loggers.
func (p *Process) openEars(ctx context.Context, key *experiment.Key, registry prometheus.Registerer) (err error) {
	var lc net.ListenConfig
	if p.eventsAt, err = lc.Listen(ctx, "tcp", p.options.Events); err != nil {
		return experiment.Errorf(experiment.CodeInvalid, "listen for events: %w", err).WithHint("choose another port with --events, or 0 for any free one")
	}
	p.ears = newEars(registry, p.options.now, p.options.Log)
	p.ears.key, p.ears.store, p.ears.every = key, p.ledger, cmp.Or(p.options.every, earEvery)
	p.events = p.eventServer()
	return nil
}

// hear makes the ear of a plan that wants one.
func (p *Process) hear(plan *experiment.Plan) error {
	if !plan.Hears() {
		return nil
	}
	if err := p.ears.open(plan); err != nil {
		return err
	}
	p.expect()
	return nil
}

// expect tells the store whose windows it is to wait for.
func (p *Process) expect() {
	p.expecting.Lock()
	defer p.expecting.Unlock()
	var origins []string
	for _, g := range p.pullers {
		origins = append(origins, g.url)
	}
	if p.ears != nil {
		origins = append(origins, p.ears.origins()...)
	}
	p.ledger.Expect(origins)
}

// name makes the pullers.
func (p *Process) name(metrics pulled) error {
	if len(p.options.Gateways) == 0 && p.options.Events == "" {
		return experiment.Errorf(experiment.CodeInvalid, "no gateway is named, and nothing is to be heard of events").WithHint("%s", gatewayHint)
	}
	p.client = newClient()
	for _, text := range p.options.Gateways {
		url, err := checkGateway(text)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(p.pullers, func(g *puller) bool { return g.url == url }) {
			return experiment.Errorf(experiment.CodeInvalid, "the gateway %s is named twice", url)
		}
		p.pullers = append(p.pullers, &puller{url: url, client: p.client, log: p.options.Log, pulled: metrics, within: pullWithin})
	}
	return nil
}

// key is the directory's, which tells tokens of the gateways' from others.
func (p *Process) key() (*experiment.Key, error) {
	if file := p.dir.Path("exposure.key"); !exists(file) && len(p.pullers) > 0 {
		p.options.Log.Warn("the data directory gets an exposure key of its own; tokens of gateways that have another are refused, so copy it to them or theirs here", "file", file)
	}
	return p.dir.Key()
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, os.ErrNotExist)
}

// store opens the database, or the file.
func (p *Process) store(ctx context.Context, o store.Options) (*store.Ledger, error) {
	if p.options.Database != "" {
		return store.OpenPostgres(ctx, p.options.Database, o)
	}
	return store.Open(ctx, p.dir.Path("ledger.db"), o)
}

// APIURL is where outcomes, seals and metrics are.
func (p *Process) APIURL() string { return "http://" + p.apiAt.Addr().String() }

// EventsURL is where loggers send events; empty where nothing is heard.
func (p *Process) EventsURL() string {
	if p.eventsAt == nil {
		return ""
	}
	return "http://" + p.eventsAt.Addr().String() + "/v1/events"
}

// Failed receives what stopped a server, if anything does.
func (p *Process) Failed() <-chan error { return p.failed }

// closeWithin bounds how long answers under way may take at the end.
const closeWithin = 5 * time.Second

// Close ends the process: what was acknowledged is kept.
func (p *Process) Close() error {
	p.stop()
	ctx, cancel := context.WithTimeout(context.Background(), closeWithin)
	defer cancel()
	for _, s := range []*http.Server{p.events, p.api} {
		if s != nil && s.Shutdown(ctx) != nil {
			_ = s.Close() // It was asked nicely.
		}
	}
	p.wg.Wait()
	return p.release()
}

// release closes whatever open opened.
func (p *Process) release() error {
	var errs []error
	if p.client != nil {
		p.client.CloseIdleConnections()
	}
	for _, at := range []net.Listener{p.apiAt, p.eventsAt} {
		if at != nil {
			_ = at.Close() // The server has closed it already, if it began.
		}
	}
	if p.ears != nil {
		ctx, cancel := context.WithTimeout(context.Background(), closeWithin)
		defer cancel()
		errs = append(errs, p.ears.close(ctx))
	}
	if p.ledger != nil {
		errs = append(errs, p.ledger.Close())
	}
	if p.dir != nil {
		errs = append(errs, p.dir.Close())
	}
	return errors.Join(errs...)
}
