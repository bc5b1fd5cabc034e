// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/headgate-dev/headgate/internal/app/local"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/translate"
)

func runCommand(s IO) *cobra.Command {
	var o local.Options
	var file string
	c := &cobra.Command{
		Use:   "run -f FILE",
		Short: "run an experiment on this machine, with Headgate's own gateway",
		Long: `Serves the experiment's versions behind the gateway, joins outcomes posted to
the API, and moves traffic by the experiment's stages. What it learns is kept in
the data directory and resumed from there. After the verdict it goes on serving
until it is interrupted.`,
		Example: `  headgate run -f experiment.yaml --listen 127.0.0.1:8080`,
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			data, err := readFile(file)
			if err != nil {
				return err
			}
			if o.Plan, err = translate.Plan(data); err != nil {
				return err
			}
			return runLocal(c.Context(), s, o)
		},
	}
	f := c.Flags()
	f.StringVarP(&file, "filename", "f", "", "the experiment's file, or - for standard input")
	f.StringVar(&o.Listen, "listen", local.Loopback, "the gateway's address")
	f.StringVar(&o.API, "api", local.Loopback, "the address of outcomes, view and metrics")
	f.StringVar(&o.Data, "data", ".headgate", "the directory of the run's files")
	if err := c.MarkFlagRequired("filename"); err != nil {
		panic("a flag that was just defined: " + err.Error())
	}
	return c
}

// maxFile is more than any experiment; reading stops there.
const maxFile = 2 << 20

func readFile(name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(io.LimitReader(os.Stdin, maxFile))
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, experiment.Errorf(experiment.CodeInvalid, "read the experiment: %w", err)
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil {
		return nil, experiment.Errorf(experiment.CodeInvalid, "read the experiment: %w", err)
	}
	return data, nil
}

func runLocal(ctx context.Context, s IO, o local.Options) (err error) {
	l, err := local.Start(ctx, o)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := l.Close(); err == nil {
			err = cerr
		}
	}()
	fmt.Fprintf(s.Err, "gateway %s, outcomes and metrics %s\n\n", l.TrafficURL(), l.APIURL())
	last, err := follow(ctx, s, l, true)
	if err != nil {
		return err
	}
	fmt.Fprint(s.Out, report(last, s))
	fmt.Fprintln(s.Err, "\nthe gateway goes on serving; interrupt to stop it")
	<-ctx.Done()
	return nil
}
