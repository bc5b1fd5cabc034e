// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Where a pod finds the API server and its own account.
const (
	accountFolder = "/var/run/secrets/kubernetes.io/serviceaccount/"
	tokenInPod    = accountFolder + "token"
	caInPod       = accountFolder + "ca.crt"
)

// maxSmall bounds a token, a certificate's file and an answer that refuses.
const maxSmall = 1 << 20

// apiServer asks an API server. The files of token and CA are read again for
// each question, since both are renewed while a pod runs.
type apiServer struct {
	base              string
	tokenFile, caFile string

	client *http.Client
	// ca is what client trusts.
	ca []byte
}

// newAPIServer takes the pod's own where nothing is said.
func newAPIServer(address, tokenFile, caFile string) (*apiServer, error) {
	if address == "" {
		host, port := os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT")
		if host == "" || port == "" {
			return nil, experiment.Errorf(experiment.CodeInvalid, "a ConfigMap is followed, and this is no pod: KUBERNETES_SERVICE_HOST or KUBERNETES_SERVICE_PORT is not set").
				WithHint("run it in the cluster, or name the API server: --kube-api https://HOST:PORT --kube-token-file FILE --kube-ca-file FILE")
		}
		address = "https://" + net.JoinHostPort(host, port)
	}
	u, err := url.Parse(address)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, experiment.Errorf(experiment.CodeInvalid, "the address of the API server is not a URL of scheme and host").
			WithHint("for example --kube-api https://10.96.0.1:443")
	}
	return &apiServer{base: strings.TrimSuffix(address, "/"), tokenFile: cmp.Or(tokenFile, tokenInPod), caFile: cmp.Or(caFile, caInPod)}, nil
}

// get asks for a path. Any answer but 200 is an error; 410 is errExpired.
func (s *apiServer) get(ctx context.Context, path string) (io.ReadCloser, error) {
	if err := s.trust(); err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.base+path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "headgate-gateway")
	token, err := readSmall(s.tokenFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if token := strings.TrimSpace(string(token)); token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := s.client.Do(req)
	if err != nil {
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err // Its URL says nothing new.
		}
		return nil, err
	}
	if res.StatusCode == http.StatusOK {
		return res.Body, nil
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode == http.StatusGone {
		return nil, errExpired
	}
	var status configMap
	_ = json.NewDecoder(io.LimitReader(res.Body, maxSmall)).Decode(&status) // What it says besides is a courtesy.
	return nil, fmt.Errorf("the API server answers %s %.300s", res.Status, status.Message)
}

// trust makes the client anew when the CA's file has changed.
func (s *apiServer) trust() error {
	ca, err := readSmall(s.caFile)
	if errors.Is(err, fs.ErrNotExist) && strings.HasPrefix(s.base, "http://") {
		ca, err = nil, nil
	}
	if err != nil {
		return err
	}
	if s.client != nil && bytes.Equal(ca, s.ca) {
		return nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if ca != nil {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(ca) {
			return fmt.Errorf("%s holds no certificate", s.caFile)
		}
	}
	s.close()
	dialer := &net.Dialer{Timeout: 5 * time.Second, KeepAlive: 10 * time.Second}
	s.client = &http.Client{
		Transport: &http.Transport{
			DialContext: dialer.DialContext, TLSClientConfig: config, TLSHandshakeTimeout: 5 * time.Second,
			ResponseHeaderTimeout: listWithin, MaxResponseHeaderBytes: 64 << 10, IdleConnTimeout: time.Minute, MaxIdleConnsPerHost: 2,
		},
		// An API server does not send its clients elsewhere, and a token goes nowhere else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	s.ca = ca
	return nil
}

func (s *apiServer) close() {
	if s.client != nil {
		s.client.CloseIdleConnections()
	}
}

func readSmall(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return io.ReadAll(io.LimitReader(f, maxSmall))
}
