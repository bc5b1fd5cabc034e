// SPDX-License-Identifier: Apache-2.0

package sources

import (
	"context"
	"encoding/json"
	"sync"

	prom "github.com/prometheus/client_golang/prometheus"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/source/embedded"
	"github.com/headgate-dev/headgate/internal/source/http"
	"github.com/headgate-dev/headgate/internal/source/prometheus"
	"github.com/headgate-dev/headgate/internal/source/sql"
)

// source is a provider of any kind.
type source interface {
	// Open says whether its breaker is open.
	Open() bool
	Close()
}

// Shared are providers that several plans read. The zero value has none.
type Shared struct {
	mu sync.Mutex
	at map[string]*shared
}

type shared struct {
	source
	users int
}

// Register shows how many providers are not asked, because they failed several
// times in a row, as the metric headgate_breakers_open.
func (s *Shared) Register(registry prom.Registerer) error {
	return registry.Register(prom.NewGaugeFunc(prom.GaugeOpts{
		Name: "headgate_breakers_open", Help: "Providers that failed several times in a row and are only tried now and then.",
	}, func() float64 { return float64(s.broken()) }))
}

func (s *Shared) broken() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, at := range s.at {
		if at.Open() {
			n++
		}
	}
	return n
}

// open gives the source of a provider, and what gives it back.
func (s *Shared) open(namespace string, p *experiment.Provider, o *Options) (source, func(), error) {
	named := *p
	named.Name = "" // Another name makes it no other provider.
	text, err := json.Marshal(named)
	if err != nil {
		return nil, nil, experiment.Errorf(experiment.CodeInternal, "name a provider: %w", err)
	}
	key := namespace + " " + string(text) // Its secrets are the namespace's.
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.at[key]
	if at == nil {
		made, err := connect(p, o)
		if err != nil {
			return nil, nil, err
		}
		if s.at == nil {
			s.at = make(map[string]*shared)
		}
		at = &shared{source: made}
		s.at[key] = at
	}
	at.users++
	return at.source, sync.OnceFunc(func() { s.release(key) }), nil
}

func (s *Shared) release(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.at[key]
	if at.users--; at.users == 0 {
		at.Close()
		delete(s.at, key)
	}
}

// connect makes the source of a provider.
func connect(p *experiment.Provider, o *Options) (source, error) {
	switch {
	case p.Prometheus != nil && len(p.Prometheus.Targets) > 0:
		return scraped(p.Prometheus)
	case p.Prometheus != nil:
		return orNil(prometheus.New(prometheus.Options{Provider: *p.Prometheus, Secrets: o.Secrets, LinkLocal: !o.Cluster}))
	case p.HTTP != nil:
		return orNil(http.New(http.Options{Provider: *p.HTTP, Secrets: o.Secrets, LinkLocal: !o.Cluster}))
	case p.SQL != nil:
		return orNil(sql.New(sql.Options{Provider: *p.SQL, Secrets: o.Secrets, Cluster: o.Cluster}))
	}
	return nil, invalid("provider %q is of no kind", p.Name)
}

// scraped is a Prometheus in this process, which scrapes a provider's targets until
// it is closed.
func scraped(p *experiment.PrometheusProvider) (source, error) {
	server, err := embedded.New(embedded.Options{Targets: p.Targets, Every: p.Scrape})
	if err != nil {
		return nil, err
	}
	named := *p
	named.URL = embedded.Address
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	made, err := prometheus.New(prometheus.Options{Provider: named, Transport: server, Closed: func() { stop(); <-done }})
	if err != nil {
		stop()
		return nil, err
	}
	go func() {
		defer close(done)
		server.Run(ctx)
	}()
	return made, nil
}

// orNil keeps a nil pointer from becoming a source.
func orNil[S source](made S, err error) (source, error) {
	if err != nil {
		return nil, err
	}
	return made, nil
}

// ofCluster refuses what only whoever runs this process may name.
func ofCluster(p *experiment.Plan) error {
	for i := range p.Providers {
		x := &p.Providers[i]
		if x.SQL != nil && x.SQL.SQLite != "" {
			return invalid("provider %s: in a cluster there are no SQLite files", x.Name).
				WithHint("use postgres: {name: SECRET, key: KEY}, whose value is a URL")
		}
		if x.Prometheus != nil && len(x.Prometheus.Targets) > 0 {
			return invalid("provider %s: in a cluster nothing is scraped here", x.Name).
				WithHint("give the url of a Prometheus")
		}
		for _, secret := range secretsOf(x) {
			if secret != nil && (secret.Env != "" || secret.File != "") {
				return invalid("provider %s: in a cluster a secret is a key of a Secret object", x.Name).
					WithHint("write {name: NAME, key: KEY}")
			}
		}
	}
	return nil
}

// secretsOf lists the secrets that a provider names; some may be nil.
func secretsOf(p *experiment.Provider) []*experiment.Secret {
	var out []*experiment.Secret
	if x := p.Prometheus; x != nil {
		out = append(out, x.Password, x.Token, x.CA, x.Certificate, x.Key)
	}
	if x := p.HTTP; x != nil {
		out = append(out, x.Password, x.Token, x.CA, x.Certificate, x.Key)
		for i := range x.Secrets {
			out = append(out, &x.Secrets[i].Secret)
		}
	}
	if x := p.SQL; x != nil {
		out = append(out, x.Postgres)
	}
	return out
}
