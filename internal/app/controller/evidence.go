// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headgate-dev/headgate/api/kube"
	face "github.com/headgate-dev/headgate/internal/controller"
	"github.com/headgate-dev/headgate/internal/engine"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/source/ledger"
	"github.com/headgate-dev/headgate/internal/source/sources"
)

// providers opens what experiments are judged by. A provider that several name
// alike is one: its connections, its bound of queries and its breaker are shared.
type providers struct {
	secrets  client.Reader
	fallback *experiment.PrometheusProvider
	// ledger is the one of Headgate's own gateways; nil where there is none.
	ledger *ledger.Source
	shared sources.Shared
}

// open connects to the providers of a plan, and tells the ledger of a plan whose
// traffic Headgate's gateways carry, or of whose answers it hears: it must know it
// before the first exposure.
func (s *providers) open(ctx context.Context, owner *kube.Experiment, p *experiment.Plan) (face.Evidence, error) {
	set, err := sources.Open(ctx, p, sources.Options{
		Secrets: func(ctx context.Context, ref experiment.Secret) (string, error) {
			return s.secret(ctx, owner.Namespace, ref)
		},
		Fallback: s.fallback, Shared: &s.shared, Cluster: true,
	})
	if err != nil {
		return nil, err
	}
	e := &evidence{Set: set, carried: p.Router.Kind() == experiment.RouterGateway}
	if !e.carried && !p.Hears() {
		return e, nil
	}
	if s.ledger == nil {
		e.Close()
		what := "its predictions are told by events, and no ledger hears them"
		if e.carried {
			what = "gateways carry its traffic, and no ledger tells what they see"
		}
		return nil, experiment.Errorf(experiment.CodeInvalid, "%s: %s", p.ID(), what).
			WithHint("start headgate ledger, and the controller with --ledger URL")
	}
	if e.ledger, err = s.ledger.Open(ctx, p); err != nil {
		e.Close()
		return nil, err
	}
	return e, nil
}

// secret reads a key of a Secret in the experiment's own namespace. Files and
// the environment are the controller's, and no experiment's to read.
func (s *providers) secret(ctx context.Context, namespace string, ref experiment.Secret) (string, error) {
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

// followAgain is how often the ledger is told of the same phase: it may have been
// started anew.
const followAgain = 10 * time.Second

// evidence is what one plan is judged by.
type evidence struct {
	*sources.Set
	// ledger tells all but what providers do, or what it hears beside them; nil
	// where no gateway of ours carries the traffic and nothing is heard. carried
	// says that ours do.
	ledger  *ledger.Plan
	carried bool

	// phase is the one that the ledger was told of at told; deaf is why it does
	// not know.
	phase experiment.Phase
	told  time.Time
	deaf  error
}

// Follow implements controller.Follower.
func (e *evidence) Follow(ctx context.Context, phase experiment.Phase) {
	if e.ledger == nil || phase == e.phase && e.deaf == nil && time.Since(e.told) < followAgain {
		return
	}
	e.deaf = e.ledger.Follow(ctx, phase)
	e.phase, e.told = phase, time.Now()
}

// Seal is an engine.Reader.
func (e *evidence) Seal(ctx context.Context, w engine.Wanted, now time.Time) (experiment.Seal, error) {
	switch {
	case e.ledger == nil || w.Source == experiment.SourceMetrics:
		return e.Set.Seal(ctx, w, now)
	case e.deaf != nil:
		return experiment.Seal{}, e.deaf
	case e.carried || w.Source != experiment.SourceGateway:
		return e.ledger.Seal(ctx, w, now)
	}
	counted, err := e.Set.Seal(ctx, w, now)
	if err != nil {
		return counted, err
	}
	heard, err := e.ledger.Seal(ctx, w, now)
	if err != nil {
		e.told = time.Time{} // It may be started anew before its next turn.
		return heard, err
	}
	return experiment.MergeSeals(counted, heard), nil
}
