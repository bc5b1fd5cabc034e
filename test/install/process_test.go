// SPDX-License-Identifier: Apache-2.0

package install

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
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
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headgate-dev/headgate/test/servers"
)

// words is what a process says.
type words struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (w *words) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.Write(p)
}

func (w *words) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.String()
}

// deployed starts the program with the arguments of the Deployment that was
// installed, as its service account; only addresses are loopback's. It returns
// where the probes and the metrics are, and what it says.
func deployed(t *testing.T, c *servers.Cluster, more ...string) (probes []string, metrics string, said *words) {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "headgate")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", binary, "./cmd/headgate")
	build.Dir = file(".")
	build.Env = append(build.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	u := object(t, c, schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}, home, account)
	containers, _, _ := unstructured.NestedSlice(u.Object, "spec", "template", "spec", "containers")
	container := containers[0].(map[string]any)
	args, _, _ := unstructured.NestedStringSlice(container, "args")
	at := map[string]string{"0.0.0.0:8080": servers.FreeAddr(t), "0.0.0.0:8081": servers.FreeAddr(t)}
	for i, arg := range args {
		args[i] = strings.ReplaceAll(arg, "$(POD_NAMESPACE)", home)
		for from, to := range at {
			args[i] = strings.ReplaceAll(args[i], from, to)
		}
	}
	for _, probe := range []string{"livenessProbe", "readinessProbe"} {
		path, _, _ := unstructured.NestedString(container, probe, "httpGet", "path")
		probes = append(probes, "http://"+at["0.0.0.0:8081"]+path)
	}
	said = &words{}
	cmd := exec.Command(binary, append(args, more...)...)
	cmd.Env = append(cmd.Environ(), "KUBECONFIG="+c.KubeconfigOf(t, c.ServiceAccount(t, home, account)))
	cmd.Stdout, cmd.Stderr = said, said
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // It may have ended.
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("the controller said:\n%s", said)
		}
	})
	return probes, "http://" + at["0.0.0.0:8080"] + "/metrics", said
}

func object(t *testing.T, c *servers.Cluster, kind schema.GroupVersionKind, namespace, name string) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(kind)
	if err := c.Client.Get(t.Context(), types.NamespacedName{Namespace: namespace, Name: name}, u); err != nil {
		t.Fatal(err)
	}
	return u
}

func get(url string) (string, error) {
	res, err := http.Get(url)
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", res.Status, body)
	}
	return string(body), err
}

// runsAsDeployed lets the program run an experiment from its beginning to its
// removal with nothing but the rights that were installed.
func runsAsDeployed(t *testing.T, c *servers.Cluster) {
	c.Apply(t, fmt.Sprintf(`
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ranker, namespace: %s}
spec:
  hosts: [ranker]
  http:
  - route:
    - {destination: {host: ranker-v1}, weight: 100}
    - {destination: {host: ranker-v2}, weight: 0}
`, namespace))
	began := time.Now()
	mesh := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		for i, requests := range []int64{time.Since(began).Milliseconds() / 10, 0} {
			fmt.Fprintf(w, "istio_requests_total{reporter=\"destination\",destination_service_namespace=%[1]q,destination_service_name=\"ranker-v%[2]d\","+
				"destination_service=\"ranker-v%[2]d.%[1]s.svc.cluster.local\",response_code=\"200\"} %[3]d\n", namespace, i+1, requests)
		}
	}))
	t.Cleanup(mesh.Close)
	prometheus := servers.Prometheus(t, fmt.Sprintf("global: {scrape_interval: 500ms, scrape_timeout: 400ms}\nscrape_configs:\n- job_name: mesh\n  static_configs: [{targets: [%q]}]\n",
		strings.TrimPrefix(mesh.URL, "http://")))
	probes, metrics, said := deployed(t, c, "--prometheus="+prometheus, "--scrape-interval=500ms")
	for _, probe := range probes {
		eventually(t, probe, 2*time.Minute, func() error {
			_, err := get(probe)
			return err
		})
	}
	eventually(t, "it leads", 2*time.Minute, func() error {
		text, err := get(metrics)
		if err == nil && !strings.Contains(text, `leader_election_master_status{name="headgate-controller"} 1`) {
			err = fmt.Errorf("it says\n%s\nand\n%s", text, said)
		}
		return err
	})
	weights := func(want string) func() error {
		return func() error {
			u := object(t, c, schema.GroupVersionKind{Group: "networking.istio.io", Version: "v1", Kind: "VirtualService"}, namespace, "ranker")
			http, _, _ := unstructured.NestedSlice(u.Object, "spec", "http")
			route, _, _ := unstructured.NestedSlice(http[0].(map[string]any), "route")
			got := fmt.Sprint(route[0].(map[string]any)["weight"], "/", route[1].(map[string]any)["weight"])
			if got != want {
				return fmt.Errorf("the route says %s; %v", got, experimentOf(t, c).Object["status"])
			}
			return nil
		}
	}
	c.Apply(t, spec("  evidence: {window: 4s}\n"))
	eventually(t, "the canary has 10 %", 3*time.Minute, weights("90/10"))
	leases, err := c.Kubectl(t.Context(), "", "get", "lease", "-n", namespace, "-o", "name")
	if err != nil || !strings.Contains(leases, "headgate-route-") {
		t.Errorf("the route is claimed by %q, %v", leases, err)
	}
	kill := client.RawPatch(types.MergePatchType, []byte(`{"spec": {"control": {"verb": "kill", "reason": "wrong prices", "author": "ann"}}}`))
	if err := c.Client.Patch(t.Context(), experimentOf(t, c), kill); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the kill is obeyed", time.Minute, weights("100/0"))
	eventually(t, "an event tells of it", time.Minute, func() error {
		out, err := c.Kubectl(t.Context(), "", "get", "events", "-n", namespace, "-o", "custom-columns=O:.involvedObject.name,M:.message")
		if err == nil && !strings.Contains(out, "ranker") {
			err = fmt.Errorf("events: %s", out)
		}
		return err
	})
	if out, err := c.Kubectl(t.Context(), "", "delete", "experiments.headgate.dev", "-n", namespace, "ranker", "--timeout=120s"); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if leases, err := c.Kubectl(t.Context(), "", "get", "lease", "-n", namespace, "-o", "name"); err != nil || strings.Contains(leases, "headgate-route-") {
		t.Errorf("the claim is still there: %q, %v", leases, err)
	}
	exported, err := get(metrics)
	for _, want := range []string{"headgate_time_to_safe_seconds_count 1\n", "headgate_route_writes_total ", "headgate_record_writes_total "} {
		if err != nil || !strings.Contains(exported, "\n"+want) {
			t.Errorf("it does not export %q: %v", want, err)
		}
	}
	for _, bad := range []string{"forbidden", "cannot list", "cannot watch"} {
		if strings.Contains(strings.ToLower(said.String()), bad) {
			t.Errorf("it lacks a right:\n%s", said)
		}
	}
}
