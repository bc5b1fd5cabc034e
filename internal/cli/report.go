// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	reports "github.com/headgate-dev/headgate/internal/report"
	"github.com/headgate-dev/headgate/internal/view"
)

// report is the closing account of an experiment: verdict, reasons, notices,
// the table of versions, what was found, what the stage does and waits for,
// what was decided.
func report(v view.Experiment, s IO) string {
	var b strings.Builder
	p := painter{s.Color}
	fmt.Fprintf(&b, "\n%s   plan %s   took %.0fs\n", p.bold("Experiment "+name(v)), v.Plan[:min(12, len(v.Plan))], v.Elapsed)
	head, why, reasoned := strings.Cut(v.Verdict.Sentence, ": ")
	fmt.Fprintf(&b, "Verdict    %s", p.verdict(head))
	if reasoned {
		fmt.Fprintf(&b, "\nBecause    %s", why)
	}
	fmt.Fprintf(&b, "  [%s]\n", v.Verdict.Code)
	health := "ok"
	if !v.Health.OK {
		health = strings.Join(v.Health.Trouble, "; ")
	}
	fmt.Fprintf(&b, "Health     %s, sample-ratio e-value %.2g (alarm at %d)\n", health, v.Health.Mismatch, view.MismatchAlarm)
	for _, i := range v.Health.Incomplete {
		fmt.Fprintf(&b, "Gaps       %s\n", i)
	}
	for _, n := range v.Notices {
		fmt.Fprintf(&b, "Note       %s\n", n.Text)
	}
	b.WriteString("\n" + versionsTable(v))
	b.WriteString(removals(v))
	if v.Iteration == nil {
		b.WriteString("\n" + findingsTable(v))
	}
	for _, section := range []string{
		pointsTable(v), actionLines(v), agreementText(v), predictionsText(v), armsTable(v), mirrorLines(v), warmLines(v), waitLines(v), spentLine(v), costTable(v),
	} {
		if section != "" {
			b.WriteString("\n" + section)
		}
	}
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
		role := x.Role
		if x.Removed != nil {
			role = "removed"
		}
		rows = append(rows, []string{
			x.Name, role, percent(&x.Share, 0), thousands(x.Units), thousands(x.Requests),
			percent(x.ErrorRate, 2), seconds(x.P50), seconds(x.P99), reports.Estimate(x.Reward, reports.RewardUnit(&v), "-"),
		})
	}
	return table(rows)
}

// removals says why versions lost their share, and in what parts they differ.
func removals(v view.Experiment) string {
	var b strings.Builder
	for _, x := range v.Versions {
		if x.Removed != nil {
			fmt.Fprintf(&b, "%s was removed at %s: %s  [%s]\n", x.Name, x.Removed.At.Local().Format(time.TimeOnly), x.Removed.Why, x.Removed.Code)
		}
		if len(x.Differs) > 0 {
			fmt.Fprintf(&b, "%s differs in %s\n", x.Name, strings.Join(x.Differs, ", "))
		}
	}
	return b.String()
}

func findingsTable(v view.Experiment) string {
	owned := slices.ContainsFunc(v.Findings, func(f view.Finding) bool { return f.Owner != "" })
	needy := slices.ContainsFunc(v.Findings, func(f view.Finding) bool { return f.Need > 0 })
	rows := [][]string{{"VERSION", "QUESTION", "STATUS", "ESTIMATE", "INTERVAL", "LEVEL", "VALID", "SAMPLE"}}
	add := func(want bool, i int, cell string) {
		if want {
			rows[i] = append(rows[i], cell)
		}
	}
	add(needy, 0, "NEEDS")
	add(owned, 0, "OWNER")
	for i, f := range v.Findings {
		estimate, interval, level := "-", "-", "-"
		switch {
		case f.Hidden:
			estimate, interval = "hidden", "hidden"
		case f.Estimate != nil:
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
		needs := "-"
		if f.Need > 0 {
			needs = thousands(f.Need) + " more"
		}
		add(needy, i+1, needs)
		add(owned, i+1, orDash(f.Owner))
	}
	return table(rows)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// signed writes a value of a limit in its unit, fractions in percent, and a
// difference with its sign, of fractions in points.
func signed(f view.Finding, x float64) string {
	switch {
	case f.IsLimit():
		return reports.Quantity(x, f.Unit)
	case f.Unit != "":
		return reports.Difference(x, f.Unit)
	}
	return fmt.Sprintf("%+.2f", 100*x)
}

// armsTable is what a bandit knows.
func armsTable(v view.Experiment) string {
	if v.Bandit == nil {
		return ""
	}
	rows := [][]string{{"ARM", "GROUP", "SHARE", "UNITS", "PENDING", "REWARD [95% CI]", "P(BEST)"}}
	for _, a := range v.Bandit.Arms {
		version := a.Version
		if a.Removed {
			version += " removed"
		}
		rows = append(rows, []string{version, orDash(a.Slice), percent(&a.Share, 1), thousands(a.N), thousands(a.Pending), reports.Estimate(a.Reward, reports.RewardUnit(&v), "-"), chance(a.Best)})
	}
	return banditLine(v.Bandit) + "\n" + table(rows)
}

func chance(p *float64) string {
	if p == nil {
		return "-"
	}
	return fmt.Sprintf("%.3f", *p)
}

// banditLine says what a bandit does now.
func banditLine(b *view.Bandit) string {
	text := fmt.Sprintf("%s, %s", b.Policy, b.Mode)
	if b.Why != "" {
		text += " (" + b.Why + ")"
	}
	text += fmt.Sprintf(", %d updates", b.Updates)
	if b.Next != nil {
		text += ", the next at " + b.Next.Local().Format(time.TimeOnly)
	}
	return text
}

func mirrorLines(v view.Experiment) string {
	if v.Mirror == nil {
		return ""
	}
	m := v.Mirror
	text := fmt.Sprintf("MIRROR  %s of the requests copied, %s pairs", percent(&m.Share, 0), thousands(m.Pairs))
	if m.Want > 0 {
		text += " of " + thousands(m.Want)
	}
	if m.Cap > 0 {
		text += fmt.Sprintf(", cost %.2f of at most %.2f", m.Cost, m.Cap)
	}
	for _, c := range m.Copies {
		text += fmt.Sprintf("\n  %s was sent %s copies, %s of them failed or came too late", c.Version, thousands(c.Sent), thousands(c.Failed))
		if c.Hanging {
			text += "; it hangs, and is sent one now and then"
		}
	}
	return text + "\n"
}

func warmLines(v view.Experiment) string {
	if v.Warm == nil {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "KEPT WARM  %s can take everything back; then: %s\n", v.Warm.Baseline, v.Warm.Then)
	for _, w := range v.Warm.Waits {
		until := ""
		if w.Until != nil {
			until = ", until " + w.Until.Local().Format(time.DateTime)
		}
		fmt.Fprintf(&b, "  %s %s%s\n", done(w.Done), w.What, until)
	}
	return b.String()
}

func done(b bool) string {
	if b {
		return "had    "
	}
	return "awaited"
}

// waitLines lists what the stage waits for.
func waitLines(v view.Experiment) string {
	if v.Warm != nil || len(v.Stage.Waits) == 0 && v.Stage.Approval == nil {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "STAGE %s (%s) WAITS FOR\n", v.Stage.Name, v.Stage.Kind)
	if v.Stage.Where != "" {
		fmt.Fprintf(&b, "  of requests with %s\n", v.Stage.Where)
	}
	for _, w := range v.Stage.Waits {
		fmt.Fprintf(&b, "  %s %s%s%s\n", done(w.Done), w.What, amount(w), ownedBy(w.Owner))
	}
	if a := v.Stage.Approval; a != nil {
		fmt.Fprintf(&b, "  %s the approval of %s\n", done(a.Given), a.Owner)
	}
	return b.String()
}

func ownedBy(owner string) string {
	if owner == "" {
		return ""
	}
	return " (" + owner + ")"
}

// amount writes how much of a wait is there.
func amount(w view.Wait) string {
	switch w.Unit {
	case "":
		return ""
	case "seconds":
		return fmt.Sprintf(": %s of %s", age(w.Have), age(w.Want))
	case "probability":
		return fmt.Sprintf(": %.3f of %.3g", w.Have, w.Want)
	default:
		return fmt.Sprintf(": %s of %s", thousands(int64(w.Have)), thousands(int64(w.Want)))
	}
}

func spentLine(v view.Experiment) string {
	if v.Spent == nil {
		return ""
	}
	text := fmt.Sprintf("SPENT  cost %.2f, %s units on candidates, %s", v.Spent.Cost, thousands(v.Spent.Units), age(v.Spent.Elapsed))
	if b := v.Spent.Budget; b != nil {
		var of []string
		if b.Cost > 0 {
			of = append(of, fmt.Sprintf("cost %.2f", b.Cost))
		}
		if b.Units > 0 {
			of = append(of, thousands(b.Units)+" units")
		}
		if b.Duration > 0 {
			of = append(of, age(b.Duration))
		}
		text += fmt.Sprintf("; the budget is %s, then %s", strings.Join(of, ", "), b.Exceeded)
	}
	if len(v.Spent.Over) > 0 {
		text += "; EXCEEDED in " + strings.Join(v.Spent.Over, ", ")
	}
	return text + "\n"
}
