// SPDX-License-Identifier: Apache-2.0

package iter8

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// own is a stack of our own making.
func own(t *testing.T, folder, namespace, name string) *stack {
	t.Helper()
	return &stack{
		namespace: namespace, name: name, writes: []string{namespace}, trace: golden(10), within: 4 * time.Minute,
		setup:   []string{testdata(t, folder+"/route.yaml")},
		metrics: testdata(t, folder+"/metrics.yaml"), experiment: testdata(t, folder+"/experiment.yaml"),
		names: [2]string{name + "-v1", name + "-v2"},
	}
}

// ownStacks are the four stacks and Linkerd.
func ownStacks(t *testing.T) map[string]*stack {
	t.Helper()
	istio := own(t, "istio", "shop", "store")
	istio.route, istio.show, istio.promoted = routeOf(virtualService, "shop", "store"), istioSeries, one("store-v2")
	kfserving := own(t, "kfserving", "tulips", "tulips")
	kfserving.route, kfserving.show = routeOf(virtualService, "tulips", "tulips"), knativeSeries
	kfserving.writes = append(kfserving.writes, "tulips-base")
	kfserving.promoted = func(s *site, u *unstructured.Unstructured) bool {
		return one("tulips.tulips-base")(s, u) && len(kfserving.route.weights(u)) == 1
	}
	knative := own(t, "knative", "greetings", "hello")
	knative.route, knative.show, knative.promoted = routeOf(knativeService, "greetings", "hello"), knativeSeries, latest("hello-v2")
	seldon := own(t, "seldon", "wine", "wine")
	seldon.route, seldon.show, seldon.promoted = routeOf(virtualService, "wine", "wine"), seldonSeries, one("wine.wine-base")
	seldon.writes = append(seldon.writes, "wine-base")
	linkerd := own(t, "linkerd", "web", "web")
	linkerd.name, linkerd.names, linkerd.trace = "web", [2]string{"web", "web2"}, golden(5)
	linkerd.route, linkerd.show = routeOf(trafficSplit, "web", "web-split"), linkerdSeries
	linkerd.promoted = func(_ *site, u *unstructured.Unstructured) bool {
		return slices.Equal(linkerd.route.weights(u), []int64{0, 100})
	}
	for i, n := range []string{"1", "2"} {
		istio.versions[i] = healthy(labels("destination_workload", "store-v"+n, "destination_workload_namespace", "shop"), 0)
		kfserving.versions[i] = healthy(labels("namespace_name", []string{"tulips-base", "tulips-next"}[i]), 0)
		knative.versions[i] = healthy(labels("revision_name", "hello-v"+n), 0)
		seldon.versions[i] = healthy(labels("seldon_deployment_id", "wine", "kubernetes_namespace", []string{"wine-base", "wine-next"}[i]), []float64{.7, 1}[i])
		linkerd.versions[i] = healthy(labels("deployment", []string{"web", "web2"}[i], "namespace", "web"), 0)
	}
	return map[string]*stack{"Istio": istio, "KFServing": kfserving, "Knative": knative, "Seldon": seldon, "Linkerd": linkerd}
}

var ownAverages = map[string]float64{"store-v1": 15, "store-v2": 20, "tulips-v1": 15, "tulips-v2": 20, "hello-v1": 15, "hello-v2": 20}

// TestOwn runs experiments of our own making, in both dialects, to their end.
func TestOwn(t *testing.T) {
	t.Parallel()
	s := newSite(t, append(kinds(t), ours(t)...), manifests(t))
	for _, namespace := range []string{"web", "loops"} {
		s.Namespace(t, namespace)
	}
	stacks := ownStacks(t)
	generators := s.follow(stacks, ownAverages)
	s.start()
	t.Run("all at once", func(t *testing.T) {
		for name, k := range stacks {
			s.begin(k)
			t.Run("a better candidate is promoted on "+name, func(t *testing.T) {
				t.Parallel()
				s.ends(t, k, generators[name])
			})
		}
		t.Run("a canary is judged by the load that its loop makes", func(t *testing.T) {
			t.Parallel()
			s.collects(t)
		})
	})
	if refused := s.proxy.asked(); len(refused) > 0 {
		t.Errorf("hosts were asked for that no manifest names: %v", refused)
	}
}

// collects runs an experiment whose metrics are those of its own load. Nothing
// is known at its first iteration, so that the candidate begins late.
func (s *site) collects(t *testing.T) {
	asked := map[string]*counter{}
	for _, name := range []string{"echo-v1", "echo-v2"} {
		asked[name] = &counter{}
		server := httptest.NewServer(asked[name])
		t.Cleanup(server.Close)
		s.proxy.send(t, name+".loops.svc.cluster.local", server.URL)
	}
	k := loopStack(t)
	s.apply("", k.setup[0])
	g := &generator{cluster: s.Cluster, route: k.route, show: knativeSeries}
	generate(t, g)
	s.begin(k)
	s.ends(t, k, g)
	for name, c := range asked {
		if n := c.count(); n != 60 {
			t.Errorf("%s had %d requests, want 20 in each of three loops", name, n)
		}
	}
}

// loopStack is the experiment with load.
func loopStack(t *testing.T) *stack {
	return &stack{
		namespace: "loops", name: "echo", writes: []string{"loops"}, within: 4 * time.Minute,
		setup: []string{testdata(t, "collect/route.yaml")}, experiment: testdata(t, "collect/experiment.yaml"),
		route: routeOf(knativeService, "loops", "echo"), names: [2]string{"echo-v1", "echo-v2"},
		trace: []string{"100/0", "95/5", "85/15", "75/25"}, promoted: latest("echo-v2"),
	}
}

// counter counts requests.
type counter struct{ n atomic.Int64 }

// ServeHTTP is an http.Handler.
func (c *counter) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	c.n.Add(1)
	w.WriteHeader(http.StatusOK)
}

func (c *counter) count() int64 { return c.n.Load() }
