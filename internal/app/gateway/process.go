// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/headgate-dev/headgate/internal/datadir"
	"github.com/headgate-dev/headgate/internal/experiment"
	dataplane "github.com/headgate-dev/headgate/internal/gateway"
)

// What a process does where its options say nothing.
const (
	DefaultListen = "127.0.0.1:8080"
	DefaultAdmin  = "127.0.0.1:9090"
	DefaultData   = "headgate-gateway-data"
	DefaultDrain  = 30 * time.Second
)

// Options configures a process. All but Exposures and Snapshot have defaults.
type Options struct {
	// Listen is the address of traffic, Admin that of everything else.
	Listen, Admin string
	// Snapshot is the file to follow; without it the last good snapshot in
	// Data serves for ever.
	Snapshot string
	// Map is the ConfigMap to follow instead, as NAMESPACE/NAME[/KEY]. KubeAPI,
	// KubeToken and KubeCA are the API server's URL and the files of the token and
	// of the certificates to trust; the pod's own by default.
	Map                        string
	KubeAPI, KubeToken, KubeCA string
	// Baseline is the URL that answers every request while there is no snapshot at
	// all, neither followed nor in Data; without it the answer is 503.
	Baseline string
	// Data is the directory of the last good snapshot and the exposure key; it
	// is made if it is not there.
	Data string
	// Exposures is the file that exposures are appended to; none by default.
	Exposures string
	// Spool is how many rows wait to be taken over from /v1/batches: exposures,
	// pairs and predictions. The default is DefaultSpool; less than 0 is none.
	Spool int
	// Drain bounds how long Close waits for what is under way.
	Drain time.Duration
	// Version is the program's, for the metric of the build.
	Version string
	Log     *slog.Logger

	// now and every are the clock of evidence and the time between two looks
	// at the file, for tests.
	now   func() time.Time
	every time.Duration
}

func (o *Options) complete() error {
	if o.Drain < 0 {
		return experiment.Errorf(experiment.CodeInvalid, "drain is %s: want 0 or more", o.Drain)
	}
	o.Listen = cmp.Or(o.Listen, DefaultListen)
	o.Admin = cmp.Or(o.Admin, DefaultAdmin)
	o.Data = cmp.Or(o.Data, DefaultData)
	o.Drain = cmp.Or(o.Drain, DefaultDrain)
	o.Spool = max(0, cmp.Or(o.Spool, DefaultSpool))
	o.every = cmp.Or(o.every, lookEvery)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.now == nil {
		o.now = time.Now
	}
	return nil
}

// Process is a running gateway. It must be closed.
type Process struct {
	options  Options
	data     *datadir.Dir
	gateway  *dataplane.Gateway
	follower *follower
	// followed is the ConfigMap's watch; nil follows none.
	followed  *mapWatch
	windows   *windows
	exposures *exposureFile
	spool     *spool

	traffic *dataplane.Server
	admin   *http.Server
	// trafficAt and adminAt are where they listen.
	trafficAt, adminAt net.Listener

	draining atomic.Bool
	closed   sync.Once
	failed   chan error
	stop     context.CancelFunc
	wg       sync.WaitGroup
}

// Start serves what the data directory holds, then follows the file. It fails,
// leaving nothing behind, if an address is taken, the data directory is in use
// or cannot be written, or the file of exposures cannot be opened. A snapshot
// that is bad or not there does not fail it: until there is one, the gateway
// answers 503 and is not ready.
func Start(ctx context.Context, o Options) (*Process, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	p := &Process{options: o, failed: make(chan error, 2)}
	if err := p.open(ctx); err != nil {
		return nil, errors.Join(err, p.release())
	}
	ctx, p.stop = context.WithCancel(context.WithoutCancel(ctx))
	if p.followed != nil {
		p.wg.Go(func() { p.followed.run(ctx) })
	}
	p.wg.Go(func() { p.tick(ctx) })
	o.Log.Info("serving", "traffic", p.TrafficURL(), "admin", p.AdminURL(), "version", o.Version)
	return p, nil
}

// open brings things up in the order of their worth: the last good snapshot
// answers before metrics can be asked for or the file is looked at.
func (p *Process) open(ctx context.Context) error {
	var err error
	if p.followed, err = p.options.watch(); err != nil {
		return err
	}
	if p.data, err = datadir.Open(p.options.Data); err != nil {
		return err
	}
	key, err := p.data.Key()
	if err != nil {
		return err
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), buildInfo(p.options.Version))
	if p.exposures, err = openExposures(p.options.Exposures, registry, p.options.Log); err != nil {
		return err
	}
	p.gateway, err = dataplane.New(dataplane.Options{
		Key: key, Expose: p.expose, Paired: p.pair, Predicted: p.predict, Now: p.options.now, Registry: registry,
		ErrorLog: slog.NewLogLogger(p.options.Log.Handler(), slog.LevelError),
	})
	if err != nil {
		return err
	}
	p.windows = newWindows(p.gateway, p.options.now, registry)
	p.spool = newSpool(p.options.Spool, p.windows, registry)
	p.follower = newFollower(p.options.Snapshot, p.gateway, p.data, p.windows, registry, p.options.Log)
	p.follower.restore(p.options.now())
	if p.options.Baseline != "" {
		if err = p.follower.standIn(p.options.Baseline, p.options.now()); err != nil {
			return err
		}
	}
	if p.trafficAt, err = listen(ctx, "traffic", p.options.Listen); err != nil {
		return err
	}
	p.traffic = p.gateway.Server()
	p.serve("traffic", p.traffic.Serve, p.trafficAt)
	if p.adminAt, err = listen(ctx, "admin", p.options.Admin); err != nil {
		return err
	}
	p.admin = p.adminServer(registry)
	p.serve("admin", p.admin.Serve, p.adminAt)
	p.follower.look(p.options.now())
	return nil
}

// watch makes the watch of the ConfigMap; nil follows none.
func (o *Options) watch() (*mapWatch, error) {
	if o.Map == "" {
		return nil, nil
	}
	if o.Snapshot != "" {
		return nil, experiment.Errorf(experiment.CodeInvalid, "a file and a ConfigMap are to be followed").WithHint("leave --snapshot or --configmap out")
	}
	ref, err := parseMapRef(o.Map)
	if err != nil {
		return nil, err
	}
	server, err := newAPIServer(o.KubeAPI, o.KubeToken, o.KubeCA)
	if err != nil {
		return nil, err
	}
	return newMapWatch(ref, server), nil
}

// expose takes an exposure, before a snapshot serves none comes.
func (p *Process) expose(e experiment.Exposure, groups uint64) bool {
	if e.Experiment == nobody {
		return true
	}
	kept := p.exposures.take(e, groups)
	return p.spool.expose(e, groups) && kept
}

// pair and predict take rows.
func (p *Process) pair(row *experiment.Pair) bool          { return p.spool.pair(row) }
func (p *Process) predict(row *experiment.Prediction) bool { return p.spool.predict(row) }

func listen(ctx context.Context, what, address string) (net.Listener, error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, experiment.Errorf(experiment.CodeInvalid, "listen for %s on %s: %w", what, address, err).
			WithHint("choose another port with --listen or --admin, or 0 for any free one")
	}
	return ln, nil
}

func (p *Process) serve(what string, serve func(net.Listener) error, ln net.Listener) {
	p.wg.Go(func() {
		if err := serve(ln); err != nil && !errors.Is(err, http.ErrServerClosed) {
			p.failed <- experiment.Errorf(experiment.CodeUnavailable, "serve %s: %w", what, err)
		}
	})
}

// tick looks at the file and lets old windows go, until ctx is done.
func (p *Process) tick(ctx context.Context) {
	t := time.NewTicker(p.options.every)
	defer t.Stop()
	var news <-chan mapNews
	if p.followed != nil {
		news = p.followed.news
	}
	for {
		select {
		case <-ctx.Done():
			return
		case n := <-news:
			p.follower.hear(n, p.options.now())
		case <-t.C:
			p.follower.look(p.options.now())
			p.windows.prune()
		}
	}
}

// TrafficURL is where requests are answered.
func (p *Process) TrafficURL() string { return "http://" + p.trafficAt.Addr().String() }

// AdminURL is where health, metrics and cells are.
func (p *Process) AdminURL() string { return "http://" + p.adminAt.Addr().String() }

// Failed receives what stopped a server, if anything does.
func (p *Process) Failed() <-chan error { return p.failed }

// Close stops listening for traffic, lets what is under way end for at most
// Options.Drain, and ends the process. Metrics and cells can be asked for until
// the traffic has ended. A second Close does nothing.
func (p *Process) Close() (err error) {
	p.closed.Do(func() { err = p.end() })
	return err
}

func (p *Process) end() error {
	p.draining.Store(true)
	p.options.Log.Info("draining", "atMost", p.options.Drain)
	ctx, cancel := context.WithTimeout(context.Background(), p.options.Drain)
	defer cancel()
	if p.traffic.Shutdown(ctx) != nil {
		p.options.Log.Warn("cut off what was under way", "after", p.options.Drain)
		_ = p.traffic.Close() // It was asked nicely.
	}
	p.spool.finish()
	if left := p.spool.drain(ctx); left > 0 {
		p.options.Log.Warn("rows that nobody has taken over are lost", "rows", left)
	}
	p.stop()
	return p.release()
}

// adminWithin bounds how long the admin's answers may take at the end.
const adminWithin = time.Second

// release closes whatever open opened.
func (p *Process) release() error {
	var errs []error
	if p.traffic != nil {
		errs = append(errs, p.traffic.Close())
	}
	if p.gateway != nil {
		errs = append(errs, p.gateway.Close())
	}
	if p.admin != nil {
		ctx, cancel := context.WithTimeout(context.Background(), adminWithin)
		defer cancel()
		if p.admin.Shutdown(ctx) != nil {
			_ = p.admin.Close() // As above.
		}
	}
	for _, ln := range []net.Listener{p.trafficAt, p.adminAt} {
		if ln != nil {
			_ = ln.Close() // The servers have closed it already, if they began.
		}
	}
	p.wg.Wait()
	if p.exposures != nil {
		errs = append(errs, p.exposures.close())
	}
	if p.data != nil {
		errs = append(errs, p.data.Close())
	}
	return errors.Join(errs...)
}

// buildInfo is the metric that tells the program's version.
func buildInfo(version string) prometheus.Collector {
	g := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "headgate_gateway_build_info", Help: "1, with the program's version.",
		ConstLabels: prometheus.Labels{"version": version},
	})
	g.Set(1)
	return g
}
