// SPDX-License-Identifier: Apache-2.0

package local

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/headgate-dev/headgate/internal/httpapi"
)

// serve starts the gateway's and the API's server.
func (l *Local) serve() {
	mux := http.NewServeMux()
	mux.Handle("/v1/outcomes", httpapi.Outcomes(l.ledger, func() []string { return []string{l.plan.ID()} }))
	mux.Handle("GET /healthz", httpapi.Health(func(context.Context) error { return l.Err() }))
	mux.Handle("GET /metrics", promhttp.HandlerFor(l.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /v1/experiment", l.show)
	api := &http.Server{
		Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second,
		WriteTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
	}
	l.start(l.gateway.Server(), l.traffic)
	l.start(api, l.api)
}

func (l *Local) start(s *http.Server, ln net.Listener) {
	l.servers = append(l.servers, s)
	l.wg.Go(func() {
		if err := s.Serve(ln); err != nil && !errors.Is(err, http.ErrServerClosed) {
			l.log.Error("a server stopped", "address", ln.Addr().String(), "error", err)
		}
	})
}

// show answers the newest view.
func (l *Local) show(w http.ResponseWriter, _ *http.Request) {
	httpapi.WriteJSON(w, http.StatusOK, l.View())
}
