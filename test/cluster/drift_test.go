// SPDX-License-Identifier: Apache-2.0

package cluster_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headgate-dev/headgate/test/servers"
)

// gitops is another manager of a route's shares.
const gitops = "argocd-controller"

// stays is a canary that stays on its first step for long.
const stays = `ramp: {steps: ["10%", "50%"]}, hold: {for: 1h}`

// experiment applies one whose drift policy and stage a test chooses.
func (s *site) experiment(name, drift, stage string) {
	s.t.Helper()
	s.Apply(s.t, fmt.Sprintf(`
apiVersion: headgate.dev/v1alpha1
kind: Experiment
metadata: {name: %[1]s, namespace: %[2]s}
spec:
  owner: ann
  drift: %[3]s
  versions: [{name: v1, backend: %[1]s-v1}, {name: v2, backend: %[1]s-v2}]
  traffic: {virtualService: {name: %[1]s}}
  metrics:
  - {name: errors, from: {builtin: error-rate}}
  objectives: [{metric: errors, max: "5%%"}]
  stages:
  - {name: canary, %[4]s}
  evidence: {window: 2s, stale: 30s}
`, name, s.namespace, drift, stage))
}

// rewrite writes the shares of a route as somebody else.
func (s *site) rewrite(name string, v1 int) {
	s.t.Helper()
	u := s.object(virtualServiceKind, name)
	patch := fmt.Sprintf(`[{"op": "replace", "path": "/spec/http/0/route/0/weight", "value": %d}, {"op": "replace", "path": "/spec/http/0/route/1/weight", "value": %d}]`, v1, 100-v1)
	if err := s.Client.Patch(s.t.Context(), u, client.RawPatch(types.JSONPatchType, []byte(patch)), client.FieldOwner(gitops)); err != nil {
		s.t.Fatal(err)
	}
}

// merge changes an experiment's spec.
func (s *site) merge(name, spec string) {
	s.t.Helper()
	u := s.object(experimentKind, name)
	if err := s.Client.Patch(s.t.Context(), u, client.RawPatch(types.MergePatchType, []byte(`{"spec": `+spec+`}`))); err != nil {
		s.t.Fatal(err)
	}
}

// carries reports that an object asks for shares.
func carries(shares string) func(*unstructured.Unstructured) bool {
	return func(u *unstructured.Unstructured) bool { return weights(u) == shares }
}

// decided reports that the last decision has a code.
func decided(code string) func(*unstructured.Unstructured) bool {
	return func(u *unstructured.Unstructured) bool {
		got, _, _ := unstructured.NestedString(u.Object, "status", "lastDecision", "code")
		return got == code
	}
}

// TestDrift has somebody else rewrite shares and specs of running experiments.
func TestDrift(t *testing.T) {
	s := newSite(t)
	s.Install(t, servers.IstioCRDs(t, "virtualservices.networking.istio.io")...)
	m, prometheus := newMesh(t, s, map[string]float64{})
	for _, name := range []string{"fought", "held", "edited"} {
		s.virtualService(name)
	}
	routes := s.trail(virtualServiceKind)
	s.start(s.Kubeconfig, prometheus)
	s.experiment("fought", "correct", stays)
	s.experiment("edited", "correct", stays)

	t.Run("what somebody else wrote is corrected within a turn, until it is contested, and a kill gets through", func(t *testing.T) {
		s.await(virtualServiceKind, "fought", "at 90/10", untilOver, carries("90/10"))
		s.rewrite("fought", 50)
		s.await(virtualServiceKind, "fought", "corrected", soon, carries("90/10"))
		var u *unstructured.Unstructured
		for deadline := time.Now().Add(soon); ; pause(t, 250*time.Millisecond) { // As often as it is corrected.
			s.rewrite("fought", 50)
			if u = s.object(experimentKind, "fought"); is("Ready", "False")(u) && reason("Ready", "RouteContested")(u) {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("it is not contested: %v", u.Object["status"])
			}
		}
		if _, _, message := condition(u, "Ready"); !strings.Contains(message, gitops) {
			t.Errorf("it is contested: %s", message)
		}
		for range 12 { // It is left alone now.
			s.rewrite("fought", 50)
			pause(t, 250*time.Millisecond)
		}
		corrected := 0
		for _, shares := range s.asked(routes, "fought")[2:] {
			if shares == "90/10" {
				corrected++
			}
		}
		if corrected < 2 || corrected > 6 {
			t.Errorf("it was corrected %d times", corrected)
		}
		s.merge("fought", `{"control": {"verb": "kill", "author": "ann", "reason": "enough"}}`)
		s.await(virtualServiceKind, "fought", "back", soon, carries("100/0"))
		s.rewrite("fought", 50)
		s.await(virtualServiceKind, "fought", "back again", soon, carries("100/0"))
	})

	t.Run("hold raises nothing while somebody else writes, and goes on afterwards", func(t *testing.T) {
		s.experiment("held", "hold", `ramp: {steps: ["10%", "50%"]}, hold: {requests: 400, windows: 1, settle: 1s}`) // Ten seconds at 10 %.
		s.await(virtualServiceKind, "held", "at 90/10", untilOver, carries("90/10"))
		s.rewrite("held", 100)
		s.await(experimentKind, "held", "held by HG-D414", soon, func(u *unstructured.Unstructured) bool {
			message, _, _ := unstructured.NestedString(u.Object, "status", "message")
			return strings.Contains(message, "somebody else changed the shares") && strings.Contains(message, gitops)
		})
		pause(t, 6*time.Second)
		if got, want := s.asked(routes, "held"), []string{"100/0", "90/10", "100/0"}; !slices.Equal(got, want) {
			t.Errorf("the route said %v, want %v", got, want)
		}
		s.rewrite("held", 90)
		s.await(experimentKind, "held", "promoted", untilOver, is("Promoted", "True"))
		if got, want := s.asked(routes, "held"), []string{"100/0", "90/10", "100/0", "90/10", "50/50", "0/100"}; !slices.Equal(got, want) {
			t.Errorf("the route said %v, want %v", got, want)
		}
	})

	t.Run("edits go on, begin anew, or leave the plan in force", func(t *testing.T) {
		s.await(virtualServiceKind, "edited", "at 90/10", untilOver, carries("90/10"))
		s.merge("edited", `{"owner": "bob"}`)
		s.await(experimentKind, "edited", "edited", soon, decided("HG-D108"))
		if got := s.asked(routes, "edited"); !slices.Equal(got, []string{"100/0", "90/10"}) {
			t.Errorf("another owner made the route say %v", got)
		}
		s.merge("edited", `{"objectives": [{"metric": "errors", "max": "4%"}]}`)
		s.await(virtualServiceKind, "edited", "begun anew", soon, func(*unstructured.Unstructured) bool {
			return slices.Equal(routes.distinct("edited", weights), []string{"100/0", "90/10", "100/0", "90/10"})
		})
		s.merge("edited", `{"objectives": [{"metric": "nothing", "max": "4%"}]}`)
		u := s.await(experimentKind, "edited", "stalled", soon, is("Stalled", "True"))
		if _, reason, message := condition(u, "Stalled"); reason != "InvalidSpec" || !strings.Contains(message, "nothing") {
			t.Errorf("Stalled is %s: %s", reason, message)
		}
		m.fail("edited-v2", .4)
		s.await(virtualServiceKind, "edited", "rolled back all the same", soon, carries("100/0"))
	})
}

// fail makes a host answer a part of its requests with 503.
func (m *mesh) fail(host string, part float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failing[host] = part
}
