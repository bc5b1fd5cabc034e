// SPDX-License-Identifier: Apache-2.0

package routers_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/router/httproute"
	routerkube "github.com/headgate-dev/headgate/internal/router/kube"
	"github.com/headgate-dev/headgate/internal/router/routertest"
	"github.com/headgate-dev/headgate/test/servers"
)

// notCarried are cases that Traefik cannot carry, and why.
var notCarried = map[string]string{
	"shares/a candidate in another namespace is added": "nothing grants a reference to that namespace",
}

// ranked is the Service of each version of the cases, with its count.
type ranked struct {
	counts [3]atomic.Int64
	send   func(ctx context.Context, headers map[string]string) error
}

// gatewayCases writes the cases of shares and rules and sends requests with all
// mixtures of their headers: which rule a request meets is for the gateway to
// decide, by how much the rules match.
func gatewayCases(t *testing.T, c *servers.Cluster, network *servers.Network, entry *servers.Entrypoint) {
	c.Namespace(t, "search")
	s := &ranked{}
	for v, addr := range network.Addrs[2:] {
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { s.counts[v].Add(1) }))
		_ = server.Listener.Close() // It listens where its Service is found.
		server.Listener = network.Listen(t, addr, 0)
		server.Start()
		t.Cleanup(server.Close)
		c.Apply(t, backend("search", fmt.Sprintf("ranker-v%d", v+1), "http", 8080, server.Listener.Addr()))
		if v == 0 { // Somebody must be there, or the route's references are not resolved.
			c.Apply(t, backend("search", "admin", "http", 80, server.Listener.Addr()))
		}
	}
	c.Apply(t, fmt.Sprintf(`
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: web, namespace: search}
spec:
  gatewayClassName: test
  listeners: [{name: web, port: %d, protocol: HTTP}]
`, entry.Port))
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	s.send = func(ctx context.Context, headers map[string]string) error {
		return send(ctx, transport, entry.URL, request{host: "ranker.example", path: "/v2/predict", method: http.MethodPost, headers: headers})
	}
	for _, one := range routertest.Load(t, kinds()[1].dir()) {
		copies := slices.ContainsFunc(one.Steps, func(step routertest.Step) bool { return step.Mirror != nil })
		if strings.HasPrefix(one.Name, "hostile/") || copies || notCarried[one.Name] != "" {
			continue
		}
		for _, o := range one.Objects {
			delete(o, "status") // Traefik writes it.
		}
		t.Run(one.Name, func(t *testing.T) { s.run(t, c, &one) })
	}
}

func (s *ranked) run(t *testing.T, c *servers.Cluster, one *routertest.Case) {
	r, err := httproute.New(&one.Plan)
	if err != nil {
		t.Fatal(err)
	}
	tr := &trial{c: c, one: one}
	if tr.create(t); t.Failed() {
		return
	}
	kube := routerkube.New(c.Client, c.Client, routerkube.Options{})
	for i := range one.Steps {
		traffic := one.Steps[i].Traffic(&one.Plan)
		if _, err := kube.Apply(t.Context(), r, traffic); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
		eventually(t, func() error {
			seen, _, err := kube.Read(t.Context(), r, traffic)
			if err == nil && !seen.Settled {
				err = fmt.Errorf("step %d: not settled: %s", i, seen.Why)
			}
			return err
		})
		// Traefik serves a moment later what it says that it has accepted.
		eventually(t, func() error {
			for _, headers := range mixtures(&traffic) {
				if err := s.meets(t, headers, meantBy(traffic, headers)); err != nil {
					return fmt.Errorf("step %d: %w", i, err)
				}
			}
			return nil
		})
	}
}

// meets sends requests and compares what the versions get. They get it in turn,
// so that every hundred requests are split by the percents, but for the turn
// that the hundred begins in.
func (s *ranked) meets(t *testing.T, headers map[string]string, want experiment.Shares) error {
	n := 100
	if slices.Contains(want, experiment.Whole) {
		n = 3
	}
	var before [3]int64
	for v := range before {
		before[v] = s.counts[v].Load()
	}
	for range n {
		if err := s.send(t.Context(), headers); err != nil {
			return err
		}
	}
	for v, share := range want {
		got, exact := s.counts[v].Load()-before[v], float64(share)*float64(n)/float64(experiment.Whole)
		if off := float64(got) - exact; off > 1 || off < -1 || (share == 0) && got > 0 {
			return fmt.Errorf("with %v version %d has %d of %d requests, want %.1f", headers, v+1, got, n, exact)
		}
	}
	return nil
}
