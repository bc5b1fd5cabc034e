// SPDX-License-Identifier: Apache-2.0

package iter8

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// proxy is a forward proxy that has the hosts of a cluster on loopback. What a
// process that is told of it asks of any other host is refused and remembered.
type proxy struct {
	address string

	mu      sync.Mutex
	hosts   map[string]*url.URL // By host and port.
	secure  map[string]string   // Addresses of TLS servers, by host and port.
	down    map[string]bool
	refused []string
}

// newProxy starts one; it ends with the test.
func newProxy(t *testing.T) *proxy {
	t.Helper()
	p := &proxy{hosts: map[string]*url.URL{}, secure: map[string]string{}, down: map[string]bool{}}
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	p.address = server.URL
	return p
}

// send has a host ("prometheus-operated.iter8-system:9090") answered by a server.
func (p *proxy) send(t *testing.T, host, server string) {
	t.Helper()
	to, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hosts[host] = to
}

// also has a host be another's, so that one can be away without the other.
func (p *proxy) also(t *testing.T, host, as string) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.hosts[host] = p.hosts[as]; p.hosts[host] == nil {
		t.Fatalf("%s is not there", as)
	}
}

// outage has a host answer nobody, or again.
func (p *proxy) outage(host string, down bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down[host] = down
}

// ServeHTTP is an http.Handler.
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	to, secure, down := p.hosts[r.Host], p.secure[r.Host], p.down[r.Host]
	if to == nil && secure == "" && !slices.Contains(p.refused, r.Host) {
		p.refused = append(p.refused, r.Host)
	}
	p.mu.Unlock()
	switch {
	case down:
		panic(http.ErrAbortHandler) // The connection is closed without an answer.
	case r.Method == http.MethodConnect && secure != "":
		tunnel(w, secure)
	case r.Method != http.MethodConnect && to != nil:
		(&httputil.ReverseProxy{Rewrite: func(pr *httputil.ProxyRequest) {
			pr.Out.URL.Scheme, pr.Out.URL.Host, pr.Out.Host = to.Scheme, to.Host, ""
		}}).ServeHTTP(w, r)
	default:
		http.Error(w, "the proxy of the test knows no host "+r.Host, http.StatusBadGateway)
	}
}

// tunnel joins a client to a server.
func tunnel(w http.ResponseWriter, to string) {
	server, err := net.Dial("tcp", to)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer func() { _ = server.Close() }()
	client, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer func() { _ = client.Close() }()
	if _, err := io.WriteString(client, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		return
	}
	done := make(chan struct{}, 2)
	go func() { _, _ = io.Copy(server, buffered); done <- struct{}{} }()
	go func() { _, _ = io.Copy(client, server); done <- struct{}{} }()
	<-done
}

// asked are the hosts that were asked for and are not known.
func (p *proxy) asked() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.refused)
}

// environment are the variables of a process that goes through the proxy and
// trusts who signed its servers.
func (p *proxy) environment(authority string) []string {
	return []string{
		"HTTP_PROXY=" + p.address, "HTTPS_PROXY=" + p.address, "NO_PROXY=127.0.0.1,localhost",
		"SSL_CERT_FILE=" + authority, "SSL_CERT_DIR=",
	}
}

// serve has https hosts serve files, by host and path, and returns the file with
// the certificate of who signed theirs.
func (p *proxy) serve(t *testing.T, files map[string]string) string {
	t.Helper()
	var hosts []string
	for name := range files {
		host, _, _ := strings.Cut(name, "/")
		hosts = append(hosts, host)
	}
	slices.Sort(hosts)
	hosts = slices.Compact(hosts)
	authority, own := certified(t, hosts)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, ok := files[r.Host+r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		_, _ = io.WriteString(w, text) // Who went away has no answer.
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{own}, MinVersion: tls.VersionTLS12}
	server.StartTLS()
	t.Cleanup(server.Close)
	p.mu.Lock()
	for _, host := range hosts {
		p.secure[host+":443"] = server.Listener.Addr().String()
	}
	p.mu.Unlock()
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, authority, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// certified makes an authority, and a certificate of hosts that it signed.
func certified(t *testing.T, hosts []string) (authority []byte, own tls.Certificate) {
	t.Helper()
	fail := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	fail(err)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	fail(err)
	of := func(serial int64, name string) *x509.Certificate {
		return &x509.Certificate{
			SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		}
	}
	root, leaf := of(1, "headgate test authority"), of(2, "headgate test server")
	root.IsCA, root.BasicConstraintsValid, root.KeyUsage = true, true, x509.KeyUsageCertSign
	leaf.DNSNames, leaf.KeyUsage, leaf.ExtKeyUsage = hosts, x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	rootDER, err := x509.CreateCertificate(rand.Reader, root, root, signer.Public(), signer)
	fail(err)
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, root, key.Public(), signer)
	fail(err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: rootDER}), tls.Certificate{Certificate: [][]byte{leafDER}, PrivateKey: key}
}

// newRelic answers questions in NRQL with the average duration of a version's
// sessions. Where the question names no version that it knows (one of the
// manifests asks for '$version', which nobody fills in), it answers in turn: the
// versions are asked one after the other, the baseline first.
type newRelic struct {
	averages map[string]float64
	inTurn   []float64

	mu    sync.Mutex
	turn  int
	asked []string
}

var ofVersion = regexp.MustCompile(`WHERE version='([^']*)' SINCE (\d+) sec ago`)

// ServeHTTP is an http.Handler.
func (n *newRelic) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	nrql := r.URL.Query().Get("nrql")
	found := ofVersion.FindStringSubmatch(nrql)
	if r.URL.Path != "/newrelic" || found == nil {
		http.Error(w, "no such query", http.StatusBadRequest)
		return
	}
	n.mu.Lock()
	n.asked = append(n.asked, strings.TrimSpace(nrql))
	average, ok := n.averages[found[1]]
	if !ok && len(n.inTurn) > 0 {
		average, ok = n.inTurn[n.turn%len(n.inTurn)], true
		n.turn++
	}
	n.mu.Unlock()
	if !ok {
		_, _ = io.WriteString(w, `{"results":[{"average.duration":null}]}`)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"results": []any{map[string]any{"average.duration": average}}}) // Who went away has no answer.
}
