// SPDX-License-Identifier: Apache-2.0

package prometheus

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/headgate-dev/headgate/internal/engine"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/router/pack"
)

// Plan reads what one plan wants of its providers.
type Plan struct {
	plan *experiment.Plan
	// requests are what the router's pack reads; empty where Headgate's own
	// gateway counts requests.
	requests []pack.Read
	// sources are the plan's providers, by name.
	sources map[string]*Source
}

// ForPlan reads a plan's requests, where its router has a pack, and its
// providers' metrics, from sources by the providers' names. The error says what
// of the plan no source is there for.
func ForPlan(p *experiment.Plan, sources map[string]*Source) (*Plan, error) {
	out := &Plan{plan: p, sources: sources}
	wanted := map[string]bool{}
	if p.Router.Kind() != experiment.RouterGateway {
		k, err := pack.For(p, p.Router.Pack, pack.Options{})
		if err != nil {
			return nil, err
		}
		if out.requests, err = k.Reads(p); err != nil {
			return nil, err
		}
		wanted[p.Pack()] = true
	}
	for i := range p.Metrics {
		if m := p.Metrics[i].Provider; m != nil {
			wanted[m.Provider] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		switch {
		case sources[name] != nil:
		case name == experiment.DefaultProvider:
			return nil, experiment.Errorf(experiment.CodeInvalid, "%s: metrics are read from a provider, and there is none", p.ID()).
				WithHint("declare one in spec.providers, or start with --prometheus URL")
		default:
			return nil, experiment.Errorf(experiment.CodeInvalid, "%s: there is no provider %q", p.ID(), name)
		}
	}
	return out, nil
}

// Seal is an engine.Reader of requests (where they come by a pack) and of
// metrics. A window of metrics is sealed when every provider has it.
func (p *Plan) Seal(ctx context.Context, w engine.Wanted, now time.Time) (experiment.Seal, error) {
	switch w.Source {
	case experiment.SourceGateway:
		return p.ask(ctx, p.plan.Pack(), p.requests, w, now)
	case experiment.SourceMetrics:
		return p.metrics(ctx, w, now)
	}
	return experiment.Seal{}, experiment.Errorf(experiment.CodeInternal, "a provider tells nothing of %s", w.Source)
}

func (p *Plan) metrics(ctx context.Context, w engine.Wanted, now time.Time) (experiment.Seal, error) {
	all := experiment.Seal{Source: w.Source, Epoch: w.Phase.Epoch, Phase: w.Phase.Phase, From: w.From, To: -1}
	for _, name := range slices.Sorted(maps.Keys(p.sources)) {
		reads := MetricReads(p.plan, name)
		if len(reads) == 0 {
			continue
		}
		s, err := p.ask(ctx, name, reads, w, now)
		if err != nil {
			return all, err
		}
		if all.To < 0 || s.To < all.To {
			all.To = s.To
		}
		all.Cells, all.Gaps = append(all.Cells, s.Cells...), append(all.Gaps, s.Gaps...)
	}
	all.To = max(all.To, all.From)
	all.Cells = slices.DeleteFunc(all.Cells, func(c experiment.Cell) bool { return c.Window >= all.To })
	all.Gaps = experiment.MergeGaps(all.Gaps, all.From, all.To)
	return all, nil
}

func (p *Plan) ask(ctx context.Context, provider string, reads []pack.Read, w engine.Wanted, now time.Time) (experiment.Seal, error) {
	return p.sources[provider].Seal(ctx, QueryOf(p.plan, w.Totals, w.Index, w.Source, reads), now)
}
