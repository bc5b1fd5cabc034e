// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"

	reports "github.com/headgate-dev/headgate/internal/report"
	"github.com/headgate-dev/headgate/internal/view"
)

// screen shows views as they come: redrawn in place on a terminal, else a line
// for each new decision.
type screen struct {
	io    IO
	lines int
	told  time.Time
	// lately are the lines of the decisions that were told last, at one time.
	lately []string
	// noted are the kinds of notices that were told.
	noted []string
}

func newScreen(s IO) *screen { return &screen{io: s} }

// draw shows a view.
func (s *screen) draw(v view.Experiment) {
	if !s.io.Terminal {
		s.tell(v)
		return
	}
	text := frame(v, s.io)
	var b strings.Builder
	if s.lines > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", s.lines)
	}
	for line := range strings.Lines(text) {
		b.WriteString("\x1b[2K" + line)
	}
	b.WriteString("\x1b[J")
	s.lines = strings.Count(text, "\n")
	fmt.Fprint(s.io.Out, b.String())
}

// tell prints the notices and decisions that were not told yet.
func (s *screen) tell(v view.Experiment) {
	for _, n := range v.Notices {
		if !slices.Contains(s.noted, n.Kind) {
			fmt.Fprintf(s.io.Err, "note      %s\n", n.Text)
		}
	}
	// A kind is noted once: its text may change with every number.
	for _, n := range v.Notices {
		if !slices.Contains(s.noted, n.Kind) {
			s.noted = append(s.noted, n.Kind)
		}
	}
	for _, d := range v.Decisions {
		line := decisionLine(d)
		if d.At.Before(s.told) || d.At.Equal(s.told) && slices.Contains(s.lately, line) {
			continue
		}
		fmt.Fprintln(s.io.Err, line)
		if !d.At.Equal(s.told) {
			s.told, s.lately = d.At, nil
		}
		s.lately = append(s.lately, line)
	}
}

// close takes the last frame away; what follows says it all, and better.
func (s *screen) close() {
	if s.lines > 0 {
		fmt.Fprintf(s.io.Out, "\x1b[%dA\x1b[J", s.lines)
		s.lines = 0
	}
}

func decisionLine(d view.Decision) string {
	return fmt.Sprintf("%s  %-8s %s -> %s  %s  %s", d.At.Local().Format("15:04:05"), strings.ToUpper(d.Act), d.From, d.To, d.Code, strings.Join(d.Reasons, "; "))
}

// frame draws one view for a terminal.
func frame(v view.Experiment, s IO) string {
	f := &framing{width: min(max(s.Width, 60), 110), p: painter{s.Color}}
	f.line("%s  %s, stage %d of %d, step %d of %d, %.0fs", f.p.bold(name(v)), v.Stage.Name, v.Stage.Number, v.Stage.Of, v.Stage.Step, v.Stage.Steps, v.Elapsed)
	f.line("%s %3.0f%%", f.p.cyan(bar(v.Stage.Progress, f.width-6)), 100*v.Stage.Progress)
	f.line("")
	for i, x := range v.Versions {
		f.version(i, x)
	}
	f.line("")
	f.rewards(v)
	f.parts("", limitParts(v, f.p))
	f.pattern(v)
	f.line("")
	for i, text := range wrap(v.Verdict.Sentence, f.width) {
		if i == 0 {
			text = f.p.verdict(text)
		}
		f.line("%s", text)
	}
	for _, n := range v.Notices {
		for _, text := range wrap("! "+n.Text, f.width) {
			f.line("%s", f.p.paint("33", text))
		}
	}
	for _, d := range tail(v.Decisions, 4) {
		f.line("%s", f.p.dim(decisionLine(d)))
	}
	return f.String()
}

// framing is a frame being drawn.
type framing struct {
	strings.Builder
	width int
	p     painter
}

func (f *framing) line(format string, args ...any) {
	f.WriteString(clip(fmt.Sprintf(format, args...), f.width, f.p.on) + "\n")
}

// parts draws a list in as many lines as it takes: none of it is cut off.
func (f *framing) parts(head string, parts []string) {
	line, indent := head, strings.Repeat(" ", columns(head))
	for i, part := range parts {
		switch {
		case i == 0:
		case columns(line)+3+columns(part) > f.width:
			f.line("%s", line)
			line = indent
		default:
			line += " · "
		}
		line += part
	}
	f.line("%s", line)
}

func (f *framing) version(i int, x view.Version) {
	if x.Removed != nil {
		f.line("%-4s removed at %s: %s", x.Name, x.Removed.At.Local().Format(time.TimeOnly), x.Removed.Why)
		return
	}
	f.line("%-4s %s %6s, seen %6s  %s", x.Name, f.p.share(i, bar(x.Share, 12)), percent(&x.Share, 1), percent(x.Seen, 1), versionText(x))
}

// maxPlots is how many candidates get a plot of their own.
const maxPlots = 3

// rewards draws the differences, and names who is known to be worse off.
func (f *framing) rewards(v view.Experiment) {
	plots := 0
	for _, x := range v.Findings {
		if x.Role != "reward" || x.Slice != "" || removed(v, x.Version) {
			continue
		}
		lines := rewardLines(x, f.p, f.width)
		if plots++; plots > maxPlots {
			lines = lines[:1]
		}
		for _, l := range lines {
			f.line("%s", l)
		}
	}
	for _, x := range v.WorseFor() {
		f.line("%s: %s %s", x.Version, strings.TrimSuffix(strings.TrimSuffix(x.Question, " not worse?"), " better?"), f.p.status(x.Status))
	}
}

// pattern draws what belongs to the stage's kind, and what it waits for.
func (f *framing) pattern(v view.Experiment) {
	if b := v.Bandit; b != nil {
		f.line("%s", banditLine(b))
		for _, a := range b.Arms {
			if !a.Removed {
				i := slices.IndexFunc(v.Versions, func(x view.Version) bool { return x.Name == a.Version })
				f.line("  %-4s %-16s %s %6s  P(best) %5s  reward %s", a.Version, a.Slice, f.p.share(i, bar(a.Share, 12)), percent(&a.Share, 1), chance(a.Best), reports.Estimate(a.Reward, reports.RewardUnit(&v), "-"))
			}
		}
	}
	f.answers(v)
	for _, text := range []string{pointsTable(v), actionLines(v), mirrorLines(v), warmLines(v), spentLine(v)} {
		for l := range strings.Lines(text) {
			f.line("%s", strings.TrimSuffix(l, "\n"))
		}
	}
	if parts := costParts(v); len(parts) > 0 {
		f.parts("COST  ", parts)
	}
	var waits []string
	for _, w := range v.Stage.Waits {
		if !w.Done {
			waits = append(waits, w.What+amount(w))
		}
	}
	if a := v.Stage.Approval; a != nil && !a.Given && v.Warm == nil {
		waits = append(waits, "the approval of "+a.Owner)
	}
	if len(waits) > 0 {
		f.parts("waits for ", waits)
	}
}

func tail(ds []view.Decision, n int) []view.Decision { return ds[max(0, len(ds)-n):] }

func name(v view.Experiment) string {
	if v.Namespace == "" {
		return v.Name
	}
	return v.Namespace + "/" + v.Name
}

func versionText(x view.Version) string {
	return fmt.Sprintf("%6s units %7s requests  errors %6s  p99 %6s", thousands(x.Units), thousands(x.Requests), percent(x.ErrorRate, 2), seconds(x.P99))
}

// rewardLines draws the difference with its interval on an axis around zero.
func rewardLines(f view.Finding, p painter, width int) []string {
	head := fmt.Sprintf("%s of %s against the baseline: ", f.Metric, f.Version)
	if f.Hidden {
		return []string{head + "hidden until the horizon"}
	}
	if f.Estimate == nil || f.Interval == nil {
		return []string{head + "no matured outcomes yet", p.dim(axis(width-4, 0.1))}
	}
	if f.Unit != "" {
		text := fmt.Sprintf("%s%s, %g%% interval %s to %s %s", head, signed(f, *f.Estimate), 100*f.Level,
			signed(f, f.Interval.Low), signed(f, f.Interval.High), guarantee(f.Guarantee))
		return []string{text, whisker(width-4, max(f.Interval.High, -f.Interval.Low), f.Unit, *f.Estimate, f.Interval.Low, f.Interval.High)}
	}
	text := fmt.Sprintf("%s%+.1f points, %g%% interval %+.1f to %+.1f %s",
		head, 100**f.Estimate, 100*f.Level, 100*f.Interval.Low, 100*f.Interval.High, guarantee(f.Guarantee))
	reach := max(0.1, f.Interval.High, -f.Interval.Low)
	return []string{text, whisker(width-4, reach, "", *f.Estimate, f.Interval.Low, f.Interval.High)}
}

func guarantee(g string) string {
	if g == "any time" {
		return "at any time"
	}
	return g
}

// limitParts sum up the limits of all versions that are left.
func limitParts(v view.Experiment, p painter) []string {
	var parts []string
	for _, f := range v.Findings {
		if !f.IsLimit() || removed(v, f.Version) {
			continue
		}
		what := f.Metric
		if f.Slice != "" {
			what += " in " + f.Slice
		}
		parts = append(parts, fmt.Sprintf("%s %s %s", f.Version, what, p.status(f.Status)))
	}
	return parts
}
