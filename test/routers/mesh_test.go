// SPDX-License-Identifier: Apache-2.0

package routers_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/xds"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/router"
	"github.com/headgate-dev/headgate/internal/router/routertest"
	"github.com/headgate-dev/headgate/internal/router/virtualservice"
	"github.com/headgate-dev/headgate/stats"
	"github.com/headgate-dev/headgate/test/servers"
)

// TestIstiodServesTheVirtualService has istiod serve what the router writes.
func TestIstiodServesTheVirtualService(t *testing.T) {
	c := servers.APIServer(t)
	network := servers.NewNetwork(t, 2)
	mesh := servers.Istiod(t, c)
	s := meshRoute(t, c, network, mesh)
	t.Run("a ramp to gRPC clients without a proxy", func(t *testing.T) { meshRamp(t, s) })
	t.Run("no call fails while shares change", func(t *testing.T) { meshUnderLoad(t, s) })
	t.Run("headers choose the version", func(t *testing.T) { meshHeaders(t, s) })
	t.Run("the routes of an Envoy", func(t *testing.T) { envoyRoutes(t, c, mesh) })
}

func meshRoute(t *testing.T, c *servers.Cluster, network *servers.Network, mesh *servers.Mesh) *route {
	t.Helper()
	const port = 7070
	s := &route{c: c, teething: "unknown cluster selected for RPC", plan: experiment.Plan{
		Namespace: "default", Name: "echo-v2",
		Router: experiment.Router{VirtualService: &experiment.RouteObject{Name: "echo", Routes: []string{"primary"}}},
	}}
	for i, addr := range network.Addrs {
		name := fmt.Sprintf("echo-v%d", i+1)
		listener := network.Listen(t, addr, 0)
		s.serveHealth(t, listener, i)
		c.Apply(t, backend("default", name, "grpc", port, listener.Addr()))
		s.plan.Versions = append(s.plan.Versions, experiment.Version{
			Name: fmt.Sprintf("v%d", i+1), Backend: fmt.Sprintf("%s.default.svc.cluster.local:%d", name, port),
		})
	}
	c.Apply(t, service("default", "echo", "grpc", port))
	c.Apply(t, `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: echo, namespace: default}
spec:
  hosts: [echo.default.svc.cluster.local]
  http:
  - name: primary
    route: [{destination: {host: echo-v1.default.svc.cluster.local, port: {number: 7070}}}]
`)
	resolver, err := xds.NewXDSResolverWithConfigForTesting(mesh.Bootstrap("default"))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := grpc.NewClient(fmt.Sprintf("xds:///echo.default.svc.cluster.local:%d", port),
		grpc.WithResolvers(resolver), grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithNoProxy())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	client := healthpb.NewHealthClient(conn)
	s.call = func(ctx context.Context, headers map[string]string) error {
		ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
		defer cancel()
		for name, value := range headers {
			ctx = metadata.AppendToOutgoingContext(ctx, name, value)
		}
		_, err := client.Check(ctx, &healthpb.HealthCheckRequest{})
		return err
	}
	s.open(t, func(p *experiment.Plan) (router.Router, error) { return virtualservice.New(p) })
	// Until istiod has seen the VirtualService, calls go to the Service echo,
	// behind which there is nobody.
	eventually(t, func() error { return s.call(t.Context(), nil) })
	return s
}

// serveHealth answers gRPC's health check as version v and counts the calls.
func (s *route) serveHealth(t *testing.T, listener net.Listener, v int) {
	t.Helper()
	server := grpc.NewServer(grpc.UnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
		s.counts[v].Add(1)
		return next(ctx, req)
	}))
	healthpb.RegisterHealthServer(server, health.NewServer())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener) // Until it is stopped.
	}()
	t.Cleanup(func() {
		server.Stop()
		<-done
	})
}

// meshRamp goes up in steps and back at once. Clients draw for each call, so the
// candidate's count is a binomial one.
func meshRamp(t *testing.T, s *route) {
	s.apply(t, s.shares(0))
	last := 0.0
	wantNothing := func(when string) {
		if got := s.load(t, callsPerStep, nil); got != 0 {
			t.Errorf("%s v2 got %d calls", when, got)
		}
	}
	wantNothing("at 0 %")
	for _, percent := range []float64{10, 50, 100} {
		share := percent / 100
		s.apply(t, s.shares(percent))
		s.turned(t, last, share)
		got := s.load(t, callsPerStep, nil)
		in, err := stats.ClopperPearson(stats.Counts{N: callsPerStep, X: got}, 1-unlikely)
		if err != nil {
			t.Fatal(err)
		}
		if share < in.Low || share > in.High {
			t.Errorf("at %v %% v2 got %d of %d calls: the share is between %.4f and %.4f", percent, got, callsPerStep, in.Low, in.High)
		}
		t.Logf("at %v %%: %d of %d calls", percent, got, callsPerStep)
		last = share
	}
	s.apply(t, router.KilledTraffic(&s.plan))
	s.turned(t, last, 0)
	wantNothing("after the kill")
}

// meshUnderLoad changes shares, and kills, while calls run. It begins with both
// versions in the route: a gRPC client (v1.85) fails calls by itself when they
// meet a destination in the moment in which it learns of it.
func meshUnderLoad(t *testing.T, s *route) {
	s.apply(t, s.shares(10))
	s.turned(t, 0, 0.1)
	s.underLoad(t, func() {
		last := 0.1
		for _, percent := range []float64{50, 90, 33.33} {
			s.apply(t, s.shares(percent))
			s.turnedUnderLoad(t, last, percent/100)
			last = percent / 100
		}
		s.apply(t, router.KilledTraffic(&s.plan))
		s.turnedUnderLoad(t, last, 0)
	})
}

// headerTraffic is traffic in which headers alone decide.
func headerTraffic(s *route) map[string]router.Traffic {
	cohort, some, but := s.shares(50), s.shares(100), s.shares(100)
	cohort.Cohort = "x-model"
	cohort.Overrides = []experiment.Override{{Header: "X-Test", Value: "b", Version: 1}, {Header: "x-test", Value: "a", Version: 0}}
	some.Where = []router.HeaderMatch{{Header: "x-tier", Values: []string{"a", "b"}}}
	some.Overrides = []experiment.Override{{Header: "x-test", Value: "a", Version: 0}}
	but.Where = []router.HeaderMatch{{Header: "x-tier", Values: []string{"a"}, Not: true}}
	return map[string]router.Traffic{"cohorts and testers": cohort, "a stage for some": some, "a stage for all but some": but}
}

// headerRequests are those that headerTraffic tells apart.
func headerRequests() []map[string]string {
	return []map[string]string{
		{},
		{"x-model": "v1"},
		{"x-model": "v2"},
		{"x-model": "v3"},
		{"x-model": "v2", "x-tier": "a"},
		{"x-test": "b", "x-model": "v1"},
		{"x-test": "a", "x-model": "v2"},
		{"x-tier": "a"},
		{"x-tier": "b"},
		{"x-tier": "c"},
		{"x-tier": "a", "x-test": "a"},
		{"x-tier": "a", "x-test": "b"},
	}
}

func meshHeaders(t *testing.T, s *route) {
	for name, traffic := range headerTraffic(s) {
		t.Run(name, func(t *testing.T) {
			meant := func(headers map[string]string) experiment.Shares { return meantBy(traffic, headers) }
			s.wantOnly(t, traffic, meant, headerRequests())
		})
	}
	s.apply(t, router.KilledTraffic(&s.plan))
}

// meantBy is routertest.Meant for header names in any case.
func meantBy(t router.Traffic, headers map[string]string) experiment.Shares {
	overrides := make([]experiment.Override, len(t.Overrides))
	for i, o := range t.Overrides {
		overrides[i] = o
		overrides[i].Header = strings.ToLower(o.Header)
	}
	t.Overrides = overrides
	return routertest.Meant(t, headers)
}
