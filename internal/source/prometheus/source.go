// SPDX-License-Identifier: Apache-2.0

package prometheus

import (
	"context"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
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
}

func (o *Options) setDefaults() {
	orElse(&o.Timeout, 10*time.Second)
	orElse(&o.MaxBody, 16<<20)
	orElse(&o.Concurrent, 4)
	orElse(&o.Provider.Delay, experiment.DefaultDelay)
	orElse(&o.Windows, 60)
	orElse(&o.Failures, 3)
	orElse(&o.Backoff, time.Second)
}

func orElse[T int | int64 | time.Duration](v *T, otherwise T) {
	if *v <= 0 {
		*v = otherwise
	}
}

// Source reads one provider, for any number of experiments at once.
type Source struct {
	options Options
	base    *url.URL
	places  chan struct{}
	breaker breaker

	mu   sync.Mutex
	link *link
}

// New checks a provider's settings. It asks nothing of the provider yet.
func New(o Options) (*Source, error) {
	o.setDefaults()
	p := &o.Provider
	base, err := url.Parse(p.URL)
	switch {
	case err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https":
		return nil, invalid("the provider's address is no URL of http or https")
	case base.User != nil:
		return nil, invalid("the provider's address carries credentials").WithHint("put them into username and password: addresses are shown to people")
	case base.RawQuery != "" || base.Fragment != "":
		return nil, invalid("the provider's address %s has a query or fragment", where(base))
	case p.Scrape <= 0:
		return nil, invalid("provider %s: scrape is %v", where(base), p.Scrape).WithHint("it is the longest time between two samples of a series, such as 15s")
	case p.Token != nil && p.Password != nil:
		return nil, invalid("provider %s has a token and a password", where(base)).WithHint("give one of them")
	case (p.Certificate == nil) != (p.Key == nil):
		return nil, invalid("provider %s: certificate and key go together", where(base))
	case base.Scheme == "http" && (p.CA != nil || p.Certificate != nil):
		return nil, invalid("provider %s: certificates need https", where(base))
	case o.Secrets == nil && (p.Token != nil || p.Password != nil || p.CA != nil || p.Certificate != nil):
		return nil, invalid("provider %s names secrets, and nobody reads them here", where(base))
	}
	base.Path = strings.TrimRight(base.Path, "/")
	return &Source{
		options: o, base: base, places: make(chan struct{}, o.Concurrent),
		breaker: breaker{limit: o.Failures, first: o.Backoff},
	}, nil
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
func (s *Source) Open() bool { return s.breaker.open() }

// Close gives idle connections back.
func (s *Source) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.link != nil {
		s.link.client.CloseIdleConnections()
		s.link = nil
	}
}

// where is an address as it may be shown.
func where(u *url.URL) string { return u.Scheme + "://" + u.Host + u.Path }

func invalid(format string, args ...any) *experiment.Error {
	return experiment.Errorf(experiment.CodeInvalid, format, args...)
}

func unavailable(format string, args ...any) *experiment.Error {
	return experiment.Errorf(experiment.CodeUnavailable, format, args...)
}
