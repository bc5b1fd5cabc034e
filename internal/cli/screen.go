// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/headgate-dev/headgate/internal/view"
)

// screen shows views as they come: redrawn in place on a terminal, else a line
// for each new decision.
type screen struct {
	io    IO
	lines int
	told  time.Time
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

// tell prints the decisions that were not told yet.
func (s *screen) tell(v view.Experiment) {
	for _, d := range v.Decisions {
		if d.At.After(s.told) {
			fmt.Fprintln(s.io.Err, decisionLine(d))
			s.told = d.At
		}
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
	var b strings.Builder
	width := min(max(s.Width, 60), 110)
	p := painter{s.Color}
	line := func(format string, args ...any) {
		b.WriteString(clip(fmt.Sprintf(format, args...), width, s.Color) + "\n")
	}
	line("%s  %s, stage %d of %d, step %d of %d, %.0fs", p.bold(name(v)), v.Stage.Name, v.Stage.Number, v.Stage.Of, v.Stage.Step, v.Stage.Steps, v.Elapsed)
	line("%s %3.0f%%", p.cyan(bar(v.Stage.Progress, width-6)), 100*v.Stage.Progress)
	line("")
	for i, x := range v.Versions {
		line("%-4s %s %6s, seen %6s  %s", x.Name, p.share(i, bar(x.Share, 12)), percent(&x.Share, 1), percent(x.Seen, 1), versionText(x))
	}
	line("")
	for _, f := range v.Findings {
		if f.Role == "reward" {
			for _, l := range rewardLines(f, p, width) {
				line("%s", l)
			}
		}
	}
	line("%s", objectivesLine(v, p))
	line("")
	for i, text := range wrap(v.Verdict.Sentence, width) {
		if i == 0 {
			text = p.verdict(text)
		}
		line("%s", text)
	}
	for _, d := range tail(v.Decisions, 4) {
		line("%s", p.dim(decisionLine(d)))
	}
	return b.String()
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
	if f.Estimate == nil || f.Interval == nil {
		return []string{head + "no matured outcomes yet", p.dim(axis(width-4, 0.1))}
	}
	text := fmt.Sprintf("%s%+.1f points, %g%% interval %+.1f to %+.1f %s",
		head, 100**f.Estimate, 100*f.Level, 100*f.Interval.Low, 100*f.Interval.High, guarantee(f.Guarantee))
	reach := max(0.1, f.Interval.High, -f.Interval.Low)
	return []string{text, whisker(width-4, reach, *f.Estimate, f.Interval.Low, f.Interval.High)}
}

func guarantee(g string) string {
	if g == "any time" {
		return "at any time"
	}
	return g
}

// objectivesLine sums up the objectives of all versions.
func objectivesLine(v view.Experiment, p painter) string {
	var parts []string
	for _, f := range v.Findings {
		if f.Role == "objective" {
			parts = append(parts, fmt.Sprintf("%s %s %s", f.Version, f.Metric, p.status(f.Status)))
		}
	}
	return strings.Join(parts, " · ")
}
