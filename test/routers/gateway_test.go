// SPDX-License-Identifier: Apache-2.0

package routers_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/router"
	"github.com/headgate-dev/headgate/internal/router/httproute"
	"github.com/headgate-dev/headgate/test/servers"
)

// TestTraefikServesTheHTTPRoute has Traefik carry what the router writes.
func TestTraefikServesTheHTTPRoute(t *testing.T) {
	c := servers.APIServer(t)
	network := servers.NewNetwork(t, 5)
	entry := servers.Traefik(t, c, c.Kubeconfig)
	s := gatewayRoute(t, c, network, entry)
	t.Run("a ramp of requests", func(t *testing.T) { gatewayRamp(t, s) })
	t.Run("no request fails while shares change", func(t *testing.T) { gatewayUnderLoad(t, s) })
	t.Run("headers choose the version", func(t *testing.T) { gatewayHeaders(t, s) })
	t.Run("every case", func(t *testing.T) { gatewayCases(t, c, network, entry) })
	t.Run("copies that it cannot make are refused before", func(t *testing.T) { gatewayCopies(t, s) })
}

func gatewayRoute(t *testing.T, c *servers.Cluster, network *servers.Network, entry *servers.Entrypoint) *route {
	t.Helper()
	const port = 8080
	s := &route{c: c, plan: experiment.Plan{
		Namespace: "default", Name: "echo-v2",
		Router: experiment.Router{HTTPRoute: &experiment.RouteObject{Name: "echo", Routes: []string{"primary"}}},
	}}
	for i, addr := range network.Addrs[:2] {
		name := fmt.Sprintf("echo-v%d", i+1)
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { s.counts[i].Add(1) }))
		_ = server.Listener.Close() // It listens where its Service is found.
		server.Listener = network.Listen(t, addr, 0)
		server.Start()
		t.Cleanup(server.Close)
		c.Apply(t, backend("default", name, "http", port, server.Listener.Addr()))
		s.plan.Versions = append(s.plan.Versions, experiment.Version{Name: fmt.Sprintf("v%d", i+1), Backend: fmt.Sprintf("%s:%d", name, port)})
	}
	c.Apply(t, fmt.Sprintf(`
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: test}
spec: {controllerName: %s}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge, namespace: default}
spec:
  gatewayClassName: test
  listeners: [{name: web, port: %d, protocol: HTTP}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: echo, namespace: default}
spec:
  parentRefs: [{name: edge}]
  hostnames: [echo.example]
  rules:
  - name: primary
    backendRefs: [{name: echo-v1, port: 8080}]
`, servers.TraefikController, entry.Port))
	transport := &http.Transport{MaxIdleConnsPerHost: 2 * callers}
	t.Cleanup(transport.CloseIdleConnections)
	s.call = func(ctx context.Context, headers map[string]string) error {
		return send(ctx, transport, entry.URL, request{host: "echo.example", path: "/predict", method: http.MethodGet, headers: headers})
	}
	s.open(t, func(p *experiment.Plan) (router.Router, error) { return httproute.New(p) })
	eventually(t, func() error { return s.call(t.Context(), nil) })
	return s
}

// send makes one request; every answer but 200 is an error.
func send(ctx context.Context, transport http.RoundTripper, url string, r request) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, r.method, url+r.path, nil)
	if err != nil {
		return err
	}
	req.Host = r.host
	for name, value := range r.headers {
		req.Header.Set(name, value)
	}
	res, err := transport.RoundTrip(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("answered %s", res.Status)
	}
	return nil
}

// settled waits until Traefik has accepted the newest generation of the route,
// as the router reads it.
func (s *route) settled(t *testing.T, traffic router.Traffic) {
	t.Helper()
	eventually(t, func() error {
		seen, _, err := s.kube.Read(t.Context(), s.r, traffic)
		if err == nil && !seen.Settled {
			err = fmt.Errorf("not settled: %s", seen.Why)
		}
		return err
	})
}

// wantRefs compares the references of the rule that carries the split.
func (s *route) wantRefs(t *testing.T, want map[string]int64) {
	t.Helper()
	objects, err := s.kube.Objects(t.Context(), s.r)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int64{}
	refs, err := router.List(map[string]any{"refs": router.Pointed(objects[0], "/spec/rules/0/backendRefs")}, "refs")
	if err != nil {
		t.Fatal(err)
	}
	for _, ref := range refs {
		got[router.Text(ref, "name")], _ = router.Int(ref["weight"])
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("references and weights (-want +got):\n%s", d)
	}
}

// gatewayRamp goes up in steps and back at once. Traefik takes the versions in
// turn, so that a step's requests are split exactly.
func gatewayRamp(t *testing.T, s *route) {
	last := 0.0
	for _, percent := range []float64{0, 10, 50, 100} {
		traffic := s.shares(percent)
		s.apply(t, traffic)
		s.settled(t, traffic)
		s.turned(t, last, percent/100)
		if got, want := s.load(t, callsPerStep, nil), int64(percent*callsPerStep/100); got != want {
			t.Errorf("at %v %% v2 got %d of %d requests, want %d", percent, got, callsPerStep, want)
		}
		last = percent / 100
		switch percent {
		case 0:
			s.wantRefs(t, map[string]int64{"echo-v1": 1})
		case 10:
			s.wantRefs(t, map[string]int64{"echo-v1": 90, "echo-v2": 10})
		}
	}
	s.wantRefs(t, map[string]int64{"echo-v2": 100})
	s.apply(t, router.KilledTraffic(&s.plan))
	s.turned(t, last, 0)
	if got := s.load(t, callsPerStep, nil); got != 0 {
		t.Errorf("after the kill v2 got %d requests", got)
	}
	s.wantRefs(t, map[string]int64{"echo-v1": 100})
}

// gatewayUnderLoad goes the whole way up, and back at once, while requests run.
func gatewayUnderLoad(t *testing.T, s *route) {
	s.underLoad(t, func() {
		last := 0.0
		for _, percent := range []float64{10, 50, 100, 0, 33.33} {
			s.apply(t, s.shares(percent))
			s.turnedUnderLoad(t, last, percent/100)
			last = percent / 100
		}
		s.apply(t, router.KilledTraffic(&s.plan))
		s.turnedUnderLoad(t, last, 0)
	})
}

func gatewayHeaders(t *testing.T, s *route) {
	for name, traffic := range headerTraffic(s) {
		t.Run(name, func(t *testing.T) {
			meant := func(headers map[string]string) experiment.Shares { return meantBy(traffic, headers) }
			s.wantOnly(t, traffic, meant, headerRequests())
			s.settled(t, traffic)
		})
	}
	s.apply(t, router.KilledTraffic(&s.plan))
}

// gatewayCopies asks Traefik for copies, which it does not make: it answers every
// request of the rule with 500, and says that it has accepted the route. Its
// GatewayClass tells, so that a plan with copies is refused before.
func gatewayCopies(t *testing.T, s *route) {
	s.plan.Stages = []experiment.Stage{{Name: "shadow", Mirror: &experiment.Mirror{Share: experiment.Whole}}}
	if err := httproute.Lacks(&s.plan, s.class(t)); err == nil || !strings.Contains(err.Error(), "does not list HTTPRouteRequestMirror") {
		t.Errorf("a plan with copies: %v", err)
	}
	traffic := s.shares(0)
	traffic.Mirror = &router.Mirror{Share: experiment.Whole, Versions: []int{1}}
	s.apply(t, traffic)
	s.settled(t, traffic)
	eventually(t, func() error {
		if err := s.call(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "500") {
			return fmt.Errorf("with copies a request is answered (%v): this warning is out of date", err)
		}
		return nil
	})
	s.apply(t, router.KilledTraffic(&s.plan))
	eventually(t, func() error { return s.call(t.Context(), nil) })
	s.load(t, 200, nil)
}

// class is the GatewayClass of the route.
func (s *route) class(t *testing.T) router.Object {
	t.Helper()
	objects, err := s.kube.Objects(t.Context(), s.r)
	if err != nil {
		t.Fatal(err)
	}
	read := func(ref router.Ref) router.Object {
		u := &unstructured.Unstructured{}
		u.SetGroupVersionKind(schema.GroupVersionKind{Group: ref.Group, Version: ref.Versions[0], Kind: ref.Kind})
		if err := s.c.Client.Get(t.Context(), types.NamespacedName{Namespace: ref.Namespace, Name: ref.Name}, u); err != nil {
			t.Fatal(err)
		}
		return u.Object
	}
	gateways := httproute.Gateways(objects[0])
	if len(gateways) != 1 {
		t.Fatalf("gateways %+v", gateways)
	}
	return read(httproute.Class(read(gateways[0])))
}
