// SPDX-License-Identifier: Apache-2.0

package servers

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

// Mesh is Istio's control plane.
type Mesh struct {
	XDS  string // host:port of the discovery service, in plain text
	HTTP string // host:port of its debug pages, such as /debug/configz
}

// istioNamespace is where istiod takes its settings from.
const istioNamespace = "istio-system"

// Istiod starts Istio's control plane on a cluster and installs Istio's
// definitions there. It serves the cluster's VirtualServices to whoever asks:
// gRPC clients without a proxy (see Bootstrap) and, by the same protocol, whoever
// asks as an Envoy would.
func Istiod(tb testing.TB, c *Cluster) *Mesh {
	tb.Helper()
	wanted(tb)
	binary, err := Binary(tb.Context(), "pilot-discovery")
	if err != nil {
		tb.Fatal(err)
	}
	c.Namespace(tb, istioNamespace)
	c.Install(tb, IstioCRDs(tb)...)
	addrs := freeAddrs(tb, 3)
	m := &Mesh{HTTP: addrs[0], XDS: addrs[1]}
	cmd := exec.Command(binary, "discovery", "--kubeconfig", c.Kubeconfig,
		"--httpAddr", m.HTTP, "--grpcAddr", m.XDS, "--httpsAddr", "", "--secureGRPCAddr", "",
		"--monitoringAddr", addrs[2], "--ctrlz_port", "0")
	cmd.Dir = tb.TempDir()
	cmd.Env = append(os.Environ(), "POD_NAMESPACE="+istioNamespace, "POD_NAME=istiod-0", "REVISION=default",
		"INJECTION_WEBHOOK_CONFIG_NAME=", "VALIDATION_WEBHOOK_CONFIG_NAME=", "ENABLE_CA_SERVER=false")
	run(tb, "istiod", cmd, func(ctx context.Context) error {
		return answers(ctx, http.DefaultClient, "http://"+m.HTTP+"/ready")
	})
	return m
}

// Bootstrap is what a gRPC client in a namespace needs to take its routes from
// the mesh, in the form that google.golang.org/grpc/xds reads.
func (m *Mesh) Bootstrap(namespace string) []byte {
	type object = map[string]any
	text, err := json.Marshal(object{
		"xds_servers": []object{{
			"server_uri": m.XDS, "channel_creds": []object{{"type": "insecure"}}, "server_features": []string{"xds_v3"},
		}},
		"node": object{
			"id":       "sidecar~127.0.0.1~client." + namespace + "~" + namespace + ".svc.cluster.local",
			"metadata": object{"GENERATOR": "grpc", "NAMESPACE": namespace, "CLUSTER_ID": "Kubernetes"},
		},
	})
	if err != nil {
		panic(err) // Strings and maps of strings can be marshalled.
	}
	return text
}

// Entrypoint is where a Gateway API implementation takes requests.
type Entrypoint struct {
	URL  string // without a path
	Port int    // which the listener of a Gateway must have
}

// TraefikController is what the GatewayClass of Traefik names.
const TraefikController = "traefik.io/gateway-controller"

// Traefik starts Traefik on a cluster, as its user of that config allows, and
// installs the Gateway API's definitions there. It serves the routes of every
// Gateway whose class names TraefikController and whose listener has the port.
func Traefik(tb testing.TB, c *Cluster, kubeconfig string) *Entrypoint {
	tb.Helper()
	wanted(tb)
	binary, err := Binary(tb.Context(), "traefik")
	if err != nil {
		tb.Fatal(err)
	}
	c.Install(tb, GatewayAPICRDs(tb)...)
	addrs := freeAddrs(tb, 2)
	cmd := exec.Command(binary,
		"--entrypoints.web.address="+addrs[0], "--entrypoints.traefik.address="+addrs[1], "--ping=true",
		"--providers.kubernetesgateway=true", "--providers.providersThrottleDuration=100ms",
		"--global.checknewversion=false", "--global.sendanonymoususage=false", "--log.level=INFO")
	cmd.Dir = tb.TempDir()
	cmd.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig, "NO_PROXY=*", "no_proxy=*")
	run(tb, "traefik", cmd, func(ctx context.Context) error {
		return answers(ctx, http.DefaultClient, "http://"+addrs[1]+"/ping")
	})
	_, port, _ := net.SplitHostPort(addrs[0])
	number, err := strconv.Atoi(port)
	if err != nil {
		tb.Fatal(err)
	}
	return &Entrypoint{URL: "http://" + addrs[0], Port: number}
}

// Prometheus starts a Prometheus server with a configuration file's text and
// returns its URL. The program is the one in HEADGATE_TEST_BIN or on the PATH;
// where there is none, the test is skipped.
func Prometheus(tb testing.TB, config string) string {
	tb.Helper()
	wanted(tb)
	binary := filepath.Join(os.Getenv("HEADGATE_TEST_BIN"), "prometheus")
	if !executable(binary) {
		var err error
		if binary, err = exec.LookPath("prometheus"); err != nil {
			tb.Skip("there is no prometheus on the PATH or in HEADGATE_TEST_BIN (Debian: prometheus)")
		}
	}
	dir := tb.TempDir()
	file := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		tb.Fatal(err)
	}
	addr := freeAddrs(tb, 1)[0]
	cmd := exec.Command(binary, "--config.file="+file, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+addr)
	cmd.Dir = dir
	url := "http://" + addr
	run(tb, "prometheus", cmd, func(ctx context.Context) error { return answers(ctx, http.DefaultClient, url+"/-/ready") })
	return url
}
