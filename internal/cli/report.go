// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/headgate-dev/headgate/internal/view"
)

// report is the closing account of an experiment: verdict, reasons, the table
// of versions, what was found, what was decided.
func report(v view.Experiment, s IO) string {
	var b strings.Builder
	p := painter{s.Color}
	fmt.Fprintf(&b, "\n%s   plan %s   took %.0fs\n", p.bold("Experiment "+name(v)), v.Plan[:min(12, len(v.Plan))], v.Elapsed)
	head, why, _ := strings.Cut(v.Verdict.Sentence, ": ")
	fmt.Fprintf(&b, "Verdict    %s\n", p.verdict(head))
	fmt.Fprintf(&b, "Because    %s  [%s]\n", why, v.Verdict.Code)
	health := "ok"
	if !v.Health.OK {
		health = strings.Join(v.Health.Trouble, "; ")
	}
	fmt.Fprintf(&b, "Health     %s, sample-ratio e-value %.2g (alarm at 1000)\n\n", health, v.Health.Mismatch)
	b.WriteString(versionsTable(v))
	b.WriteString("\n")
	b.WriteString(findingsTable(v))
	b.WriteString("\nDECISIONS\n")
	for _, d := range v.Decisions {
		b.WriteString(decisionLine(d) + "\n")
	}
	return b.String()
}

// table lays out tab-separated rows, numbers to the right.
func table(rows [][]string) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, r := range rows {
		fmt.Fprintln(w, strings.Join(r, "\t")+"\t")
	}
	_ = w.Flush() // A strings.Builder takes everything.
	return b.String()
}

func versionsTable(v view.Experiment) string {
	rows := [][]string{{"VERSION", "ROLE", "SHARE", "UNITS", "REQUESTS", "ERRORS", "P50", "P99", "REWARD [95% CI]"}}
	for _, x := range v.Versions {
		reward := "-"
		if r := x.Reward; r != nil {
			reward = fmt.Sprintf("%.2f%% [%.2f, %.2f]", 100*r.Value, 100*r.Low, 100*r.High)
		}
		rows = append(rows, []string{
			x.Name, x.Role, percent(&x.Share, 0), thousands(x.Units), thousands(x.Requests),
			percent(x.ErrorRate, 2), seconds(x.P50), seconds(x.P99), reward,
		})
	}
	return table(rows)
}

func findingsTable(v view.Experiment) string {
	rows := [][]string{{"VERSION", "QUESTION", "STATUS", "ESTIMATE", "INTERVAL", "LEVEL", "VALID", "SAMPLE"}}
	for _, f := range v.Findings {
		estimate, interval, level := "-", "-", "-"
		if f.Estimate != nil {
			estimate = signed(f, *f.Estimate)
		}
		if f.Interval != nil {
			interval = fmt.Sprintf("[%s, %s]", signed(f, f.Interval.Low), signed(f, f.Interval.High))
			level = fmt.Sprintf("%.4g%%", 100*f.Level)
		}
		rows = append(rows, []string{
			f.Version, f.Question, f.Status, estimate, interval, level, guarantee(f.Guarantee),
			thousands(f.N) + " " + f.Basis,
		})
	}
	return table(rows)
}

// signed writes a value of an objective in percent, a difference in points.
func signed(f view.Finding, x float64) string {
	if f.Role == "objective" {
		return fmt.Sprintf("%.2f%%", 100*x)
	}
	return fmt.Sprintf("%+.2f", 100*x)
}
