// SPDX-License-Identifier: Apache-2.0

package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/headgate-dev/headgate/internal/view"
)

// AgreementWords say in a sentence how often two versions gave the same class,
// and how much of it chance does not explain.
func AgreementWords(a *view.Agreement, baseline string) string {
	text := fmt.Sprintf("%s gave the same class as %s", a.Version, baseline)
	if a.Same == nil {
		return fmt.Sprintf("%s answered %s pairs; none of their classes is counted", a.Version, thousands(a.Pairs))
	}
	text += fmt.Sprintf(" in %.2f%% of %s pairs", 100**a.Same, thousands(a.Pairs-a.Lost))
	if a.Kappa != nil {
		text += fmt.Sprintf("; kappa %.2f: %s", *a.Kappa, KappaWords(*a.Kappa))
	} else {
		text += "; there is one class only, so chance explains all of it"
	}
	if a.Lost > 0 {
		text += fmt.Sprintf("; %s more pairs have rarer classes and are not counted", thousands(a.Lost))
	}
	return text
}

// KappaWords name a kappa, on the scale of Landis and Koch (1977).
func KappaWords(kappa float64) string {
	switch {
	case kappa < 0:
		return "less than by chance"
	case kappa <= 0.2:
		return "slight agreement"
	case kappa <= 0.4:
		return "fair agreement"
	case kappa <= 0.6:
		return "moderate agreement"
	case kappa <= 0.8:
		return "substantial agreement"
	}
	return "almost perfect agreement"
}

// Matrix is an agreement laid out: a row for each class of the baseline.
type Matrix struct {
	view.Agreement
	Rows []MatrixRow
}

// MatrixRow is what became of one class of the baseline.
type MatrixRow struct {
	Class string
	N     int64
	Cells []MatrixCell
}

// MatrixCell is how often it became one of the candidate's.
type MatrixCell struct {
	N int64
	// Share is of the row; Same says that it is the same class.
	Share float64
	Same  bool
}

// Percent is the share with one digit, so that columns stand under each other.
func (c MatrixCell) Percent() string { return fmt.Sprintf("%.1f%%", 100*c.Share) }

// Heat is a share in five steps, 0 where there is nothing: what a cell is
// drawn with.
func (c MatrixCell) Heat() int {
	if c.N == 0 {
		return 0
	}
	return 1 + int(min(4, 5*c.Share))
}

// MatrixOf lays an agreement out. What is together under other classes may be
// the same or not, so that nothing of it is marked.
func MatrixOf(a *view.Agreement) Matrix {
	m := Matrix{Agreement: *a}
	for i, class := range a.Classes {
		row := MatrixRow{Class: class}
		for _, n := range a.Counts[i] {
			row.N += n
		}
		for j, n := range a.Counts[i] {
			cell := MatrixCell{N: n, Same: i == j && class != view.OtherClasses}
			if row.N > 0 {
				cell.Share = float64(n) / float64(row.N)
			}
			row.Cells = append(row.Cells, cell)
		}
		m.Rows = append(m.Rows, row)
	}
	return m
}

// Disagreement is a class that the candidate gave instead of the baseline's.
type Disagreement struct {
	Baseline, Candidate string
	N                   int64
	// Share is of the baseline's class.
	Share float64
}

// Disagreements lists them, the most frequent first.
func (m *Matrix) Disagreements() []Disagreement {
	var out []Disagreement
	for i, row := range m.Rows {
		for j, c := range row.Cells {
			if i != j && c.N > 0 {
				out = append(out, Disagreement{Baseline: row.Class, Candidate: m.Classes[j], N: c.N, Share: c.Share})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b Disagreement) int { return cmp.Compare(b.N, a.N) })
	return out
}

// Row is what one thing is in each version, in their order.
type Row struct {
	Name  string
	Cells []string
}

// ClassRows are the shares of classes by version, the baseline's most frequent
// first.
func ClassRows(p *view.Predictions) []Row {
	var names []string
	rest := false
	for _, v := range p.Versions {
		for _, c := range v.Classes {
			if c.Class == view.OtherClasses {
				rest = true
			} else if !slices.Contains(names, c.Class) {
				names = append(names, c.Class)
			}
		}
	}
	if rest {
		names = append(names, view.OtherClasses)
	}
	return rowsOf(p, names, func(v *view.Predicted, name string) string {
		for _, c := range v.Classes {
			if c.Class == name {
				return fmt.Sprintf("%.2f%% (%s)", 100*c.Share, thousands(c.N))
			}
		}
		return "–"
	})
}

// NumberRows are the metrics of predictions by version.
func NumberRows(p *view.Predictions) []Row {
	var names []string
	for _, v := range p.Versions {
		for _, n := range v.Numbers {
			if !slices.Contains(names, n.Metric) {
				names = append(names, n.Metric)
			}
		}
	}
	out := rowsOf(p, names, func(v *view.Predicted, name string) string {
		for i := range v.Numbers {
			if n := &v.Numbers[i]; n.Metric == name {
				return fmt.Sprintf("%s of %s", Estimate(&n.Estimate, n.Unit, "–"), thousands(n.N))
			}
		}
		return "–"
	})
	if slices.ContainsFunc(p.Versions, func(v view.Predicted) bool { return v.Tokens > 0 }) {
		out = append(out, rowsOf(p, []string{"tokens in all"}, func(v *view.Predicted, _ string) string { return thousands(int64(v.Tokens)) })...)
	}
	return out
}

func rowsOf(p *view.Predictions, names []string, cell func(v *view.Predicted, name string) string) []Row {
	out := make([]Row, len(names))
	for i, name := range names {
		out[i].Name = name
		for j := range p.Versions {
			out[i].Cells = append(out[i].Cells, cell(&p.Versions[j], name))
		}
	}
	return out
}

// ScoreCells are the quantiles of scores, in words.
func ScoreCells(s *view.ScoreShape) []string {
	out := []string{thousands(s.N)}
	for _, q := range []float64{s.P5, s.P25, s.P50, s.P75, s.P95} {
		out = append(out, plain(q))
	}
	return out
}

// DigestWords say what a header told a version to be made of.
func DigestWords(d *view.Digest) string {
	parts := make([]string, 0, len(d.Values)+1)
	for _, x := range d.Values {
		parts = append(parts, fmt.Sprintf("%s (%s)", x.Value, thousands(x.N)))
	}
	if d.Absent > 0 {
		parts = append(parts, fmt.Sprintf("none (%s)", thousands(d.Absent)))
	}
	return strings.Join(parts, ", ")
}

// DriftWords give a drift with its interval.
func DriftWords(d *view.Drift) string {
	if d.Level == 0 {
		return plain(d.Value)
	}
	return fmt.Sprintf("%s [%s, %s]", plain(d.Value), plain(d.Interval.Low), plain(d.Interval.High))
}

// FreshWords say until when the truth is known, and how old that is.
func FreshWords(l *view.Labels, v *view.Experiment) string {
	if l.Through == nil {
		return "nothing has matured yet"
	}
	return fmt.Sprintf("through %s UTC, %s ago", clock(*l.Through), duration(v.At.Sub(*l.Through).Seconds()))
}
