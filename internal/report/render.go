// SPDX-License-Identifier: Apache-2.0

package report

import (
	"embed"
	"encoding/json"
	"fmt"
	html "html/template"
	"io"
	"slices"
	"strings"
	text "text/template"

	"github.com/headgate-dev/headgate/internal/view"
)

//go:embed *.tmpl
var templates embed.FS

// words are the functions of both templates.
func words() map[string]any {
	return map[string]any{
		"percent": percent, "share": share, "maybe": maybe, "millis": millis, "thousands": thousands, "clock": clock,
		"duration": duration, "figures": func(f view.Finding) string { return figures(&f) },
		"value": func(f view.Finding, x *float64) string {
			if x == nil {
				return "–"
			}
			return value(&f, *x)
		},
		"interval": interval, "level": func(f view.Finding) string { return level(&f) },
		"guaranteed": guaranteed, "label": Label, "tone": Tone, "join": strings.Join, "upper": strings.ToUpper,
		"head": func(s string) string { h, _, _ := strings.Cut(s, "  "); return h },
		"rest": func(s string) string { _, r, _ := strings.Cut(s, "  "); return r },
		"add":  func(a, b int) int { return a + b },
		"sub":  func(a, b float64) float64 { return round(a - b) },
		"neg":  func(x float64) float64 { return -x },
		"cell": Cell, "money": func(x float64) string { return trimmed(x, 4) },
		"chance": func(x float64) string { return trimmed(x, 3) },
		"valued": func(e *view.Estimate, unit string) string { return Estimate(e, unit, "–") },
		"reward": func(e *view.Estimate, v view.Experiment) string { return Estimate(e, RewardUnit(&v), "–") },
		"matrix": func(a view.Agreement) Matrix { return MatrixOf(&a) },
		"agreed": func(a view.Agreement, baseline string) string { return AgreementWords(&a, baseline) },
		"fresh":  func(l view.Labels, v view.Experiment) string { return FreshWords(&l, &v) },
		"digest": func(d view.Digest) string { return DigestWords(&d) }, "drifted": func(d view.Drift) string { return DriftWords(&d) },
		"classRows": ClassRows, "numberRows": NumberRows, "scoreCells": ScoreCells,
		"last":  func(marks []Mark) Mark { return marks[len(marks)-1] },
		"heats": func() []int { return []int{10, 18, 27, 36, 45} },
		"scored": func(p *view.Predictions) bool {
			return slices.ContainsFunc(p.Versions, func(v view.Predicted) bool { return v.Scores != nil })
		},
		"digested": func(p *view.Predictions) bool {
			return slices.ContainsFunc(p.Versions, func(v view.Predicted) bool { return len(v.Digests) > 0 })
		},
	}
}

// Cell makes a text fit for a cell of a Markdown table: nothing in it may end
// the cell, or be read as HTML or as a link.
func Cell(s string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "\r", " ", "<", "&lt;", ">", "&gt;", "[", `\[`, "]", `\]`, "`", `\`+"`", "*", `\*`, "_", `\_`).Replace(s)
}

// HTML writes the report as one file that needs no other.
func (r *Report) HTML(w io.Writer) error {
	t, err := html.New("report.html.tmpl").Funcs(words()).ParseFS(templates, "report.html.tmpl", "answers.html.tmpl")
	if err != nil {
		return fmt.Errorf("read the report's template: %w", err)
	}
	if err := t.Execute(w, r); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

// Markdown writes the report for a pull request or a wiki.
func (r *Report) Markdown(w io.Writer) error {
	t, err := text.New("report.md.tmpl").Funcs(words()).ParseFS(templates, "report.md.tmpl", "answers.md.tmpl")
	if err != nil {
		return fmt.Errorf("read the report's template: %w", err)
	}
	if err := t.Execute(w, r); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

// JSON writes the report's model.
func (r *Report) JSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	if err := enc.Encode(r); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}
