// SPDX-License-Identifier: Apache-2.0

package iter8

import (
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/headgate-dev/headgate/test/servers"
)

// stack is an experiment of one serving stack, and the traffic that it judges.
type stack struct {
	// namespace is where the experiment is applied, under name.
	namespace, name string
	// setup are the manifests of what is there before, with the route.
	setup []string
	// metrics and experiment are the manifests under test.
	metrics, experiment string
	// writes are the namespaces in which its promotion writes.
	writes   []string
	route    route
	versions [2]version
	show     func(w io.Writer, labels string, c counts)
	// names are those of the baseline and the candidate, which is the better.
	names [2]string
	// trace is what the route says, up to the promotion.
	trace []string
	// within is how long it may take in all.
	within time.Duration
	// promoted reports whether the promotion shows.
	promoted func(s *site, route *unstructured.Unstructured) bool
}

// golden is the way of the weights of two versions of which the candidate always
// wins.
func golden(iterations int) []string {
	out := []string{"100/0"}
	for i := range min(iterations, 9) {
		out = append(out, fmt.Sprintf("%d/%d", 90-10*i, 10+10*i))
	}
	if iterations > 9 {
		out = append(out, "5/95")
	}
	return out
}

// follow starts the traffic of stacks, and has the hosts of the cluster answer.
func (s *site) follow(stacks map[string]*stack, averages map[string]float64, inTurn ...float64) map[string]*generator {
	s.t.Helper()
	generators := map[string]*generator{}
	var targets []string
	for name, k := range stacks {
		for _, manifest := range k.setup {
			s.apply("", manifest)
		}
		g := &generator{cluster: s.Cluster, route: k.route, versions: k.versions, show: k.show}
		generators[name] = g
		targets = append(targets, generate(s.t, g))
	}
	prometheus := scraped(s.t, targets...)
	for _, host := range []string{"prometheus-operated.iter8-system:9090", "seldon-core-analytics-prometheus-seldon.seldon-system", "prometheus.linkerd-viz:9090"} {
		s.proxy.send(s.t, host, prometheus)
	}
	provider := httptest.NewServer(&newRelic{averages: averages, inTurn: inTurn})
	s.t.Cleanup(provider.Close)
	s.proxy.send(s.t, "metrics-mock.iter8-system.svc.cluster.local:8080", provider.URL)
	return generators
}

// begin applies an experiment with its metrics, and the rights of who promotes.
func (s *site) begin(k *stack) {
	s.t.Helper()
	for _, namespace := range k.writes {
		s.promoter(namespace, k.namespace, "default")
	}
	if k.metrics != "" {
		s.apply("", k.metrics)
	}
	s.apply(k.namespace, k.experiment)
}

// ends waits for the end of an experiment that its candidate wins, and compares
// all that Iter8's own tests compared, and the way that the weights took.
func (s *site) ends(t *testing.T, k *stack, g *generator) {
	t.Helper()
	began := time.Now()
	u := s.await(t, experimentKind, k.namespace, k.name, "completed", k.within, completed)
	t.Logf("it took %v; the weights were %v", time.Since(began).Round(time.Second), g.trace())
	s.won(t, u, k)
	k.went(t, g.trace())
	r := s.await(t, k.route.kind, k.route.key.Namespace, k.route.key.Name, "promoted", soon, func(u *unstructured.Unstructured) bool { return k.promoted(s, u) })
	// Nobody corrects what was promoted.
	version := r.GetResourceVersion()
	time.Sleep(2 * time.Second)
	r = s.await(t, k.route.kind, k.route.key.Namespace, k.route.key.Name, "promoted", soon, func(u *unstructured.Unstructured) bool { return k.promoted(s, u) })
	if r.GetResourceVersion() != version {
		t.Error("the route was written after the promotion")
	}
	s.columns(t, k)
}

// went compares the way of the weights with what it should be. On a machine that
// is busy with other things nothing may be known at the first iterations; then the
// candidate has its least, and gains from there.
func (k *stack) went(t *testing.T, trace []string) {
	t.Helper()
	want := k.trace
	if len(trace) > 1 && trace[1] == "95/5" && want[1] == "90/10" {
		unknown := 1
		for want = late(len(k.trace) - 1); unknown < 4 && len(want) > 2 && over(trace, len(want)-1); unknown++ {
			want = want[:len(want)-1]
		}
		t.Logf("nothing was known at the first %d iterations", unknown)
	}
	if got := trace[:min(len(trace), len(want))]; !slices.Equal(got, want) {
		t.Errorf("the weights went (-want +got):\n%s", cmp.Diff(want, trace))
	}
}

// over reports whether a way of weights has come to the promotion at a place: no
// other weights are those of one version.
func over(trace []string, at int) bool {
	return at < len(trace) && (!strings.Contains(trace[at], "/") || trace[at] == "0/100")
}

// late is the way of the weights where the candidate always wins but at the first
// iteration.
func late(iterations int) []string {
	out := []string{"100/0"}
	for i := range iterations {
		out = append(out, fmt.Sprintf("%d/%d", max(5, 95-10*i), min(95, 5+10*i)))
	}
	return out
}

// won compares the status of an experiment that its candidate has won.
func (s *site) won(t *testing.T, u *unstructured.Unstructured, k *stack) {
	t.Helper()
	for path, want := range map[string]string{
		"status.stage":                                      "Completed",
		"status.versionRecommendedForPromotion":             k.names[1],
		"status.analysis.winnerAssessment.data.winnerFound": "true",
		"status.analysis.winnerAssessment.data.winner":      k.names[1],
		"status.message":                                    "ExperimentCompleted: Experiment Completed",
	} {
		if got := at(u, path); got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
	for kind, want := range map[string]string{"Completed": "True", "Failed": "False", "TargetAcquired": "True"} {
		if got, reason, message := condition(u, kind); got != want {
			t.Errorf("%s is %s, want %s: %s: %s", kind, got, want, reason, message)
		}
	}
	for _, path := range []string{"status.initTime", "status.startTime", "status.lastUpdateTime", "status.completedIterations"} {
		if at(u, path) == "" {
			t.Errorf("there is no %s", path)
		}
	}
	if t.Failed() {
		t.Log(s.show(experimentKind, k.namespace, k.name))
	}
}

// columns compares what kubectl prints.
func (s *site) columns(t *testing.T, k *stack) {
	t.Helper()
	out, err := s.Kubectl(t.Context(), "", "get", "experiments.iter8.tools", "-n", k.namespace, k.name)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	header := strings.Join(strings.Fields(lines[0]), " ")
	if header != "NAME TYPE TARGET STAGE COMPLETED ITERATIONS MESSAGE" || len(lines) != 2 || !strings.Contains(lines[1], "Completed") || !strings.Contains(lines[1], "ExperimentCompleted:") {
		t.Errorf("kubectl get:\n%s", out)
	}
}

// testdata reads a file of our own making.
func testdata(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// manifests are those of our own, by host and path.
func manifests(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("testdata/*/promote-*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("the manifests of promotions: %v, %v", files, err)
	}
	out := map[string]string{}
	for _, f := range files {
		f = filepath.ToSlash(strings.TrimPrefix(f, "testdata/"))
		out["manifests.example/"+f] = testdata(t, f)
	}
	return out
}

// kinds are the definitions of the stacks: their own where they are at hand.
func kinds(t *testing.T) []*servers.CRD {
	t.Helper()
	all := servers.IstioCRDs(t, "virtualservices.networking.istio.io")
	all = append(all, servers.KnativeCRDs(t, "services.serving.knative.dev")...)
	all = append(all, or(named(given(t, "kfserving"), "inferenceservices.serving.kubeflow.org"), loose("serving.kubeflow.org", "v1beta1", "InferenceService", "inferenceservices"))...)
	all = append(all, or(given(t, "seldondeployment"), loose("machinelearning.seldon.io", "v1", "SeldonDeployment", "seldondeployments"))...)
	return append(all, or(given(t, "trafficsplit-linkerd"), loose("split.smi-spec.io", "v1alpha2", "TrafficSplit", "trafficsplits"))...)
}

// named are the definitions of a name.
func named(crds []*servers.CRD, name string) []*servers.CRD {
	return slices.DeleteFunc(crds, func(c *servers.CRD) bool { return c.GetName() != name })
}

// labels of a version's series.
func labels(pairs ...string) string {
	var out []string
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, fmt.Sprintf("%s=%q", pairs[i], pairs[i+1]))
	}
	return strings.Join(out, ",")
}

// healthy is a version that nothing is wrong with.
func healthy(labels string, feedback float64) version {
	return version{labels: labels, latency: .02, feedback: feedback}
}

// one reports that a route has one destination with all of the traffic.
func one(host string) func(*site, *unstructured.Unstructured) bool {
	return func(_ *site, u *unstructured.Unstructured) bool {
		rules, _, _ := unstructured.NestedSlice(u.Object, "spec", "http")
		if len(rules) != 1 {
			return false
		}
		rule, _ := rules[0].(map[string]any)
		destinations, _, _ := unstructured.NestedSlice(rule, "route")
		if len(destinations) != 1 {
			return false
		}
		text, err := yaml.Marshal(destinations[0])
		return err == nil && strings.Contains(string(text), host)
	}
}

// latest reports that a Knative Service sends all to its newest revision, which
// is that of a name.
func latest(revision string) func(*site, *unstructured.Unstructured) bool {
	return func(_ *site, u *unstructured.Unstructured) bool {
		traffic, found, _ := unstructured.NestedSlice(u.Object, "spec", "traffic")
		return (!found || len(traffic) == 0) && at(u, "spec.template.metadata.name") == revision
	}
}
