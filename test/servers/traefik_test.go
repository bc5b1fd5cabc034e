// SPDX-License-Identifier: Apache-2.0

package servers_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/headgate-dev/headgate/test/servers"
)

// versionHeader is how a backend says which it is.
const versionHeader = "X-Version"

// TestTraefikSplitsRequests has Traefik serve an HTTPRoute, and changes its
// weights while requests run.
func TestTraefikSplitsRequests(t *testing.T) {
	c := servers.APIServer(t)
	network := servers.NewNetwork(t, 2)
	for i, addr := range network.Addrs {
		version := fmt.Sprintf("echo-v%d", i+1)
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set(versionHeader, version)
		}))
		_ = server.Listener.Close() // It listens where its Service is found.
		server.Listener = network.Listen(t, addr, 0)
		server.Start()
		t.Cleanup(server.Close)
		c.Apply(t, backend(version, server.Listener.Addr()))
	}
	entry := servers.Traefik(t, c, c.Kubeconfig)
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
`, servers.TraefikController, entry.Port))
	c.Apply(t, httpRoute(80))

	get := func(n int) (counts map[string]int, err error) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		counts = make(map[string]int)
		for range n {
			version, err := askVersion(ctx, entry.URL)
			if err != nil {
				return nil, err
			}
			counts[version]++
		}
		return counts, nil
	}
	wantShare := func(want int) {
		t.Helper()
		eventually(t, func() error { // Weights are taken from round robin, so 100 requests show them.
			counts, err := get(100)
			if err == nil && counts["echo-v1"] != want {
				err = fmt.Errorf("v1 has %d of 100 requests, want %d", counts["echo-v1"], want)
			}
			return err
		})
		counts, err := get(2000)
		if err != nil {
			t.Fatal(err)
		}
		if got := counts["echo-v1"]; got < 20*want-2 || got > 20*want+2 || got+counts["echo-v2"] != 2000 {
			t.Errorf("of 2000 requests they have %v, want %d for v1", counts, 20*want)
		}
	}
	wantShare(80)
	c.Apply(t, httpRoute(30))
	wantShare(30)
}

// askVersion says who answers.
func askVersion(ctx context.Context, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	req.Host = "echo.example"
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return "", fmt.Errorf("answered %s", res.Status)
	}
	return res.Header.Get(versionHeader), nil
}

// httpRoute gives v1 a share in percent and v2 the rest.
func httpRoute(share int) string {
	return fmt.Sprintf(`
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: echo, namespace: default}
spec:
  parentRefs: [{name: edge}]
  hostnames: [echo.example]
  rules:
  - name: primary
    backendRefs:
    - {name: echo-v1, port: 7070, weight: %d}
    - {name: echo-v2, port: 7070, weight: %d}
`, share, 100-share)
}
