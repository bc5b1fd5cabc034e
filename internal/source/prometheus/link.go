// SPDX-License-Identifier: Apache-2.0

package prometheus

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// secretsFor is how long secrets are used before they are read again.
const secretsFor = time.Minute

// link is a client and the credentials that it goes with.
type link struct {
	client   *http.Client
	password string
	token    string
	pem      [3]string // authority, certificate, key
	read     time.Time
}

// connect gives the client, with secrets no older than a minute.
func (s *Source) connect(ctx context.Context) (*link, error) {
	s.mu.Lock()
	old := s.link
	s.mu.Unlock()
	if old != nil && time.Since(old.read) < secretsFor {
		return old, nil
	}
	p := &s.options.Provider
	l := &link{read: time.Now()}
	for _, want := range []struct {
		what   string
		secret *experiment.Secret
		into   *string
	}{
		{"password", p.Password, &l.password},
		{"token", p.Token, &l.token},
		{"ca", p.CA, &l.pem[0]},
		{"certificate", p.Certificate, &l.pem[1]},
		{"key", p.Key, &l.pem[2]},
	} {
		if want.secret == nil {
			continue
		}
		value, err := s.options.Secrets(ctx, *want.secret)
		if err != nil {
			return nil, unavailable("read the %s of provider %s: %w", want.what, where(s.base), err)
		}
		*want.into = strings.TrimSpace(value)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.link != nil && s.link.pem == l.pem {
		l.client = s.link.client
	} else {
		client, err := s.client(l)
		if err != nil {
			return nil, err
		}
		if s.link != nil {
			s.link.client.CloseIdleConnections()
		}
		l.client = client
	}
	s.link = l
	return l, nil
}

// forget has the secrets read again: the server did not take them.
func (s *Source) forget(l *link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.link == l {
		again := *l
		again.read = time.Time{}
		s.link = &again
	}
}

// client makes a client that verifies the server, always.
func (s *Source) client(l *link) (*http.Client, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if l.pem[0] != "" {
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM([]byte(l.pem[0])) {
			return nil, invalid("provider %s: ca holds no certificate in PEM", where(s.base))
		}
		config.RootCAs = pool
	}
	if l.pem[1] != "" {
		pair, err := tls.X509KeyPair([]byte(l.pem[1]), []byte(l.pem[2]))
		if err != nil {
			// The cause may quote what it could not read.
			return nil, invalid("provider %s: certificate and key are no pair in PEM", where(s.base))
		}
		config.Certificates = []tls.Certificate{pair}
	}
	dialer := &net.Dialer{Timeout: s.options.Timeout}
	return &http.Client{
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, DialContext: dialer.DialContext, TLSClientConfig: config,
			TLSHandshakeTimeout: s.options.Timeout, ResponseHeaderTimeout: s.options.Timeout,
			MaxIdleConnsPerHost: s.options.Concurrent, MaxConnsPerHost: s.options.Concurrent,
			IdleConnTimeout: 90 * time.Second, MaxResponseHeaderBytes: 64 << 10, ForceAttemptHTTP2: true,
		},
		CheckRedirect: s.redirected,
	}, nil
}

// errElsewhere is a redirect that leaves the provider's host.
var errElsewhere = errors.New("it redirects to another address; write that one into the provider's url")

// redirected lets redirects within the host pass, up to three.
func (s *Source) redirected(req *http.Request, via []*http.Request) error {
	if req.URL.Host != s.base.Host || req.URL.Scheme != s.base.Scheme {
		return errElsewhere
	}
	if len(via) > 3 {
		return errors.New("it redirects in a circle")
	}
	return nil
}

// authorize adds the credentials to a request.
func (s *Source) authorize(req *http.Request, l *link) {
	p := &s.options.Provider
	switch {
	case p.Token != nil:
		req.Header.Set("Authorization", "Bearer "+l.token)
	case p.Username != "" || p.Password != nil:
		req.SetBasicAuth(p.Username, l.password)
	}
	if p.Tenant != "" {
		req.Header.Set("X-Scope-OrgID", p.Tenant)
	}
}

// secretless takes the secrets out of what a server said.
func (l *link) secretless(text string) string {
	for _, secret := range slices.Concat([]string{l.password, l.token}, l.pem[1:]) {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "[secret]")
		}
	}
	return text
}
