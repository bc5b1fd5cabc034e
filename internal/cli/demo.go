// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/headgate-dev/headgate/internal/app/demo"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/view"
)

func demoCommand(s IO) *cobra.Command {
	var o demo.Options
	var output string
	var headless bool
	c := &cobra.Command{
		Use:   "demo",
		Short: "two real models compete for live traffic on this machine until one is promoted on evidence",
		Long: `Starts two model servers that read handwritten digits, a gateway in front of
them, and some thousand users whose true labels come back seconds later. A
canary makes sure that v2 is safe, an A/B test whether it is better; then the
verdict, its reasons and the table of versions. Takes about half a minute and
listens on loopback only.

The exit code is 0 whenever the demo came to a verdict, whichever it was.`,
		Example: `  headgate demo
  headgate demo --candidate worse
  headgate demo --headless -o json | jq .verdict`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if output != "text" && output != "json" {
				return usageError{fmt.Errorf("--output: unknown format %q: want text or json", output)}
			}
			if headless || output == "json" {
				s.Terminal = false
			}
			return runDemo(c.Context(), s, o, output)
		},
	}
	var names []string
	for _, x := range demo.Candidates() {
		names = append(names, x.Name)
	}
	f := c.Flags()
	f.StringVar(&o.Candidate, "candidate", names[0], "what plays v2: "+strings.Join(names, ", "))
	f.Uint64Var(&o.Seed, "seed", 1, "fixes users, rows and faults (not the machine's timing)")
	f.StringVar(&o.Listen, "listen", "", "the gateway's address (default a free port on loopback)")
	f.StringVar(&o.API, "api", "", "the address of page, outcomes and metrics (default a free port on loopback)")
	f.StringVar(&o.Data, "data", "", "keep the run's files in this directory (default a temporary one)")
	f.BoolVar(&headless, "headless", false, "no live view, only lines")
	f.StringVarP(&output, "output", "o", "text", "text or json")
	if err := c.RegisterFlagCompletionFunc("candidate", cobra.FixedCompletions(names, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic("a flag that was just defined: " + err.Error())
	}
	return c
}

// demoTimeout bounds a demo: its plan ends long before.
const demoTimeout = 3 * time.Minute

func runDemo(ctx context.Context, s IO, o demo.Options, output string) (err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, demoTimeout, experiment.Errorf(experiment.CodeInternal, "the demo did not end within %s", demoTimeout))
	defer cancel()
	if output == "text" {
		fmt.Fprintln(s.Err, "training two models on handwritten digits …")
	}
	d, err := demo.Start(ctx, o)
	if err != nil {
		return err
	}
	closed := false
	defer func() {
		if !closed {
			if cerr := d.Close(); err == nil {
				err = cerr
			}
		}
	}()
	if output == "text" {
		introduce(s, d)
	}
	last, err := follow(ctx, s, d, output == "text")
	if err != nil {
		return err
	}
	traffic := d.Traffic()
	closed = true
	if err := d.Close(); err != nil {
		return err
	}
	if output == "json" {
		enc := json.NewEncoder(s.Out)
		enc.SetIndent("", "  ")
		return enc.Encode(last)
	}
	fmt.Fprint(s.Out, report(last, s))
	fmt.Fprintf(s.Err, "\nsent %s requests, %s labels came back", thousands(traffic.Sent), thousands(traffic.Labels))
	if traffic.LabelsLost+traffic.Behind > 0 {
		fmt.Fprintf(s.Err, "; %d labels lost, %d requests skipped because this machine was busy", traffic.LabelsLost, traffic.Behind)
	}
	fmt.Fprintln(s.Err)
	return nil
}

func introduce(s IO, d *demo.Demo) {
	fmt.Fprintf(s.Err, "v1 is a weak model, v2 is %s\n", d.Candidate.About)
	fmt.Fprintf(s.Err, "gateway %s\npage, outcomes and metrics %s\n\n", d.TrafficURL(), d.APIURL())
}

// watched is what follow needs of a run.
type watched interface {
	Changed() <-chan struct{}
	Done() <-chan struct{}
	Err() error
	View() view.Experiment
}

// redrawEvery bounds how often the live view is drawn.
const redrawEvery = 200 * time.Millisecond

// follow shows a run until it ends: a live view on a terminal, else a line for
// each decision.
func follow(ctx context.Context, s IO, d watched, show bool) (view.Experiment, error) {
	screen := newScreen(s)
	defer screen.close()
	tick := time.NewTicker(redrawEvery)
	defer tick.Stop()
	for {
		if show {
			screen.draw(d.View())
		}
		select {
		case <-ctx.Done():
			return d.View(), context.Cause(ctx)
		case <-d.Done():
			if show {
				screen.draw(d.View())
			}
			return d.View(), d.Err()
		case <-d.Changed():
			// Drawn at the next tick at the latest; terminals are not films.
			select {
			case <-tick.C:
			case <-d.Done():
			case <-ctx.Done():
			}
		case <-tick.C:
		}
	}
}
