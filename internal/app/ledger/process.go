// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/headgate-dev/headgate/internal/datadir"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/httpapi"
	store "github.com/headgate-dev/headgate/internal/ledger"
)

// Options configures a process. Plans and Data are required.
type Options struct {
	// Plans are the experiments whose outcomes are taken.
	Plans []*experiment.Plan
	// Gateways are the admin addresses of the gateways to take rows over from.
	Gateways []string
	// Data is the directory of the exposure key, which must be the gateways'
	// own, and of the SQLite file where there is no Database.
	Data string
	// Database is the URL of a PostgreSQL database; empty is SQLite. It never
	// reaches a log.
	Database string
	// API is the address of outcomes, seals and metrics; a free port on
	// loopback by default.
	API string
	// Token must come with outcomes; empty asks for none.
	Token string
	Log   *slog.Logger
}

// Process takes over what gateways have counted and what applications tell, and
// keeps both. It must be closed.
type Process struct {
	options Options
	dir     *datadir.Dir
	ledger  *store.Ledger
	pullers []*puller
	api     *http.Server
	apiAt   net.Listener
	failed  chan error
	stop    context.CancelFunc
	wg      sync.WaitGroup
}

// Start opens the store, registers the plans and begins to pull. It fails,
// leaving nothing behind, if the address is taken, or the directory or the
// database is in use or cannot be reached. Gateways that do not answer are asked
// again and again.
func Start(ctx context.Context, o Options) (*Process, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	p := &Process{options: o, failed: make(chan error, 1)}
	if err := p.open(ctx); err != nil {
		return nil, errors.Join(err, p.release())
	}
	ctx, p.stop = context.WithCancel(context.WithoutCancel(ctx))
	for _, g := range p.pullers {
		p.wg.Go(func() { g.run(ctx) })
	}
	p.wg.Go(func() {
		if err := p.api.Serve(p.apiAt); err != nil && !errors.Is(err, http.ErrServerClosed) {
			p.failed <- experiment.Errorf(experiment.CodeUnavailable, "serve the API: %w", err)
		}
	})
	return p, nil
}

func (p *Process) open(ctx context.Context) error {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	metrics := newPulled(registry)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1, ResponseHeaderTimeout: pullWithin}}
	for _, text := range p.options.Gateways {
		url, err := checkGateway(text)
		if err != nil {
			return err
		}
		p.pullers = append(p.pullers, &puller{url: url, client: client, log: p.options.Log, pulled: metrics})
	}
	var lc net.ListenConfig
	var err error
	if p.apiAt, err = lc.Listen(ctx, "tcp", cmp.Or(p.options.API, "127.0.0.1:0")); err != nil {
		return experiment.Errorf(experiment.CodeInvalid, "listen for the API: %w", err).WithHint("choose another port with --api, or 0 for any free one")
	}
	if p.dir, err = datadir.Open(p.options.Data); err != nil {
		return err
	}
	key, err := p.dir.Key()
	if err != nil {
		return err
	}
	settings := store.Options{Key: key, Registry: registry}
	if p.options.Database != "" {
		p.ledger, err = store.Open(ctx, p.dir.Path("ledger.db"), settings)
	} else {
		p.ledger, err = store.Open(ctx, p.dir.Path("ledger.db"), settings)
	}
	if err != nil {
		return err
	}
	for _, plan := range p.options.Plans {
		if err := p.ledger.Register(plan); err != nil {
			return err
		}
	}
	for _, g := range p.pullers {
		g.store = p.ledger
	}
	p.api = p.server(registry)
	return nil
}

// server answers applications, operators, and whoever decides.
func (p *Process) server(metrics prometheus.Gatherer) *http.Server {
	mux := http.NewServeMux()
	mux.Handle("POST /v1/outcomes", httpapi.Bearer(p.options.Token, httpapi.Outcomes(p.ledger, p.names)))
	mux.Handle("GET /v1/seals", httpapi.Bearer(p.options.Token, http.HandlerFunc(p.seals)))
	mux.Handle("GET /healthz", httpapi.Health(func(context.Context) error { return nil }))
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /v1/gateways", func(w http.ResponseWriter, _ *http.Request) {
		states := make([]PullState, len(p.pullers))
		for i, g := range p.pullers {
			states[i] = g.current()
		}
		httpapi.WriteJSON(w, http.StatusOK, states)
	})
	return &http.Server{
		Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second,
		WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
	}
}

func (p *Process) names() []string {
	names := make([]string, len(p.options.Plans))
	for i, plan := range p.options.Plans {
		names[i] = plan.ID()
	}
	return names
}

// sealWithin bounds one read of sealed windows.
const sealWithin = 10 * time.Second

// seals answers with the sealed windows of a phase from one source: source,
// epoch, phase and start (RFC 3339) name them; from is the first, 0 where it is
// left out; experiment may be where there is one.
func (p *Process) seals(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	id := q.Get("experiment")
	if id == "" && len(p.options.Plans) == 1 {
		id = p.options.Plans[0].ID()
	}
	source := experiment.Source(q.Get("source"))
	start, err := time.Parse(time.RFC3339Nano, q.Get("start"))
	if err != nil || !slices.Contains(experiment.Sources(), source) {
		httpapi.WriteError(w, experiment.Errorf(experiment.CodeInvalid, "source is %q and start %q", source, q.Get("start")).
			WithHint("ask for /v1/seals?source=outcomes&epoch=1&phase=1&start=2026-11-21T11:26:00Z, with a source among %v", experiment.Sources()))
		return
	}
	var numbers [3]int64
	for i, name := range []string{"epoch", "phase", "from"} {
		text := cmp.Or(q.Get(name), "0")
		if numbers[i], err = strconv.ParseInt(text, 10, 64); err != nil || numbers[i] < 0 {
			httpapi.WriteError(w, experiment.Errorf(experiment.CodeInvalid, "%s is %q: want a whole number of 0 or more", name, text))
			return
		}
	}
	ctx, cancel := context.WithTimeout(r.Context(), sealWithin)
	defer cancel()
	seal, err := p.ledger.Seal(ctx, source, id, int(numbers[0]), int(numbers[1]), start, numbers[2], time.Now())
	if err != nil {
		httpapi.WriteError(w, err)
		return
	}
	httpapi.WriteJSON(w, http.StatusOK, seal)
}

// APIURL is where outcomes, seals and metrics are.
func (p *Process) APIURL() string { return "http://" + p.apiAt.Addr().String() }

// Failed receives what stopped the API's server, if anything does.
func (p *Process) Failed() <-chan error { return p.failed }

// closeWithin bounds how long answers under way may take at the end.
const closeWithin = 5 * time.Second

// Close ends the process: what was acknowledged is kept.
func (p *Process) Close() error {
	p.stop()
	ctx, cancel := context.WithTimeout(context.Background(), closeWithin)
	defer cancel()
	if p.api.Shutdown(ctx) != nil {
		_ = p.api.Close() // It was asked nicely.
	}
	p.wg.Wait()
	return p.release()
}

// release closes whatever open opened.
func (p *Process) release() error {
	var errs []error
	if p.apiAt != nil {
		_ = p.apiAt.Close() // The server has closed it already, if it began.
	}
	if p.ledger != nil {
		errs = append(errs, p.ledger.Close())
	}
	if p.dir != nil {
		errs = append(errs, p.dir.Close())
	}
	return errors.Join(errs...)
}
