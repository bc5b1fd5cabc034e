// SPDX-License-Identifier: Apache-2.0

package iter8

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headgate-dev/headgate/test/servers"
)

// lost is how long the provider of one experiment is away.
const lost = 60 * time.Second

// trouble is an experiment on a VirtualService of its own, made of the manifests
// of testdata/istio under another name. replace are pairs of texts.
func trouble(t *testing.T, name string, replace ...string) *stack {
	t.Helper()
	// Its words, as they are under this name.
	words := strings.NewReplacer("iter8-shop", "iter8-"+name, "store", name, "shop", name, "/istio/", "/"+name+"/")
	k := own(t, "istio", name, name)
	k.setup[0] = words.Replace(k.setup[0])
	changed := strings.NewReplacer(replace...)
	k.metrics, k.experiment = changed.Replace(words.Replace(k.metrics)), changed.Replace(words.Replace(k.experiment))
	k.route, k.show, k.promoted = routeOf(virtualService, name, name), istioSeries, one(name+"-v2")
	for i, n := range k.names {
		k.versions[i] = healthy(labels("destination_workload", n, "destination_workload_namespace", name), 0)
	}
	return k
}

// promotions are the manifests of some of these.
func promotions(t *testing.T, names ...string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, name := range names {
		for _, v := range []string{"v1", "v2"} {
			out["manifests.example/"+name+"/promote-"+v+".yaml"] = strings.ReplaceAll(testdata(t, "istio/promote-"+v+".yaml"), "store", name)
		}
	}
	return out
}

// weights are what a route says now.
func (s *site) weights(t *testing.T, k *stack) string {
	t.Helper()
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(k.route.kind)
	if err := s.Client.Get(t.Context(), k.route.key, u); err != nil {
		t.Fatal(err)
	}
	return text(k.route.weights(u))
}

// gains waits until the candidate has a weight, or more: which weights it gets
// depends on whether something was known at the first iteration.
func (s *site) gains(t *testing.T, k *stack, least int64) {
	t.Helper()
	s.await(t, k.route.kind, k.route.key.Namespace, k.route.key.Name, fmt.Sprintf("at %d or more", least), 3*soon, func(u *unstructured.Unstructured) bool {
		weights := k.route.weights(u)
		return len(weights) == 2 && weights[1] >= least
	})
}

// fails waits for the end of an experiment that has failed.
func (s *site) fails(t *testing.T, k *stack, reason, part string) {
	t.Helper()
	u := s.await(t, experimentKind, k.namespace, k.name, "completed", 3*soon, completed)
	status, why, message := condition(u, "Failed")
	if status != "True" || why != reason || !strings.Contains(message, part) {
		t.Errorf("Failed is %s: %s: %s, want %s: …%s…", status, why, message, reason, part)
	}
	if stage := at(u, "status.stage"); stage != "Completed" {
		t.Errorf("the stage is %s", stage)
	}
	if said := at(u, "status.message"); !strings.HasPrefix(said, "ExperimentCompleted: ") {
		t.Errorf("the message is %q", said)
	}
}

// TestTroubles has things go wrong, on one cluster with one controller.
func TestTroubles(t *testing.T) {
	t.Parallel()
	short := []string{"iterationsPerLoop: 10", "iterationsPerLoop: 3"}
	stacks := map[string]*stack{
		"first":  trouble(t, "first", append([]string{"target: first/first", "target: the/same"}, short...)...),
		"second": trouble(t, "second", append([]string{"target: second/second", "target: the/same"}, short...)...),
		"outage": trouble(t, "outage", "prometheus-operated.iter8-system:9090", "prometheus.outage:9090"),
		"gone":   trouble(t, "gone"), "restored": trouble(t, "restored", "metadata:\n  name: restored", "metadata:\n  name: restored\n  annotations: {headgate.dev/on-delete: restore}"),
		"edited":  trouble(t, "edited"),
		"missing": trouble(t, "missing", "name: latency, namespace: iter8-missing", "name: other, namespace: iter8-missing"),
		"taken":   trouble(t, "taken"), "powerless": trouble(t, "powerless", short...),
		"invalid": trouble(t, "invalid", "testingPattern: A/B", "testingPattern: Conformance"),
		"unread":  trouble(t, "unread", "route[1].weight", "route[7].weight"),
		"filled":  trouble(t, "filled", short...),
	}
	stacks["powerless"].writes = nil
	names := slices.Sorted(maps.Keys(stacks))
	files := promotions(t, names...)
	files["manifests.example/filled/start.yaml"] = unfill(stacks["filled"])
	s := newSite(t, append(servers.IstioCRDs(t, "virtualservices.networking.istio.io"), ours(t)...), files)
	averages := map[string]float64{}
	for _, name := range names {
		s.Namespace(t, name)
		averages[name+"-v1"], averages[name+"-v2"] = 15, 20
	}
	generators := s.follow(stacks, averages)
	s.proxy.also(t, "prometheus.outage:9090", "prometheus-operated.iter8-system:9090")
	c := s.start()
	for _, part := range []struct {
		what string
		run  func(t *testing.T, s *site, stacks map[string]*stack, generators map[string]*generator)
	}{
		{"one target has one experiment at a time", oneTarget},
		{"a metric that is not there fails it", missesMetric},
		{"what cannot be run fails with Iter8's words", isInvalid},
		{"a native experiment of somebody else's is left alone", nameTaken},
		{"an action without rights fails it, and the weights stay", powerless},
		{"a deleted experiment leaves the weights, or restores them", isDeleted},
		{"an edit is passed on, and metrics are what they were", isEdited},
	} {
		t.Run(part.what, func(t *testing.T) { part.run(t, s, stacks, generators) })
	}
	t.Run("a start action fills in versions and metrics, and is done once", func(t *testing.T) {
		c = fillsIn(t, s, stacks["filled"], generators["filled"], c)
	})
	t.Run("a provider that is away moves nothing, and a controller that dies goes on", func(t *testing.T) {
		outage(t, s, stacks["outage"], generators["outage"], c)
	})
}

func oneTarget(t *testing.T, s *site, stacks map[string]*stack, generators map[string]*generator) {
	first, second := stacks["first"], stacks["second"]
	first.trace, second.trace = golden(3), golden(3)
	s.begin(first)
	s.await(t, experimentKind, "first", "first", "acquired", soon, func(u *unstructured.Unstructured) bool {
		status, _, _ := condition(u, "TargetAcquired")
		return status == "True"
	})
	s.begin(second)
	s.await(t, experimentKind, "second", "second", "waiting", soon, func(u *unstructured.Unstructured) bool {
		return at(u, "status.stage") == "Waiting" && at(u, "status.message") == "ExperimentInitialized: Experiment status initialized"
	})
	s.ends(t, first, generators["first"])
	if got := generators["second"].trace(); len(got) > 1 && got[1] != "90/10" && got[1] != "95/5" {
		t.Errorf("the one that waits moved its weights: %v", got)
	}
	acquired := since(s.await(t, experimentKind, "second", "second", "acquired", soon, func(u *unstructured.Unstructured) bool {
		status, _, _ := condition(u, "TargetAcquired")
		return status == "True"
	}), "TargetAcquired")
	if over := since(s.await(t, experimentKind, "first", "first", "completed", soon, completed), "Completed"); acquired < over || over == "" {
		t.Errorf("the first was over at %s, the second began at %s: both ran at once", over, acquired)
	}
	s.ends(t, second, generators["second"])
	s.events(t, "first", "ExperimentInitialized", "TargetAcquired", "StageAdvanced", "IterationUpdate", "HandlerLaunched", "ExperimentCompleted")
}

// since is when a condition became what it is, in the form in which earlier sorts
// before later.
func since(u *unstructured.Unstructured, kind string) string {
	conditions, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions")
	for _, c := range conditions {
		if m, ok := c.(map[string]any); ok && m["type"] == kind {
			at, _ := m["lastTransitionTime"].(string)
			return at
		}
	}
	return ""
}

// events waits for the reasons of an experiment's events, which are sent a moment
// after what they tell of.
func (s *site) events(t *testing.T, name string, want ...string) {
	t.Helper()
	until(t, soon, func() error {
		out, err := s.Kubectl(t.Context(), "", "get", "events", "-n", name, "-o", "jsonpath={range .items[?(@.involvedObject.apiVersion==\"iter8.tools/v2alpha2\")]}{.reason} {.message}\n{end}")
		for _, reason := range want {
			if err == nil && !strings.Contains(out, reason) {
				err = fmt.Errorf("there is no event %s:\n%s", reason, out)
			}
		}
		return err
	})
}

func missesMetric(t *testing.T, s *site, stacks map[string]*stack, generators map[string]*generator) {
	s.begin(stacks["missing"])
	s.fails(t, stacks["missing"], "MetricUnavailable", "Unable to find metric iter8-missing/latency")
	s.unmoved(t, stacks["missing"], generators["missing"])
}

// unmoved says that nothing was done for an experiment.
func (s *site) unmoved(t *testing.T, k *stack, g *generator) {
	t.Helper()
	if got := g.trace(); !slices.Equal(got, []string{"100/0"}) {
		t.Errorf("the weights moved: %v", got)
	}
}

func isInvalid(t *testing.T, s *site, stacks map[string]*stack, generators map[string]*generator) {
	s.begin(stacks["invalid"])
	s.fails(t, stacks["invalid"], "InvalidExperiment", "Invalid number of candidates for Conformance experiment")
	s.unmoved(t, stacks["invalid"], generators["invalid"])
	s.begin(stacks["unread"])
	s.fails(t, stacks["unread"], "InvalidExperiment", "Specification of version weightObjectRef invalid")
	s.unmoved(t, stacks["unread"], generators["unread"])
}

func nameTaken(t *testing.T, s *site, stacks map[string]*stack, generators map[string]*generator) {
	s.Apply(t, `
apiVersion: headgate.dev/v1alpha1
kind: Experiment
metadata: {name: taken, namespace: taken}
spec:
  versions: [{name: v1, backend: elsewhere-v1}, {name: v2, backend: elsewhere-v2}]
  traffic: {virtualService: {name: elsewhere}}
  metrics: [{name: errors, from: {builtin: error-rate}}]
  objectives: [{metric: errors, max: "5%"}]
  stages: [{name: canary, ramp: {steps: ["10%"]}}]
`)
	s.begin(stacks["taken"])
	s.fails(t, stacks["taken"], "InvalidExperiment", "There is a native Experiment taken/taken already")
	s.unmoved(t, stacks["taken"], generators["taken"])
	u := s.await(t, nativeKind, "taken", "taken", "there", soon, func(*unstructured.Unstructured) bool { return true })
	if len(u.GetOwnerReferences()) > 0 {
		t.Errorf("it was adopted: %v", u.GetOwnerReferences())
	}
}

func powerless(t *testing.T, s *site, stacks map[string]*stack, generators map[string]*generator) {
	s.begin(stacks["powerless"])
	s.fails(t, stacks["powerless"], "HandlerFailed", "Finish actions failed")
	k, trace := stacks["powerless"], generators["powerless"].trace()
	k.trace = golden(3)
	k.went(t, trace)
	if got := s.weights(t, k); got == "100/0" || got != trace[len(trace)-1] {
		t.Errorf("the weights are %s, want them as they were last; the way was %v", got, trace)
	}
}

func isDeleted(t *testing.T, s *site, stacks map[string]*stack, _ map[string]*generator) {
	for _, name := range []string{"gone", "restored"} {
		k := stacks[name]
		s.begin(k)
		s.gains(t, k, 15)
		if err := s.Client.Delete(t.Context(), s.await(t, experimentKind, name, name, "there", soon, func(*unstructured.Unstructured) bool { return true })); err != nil {
			t.Fatal(err)
		}
		native := &unstructured.Unstructured{}
		native.SetGroupVersionKind(nativeKind)
		until(t, soon, func() error {
			err := s.Client.Get(t.Context(), types.NamespacedName{Namespace: name, Name: name}, native)
			if apierrors.IsNotFound(err) {
				return nil
			}
			return fmt.Errorf("the native experiment is still there: %w", err)
		})
		got := s.weights(t, k)
		if (got == "100/0") != (name == "restored") {
			t.Errorf("%s: the weights are %s", name, got)
		}
		pause(t, 3*time.Second) // An iteration takes two.
		if later := s.weights(t, k); later != got {
			t.Errorf("%s: the weights went on from %s to %s", name, got, later)
		}
	}
}

// until tries until try succeeds.
func until(t *testing.T, atMost time.Duration, try func() error) {
	t.Helper()
	deadline := time.NewTimer(atMost)
	defer deadline.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := try()
		if err == nil {
			return
		}
		select {
		case <-deadline.C:
			t.Fatalf("not within %v: %v", atMost, err)
		case <-tick.C:
		}
	}
}

func isEdited(t *testing.T, s *site, stacks map[string]*stack, generators map[string]*generator) {
	k := stacks["edited"]
	k.trace = golden(4)
	s.begin(k)
	s.gains(t, k, 5)
	// Both at once: after four iterations the edit would come too late.
	metrics := &unstructured.Unstructured{}
	metrics.SetGroupVersionKind(experimentKind.GroupVersion().WithKind("Metric"))
	if err := s.Client.DeleteAllOf(t.Context(), metrics, client.InNamespace("iter8-edited")); err != nil {
		t.Fatal(err)
	}
	edited := s.await(t, experimentKind, "edited", "edited", "there", soon, func(*unstructured.Unstructured) bool { return true })
	if err := s.Client.Patch(t.Context(), edited, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"duration":{"iterationsPerLoop":4}}}`))); err != nil {
		t.Fatal(err)
	}
	s.ends(t, k, generators["edited"])
	u := s.await(t, experimentKind, "edited", "edited", "there", soon, completed)
	if got := at(u, "status.completedIterations"); got != "4" {
		t.Errorf("%s iterations are complete, want 4", got)
	}
}

// unfill takes the versions and the last metric away from an experiment, and gives
// the manifest with which its start action brings them: all of the experiment, or
// apply would take the rest of it away.
func unfill(k *stack) string {
	at := strings.LastIndex(k.metrics, "---")
	metric := k.metrics[at:]
	k.metrics = k.metrics[:at]
	whole := strings.Replace(k.experiment, "    actions:\n", `    actions:
      start:
      - task: common/bash
        with: {script: "kubectl apply -f https://manifests.example/filled/start.yaml"}
      - task: common/readiness
        with: {initialDelaySeconds: 0, numRetries: 60, intervalSeconds: 1, objRefs: [{kind: ConfigMap.v1, name: go-on}]}
`, 1)
	k.experiment, _, _ = strings.Cut(whole, "  versionInfo:\n")
	return whole + metric
}

// fillsIn has a controller die while the start action is under way. When that is
// done its rights are taken away, so that it would fail if it were done again.
func fillsIn(t *testing.T, s *site, k *stack, g *generator, c *controller) *controller {
	k.trace = golden(3)
	for _, namespace := range []string{"filled", "iter8-filled"} {
		s.Namespace(t, namespace)
		s.apply(namespace, `
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: filler}
rules:
- {apiGroups: [iter8.tools], resources: [experiments, metrics], verbs: [get, create, patch]}
- {apiGroups: [""], resources: [configmaps], verbs: [get]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: filler}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: filler}
subjects: [{kind: ServiceAccount, name: default, namespace: filled}]
`)
	}
	s.begin(k)
	s.await(t, experimentKind, "filled", "filled", "filled in", soon, func(u *unstructured.Unstructured) bool {
		return at(u, "spec.versionInfo.baseline.name") == "filled-v1" && at(u, "status.message") == "HandlerLaunched: Start handler 'start' launched"
	})
	c.kill()
	c = s.start()
	pause(t, 3*time.Second) // It finds what there is, and goes on waiting.
	u := s.await(t, experimentKind, "filled", "filled", "starting", soon, func(*unstructured.Unstructured) bool { return true })
	if stage, metrics := at(u, "status.stage"), at(u, "status.metrics"); stage != "Initializing" || metrics != "" {
		t.Errorf("before its start action is done its stage is %s, with the metrics %s", stage, metrics)
	}
	first := s.await(t, nativeKind, "filled", "filled", "starting", soon, func(*unstructured.Unstructured) bool { return true })
	if out, err := s.Kubectl(t.Context(), "", "delete", "rolebindings", "-n", "iter8-filled", "filler"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	s.apply("filled", "{apiVersion: v1, kind: ConfigMap, metadata: {name: go-on}}")
	s.ends(t, k, g)
	last := s.await(t, nativeKind, "filled", "filled", "over", soon, func(*unstructured.Unstructured) bool { return true })
	if _, again, _ := unstructured.NestedSlice(last.Object, "spec", "actions", "onStart"); again || last.GetUID() == first.GetUID() {
		t.Errorf("the start action is to be done again (%t), or the native experiment is still that of the start", again)
	}
	s.events(t, "filled", "HandlerLaunched Start handler 'start' launched", "StageAdvanced Advanced to Running", "ExperimentCompleted")
	return c
}

// outage has the provider go away in mid-run, and the controller die while it is
// away and again later.
func outage(t *testing.T, s *site, k *stack, g *generator, c *controller) {
	s.begin(k)
	s.gains(t, k, 25)
	s.proxy.outage("prometheus.outage:9090", true)
	began := time.Now()
	// What was asked just before may still be answered.
	pause(t, 10*time.Second)
	before, died := s.weights(t, k), false
	for time.Since(began) < lost {
		pause(t, time.Second)
		if got := s.weights(t, k); got != before {
			t.Fatalf("after %v without a provider the weights went from %s to %s", time.Since(began).Round(time.Second), before, got)
		}
		if !died && time.Since(began) > lost/2 {
			c.kill()
			c, died = s.start(), true
		}
	}
	u := s.await(t, experimentKind, "outage", "outage", "on hold", soon, func(u *unstructured.Unstructured) bool { return at(u, "status.stage") == "Running" })
	t.Logf("while it was away: %s", at(u, "status.message"))
	s.proxy.outage("prometheus.outage:9090", false)
	s.gains(t, k, 55)
	c.kill()
	s.start()
	s.ends(t, k, g)
}

// pause waits.
func pause(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
		t.Fatal("the test ended meanwhile")
	}
}
