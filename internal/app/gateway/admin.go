// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/httpapi"
)

// adminServer serves health, metrics, cells and the snapshot's state.
func (p *Process) adminServer(metrics prometheus.Gatherer) *http.Server {
	mux := http.NewServeMux()
	mux.Handle("GET /healthz", httpapi.Health(func(context.Context) error { return nil }))
	mux.Handle("GET /readyz", httpapi.Health(p.ready))
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /v1/snapshot", func(w http.ResponseWriter, _ *http.Request) {
		httpapi.WriteJSON(w, http.StatusOK, p.follower.current())
	})
	mux.HandleFunc("GET /v1/cells", p.cells)
	mux.HandleFunc("GET /v1/batches", p.spool.batches)
	return &http.Server{
		Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
	}
}

// ready says whether traffic should come here.
func (p *Process) ready(context.Context) error {
	switch {
	case p.draining.Load():
		return experiment.Errorf(experiment.CodeUnavailable, "the gateway is draining")
	case p.gateway.Snapshot() == nil:
		return experiment.Errorf(experiment.CodeUnavailable, "no snapshot is served yet").WithHint("look at /v1/snapshot")
	}
	return nil
}

// cells answers with the sealed cells of a phase: epoch, phase and from (0) are
// numbers, experiment may be left out. Asking from a window on says that those
// below it have been read.
func (p *Process) cells(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	var epoch, phase, from int64
	for _, param := range []struct {
		name string
		to   *int64
		max  int64
	}{{"epoch", &epoch, 1<<31 - 1}, {"phase", &phase, 1<<31 - 1}, {"from", &from, 1<<62 - 1}} {
		var err error
		if *param.to, err = number(q, param.name, param.max); err != nil {
			httpapi.WriteError(w, err)
			return
		}
	}
	seal, err := p.windows.seal(q.Get("experiment"), int(epoch), int(phase), from)
	if err != nil {
		httpapi.WriteError(w, err)
		return
	}
	httpapi.WriteJSON(w, http.StatusOK, seal)
}

// number reads a parameter; from may be left out.
func number(q url.Values, name string, most int64) (int64, error) {
	text := q.Get(name)
	if text == "" && name == "from" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || n > most {
		return 0, experiment.Errorf(experiment.CodeInvalid, "%s is %q: want a whole number of 0 or more", name, text).
			WithHint("ask for /v1/cells?epoch=1&phase=0&from=0")
	}
	return n, nil
}
