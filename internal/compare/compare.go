// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"context"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/jq"
	"github.com/headgate-dev/headgate/internal/prediction"
)

// Answer is one version's answer to a request.
type Answer struct {
	Status int
	// Failed says that there is no answer, or one that counts as an error.
	Failed bool
	// Took is how long the answer took; 0 is not known.
	Took time.Duration
	// Path is the path of the request, which tells the protocol; empty leaves
	// that to the answer's shape.
	Path string
	// Value is the decoded JSON body (prediction.Decode) after redaction; nil
	// where the body is no JSON or too large.
	Value any
	// Text is the body as it came, written anew where something was redacted;
	// nil where it is not known or too large.
	Text []byte
}

// Metrics compare answers. They are safe for concurrent use.
type Metrics struct {
	metrics []metric
	reader  *prediction.Reader
}

// metric is one metric made ready.
type metric struct {
	experiment.PairsMetric
	value *jq.Code // nil is the answer's own reading.
}

// Compile makes ready the metrics of pairs among those given, in their order;
// the others are passed over. A nil reader reads predictions as no plan declares
// them. The error is an *experiment.Error, names the metric and carries a hint.
func Compile(metrics []experiment.Metric, reader *prediction.Reader) (*Metrics, error) {
	if reader == nil {
		var err error
		if reader, err = prediction.New(nil); err != nil {
			return nil, err
		}
	}
	out := &Metrics{reader: reader}
	for i := range metrics {
		if metrics[i].Pairs == nil {
			continue
		}
		m, err := compile(metrics[i].Name, *metrics[i].Pairs)
		if err != nil {
			return nil, err
		}
		out.metrics = append(out.metrics, m)
	}
	return out, nil
}

func compile(name string, p experiment.PairsMetric) (metric, error) {
	m := metric{PairsMetric: p}
	refuse := func(hint, format string, args ...any) (metric, error) {
		return metric{}, experiment.Errorf(experiment.CodeInvalid, "metric %q: "+format, append([]any{name}, args...)...).WithHint("%s", hint)
	}
	known := []experiment.Comparison{
		experiment.CompareFailures, experiment.CompareLatency, experiment.CompareClass, experiment.CompareNumber,
		experiment.CompareVector, experiment.CompareRanking, experiment.CompareText, experiment.CompareJSON,
	}
	timing := p.Compare == experiment.CompareFailures || p.Compare == experiment.CompareLatency
	switch {
	case !slices.Contains(known, p.Compare):
		return refuse("take failures, latency, class, number, vector, ranking, text or json", "%q is nothing to compare", p.Compare)
	case !slices.Contains([]experiment.Similarity{"", experiment.Overlap, experiment.RBO, experiment.Tau}, p.By):
		return refuse("take overlap, rbo or tau", "rankings are not compared by %q", p.By)
	case p.K < 0:
		return refuse("give the number of places that count, or leave it out", "k is %d", p.K)
	case p.Tolerance < 0 || math.IsNaN(p.Tolerance) || math.IsInf(p.Tolerance, 0):
		return refuse("a tolerance is 0 or more", "the tolerance is %v", p.Tolerance)
	case timing && p.Value != "":
		return refuse("leave value out", "value has no meaning for %s", p.Compare)
	case p.Value == "":
		return m, nil
	}
	code, err := jq.Compile(p.Value)
	if err != nil {
		hint := ""
		if why, ok := errors.AsType[*jq.Error](err); ok {
			hint = why.Hint
		}
		return refuse(hint, "value: %w", err)
	}
	m.value = code
	return m, nil
}

// Len is how many metrics there are.
func (m *Metrics) Len() int { return len(m.metrics) }

// Compare says how a candidate's answer compares with the baseline's to the same
// request, by each metric in order. What ctx leaves no time for is Blank. The
// answers are not changed; nil is one that failed.
func (m *Metrics) Compare(ctx context.Context, baseline, candidate *Answer) []experiment.Compared {
	out := make([]experiment.Compared, len(m.metrics))
	p := &pair{ctx: ctx, reader: m.reader, baseline: sideOf(baseline), candidate: sideOf(candidate)}
	for i := range m.metrics {
		out[i] = m.metrics[i].compare(p)
	}
	return out
}

// blank is what is said where there is nothing to compare.
var blank = experiment.Compared{Blank: true}

// compare compares by one metric.
func (m *metric) compare(p *pair) experiment.Compared {
	base, candidate := &p.baseline, &p.candidate
	switch {
	case base.Failed && candidate.Failed:
		return blank
	case m.Compare == experiment.CompareFailures:
		return said(share(candidate.Failed), true)
	case base.Failed || candidate.Failed:
		return blank
	case m.Compare == experiment.CompareLatency:
		slow := float64(candidate.Took) > (1+m.Tolerance)*float64(base.Took)
		return said(share(slow), base.Took > 0 && candidate.Took > 0)
	}
	switch m.Compare {
	case experiment.CompareClass:
		return m.classes(p)
	case experiment.CompareNumber:
		return said(rows(p.ctx, m.numbers(p, base), m.numbers(p, candidate), m.numbersAgree))
	case experiment.CompareVector:
		return said(rows(p.ctx, m.vectors(p, base), m.vectors(p, candidate), m.vectorsAgree))
	case experiment.CompareRanking:
		return said(rows(p.ctx, m.rankings(p, base), m.rankings(p, candidate), m.rankingsAgree))
	case experiment.CompareText:
		return said(m.texts(p))
	case experiment.CompareJSON:
		return said(rows(p.ctx, m.values(p, base), m.values(p, candidate), valuesAgree))
	default:
		return blank
	}
}

// said is a result, or a blank.
func said(value float64, ok bool) experiment.Compared {
	if !ok {
		return blank
	}
	return experiment.Compared{Value: value}
}

func share(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
