// SPDX-License-Identifier: Apache-2.0

// Package admission_test asks a real API server, the webhook and the controller
// as they are released, and the validator of files, about the same manifests:
// what is wrong is said at every door in the same words. What only the cluster
// can know stalls an experiment with what to do about it, and heals.
package admission_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"flag"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/headgate-dev/headgate/test/servers"
)

var (
	experimentKind     = schema.GroupVersionKind{Group: "headgate.dev", Version: "v1alpha1", Kind: "Experiment"}
	virtualServiceKind = schema.GroupVersionKind{Group: "networking.istio.io", Version: "v1", Kind: "VirtualService"}
)

// build makes the program once for the whole run.
var build = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "headgate-admission-")
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

// waiting is how many subtests run in parallel: they wait for a controller,
// and for nothing else.
const waiting = "16"

func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", waiting); err != nil {
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

// site is a cluster with Headgate's kinds.
type site struct {
	*servers.Cluster
	binary string
}

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
	c.Install(t, servers.IstioCRDs(t, "virtualservices.networking.istio.io")...)
	return &site{c, binary}
}

// process is a running controller.
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

// controller runs one; it ends with the test.
func (s *site) controller(t *testing.T, kubeconfig string, args ...string) *process {
	t.Helper()
	args = append([]string{"controller", "--kubeconfig", kubeconfig, "--elect=false", "--metrics", "0", "--health", "0"}, args...)
	p := &process{cmd: exec.Command(s.binary, args...), log: &lockedBuffer{}, ended: make(chan struct{})}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	p.cmd.Stdout, p.cmd.Stderr = io.Discard, p.log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait() // It is killed, or told to end.
		close(p.ended)
	}()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("controller %v said:\n%s", args, p.log)
		}
	})
	return p
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill() // It may have ended.
	<-p.ended
}

// object reads an object, or fails.
func (s *site) object(t *testing.T, kind schema.GroupVersionKind, namespace, name string) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(kind)
	if err := s.Client.Get(t.Context(), types.NamespacedName{Namespace: namespace, Name: name}, u); err != nil {
		t.Fatal(err)
	}
	return u
}

// await polls an experiment until it is as wanted.
func (s *site) await(t *testing.T, namespace, name, what string, atMost time.Duration, wanted func(*unstructured.Unstructured) bool) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	ok := eventually(t.Context(), atMost, func(ctx context.Context) bool {
		now := &unstructured.Unstructured{}
		now.SetGroupVersionKind(experimentKind)
		if err := s.Client.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, now); err != nil {
			return false
		}
		u = now
		return wanted(u)
	})
	if !ok {
		text, _ := json.MarshalIndent(u.Object["status"], "", " ") // It came from JSON.
		t.Fatalf("experiment %s was not %s within %v:\n%s", name, what, atMost, text)
	}
	return u
}

// eventually asks until the answer is yes, or for a time.
func eventually(ctx context.Context, atMost time.Duration, yes func(context.Context) bool) bool {
	ctx, cancel := context.WithTimeout(ctx, atMost)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for !yes(ctx) {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
	return true
}

// condition is a condition of an experiment; its status is empty where it has
// none.
func condition(u *unstructured.Unstructured, kind string) (status, reason, message string) {
	conditions, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions")
	for _, c := range conditions {
		if m, ok := c.(map[string]any); ok && m["type"] == kind {
			return fmt.Sprint(m["status"]), fmt.Sprint(m["reason"]), fmt.Sprint(m["message"])
		}
	}
	return "", "", ""
}

// door is a webhook's place: where it listens, and its certificate.
type door struct {
	port      int
	directory string
	authority []byte
}

// newDoor makes a certificate for loopback and takes a port.
func newDoor(t *testing.T) *door {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	certificate := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: "headgate webhook"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, certificate, certificate, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	d := &door{directory: t.TempDir(), authority: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
	for name, text := range map[string][]byte{"tls.crt": d.authority, "tls.key": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})} {
		if err := os.WriteFile(filepath.Join(d.directory, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, port, _ := net.SplitHostPort(servers.FreeAddr(t))
	if d.port, err = strconv.Atoi(port); err != nil {
		t.Fatal(err)
	}
	return d
}

// args open the door.
func (d *door) args() []string {
	return []string{"--webhook-certificates", d.directory, "--webhook-port", strconv.Itoa(d.port)}
}

// register has the API server ask there about Experiments and Metrics: always,
// since what is not to be refused must not depend on a condition of the chart.
func (d *door) register(t *testing.T, s *site, path string) {
	t.Helper()
	url := fmt.Sprintf("https://127.0.0.1:%d%s", d.port, path)
	ignore, none, seconds, scope := admissionregistrationv1.Ignore, admissionregistrationv1.SideEffectClassNone, int32(30), admissionregistrationv1.NamespacedScope
	hook := &admissionregistrationv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: "headgate"},
		Webhooks: []admissionregistrationv1.ValidatingWebhook{{
			Name: "experiments.headgate.dev", AdmissionReviewVersions: []string{"v1"}, SideEffects: &none, FailurePolicy: &ignore, TimeoutSeconds: &seconds,
			ClientConfig: admissionregistrationv1.WebhookClientConfig{URL: &url, CABundle: d.authority},
			Rules: []admissionregistrationv1.RuleWithOperations{{
				Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.OperationAll},
				Rule:       admissionregistrationv1.Rule{APIGroups: []string{"headgate.dev"}, APIVersions: []string{"v1alpha1"}, Resources: []string{"experiments", "metrics"}, Scope: &scope},
			}},
		}},
	}
	if err := s.Client.Create(t.Context(), hook); err != nil {
		t.Fatal(err)
	}
}
