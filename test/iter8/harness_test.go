// SPDX-License-Identifier: Apache-2.0

package iter8

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headgate-dev/headgate/test/servers"
)

// The kinds of experiments.
var (
	experimentKind = schema.GroupVersionKind{Group: "iter8.tools", Version: "v2alpha2", Kind: "Experiment"}
	nativeKind     = schema.GroupVersionKind{Group: "headgate.dev", Version: "v1alpha1", Kind: "Experiment"}
)

// build makes the program once for the whole run.
var build = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "headgate-iter8-")
	if err != nil {
		return "", err
	}
	binary := filepath.Join(dir, "headgate")
	cmd := exec.Command("go", "build", "-trimpath", "-o", binary, "./cmd/headgate")
	cmd.Dir = "../.."
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return binary, nil
})

func TestMain(m *testing.M) {
	// The tests mostly wait for intervals to pass: they do so together, whatever
	// number of processors there is.
	if err := flag.Set("test.parallel", "16"); err != nil {
		panic(err)
	}
	code := m.Run()
	if os.Getenv("HEADGATE_E2E") != "" {
		if binary, err := build(); err == nil {
			_ = os.RemoveAll(filepath.Dir(binary)) // The temporary folder is the machine's to clean at last.
		}
	}
	os.Exit(code)
}

// config is a path below the repository's folder config.
func config(parts ...string) string {
	return filepath.Join(append([]string{"..", "..", "config"}, parts...)...)
}

// ours are the definitions of Iter8's kinds as this project has them.
func ours(t *testing.T) []*servers.CRD {
	t.Helper()
	files, err := filepath.Glob(config("crd", "iter8", "iter8.tools_*.yaml"))
	if err != nil || len(files) != 2 {
		t.Fatalf("the definitions of Iter8's kinds: %v, %v", files, err)
	}
	return servers.CRDsOf(t, files...)
}

// given are definitions by the beginning of their file's name in the folder that
// HEADGATE_CRDS names; none without it.
func given(t *testing.T, file string) []*servers.CRD {
	t.Helper()
	for _, f := range servers.GivenCRDFiles(t) {
		if strings.HasPrefix(filepath.Base(f), file) {
			return servers.CRDsOf(t, f)
		}
	}
	return nil
}

// loose is a definition that takes anything, for a stack whose own is not at
// hand.
func loose(group, version, kind, plural string) *servers.CRD {
	return &servers.CRD{Object: map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
		"metadata": map[string]any{"name": plural + "." + group},
		"spec": map[string]any{
			"group": group, "scope": "Namespaced",
			"names": map[string]any{"kind": kind, "listKind": kind + "List", "plural": plural, "singular": strings.ToLower(kind)},
			"versions": []any{map[string]any{
				"name": version, "served": true, "storage": true,
				"schema": map[string]any{"openAPIV3Schema": map[string]any{"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
			}},
		},
	}}
}

// or is the first list that is not empty.
func or(given []*servers.CRD, otherwise ...*servers.CRD) []*servers.CRD {
	if len(given) > 0 {
		return given
	}
	return otherwise
}

// site is a cluster with Headgate's and Iter8's kinds and the controller's
// rights, and a proxy that has the cluster's hosts.
type site struct {
	*servers.Cluster
	t         *testing.T
	proxy     *proxy
	authority string
	binary    string
	account   string // The controller's kubeconfig.
}

const home = "headgate-system"

// soon is a generous bound of what takes a turn or two of the controller, on a
// machine that is busy with other things.
const soon = time.Minute

// newSite starts one. files are what https hosts serve, by host and path.
func newSite(t *testing.T, kinds []*servers.CRD, files map[string]string) *site {
	t.Helper()
	c := servers.APIServer(t)
	binary, err := build()
	if err != nil {
		t.Fatal(err)
	}
	own, err := filepath.Glob(config("crd", "headgate*.yaml"))
	if err != nil || len(own) != 3 {
		t.Fatalf("the CRDs: %v, %v", own, err)
	}
	c.Install(t, servers.CRDsOf(t, own...)...)
	c.Install(t, kinds...)
	s := &site{Cluster: c, t: t, proxy: newProxy(t), binary: binary}
	s.authority = s.proxy.serve(t, files)
	c.Namespace(t, home)
	s.rights()
	s.account = c.KubeconfigOf(t, c.ServiceAccount(t, home, "headgate-controller"))
	return s
}

// rights installs the controller's roles as config has them. In a cluster they
// are summed up by a controller of Kubernetes; here each is bound.
func (s *site) rights() {
	s.t.Helper()
	if out, err := s.Kubectl(s.t.Context(), "", "apply", "--server-side", "-k", config("rbac")); err != nil {
		s.t.Fatalf("%v\n%s", err, out)
	}
	for _, file := range []string{config("iter8", "role.yaml"), config("actions", "role.yaml")} {
		if out, err := s.Kubectl(s.t.Context(), "", "apply", "--server-side", "-f", file); err != nil {
			s.t.Fatalf("%v\n%s", err, out)
		}
	}
	var roles rbacv1.ClusterRoleList
	if err := s.Client.List(s.t.Context(), &roles, client.MatchingLabels{"headgate.dev/aggregate-to-controller": "true"}); err != nil {
		s.t.Fatal(err)
	}
	for _, role := range roles.Items {
		binding := &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: "test-" + role.Name},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
			Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: home, Name: "headgate-controller"}},
		}
		if err := s.Client.Create(s.t.Context(), binding); err != nil {
			s.t.Fatal(err)
		}
	}
}

// promoter lets a service account write routes and model servers in a namespace,
// as whoever promotes does.
func (s *site) promoter(namespace, accountNamespace, account string) {
	s.t.Helper()
	s.Namespace(s.t, namespace)
	verbs := []string{"get", "create", "patch"}
	role := &rbacv1.Role{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "promoter"},
		Rules: []rbacv1.PolicyRule{
			{APIGroups: []string{"networking.istio.io"}, Resources: []string{"virtualservices"}, Verbs: verbs},
			{APIGroups: []string{"serving.knative.dev"}, Resources: []string{"services"}, Verbs: verbs},
			{APIGroups: []string{"serving.kubeflow.org"}, Resources: []string{"inferenceservices"}, Verbs: verbs},
			{APIGroups: []string{"machinelearning.seldon.io"}, Resources: []string{"seldondeployments"}, Verbs: verbs},
			{APIGroups: []string{"split.smi-spec.io"}, Resources: []string{"trafficsplits"}, Verbs: verbs},
		},
	}
	binding := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "promoter-" + accountNamespace + "-" + account},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "promoter"},
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: accountNamespace, Name: account}},
	}
	for _, o := range []client.Object{role, binding} {
		if err := s.Client.Create(s.t.Context(), o); client.IgnoreAlreadyExists(err) != nil {
			s.t.Fatal(err)
		}
	}
}

// apply applies manifests as people do, with kubectl; those that name no
// namespace go to the given one.
func (s *site) apply(namespace, manifests string) {
	s.t.Helper()
	args := []string{"apply", "-f", "-"}
	if namespace != "" {
		args = append(args, "-n", namespace)
	}
	if out, err := s.Kubectl(s.t.Context(), manifests, args...); err != nil {
		s.t.Fatalf("%v\n%s", err, out)
	}
}

// controller is a running controller.
type controller struct {
	cmd   *exec.Cmd
	log   *lockedBuffer
	ended chan struct{}
}

// lockedBuffer is what a process says.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// start runs the controller under its own service account; it ends with the
// test.
func (s *site) start() *controller {
	s.t.Helper()
	c := &controller{log: &lockedBuffer{}, ended: make(chan struct{})}
	c.cmd = exec.Command(s.binary, "controller", "--kubeconfig", s.account, "--elect=false", "--metrics", "0", "--health", "0")
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	c.cmd.Env = append(os.Environ(), s.proxy.environment(s.authority)...)
	c.cmd.Stdout, c.cmd.Stderr = io.Discard, c.log
	if err := c.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func() {
		_ = c.cmd.Wait() // It is killed, or told to end.
		close(c.ended)
	}()
	s.t.Cleanup(func() {
		c.kill()
		if s.t.Failed() {
			s.t.Logf("the controller said:\n%s", c.log)
		}
	})
	return c
}

// kill ends the controller without a chance to do anything.
func (c *controller) kill() {
	_ = c.cmd.Process.Kill() // It may have ended.
	<-c.ended
}

// await polls an object until it is as wanted.
func (s *site) await(t *testing.T, kind schema.GroupVersionKind, namespace, name, what string, atMost time.Duration, wanted func(*unstructured.Unstructured) bool) *unstructured.Unstructured {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), atMost)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		u := &unstructured.Unstructured{}
		u.SetGroupVersionKind(kind)
		if err := s.Client.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, u); err == nil && wanted(u) {
			return u
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s %s/%s was not %s within %v:\n%s%s", kind.Kind, namespace, name, what, atMost, s.show(kind, namespace, name), s.show(nativeKind, namespace, name))
		case <-tick.C:
		}
	}
}

// show writes an object for people.
func (s *site) show(kind schema.GroupVersionKind, namespace, name string) string {
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(kind)
	if err := s.Client.Get(context.Background(), types.NamespacedName{Namespace: namespace, Name: name}, u); err != nil {
		return fmt.Sprintf("%s: %v\n", kind.Kind, err)
	}
	u.SetManagedFields(nil)
	unstructured.RemoveNestedField(u.Object, "status", "metrics")
	text, err := json.MarshalIndent(u.Object, "", " ")
	if err != nil {
		return err.Error()
	}
	return string(text) + "\n"
}

// at is a text or a truth in an object, as text; empty where there is none.
func at(u *unstructured.Unstructured, path string) string {
	v, found, err := unstructured.NestedFieldNoCopy(u.Object, strings.Split(path, ".")...)
	if err != nil || !found {
		return ""
	}
	return fmt.Sprint(v)
}

// condition is the status of a condition of an Iter8 experiment.
func condition(u *unstructured.Unstructured, kind string) (status, reason, message string) {
	conditions, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions")
	for _, c := range conditions {
		if m, ok := c.(map[string]any); ok && m["type"] == kind {
			word := func(key string) string {
				s, _ := m[key].(string)
				return s
			}
			return word("status"), word("reason"), word("message")
		}
	}
	return "", "", ""
}

// completed reports that an experiment is over.
func completed(u *unstructured.Unstructured) bool {
	status, _, _ := condition(u, "Completed")
	return status == "True"
}
