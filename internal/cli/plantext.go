// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/headgate-dev/headgate/internal/design"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// planWidth is the width that a plan is written for; wider terminals only give
// it longer lines of prose.
const planWidth = 80

// planText is a plan's report for people.
func planText(r design.Report, s IO) string {
	var b strings.Builder
	p := painter{s.Color}
	planHead(&b, p, r)
	b.WriteString("\n" + stagesGrid(p, r))
	b.WriteString("\n" + timeline(p, r.Stages))
	b.WriteString("\n" + costGrid(p, r))
	for _, can := range []bool{true, false} {
		planConclusions(&b, p, r, can)
	}
	if len(r.Notes) > 0 {
		b.WriteString("\n" + p.bold("TAKEN FOR GRANTED") + "\n")
		for _, n := range r.Notes {
			hang(&b, "  · ", n)
		}
	}
	b.WriteString("\n")
	entry(&b, "Way back", r.WayBack.Command)
	entry(&b, "", r.WayBack.Needs)
	return b.String()
}

// entry writes a labelled text, wrapped.
func entry(b *strings.Builder, label, text string) { hang(b, fmt.Sprintf("%-11s", label), text) }

// hang writes a text with its first line after a lead and the others below.
func hang(b *strings.Builder, lead, text string) {
	indent := strings.Repeat(" ", utf8.RuneCountInString(lead))
	for i, line := range wrap(text, planWidth-len(indent)) {
		if i > 0 {
			lead = indent
		}
		b.WriteString(strings.TrimRight(lead+line, " ") + "\n")
	}
}

func planHead(b *strings.Builder, p painter, r design.Report) {
	fmt.Fprintf(b, "%s   plan %s\n", p.bold("Experiment "+r.Experiment), r.Plan[:min(12, len(r.Plan))])
	switch w := r.Reward; {
	case w != nil:
		rewardHead(b, r, w)
	case len(r.Versions) == 1:
		entry(b, "Question", "does "+r.Versions[0]+" meet its objectives?")
	default:
		entry(b, "Question", "is it safe? No reward is declared, so that nothing is found better.")
	}
	t := r.Total
	text := design.Days(t.Takes.Expected) + " expected"
	if t.Takes.Expected == design.Unknown {
		text = "a time that depends on the traffic"
	}
	if t.Takes.AtMost == design.Unknown {
		text += ", and at the latest when a person says so"
	} else {
		text += fmt.Sprintf(", %s at the latest", design.Days(t.Takes.AtMost))
	}
	if t.Exposed != nil {
		text += fmt.Sprintf("; %s units meet a candidate", thousands(*t.Exposed))
	}
	if t.Cost != nil {
		text += fmt.Sprintf("; costs %s, %s more than the baseline alone", money(t.Cost.Total), money(t.Cost.Extra))
	}
	entry(b, "Takes", text)
}

func rewardHead(b *strings.Builder, r design.Report, w *design.Reward) {
	question := fmt.Sprintf("is %s better in %s", strings.Join(r.Versions[1:], " or "), w.Metric)
	if w.Effect > 0 {
		question += fmt.Sprintf(" by %s (%s of %s)", inUnit(w, w.Effect), number(w.Relative), inUnit(w, *w.Baseline))
	}
	entry(b, "Question", question+"?")
	if w.Stage == "" {
		entry(b, "Test", "none: no split decides the reward, and no error rate is claimed")
		return
	}
	entry(b, "Test", testText(w))
	sample := "-"
	if w.Needed > 0 {
		parts := make([]string, len(w.PerVersion))
		for v, n := range w.PerVersion {
			parts[v] = r.Versions[v] + " " + thousands(n)
		}
		sample = fmt.Sprintf("%s units are needed, %.2f times those of one look", strings.Join(parts, ", "), w.Inflation)
		if d := w.Duration; d != nil {
			sample += fmt.Sprintf(": %s, %d in whole weeks, %d until their outcomes are known", days(d.Days), d.WholeWeeks, d.Matured)
		}
	}
	entry(b, "Sample", sample)
	written := "-"
	if w.Power != nil {
		least := ""
		if w.AtLeast {
			least = "at least "
		}
		written = fmt.Sprintf("%s units are judged by the horizon of %s: power %s%s", thousands(w.Planned), w.Stage, least, likely(*w.Power))
		if w.Detectable > 0 {
			written += fmt.Sprintf("; finds %s (%s) with %s", inUnit(w, w.Detectable), number(w.DetectableRelative), number(w.Wanted))
		}
	}
	if w.Missing != "" {
		written = "depends on " + w.Missing + ": state it with --traffic, --units and --baseline"
	}
	entry(b, "As written", written)
}

// testText is the plan's rule of deciding.
func testText(w *design.Reward) string {
	rule := string(w.Method)
	if w.Looks > 0 {
		rule += fmt.Sprintf(", %d looks", w.Looks)
	}
	if w.Guarantee == experiment.GuaranteeNone {
		return fmt.Sprintf("%s; no error rate; power %s wanted", rule, number(w.Wanted))
	}
	return fmt.Sprintf("%s; error at most %s per candidate %s; power %s wanted", rule, number(w.Alpha), w.Guarantee, number(w.Wanted))
}

func days(n int) string {
	if n == 1 {
		return "1 day"
	}
	return fmt.Sprintf("%d days", n)
}

// number writes a fraction in percent.
func number(f float64) string { return fmt.Sprintf("%.3g%%", 100*f) }

// inUnit writes a value of the reward in its unit.
func inUnit(w *design.Reward, f float64) string {
	if w.Proportion {
		return number(f)
	}
	return fmt.Sprintf("%.4g", f)
}

// likely writes a probability without pretending to certainty.
func likely(f float64) string {
	if f > 0.999 {
		return "above 99.9%"
	}
	return number(f)
}

// money writes an amount.
func money(f float64) string {
	whole, cents := math.Modf(math.Round(math.Abs(f)*100) / 100)
	sign := ""
	if f < -0.005 {
		sign = "-"
	}
	return fmt.Sprintf("%s%s.%02.0f", sign, thousands(int64(whole)), 100*cents)
}

// stagesGrid is the timetable in numbers, ramp steps below their stage.
func stagesGrid(p painter, r design.Report) string {
	rows := [][]string{{"STAGE", "KIND", "SHARES", "EXPECTED", "AT MOST", "EXPOSED", "WAITS FOR"}}
	for _, st := range r.Stages {
		exposed := "-"
		if st.Expected != nil {
			exposed = thousands(st.Expected.Exposed)
		}
		waits := strings.Join(st.Waits, ", ")
		if st.Where != "" {
			waits = strings.TrimPrefix(waits+"; "+st.Where+" only", "; ")
		}
		takes := lasts(st)
		rows = append(rows, []string{st.Name, string(st.Kind), st.Shares, design.Days(takes.Expected), design.Days(takes.AtMost), exposed, waits})
		for _, step := range st.Steps {
			rows = append(rows, []string{"", "", step.Share, design.Days(step.Takes.Expected), "", "", ""})
		}
	}
	return grid(p, rows, 0, 1, 6)
}

// lasts is how long a stage takes.
func lasts(st design.Stage) design.Span {
	minus := func(a, b time.Duration) time.Duration {
		if a == design.Unknown || b == design.Unknown {
			return design.Unknown
		}
		return a - b
	}
	return design.Span{Expected: minus(st.End.Expected, st.Start.Expected), AtMost: minus(st.End.AtMost, st.Start.AtMost)}
}

// timeline draws when each stage is expected to run, from the start to the end
// of the last whose end can be foreseen.
func timeline(p painter, stages []design.Stage) string {
	end, latest := time.Duration(0), false
	for _, st := range stages {
		end = max(end, st.End.Expected)
	}
	if end == 0 || stages[len(stages)-1].End.Expected == design.Unknown {
		for _, st := range stages {
			end = max(end, st.End.AtMost)
		}
		latest = true
	}
	if end <= 0 {
		return ""
	}
	width, name := 0, 4
	for _, st := range stages {
		name = max(name, utf8.RuneCountInString(st.Name))
	}
	name = min(name, 24)
	width = planWidth - name - 2
	head := "WHEN"
	scale := fmt.Sprintf("%*s", width-1, design.Days(end))
	if latest {
		scale = "  at the latest" + fmt.Sprintf("%*s", width-16, design.Days(end))
	}
	var b strings.Builder
	b.WriteString(p.bold(fmt.Sprintf("%-*s", name, head)) + "  0" + p.dim(scale) + "\n")
	for _, st := range stages {
		from, to := st.Start.Expected, st.End.Expected
		if latest {
			from, to = st.Start.AtMost, st.End.AtMost
		}
		row := strings.Repeat("·", width)
		if from != design.Unknown && to != design.Unknown {
			at := func(d time.Duration) int { return int(float64(d) / float64(end) * float64(width)) }
			x := min(at(from), width-1)
			n := max(1, at(to)-x)
			row = strings.Repeat("·", x) + strings.Repeat("█", n) + strings.Repeat("·", max(0, width-x-n))
		}
		b.WriteString(fmt.Sprintf("%-*s", name, clip(st.Name, name, false)) + "  " + p.cyan(row) + "\n")
	}
	return b.String()
}

// costGrid is what each stage costs in its posture.
func costGrid(p painter, r design.Report) string {
	rows := [][]string{{"STAGE", "ANSWERS", "COST", "COPIES", "IDLE", "EXTRA", "POSTURE"}}
	priced := false
	for _, st := range r.Stages {
		row := []string{st.Name, fmt.Sprintf("%.2f×", st.Factor), "-", "-", "-", "-", st.Posture}
		if st.Expected != nil && st.Expected.Cost != nil {
			c := st.Expected.Cost
			priced = true
			row = []string{st.Name, row[1], money(c.Total), money(c.Copies), money(c.Idle), money(c.Extra), st.Posture}
		}
		rows = append(rows, row)
	}
	if t := r.Total.Cost; t != nil && priced {
		rows = append(rows, []string{"all", "", money(t.Total), money(t.Copies), money(t.Idle), money(t.Extra), ""})
	}
	if !priced {
		for i, row := range rows {
			rows[i] = []string{row[0], row[1], row[6]}
		}
		return grid(p, rows, 0, 2)
	}
	return grid(p, rows, 0, 6)
}

func planConclusions(b *strings.Builder, p painter, r design.Report, can bool) {
	head, lead := "CAN BE CONCLUDED", "  + "
	if !can {
		head, lead = "CANNOT BE CONCLUDED", "  - "
	}
	first := true
	for _, c := range r.Conclusions {
		if c.Can != can {
			continue
		}
		if first {
			b.WriteString("\n" + p.bold(head) + "\n")
			first = false
		}
		hang(b, lead, c.Says+": "+c.Because)
	}
}

// grid lays rows out in columns, numbers to the right; the columns named are
// set to the left. The first row is the head, and the last column is wrapped.
func grid(p painter, rows [][]string, left ...int) string {
	widths := make([]int, len(rows[0]))
	for _, r := range rows {
		for i, cell := range r {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	last := len(widths) - 1
	before := 0
	for _, w := range widths[:last] {
		before += w + 2
	}
	room := max(20, planWidth-before)
	var b strings.Builder
	for k, r := range rows {
		var line strings.Builder
		for i, cell := range r[:last] {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if !slices.Contains(left, i) {
				cell, pad = pad+cell, ""
			}
			line.WriteString(cell + pad + "  ")
		}
		for j, part := range wrap(r[last], room) {
			text := line.String() + part
			if j > 0 {
				text = strings.Repeat(" ", before) + part
			}
			text = strings.TrimRight(text, " ")
			if k == 0 {
				text = p.bold(text)
			}
			b.WriteString(text + "\n")
		}
	}
	return b.String()
}
