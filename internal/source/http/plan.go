// SPDX-License-Identifier: Apache-2.0

package http

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/jq"
	"github.com/headgate-dev/headgate/internal/source/remote"
)

// Plan reads what one plan wants of a provider.
type Plan struct {
	source  *Source
	plan    *experiment.Plan
	metrics []metric
}

// metric is one that is asked for, its jq compiled.
type metric struct {
	name  string
	query *experiment.HTTPQuery
	finds []find
}

// find is one number of an answer.
type find struct {
	what string
	code *jq.Code
}

// Metrics reads the plan's metrics of the provider of that name. The error, of
// code invalid, says which of them cannot be asked for.
func (s *Source) Metrics(p *experiment.Plan, provider string) (*Plan, error) {
	out := &Plan{source: s, plan: p}
	for i := range p.Metrics {
		m := &p.Metrics[i]
		if m.Provider == nil || m.Provider.HTTP == nil || m.Provider.Provider != provider {
			continue
		}
		made, err := compile(m.Name, m.Provider.HTTP, len(p.Versions))
		if err != nil {
			return nil, err
		}
		out.metrics = append(out.metrics, made)
	}
	return out, nil
}

func compile(name string, q *experiment.HTTPQuery, versions int) (metric, error) {
	m := metric{name: name, query: q}
	for _, n := range []int{len(q.Path), len(q.Params), len(q.Body)} {
		if n != 0 && n != versions {
			return m, invalid("metric %s: %d texts for %d versions", name, n, versions)
		}
	}
	for _, x := range []struct{ what, text string }{
		{"value", q.Value}, {"events", q.Events}, {"total", q.Total}, {"sum", q.Sum}, {"count", q.Count}, {"squares", q.Squares},
	} {
		if x.text == "" {
			continue
		}
		code, err := jq.Compile(x.text)
		if err != nil {
			hint := ""
			if refused, ok := errors.AsType[*jq.Error](err); ok {
				hint = refused.Hint
			}
			return m, invalid("metric %s: its %s: %s", name, x.what, err).WithHint("%s", hint)
		}
		m.finds = append(m.finds, find{x.what, code})
	}
	switch m.form() {
	case "value", "events total", "sum count", "sum count squares":
		return m, nil
	}
	return m, invalid("metric %s: exactly one of value, events and total, or sum and count is asked for", name)
}

// form names what is found.
func (m *metric) form() string {
	text := ""
	for i, f := range m.finds {
		if i > 0 {
			text += " "
		}
		text += f.what
	}
	return text
}

// told is what a window's answer comes to. The error is that of ctx, or of an
// expression that does not end.
func (m *metric) told(ctx context.Context, answer any, within time.Duration) (remote.Told, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	var n [3]float64
	for i, f := range m.finds {
		value, err := f.code.Number(ctx, answer)
		switch {
		case ctx.Err() != nil:
			return remote.Told{}, m.endless(f.what, within)
		case errors.Is(err, jq.ErrMany):
			return remote.Told{Why: "has more than one number as its " + f.what}, nil
		case err != nil:
			return remote.Told{Why: "has no number as its " + f.what}, nil
		}
		n[i] = value
	}
	switch m.form() {
	case "value":
		return remote.Value(n[0]), nil
	case "events total":
		return remote.Counts(n[0], n[1]), nil
	case "sum count":
		return remote.Ratio(n[0], n[1]), nil
	}
	return remote.Moments(n[1], n[0], n[2]), nil
}

func (m *metric) endless(what string, within time.Duration) error {
	return invalid("metric %s: its %s did not come to an end within %v", m.name, what, within).WithHint("write a simpler jq expression")
}

// point is the number that an answer gives as of a moment: by the first of what
// each expression gives. It is nil where there is none.
func (m *metric) point(ctx context.Context, answer any, within time.Duration) (*float64, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	var n []float64
	for _, f := range m.finds {
		got, err := f.code.Values(ctx, answer, 1)
		if ctx.Err() != nil {
			return nil, m.endless(f.what, within)
		}
		if err != nil || len(got) == 0 {
			return nil, nil
		}
		value, ok := number(got[0])
		if !ok {
			return nil, nil
		}
		n = append(n, value)
	}
	if len(n) == 1 {
		return &n[0], nil
	}
	return remote.Over(n[0], n[1]), nil
}

// number is what jq gave as a number; true is 1, false 0.
func number(v any) (float64, bool) {
	var x float64
	switch v := v.(type) {
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	case int:
		x = float64(v)
	case float64:
		x = v
	case json.Number:
		var err error
		if x, err = v.Float64(); err != nil {
			return 0, false
		}
	case *big.Int:
		x, _ = new(big.Float).SetInt(v).Float64()
	default:
		return 0, false
	}
	return x, !math.IsNaN(x) && !math.IsInf(x, 0)
}

// Points asks for every metric of every version as of a moment.
func (p *Plan) Points(ctx context.Context, at experiment.Moment) []experiment.Reading {
	fill := func(text string) string { return remote.FillMoment(text, at) }
	var asks []remote.Point
	for i := range p.metrics {
		m := &p.metrics[i]
		for v := range p.plan.Versions {
			asks = append(asks, remote.Point{Metric: m.name, Version: v, Ask: func(ctx context.Context) (*float64, error) {
				answer, err := p.source.ask(ctx, m.query, v, fill)
				if err != nil {
					return nil, err
				}
				return m.point(ctx, answer, p.source.server.Timeout())
			}})
		}
	}
	return remote.Points(ctx, p.source.breaker, p.source.server.Timeout(), asks)
}

func invalid(format string, args ...any) *experiment.Error {
	return experiment.Errorf(experiment.CodeInvalid, format, args...)
}
