// SPDX-License-Identifier: Apache-2.0

package local

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/headgate-dev/headgate/internal/assign"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/httpapi"
	"github.com/headgate-dev/headgate/internal/view"
	"github.com/headgate-dev/headgate/web"
)

// serve starts the gateways', the API's and the control socket's servers.
func (h *Host) serve() {
	for _, r := range h.runs {
		h.start(r.gateway.Server(), r.traffic)
	}
	mux := http.NewServeMux()
	for path, handler := range map[string]http.Handler{
		"/v1/outcomes":  httpapi.Outcomes(recorder{h}, h.names),
		"/v1/exposures": httpapi.Exposures(applications{h}, h.names),
		"/v1/events":    httpapi.Events(applications{h}, h.names),
		"/ofrep/v1/":    httpapi.OpenFeature(applications{h}, h.names),
	} {
		mux.Handle(path, httpapi.Bearer(h.token, handler))
	}
	mux.Handle("GET /healthz", httpapi.Health(h.health))
	mux.Handle("GET /metrics", promhttp.HandlerFor(h.registry, promhttp.HandlerOpts{}))
	// A browser reads these; a page of another site must not read them through
	// it.
	pages := http.NewServeMux()
	httpapi.Read(pages, h)
	var stop []func()
	streams := map[string]*httpapi.Stream{}
	for _, r := range h.runs {
		streams[r.ID()] = httpapi.NewStream(r)
		stop = append(stop, streams[r.ID()].Stop)
	}
	pages.HandleFunc("GET /v1/experiment/events", func(w http.ResponseWriter, req *http.Request) {
		r, err := h.find(req.URL.Query().Get("name"))
		if err != nil {
			httpapi.WriteError(w, err)
			return
		}
		streams[r.ID()].ServeHTTP(w, req)
	})
	pages.Handle("/", httpapi.Page(web.FS()))
	mux.Handle("/", httpapi.OnlyThisMachine(pages))
	api := server(mux)
	for _, f := range stop {
		api.RegisterOnShutdown(f)
	}
	h.start(api, h.api)

	control := http.NewServeMux()
	httpapi.Read(control, h)
	httpapi.Control(control, h)
	h.start(server(control), h.control)
}

// server is an HTTP server with bounds; streams lift the write time-out for
// themselves.
func server(handler http.Handler) *http.Server {
	return &http.Server{
		Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second,
		WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
	}
}

func (h *Host) start(s drainer, ln net.Listener) {
	h.servers = append(h.servers, s)
	h.wg.Go(func() {
		if err := s.Serve(ln); err != nil && !errors.Is(err, http.ErrServerClosed) {
			h.log.Error("a server stopped", "address", ln.Addr().String(), "error", err)
		}
	})
}

// names lists the experiments.
func (h *Host) names() []string {
	names := make([]string, len(h.runs))
	for i, r := range h.runs {
		names[i] = r.ID()
	}
	return names
}

func (h *Host) health(context.Context) error {
	for _, r := range h.runs {
		if err := r.Err(); err != nil {
			return err
		}
	}
	return nil
}

// recorder hands outcomes to the ledger of their experiment.
type recorder struct{ *Host }

func (h recorder) Record(ctx context.Context, id string, outcomes []experiment.UnitOutcome) (experiment.Receipt, error) {
	r, err := h.find(id)
	if err != nil {
		return experiment.Receipt{}, err
	}
	return r.ledger.Record(ctx, r.ID(), outcomes)
}

// Find gives the API an experiment by name.
func (h *Host) Find(name string) (httpapi.Experiment, error) {
	r, err := h.find(name)
	if err != nil {
		return nil, err
	}
	return r, nil
}

// All gives the API every experiment.
func (h *Host) All() []httpapi.Experiment {
	all := make([]httpapi.Experiment, len(h.runs))
	for i, r := range h.runs {
		all[i] = r
	}
	return all
}

// Journal gives the entries of the run, from the first on.
func (r *Run) Journal(ctx context.Context) iter.Seq2[experiment.Entry, error] {
	return r.store.Journal(ctx, r.ID(), 0)
}

// Forget deletes the rows that are kept of a unit.
func (r *Run) Forget(ctx context.Context, unit string) (int64, error) {
	return r.ledger.DeleteUnit(ctx, r.ID(), unit)
}

// Assign says which version a unit gets now.
func (r *Run) Assign(unit string) view.Assignment {
	r.swap.Lock()
	route, killed := r.served, r.killed
	r.swap.Unlock()
	slot := assign.Slot(assign.Hash(unit), assign.Salt(route.Experiment, route.Epoch))
	a := view.Assignment{
		Experiment: route.Experiment, Slot: slot, Epoch: route.Epoch, Killed: killed,
		Where: route.Where.String(), Baseline: route.Versions[0].Name,
	}
	if len(route.Tables) == 0 {
		a.Version, a.Share = owner(&route, route.Slots, slot)
	}
	for _, t := range route.Tables {
		version, share := owner(&route, t.Slots, slot)
		a.Groups = append(a.Groups, view.GroupAssignment{Slice: t.Slice, Version: version, Share: share})
	}
	return a
}

// owner is the version that owns a slot of a table, and its share.
func owner(r *experiment.Route, slots experiment.Slots, slot int) (version string, share float64) {
	table, err := assign.NewTable(slots)
	if err != nil {
		return "", 0 // The gateway refused such a table before it was served.
	}
	v := table.At(slot)
	return r.Versions[v].Name, slots.Shares(len(r.Versions))[v].Fraction()
}

// maxSocket is the longest path that a unix socket may have on every system.
const maxSocket = 100

// listenControl opens the control socket for its owner only. One that a dead
// process left behind is replaced: the directory's lock says that it is dead.
func listenControl(path string) (net.Listener, error) {
	if len(path) > maxSocket {
		return nil, experiment.Errorf(experiment.CodeInvalid, "the path of the control socket %s has %d bytes: at most %d", path, len(path), maxSocket).
			WithHint("choose a data directory with a shorter name")
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, experiment.Errorf(experiment.CodeUnavailable, "replace the control socket: %w", err)
	}
	// The mask keeps others out between making the socket and chmod.
	old := syscall.Umask(0o177)
	ln, err := net.Listen("unix", path)
	syscall.Umask(old)
	if err != nil {
		return nil, experiment.Errorf(experiment.CodeUnavailable, "open the control socket: %w", err)
	}
	return ln, nil
}
