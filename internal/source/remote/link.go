// SPDX-License-Identifier: Apache-2.0

package remote

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/outbound"
)

// secretsFor is how long secrets are used before they are read again.
const secretsFor = time.Minute

// leastHidden is the length from which a header's value is taken for one that may
// be a secret: taking every 1 out of a text would say nothing any more.
const leastHidden = 4

// link is a client and what it goes with, secrets filled in.
type link struct {
	client   *http.Client
	url      string
	headers  []experiment.NameValue
	username string
	password string
	token    string
	pem      [3]string // authority, certificate, key
	// hidden is what must reach no error, the longest first.
	hidden []string
	read   time.Time
}

// connect gives the client, with secrets no older than a minute.
func (s *Server) connect(ctx context.Context) (*link, error) {
	s.mu.Lock()
	old := s.link
	s.mu.Unlock()
	if old != nil && time.Since(old.read) < secretsFor {
		return old, nil
	}
	l, err := s.readLink(ctx)
	if err != nil {
		return nil, err
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

// readLink reads the secrets and fills them in.
func (s *Server) readLink(ctx context.Context) (*link, error) {
	o := &s.options
	l := &link{read: time.Now()}
	secret := func(what string, from *experiment.Secret, into *string) error {
		if from == nil {
			return nil
		}
		value, err := o.Secrets(ctx, *from)
		if err != nil {
			return unavailable("read the %s of provider %s: %w", what, s.where, err)
		}
		*into = strings.TrimSpace(value)
		return nil
	}
	for _, want := range []struct {
		what string
		from *experiment.Secret
		into *string
	}{
		{"password", o.Password, &l.password},
		{"token", o.Token, &l.token},
		{"ca", o.CA, &l.pem[0]},
		{"certificate", o.Certificate, &l.pem[1]},
		{"key", o.Key, &l.pem[2]},
	} {
		if err := secret(want.what, want.from, want.into); err != nil {
			return nil, err
		}
	}
	named := make([]string, 0, 2*len(o.Named))
	for _, n := range o.Named {
		var value string
		if err := secret("secret "+n.Name, &n.Secret, &value); err != nil {
			return nil, err
		}
		named = append(named, "${"+n.Name+"}", value)
		l.hide(value)
	}
	fill := strings.NewReplacer(named...)
	l.url, l.username = fill.Replace(o.URL), fill.Replace(o.Username)
	for _, h := range o.Headers {
		h.Value = fill.Replace(h.Value)
		l.headers = append(l.headers, h)
		if len(h.Value) >= leastHidden {
			l.hide(h.Value)
		}
	}
	l.hide(l.password)
	l.hide(l.token)
	l.hide(l.pem[1])
	l.hide(l.pem[2])
	if o.Username != "" || o.Password != nil {
		l.hide(base64.StdEncoding.EncodeToString([]byte(l.username + ":" + l.password)))
	}
	slices.SortStableFunc(l.hidden, func(a, b string) int { return len(b) - len(a) })
	return l, nil
}

// hide notes a text, and how it looks in an address, as one that is not told.
func (l *link) hide(text string) {
	if text == "" {
		return
	}
	path := url.URL{Path: text}
	for _, form := range []string{text, url.QueryEscape(text), url.PathEscape(text), path.EscapedPath()} {
		if !slices.Contains(l.hidden, form) {
			l.hidden = append(l.hidden, form)
		}
	}
}

// secretless takes what is hidden out of a text.
func (l *link) secretless(text string) string {
	for _, secret := range l.hidden {
		text = strings.ReplaceAll(text, secret, "[secret]")
	}
	return text
}

// forget has the secrets read again: the server did not take them.
func (s *Server) forget(l *link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.link == l {
		again := *l
		again.read = time.Time{}
		s.link = &again
	}
}

// client makes a client that verifies the server, always.
func (s *Server) client(l *link) (*http.Client, error) {
	if s.options.Transport != nil {
		return &http.Client{Transport: s.options.Transport}, nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if l.pem[0] != "" {
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM([]byte(l.pem[0])) {
			return nil, invalid("provider %s: ca holds no certificate in PEM", s.where)
		}
		config.RootCAs = pool
	}
	if l.pem[1] != "" {
		pair, err := tls.X509KeyPair([]byte(l.pem[1]), []byte(l.pem[2]))
		if err != nil {
			// The cause may quote what it could not read.
			return nil, invalid("provider %s: certificate and key are no pair in PEM", s.where)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	dialer := &net.Dialer{Timeout: s.options.Timeout, Control: outbound.Guard(s.options.LinkLocal)}
	return &http.Client{
		Transport: &http.Transport{
			Proxy: outbound.Proxy(s.options.LinkLocal), DialContext: dialer.DialContext, TLSClientConfig: config,
			TLSHandshakeTimeout: s.options.Timeout, ResponseHeaderTimeout: s.options.Timeout,
			MaxIdleConnsPerHost: s.options.Concurrent, MaxConnsPerHost: s.options.Concurrent,
			IdleConnTimeout: 90 * time.Second, MaxResponseHeaderBytes: 64 << 10, ForceAttemptHTTP2: true,
		},
		CheckRedirect: redirected,
	}, nil
}

var (
	errElsewhere = errors.New("it redirects to another address; write that one into the provider's url")
	errCircle    = errors.New("it redirects in a circle")
)

// redirected lets redirects within the host pass, up to three.
func redirected(req *http.Request, via []*http.Request) error {
	if req.URL.Host != via[0].URL.Host || req.URL.Scheme != via[0].URL.Scheme {
		return errElsewhere
	}
	if len(via) > 3 {
		return errCircle
	}
	return nil
}

// authorize adds the credentials and the headers to a request.
func (s *Server) authorize(req *http.Request, l *link) {
	o := &s.options
	switch {
	case o.Token != nil:
		req.Header.Set("Authorization", "Bearer "+l.token)
	case o.Username != "" || o.Password != nil:
		req.SetBasicAuth(l.username, l.password)
	}
	for _, h := range l.headers {
		if strings.EqualFold(h.Name, "Host") {
			req.Host = h.Value
			continue
		}
		req.Header.Set(h.Name, h.Value)
	}
}

// failed says why a request brought no answer, without the address that it was
// sent to: that is long, and its query says nothing about the failure.
func (s *Server) failed(ctx context.Context, l *link, err error) *experiment.Error {
	switch {
	case errors.Is(err, errElsewhere):
		return invalid("ask %s: %w", s.where, errElsewhere)
	case errors.Is(err, outbound.ErrLinkLocal):
		return invalid("ask %s: %w", s.where, outbound.ErrLinkLocal)
	case errors.Is(ctx.Err(), context.DeadlineExceeded), timedOut(err):
		return unavailable("ask %s: no answer within %s", s.where, s.options.Timeout)
	}
	return unavailable("ask %s: %s", s.where, l.secretless(reason(err)))
}

// timedOut says whether a step of the way took as long as all of it may.
func timedOut(err error) bool {
	e, ok := errors.AsType[net.Error](err)
	return ok && e.Timeout()
}

// reason is the innermost of net/http's errors that says something. What stands
// in quotes is the server's, and may be what it was asked.
func reason(err error) string {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	text, _, _ := strings.Cut(err.Error(), `"`)
	return Short(strings.TrimRight(text, " :"))
}
