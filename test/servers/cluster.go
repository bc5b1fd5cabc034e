// SPDX-License-Identifier: Apache-2.0

package servers

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Cluster is an API server with RBAC and the etcd behind it: everything of
// Kubernetes that keeps objects and decides who may touch them, and nothing
// that runs pods or answers for Services.
type Cluster struct {
	Config     *rest.Config  // of a user who may do everything, without a rate limit of its own
	Client     client.Client // with Config; knows the built-in kinds by type, the others as unstructured
	Kubeconfig string        // a file that says the same as Config

	dir, addr string
	etcd      string // where etcd answers
	binary    string
	ready     *http.Client

	mu     sync.Mutex
	server *process // nil while it is down
}

// APIServer starts a cluster of its own for the test, which takes two to four
// seconds once the programs are built; tests that can share one are subtests.
func APIServer(tb testing.TB) *Cluster {
	tb.Helper()
	wanted(tb)
	c := &Cluster{dir: tb.TempDir()}
	etcd, err := Binary(tb.Context(), "etcd")
	if err != nil {
		tb.Fatal(err)
	}
	if c.binary, err = Binary(tb.Context(), "kube-apiserver"); err != nil {
		tb.Fatal(err)
	}
	addrs := freeAddrs(tb, 3)
	c.addr, c.etcd = addrs[0], "http://"+addrs[1]
	peer := "http://" + addrs[2]
	run(tb, "etcd", exec.Command(etcd, "--name=test", "--unsafe-no-fsync", "--log-level=warn",
		"--data-dir="+filepath.Join(c.dir, "etcd"),
		"--listen-client-urls="+c.etcd, "--advertise-client-urls="+c.etcd,
		"--listen-peer-urls="+peer, "--initial-advertise-peer-urls="+peer, "--initial-cluster=test="+peer,
	), func(ctx context.Context) error { return answers(ctx, http.DefaultClient, c.etcd+"/health") })
	if err := c.prepare(); err != nil {
		tb.Fatal(err)
	}
	// Cleanups run backwards: the API server ends before its store does, or it
	// would wait for it.
	tb.Cleanup(func() { c.stop(tb) })
	if err := c.Up(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	return c
}

// prepare makes keys and clients.
func (c *Cluster) prepare() error {
	authority, admin, err := credentials(c.dir)
	if err != nil {
		return fmt.Errorf("make certificates: %w", err)
	}
	c.Config = &rest.Config{
		Host:            "https://" + c.addr,
		TLSClientConfig: rest.TLSClientConfig{CAData: authority, CertData: admin.cert, KeyData: admin.key},
		QPS:             -1,
		WarningHandler:  rest.NoWarnings{},
	}
	if c.ready, err = rest.HTTPClientFor(c.Config); err != nil {
		return err
	}
	if c.Client, err = client.New(c.Config, client.Options{}); err != nil {
		return err
	}
	c.Kubeconfig = filepath.Join(c.dir, "admin.kubeconfig")
	return writeKubeconfig(c.Kubeconfig, c.Config)
}

// Up starts the API server again after Down, with the same address, keys and
// objects, and waits until it is ready.
func (c *Cluster) Up(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.server != nil {
		return errors.New("start kube-apiserver: it runs already")
	}
	host, port, _ := strings.Cut(c.addr, ":")
	file := func(name string) string { return filepath.Join(c.dir, name) }
	p, err := start("kube-apiserver", exec.Command(c.binary,
		"--etcd-servers="+c.etcd,
		"--bind-address="+host, "--advertise-address="+host, "--secure-port="+port, "--endpoint-reconciler-type=none",
		"--tls-cert-file="+file(serverCert), "--tls-private-key-file="+file(serverKey),
		"--client-ca-file="+file(authorityFile),
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file="+file(tokenKey), "--service-account-signing-key-file="+file(tokenKey),
		"--service-cluster-ip-range=10.96.0.0/16", "--authorization-mode=RBAC", "--profiling=false",
	))
	if err != nil {
		return err
	}
	c.server = p
	return p.await(ctx, func(ctx context.Context) error { return answers(ctx, c.ready, c.Config.Host+"/readyz") })
}

// Down ends the API server: from then on its clients are refused a connection.
func (c *Cluster) Down() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.server != nil {
		c.server.stop()
		c.server = nil
	}
}

// Restart is Down and Up.
func (c *Cluster) Restart(ctx context.Context) error {
	c.Down()
	return c.Up(ctx)
}

// Pause has the API server stand still: once it returns, clients wait for an
// answer. It does nothing while the server is down.
func (c *Cluster) Pause(tb testing.TB) {
	tb.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.server == nil {
		return
	}
	if err := c.server.pause(); err != nil {
		tb.Error(err)
	}
}

// Resume ends a Pause.
func (c *Cluster) Resume() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.server != nil {
		c.server.signal(syscall.SIGCONT)
	}
}

// PID is the number of the API server's process, 0 while it is down; for
// measurements.
func (c *Cluster) PID() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.server == nil {
		return 0
	}
	return c.server.cmd.Process.Pid
}

func (c *Cluster) stop(tb testing.TB) {
	c.mu.Lock()
	if c.server != nil {
		c.server.tell(tb)
	}
	c.mu.Unlock()
	c.Down()
	c.ready.CloseIdleConnections()
}
