// SPDX-License-Identifier: Apache-2.0

package iter8

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/headgate-dev/headgate/test/servers"
)

// seeds is the folder with the original manifests; without it a test is skipped.
func seeds(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("HEADGATE_SEEDS")
	if dir == "" {
		t.Skip("runs the original manifests; HEADGATE_SEEDS names no folder with them")
	}
	return filepath.Join(dir, "manifests")
}

// original reads one, byte by byte.
func original(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(seeds(t), filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// published are what the originals promote with, at the addresses that they
// name; the manifests there are our own.
func published(t *testing.T) map[string]string {
	t.Helper()
	const at = "raw.githubusercontent.com/iter8-tools/iter8/master/samples/"
	out := map[string]string{}
	for to, file := range map[string]string{
		"istio/quickstart/vs-for-v1.yaml": "istio-vs-for-v1", "istio/quickstart/vs-for-v2.yaml": "istio-vs-for-v2",
		"kfserving/quickstart/promote-v1.yaml": "kfserving-promote-v1", "kfserving/quickstart/promote-v2.yaml": "kfserving-promote-v2",
		"knative/quickstart/baseline.yaml": "knative-baseline", "knative/quickstart/candidate.yaml": "knative-candidate",
		"seldon/quickstart/promote-v1.yaml": "seldon-promote-v1", "seldon/quickstart/promote-v2.yaml": "seldon-promote-v2",
	} {
		out[at+to] = testdata(t, "originals/"+file+".yaml")
	}
	return out
}

// quickstart is an original, in a namespace.
func quickstart(t *testing.T, folder, namespace string, within time.Duration) *stack {
	t.Helper()
	return &stack{
		namespace: namespace, name: "quickstart-exp", trace: golden(10), within: within,
		metrics: original(t, folder+"/metrics.yaml"), experiment: original(t, folder+"/experiment.yaml"),
	}
}

// marked reports that a route has one destination, which marks its answers with
// a version.
func marked(mark string) func(*site, *unstructured.Unstructured) bool {
	return func(s *site, u *unstructured.Unstructured) bool { return one("version: "+mark)(s, u) }
}

// TestOriginals runs the manifests of Iter8's quick starts as they are: ten
// iterations of ten seconds, of KFServing twenty-five.
func TestOriginals(t *testing.T) {
	seeds(t)
	t.Parallel()
	istio := quickstart(t, "istio", "bookinfo-iter8", 6*time.Minute)
	istio.setup, istio.writes = []string{testdata(t, "originals/bookinfo.yaml")}, []string{"bookinfo-iter8"}
	istio.route, istio.show, istio.promoted = routeOf(virtualService, "bookinfo-iter8", "bookinfo"), istioSeries, one("productpage-v2")
	istio.names = [2]string{"productpage-v1", "productpage-v2"}

	knative := quickstart(t, "knative", "default", 6*time.Minute)
	knative.setup, knative.writes = []string{original(t, "knative/baseline.yaml"), original(t, "knative/experimentalservice.yaml")}, []string{"default"}
	knative.route, knative.show, knative.promoted = routeOf(knativeService, "default", "sample-app"), knativeSeries, latest("sample-app-v2")
	knative.names = [2]string{"sample-app-v1", "sample-app-v2"}

	kfserving := quickstart(t, "kfserving", "flowers", 10*time.Minute)
	kfserving.setup = []string{original(t, "kfserving/baseline.yaml"), original(t, "kfserving/candidate.yaml"), original(t, "kfserving/routing-rule.yaml")}
	kfserving.writes = []string{"default", "ns-baseline"}
	kfserving.route, kfserving.show, kfserving.promoted = routeOf(virtualService, "default", "routing-rule"), knativeSeries, marked("flowers-v2")
	kfserving.names = [2]string{"flowers-v1", "flowers-v2"}

	seldon := quickstart(t, "seldon", "iris", 6*time.Minute)
	seldon.setup = []string{original(t, "seldon/baseline.yaml"), original(t, "seldon/candidate.yaml"), original(t, "seldon/routing-rule.yaml")}
	seldon.writes = []string{"default", "ns-baseline"}
	seldon.route, seldon.show, seldon.promoted = routeOf(virtualService, "default", "routing-rule"), seldonSeries, marked("iris-v2")
	seldon.names = [2]string{"iris-v1", "iris-v2"}

	for i := range 2 {
		istio.versions[i] = healthy(labels("destination_workload", istio.names[i], "destination_workload_namespace", "bookinfo-iter8"), 0)
		knative.versions[i] = healthy(labels("revision_name", knative.names[i]), 0)
		kfserving.versions[i] = healthy(labels("namespace_name", []string{"ns-baseline", "ns-candidate"}[i]), 0)
		seldon.versions[i] = healthy(labels("seldon_deployment_id", "iris", "kubernetes_namespace", []string{"ns-baseline", "ns-candidate"}[i]), []float64{.7, 1}[i])
	}
	// KFServing's and Seldon's have one route: each has a cluster.
	t.Run("with our definitions", func(t *testing.T) {
		t.Parallel()
		runOriginals(t, ours(t), map[string]*stack{"Istio": istio, "Knative": knative, "KFServing": kfserving})
	})
	t.Run("with Iter8's own definitions", func(t *testing.T) {
		t.Parallel()
		runOriginals(t, or(given(t, "iter8"), ours(t)...), map[string]*stack{"Seldon": seldon})
	})
}

// runOriginals runs some on a cluster of their own.
func runOriginals(t *testing.T, iter8 []*servers.CRD, stacks map[string]*stack) {
	s := newSite(t, append(kinds(t), iter8...), published(t))
	for _, k := range stacks {
		s.Namespace(t, k.namespace)
	}
	// KFServing's question names no version: it is answered in turn.
	generators := s.follow(stacks, map[string]float64{"productpage-v1": 15, "productpage-v2": 20, "sample-app-v1": 15, "sample-app-v2": 20}, 15, 20)
	s.start()
	t.Run("all at once", func(t *testing.T) {
		for name, k := range stacks {
			s.begin(k)
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s.ends(t, k, generators[name])
			})
		}
	})
	if refused := s.proxy.asked(); len(refused) > 0 {
		t.Errorf("hosts were asked for that no manifest names: %v", refused)
	}
	for name := range maps.Keys(stacks) {
		if got := generators[name].trace(); len(got) > 12 {
			t.Errorf("%s: the weights moved on: %s", name, strings.Join(got, " "))
		}
	}
}
