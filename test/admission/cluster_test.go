// SPDX-License-Identifier: Apache-2.0

package admission_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headgate-dev/headgate/test/servers"
)

// heals bounds the time from the mending to the turn that notices it. A stalled
// experiment is tried again after 2 s, then ever more rarely, up to 30 s. The
// rest is for a machine that is busy with other things.
const heals = 2 * time.Minute

// nobody is a provider that does not answer.
const nobody = "http://127.0.0.1:1"

// experimentOf is a canary through a route of its name.
type experimentOf struct{ name, namespace, traffic, versions, providers, metrics, more string }

func (e experimentOf) String() string {
	or := func(s, otherwise string) string {
		if s == "" {
			return otherwise
		}
		return s
	}
	return fmt.Sprintf(`
apiVersion: headgate.dev/v1alpha1
kind: Experiment
metadata: {name: %[1]s, namespace: %[2]s}
spec:
  versions: %[3]s
  traffic: %[4]s
  providers: %[5]s
  metrics: %[6]s
  objectives: [{metric: errors, max: "5%%"}]
  stages: [{name: canary, ramp: {steps: ["10%%", "50%%"]}, hold: {requests: 1000000}}]
  evidence: {window: 2s, stale: 30s}
%[7]s
`, e.name, or(e.namespace, "search"),
		or(e.versions, fmt.Sprintf("[{name: v1, backend: %[1]s-v1}, {name: v2, backend: %[1]s-v2}]", e.name)),
		or(e.traffic, fmt.Sprintf("{virtualService: {name: %s}}", e.name)),
		or(e.providers, provider(nobody)),
		or(e.metrics, "[{name: errors, from: {builtin: error-rate}}]"), e.more)
}

// provider is a list of one, with an address and what else it has.
func provider(at string, more ...string) string {
	return fmt.Sprintf(`[{name: main, prometheus: {url: "%s", scrape: 500ms, delay: 500ms%s}}]`, at, strings.Join(more, ""))
}

// routeOf is a VirtualService to the versions of an experiment of its name.
func routeOf(namespace, name, second string) string {
	return fmt.Sprintf(`
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: %[1]s, namespace: %[2]s}
spec:
  hosts: [%[1]s]
  http:
  - name: primary
    route:
    - {destination: {host: %[1]s-v1}, weight: 100}
    - {destination: {host: %[3]s}, weight: 0}
`, name, namespace, second)
}

func metricOf(namespace, name, code string) string {
	return fmt.Sprintf(`
apiVersion: headgate.dev/v1alpha1
kind: Metric
metadata: {name: %s, namespace: %s}
spec:
  goal: decrease
  trust: observed
  from: {prometheus: {events: 'e{v="{{.Version}}",code="%s"}', total: 'e{v="{{.Version}}"}'}}
`, name, namespace, code)
}

// step is something in the way, what is said about it, and what mends it.
type step struct {
	// condition is True with this reason and a message that holds these words,
	// one of which says what to do.
	condition, reason string
	says              []string
	mend              func(t *testing.T, s *site)
}

func apply(text string) func(t *testing.T, s *site) {
	return func(t *testing.T, s *site) {
		t.Helper()
		s.Apply(t, text)
	}
}

// lacking is an experiment whose spec is right in a cluster that is not.
type lacking struct {
	// before is applied before the experiment.
	before     string
	experiment experimentOf
	steps      []step
}

// lacks are clusters that lack something, by what it is.
func lacks() map[string]lacking {
	return map[string]lacking{
		"a route that is absent": {
			experiment: experimentOf{name: "absent"},
			steps:      []step{{"Stalled", "RouteUnavailable", []string{"VirtualService search/absent", "create VirtualService search/absent"}, apply(routeOf("search", "absent", "absent-v2"))}},
		},
		"a kind that is not installed": {
			experiment: experimentOf{name: "kind", traffic: "{httpRoute: {name: kind}, pack: istio}", versions: `[{name: v1, backend: "kind-v1:80"}, {name: v2, backend: "kind-v2:80"}]`},
			steps: []step{{"Stalled", "RouteUnavailable", []string{"does not serve HTTPRoute", "install the CRDs"}, func(t *testing.T, s *site) {
				s.Install(t, servers.GatewayAPICRDs(t, "httproutes.gateway.networking.k8s.io")...)
				s.Apply(t, `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: kind, namespace: search}
spec:
  rules: [{name: primary, backendRefs: [{name: kind-v1, port: 80, weight: 100}, {name: kind-v2, port: 80, weight: 0}]}]
`)
			}}},
		},
		"a destination that is no version": {
			before:     routeOf("search", "foreign", "somebody"),
			experiment: experimentOf{name: "foreign"},
			steps:      []step{{"Stalled", "RouteUnavailable", []string{`leads to "somebody", which is no version`, "list nothing but versions there"}, apply(routeOf("search", "foreign", "foreign-v2"))}},
		},
		"no provider": {
			before:     routeOf("search", "unheard", "unheard-v2"),
			experiment: experimentOf{name: "unheard", providers: "[]"},
			steps: []step{{"Stalled", "NoEvidence", []string{"spec.providers", "--prometheus"}, func(t *testing.T, s *site) {
				patch(t, s, "search", "unheard", `{"spec": {"providers": [{"name": "main", "prometheus": {"url": "`+nobody+`", "scrape": "500ms"}}]}}`)
			}}},
		},
		"no reusable metric": {
			before:     routeOf("search", "metric", "metric-v2"),
			experiment: experimentOf{name: "metric", metrics: "[{name: errors, ref: {name: shared, namespace: telemetry}}]"},
			steps: []step{
				{"Stalled", "MetricUnavailable", []string{`spec.metrics[0].ref.name: there is no such metric in the namespace "telemetry", got "shared"`, "apply it"}, apply(metricOf("telemetry", "shared", "{{.Nobody}}"))},
				{"Stalled", "InvalidSpec", []string{`metric "shared": spec.from.prometheus.events: {{.Nobody}}: there is no such name`}, apply(metricOf("telemetry", "shared", "503"))},
			},
		},
		"no rights": {
			before:     routeOf("rights", "rights", "rights-v2") + "---" + metricOf("rights", "shared", "503"),
			experiment: experimentOf{name: "rights", namespace: "rights", metrics: "[{name: errors, ref: {name: shared}}]"},
			steps: []step{
				{"Stalled", "MetricUnavailable", []string{"may not read it", `a Role in namespace rights: {apiGroups: ["headgate.dev"], resources: ["metrics"], verbs: ["get"]}`}, apply(roleOf("rights", "metrics", `
- {apiGroups: [headgate.dev], resources: [metrics], verbs: [get]}`))},
				{"Stalled", "NoWayBack", []string{`a Role in namespace rights: {apiGroups: ["networking.istio.io"], resources: ["virtualservices"], verbs: ["get"]}`}, apply(roleOf("rights", "routes", `
- {apiGroups: [networking.istio.io], resources: [virtualservices], verbs: [get, list, watch]}`))},
				{"Stalled", "NoWayBack", []string{`resources: ["virtualservices"], verbs: ["patch"]}`}, apply(roleOf("rights", "routes", `
- {apiGroups: [networking.istio.io], resources: [virtualservices], verbs: [get, list, watch, patch]}`))},
			},
		},
		"no right to watch": {
			before:     routeOf("blind", "blind", "blind-v2"),
			experiment: experimentOf{name: "blind", namespace: "blind"},
			steps: []step{{"Reconciling", "RouteUnavailable", []string{`{apiGroups: ["networking.istio.io"], resources: ["virtualservices"], verbs: ["list", "watch"]}`}, apply(roleOf("blind", "watch", `
- {apiGroups: [networking.istio.io], resources: [virtualservices], verbs: [list, watch]}`))}},
		},
	}
}

// TestOnlyTheClusterKnows has experiments whose specs are right stall for what
// the cluster lacks, and go on when it is there.
func TestOnlyTheClusterKnows(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, n := range []string{"search", "rights", "blind", "telemetry"} {
		s.Namespace(t, n)
	}
	main := s.controller(t, s.Kubeconfig, "--namespace", "search")
	for namespace, more := range map[string]string{
		"rights": "",
		"blind":  "\n- {apiGroups: [networking.istio.io], resources: [virtualservices], verbs: [get, patch]}",
	} {
		account := s.ServiceAccount(t, namespace, "headgate")
		s.Apply(t, roleOf(namespace, "core", `
- {apiGroups: [headgate.dev], resources: [experiments], verbs: [get, list, watch, update, patch]}
- {apiGroups: [headgate.dev], resources: [experiments/status, experiments/finalizers], verbs: [update, patch]}
- {apiGroups: [headgate.dev], resources: [experimentrecords], verbs: [get, list, watch, create, update, patch, delete]}
- {apiGroups: [coordination.k8s.io], resources: [leases], verbs: [get, create, update, delete]}
- {apiGroups: [events.k8s.io, ""], resources: [events], verbs: [create, patch]}
- {apiGroups: [apps], resources: [deployments], verbs: [get, list, watch]}`+more))
		s.controller(t, s.KubeconfigOf(t, account), "--namespace", namespace)
	}

	t.Run("cases", func(t *testing.T) {
		for name, tc := range lacks() {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				if tc.before != "" {
					s.Apply(t, tc.before)
				}
				s.Apply(t, tc.experiment.String())
				s.mended(t, tc.experiment, tc.steps)
			})
		}
		t.Run("a route that another has", func(t *testing.T) { t.Parallel(); s.claimed(t) })
		t.Run("evidence that cannot be read", func(t *testing.T) { t.Parallel(); s.unheard(t) })
	})
	t.Run("a changed metric waits for the experiment", func(t *testing.T) { s.editsMetric(t, main) })
}

// roleOf gives the controller of a namespace some rights there.
func roleOf(namespace, name, rules string) string {
	return fmt.Sprintf(`
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: %[1]s, namespace: %[2]s}
rules:%[3]s
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: %[1]s, namespace: %[2]s}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: %[1]s}
subjects: [{kind: ServiceAccount, name: headgate, namespace: %[2]s}]
`, name, namespace, rules)
}

func patch(t *testing.T, s *site, namespace, name, text string) {
	t.Helper()
	u := s.object(t, experimentKind, namespace, name)
	if err := s.Client.Patch(t.Context(), u, client.RawPatch(types.MergePatchType, []byte(text))); err != nil {
		t.Fatal(err)
	}
}

// is reports a condition that is True with a reason.
func is(kind, reason string) func(*unstructured.Unstructured) bool {
	return func(u *unstructured.Unstructured) bool {
		status, now, _ := condition(u, kind)
		return status == "True" && (reason == "" || now == reason)
	}
}

// mended follows an experiment from one thing in the way to the next, and to its
// start.
func (s *site) mended(t *testing.T, e experimentOf, steps []step) {
	t.Helper()
	namespace := "search"
	if e.namespace != "" {
		namespace = e.namespace
	}
	for i, x := range steps {
		u := s.await(t, namespace, e.name, fmt.Sprintf("%s for %s (step %d)", x.condition, x.reason, i), heals, func(u *unstructured.Unstructured) bool {
			_, _, message := condition(u, x.condition)
			return is(x.condition, x.reason)(u) && holds(message, x.says)
		})
		_, reason, message := condition(u, x.condition)
		t.Logf("%s, %s: %s", x.condition, reason, message)
		x.mend(t, s)
	}
	began := time.Now()
	s.await(t, namespace, e.name, "ready", heals, is("Ready", ""))
	t.Logf("mended after %v", time.Since(began).Round(100*time.Millisecond))
}

func holds(message string, words []string) bool {
	for _, w := range words {
		if !strings.Contains(message, w) {
			return false
		}
	}
	return true
}

// claimed has two experiments want one route. The second never touches it.
func (s *site) claimed(t *testing.T) {
	s.Apply(t, routeOf("search", "first", "first-v2"))
	s.Apply(t, experimentOf{name: "first"}.String())
	s.await(t, "search", "first", "ready", heals, is("Ready", ""))
	const turned, traffic = "[{name: v1, backend: first-v2}, {name: v2, backend: first-v1}]", "{virtualService: {name: first}}"
	for _, name := range []string{"second", "third"} {
		s.Apply(t, experimentOf{name: name, versions: turned, traffic: traffic}.String())
		u := s.await(t, "search", name, "stalled", heals, is("Stalled", "RouteClaimed"))
		if _, _, message := condition(u, "Stalled"); !holds(message, []string{"search/first", "wait until that one has ended, or delete it"}) {
			t.Errorf("it says %q", message)
		}
	}
	before := s.object(t, virtualServiceKind, "search", "first")
	patch(t, s, "search", "third", `{"spec": {"control": {"verb": "kill"}}}`)
	if err := s.Client.Delete(t.Context(), s.object(t, experimentKind, "search", "third")); err != nil {
		t.Fatal(err)
	}
	s.gone(t, "third")
	if after := s.object(t, virtualServiceKind, "search", "first"); after.GetResourceVersion() != before.GetResourceVersion() {
		t.Errorf("the route was written by one that does not hold it:\n%v", after.Object["spec"])
	}
	if err := s.Client.Delete(t.Context(), s.object(t, experimentKind, "search", "first")); err != nil {
		t.Fatal(err)
	}
	s.await(t, "search", "second", "ready", heals, is("Ready", ""))
}

// gone waits until an experiment is no more.
func (s *site) gone(t *testing.T, name string) {
	t.Helper()
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(experimentKind)
	if !eventually(t.Context(), heals, func(ctx context.Context) bool {
		return apierrors.IsNotFound(s.Client.Get(ctx, types.NamespacedName{Namespace: "search", Name: name}, u))
	}) {
		t.Errorf("%s is there still: %v", name, u.Object["status"])
	}
}
