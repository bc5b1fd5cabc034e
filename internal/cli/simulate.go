// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/headgate-dev/headgate/internal/simulate"
	"github.com/headgate-dev/headgate/internal/view"
)

// simulateFlags are what a simulation takes besides the file.
type simulateFlags struct {
	files []string
	world worldFlags
	simulate.Options
	format format
}

func simulateCommand(s IO) *cobra.Command {
	var x simulateFlags
	c := &cobra.Command{
		Use: "simulate -f FILE", Short: "before it runs: play it a thousand times, against other tools' rules", Args: cobra.NoArgs,
		Long: `Plays an experiment many times in synthetic worlds, through the engine that would
run it: how often it promotes what is better, and how often what is the same; how
long it takes, how many users meet the worse version, what reward is lost and what
it costs. The rules of Iter8, Argo Rollouts and Flagger, in our words, are played
in the same worlds.

An effect is positive where it improves a metric, whatever the metric's goal. The
reward's effect is the plan's smallest effect that matters unless it is given; 0
makes all versions the same, and every promotion false. What is not given is
assumed, and the report says what that was.

The same seed gives the same numbers, however many runs are played at once.
Interrupted, it reports the runs that were played and exits with 130.`,
		Example: `  headgate simulate -f ranker.yaml --runs 10000 --effect 0 --baseline 10% --traffic 20/s
  headgate simulate -f ranker.yaml --effect 2% --delay 1h --errors v2=3% -o json | jq .headgate.promoted
  headgate simulate -f ranker.yaml --effect +1pt --effect tier=premium=-2pt --group tier=premium:10%`,
		RunE: func(c *cobra.Command, _ []string) error { return runSimulate(c.Context(), s, &x) },
	}
	filesFlag(c, &x.files)
	x.world.define(c)
	f := c.Flags()
	f.IntVar(&x.Runs, "runs", 1000, "how many experiments to play")
	f.Uint64Var(&x.Seed, "seed", 1, "fixes every number that is drawn")
	f.IntVar(&x.Parallel, "parallel", runtime.GOMAXPROCS(0), "how many to play at once")
	f.BoolVar(&x.Rivals, "rivals", true, "play other tools' rules too")
	x.format.flag(c, "json", "yaml")
	return c
}

func runSimulate(ctx context.Context, s IO, x *simulateFlags) error {
	if err := x.format.check(); err != nil {
		return err
	}
	if x.Parallel < 1 {
		return usageError{fmt.Errorf("--parallel: %d at once: want 1 or more", x.Parallel)}
	}
	p, err := readPlan(x.files...)
	if err != nil {
		return err
	}
	a, err := x.world.assumptions(p)
	if err != nil {
		return err
	}
	w, err := simulate.NewFast(p, a)
	if err != nil {
		return err
	}
	bar := newRunsProgress(s, x.Runs)
	x.Progress = bar.show
	r, err := w.Many(ctx, a, x.Options)
	bar.close()
	if r.Headgate.Runs == 0 {
		return err
	}
	done, werr := x.format.write(s.Out, struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
		simulate.Report
	}{view.APIVersion, "SimulationReport", r})
	if !done {
		_, werr = io.WriteString(s.Out, simulationText(p, r))
	}
	if werr != nil {
		return werr
	}
	return err
}

// runsProgress tells on stderr how far a simulation is: a bar on a terminal, else
// a line at every tenth or ten seconds.
type runsProgress struct {
	to    io.Writer
	width int // of the terminal, 0 for none
	of    int
	began time.Time

	mu    sync.Mutex
	drawn bool
	done  int
	told  time.Time
	tenth int
}

// How often progress is told, on a terminal and elsewhere.
const (
	redrawRuns = 100 * time.Millisecond
	tellRuns   = 10 * time.Second
)

// newRunsProgress judges stderr by itself: stdout may be a file.
func newRunsProgress(s IO, of int) *runsProgress {
	now := time.Now()
	p := &runsProgress{to: s.Err, of: of, began: now, told: now}
	if f, ok := s.Err.(*os.File); ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb" {
		p.width = 80
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
			p.width = w
		}
	}
	return p
}

// show may be called by several goroutines.
func (p *runsProgress) show(done int) { p.at(done, time.Now()) }

func (p *runsProgress) at(done int, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if done <= p.done {
		return // Another was quicker to tell.
	}
	p.done = done
	switch {
	case p.width > 0:
		if now.Sub(p.told) >= redrawRuns || done == p.of {
			p.told, p.drawn = now, true
			fmt.Fprint(p.to, "\r\x1b[2K"+clip(p.line(now), p.width-1, false))
		}
	case now.Sub(p.began) < time.Second:
		// Nobody waits for what is over at once.
	case 10*done/p.of > p.tenth || now.Sub(p.told) >= tellRuns:
		p.told, p.tenth = now, 10*done/p.of
		fmt.Fprintln(p.to, p.line(now))
	}
}

// line is the bar with count, rate and the time left.
func (p *runsProgress) line(now time.Time) string {
	took := now.Sub(p.began)
	fraction := float64(p.done) / float64(p.of)
	left := time.Duration(float64(took) * (1 - fraction) / max(fraction, 1e-9)).Round(time.Second)
	text := fmt.Sprintf("%3.0f%%  %s of %s runs  %s/s  %s left", 100*fraction, thousands(int64(p.done)), thousands(int64(p.of)),
		rateText(float64(p.done)/max(took.Seconds(), 1e-9)), left)
	if p.width > 0 {
		return bar(fraction, min(40, p.width/3)) + " " + text
	}
	return text
}

// close takes the bar away; the report says it all, and better.
func (p *runsProgress) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.drawn {
		fmt.Fprint(p.to, "\r\x1b[2K")
	}
}
