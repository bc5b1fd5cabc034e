// SPDX-License-Identifier: Apache-2.0

package servers_test

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headgate-dev/headgate/test/servers"
)

// TestCluster holds a cluster to what the tests that use it rely on. Its parts
// share one, so they run in this order.
func TestCluster(t *testing.T) {
	c := servers.APIServer(t)
	t.Run("objects are kept with defaults and revisions", func(t *testing.T) { keepsObjects(t, c) })
	t.Run("a service account may do what a role allows", func(t *testing.T) { obeysRoles(t, c) })
	t.Run("kubectl speaks to it", func(t *testing.T) {
		out, err := c.Kubectl(t.Context(), "", "version", "--output=yaml")
		if err != nil || strings.Count(out, "gitVersion: v1.36.3") != 2 {
			t.Errorf("kubectl version says %v\n%s", err, out)
		}
		if out, err := c.Kubectl(t.Context(), "", "get", "pod", "none"); err == nil || !strings.Contains(err.Error(), "NotFound") {
			t.Errorf("kubectl get of a pod that is not there says %q, %v", out, err)
		}
	})
	t.Run("a restart keeps objects, tokens and the address", func(t *testing.T) { survivesRestart(t, c) })
	t.Run("while it is down, connections are refused", func(t *testing.T) {
		c.Down()
		err := c.Client.List(t.Context(), &corev1.NamespaceList{})
		if !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("a list says %v, want a refused connection", err)
		}
		if err := c.Up(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("while it is paused, nothing is answered, and then all is", func(t *testing.T) {
		c.Pause(t)
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		if err := c.Client.List(ctx, &corev1.NamespaceList{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a list says %v, want no answer", err)
		}
		c.Resume()
		if err := c.Client.List(t.Context(), &corev1.NamespaceList{}); err != nil {
			t.Error(err)
		}
	})
}

func TestClusterEndsWithItsTest(t *testing.T) {
	var host string
	t.Run("a test", func(t *testing.T) {
		c := servers.APIServer(t)
		host = strings.TrimPrefix(c.Config.Host, "https://")
		c.Pause(t) // Also one that stands still.
	})
	if host == "" {
		t.Skip("the test was skipped")
	}
	if conn, err := net.DialTimeout("tcp", host, time.Second); err == nil {
		_ = conn.Close()
		t.Errorf("something listens at %s after the test", host)
	}
}

func keepsObjects(t *testing.T, c *servers.Cluster) {
	object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "kept"}, Data: map[string]string{"a": "1"}}
	if err := c.Client.Create(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	stale := object.DeepCopy()
	object.Data["a"] = "2"
	if err := c.Client.Update(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	if err := c.Client.Update(t.Context(), stale); !apierrors.IsConflict(err) {
		t.Errorf("an update of an old revision says %v, want a conflict", err)
	}
}

func obeysRoles(t *testing.T, c *servers.Cluster) {
	config := c.ServiceAccount(t, "search", "router")
	account, err := client.New(config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	list := func() error { return account.List(t.Context(), &corev1.ConfigMapList{}, client.InNamespace("search")) }
	if err := list(); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "system:serviceaccount:search:router") {
		t.Errorf("without a role it is told %v, want that its name is forbidden to", err)
	}
	for _, object := range []client.Object{
		&rbacv1.Role{
			ObjectMeta: metav1.ObjectMeta{Namespace: "search", Name: "reader"},
			Rules:      []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"list"}}},
		},
		&rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: "search", Name: "reader"},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "reader"},
			Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: "search", Name: "router"}},
		},
	} {
		if err := c.Client.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, list)
	if err := account.List(t.Context(), &corev1.ConfigMapList{}, client.InNamespace("default")); !apierrors.IsForbidden(err) {
		t.Errorf("in another namespace it is told %v, want forbidden", err)
	}
	if err := account.List(t.Context(), &corev1.SecretList{}, client.InNamespace("search")); !apierrors.IsForbidden(err) {
		t.Errorf("of secrets it is told %v, want forbidden", err)
	}
	file := c.KubeconfigOf(t, config)
	out, err := c.Kubectl(t.Context(), "", "--kubeconfig="+file, "auth", "whoami")
	if err != nil || !strings.Contains(out, "system:serviceaccount:search:router") {
		t.Errorf("with its kubeconfig it is %v\n%s", err, out)
	}
}

func survivesRestart(t *testing.T, c *servers.Cluster) {
	account, err := client.New(c.ServiceAccount(t, "search", "router"), client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	before := c.PID()
	if err := c.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if now := c.PID(); now == 0 || now == before {
		t.Errorf("the process is %d, before it was %d", now, before)
	}
	object := &corev1.ConfigMap{}
	if err := c.Client.Get(t.Context(), client.ObjectKey{Namespace: "default", Name: "kept"}, object); err != nil || object.Data["a"] != "2" {
		t.Errorf("the object is %v, %v", object.Data, err)
	}
	if err := account.List(t.Context(), &corev1.ConfigMapList{}, client.InNamespace("search")); err != nil {
		t.Errorf("with a token of before it is told: %v", err)
	}
}

// TestDefinitions installs what the stacks define, and lists every version that
// they serve.
func TestDefinitions(t *testing.T) {
	c := servers.APIServer(t)
	for name, tc := range map[string]struct {
		all  func(testing.TB, ...string) []*servers.CRD
		some string
		want int // definitions at least
	}{
		"Istio":           {servers.IstioCRDs, "virtualservices.networking.istio.io", 15},
		"the Gateway API": {servers.GatewayAPICRDs, "httproutes.gateway.networking.k8s.io", 8},
		"Knative":         {servers.KnativeCRDs, "services.serving.knative.dev", 6},
	} {
		t.Run(name, func(t *testing.T) {
			crds := tc.all(t)
			if len(crds) < tc.want {
				t.Errorf("%d definitions, want %d or more", len(crds), tc.want)
			}
			if some := tc.all(t, tc.some); len(some) != 1 || some[0].GetName() != tc.some {
				t.Errorf("asked for %s, there are %d", tc.some, len(some))
			}
			c.Install(t, crds...)
			c.Install(t, crds...) // As a second test would.
			c.Uninstall(t, crds...)
		})
	}
	for _, file := range servers.GivenCRDFiles(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			crds := servers.CRDsOf(t, file)
			if len(crds) == 0 {
				t.Fatal("no definition in it")
			}
			c.Install(t, crds...)
			c.Uninstall(t, crds...)
		})
	}
}

// eventually waits a bounded time for what another process does.
func eventually(t *testing.T, try func() error) {
	t.Helper()
	deadline := time.NewTimer(2 * time.Minute)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := try()
		if err == nil {
			return
		}
		select {
		case <-deadline.C:
			t.Fatalf("not within two minutes: %v", err)
		case <-tick.C:
		}
	}
}
