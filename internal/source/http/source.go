// SPDX-License-Identifier: Apache-2.0

package http

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/source/remote"
)

const (
	// defaultTimeout bounds a question where the provider does not say.
	defaultTimeout = 5 * time.Second
	// maxBody bounds an answer, in bytes: numbers are short.
	maxBody = 4 << 20
)

// Options say how a provider is read. Zero values mean the defaults named.
type Options struct {
	Provider experiment.HTTPProvider
	// Secrets gives the value of a secret. It is asked again every minute, and
	// after an answer of 401. Nil refuses providers that name one.
	Secrets func(context.Context, experiment.Secret) (string, error)
	// Concurrent bounds the questions under way (4), Windows how many windows are
	// read at once after a pause (60).
	Concurrent int
	Windows    int64
	// Failures in a row open the breaker (3), for Backoff (1 s) and longer.
	Failures int
	Backoff  time.Duration
	// LinkLocal allows addresses of the link.
	LinkLocal bool
}

// Source reads one provider, for any number of experiments at once.
type Source struct {
	options Options
	server  *remote.Server
	breaker *remote.Breaker
}

// New checks a provider's settings. It asks nothing of the provider yet.
func New(o Options) (*Source, error) {
	remote.OrElse(&o.Windows, 60)
	p := &o.Provider
	server, err := remote.New(remote.Options{
		URL: p.URL, Headers: p.Headers, Named: p.Secrets, Username: p.Username, Password: p.Password, Token: p.Token,
		CA: p.CA, Certificate: p.Certificate, Key: p.Key, Secrets: o.Secrets,
		Timeout: cmp.Or(p.Timeout, defaultTimeout), MaxBody: maxBody, Concurrent: o.Concurrent, LinkLocal: o.LinkLocal,
	})
	if err != nil {
		return nil, err
	}
	return &Source{options: o, server: server, breaker: remote.NewBreaker(o.Failures, o.Backoff)}, nil
}

// Hold is how long after its end a window is read.
func (s *Source) Hold() time.Duration { return s.options.Provider.Hold() }

// Open says whether the breaker is open.
func (s *Source) Open() bool { return s.breaker.Open() }

// Close gives idle connections back.
func (s *Source) Close() { s.server.Close() }

// ask asks for one metric of one version, its words for time filled in, and gives
// the JSON that is the answer. What the server says beside it is not repeated.
func (s *Source) ask(ctx context.Context, q *experiment.HTTPQuery, v int, fill func(string) string) (any, error) {
	question := remote.Question{Method: q.Method, Query: url.Values{}}
	if len(q.Path) > 0 {
		question.Path = fill(q.Path[v])
	}
	if len(q.Params) > 0 {
		for _, p := range q.Params[v] {
			question.Query.Add(p.Name, fill(p.Value))
		}
	}
	if len(q.Body) > 0 {
		question.Body = fill(q.Body[v])
	}
	answer, err := s.server.Ask(ctx, question)
	if err != nil {
		if e, ok := errors.AsType[*experiment.Error](err); ok && errors.Is(err, remote.ErrTooLarge) {
			return nil, e.WithHint("ask for the number alone")
		}
		return nil, err
	}
	if err := s.judge(answer.Status); err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(answer.Body))
	d.UseNumber()
	var value any
	if err := d.Decode(&value); err != nil {
		return nil, s.noJSON()
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, s.noJSON()
	}
	return value, nil
}

// tooSlow is what a window fails with whose questions take too long together.
func (s *Source) tooSlow() error {
	timeout := s.server.Timeout()
	return experiment.Errorf(experiment.CodeUnavailable, "ask %s: the metrics of a window were not told within %v", s.server.Where(), remote.Patience(timeout)).
		WithHint("have the provider answer sooner, or read fewer metrics from it")
}

func (s *Source) noJSON() error {
	return experiment.Errorf(experiment.CodeUnavailable, "ask %s: the answer is not JSON", s.server.Where()).
		WithHint("a page to sign in at looks like that, and so does a wrong path")
}

// judge sorts statuses: what a person must mend, and what mends itself.
func (s *Source) judge(status int) error {
	code, hint := experiment.CodeInvalid, "check the provider's url and the metric's path, params and body"
	switch {
	case status < http.StatusBadRequest:
		return nil
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		code, hint = experiment.CodeUnauthorized, "check the provider's username, password, token, certificate and headers"
	case status == http.StatusRequestTimeout, status == http.StatusTooEarly, status == http.StatusTooManyRequests, status >= http.StatusInternalServerError:
		code, hint = experiment.CodeUnavailable, "it is asked again"
	}
	return experiment.Errorf(code, "ask %s: status %d: %s", s.server.Where(), status, http.StatusText(status)).WithHint("%s", hint)
}
