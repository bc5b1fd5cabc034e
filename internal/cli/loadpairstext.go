// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/load"
)

// pairsText is the report of two endpoints for people.
func pairsText(r load.PairReport) string {
	var b strings.Builder
	line := func(head, format string, args ...any) { loadLine(&b, head, format, args...) }
	partial := ""
	if r.Partial {
		partial = "PARTIAL, interrupted: "
	}
	line("Baseline", "%s%s %s", partial, r.Method, r.Baseline.URL)
	line("Candidate", "%s%s %s", partial, r.Method, r.Candidate.URL)
	pairs := thousands(r.Pairs)
	if r.Pairs != r.Planned {
		pairs += " of " + thousands(r.Planned)
	}
	line("Pairs", "%s in %s, answered by both %s, the candidate asked first in %s", pairs, seconds(&r.Elapsed), thousands(r.Answered), thousands(r.CandidateFirst))
	if r.Machine.Busy {
		line("Machine", "busy: work waited %s for a processor (p99); part of the latency is its own", seconds(&r.Machine.SchedulingP99))
	}
	for _, n := range r.Notes {
		line("Note", "%s", n)
	}
	b.WriteString("\n" + endsTable(r))
	b.WriteString("\n" + meansTable(r))
	for _, m := range r.Metrics {
		if m.Agreement != nil {
			b.WriteString("\n" + matrixText(m.Metric, m.Agreement))
		}
	}
	if text := slicesTable(r); text != "" {
		b.WriteString("\n" + text)
	}
	if len(r.Gates) > 0 {
		b.WriteString("\n" + gatesTable(r))
	}
	if len(r.Shown) > 0 {
		b.WriteString("\n" + disagreements(r))
	}
	return b.String()
}

// leftTable is a table whose first column, of names, stands to the left.
func leftTable(names []string, rows [][]string) string {
	lines := strings.Split(strings.TrimSuffix(table(rows), "\n"), "\n")
	room, width := max(12, loadWidth-utf8.RuneCountInString(lines[0])), 0
	for i := range names {
		names[i] = clip(names[i], room, false)
		width = max(width, utf8.RuneCountInString(names[i]))
	}
	var b strings.Builder
	for i, l := range lines {
		b.WriteString(strings.TrimRight(fmt.Sprintf("%-*s%s", width, names[i], clip(l, loadWidth-width, false)), " ") + "\n")
	}
	return b.String()
}

func endsTable(r load.PairReport) string {
	rows := [][]string{{"ANSWERED", "FAILED", "UNREAD", "P50", "P90", "P99", "MAX"}}
	ends := []load.PairEnd{r.Baseline, r.Candidate}
	for _, e := range ends {
		row := []string{thousands(e.Answered), thousands(e.Failed), thousands(e.Unread), "-", "-", "-", "-"}
		if l := e.Latency; l != nil {
			row = append(row[:3], seconds(&l.P50), seconds(&l.P90), seconds(&l.P99), seconds(&l.Max))
		}
		rows = append(rows, row)
	}
	var b strings.Builder
	b.WriteString(leftTable([]string{"ENDPOINT", "baseline", "candidate"}, rows))
	for i, e := range ends {
		who := []string{"Baseline", "Candidate"}[i]
		for _, f := range e.Failures {
			loadLine(&b, who, "%s   %s: %s", thousands(f.Count), f.Kind, f.Example)
		}
		for _, x := range e.Statuses {
			if x.Code/100 != 2 {
				loadLine(&b, who, "%s   status %d", thousands(x.Count), x.Code)
			}
		}
		if e.Oversize > 0 {
			loadLine(&b, who, "%s   longer than 1 MiB, not compared", thousands(e.Oversize))
		}
	}
	if t := r.Took; t != nil {
		fmt.Fprintf(&b, "The candidate took %.2f times as long [%.2f, %.2f], %s on average [%s, %s], pair by pair.\n",
			t.Ratio.Value, t.Ratio.Low, t.Ratio.High, signedTime(t.Difference.Value), signedTime(t.Difference.Low), signedTime(t.Difference.High))
	}
	return b.String()
}

// signedTime writes a difference of times with its sign.
func signedTime(was float64) string {
	sign, f := "+", math.Abs(was)
	switch {
	case f < 0.00005:
		sign = "" // It is written as zero.
	case was < 0:
		sign = "-"
	}
	return sign + seconds(&f)
}

// shareText is a mean with its interval.
func shareText(p load.PairShare) string {
	if p.Mean == nil || p.Low == nil {
		return "-"
	}
	digits := 1
	for width := *p.High - *p.Low; width < 0.005 && digits < 4; width *= 10 {
		digits++ // An interval is never written as nothing.
	}
	return fmt.Sprintf("%.*f%% [%.*f, %.*f]", digits, 100**p.Mean, digits, 100**p.Low, digits, 100**p.High)
}

func shareRow(p load.PairShare) []string {
	return []string{thousands(p.Pairs), thousands(p.Blank), shareText(p), cmp.Or(p.Interval, "-")}
}

func meansTable(r load.PairReport) string {
	names, rows := []string{"METRIC"}, [][]string{{"PAIRS", "BLANK", "MEAN [95% CI]", "INTERVAL"}}
	agreement := false
	for _, m := range r.Metrics {
		names, rows = append(names, m.Metric), append(rows, shareRow(m.PairShare))
		agreement = agreement || m.Compare != experiment.CompareFailures && m.Compare != experiment.CompareLatency
	}
	var b strings.Builder
	b.WriteString(leftTable(names, rows))
	for _, m := range r.Metrics {
		switch m.Compare {
		case experiment.CompareFailures:
			fmt.Fprintf(&b, "%s is the share of pairs in which the candidate alone failed.\n", m.Metric)
		case experiment.CompareLatency:
			fmt.Fprintf(&b, "%s is the share of pairs in which the candidate took more than %.4g%% longer.\n", m.Metric, 100*m.Tolerance)
		}
	}
	if agreement {
		b.WriteString("Other metrics are the mean agreement; 100% is all. Blank pairs hold nothing to compare.\n")
	}
	if len(r.LeftOut) > 0 {
		fmt.Fprintf(&b, "Left out, blank in most pairs: %s.\n", strings.Join(r.LeftOut, ", "))
	}
	return b.String()
}

// maxHead is the widest head of a matrix, in columns.
const maxHead = 14

func matrixText(metric string, m *load.PairMatrix) string {
	exact := func(n int64) string { return strconv.FormatInt(n, 10) }
	short := func(n int64) string {
		if n < 10_000 {
			return exact(n)
		}
		return exact((n+500)/1000) + "k"
	}
	names, rows := matrixRows(metric, m, exact)
	if line, _, _ := strings.Cut(table(rows), "\n"); utf8.RuneCountInString(line) > loadWidth-maxHead {
		_, rows = matrixRows(metric, m, short) // A count that is cut off would be a wrong one.
	}
	var b strings.Builder
	b.WriteString(leftTable(names, rows))
	fmt.Fprintf(&b, "The baseline's class by row, the candidate's by column. Same %s", percent(m.Same, 1))
	if m.Kappa != nil {
		fmt.Fprintf(&b, ", kappa %.3f", *m.Kappa)
	}
	b.WriteString(".\n")
	if m.Lost > 0 {
		fmt.Fprintf(&b, "%s pairs have too many different classes to count.\n", thousands(m.Lost))
	}
	return b.String()
}

func matrixRows(metric string, m *load.PairMatrix, count func(int64) string) (names []string, rows [][]string) {
	heads := make([]string, len(m.Classes))
	// All columns must find room beside the names.
	wide := max(3, min(maxHead, (loadWidth-maxHead)/len(heads)-2))
	for i, c := range m.Classes {
		heads[i] = clip(c, wide, false)
	}
	names, rows = []string{clip(strings.ToUpper(metric), maxHead, false)}, [][]string{heads}
	for i, c := range m.Classes {
		names = append(names, clip(c, maxHead, false))
		row := make([]string, len(heads))
		for j, n := range m.Counts[i] {
			row[j] = "."
			if n > 0 {
				row[j] = count(n)
			}
		}
		rows = append(rows, row)
	}
	return names, rows
}

// maxName is the widest name of a metric beside other names.
const maxName = 24

func slicesTable(r load.PairReport) string {
	names, rows := []string{"SLICE, worst first"}, [][]string{{"METRIC", "PAIRS", "BLANK", "MEAN [95% CI]", "INTERVAL"}}
	for _, m := range r.Metrics {
		for _, s := range m.Slices {
			if s.Pairs+s.Blank == 0 {
				continue
			}
			names, rows = append(names, s.Slice), append(rows, slices.Concat([]string{clip(m.Metric, maxName, false)}, shareRow(s.PairShare)))
		}
	}
	if len(rows) == 1 {
		return ""
	}
	return leftTable(names, rows) + "Each interval is for its slice alone; of twenty, one is off by chance.\n"
}

// gateName is what a gate is about, gateLimit the limit as people write it.
func gateName(g load.GateReport) string {
	if g.Slice != "" {
		return g.Metric + " in " + g.Slice
	}
	return g.Metric
}

func gateLimit(g load.GateReport) string {
	sign, limit := "<=", g.Max
	if g.Min != nil {
		sign, limit = ">=", g.Min
	}
	return sign + " " + strconv.FormatFloat(100**limit, 'g', 6, 64) + "%"
}

func gatesTable(r load.PairReport) string {
	names, rows := []string{"REQUIRED"}, [][]string{{"LIMIT", "BY", "MEAN [95% CI]", "STATUS"}}
	for _, g := range r.Gates {
		names = append(names, gateName(g))
		rows = append(rows, []string{gateLimit(g), clip(g.From, maxName, false), shareText(g.PairShare), string(g.Status)})
	}
	return leftTable(names, rows)
}

func disagreements(r load.PairReport) string {
	var b strings.Builder
	fmt.Fprintf(&b, "DISAGREE, %d of %s\n", len(r.Shown), thousands(r.Disagreeing))
	for _, d := range r.Shown {
		for i, m := range d.Metrics {
			where := ""
			if i == 0 {
				where = "line " + strconv.Itoa(d.Line)
			}
			what := m.Metric
			if m.Row > 0 {
				what += fmt.Sprintf(" (row %d)", m.Row)
			}
			short := utf8.RuneCountInString(m.Baseline)+utf8.RuneCountInString(m.Candidate) < loadWidth/2
			if short {
				loadLine(&b, where, "%-18s %s -> %s", what, m.Baseline, m.Candidate)
				continue
			}
			loadLine(&b, where, "%-18s %s", what, m.Baseline)
			loadLine(&b, "", "%18s %s", "->", m.Candidate)
		}
	}
	return b.String()
}
