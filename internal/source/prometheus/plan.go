// SPDX-License-Identifier: Apache-2.0

package prometheus

import (
	"context"
	"math"
	"net/url"
	"time"

	"github.com/headgate-dev/headgate/internal/engine"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/router/pack"
	"github.com/headgate-dev/headgate/internal/source/remote"
)

// Plan reads what one plan wants of a provider.
type Plan struct {
	source *Source
	plan   *experiment.Plan
	reads  []pack.Read
	// asked are the metrics of which a strict plan is told points.
	asked []*experiment.Metric
}

// Metrics reads the plan's metrics of the provider of that name.
func (s *Source) Metrics(p *experiment.Plan, provider string) *Plan {
	out := &Plan{source: s, plan: p, reads: MetricReads(p, provider)}
	for i := range p.Metrics {
		if m := &p.Metrics[i]; m.Provider != nil && m.Provider.Provider == provider && m.Provider.Prometheus != nil {
			out.asked = append(out.asked, m)
		}
	}
	return out
}

// Requests reads what the pack of the plan's router tells.
func (s *Source) Requests(p *experiment.Plan) (*Plan, error) {
	kit, err := pack.For(p, p.Router.Pack, pack.Options{})
	if err != nil {
		return nil, err
	}
	reads, err := kit.Reads(p)
	if err != nil {
		return nil, err
	}
	return &Plan{source: s, plan: p, reads: reads}, nil
}

// Seal is an engine.Reader.
func (p *Plan) Seal(ctx context.Context, w engine.Wanted, now time.Time) (experiment.Seal, error) {
	return p.source.Seal(ctx, QueryOf(p.plan, w.Totals, w.Index, w.Source, p.reads), now)
}

// Points asks for the plan's metrics as of a moment, for every version: for those
// that are a query. The words for time in it are filled in as WordElapsed has it.
func (p *Plan) Points(ctx context.Context, at experiment.Moment) []experiment.Reading {
	var asks []remote.Point
	for _, m := range p.asked {
		for v := range p.plan.Versions {
			asks = append(asks, remote.Point{Metric: m.Name, Version: v, Ask: func(ctx context.Context) (*float64, error) {
				return p.point(ctx, m, v, at)
			}})
		}
	}
	return remote.Points(ctx, p.source.breaker, p.source.server.Timeout(), asks)
}

// point asks for one metric of one version. An answer of several series is no
// answer to the question.
func (p *Plan) point(ctx context.Context, m *experiment.Metric, v int, at experiment.Moment) (*float64, error) {
	q := m.Provider.Prometheus
	if v >= len(q.Query) {
		return nil, invalid("metric %s has no query for version %d", m.Name, v)
	}
	said, err := p.source.answer(ctx, "query", anyNumber, url.Values{
		"query": {remote.FillMoment(q.Query[v], at)}, "time": {stamp(at.Now)},
	})
	switch {
	case err != nil:
		return nil, err
	case len(said.series) > 1:
		return nil, invalid("metric %s: the query gives %d series", m.Name, len(said.series)).WithHint("it must give one number; put sum(...) or the like around it")
	case len(said.series) == 0 || len(said.series[0].samples) == 0:
		return nil, nil
	}
	value := said.series[0].samples[0].value
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return nil, nil
	}
	return &value, nil
}
