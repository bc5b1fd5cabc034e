// SPDX-License-Identifier: Apache-2.0

package install

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headgate-dev/headgate/test/servers"
)

// namespace is where the experiments of these tests lie.
const namespace = "search"

// foreign are kinds of operators that are not installed here, and whose
// definitions no Go module has: nothing can say here whether they are right.
var foreign = []string{"cert-manager.io", "monitoring.coreos.com"}

// TestInstall installs Headgate on a real API server, with Helm and with
// kubectl, and holds it to what it may do there. Its parts share a cluster, and
// run in this order.
func TestInstall(t *testing.T) {
	wanted(t)
	c := servers.APIServer(t)
	c.Namespace(t, namespace)
	c.Namespace(t, "ads")
	c.Namespace(t, "other")
	t.Run("Helm installs, upgrades and removes it, and keeps the definitions", func(t *testing.T) { helmInstalls(t, c) })
	t.Run("the API server takes every object of every option", func(t *testing.T) { takesEverything(t, c) })
	t.Run("kubectl applies it, twice", func(t *testing.T) {
		for range 2 {
			if out, err := c.Kubectl(t.Context(), "", "apply", "-k", file("config/default")); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
		}
		established(t, c)
	})
	sumUp(t, c)
	t.Run("the controller may do what it does", func(t *testing.T) { mayDo(t, c) })
	t.Run("the controller may do nothing else", func(t *testing.T) { mayNotDo(t, c) })
	t.Run("the controller touches no Lease but its own", func(t *testing.T) { guardsLeases(t, c) })
	t.Run("people may do what their roles say", func(t *testing.T) { rolesOfPeople(t, c) })
	t.Run("the guide's manifests are accepted", func(t *testing.T) { guideIsRight(t, c) })
	t.Run("the webhook is asked about specs and never about control", func(t *testing.T) { webhookAsks(t, c) })
	c.Install(t, servers.IstioCRDs(t, "virtualservices.networking.istio.io")...)
	t.Run("the controller runs as it is deployed", func(t *testing.T) { runsAsDeployed(t, c) })
}

// established waits until the definitions are served.
func established(t *testing.T, c *servers.Cluster) {
	t.Helper()
	if out, err := c.Kubectl(t.Context(), "", "wait", "--for=condition=Established", "--timeout=120s",
		"crd/experiments.headgate.dev", "crd/metrics.headgate.dev", "crd/experimentrecords.headgate.dev"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func helmInstalls(t *testing.T, c *servers.Cluster) {
	run := func(args ...string) {
		t.Helper()
		if out, err := helm(t, c.Kubeconfig, args...); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	there := func(kind, name string) bool {
		t.Helper()
		_, err := c.Kubectl(t.Context(), "", "get", kind, name, "-n", home)
		if err != nil && !strings.Contains(err.Error(), "NotFound") {
			t.Fatal(err)
		}
		return err == nil
	}
	run("install", "headgate", file("charts/headgate"), "--namespace", home, "--create-namespace")
	established(t, c)
	for key, o := range objects(t, mustChart(t, "headgate", home)) {
		if !there(strings.ToLower(o.GetKind()), o.GetName()) {
			t.Errorf("%s was not installed", key)
		}
	}
	run("upgrade", "headgate", file("charts/headgate"), "--namespace", home, "--set", "replicas=1", "--set", "routers.seldon=false")
	if got, err := c.Kubectl(t.Context(), "", "get", "deployment", "headgate-controller", "-n", home, "-o", "jsonpath={.spec.replicas}"); err != nil || got != "1" {
		t.Errorf("after the upgrade there are %q replicas, %v", got, err)
	}
	if there("clusterrole", "headgate-router-seldon") {
		t.Error("the router that was left out is still there")
	}
	c.Apply(t, spec(""))
	run("uninstall", "headgate", "--namespace", home)
	if there("deployment", "headgate-controller") || there("clusterrole", "headgate-core") {
		t.Error("something is left of the release")
	}
	if out, err := c.Kubectl(t.Context(), "", "delete", "experiments.headgate.dev", "-n", namespace, "ranker"); err != nil {
		t.Errorf("the experiment went with the release: %v\n%s", err, out)
	}
	// What Helm made belongs to Helm; the next part begins with nothing.
	if out, err := c.Kubectl(t.Context(), "", "delete", "crd", "experiments.headgate.dev", "metrics.headgate.dev", "experimentrecords.headgate.dev"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func takesEverything(t *testing.T, c *servers.Cluster) {
	for from, rendered := range map[string]string{
		"the chart with every option": mustChart(t, "web", "other", "--values", everyOptionFile(t)),
		"the chart with its own certificate": mustChart(t, "own", "other", "--set", "webhook.enabled=true", "--set", "webhook.certManager=false",
			"--set", "webhook.secretName=mine", "--set", "webhook.caBundle="+authority(t)),
		"config/default with its components": kustomize(t, withOptions(t)),
	} {
		taken := 0
		for key, o := range objects(t, rendered) {
			if slices.Contains(foreign, o.GroupVersionKind().Group) {
				continue
			}
			err := c.Client.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(o), client.FieldOwner("headgate-test"), client.DryRunAll)
			if err != nil {
				t.Errorf("%s: %s: %v", from, key, err)
			}
			taken++
		}
		if taken < 20 {
			t.Errorf("%s: only %d objects", from, taken)
		}
	}
}

// sumUp fills in the rules of aggregated roles. In a cluster a controller of
// Kubernetes does that, which does not run beside this API server.
func sumUp(t *testing.T, c *servers.Cluster) {
	t.Helper()
	var all rbacv1.ClusterRoleList
	if err := c.Client.List(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	for i := range all.Items {
		sum := &all.Items[i]
		if sum.AggregationRule == nil {
			continue
		}
		sum.Rules = nil
		for _, selector := range sum.AggregationRule.ClusterRoleSelectors {
			for _, part := range all.Items {
				if selector.MatchLabels != nil && within(selector.MatchLabels, part.Labels) && part.Name != sum.Name {
					sum.Rules = append(sum.Rules, part.Rules...)
				}
			}
		}
		if err := c.Client.Update(t.Context(), sum); err != nil {
			t.Fatal(err)
		}
	}
}

func within(some, all map[string]string) bool {
	for k, v := range some {
		if all[k] != v {
			return false
		}
	}
	return true
}

// spec is an experiment on a VirtualService; more is added to its spec.
func spec(more string) string {
	return fmt.Sprintf(`
apiVersion: headgate.dev/v1alpha1
kind: Experiment
metadata: {name: ranker, namespace: %s}
spec:
  owner: search-ranking
  versions: [{name: v1, backend: ranker-v1}, {name: v2, backend: ranker-v2}]
  traffic: {virtualService: {name: ranker}}
  metrics: [{name: errors, from: {builtin: error-rate}}]
  objectives: [{metric: errors, max: "5%%"}]
  stages: [{name: canary, ramp: {steps: ["10%%", "50%%"]}, hold: {requests: 100, windows: 1}}]
%s`, namespace, more)
}

func experimentOf(t *testing.T, c *servers.Cluster) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(schema.GroupVersionKind{Group: "headgate.dev", Version: "v1alpha1", Kind: "Experiment"})
	if err := c.Client.Get(t.Context(), types.NamespacedName{Namespace: namespace, Name: "ranker"}, u); err != nil {
		t.Fatal(err)
	}
	return u
}

// eventually asks again until the answer is nil.
func eventually(t *testing.T, what string, atMost time.Duration, ask func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), atMost)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ask()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s: not within %v: %v", what, atMost, err)
		case <-tick.C:
		}
	}
}

// guardsLeases writes Leases as the controller.
func guardsLeases(t *testing.T, c *servers.Cluster) {
	config := c.ServiceAccount(t, home, account)
	as, err := client.New(config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c.Apply(t, "apiVersion: coordination.k8s.io/v1\nkind: Lease\nmetadata: {name: node-1, namespace: kube-system}\nspec: {holderIdentity: node-1}\n")
	lease := func(namespace, name string) *unstructured.Unstructured {
		u := &unstructured.Unstructured{}
		u.SetGroupVersionKind(schema.GroupVersionKind{Group: "coordination.k8s.io", Version: "v1", Kind: "Lease"})
		u.SetNamespace(namespace)
		u.SetName(name)
		return u
	}
	refused := func(err error) error {
		if !apierrors.IsInvalid(err) && !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "headgate-leases") {
			return fmt.Errorf("want the policy's refusal, got %w", err)
		}
		return nil
	}
	// A new policy takes a moment.
	eventually(t, "another Lease is not created", time.Minute, func() error {
		err := as.Create(t.Context(), lease(namespace, "kubelet"))
		if err == nil {
			return fmt.Errorf("it was created; %v", c.Client.Delete(t.Context(), lease(namespace, "kubelet")))
		}
		return refused(err)
	})
	node := lease("kube-system", "node-1")
	if err := as.Get(t.Context(), client.ObjectKeyFromObject(node), node); err != nil {
		t.Fatal(err)
	}
	node.SetAnnotations(map[string]string{"mine": "now"})
	if err := refused(as.Update(t.Context(), node)); err != nil {
		t.Errorf("update: %v", err)
	}
	if err := refused(as.Delete(t.Context(), node)); err != nil {
		t.Errorf("delete: %v", err)
	}
	own := lease(namespace, "headgate-route-0123")
	if err := as.Create(t.Context(), own); err != nil {
		t.Errorf("its own Lease: %v", err)
	}
	if err := as.Delete(t.Context(), own); err != nil {
		t.Errorf("its own Lease: %v", err)
	}
}
