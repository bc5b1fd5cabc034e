// SPDX-License-Identifier: Apache-2.0

// Package cluster_test runs the controller as it is released, against a real API
// server with a real Prometheus. What carries the traffic is real istiod or
// Traefik where a test says so; else a stand-in that reads the shares off the
// route as a mesh would, and counts requests in Istio's metrics.
package cluster_test

import (
	"bytes"
	"context"
	"encoding/json"
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

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/headgate-dev/headgate/test/servers"
)

// build makes the program once for the whole run.
var build = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "headgate-cluster-")
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
	code := m.Run()
	if binary, err := build(); err == nil && os.Getenv("HEADGATE_E2E") != "" {
		_ = os.RemoveAll(filepath.Dir(binary)) // The temporary folder is the machine's to clean at last.
	}
	os.Exit(code)
}

// site is a cluster with Headgate's kinds, and a namespace.
type site struct {
	*servers.Cluster
	t         *testing.T
	namespace string
	binary    string
}

const namespace = "search"

func newSite(t *testing.T) *site {
	t.Helper()
	c := servers.APIServer(t)
	binary, err := build()
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("../../config/crd/headgate*.yaml")
	if err != nil || len(files) != 3 {
		t.Fatalf("the CRDs: %v, %v", files, err)
	}
	c.Install(t, servers.CRDsOf(t, files...)...)
	s := &site{Cluster: c, t: t, namespace: namespace, binary: binary}
	c.Namespace(t, s.namespace)
	return s
}

// controller is a running controller.
type controller struct {
	t     *testing.T
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

// start runs a controller with the rights of a user; it ends with the test.
func (s *site) start(kubeconfig, prometheus string, args ...string) *controller {
	s.t.Helper()
	args = append([]string{
		"controller", "--kubeconfig", kubeconfig, "--elect=false", "--metrics", "0", "--health", "0",
		"--prometheus", prometheus, "--scrape-interval", "500ms", "--metrics-delay", "500ms",
	}, args...)
	c := &controller{t: s.t, cmd: exec.Command(s.binary, args...), log: &lockedBuffer{}, ended: make(chan struct{})}
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
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

// object reads an object.
func (s *site) object(kind schema.GroupVersionKind, name string) *unstructured.Unstructured {
	s.t.Helper()
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(kind)
	if err := s.Client.Get(s.t.Context(), types.NamespacedName{Namespace: s.namespace, Name: name}, u); err != nil {
		s.t.Fatal(err)
	}
	return u
}

var experimentKind = schema.GroupVersionKind{Group: "headgate.dev", Version: "v1alpha1", Kind: "Experiment"}

// await polls an object until it is as wanted.
func (s *site) await(kind schema.GroupVersionKind, name, what string, atMost time.Duration, wanted func(*unstructured.Unstructured) bool) *unstructured.Unstructured {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), atMost)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	u := &unstructured.Unstructured{}
	for {
		u = &unstructured.Unstructured{}
		u.SetGroupVersionKind(kind)
		if err := s.Client.Get(ctx, types.NamespacedName{Namespace: s.namespace, Name: name}, u); err == nil && wanted(u) {
			return u
		}
		select {
		case <-ctx.Done():
			text, _ := json.MarshalIndent(u.Object, "", " ") // It came from JSON.
			s.t.Fatalf("%s %s was not %s within %v:\n%s", kind.Kind, name, what, atMost, text)
		case <-tick.C:
		}
	}
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

// soon is a generous bound of what takes a turn or two of the controller, on a
// machine that is busy with other things.
const soon = time.Minute

// told waits until an experiment's events say something: they are sent a moment
// after what they tell of.
func (s *site) told(name, what string) {
	s.t.Helper()
	for deadline := time.Now().Add(soon); ; pause(s.t, 200*time.Millisecond) {
		events, err := s.Kubectl(s.t.Context(), "", "get", "events", "-n", s.namespace, "--field-selector", "involvedObject.name="+name, "-o", "custom-columns=R:.reason,M:.message")
		if err == nil && strings.Contains(events, what) {
			return
		}
		if time.Now().After(deadline) {
			s.t.Errorf("no event of %s says %s: %v\n%s", name, what, err, events)
			return
		}
	}
}
