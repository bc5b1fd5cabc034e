// SPDX-License-Identifier: Apache-2.0

package cluster_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headgate-dev/headgate/test/servers"
)

// untilOver bounds a canary of two steps: each waits for windows of two seconds
// that are read a second or two after their end.
const untilOver = 3 * time.Minute

// TestController runs canaries on VirtualServices, on one API server.
func TestController(t *testing.T) {
	s := newSite(t)
	s.Install(t, servers.IstioCRDs(t, "virtualservices.networking.istio.io")...)
	_, prometheus := newMesh(t, s, map[string]float64{"bad-v2": .4})
	for _, name := range []string{"good", "bad", "killed", "deleted", "other"} {
		s.virtualService(name)
	}
	routes := s.trail(virtualServiceKind)
	s.start(s.Kubeconfig, prometheus)

	t.Run("a good candidate is promoted step by step", func(t *testing.T) {
		s.canary("good", "")
		u := s.await(experimentKind, "good", "completed", untilOver, is("Completed", "True"))
		if promoted, reason, message := condition(u, "Promoted"); promoted != "True" || reason != "Promoted" {
			t.Errorf("Promoted is %s, %s: %s", promoted, reason, message)
		}
		if got, want := s.asked(routes, "good"), []string{"100/0", "90/10", "50/50", "0/100"}; !slices.Equal(got, want) {
			t.Errorf("the route asked for %v, want %v", got, want)
		}
		out, err := s.Kubectl(t.Context(), "", "get", "hgx", "-n", s.namespace, "good")
		if err != nil || !strings.Contains(out, "CONDITION") || !strings.Contains(out, "0%/100%") {
			t.Errorf("kubectl get: %v\n%s", err, out)
		}
		t.Logf("kubectl get hgx:\n%s", out)
	})

	t.Run("a bad candidate is rolled back", func(t *testing.T) {
		s.canary("bad", "")
		u := s.await(experimentKind, "bad", "completed", untilOver, is("Completed", "True"))
		if failed, reason, message := condition(u, "Failed"); failed != "True" || reason != "RolledBack" {
			t.Errorf("Failed is %s, %s: %s", failed, reason, message)
		}
		if got, want := s.asked(routes, "bad"), []string{"100/0", "90/10", "100/0"}; !slices.Equal(got, want) {
			t.Errorf("the route asked for %v, want %v", got, want)
		}
		s.told("bad", "HG-D301")
	})

	t.Run("a kill is obeyed and outlives the spec", func(t *testing.T) {
		s.canary("killed", "")
		s.await(virtualServiceKind, "killed", "at 90/10", untilOver, func(u *unstructured.Unstructured) bool { return weights(u) == "90/10" })
		kill := `{"spec": {"control": {"verb": "kill", "author": "ann", "reason": "wrong prices"}}}`
		began := time.Now()
		if out, err := s.Kubectl(t.Context(), "", "patch", "hgx", "-n", s.namespace, "killed", "--type=merge", "-p", kill); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		s.await(virtualServiceKind, "killed", "back at 100/0", soon, func(u *unstructured.Unstructured) bool { return weights(u) == "100/0" })
		t.Logf("back after %v", time.Since(began).Round(time.Millisecond))
		u := s.await(experimentKind, "killed", "killed", soon, func(u *unstructured.Unstructured) bool {
			c, _, _ := unstructured.NestedString(u.Object, "status", "condition")
			return c == "killed"
		})
		if message, _, _ := unstructured.NestedString(u.Object, "status", "message"); !strings.Contains(message, "wrong prices") {
			t.Errorf("message %q", message)
		}
	})

	t.Run("a deleted experiment gives the route back", func(t *testing.T) {
		s.canary("deleted", "")
		s.await(virtualServiceKind, "deleted", "at 90/10", untilOver, func(u *unstructured.Unstructured) bool { return weights(u) == "90/10" })
		u := s.object(experimentKind, "deleted")
		if err := s.Client.Delete(t.Context(), u); err != nil {
			t.Fatal(err)
		}
		s.await(virtualServiceKind, "deleted", "back at 100/0", soon, func(u *unstructured.Unstructured) bool { return weights(u) == "100/0" })
		if out, err := s.Kubectl(t.Context(), "", "wait", "--for=delete", "hgx/deleted", "-n", s.namespace, "--timeout=60s"); err != nil {
			t.Errorf("it is still there: %v: %s", err, out)
		}
	})

	t.Run("a route belongs to one experiment", func(t *testing.T) {
		s.canary("other", "")
		s.await(experimentKind, "other", "ready", untilOver, is("Ready", "True"))
		u := s.object(experimentKind, "other")
		second := &unstructured.Unstructured{Object: map[string]any{"spec": u.Object["spec"]}}
		second.SetGroupVersionKind(experimentKind)
		second.SetNamespace(s.namespace)
		second.SetName("second")
		if err := s.Client.Create(t.Context(), second, client.FieldOwner("headgate-test")); err != nil {
			t.Fatal(err)
		}
		got := s.await(experimentKind, "second", "stalled", soon, is("Stalled", "True"))
		if _, reason, message := condition(got, "Stalled"); reason != "RouteClaimed" || !strings.Contains(message, "search/other") {
			t.Errorf("%s: %s", reason, message)
		}
	})
}
