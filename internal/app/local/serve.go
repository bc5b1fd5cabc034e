// SPDX-License-Identifier: Apache-2.0

package local

import (
	"context"
	"iter"
	"net/http"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/headgate-dev/headgate/internal/app/desk"
	"github.com/headgate-dev/headgate/internal/assign"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/httpapi"
	"github.com/headgate-dev/headgate/internal/view"
)

// serve starts the gateways', the API's and the control socket's servers.
func (h *Host) serve() {
	for _, r := range h.runs {
		h.desk.Start(r.gateway.Server(), r.traffic)
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
	desk.Serve(h.desk, h.runs, mux, h.api, h.control)
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
