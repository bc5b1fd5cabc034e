// SPDX-License-Identifier: Apache-2.0

package load

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/headgate-dev/headgate/internal/compare"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/prediction"
)

// pairPlan is how pairs are compared.
type pairPlan struct {
	metrics []experiment.Metric
	// usual says that no plan named the metrics: those that most pairs leave
	// blank are left out.
	usual    bool
	required []string
	compiled *compare.Metrics
	reader   *prediction.Reader
	redactor *prediction.Redactor
	redacts  bool
	// segments are those that bodies tell, and slices all their groups.
	segments []experiment.Segment
	slices   []string
	gates    []pairGate
	notes    []string
}

// pairGate is a limit and who sets it.
type pairGate struct {
	experiment.Objective
	from string
}

// usualMetrics are compared where no plan says what. The tolerances are those of
// an experiment's file.
func usualMetrics() []experiment.Metric {
	metric := func(c experiment.Comparison, goal experiment.Goal, tolerance float64) experiment.Metric {
		return experiment.Metric{Name: string(c), Goal: goal, Pairs: &experiment.PairsMetric{Compare: c, Tolerance: tolerance}}
	}
	return []experiment.Metric{
		metric(experiment.CompareFailures, experiment.Decrease, 0), metric(experiment.CompareLatency, experiment.Decrease, 0.1),
		metric(experiment.CompareClass, experiment.Increase, 0), metric(experiment.CompareNumber, experiment.Increase, 0.01),
		metric(experiment.CompareVector, experiment.Increase, 0.01), metric(experiment.CompareText, experiment.Increase, 0),
		metric(experiment.CompareJSON, experiment.Increase, 0),
	}
}

func newPairPlan(o *PairOptions) (*pairPlan, error) {
	p := &pairPlan{}
	from := o.Plan
	if from == nil {
		from = &experiment.Plan{}
	}
	for i := range from.Metrics {
		if from.Metrics[i].Pairs != nil {
			p.metrics = append(p.metrics, from.Metrics[i])
		}
	}
	if len(p.metrics) == 0 {
		p.metrics, p.usual = usualMetrics(), true
		if o.Plan != nil {
			p.note("the experiment has no metric of pairs; the usual ones are compared")
		}
	}
	var err error
	if p.reader, err = prediction.New(from.Predictions); err != nil {
		return nil, err
	}
	if p.compiled, err = compare.Compile(p.metrics, p.reader); err != nil {
		return nil, err
	}
	if p.redactor, err = newRedactor(from.Redact); err != nil {
		return nil, err
	}
	p.redacts = len(from.Redact) > 0
	for _, s := range from.Segments {
		if s.JSONPath == "" {
			p.note("segment %s is not told by bodies: no slices of it", s.Name)
			continue
		}
		p.segments = append(p.segments, s)
		p.slices = append(p.slices, s.Slices()...)
	}
	p.planGates(from)
	return p, p.requireGates(o.Require)
}

func (p *pairPlan) note(format string, args ...any) {
	p.notes = append(p.notes, fmt.Sprintf(format, args...))
}

func (p *pairPlan) has(metric string) bool {
	return slices.ContainsFunc(p.metrics, func(m experiment.Metric) bool { return m.Name == metric })
}

// planGates takes the gates of the plan's mirror stages, as far as pairs tell.
func (p *pairPlan) planGates(from *experiment.Plan) {
	for i := range from.Stages {
		s := &from.Stages[i]
		if s.Mirror == nil {
			continue
		}
		if len(s.Where) > 0 {
			p.note("stage %s is of some requests (%s); here every line counts", s.Name, s.Where)
		}
		for _, g := range s.Require {
			if !p.has(g.Metric) {
				p.note("stage %s also requires %s, which is no metric of pairs: not checked here", s.Name, g.Metric)
				continue
			}
			kept := g.Slices[:0:0]
			for _, name := range g.Slices {
				if slices.ContainsFunc(p.segments, func(s experiment.Segment) bool { return s.Name == name }) {
					kept = append(kept, name)
				} else {
					p.note("stage %s requires %s in every slice of %s too: not checked here", s.Name, g.Metric, name)
				}
			}
			g.Slices = kept
			p.gates = append(p.gates, pairGate{g, s.Name})
		}
	}
}

func (p *pairPlan) requireGates(require []experiment.Objective) error {
	for _, g := range require {
		if !p.has(g.Metric) {
			names := make([]string, len(p.metrics))
			for i := range p.metrics {
				names[i] = p.metrics[i].Name
			}
			return invalid("--require", "take "+strings.Join(names, ", "), "%q is no metric of pairs", clipText(g.Metric))
		}
		p.required = append(p.required, g.Metric)
		p.gates = append(p.gates, pairGate{g, "--require"})
	}
	return nil
}

// groups are the places among the slices that a request is in, one for each
// segment.
func (p *pairPlan) groups(body []byte) []int {
	out := make([]int, 0, len(p.segments))
	first := 0
	for i := range p.segments {
		s := &p.segments[i]
		value := ""
		switch v := gjson.GetBytes(body, strings.TrimPrefix(s.JSONPath, "$.")); v.Type {
		case gjson.String:
			value = v.Str
		case gjson.Number, gjson.True, gjson.False:
			value = v.Raw
		}
		all := len(s.Groups())
		group := all - 1
		if value != "" {
			group = s.Group(value)
		}
		out = append(out, first+group)
		first += all
	}
	return out
}

// read gives a reply as it is compared, without what is redacted; of what is to
// be redacted but is no JSON, nothing.
func (p *pairPlan) read(r *reply, path string) compare.Answer {
	a := compare.Answer{Status: r.status, Failed: r.failed(), Took: r.took, Path: path}
	if r.body == nil {
		return a
	}
	value, err := prediction.Decode(r.body)
	switch {
	case err == nil && p.redacts:
		a.Value = p.redactor.Apply(value)
		if a.Text, err = json.Marshal(a.Value); err != nil { // What was decoded can be encoded.
			a.Text = nil
		}
	case err == nil:
		a.Value, a.Text = value, r.body
	case !p.redacts:
		a.Text = r.body
	}
	return a
}

// compare compares two answers by every metric.
func (p *pairPlan) compare(ctx context.Context, baseline, candidate *compare.Answer) (out []experiment.Compared) {
	defer func() {
		// What an answer makes of an expression's interpreter costs this pair,
		// not the run.
		if recover() != nil {
			out = slices.Repeat([]experiment.Compared{{Blank: true}}, len(p.metrics))
		}
	}()
	out = p.compiled.Compare(ctx, baseline, candidate)
	if p.usual && baseline.Value != nil && !baseline.Failed {
		p.narrow(p.reader.Read(ctx, baseline.Value, baseline.Path), out)
	}
	return out
}

// narrow leaves whole answers out where a prediction was read from them: names
// of models and times would make all of them differ. Texts are for what was
// generated, vectors for more than a number. What is required is compared all the
// same.
func (p *pairPlan) narrow(read prediction.Reading, out []experiment.Compared) {
	generated := read.Text != "" && read.Text != read.Class
	predicted := generated || read.Class != "" || read.HasScore || len(read.Scores) > 0 || len(read.Ranking) > 0
	for i := range p.metrics {
		c := p.metrics[i].Pairs.Compare
		needless := c == experiment.CompareText && !generated || c == experiment.CompareJSON && predicted ||
			c == experiment.CompareVector && len(read.Scores) == 0
		if needless && !slices.Contains(p.required, p.metrics[i].Name) {
			out[i] = experiment.Compared{Blank: true}
		}
	}
}
