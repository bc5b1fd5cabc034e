// SPDX-License-Identifier: Apache-2.0

package load

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/headgate-dev/headgate/internal/compare"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/prediction"
)

// Disagreement is a request whose answers disagree, after redaction.
type Disagreement struct {
	index int
	// Line is the body's in the file, from 1.
	Line    int           `json:"line"`
	Metrics []Disagreeing `json:"metrics"`
}

// Disagreeing is where two answers disagree by one metric.
type Disagreeing struct {
	Metric string  `json:"metric"`
	Value  float64 `json:"value"`
	// Row is which prediction of a batch differs first, from 1; 0 where that is
	// not known or there is one.
	Row int `json:"row,omitempty"`
	// Baseline and Candidate are what was compared, or where the answers begin
	// to differ, in at most 120 characters.
	Baseline  string `json:"baseline"`
	Candidate string `json:"candidate"`
}

const (
	// maxValue bounds a value that is shown, in runes, and before is how much of
	// what is alike is shown before the first difference, in bytes.
	maxValue = 120
	before   = 24
)

// differs says whether a pair disagrees by any metric but latency.
func (p *pairPlan) differs(compared []experiment.Compared) bool {
	for i, c := range compared {
		if p.disagrees(i, c) {
			return true
		}
	}
	return false
}

func (p *pairPlan) disagrees(i int, c experiment.Compared) bool {
	switch {
	case c.Blank || p.metrics[i].Pairs.Compare == experiment.CompareLatency:
		return false
	case p.metrics[i].Pairs.Compare == experiment.CompareFailures:
		return c.Value > 0
	}
	return c.Value < 1
}

// disagreeing describes where two answers disagree.
func (p *pairPlan) disagreeing(ctx context.Context, pair *pairOf) []Disagreeing {
	var read [2]prediction.Reading
	for side := range read {
		if a := &pair.read[side]; a.Value != nil && !a.Failed {
			read[side] = p.reader.Read(ctx, a.Value, a.Path)
		}
	}
	var out []Disagreeing
	for i, c := range pair.compared {
		if !p.disagrees(i, c) {
			continue
		}
		m := p.metrics[i].Pairs
		d := Disagreeing{Metric: p.metrics[i].Name, Value: c.Value}
		switch {
		case m.Compare == experiment.CompareFailures:
			d.Baseline, d.Candidate = pair.answers[0].fate(), pair.answers[1].fate()
		case c.Baseline != c.Candidate:
			d.Baseline, d.Candidate = c.Baseline, c.Candidate
		case m.Value != "" || !d.firstRow(&read, m.Compare):
			d.Baseline, d.Candidate = fromDifference(wholeOf(&pair.read[0]), wholeOf(&pair.read[1]))
		}
		d.Baseline, d.Candidate = printable(d.Baseline, maxValue), printable(d.Candidate, maxValue)
		out = append(out, d)
	}
	return out
}

// fate is what became of a request.
func (r *reply) fate() string {
	if r.kind != "" {
		return r.kind
	}
	return "status " + strconv.Itoa(r.status)
}

// wholeOf is the answer in its one form.
func wholeOf(a *compare.Answer) []byte {
	if a.Value != nil {
		return prediction.Canonical(a.Value)
	}
	return a.Text
}

// fromDifference cuts two texts to what is around their first difference.
func fromDifference(x, y []byte) (string, string) {
	same := 0
	for same < min(len(x), len(y)) && x[same] == y[same] {
		same++
	}
	cut := func(b []byte) string {
		from := max(0, same-before)
		for from < same && !utf8.RuneStart(b[from]) {
			from++
		}
		mark := ""
		if from > 0 {
			mark = "…"
		}
		return mark + string(bytes.ToValidUTF8(b[from:min(len(b), from+4*maxValue)], []byte("?")))
	}
	return cut(x), cut(y)
}

// firstRow fills in the first row that differs; false if none that both have
// does.
func (d *Disagreeing) firstRow(read *[2]prediction.Reading, by experiment.Comparison) bool {
	rows := min(len(read[0].All), len(read[1].All))
	for i := range rows {
		x, y := &read[0].All[i], &read[1].All[i]
		switch by {
		case experiment.CompareClass:
			d.Baseline, d.Candidate = classText(x), classText(y)
		case experiment.CompareNumber:
			d.Baseline, d.Candidate = scoreText(x), scoreText(y)
		case experiment.CompareVector:
			d.Baseline, d.Candidate = farthest(x, y)
		case experiment.CompareRanking:
			d.Baseline, d.Candidate = strings.Join(x.Ranking, ", "), strings.Join(y.Ranking, ", ")
		case experiment.CompareText:
			d.Baseline, d.Candidate = fromDifference([]byte(x.Text), []byte(y.Text))
		default:
			return false
		}
		if d.Baseline != d.Candidate && d.Baseline != "" && d.Candidate != "" {
			if max(read[0].Rows, read[1].Rows) > 1 {
				d.Row = i + 1
			}
			return true
		}
	}
	if x, y := read[0].Rows, read[1].Rows; x != y {
		d.Baseline, d.Candidate = fmt.Sprintf("%d predictions", x), fmt.Sprintf("%d predictions", y)
		return true
	}
	return false
}

func classText(r *prediction.Row) string {
	if r.Class != "" {
		return r.Class
	}
	return scoreText(r)
}

func scoreText(r *prediction.Row) string {
	if !r.HasScore {
		return ""
	}
	return strconv.FormatFloat(r.Score, 'g', 6, 64)
}

// farthest names the component in which two vectors differ the most.
func farthest(x, y *prediction.Row) (string, string) {
	a, b := x.Scores, y.Scores
	if len(a) != len(b) {
		return fmt.Sprintf("%d components", len(a)), fmt.Sprintf("%d components", len(b))
	}
	most, gap := -1, 0.0
	for i := range a {
		if g := math.Abs(a[i] - b[i]); g > gap {
			most, gap = i, g
		}
	}
	if most < 0 {
		return scoreText(x), scoreText(y)
	}
	return fmt.Sprintf("[%d] %.4g", most, a[most]), fmt.Sprintf("[%d] %.4g", most, b[most])
}
