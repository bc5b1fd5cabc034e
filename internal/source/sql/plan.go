// SPDX-License-Identifier: Apache-2.0

package sql

import (
	"context"
	"fmt"
	"time"

	"github.com/headgate-dev/headgate/internal/engine"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/source/remote"
)

// budget is the time after which no further window is begun in one reading: the
// next one goes on.
const budget = 10 * time.Second

// Plan reads what one plan wants of a database.
type Plan struct {
	source  *Source
	plan    *experiment.Plan
	metrics []metric
}

type metric struct {
	name  string
	form  experiment.SQLForm
	query *query
}

// Metrics reads the plan's metrics of the provider of that name. The error, of
// code invalid, says which of them cannot be asked for.
func (s *Source) Metrics(p *experiment.Plan, provider string) (*Plan, error) {
	out := &Plan{source: s, plan: p}
	for i := range p.Metrics {
		m := &p.Metrics[i]
		if m.Provider == nil || m.Provider.SQL == nil || m.Provider.Provider != provider {
			continue
		}
		q, err := prepare(m.Provider.SQL.Query, !p.Strict)
		if err != nil {
			return nil, fmt.Errorf("metric %s: %w", m.Name, err)
		}
		if columnsOf(m.Provider.SQL.Form) == nil {
			return nil, invalid("metric %s: no form %q", m.Name, m.Provider.SQL.Form).WithHint("there are units, moments, counts and value")
		}
		out.metrics = append(out.metrics, metric{name: m.Name, form: m.Provider.SQL.Form, query: q})
	}
	return out, nil
}

// ask runs a metric's query. What is wrong with it is told with the metric's
// name.
func (p *Plan) ask(ctx context.Context, at session, m *metric, from, to time.Time) (*tally, error) {
	t := newTally(p.plan, m.form)
	err := at.query(ctx, m.query, from, to, &bounded{rows: t})
	if err == nil {
		err = t.done()
	}
	if err != nil {
		return nil, fmt.Errorf("metric %s: %w", m.name, err)
	}
	return t, nil
}

// Seal is an engine.Reader: it reads the windows that have matured at now, in
// order. It stops before the first that cannot be read; an error means that none
// could, and that the same are to be asked for again.
func (p *Plan) Seal(ctx context.Context, w engine.Wanted, now time.Time) (experiment.Seal, error) {
	span := remote.SpanOf(p.plan, w)
	seal := span.Nothing()
	to := min(span.Matured(now, p.source.Hold()), span.From+p.source.options.Windows)
	if to <= span.From || len(p.metrics) == 0 {
		seal.To = max(seal.To, to)
		return seal, nil
	}
	at, err := remote.Guarded(ctx, p.source.breaker, p.source.open)
	if err != nil {
		return seal, err
	}
	defer at.close()
	begun := time.Now()
	for window := span.From; window < to && (window == span.From || time.Since(begun) < budget); window++ {
		read, err := remote.Guarded(ctx, p.source.breaker, func(ctx context.Context) (experiment.Seal, error) {
			return p.window(ctx, at, &span, window)
		})
		if err != nil {
			if window > span.From {
				break // What was read stands; the next reading says why it stops here.
			}
			return span.Nothing(), err
		}
		seal.To = window + 1
		seal.Cells, seal.Gaps = append(seal.Cells, read.Cells...), append(seal.Gaps, read.Gaps...)
	}
	seal.Gaps = experiment.MergeGaps(seal.Gaps, seal.From, seal.To)
	return seal, nil
}

// window reads all metrics of one window.
func (p *Plan) window(ctx context.Context, at session, span *remote.Span, window int64) (seal experiment.Seal, err error) {
	ctx, cancel := context.WithTimeout(ctx, remote.Patience(p.source.timeout))
	defer cancel()
	from, to := span.Edges(window)
	for i := range p.metrics {
		m := &p.metrics[i]
		t, err := p.ask(ctx, at, m, from, to)
		if err != nil {
			return seal, err
		}
		for v := range p.plan.Versions {
			switch told := t.told(v); {
			case told.Some:
				seal.Cells = append(seal.Cells, span.Cell(window, v, m.name, told.Evidence))
			case told.Why != "" && span.Asked[v]:
				seal.Gaps = append(seal.Gaps, remote.Gap(window, fmt.Sprintf("%s of %s %s", m.name, span.Names[v], told.Why)))
			}
		}
	}
	return seal, nil
}

// Points asks for every metric as of a moment: :from is the time of the first
// iteration, :to is now. One query tells of all versions, so it fails for all.
func (p *Plan) Points(ctx context.Context, moment experiment.Moment) []experiment.Reading {
	var out []experiment.Reading
	fail := func(m *metric, err error) {
		for v := range p.plan.Versions {
			out = append(out, experiment.Reading{Metric: m.name, Version: v, Failed: remote.Why(err)})
		}
	}
	if len(p.metrics) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, remote.Patience(p.source.timeout))
	defer cancel()
	at, err := remote.Guarded(ctx, p.source.breaker, p.source.open)
	if err == nil {
		defer at.close()
	}
	from := moment.Now.Add(-time.Duration(moment.Elapsed) * time.Second)
	for i := range p.metrics {
		m := &p.metrics[i]
		if err != nil {
			fail(m, err)
			continue
		}
		t, failed := remote.Guarded(ctx, p.source.breaker, func(ctx context.Context) (*tally, error) { return p.ask(ctx, at, m, from, moment.Now) })
		if failed != nil {
			fail(m, failed)
			continue
		}
		for v := range p.plan.Versions {
			out = append(out, experiment.Reading{Metric: m.name, Version: v, Value: t.point(v)})
		}
	}
	return out
}
