// SPDX-License-Identifier: Apache-2.0

package remote

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"k8s.io/client-go/rest"

	"github.com/headgate-dev/headgate/internal/app/desk"
	"github.com/headgate-dev/headgate/internal/datadir"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/httpapi"
)

// Options configures a host. Plans, Data and Config are required.
type Options struct {
	Plans []Planned
	// Data is the directory of all files; it is made if it is not there.
	Data string
	// Config leads to the cluster, and Place says how another process finds it.
	Config *rest.Config
	Place  Place
	// Prometheus is the provider of plans that name none; nil is none.
	Prometheus *experiment.PrometheusProvider
	// AllowExec lets actions run commands on this machine.
	AllowExec bool
	// API is the address of the page and its API; a free port on loopback by
	// default.
	API string
	Log *slog.Logger
}

// Host runs experiments whose traffic a cluster carries.
type Host struct {
	log     *slog.Logger
	dir     *datadir.Dir
	desk    *desk.Desk
	runs    []*Run
	api     net.Listener
	control net.Listener
}

// Start begins or resumes the experiments and lets them go. It fails, leaving
// nothing behind and no route changed, if a route cannot be had, written or
// written back, if another experiment has it, or if the directory holds another
// plan of the same name.
func Start(ctx context.Context, o Options) (*Host, error) {
	h := &Host{log: o.Log}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	h.desk = desk.New(h.log)
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if err := h.open(ctx, &o, registry); err != nil {
		return nil, errors.Join(err, h.release())
	}
	mux := http.NewServeMux()
	mux.Handle("GET /healthz", httpapi.Health(h.health))
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	desk.Serve(h.desk, h.runs, mux, h.api, h.control)
	for _, r := range h.runs {
		r.start(ctx)
	}
	return h, nil
}

// open does everything that can fail, the likeliest mistakes first.
func (h *Host) open(ctx context.Context, o *Options, registry *prometheus.Registry) error {
	for i, planned := range o.Plans {
		p := planned.Plan
		if p.Router.Kind() == experiment.RouterGateway {
			return experiment.Errorf(experiment.CodeInvalid, "spec.traffic.gateway: the traffic of %s is carried by Headgate's own gateway", p.ID()).
				WithHint("run it without --kubeconfig, or apply it to a cluster where headgate controller and gateways run")
		}
		if p.Hears() {
			return experiment.Errorf(experiment.CodeInvalid, "spec.predictions.by: events: nobody hears what the loggers of %s tell", p.ID()).
				WithHint("apply it to a cluster where headgate controller and headgate ledger --events run")
		}
		if p.Namespace == "" {
			return experiment.Errorf(experiment.CodeInvalid, "the namespace of %s is missing", p.ID()).WithHint("name it with -n NAMESPACE")
		}
		if slices.ContainsFunc(o.Plans[:i], func(other Planned) bool { return other.Plan.ID() == p.ID() }) {
			return experiment.Errorf(experiment.CodeInvalid, "two experiments are called %s", p.ID()).
				WithHint("give one of them another name or namespace")
		}
	}
	var err error
	if h.api, err = desk.Listen(ctx, "API", cmp.Or(o.API, desk.Loopback)); err != nil {
		return err
	}
	if h.dir, err = datadir.Open(o.Data); err != nil {
		return err
	}
	if h.control, err = desk.ListenControl(o.Data); err != nil {
		return err
	}
	for _, planned := range o.Plans {
		p := planned.Plan
		c, err := connect(o.Config)
		if err != nil {
			return err
		}
		r := newRun(planned, c, h.log)
		h.runs = append(h.runs, r)
		labelled := prometheus.WrapRegistererWith(prometheus.Labels{"headgate_run": p.ID()}, registry)
		if err := r.open(ctx, filepath.Join(o.Data, desk.DirOf(p.ID())), o, labelled); err != nil {
			return fmt.Errorf("%s: %w", p.ID(), err)
		}
	}
	return nil
}

func (h *Host) health(context.Context) error {
	for _, r := range h.runs {
		if err := r.Err(); err != nil {
			return err
		}
	}
	return nil
}

// APIURL is where page, views and metrics are.
func (h *Host) APIURL() string { return "http://" + h.api.Addr().String() }

// Runs are the host's experiments, in the order they were given.
func (h *Host) Runs() []*Run { return slices.Clone(h.runs) }

// Close drains the servers, stops the loops and closes the files. The routes stay
// as they are.
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
		errs = append(errs, r.close())
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
