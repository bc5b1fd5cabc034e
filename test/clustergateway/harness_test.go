// SPDX-License-Identifier: Apache-2.0

// Package clustergateway_test runs a cluster's experiment on Headgate's own
// gateways: a real API server under the rights of config/rbac and config/gateway,
// the controller, two gateways and the ledger as they are released, and model
// servers behind them. Only kubelets are missing: the processes are started here.
// Another test has the same ledger hear of answers that pass no gateway: KServe,
// which carries them, is a stand-in.
package clustergateway_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/headgate-dev/headgate/test/servers"
)

const namespace = "search"

// build makes the two programs once for the whole run.
var build = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "headgate-clustergateway-")
	if err != nil {
		return "", err
	}
	cmd := exec.Command("go", "build", "-trimpath", "-o", dir+"/", "./cmd/headgate", "./cmd/headgate-gateway")
	cmd.Dir = "../.."
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return dir, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if os.Getenv("HEADGATE_E2E") != "" {
		if dir, err := build(); err == nil {
			_ = os.RemoveAll(dir) // The temporary folder is the machine's to clean at last.
		}
	}
	os.Exit(code)
}

// site is the cluster and all that runs in it.
type site struct {
	*servers.Cluster
	// t is the step that runs, life the whole test, which processes end with.
	t    *testing.T
	life *testing.T
	bin  string
	dir  string

	models   [2]*model
	gateways [2]*gateway
	ledger   *process
	api      string // the ledger's address
	token    string // its token's file

	controllers string // the kubeconfig of the controller's account
	controller  *process
}

// model is a model server whose answers are its version; it fails as often as
// it is told to.
type model struct {
	*httptest.Server
	failing atomic.Bool
}

func newModel(t *testing.T, version string) *model {
	t.Helper()
	m := &model{}
	var n atomic.Int64
	m.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if m.failing.Load() && n.Add(1)%2 == 0 {
			w.WriteHeader(http.StatusInternalServerError)
		}
		_, _ = io.WriteString(w, version)
	}))
	t.Cleanup(m.Close)
	return m
}

// newCluster is a cluster in which nothing of Headgate's runs yet.
func newCluster(t *testing.T) *site {
	t.Helper()
	c := servers.APIServer(t)
	bin, err := build()
	if err != nil {
		t.Fatal(err)
	}
	s := &site{Cluster: c, t: t, life: t, bin: bin, dir: t.TempDir()}
	files, err := filepath.Glob("../../config/crd/headgate*.yaml")
	if err != nil || len(files) != 3 {
		t.Fatalf("the CRDs: %v, %v", files, err)
	}
	c.Install(t, servers.CRDsOf(t, files...)...)
	c.Namespace(t, namespace)
	s.install()
	return s
}

// newSite is a cluster where Headgate's gateways carry the traffic.
func newSite(t *testing.T) *site {
	t.Helper()
	s := newCluster(t)
	s.models = [2]*model{newModel(t, "v1"), newModel(t, "v2")}
	s.startGateways()
	s.startLedger("--gateway", "http://"+s.gateways[0].admin, "--gateway", "http://"+s.gateways[1].admin)
	s.startController()
	return s
}

// install applies what an operator would, but for the pods. Nothing aggregates
// cluster roles here, so the core's is bound by itself: the controller has no
// right to any other router's objects.
func (s *site) install() {
	s.t.Helper()
	base, err := filepath.Abs("../../config/gateway")
	if err != nil {
		s.t.Fatal(err)
	}
	if base, err = filepath.Rel(s.dir, base); err != nil {
		s.t.Fatal(err)
	}
	s.write("kustomization.yaml", "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nnamespace: "+namespace+"\nresources: ["+base+"]\n")
	s.Namespace(s.t, "headgate-system")
	for _, dir := range []string{"../../config/rbac", s.dir} {
		if out, err := s.Kubectl(s.t.Context(), "", "apply", "-k", dir); err != nil {
			s.t.Fatalf("%v\n%s", err, out)
		}
	}
	s.Apply(s.t, `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: headgate-core}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: headgate-core}
subjects: [{kind: ServiceAccount, name: headgate-controller, namespace: headgate-system}]
`)
	s.controllers = s.KubeconfigOf(s.t, s.ServiceAccount(s.t, "headgate-system", "headgate-controller"))
}

func (s *site) write(name, text string) string {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// gateway is a gateway's process and where it is.
type gateway struct {
	*process
	traffic, admin string
	args           []string
}

func (s *site) startGateways() {
	s.t.Helper()
	account := s.ServiceAccount(s.t, namespace, "headgate-gateway")
	token, ca := s.write("account/token", account.BearerToken), s.write("account/ca.crt", string(s.Config.CAData))
	key := make([]byte, 32)
	_, _ = rand.Read(key) // Never fails.
	s.write("ledger/exposure.key", string(key))
	for i := range s.gateways {
		name := fmt.Sprintf("g%d", i)
		s.write(name+"/exposure.key", string(key))
		g := &gateway{traffic: servers.FreeAddr(s.t), admin: servers.FreeAddr(s.t)}
		g.args = []string{
			"--configmap", namespace + "/headgate-gateway", "--kube-api", s.Config.Host, "--kube-token-file", token, "--kube-ca-file", ca,
			"--listen", g.traffic, "--admin", g.admin, "--data", filepath.Join(s.dir, name), "--baseline", s.models[0].URL,
		}
		g.process = s.run(name, "headgate-gateway", g.args...)
		s.gateways[i] = g
		s.healthy("http://"+g.admin, g.process)
	}
}

func (s *site) startLedger(more ...string) {
	s.t.Helper()
	s.api = servers.FreeAddr(s.t)
	s.token = s.write("token", "a-token-of-more-than-16-bytes")
	args := []string{"ledger", "--data", filepath.Join(s.dir, "ledger"), "--api", s.api, "--outcomes-token-file", s.token}
	s.ledger = s.run("ledger", "headgate", append(args, more...)...)
	s.healthy("http://"+s.api, s.ledger)
}

func (s *site) startController(more ...string) {
	s.t.Helper()
	args := []string{
		"controller", "--kubeconfig", s.controllers, "--elect=false", "--metrics", "0", "--health", "0",
		"--ledger", "http://" + s.api, "--ledger-token-file", s.token,
	}
	s.controller = s.run("controller", "headgate", append(args, more...)...)
}

// healthy waits until a process answers.
func (s *site) healthy(url string, p *process) {
	s.t.Helper()
	within(s.t, soon, "a process answers", func() error {
		res, err := http.Get(url + "/healthz")
		if err != nil {
			return fmt.Errorf("%w\n%s", err, p.log)
		}
		return res.Body.Close()
	})
}

// within tries until it goes well.
func within(t *testing.T, atMost time.Duration, what string, try func() error) {
	t.Helper()
	for deadline := time.Now().Add(atMost); ; time.Sleep(20 * time.Millisecond) {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s: %v", what, atMost, err)
		}
	}
}

// process is a program that runs.
type process struct {
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

// run starts a program that ends with the test.
func (s *site) run(name, program string, args ...string) *process {
	s.t.Helper()
	p := &process{cmd: exec.Command(filepath.Join(s.bin, program), args...), log: &lockedBuffer{}, ended: make(chan struct{})}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	p.cmd.Stdout, p.cmd.Stderr = io.Discard, p.log
	if err := p.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait() // It is killed, or told to end.
		close(p.ended)
	}()
	s.life.Cleanup(func() {
		p.kill()
		if s.life.Failed() {
			s.life.Logf("%s said:\n%s", name, p.log)
		}
	})
	return p
}

// kill ends a process without a chance to do anything.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // It may have ended.
	<-p.ended
}

var experimentKind = schema.GroupVersionKind{Group: "headgate.dev", Version: "v1alpha1", Kind: "Experiment"}

// await polls an experiment until it is as wanted.
func (s *site) await(name, what string, atMost time.Duration, wanted func(*unstructured.Unstructured) bool) *unstructured.Unstructured {
	s.t.Helper()
	u := &unstructured.Unstructured{}
	within(s.t, atMost, name+" is "+what, func() error {
		u = &unstructured.Unstructured{}
		u.SetGroupVersionKind(experimentKind)
		if err := s.Client.Get(s.t.Context(), types.NamespacedName{Namespace: namespace, Name: name}, u); err != nil {
			return err
		}
		if !wanted(u) {
			text, _ := json.MarshalIndent(u.Object["status"], "", " ") // It came from JSON.
			return errors.New(string(text))
		}
		return nil
	})
	return u
}

// condition is the status of a condition of an experiment.
func condition(u *unstructured.Unstructured, kind string) (status, reason, message string) {
	conditions, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions")
	for _, c := range conditions {
		if m, ok := c.(map[string]any); ok && m["type"] == kind {
			return fmt.Sprint(m["status"]), fmt.Sprint(m["reason"]), fmt.Sprint(m["message"])
		}
	}
	return "", "", ""
}

func is(kind, status string) func(*unstructured.Unstructured) bool {
	return func(u *unstructured.Unstructured) bool {
		is, _, _ := condition(u, kind)
		return is == status
	}
}

// canary applies an experiment; steps and hold are as given.
func (s *site) canary(name, stage string) {
	s.t.Helper()
	s.Apply(s.t, strings.NewReplacer("NAME", name, "V1", s.models[0].URL, "V2", s.models[1].URL, "STAGE", stage).Replace(`apiVersion: headgate.dev/v1alpha1
kind: Experiment
metadata: {name: NAME, namespace: search}
spec:
  versions: [{name: v1, backend: "V1"}, {name: v2, backend: "V2"}]
  traffic: {gateway: {}}
  assignment: {unit: {header: x-user-id}}
  metrics: [{name: errors, from: {builtin: error-rate}}]
  objectives: [{metric: errors, max: 20%}]
  stages: [STAGE]
  evidence: {window: 1s, lag: 500ms, stale: 5s}
`))
}

// end deletes an experiment and waits until it is gone.
func (s *site) end(name string) {
	s.t.Helper()
	if out, err := s.Kubectl(s.t.Context(), "", "delete", "hgx/"+name, "-n", namespace, "--wait=true", "--timeout=180s"); err != nil {
		s.t.Fatalf("%v\n%s", err, out)
	}
}
