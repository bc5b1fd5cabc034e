// SPDX-License-Identifier: Apache-2.0

// Package remote_test runs experiments from a laptop as it is released: against a
// real API server that has nothing of Headgate, and a real Prometheus.
package remote_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/headgate-dev/headgate/test/servers"
)

// build makes the program once for the whole run.
var build = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "headgate-remote-")
	if err != nil {
		return "", err
	}
	binary := filepath.Join(dir, "headgate")
	cmd := exec.Command("go", "build", "-trimpath", "-o", binary, "./cmd/headgate")
	cmd.Dir = "../.."
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return binary, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if os.Getenv("HEADGATE_E2E") != "" {
		if binary, err := build(); err == nil {
			_ = os.RemoveAll(filepath.Dir(binary)) // The temporary folder is the machine's to clean at last.
		}
	}
	os.Exit(code)
}

const namespace = "search"

var (
	routeKind = schema.GroupVersionKind{Group: "networking.istio.io", Version: "v1", Kind: "VirtualService"}
	leaseKind = schema.GroupVersionKind{Group: "coordination.k8s.io", Version: "v1", Kind: "Lease"}
)

// site is a cluster that knows VirtualServices and nothing of Headgate.
type site struct {
	*servers.Cluster
	t          *testing.T
	binary     string
	prometheus string
}

func newSite(t *testing.T) *site {
	t.Helper()
	c := servers.APIServer(t)
	binary, err := build()
	if err != nil {
		t.Fatal(err)
	}
	c.Install(t, servers.IstioCRDs(t, "virtualservices.networking.istio.io")...)
	c.Namespace(t, namespace)
	s := &site{Cluster: c, t: t, binary: binary}
	s.prometheus = s.mesh()
	return s
}

// route applies a VirtualService with all traffic on v1.
func (s *site) route(name string) {
	s.t.Helper()
	s.Apply(s.t, fmt.Sprintf(`
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: %[1]s, namespace: %[2]s}
spec:
  hosts: [%[1]s]
  http:
  - name: primary
    route:
    - {destination: {host: %[1]s-v1}, weight: 100}
    - {destination: {host: %[1]s-v2}, weight: 0}
`, name, namespace))
}

// weights reads the shares off a route, version by version.
func weights(u *unstructured.Unstructured) []int64 {
	var out []int64
	routes, _, _ := unstructured.NestedSlice(u.Object, "spec", "http")
	for _, r := range routes {
		destinations, _, _ := unstructured.NestedSlice(r.(map[string]any), "route")
		for _, d := range destinations {
			weight, _, _ := unstructured.NestedInt64(d.(map[string]any), "weight")
			out = append(out, weight)
		}
	}
	return out
}

func (s *site) shares(name string) string {
	s.t.Helper()
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(routeKind)
	if err := s.Client.Get(s.t.Context(), types.NamespacedName{Namespace: namespace, Name: name}, u); err != nil {
		s.t.Fatal(err)
	}
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(weights(u)), " ", "/"), "[]")
}

// leases are how many claims there are of a route.
func (s *site) leases(about string) int {
	s.t.Helper()
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(leaseKind)
	if err := s.Client.List(s.t.Context(), list); err != nil {
		s.t.Fatal(err)
	}
	n := 0
	for i := range list.Items {
		if strings.Contains(list.Items[i].GetAnnotations()["headgate.dev/route"], about) {
			n++
		}
	}
	return n
}

// await polls until something holds.
func (s *site) await(what string, atMost time.Duration, holds func() bool) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), atMost)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			s.t.Fatalf("not within %v: %s", atMost, what)
		case <-tick.C:
		}
	}
}

// requests a second of each route of the stand-in for a mesh.
const rate = 400

// mesh stands in for a mesh: at each scrape it splits what came since by the
// weights of the routes, and counts as Istio does. It carries no request.
func (s *site) mesh() string {
	s.t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	var mu sync.Mutex
	served, last := map[string]float64{}, time.Now()
	random := rand.New(rand.NewPCG(1, 2))
	ctx := s.t.Context()
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(routeKind)
		if err := s.Client.List(ctx, list); err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		n := int(time.Since(last).Seconds() * rate)
		last = time.Now()
		fmt.Fprintln(w, "# TYPE istio_requests_total counter")
		for i := range list.Items {
			split := weights(&list.Items[i])
			for range n {
				if at := random.Int64N(100); len(split) == 2 && at < split[1] {
					served[list.Items[i].GetName()+"-v2"]++
				} else {
					served[list.Items[i].GetName()+"-v1"]++
				}
			}
			for _, version := range []string{"-v1", "-v2"} {
				host := list.Items[i].GetName() + version
				labels := fmt.Sprintf(`reporter="destination",destination_workload_namespace=%[1]q,destination_workload=%[2]q,destination_service_namespace=%[1]q,destination_service_name=%[2]q,destination_service="%[2]s.%[1]s.svc.cluster.local"`, namespace, host)
				fmt.Fprintf(w, "istio_requests_total{%s,response_code=\"200\"} %v\n", labels, served[host])
				fmt.Fprintf(w, "istio_requests_total{%s,response_code=\"503\"} 0\n", labels)
			}
		}
	})}
	go func() { _ = server.Serve(ln) }() // Until it is closed.
	s.t.Cleanup(func() { _ = server.Close() })
	return servers.Prometheus(s.t, fmt.Sprintf(`
global: {scrape_interval: 500ms, scrape_timeout: 400ms}
scrape_configs:
- job_name: mesh
  static_configs: [{targets: ["%s"]}]
`, ln.Addr()))
}

// process is a headgate that runs.
type process struct {
	cmd      *exec.Cmd
	out, err *lockedBuffer
	ended    chan struct{}
}

// lockedBuffer is what a process says.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// run starts headgate run with the administrator's rights, in a data directory.
func (s *site) run(data string, args ...string) *process {
	s.t.Helper()
	return s.start(append([]string{
		"run", "--kubeconfig", s.Kubeconfig, "-n", namespace, "--data", data,
		"--prometheus", s.prometheus, "--scrape-interval", "500ms", "--metrics-delay", "500ms",
	}, args...)...)
}

func (s *site) start(args ...string) *process {
	s.t.Helper()
	p := &process{cmd: exec.Command(s.binary, args...), out: &lockedBuffer{}, err: &lockedBuffer{}, ended: make(chan struct{})}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.err
	if err := p.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait() // Its code is asked for when it has ended.
		close(p.ended)
	}()
	s.t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // It may have ended.
		<-p.ended
		if s.t.Failed() {
			s.t.Logf("headgate %s said:\n%s%s", strings.Join(args, " "), p.out, p.err)
		}
	})
	return p
}

// code waits for the end of a process.
func (s *site) code(p *process, atMost time.Duration) int {
	s.t.Helper()
	timer := time.NewTimer(atMost)
	defer timer.Stop()
	select {
	case <-p.ended:
	case <-timer.C:
		s.t.Fatalf("it still runs after %v:\n%s%s", atMost, p.out, p.err)
	}
	return p.cmd.ProcessState.ExitCode()
}

// headgate runs a short command.
func (s *site) headgate(args ...string) (int, string) {
	s.t.Helper()
	out, err := exec.CommandContext(s.t.Context(), s.binary, args...).CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode(), string(out)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return 0, string(out)
}

// file writes a file.
func file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
