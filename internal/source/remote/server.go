// SPDX-License-Identifier: Apache-2.0

package remote

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Options say how a server is reached. Zero values mean the defaults named.
type Options struct {
	// URL is its address. In it, in Username and in the values of Headers, ${NAME}
	// stands for the secret of that name among Named; other texts of that form
	// stand for themselves.
	URL     string
	Headers []experiment.NameValue
	Named   []experiment.NamedSecret
	// Username and Password are for basic authentication, Token is a bearer's.
	Username        string
	Password, Token *experiment.Secret
	// CA verifies the server, beside the system's roots; Certificate and Key are
	// the client's own. All are PEM.
	CA, Certificate, Key *experiment.Secret
	// Secrets gives the value of a secret; nil refuses servers that name one.
	Secrets func(context.Context, experiment.Secret) (string, error)
	// Timeout bounds one question (10 s), MaxBody its answer in bytes, unpacked
	// (16 MiB), Concurrent the questions under way (4).
	Timeout    time.Duration
	MaxBody    int64
	Concurrent int
	// LinkLocal allows addresses of the link.
	LinkLocal bool
	// Transport answers in place of a connection; nil connects.
	Transport http.RoundTripper
}

// OrElse sets what is not positive to a default.
func OrElse[T int | int64 | time.Duration](v *T, otherwise T) {
	if *v <= 0 {
		*v = otherwise
	}
}

// Server is asked by any number of callers at once.
type Server struct {
	options Options
	where   string
	places  chan struct{}

	mu   sync.Mutex
	link *link
}

// New checks the settings. Nothing is asked yet.
func New(o Options) (*Server, error) {
	OrElse(&o.Timeout, 10*time.Second)
	OrElse(&o.MaxBody, 16<<20)
	OrElse(&o.Concurrent, 4)
	s := &Server{options: o, where: shown(o.URL), places: make(chan struct{}, o.Concurrent)}
	secrets := len(o.Named) > 0
	for _, secret := range []*experiment.Secret{o.Password, o.Token, o.CA, o.Certificate, o.Key} {
		secrets = secrets || secret != nil
	}
	plain := strings.HasPrefix(strings.ToLower(o.URL), "http:")
	switch {
	case o.Token != nil && o.Password != nil:
		return nil, invalid("provider %s has a token and a password", s.where).WithHint("give one of them")
	case (o.Certificate == nil) != (o.Key == nil):
		return nil, invalid("provider %s: certificate and key go together", s.where)
	case plain && (o.CA != nil || o.Certificate != nil):
		return nil, invalid("provider %s: certificates need https", s.where)
	case o.Secrets == nil && secrets:
		return nil, invalid("provider %s names secrets, and nobody reads them here", s.where)
	}
	if !strings.Contains(o.URL, "${") {
		if _, err := s.address(o.URL); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Where is the server's address as it may be shown: without a query, and with
// the names of secrets, never their values.
func (s *Server) Where() string { return s.where }

// Timeout bounds one question.
func (s *Server) Timeout() time.Duration { return s.options.Timeout }

func shown(address string) string {
	if end := strings.IndexAny(address, "?#"); end >= 0 {
		address = address[:end]
	}
	if scheme, rest, ok := strings.Cut(address, "://"); ok {
		host, path, slash := strings.Cut(rest, "/")
		if at := strings.LastIndex(host, "@"); at >= 0 {
			host = host[at+1:] // What stands before it may be a password.
		}
		address = scheme + "://" + host
		if slash {
			address += "/" + path
		}
	}
	return Short(strings.TrimRight(address, "/"))
}

// address reads the server's address once secrets are filled in. What cannot be
// read may be a secret, so it is not repeated.
func (s *Server) address(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https":
		return nil, invalid("the provider's address is no URL of http or https")
	case u.User != nil:
		return nil, invalid("the provider's address carries credentials").WithHint("put them into username and password: addresses are shown to people")
	case u.Fragment != "":
		return nil, invalid("the provider's address %s has a fragment", s.where)
	}
	return u, nil
}

// Question is what is asked.
type Question struct {
	// Method is GET where it is empty.
	Method string
	// Path is added to the server's; it may have a query of its own, to which
	// Query is added, as it is to the server's.
	Path  string
	Query url.Values
	Body  string
}

// Answer is what the server said, whatever its status.
type Answer struct {
	Status int
	Body   []byte
	link   *link
}

// Secretless takes the secrets and the values of headers out of what a server
// said.
func (a *Answer) Secretless(text string) string { return a.link.secretless(text) }

// ErrTooLarge is an answer of more bytes than are taken.
var ErrTooLarge = errors.New("the answer is too large")

// Ask asks one thing, when there is a place for it. An error means that there is
// no answer: its code is unavailable where that may mend itself, else invalid.
func (s *Server) Ask(ctx context.Context, q Question) (*Answer, error) {
	select {
	case s.places <- struct{}{}:
		defer func() { <-s.places }()
	case <-ctx.Done():
		return nil, unavailable("ask %s: %w", s.where, ctx.Err())
	}
	ctx, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	l, err := s.connect(ctx)
	if err != nil {
		return nil, err
	}
	req, err := s.request(ctx, l, &q)
	if err != nil {
		return nil, err
	}
	resp, err := l.client.Do(req)
	if err != nil {
		return nil, s.failed(ctx, l, err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, s.options.MaxBody+1))
	switch {
	case err != nil:
		return nil, s.failed(ctx, l, err)
	case int64(len(body)) > s.options.MaxBody:
		return nil, invalid("ask %s: %w: more than %d MiB", s.where, ErrTooLarge, s.options.MaxBody>>20)
	}
	if resp.StatusCode == http.StatusUnauthorized {
		s.forget(l)
	}
	return &Answer{Status: resp.StatusCode, Body: body, link: l}, nil
}

// request puts a question into the form that is sent.
func (s *Server) request(ctx context.Context, l *link, q *Question) (*http.Request, error) {
	u, err := s.address(l.url)
	if err != nil {
		return nil, err
	}
	path, query, _ := strings.Cut(q.Path, "?")
	if path != "" {
		u = u.JoinPath(path)
	}
	u.RawQuery = joined(u.RawQuery, query, q.Query.Encode())
	method := q.Method
	if method == "" {
		method = http.MethodGet
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), strings.NewReader(q.Body))
	if err != nil {
		return nil, invalid("ask %s: the address, or the method %q, cannot be asked", s.where, Short(method))
	}
	if q.Body == "" {
		req.Body, req.GetBody, req.ContentLength = nil, nil, 0
	} else {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Accept", "application/json")
	s.authorize(req, l)
	return req, nil
}

// joined puts the parts of a query together.
func joined(parts ...string) string {
	var out []string
	for _, p := range parts {
		if p != "" {
			out = append(out, p)
		}
	}
	return strings.Join(out, "&")
}

// Close gives idle connections back.
func (s *Server) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.link != nil {
		s.link.client.CloseIdleConnections()
		s.link = nil
	}
}

// Short cuts what somebody said to a line that people can read.
func Short(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > 200 {
		text = strings.ToValidUTF8(text[:200], "") + "…"
	}
	return text
}
