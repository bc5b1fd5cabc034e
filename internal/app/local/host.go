// SPDX-License-Identifier: Apache-2.0

// Package local wires experiments on one machine. A Host holds a data
// directory, the API and the control socket; in it each Run holds one
// experiment: the gateway that carries its traffic, the ledger that joins its
// outcomes, the record that survives a restart, and the loop that judges and
// decides. There is no rule in here.
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
	"path/filepath"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/headgate-dev/headgate/internal/app/desk"
	"github.com/headgate-dev/headgate/internal/datadir"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/gateway"
	"github.com/headgate-dev/headgate/internal/ledger"
)

// Options configures a host. Only Experiments and Data are required.
type Options struct {
	Experiments []Experiment
	// Data is the directory of all files; it is made if it is not there.
	Data string
	// Database is the URL of a PostgreSQL database that keeps records, journals
	// and the ledger instead of files in Data; empty is files. It never reaches
	// a log.
	Database string
	// API is the address of outcomes, views and metrics; a free port on
	// loopback by default.
	API string
	// Token must come with outcomes, exposures and evaluations; empty asks for
	// none.
	Token string
	// AllowExec lets actions of the experiments run commands.
	AllowExec bool
	Log       *slog.Logger

	// now is the clock of evidence and of decisions, for tests; time-outs run on
	// the machine's own.
	now func() time.Time
}

// Experiment is a plan and the address that its gateway listens on; a free
// port on loopback by default.
type Experiment struct {
	Plan   *experiment.Plan
	Listen string
}

// Host runs experiments.
type Host struct {
	log      *slog.Logger
	data     string
	token    string
	registry *prometheus.Registry
	dir      *datadir.Dir
	stores   *stores // of all runs, where they share a database
	runs     []*Run
	api      net.Listener
	control  net.Listener
	desk     *desk.Desk
}

// Start opens or resumes the experiments in o.Data and lets them go. It fails,
// leaving nothing behind, if a backend cannot be reached, a port is in use or
// claimed twice, or the directory holds another plan of the same name.
func Start(ctx context.Context, o Options) (*Host, error) {
	h := &Host{log: o.Log, data: o.Data, token: o.Token, registry: prometheus.NewRegistry()}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	if o.now == nil {
		o.now = time.Now
	}
	h.desk = desk.New(h.log)
	h.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if err := h.open(ctx, o); err != nil {
		return nil, errors.Join(err, h.release())
	}
	h.serve()
	for _, r := range h.runs {
		r.start(ctx)
	}
	return h, nil
}

// open does everything that can fail, in an order in which the cheapest and
// likeliest mistakes come first, and nothing is written before they are ruled
// out.
func (h *Host) open(ctx context.Context, o Options) error {
	if err := checkClaims(o.Experiments); err != nil {
		return err
	}
	for _, e := range o.Experiments {
		if kind := e.Plan.Router.Kind(); kind != experiment.RouterGateway {
			return experiment.Errorf(experiment.CodeInvalid, "spec.traffic.%s: %s is carried by a cluster", kind, e.Plan.ID()).
				WithHint("carry it from here with headgate run --kubeconfig FILE, apply it to a cluster where headgate controller runs, or write traffic: {gateway: {}}")
		}
		if err := e.Plan.Fits("gateway", gateway.Capabilities()); err != nil {
			return err
		}
	}
	var err error
	if h.api, err = desk.Listen(ctx, "API", cmp.Or(o.API, desk.Loopback)); err != nil {
		return err
	}
	for _, e := range o.Experiments {
		r := newRun(e.Plan, h.log, o.now)
		h.runs = append(h.runs, r)
		if r.actions, err = newActions(e.Plan, o.AllowExec); err != nil {
			return err
		}
		if r.traffic, err = desk.Listen(ctx, "gateway of "+e.Plan.ID(), cmp.Or(e.Listen, desk.Loopback)); err != nil {
			return err
		}
		if err := r.prober.reach(ctx); err != nil {
			return err
		}
	}
	if h.dir, err = datadir.Open(h.data); err != nil {
		return err
	}
	if h.control, err = desk.ListenControl(h.data); err != nil {
		return err
	}
	key, err := h.dir.Key()
	if err != nil {
		return err
	}
	if o.Database != "" {
		if h.stores, err = openDatabase(ctx, o.Database, ledger.Options{Key: key, Registry: h.registry, Now: o.now}); err != nil {
			return err
		}
	}
	for _, r := range h.runs {
		registry := prometheus.WrapRegistererWith(prometheus.Labels{"headgate_run": r.plan.ID()}, h.registry)
		if err := r.open(ctx, filepath.Join(h.data, desk.DirOf(r.plan.ID())), key, h.stores, registry); err != nil {
			return err
		}
	}
	return nil
}

// checkClaims refuses two experiments of one name, and two that claim the same
// route: the second would never see a request.
func checkClaims(es []Experiment) error {
	for i, e := range es {
		for _, other := range es[:i] {
			if other.Plan.ID() == e.Plan.ID() {
				return experiment.Errorf(experiment.CodeInvalid, "two experiments are called %s", e.Plan.ID()).
					WithHint("give one of them another name or namespace")
			}
			_, port, _ := net.SplitHostPort(e.Listen)
			if e.Listen != "" && e.Listen == other.Listen && port != "0" {
				return experiment.Errorf(experiment.CodeConflict, "the route %s of %s is held by %s", e.Listen, e.Plan.ID(), other.Plan.ID()).
					WithHint("give each experiment an address of its own")
			}
		}
	}
	return nil
}

// APIURL is where outcomes, views and metrics are.
func (h *Host) APIURL() string { return "http://" + h.api.Addr().String() }

// Runs are the host's experiments, in the order they were given.
func (h *Host) Runs() []*Run { return slices.Clone(h.runs) }

// find gives the run of a name; with an empty name the only run. The error
// says which there are.
func (h *Host) find(id string) (*Run, error) { return desk.Find(h.runs, id) }

// Close drains the servers, stops the loops and closes the files.
func (h *Host) Close() error {
	h.desk.Drain()
	for _, r := range h.runs {
		r.halt()
	}
	h.desk.Wait()
	return h.release()
}

// release closes whatever open opened.
func (h *Host) release() error {
	var errs []error
	for _, r := range h.runs {
		errs = append(errs, r.release())
	}
	if h.stores != nil {
		errs = append(errs, h.stores.close())
	}
	for _, ln := range []net.Listener{h.api, h.control} {
		errs = append(errs, desk.CloseListener(ln))
	}
	if h.dir != nil {
		errs = append(errs, h.dir.Close())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	return nil
}
