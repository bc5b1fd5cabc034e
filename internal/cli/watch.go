// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/spf13/cobra"

	"github.com/headgate-dev/headgate/internal/view"
)

func watchCommand(s IO) *cobra.Command {
	var t target
	var f format
	c := &cobra.Command{
		Use: "watch [NAME]", Short: "a live screen of an experiment", Args: cobra.MaximumNArgs(1),
		Long: `Shows shares, the estimate with its interval and its course, objectives and
decisions, live, until the experiment ends or q is pressed; the last frame stays on
the screen. Without a terminal it prints a line for each decision; -o json prints
each view as one line of JSON.`,
		RunE: func(c *cobra.Command, args []string) error {
			if err := f.check(); err != nil {
				return err
			}
			client, err := t.client()
			if err != nil {
				return err
			}
			defer client.Close()
			first, err := client.View(c.Context(), nameOf(args))
			if err != nil {
				return err
			}
			w := &watching{client: client, name: name(first), io: s}
			switch {
			case f.value == "json":
				return w.stream(c.Context())
			case s.Terminal:
				return w.screen(c.Context(), first)
			default:
				return w.lines(c.Context())
			}
		},
	}
	c.ValidArgsFunction = t.complete
	t.flag(c)
	f.flag(c, "json")
	return c
}

// watching follows one experiment.
type watching struct {
	client remote
	name   string
	io     IO
}

// each calls show with every new view until the experiment has ended.
func (w *watching) each(ctx context.Context, show func(view.Experiment) error) error {
	var last time.Time
	for {
		v, err := w.client.View(ctx, w.name)
		if err != nil {
			return err
		}
		if !v.At.Equal(last) {
			last = v.At
			if err := show(v); err != nil {
				return err
			}
		}
		if v.Verdict.Outcome != "" {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(lookEvery):
		}
	}
}

// lines prints each decision once.
func (w *watching) lines(ctx context.Context) error {
	told := &screen{io: IO{Err: w.io.Out}}
	var last view.Experiment
	err := w.each(ctx, func(v view.Experiment) error {
		told.tell(v)
		last = v
		return nil
	})
	if err == nil {
		fmt.Fprintln(w.io.Out, last.Verdict.Sentence)
	}
	return err
}

// stream prints each view as a line of JSON.
func (w *watching) stream(ctx context.Context) error {
	return w.each(ctx, func(v view.Experiment) error { return writeLine(w.io.Out, v) })
}

// screen draws on the terminal's other screen and leaves the last frame on the
// normal one.
func (w *watching) screen(ctx context.Context, first view.Experiment) error {
	model := watchModel{watching: w, ctx: ctx, view: first, io: w.io}
	model.course = appendCourse(nil, first)
	end, err := tea.NewProgram(model, tea.WithContext(ctx), tea.WithOutput(w.io.Out)).Run()
	last, ok := end.(watchModel)
	if !ok {
		last = model
	}
	fmt.Fprint(w.io.Out, frame(last.view, last.io))
	switch {
	case errors.Is(err, tea.ErrProgramKilled), errors.Is(err, tea.ErrInterrupted):
		return context.Canceled
	case err != nil:
		return err
	default:
		return last.err
	}
}

// watchModel is the state of the live screen.
type watchModel struct {
	*watching
	ctx    context.Context
	view   view.Experiment
	io     IO
	course []float64
	err    error
}

// viewed is a view that came.
type viewed struct {
	view view.Experiment
	err  error
}

func (m watchModel) Init() tea.Cmd { return m.next() }

// next asks for the next view after a while.
func (m watchModel) next() tea.Cmd {
	return tea.Tick(lookEvery, func(time.Time) tea.Msg {
		v, err := m.client.View(m.ctx, m.name)
		return viewed{v, err}
	})
}

func (m watchModel) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.io.Width = msg.Width
	case tea.KeyPressMsg:
		switch msg.String() {
		case "q", "esc", "ctrl+c":
			return m, tea.Quit
		}
	case viewed:
		if msg.err != nil {
			m.err = msg.err
			return m, tea.Quit
		}
		if !msg.view.At.Equal(m.view.At) {
			m.course = appendCourse(m.course, msg.view)
		}
		m.view = msg.view
		if m.view.Verdict.Outcome != "" {
			return m, tea.Quit
		}
		return m, m.next()
	}
	return m, nil
}

func (m watchModel) View() tea.View {
	p := painter{m.io.Color}
	text := frame(m.view, m.io)
	if line := sparkline(m.course, max(20, min(m.io.Width, 110)-30)); line != "" {
		text += "\n" + p.dim("candidate's difference so far  ") + line + "\n"
	}
	v := tea.NewView(text + "\n" + p.dim("q quits; headgate kill takes everything back"))
	v.AltScreen = true
	return v
}

// maxCourse bounds what the live screen remembers.
const maxCourse = 600

// appendCourse remembers the reward's estimate, of the first candidate that is
// left.
func appendCourse(course []float64, v view.Experiment) []float64 {
	for _, f := range v.Findings {
		if f.Role == "reward" && f.Slice == "" && f.Estimate != nil && !removed(v, f.Version) {
			course = append(course, *f.Estimate)
			break
		}
	}
	return course[max(0, len(course)-maxCourse):]
}

// sparkline draws the newest values in n columns, from the least to the
// greatest.
func sparkline(values []float64, n int) string {
	values = values[max(0, len(values)-n):]
	if len(values) < 2 {
		return ""
	}
	low, high := values[0], values[0]
	for _, x := range values {
		low, high = min(low, x), max(high, x)
	}
	var b strings.Builder
	for _, x := range values {
		level := 0
		if high > low {
			level = int((x - low) / (high - low) * 7)
		}
		b.WriteRune([]rune("▁▂▃▄▅▆▇█")[level])
	}
	return b.String()
}
