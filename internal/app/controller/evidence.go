// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"time"

	prom "github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headgate-dev/headgate/api/kube"
	face "github.com/headgate-dev/headgate/internal/controller"
	"github.com/headgate-dev/headgate/internal/engine"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/source/ledger"
	"github.com/headgate-dev/headgate/internal/source/prometheus"
)

// sources opens what experiments are judged by. A provider that several name
// alike is one: its connections, its bound of queries and its breaker are shared.
type sources struct {
	secrets  client.Reader
	fallback *experiment.PrometheusProvider
	// ledger is the one of Headgate's own gateways; nil where there is none.
	ledger *ledger.Source

	mu     sync.Mutex
	shared map[string]*sharedSource
}

// sharedSource is a provider and how many experiments read it.
type sharedSource struct {
	*prometheus.Source
	users int
}

// open connects to the providers of a plan, and tells the ledger of a plan whose
// traffic Headgate's gateways carry: it must know it before the first exposure.
func (s *sources) open(ctx context.Context, owner *kube.Experiment, p *experiment.Plan) (face.Evidence, error) {
	e := &evidence{}
	made := map[string]*prometheus.Source{}
	for _, provider := range s.providers(p) {
		var err error
		if made[provider.Name], err = s.share(owner.Namespace, provider.Prometheus, e); err != nil {
			e.Close()
			return nil, err
		}
	}
	var err error
	if e.Plan, err = prometheus.ForPlan(p, made); err != nil {
		e.Close()
		return nil, err
	}
	if p.Router.Kind() != experiment.RouterGateway {
		return e, nil
	}
	if s.ledger == nil {
		e.Close()
		return nil, experiment.Errorf(experiment.CodeInvalid, "%s: gateways carry its traffic, and no ledger tells what they see", p.ID()).
			WithHint("start headgate ledger, and the controller with --ledger URL")
	}
	if e.ledger, err = s.ledger.Open(ctx, p); err != nil {
		e.Close()
		return nil, err
	}
	return e, nil
}

// share gives the source of a provider, which the evidence gives back when it is
// closed.
func (s *sources) share(namespace string, provider *experiment.PrometheusProvider, e *evidence) (*prometheus.Source, error) {
	text, err := json.Marshal(provider)
	if err != nil {
		return nil, experiment.Errorf(experiment.CodeInternal, "name a provider: %w", err)
	}
	key := namespace + " " + string(text) // Its secrets are the namespace's.
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.shared[key]
	if at == nil {
		secrets := func(ctx context.Context, ref experiment.Secret) (string, error) { return s.secret(ctx, namespace, ref) }
		made, err := prometheus.New(prometheus.Options{Provider: *provider, Secrets: secrets})
		if err != nil {
			return nil, err
		}
		if s.shared == nil {
			s.shared = make(map[string]*sharedSource)
		}
		at = &sharedSource{Source: made}
		s.shared[key] = at
	}
	at.users++
	e.close = append(e.close, func() { s.giveBack(key) })
	return at.Source, nil
}

// register shows how many providers are not asked, because they do not answer.
func (s *sources) register(registry prom.Registerer) error {
	return registry.Register(prom.NewGaugeFunc(prom.GaugeOpts{
		Name: "headgate_breakers_open", Help: "Providers that failed several times in a row and are only tried now and then.",
	}, func() float64 {
		s.mu.Lock()
		defer s.mu.Unlock()
		open := 0.
		for _, at := range s.shared {
			if at.Open() {
				open++
			}
		}
		return open
	}))
}

func (s *sources) giveBack(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.shared[key]
	if at.users--; at.users == 0 {
		at.Close()
		delete(s.shared, key)
	}
}

// providers are the plan's, and the controller's own where the plan names none.
func (s *sources) providers(p *experiment.Plan) []experiment.Provider {
	if len(p.Providers) == 0 && s.fallback != nil {
		return []experiment.Provider{{Prometheus: s.fallback}}
	}
	return p.Providers
}

// secret reads a key of a Secret in the experiment's own namespace. Files and
// the environment are the controller's, and no experiment's to read.
func (s *sources) secret(ctx context.Context, namespace string, ref experiment.Secret) (string, error) {
	if ref.Name == "" {
		return "", experiment.Errorf(experiment.CodeInvalid, "in a cluster a secret is a key of a Secret object").
			WithHint("write {name: NAME, key: KEY}")
	}
	var object corev1.Secret
	if err := s.secrets.Get(ctx, types.NamespacedName{Namespace: namespace, Name: ref.Name}, &object); err != nil {
		return "", experiment.Errorf(experiment.CodeUnavailable, "read secret %s/%s: %w", namespace, ref.Name, err)
	}
	value, ok := object.Data[ref.Key]
	if !ok {
		return "", experiment.Errorf(experiment.CodeInvalid, "secret %s/%s has no key %q", namespace, ref.Name, ref.Key)
	}
	return strings.TrimSpace(string(value)), nil
}

// evidence is what one plan is judged by.
type evidence struct {
	*prometheus.Plan
	// ledger tells all but what providers do; nil where no gateway of ours
	// carries the traffic.
	ledger *ledger.Plan
	close  []func()
}

// Seal is an engine.Reader.
func (e *evidence) Seal(ctx context.Context, w engine.Wanted, now time.Time) (experiment.Seal, error) {
	if e.ledger != nil && w.Source != experiment.SourceMetrics {
		return e.ledger.Seal(ctx, w, now)
	}
	return e.Plan.Seal(ctx, w, now)
}

// Close gives the providers back.
func (e *evidence) Close() {
	for _, done := range e.close {
		done()
	}
	e.close = nil
}
