// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/httpapi"
)

// server answers applications, operators, and whoever decides.
func (p *Process) server(metrics prometheus.Gatherer) *http.Server {
	mux := http.NewServeMux()
	mux.Handle("POST /v1/outcomes", httpapi.Bearer(p.options.Token, httpapi.Outcomes(p.ledger, p.plans.names)))
	mux.Handle("PUT /v1/plans/{namespace}/{name}", httpapi.Bearer(p.options.Token, http.HandlerFunc(p.plans.put)))
	if p.ears != nil {
		mux.Handle("PUT /v1/phases/{namespace}/{name}", httpapi.Bearer(p.options.Token, http.HandlerFunc(p.ears.begin)))
	}
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
	return limited(mux)
}

// eventServer answers model servers' loggers.
func (p *Process) eventServer() *http.Server {
	mux := http.NewServeMux()
	mux.Handle("/v1/events", httpapi.Events(p.ears, p.ears.names))
	mux.Handle("GET /healthz", httpapi.Health(func(context.Context) error { return nil }))
	return limited(mux)
}

func limited(h http.Handler) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second,
		WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
	}
}

// sealWithin bounds one read of sealed windows.
const sealWithin = 10 * time.Second

// seals answers with the sealed windows of a phase from one source: source,
// epoch, phase and start (RFC 3339) name them; from is the first, 0 where it is
// left out; experiment may be where there is one.
func (p *Process) seals(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	id := q.Get("experiment")
	if known := p.plans.names(); id == "" && len(known) == 1 {
		id = known[0]
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
	seal, err := p.ledger.Seal(ctx, source, id, int(numbers[0]), int(numbers[1]), start, numbers[2], p.options.now())
	if err != nil {
		httpapi.WriteError(w, err)
		return
	}
	httpapi.WriteJSON(w, http.StatusOK, seal)
}
