// SPDX-License-Identifier: Apache-2.0

package iter8

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headgate-dev/headgate/test/servers"
)

// The kinds that hold weights.
var (
	virtualService = schema.GroupVersionKind{Group: "networking.istio.io", Version: "v1beta1", Kind: "VirtualService"}
	knativeService = schema.GroupVersionKind{Group: "serving.knative.dev", Version: "v1", Kind: "Service"}
	trafficSplit   = schema.GroupVersionKind{Group: "split.smi-spec.io", Version: "v1alpha2", Kind: "TrafficSplit"}
)

// route is what carries the traffic of two versions, and how its weights are
// read: the baseline's first.
type route struct {
	kind    schema.GroupVersionKind
	key     types.NamespacedName
	weights func(u *unstructured.Unstructured) []int64
}

// routeOf is a route of one of the kinds above.
func routeOf(kind schema.GroupVersionKind, namespace, name string) route {
	r := route{kind: kind, key: types.NamespacedName{Namespace: namespace, Name: name}}
	switch kind {
	case virtualService:
		r.weights = func(u *unstructured.Unstructured) []int64 {
			rules, _, _ := unstructured.NestedSlice(u.Object, "spec", "http")
			if len(rules) == 0 {
				return nil
			}
			return numbers(rules[0], "weight", "route")
		}
	case knativeService:
		r.weights = func(u *unstructured.Unstructured) []int64 { return numbers(u.Object, "percent", "spec", "traffic") }
	default:
		r.weights = func(u *unstructured.Unstructured) []int64 { return numbers(u.Object, "weight", "spec", "backends") }
	}
	return r
}

// numbers are a field of the objects in a list.
func numbers(in any, field string, path ...string) []int64 {
	object, _ := in.(map[string]any)
	list, _, _ := unstructured.NestedSlice(object, path...)
	var out []int64
	for _, item := range list {
		item, _ := item.(map[string]any)
		n, _, _ := unstructured.NestedInt64(item, field)
		out = append(out, n)
	}
	return out
}

// text writes weights as 90/10.
func text(weights []int64) string {
	parts := make([]string, len(weights))
	for i, w := range weights {
		parts[i] = fmt.Sprint(w)
	}
	return strings.Join(parts, "/")
}

// rate is the requests a second of a route. A tenth of it is asked of each
// version besides what its weight gives it, as by people who try it out: else
// nothing would be known of a candidate at the first iteration.
const rate = 400

// version is how a version behaves.
type version struct {
	// labels are those of its series.
	labels string
	// latency is how long each answer takes, in seconds; failing is the part of
	// answers that are errors.
	latency, failing float64
	// feedback is the reward requests a second.
	feedback float64
}

// generator sends a load along a route, and shows what the versions' proxies
// would have counted.
type generator struct {
	cluster  *servers.Cluster
	route    route
	versions [2]version
	show     func(w io.Writer, labels string, c counts)

	mu       sync.Mutex
	weights  []int64
	counts   [2]counts
	observed []string // The weights as they were seen, change by change.
}

// counts are what a version was asked.
type counts struct {
	requests, errors, feedback, latency float64
}

// generate starts a generator; it ends with the test. What is returned is where
// it can be scraped.
func generate(t *testing.T, g *generator) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: g, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(ln) }() // Until it is closed.
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { g.run(stop) })
	c, err := client.NewWithWatch(g.cluster.Config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	wg.Go(func() { g.watch(ctx, c) })
	t.Cleanup(func() {
		cancel()
		close(stop)
		wg.Wait()
		_ = server.Close() // Nothing is under way that matters.
	})
	return ln.Addr().String()
}

func (g *generator) run(stop chan struct{}) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	last := time.Now()
	for {
		select {
		case <-stop:
			return
		case now := <-tick.C:
			g.send(now.Sub(last).Seconds())
			last = now
		}
	}
}

// watch takes the weights over, change by change, until the context ends. An API
// server that does not answer leaves the traffic as it is.
func (g *generator) watch(ctx context.Context, c client.WithWatch) {
	for ctx.Err() == nil {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(g.route.kind)
		w, err := c.Watch(ctx, list, client.InNamespace(g.route.key.Namespace), client.MatchingFields{"metadata.name": g.route.key.Name})
		if err != nil {
			time.Sleep(100 * time.Millisecond) // It is tried again until the test ends.
			continue
		}
		for e := range w.ResultChan() {
			if u, ok := e.Object.(*unstructured.Unstructured); ok && e.Type != watch.Deleted {
				g.take(g.route.weights(u))
			}
		}
	}
}

// take has the weights apply from now on.
func (g *generator) take(weights []int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.weights = weights
	now := text(weights)
	if n := len(g.observed); n == 0 || g.observed[n-1] != now {
		g.observed = append(g.observed, now)
	}
}

// trace lists the weights that were seen, change by change.
func (g *generator) trace() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]string(nil), g.observed...)
}

// send counts the requests of some seconds.
func (g *generator) send(seconds float64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i := range g.counts {
		share := 0.
		if i < len(g.weights) {
			share = float64(g.weights[i]) / 100
		}
		c, v := &g.counts[i], g.versions[i]
		n := seconds * rate * (share + .1)
		c.requests += n
		c.errors += n * v.failing
		c.latency += n * v.latency
		c.feedback += seconds * v.feedback
	}
}

// ServeHTTP is Prometheus' view of it.
func (g *generator) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	w.Header().Set("Content-Type", "text/plain; version=0.0.4")
	for i, v := range g.versions {
		g.show(w, v.labels, g.counts[i])
	}
}

// series writes one sample.
func series(w io.Writer, name, labels string, value float64) {
	fmt.Fprintf(w, "%s{%s} %v\n", name, labels, value)
}

// histogram writes the times of answers, in units of which a second has scale.
// All answers of a version take the same time.
func histogram(w io.Writer, name, labels string, c counts, scale float64) {
	each := 0.
	if c.requests > 0 {
		each = c.latency / c.requests
	}
	for _, bound := range []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10} {
		n := 0.
		if each <= bound {
			n = c.requests
		}
		series(w, name+"_bucket", fmt.Sprintf(`%s,le="%g"`, labels, bound*scale), n)
	}
	series(w, name+"_bucket", labels+`,le="+Inf"`, c.requests)
	series(w, name+"_sum", labels, c.latency*scale)
	series(w, name+"_count", labels, c.requests)
}

// What the stacks' own proxies count, by the names and labels that their
// dashboards and Iter8's metrics ask for.

func istioSeries(w io.Writer, labels string, c counts) {
	labels += `,reporter="source"`
	series(w, "istio_requests_total", labels+`,response_code="200"`, c.requests-c.errors)
	series(w, "istio_requests_total", labels+`,response_code="503"`, c.errors)
	histogram(w, "istio_request_duration_milliseconds", labels+`,response_code="200"`, c, 1000)
}

func knativeSeries(w io.Writer, labels string, c counts) {
	failed := counts{requests: c.errors}
	if c.requests > 0 {
		failed.latency = c.latency * c.errors / c.requests
	}
	good := counts{requests: c.requests - failed.requests, latency: c.latency - failed.latency}
	histogram(w, "revision_app_request_latencies", labels+`,response_code_class="2xx"`, good, 1000)
	histogram(w, "revision_app_request_latencies", labels+`,response_code_class="5xx"`, failed, 1000)
}

func seldonSeries(w io.Writer, labels string, c counts) {
	histogram(w, "seldon_api_executor_client_requests_seconds", labels, c, 1)
	series(w, "seldon_api_executor_server_requests_seconds_count", labels+`,code="200",service="predictions"`, c.requests-c.errors)
	series(w, "seldon_api_executor_server_requests_seconds_count", labels+`,code="500",service="predictions"`, c.errors)
	series(w, "seldon_api_executor_server_requests_seconds_count", labels+`,code="200",service="feedback"`, c.feedback)
}

func linkerdSeries(w io.Writer, labels string, c counts) {
	labels += `,direction="inbound",tls="true"`
	series(w, "request_total", labels, c.requests)
	series(w, "response_total", labels+`,status_code="200"`, c.requests-c.errors)
	series(w, "response_total", labels+`,status_code="503"`, c.errors)
	histogram(w, "response_latency_ms", labels, c, 1000)
}

// scraped is a Prometheus that scrapes generators every 200 ms, so that even the
// first second of an experiment has a rate.
func scraped(t *testing.T, at ...string) string {
	t.Helper()
	targets := make([]string, len(at))
	for i, a := range at {
		targets[i] = fmt.Sprintf("%q", a)
	}
	prometheus := servers.Prometheus(t, fmt.Sprintf(`
global: {scrape_interval: 200ms, scrape_timeout: 200ms}
scrape_configs:
- job_name: generators
  static_configs: [{targets: [%s]}]
`, strings.Join(targets, ", ")))
	until(t, 2*soon, func() error { return fresh(prometheus, len(targets)) })
	return prometheus
}

// fresh is an error unless so many targets were scraped three times in the last
// second.
func fresh(prometheus string, targets int) error {
	resp, err := http.Get(prometheus + "/api/v1/query?query=" + url.QueryEscape(`count(count_over_time(up[1s]) > 2)`))
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	var answer struct {
		Data struct{ Result []struct{ Value [2]any } }
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return err
	}
	if r := answer.Data.Result; len(r) != 1 || r[0].Value[1] != fmt.Sprint(targets) {
		return fmt.Errorf("not all of %d targets are scraped yet: %v", targets, r)
	}
	return nil
}
