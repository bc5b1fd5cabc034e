// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/simulate"
)

// simulationWidth is the widest line of a report.
const simulationWidth = 100

// simulationText is the report for people.
func simulationText(p *experiment.Plan, r simulate.Report) string {
	var b strings.Builder
	line := func(head, format string, args ...any) {
		for i, text := range wrap(fmt.Sprintf(format, args...), simulationWidth-11) {
			if i > 0 {
				head = ""
			}
			b.WriteString(strings.TrimRight(fmt.Sprintf("%-10s %s", head, text), " ") + "\n")
		}
	}
	partial := ""
	if r.Partial {
		partial = "PARTIAL, interrupted: "
	}
	line("Simulated", "%s%s of %s runs of %s, plan %.12s, seed %d", partial, thousands(int64(r.Headgate.Runs)), thousands(int64(r.Asked)), r.Experiment, r.Plan, r.Seed)
	line("World", "%s", worldText(p, &r.World))
	line("Truth", "%s", truthText(p, &r.Truth))
	b.WriteString("\n" + simulationTable(r) + "\n")
	h := &r.Headgate
	if f := h.Rates.FalsePromotions; f != nil {
		line("False", "promotions %s; the plan's alpha is %s", rateInterval(*f), oneDigit(p.Analysis.Alpha))
	}
	if f := h.Rates.Power; f != nil {
		line("Power", "%s", rateInterval(*f))
	}
	if d := h.Decided; d != nil {
		line("Decided", "after %s in the middle case, %s in nine of ten, %s at the latest", lasting(d.P50), lasting(d.P90), lasting(d.Max))
	}
	ends := make([]string, len(h.Ends))
	for i, e := range h.Ends {
		what := string(e.Outcome)
		if what == "" {
			what = "given up after " + lasting(r.LongestSeconds)
		}
		ends[i] = strings.TrimSpace(fmt.Sprintf("%s ×%s %s", what, thousands(int64(e.Runs)), e.Reason))
	}
	line("Ends", "%s", strings.Join(ends, ", "))
	if h.Asked > 0 {
		line("Asked", "in %s runs a simulated person was asked, and approved or promoted at once", thousands(int64(h.Asked)))
	}
	for _, x := range rivalTallies(r) {
		line(x.name, "%s", x.Rule)
	}
	for _, note := range r.Notes {
		line("Note", "%s", note)
	}
	return b.String()
}

type namedTally struct {
	name string
	*simulate.Tally
}

func rivalTallies(r simulate.Report) []namedTally {
	var out []namedTally
	for i, t := range []*simulate.Tally{r.Iter8, r.Argo, r.Flagger} {
		if t != nil {
			out = append(out, namedTally{string(simulate.Rivals()[i]), t})
		}
	}
	return out
}

func simulationTable(r simulate.Report) string {
	rows := [][]string{{"RULE", "PROMOTED [95% CI]", "WRONG", "ROLLED BACK", "UNDECIDED", "TIME P50", "P90", "TO WORSE", "REGRET", "COST"}}
	for _, x := range append([]namedTally{{"headgate", &r.Headgate}}, rivalTallies(r)...) {
		p50, p90 := "-", "-"
		if s := x.Seconds; s != nil {
			p50, p90 = lasting(s.P50), lasting(s.P90)
		}
		rows = append(rows, []string{
			x.name, rateInterval(x.Rates.Promoted), oneDigit(x.Rates.Wrong.Value), oneDigit(x.Rates.RolledBack.Value), oneDigit(x.Rates.Undecided.Value),
			p50, p90, perRun(x.Worse.Value), perRun(x.Regret.Value), perRun(x.Cost.Value),
		})
	}
	return table(rows)
}

func rateInterval(r simulate.Rate) string {
	return fmt.Sprintf("%.1f%% [%.1f, %.1f]", 100*r.Value, 100*r.Low, 100*r.High)
}

func oneDigit(f float64) string { return strconv.FormatFloat(100*f, 'f', 1, 64) + "%" }

// perRun writes a mean to three digits or to the whole.
func perRun(f float64) string {
	if f >= 1000 || f <= -1000 {
		return thousands(int64(f))
	}
	return strconv.FormatFloat(f, 'g', 3, 64)
}

// lasting writes seconds as people speak of experiments: "14d", "6h30m".
func lasting(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	switch {
	case d >= 48*time.Hour:
		return strconv.FormatFloat(d.Hours()/24, 'f', 1, 64) + "d"
	case d >= time.Hour:
		return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
	default:
		return d.Round(100 * time.Millisecond).String()
	}
}

// worldText says what was taken for granted.
func worldText(p *experiment.Plan, a *simulate.Assumptions) string {
	parts := []string{rateText(a.Rate) + "/s, each request another unit"}
	if a.Units > 0 {
		parts[0] = fmt.Sprintf("%s/s from %s units", rateText(a.Rate), thousands(a.Units))
	}
	if a.Delay > 0 {
		parts = append(parts, "outcomes after "+a.Delay.String()+" on average")
	}
	for _, g := range a.Groups {
		parts = append(parts, fmt.Sprintf("%s %s", g.Slice, oneDigit(g.Share)))
	}
	for _, l := range a.Laws {
		name := l.Metric
		if l.Slice != "" {
			name += " in " + l.Slice
		}
		values := make([]string, len(l.Values))
		same := true
		for v, x := range l.Values {
			values[v] = fmt.Sprintf("%s %s", p.Versions[v].Name, lawValue(&l, x))
			same = same && x == l.Values[0]
		}
		if same {
			values = []string{lawValue(&l, l.Values[0])}
		}
		text := name + " " + strings.Join(values, ", ")
		if l.Heard > 0 && l.Heard < 1 {
			text += fmt.Sprintf(" of the %s heard of", oneDigit(l.Heard))
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "; ")
}

func lawValue(l *simulate.Law, x float64) string {
	if l.SD > 0 {
		return strconv.FormatFloat(x, 'g', 5, 64) + "±" + strconv.FormatFloat(l.SD, 'g', 3, 64)
	}
	return strconv.FormatFloat(100*x, 'g', 4, 64) + "%"
}

// truthText says which promotions are right.
func truthText(p *experiment.Plan, t *simulate.Truth) string {
	var best, harmful []string
	for v := range p.Versions {
		if v > 0 && t.Harmful[v] {
			harmful = append(harmful, p.Versions[v].Name)
		}
		if v > 0 && t.Right(v) {
			best = append(best, p.Versions[v].Name)
		}
	}
	text := "no candidate deserves promotion: every promotion is false"
	if len(best) > 0 {
		text = strings.Join(best, " or ") + " deserves promotion"
	}
	if len(harmful) > 0 {
		text += "; " + strings.Join(harmful, ", ") + " breaks a limit"
	}
	return text
}
