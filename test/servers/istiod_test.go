// SPDX-License-Identifier: Apache-2.0

package servers_test

import (
	"context"
	"fmt"
	"math"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/xds"

	"github.com/headgate-dev/headgate/test/servers"
)

// TestIstiodSplitsCalls has istiod serve a VirtualService to a gRPC client
// without a proxy, and changes its weights while the client runs.
func TestIstiodSplitsCalls(t *testing.T) {
	c := servers.APIServer(t)
	network := servers.NewNetwork(t, 2)
	var counts [2]atomic.Int64
	for i, addr := range network.Addrs {
		listener := network.Listen(t, addr, 0)
		serveHealth(t, listener, &counts[i])
		c.Apply(t, backend(fmt.Sprintf("echo-v%d", i+1), listener.Addr()))
	}
	c.Apply(t, service("echo", 7070))
	mesh := servers.Istiod(t, c)
	c.Apply(t, virtualService(80))

	resolver, err := xds.NewXDSResolverWithConfigForTesting(mesh.Bootstrap("default"))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := grpc.NewClient("xds:///echo.default.svc.cluster.local:7070",
		grpc.WithResolvers(resolver), grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithNoProxy())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	check := func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		_, err := healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{})
		return err
	}
	// Until istiod has seen the VirtualService, calls go to the Service echo,
	// behind which there is nobody.
	eventually(t, check)
	call := func(n int) (share float64) {
		counts[0].Store(0)
		counts[1].Store(0)
		for range n {
			if err := check(); err != nil {
				t.Fatal(err)
			}
		}
		if got := counts[0].Load() + counts[1].Load(); got != int64(n) {
			t.Fatalf("the backends have %d of %d calls", got, n)
		}
		return float64(counts[0].Load()) / float64(n)
	}
	wantShare := func(want float64) {
		t.Helper()
		const n = 2000
		// Six standard deviations: once in 500 million.
		if got, bound := call(n), 6*math.Sqrt(want*(1-want)/n); math.Abs(got-want) > bound {
			t.Errorf("v1 has %.4f of %d calls, want %.2f ± %.4f", got, n, want, bound)
		}
	}
	wantShare(0.8)
	// Both versions stay in the route: a call that meets a destination in the
	// moment in which the client learns of it fails, in the client (v1.85).
	c.Apply(t, virtualService(30))
	eventually(t, func() error {
		if share := call(100); share > 0.5 { // Once in 10¹¹ at 80 %.
			return fmt.Errorf("v1 still has %.2f", share)
		}
		return nil
	})
	wantShare(0.3)
}

// serveHealth answers the health check of gRPC and counts the calls.
func serveHealth(t *testing.T, listener net.Listener, calls *atomic.Int64) {
	t.Helper()
	server := grpc.NewServer(grpc.UnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
		calls.Add(1)
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

// service is a Service without a selector.
func service(name string, port int) string {
	return fmt.Sprintf(`
apiVersion: v1
kind: Service
metadata: {name: %s, namespace: default}
spec: {ports: [{name: grpc, port: %d}]}
`, name, port)
}

// backend is a Service and where it is found.
func backend(name string, addr net.Addr) string {
	host, port, _ := strings.Cut(addr.String(), ":")
	return service(name, 7070) + fmt.Sprintf(`
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: %[1]s, namespace: default, labels: {kubernetes.io/service-name: %[1]s}}
addressType: IPv4
ports: [{name: grpc, port: %[3]s, protocol: TCP}]
endpoints: [{addresses: [%[2]s], conditions: {ready: true}}]
`, name, host, port)
}

// virtualService gives v1 a share in percent and v2 the rest.
func virtualService(share int) string {
	return fmt.Sprintf(`
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: echo, namespace: default}
spec:
  hosts: [echo.default.svc.cluster.local]
  http:
  - name: primary
    route:
    - {destination: {host: echo-v1.default.svc.cluster.local, port: {number: 7070}}, weight: %d}
    - {destination: {host: echo-v2.default.svc.cluster.local, port: {number: 7070}}, weight: %d}
`, share, 100-share)
}
