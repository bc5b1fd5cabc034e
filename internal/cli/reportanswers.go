// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	reports "github.com/headgate-dev/headgate/internal/report"
	"github.com/headgate-dev/headgate/internal/view"
)

// Bounds of what an account shows of classes.
const (
	// maxMatrix is how many classes an agreement is shown in full of.
	maxMatrix = 6
	// maxWorst is how many disagreements are listed else.
	maxWorst = 6
	// maxNamed is how many columns a class or a digest may take.
	maxNamed = 24
)

// named makes what a model said fit for a line of a terminal: nothing in it ends
// the line or moves the cursor.
func named(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
	if r := []rune(s); len(r) > maxNamed {
		return string(r[:maxNamed-1]) + "…"
	}
	return s
}

// agreementText shows which classes versions gave to the same requests: in a
// table where there are few, else the most frequent disagreements.
func agreementText(v view.Experiment) string {
	var b strings.Builder
	for i := range v.Agreements {
		a := &v.Agreements[i]
		if i > 0 {
			b.WriteString("\n")
		}
		baseline := v.Versions[0].Name
		m := reports.MatrixOf(a)
		fmt.Fprintf(&b, "AGREEMENT in %s: %s\n", a.Metric, reports.AgreementWords(a, baseline))
		if len(a.Classes) > maxMatrix {
			b.WriteString(worst(&m, baseline))
			continue
		}
		rows := [][]string{{baseline + " \\ " + a.Version}}
		for _, class := range a.Classes {
			rows[0] = append(rows[0], named(class))
		}
		rows[0] = append(rows[0], "PAIRS")
		for _, r := range m.Rows {
			row := []string{named(r.Class)}
			for _, c := range r.Cells {
				if c.N == 0 {
					row = append(row, "-")
					continue
				}
				row = append(row, fmt.Sprintf("%s (%s)", c.Percent(), thousands(c.N)))
			}
			rows = append(rows, append(row, thousands(r.N)))
		}
		b.WriteString(table(rows))
	}
	return b.String()
}

// worst lists the most frequent disagreements.
func worst(m *reports.Matrix, baseline string) string {
	rows := [][]string{{baseline, m.Version, "PAIRS", "OF " + baseline + "'S"}}
	all := m.Disagreements()
	for _, d := range all[:min(len(all), maxWorst)] {
		rows = append(rows, []string{named(d.Baseline), named(d.Candidate), thousands(d.N), percent(&d.Share, 1)})
	}
	if len(rows) == 1 {
		return ""
	}
	return table(rows)
}

// agreementMarkdown is the same for pull requests.
func agreementMarkdown(v view.Experiment, cells func(...string), write func(string)) {
	for i := range v.Agreements {
		m := reports.MatrixOf(&v.Agreements[i])
		baseline := reports.Cell(v.Versions[0].Name)
		write("\n#### Agreement in " + reports.Cell(m.Metric) + "\n\n" + reports.Cell(reports.AgreementWords(&m.Agreement, v.Versions[0].Name)) + ".\n\n")
		head, line := []string{baseline + " ↓ " + reports.Cell(m.Version) + " →"}, []string{"---"}
		for _, class := range m.Classes {
			head, line = append(head, reports.Cell(class)), append(line, "--:")
		}
		cells(head...)
		cells(line...)
		for _, r := range m.Rows {
			row := []string{reports.Cell(r.Class)}
			for _, c := range r.Cells {
				text := fmt.Sprintf("%s (%s)", c.Percent(), thousands(c.N))
				if c.Same {
					text = "**" + text + "**"
				}
				row = append(row, text)
			}
			cells(row...)
		}
	}
}

// predictionsText shows what answers say, a column for each version.
func predictionsText(v view.Experiment) string {
	p := v.Predictions
	if p == nil {
		return ""
	}
	rows := [][]string{{"PREDICTIONS"}}
	for _, x := range p.Versions {
		rows[0] = append(rows[0], x.Version)
	}
	each := func(name string, known func(*view.Predicted) bool, cell func(*view.Predicted) string) {
		row, any := []string{name}, false
		for i := range p.Versions {
			text := "-"
			if known(&p.Versions[i]) {
				text, any = cell(&p.Versions[i]), true
			}
			row = append(row, text)
		}
		if any {
			rows = append(rows, row)
		}
	}
	each("read", func(x *view.Predicted) bool { return x.N > 0 }, func(x *view.Predicted) string { return thousands(x.N) })
	for _, r := range reports.ClassRows(p) {
		rows = append(rows, append([]string{named(r.Name)}, r.Cells...))
	}
	for _, q := range []struct {
		name string
		of   func(*view.ScoreShape) float64
	}{
		{"score, 5%", func(s *view.ScoreShape) float64 { return s.P5 }},
		{"score, median", func(s *view.ScoreShape) float64 { return s.P50 }},
		{"score, 95%", func(s *view.ScoreShape) float64 { return s.P95 }},
	} {
		each(q.name, func(x *view.Predicted) bool { return x.Scores != nil }, func(x *view.Predicted) string { return reports.Quantity(q.of(x.Scores), "number") })
	}
	for _, r := range reports.NumberRows(p) {
		rows = append(rows, append([]string{r.Name}, r.Cells...))
	}
	if len(rows) == 1 {
		rows = append(rows, slices.Repeat([]string{"-"}, len(rows[0])))
	}
	return table(rows) + digestLines(p) + driftLines(p, v.Versions[0].Name) + labelsTable(v)
}

// digestLines say what versions say that they are made of.
func digestLines(p *view.Predictions) string {
	var b strings.Builder
	for i := range p.Versions {
		for j := range p.Versions[i].Digests {
			d := &p.Versions[i].Digests[j]
			parts := make([]string, 0, len(d.Values)+1)
			for _, x := range d.Values {
				parts = append(parts, fmt.Sprintf("%s (%s)", named(x.Value), thousands(x.N)))
			}
			if d.Absent > 0 {
				parts = append(parts, fmt.Sprintf("none (%s)", thousands(d.Absent)))
			}
			fmt.Fprintf(&b, "%s says of itself, %s: %s", p.Versions[i].Version, d.Header, strings.Join(parts, ", "))
			if d.Mixed {
				b.WriteString("  A MIX")
			}
			b.WriteString("\n")
		}
	}
	return b.String()
}

func driftLines(p *view.Predictions, baseline string) string {
	if len(p.Drifts) == 0 {
		return ""
	}
	rows := [][]string{{"DRIFT", "FROM " + baseline, "OF", "BY", "VALUE", "LEVEL", "PREDICTIONS", "OF " + baseline}}
	for i := range p.Drifts {
		d := &p.Drifts[i]
		rows = append(rows, []string{d.Version, d.Metric, d.Of, d.By, reports.DriftWords(d), fmt.Sprintf("%.4g%%", 100*d.Level), thousands(d.N), thousands(d.NBaseline)})
	}
	return "\n" + table(rows)
}

func labelsTable(v view.Experiment) string {
	if len(v.Predictions.Labels) == 0 {
		return ""
	}
	rows := [][]string{{"LABELS", "VERSION", "VALUE [95% CI]", "MATURED", "LABELLED", "WANTED", "KNOWN UP TO"}}
	for _, l := range v.Predictions.Labels {
		rows = append(rows, []string{
			l.Metric, l.Version, reports.Estimate(l.Value, l.Unit, "-"), thousands(l.Matured), percent(l.Joined, 1), floor(l.Floor), known(&l, v),
		})
	}
	return "\n" + table(rows)
}

func floor(share float64) string {
	if share == 0 {
		return "-"
	}
	return percent(&share, 0)
}

// known says how old the newest prediction is whose truth has had its time.
func known(l *view.Labels, v view.Experiment) string {
	if l.Through == nil {
		return "-"
	}
	return age(v.At.Sub(*l.Through).Seconds()) + " ago"
}

// costTable is what each stage cost and may yet.
func costTable(v view.Experiment) string {
	if v.Spent == nil || len(v.Spent.Stages) == 0 {
		return ""
	}
	rows := [][]string{{"COST", "SPENT", "EXPECTED IN ALL"}}
	for _, s := range v.Spent.Stages {
		expected := "-"
		if s.Expected != nil {
			expected = money(*s.Expected)
		}
		rows = append(rows, []string{s.Stage, money(s.Cost), expected})
	}
	return table(rows)
}

// answers sums up for a live screen what the tables of an account say.
func (f *framing) answers(v view.Experiment) {
	for i := range v.Agreements {
		a := &v.Agreements[i]
		if a.Same == nil {
			continue
		}
		text := fmt.Sprintf("%s %s %s of %s pairs", a.Version, a.Metric, percent(a.Same, 1), thousands(a.Pairs-a.Lost))
		if a.Kappa != nil {
			text += fmt.Sprintf(", kappa %.2f", *a.Kappa)
		}
		parts := []string{text}
		m := reports.MatrixOf(a)
		if d := m.Disagreements(); len(d) > 0 {
			parts = append(parts, fmt.Sprintf("most often %s -> %s (%s)", named(d[0].Baseline), named(d[0].Candidate), thousands(d[0].N)))
		}
		f.parts("AGREEMENT  ", parts)
	}
	if v.Predictions == nil {
		return
	}
	var drifts, labels []string
	for i := range v.Predictions.Drifts {
		d := &v.Predictions.Drifts[i]
		drifts = append(drifts, fmt.Sprintf("%s %s %s", d.Version, d.Metric, reports.DriftWords(d)))
	}
	for _, l := range v.Predictions.Labels {
		if l.Matured > 0 {
			labels = append(labels, fmt.Sprintf("%s %s %s, %s of %s labelled", l.Version, l.Metric, reports.Estimate(l.Value, l.Unit, "-"), percent(l.Joined, 0), thousands(l.Matured)))
		}
	}
	if len(drifts) > 0 {
		f.parts("DRIFT  ", drifts)
	}
	if len(labels) > 0 {
		f.parts("LABELS  ", labels)
	}
}

// costParts are a live screen's costTable.
func costParts(v view.Experiment) []string {
	if v.Spent == nil {
		return nil
	}
	var parts []string
	for _, s := range v.Spent.Stages {
		text := s.Stage + " " + money(s.Cost)
		if s.Expected != nil {
			text += " of about " + money(*s.Expected)
		}
		parts = append(parts, text)
	}
	return parts
}
