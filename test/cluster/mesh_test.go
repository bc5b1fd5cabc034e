// SPDX-License-Identifier: Apache-2.0

package cluster_test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/headgate-dev/headgate/test/servers"
)

var virtualServiceKind = schema.GroupVersionKind{Group: "networking.istio.io", Version: "v1", Kind: "VirtualService"}

// mesh stands in for a mesh: it reads the weights of VirtualServices as often as
// istiod would push them, sends each version its part of a load, and counts as
// Istio does. It carries no request: what a test asserts is what Headgate asks
// for, and what it makes of the counts.
type mesh struct {
	site *site

	mu      sync.Mutex
	route   map[string]map[string]int64 // By VirtualService: weights by host.
	served  map[string]float64
	failed  map[string]float64
	failing map[string]float64
}

// meshRate is the requests a second for each VirtualService.
const meshRate = 400

// newMesh starts it for the VirtualServices of a site's namespace, with a
// Prometheus that scrapes it; failing is the part of the requests that a host
// answers with 503.
func newMesh(t *testing.T, s *site, failing map[string]float64) (*mesh, string) {
	t.Helper()
	m := &mesh{site: s, route: map[string]map[string]int64{}, served: map[string]float64{}, failed: map[string]float64{}, failing: failing}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: m, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(ln) }() // Until it is closed.
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { m.run(stop) })
	t.Cleanup(func() {
		close(stop)
		wg.Wait()
		_ = server.Close() // Nothing is under way that matters.
	})
	prometheus := servers.Prometheus(t, fmt.Sprintf(`
global: {scrape_interval: 500ms, scrape_timeout: 400ms}
scrape_configs:
- job_name: mesh
  static_configs: [{targets: ["%s"]}]
`, ln.Addr()))
	return m, prometheus
}

// run reads the routes and sends the load, ten times a second.
func (m *mesh) run(stop chan struct{}) {
	const every = 100 * time.Millisecond
	tick := time.NewTicker(every)
	defer tick.Stop()
	r := rand.New(rand.NewPCG(1, 2))
	last := time.Now()
	for {
		select {
		case <-stop:
			return
		case now := <-tick.C:
			m.read()
			m.send(r, now.Sub(last).Seconds()*meshRate)
			last = now
		}
	}
}

// read takes the weights over. An API server that does not answer leaves a mesh
// as it is.
func (m *mesh) read() {
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(virtualServiceKind)
	if err := m.site.Client.List(m.site.t.Context(), list); err != nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range list.Items {
		m.route[list.Items[i].GetName()] = weightsOf(&list.Items[i])
	}
}

// weightsOf reads the weights of the last http route, the one without a match.
func weightsOf(u *unstructured.Unstructured) map[string]int64 {
	out := map[string]int64{}
	routes, _, _ := unstructured.NestedSlice(u.Object, "spec", "http")
	if len(routes) == 0 {
		return out
	}
	last, _ := routes[len(routes)-1].(map[string]any)
	destinations, _, _ := unstructured.NestedSlice(last, "route")
	for _, d := range destinations {
		d, _ := d.(map[string]any)
		host, _, _ := unstructured.NestedString(d, "destination", "host")
		weight, found, _ := unstructured.NestedInt64(d, "weight")
		if !found && len(destinations) == 1 {
			weight = 100
		}
		out[host] = weight
	}
	return out
}

// weights writes a route's shares: "90/10", the first host of the alphabet first.
func weights(u *unstructured.Unstructured) string {
	w := weightsOf(u)
	hosts := make([]string, 0, len(w))
	for h := range w {
		hosts = append(hosts, h)
	}
	slices.Sort(hosts)
	parts := make([]string, len(hosts))
	for i, h := range hosts {
		parts[i] = fmt.Sprint(w[h])
	}
	return strings.Join(parts, "/")
}

func (m *mesh) send(r *rand.Rand, requests float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, hosts := range m.route {
		total := int64(0)
		for _, w := range hosts {
			total += w
		}
		if total == 0 {
			continue
		}
		names := make([]string, 0, len(hosts))
		for h := range hosts {
			names = append(names, h)
		}
		slices.Sort(names)
		for range int(requests) {
			at := r.Int64N(total)
			for _, h := range names {
				if at -= hosts[h]; at < 0 {
					m.served[h]++
					if r.Float64() < m.failing[h] {
						m.failed[h]++
					}
					break
				}
			}
		}
	}
}

// ServeHTTP is Prometheus' view of it.
func (m *mesh) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	w.Header().Set("Content-Type", "text/plain; version=0.0.4")
	fmt.Fprintln(w, "# TYPE istio_requests_total counter")
	fmt.Fprintln(w, "# TYPE istio_request_duration_milliseconds histogram")
	for _, hosts := range m.route {
		for h := range hosts {
			// A Service's Deployment is called as it is.
			labels := fmt.Sprintf(`reporter="destination",destination_workload_namespace=%[1]q,destination_workload=%[2]q,destination_service_namespace=%[1]q,destination_service_name=%[2]q,destination_service="%[2]s.%[1]s.svc.cluster.local"`, m.site.namespace, h)
			fmt.Fprintf(w, "istio_requests_total{%s,response_code=\"200\"} %v\n", labels, m.served[h]-m.failed[h])
			fmt.Fprintf(w, "istio_requests_total{%s,response_code=\"503\"} %v\n", labels, m.failed[h])
			for _, le := range []string{"100", "250", "+Inf"} {
				fmt.Fprintf(w, "istio_request_duration_milliseconds_bucket{%s,response_code=\"200\",le=%q} %v\n", labels, le, m.served[h])
			}
			fmt.Fprintf(w, "istio_request_duration_milliseconds_sum{%s,response_code=\"200\"} %v\n", labels, 20*m.served[h])
			fmt.Fprintf(w, "istio_request_duration_milliseconds_count{%s,response_code=\"200\"} %v\n", labels, m.served[h])
		}
	}
}

// virtualService applies a route with all traffic on v1.
func (s *site) virtualService(name string) {
	s.t.Helper()
	s.Apply(s.t, fmt.Sprintf(`
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: %[1]s, namespace: %[2]s}
spec:
  hosts: [%[1]s]
  http:
  - name: primary
    retries: {attempts: 0}
    route:
    - {destination: {host: %[1]s-v1}, weight: 100}
    - {destination: {host: %[1]s-v2}, weight: 0}
`, name, s.namespace))
}

// canary applies an experiment on it that ramps in two steps.
func (s *site) canary(name, more string) {
	s.t.Helper()
	s.Apply(s.t, fmt.Sprintf(`
apiVersion: headgate.dev/v1alpha1
kind: Experiment
metadata: {name: %[1]s, namespace: %[2]s}
spec:
  versions: [{name: v1, backend: %[1]s-v1}, {name: v2, backend: %[1]s-v2}]
  traffic: {virtualService: {name: %[1]s}}
  metrics:
  - {name: errors, from: {builtin: error-rate}}
  objectives: [{metric: errors, max: "5%%"}]
  stages:
  - {name: canary, ramp: {steps: ["10%%", "50%%"]}, hold: {requests: 100, windows: 1, settle: 1s}}
  evidence: {window: 2s, stale: 30s}
%[3]s
`, name, s.namespace, more))
}

func (s *site) get(name string) types.NamespacedName {
	return types.NamespacedName{Namespace: s.namespace, Name: name}
}
