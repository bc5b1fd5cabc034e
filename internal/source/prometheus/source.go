// SPDX-License-Identifier: Apache-2.0

package prometheus

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/source/remote"
)

// Options say how a provider is read. Zero values mean the defaults named.
type Options struct {
	Provider experiment.PrometheusProvider
	// Secrets gives the value of a secret. It is asked again every minute, and
	// after an answer of 401, so that rotated secrets are noticed. Nil refuses
	// providers that name one.
	Secrets func(context.Context, experiment.Secret) (string, error)
	// Timeout bounds one query (10 s), MaxBody its answer in bytes, unpacked
	// (16 MiB), Concurrent the queries under way (4).
	Timeout    time.Duration
	MaxBody    int64
	Concurrent int
	// Windows bounds how many windows are read at once after a pause (60).
	Windows int64
	// Failures in a row open the breaker (3): for Backoff (1 s), then twice as
	// long with every failed trial, up to a minute.
	Failures int
	Backoff  time.Duration
	// LinkLocal allows addresses of the link.
	LinkLocal bool
	// Transport answers in place of a connection; nil connects.
	Transport http.RoundTripper
	// Closed is called as the source is closed; nil is nothing.
	Closed func()
}

// Source reads one provider, for any number of experiments at once.
type Source struct {
	options Options
	server  *remote.Server
	breaker *remote.Breaker
}

// New checks a provider's settings. It asks nothing of the provider yet.
func New(o Options) (*Source, error) {
	remote.OrElse(&o.Provider.Delay, experiment.DefaultDelay)
	remote.OrElse(&o.Windows, 60)
	p := &o.Provider
	settings := remote.Options{
		URL: strings.TrimRight(p.URL, "/"), Username: p.Username, Password: p.Password, Token: p.Token,
		CA: p.CA, Certificate: p.Certificate, Key: p.Key, Secrets: o.Secrets,
		Timeout: o.Timeout, MaxBody: o.MaxBody, Concurrent: o.Concurrent, LinkLocal: o.LinkLocal,
		Transport: o.Transport,
	}
	if p.Tenant != "" {
		settings.Headers = []experiment.NameValue{{Name: "X-Scope-OrgID", Value: p.Tenant}}
	}
	server, err := remote.New(settings)
	switch {
	case err != nil:
		return nil, err
	case strings.ContainsAny(p.URL, "?#"):
		return nil, invalid("the provider's address %s has a query or fragment", server.Where())
	case p.Scrape <= 0:
		return nil, invalid("provider %s: scrape is %v", server.Where(), p.Scrape).WithHint("it is the longest time between two samples of a series, such as 15s")
	}
	return &Source{options: o, server: server, breaker: remote.NewBreaker(o.Failures, o.Backoff)}, nil
}

// Hold is how long after its end a window is read.
func (s *Source) Hold() time.Duration { return s.options.Provider.Hold() }

// hole is the time between two samples beyond which a series was not seen. It
// ends before Hold does, so that a window is cut the same by whoever reads it.
func (s *Source) hole() time.Duration {
	return 2*s.options.Provider.Scrape + min(s.options.Provider.Scrape, s.options.Provider.Delay)/2
}

// Open says whether the breaker is open: the provider failed several times in a
// row and is tried now and then.
func (s *Source) Open() bool { return s.breaker.Open() }

// Close gives idle connections back.
func (s *Source) Close() {
	s.server.Close()
	if s.options.Closed != nil {
		s.options.Closed()
	}
}

func invalid(format string, args ...any) *experiment.Error {
	return experiment.Errorf(experiment.CodeInvalid, format, args...)
}

func unavailable(format string, args ...any) *experiment.Error {
	return experiment.Errorf(experiment.CodeUnavailable, format, args...)
}
