// SPDX-License-Identifier: Apache-2.0

package sources

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/headgate-dev/headgate/internal/engine"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/source/http"
	"github.com/headgate-dev/headgate/internal/source/prometheus"
	"github.com/headgate-dev/headgate/internal/source/sql"
)

// Options say how a plan's providers are reached.
type Options struct {
	// Secrets gives the value of a secret of the plan's namespace.
	Secrets func(context.Context, experiment.Secret) (string, error)
	// Fallback is experiment.DefaultProvider, for plans that name none of their
	// own; nil where there is none.
	Fallback *experiment.PrometheusProvider
	// Shared are the providers of other plans; nil shares none.
	Shared *Shared
	// Cluster says that whoever wrote the plan is not who runs this process: it
	// may name no file or variable of this machine, and no address of the link.
	Cluster bool
	// Random is what mocks draw from; nil is a source of its own.
	Random rand.Source
}

// reader reads one plan's metrics of one provider.
type reader interface {
	Seal(ctx context.Context, w engine.Wanted, now time.Time) (experiment.Seal, error)
	Points(ctx context.Context, at experiment.Moment) []experiment.Reading
}

// Set are the providers of one plan.
type Set struct {
	plan *experiment.Plan
	// requests is what the router's pack reads; nil where Headgate's own gateway
	// counts requests, and in strict plans, which count none.
	requests *prometheus.Plan
	// metrics are by the providers' names, in order.
	metrics []reader
	mocks   mocks
	release []func()
}

// Open connects to the providers that a plan's metrics, and the pack of its
// router, are read from. Nothing is asked yet. The error, of code invalid, says
// what of the plan cannot be read here.
func Open(_ context.Context, p *experiment.Plan, o Options) (*Set, error) {
	if o.Cluster {
		if err := ofCluster(p); err != nil {
			return nil, err
		}
	}
	if o.Shared == nil {
		o.Shared = new(Shared)
	}
	s := &Set{plan: p, mocks: mocks{source: o.Random}}
	if err := s.open(&o); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *Set) open(o *Options) error {
	providers := slices.Clone(s.plan.Providers)
	wanted := s.wanted()
	if wanted[experiment.DefaultProvider] && o.Fallback != nil {
		providers = append(providers, experiment.Provider{Name: experiment.DefaultProvider, Prometheus: o.Fallback})
	}
	made := make(map[string]source)
	for i := range providers {
		at, release, err := o.Shared.open(s.plan.Namespace, &providers[i], o)
		if err != nil {
			return err
		}
		s.release = append(s.release, release)
		made[providers[i].Name] = at
	}
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		if err := s.read(name, made[name]); err != nil {
			return err
		}
	}
	return nil
}

// counts says whether a pack counts the plan's requests.
func (s *Set) counts() bool {
	return s.plan.Router.Kind() != experiment.RouterGateway && !s.plan.Strict
}

// wanted are the names of the providers that something is read from.
func (s *Set) wanted() map[string]bool {
	wanted := map[string]bool{}
	if s.counts() {
		wanted[s.plan.Pack()] = true
	}
	for i := range s.plan.Metrics {
		if m := s.plan.Metrics[i].Provider; m != nil && m.Load == nil && m.Mock == nil {
			wanted[m.Provider] = true
		}
	}
	return wanted
}

// read makes the readers of one provider.
func (s *Set) read(name string, at source) error {
	p := s.plan
	missing := func() error {
		if name == experiment.DefaultProvider {
			return invalid("%s: metrics are read from a provider, and there is none", p.ID()).
				WithHint("declare one in spec.providers, or start with --prometheus URL")
		}
		return invalid("%s: there is no provider %q", p.ID(), name)
	}
	if at == nil {
		return missing()
	}
	if s.counts() && p.Pack() == name {
		server, ok := at.(*prometheus.Source)
		if !ok {
			return missing()
		}
		var err error
		if s.requests, err = server.Requests(p); err != nil {
			return err
		}
	}
	asked := false
	for i := range p.Metrics {
		m := &p.Metrics[i]
		if m.Provider == nil || m.Provider.Load != nil || m.Provider.Mock != nil || m.Provider.Provider != name {
			continue
		}
		if asked = fits(m.Provider, at); !asked {
			return invalid("%s: metric %s is not of the kind of provider %q", p.ID(), m.Name, name)
		}
	}
	if !asked {
		return nil
	}
	made, err := metricsOf(p, name, at)
	if err != nil {
		return err
	}
	s.metrics = append(s.metrics, made)
	return nil
}

func fits(m *experiment.ProviderMetric, at source) bool {
	switch at.(type) {
	case *prometheus.Source:
		return m.Prometheus != nil
	case *http.Source:
		return m.HTTP != nil
	default:
		return m.SQL != nil
	}
}

func metricsOf(p *experiment.Plan, name string, at source) (reader, error) {
	switch at := at.(type) {
	case *prometheus.Source:
		return at.Metrics(p, name), nil
	case *http.Source:
		return at.Metrics(p, name)
	case *sql.Source:
		return at.Metrics(p, name)
	}
	return nil, experiment.Errorf(experiment.CodeInternal, "no source reads provider %q", name)
}

// Seal is an engine.Reader of requests (where they come by a pack) and of
// metrics.
func (s *Set) Seal(ctx context.Context, w engine.Wanted, now time.Time) (experiment.Seal, error) {
	switch {
	case w.Source == experiment.SourceGateway && s.requests != nil:
		return s.requests.Seal(ctx, w, now)
	case w.Source == experiment.SourceMetrics:
		return s.sealed(ctx, w, now)
	}
	return experiment.Seal{}, experiment.Errorf(experiment.CodeInternal, "a provider tells nothing of %s", w.Source)
}

// sealed merges the seals of all providers: a window of metrics is sealed when
// every provider has it.
func (s *Set) sealed(ctx context.Context, w engine.Wanted, now time.Time) (experiment.Seal, error) {
	none := experiment.Seal{Source: w.Source, Epoch: w.Phase.Epoch, Phase: w.Phase.Phase, From: w.From, To: w.From}
	all := make([]experiment.Seal, len(s.metrics))
	for i, r := range s.metrics {
		var err error
		if all[i], err = r.Seal(ctx, w, now); err != nil {
			return none, err
		}
	}
	if len(all) == 0 {
		return none, nil
	}
	return experiment.MergeSeals(all...), nil
}

// Points tells one number of every metric of a strict plan but those of its own
// load, for every version, in the plan's order. One that could not be had says
// why in its reading; there is no error beside.
func (s *Set) Points(ctx context.Context, at experiment.Moment) []experiment.Reading {
	told := make([][]experiment.Reading, len(s.metrics))
	var wg sync.WaitGroup
	for i, r := range s.metrics {
		wg.Go(func() { told[i] = r.Points(ctx, at) })
	}
	wg.Wait()
	type key struct {
		metric  string
		version int
	}
	known := make(map[key]experiment.Reading)
	for _, r := range slices.Concat(told...) {
		known[key{r.Metric, r.Version}] = r
	}
	var out []experiment.Reading
	for i := range s.plan.Metrics {
		m := &s.plan.Metrics[i]
		if m.Provider == nil || m.Provider.Load != nil {
			continue
		}
		for v := range s.plan.Versions {
			r, ok := known[key{m.Name, v}]
			switch {
			case m.Provider.Mock != nil:
				r = experiment.Reading{Metric: m.Name, Version: v, Value: s.mocks.draw(m.Provider.Mock, v, at.Elapsed)}
			case !ok:
				r = experiment.Reading{Metric: m.Name, Version: v, Failed: "no provider tells it"}
			}
			out = append(out, r)
		}
	}
	return out
}

// Close gives the providers back.
func (s *Set) Close() {
	for _, release := range s.release {
		release()
	}
	s.release = nil
}

func invalid(format string, args ...any) *experiment.Error {
	return experiment.Errorf(experiment.CodeInvalid, format, args...)
}
